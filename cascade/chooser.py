"""Finds a request's route: by rule and task, else as a router says."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable

import anyio

from cascade.call import cancellations
from cascade.errand import Errand
from cascade.errors import CascadeError, Unsupported
from cascade.policy.routing import Choice, Router
from cascade.routers import Guess, ModelRouter
from cascade.tier import Tier
from cascade.trace import Attempt
from cascade.types import Request, Response

logger = logging.getLogger("cascade")

Word = str | Guess | None
"""A task, or None where it is not certain."""

RouterFunction = Callable[[Request], Word | Awaitable[Word]]
"""Names the task of a request that no rule took and that came without a task of a route."""


class Chooser:
    """Chooses routes; whatever a router fails at takes the default route.

    Args:
        router: the rules and tasks, which come first.
        guide: asked where those do not say.
        cheapest: the tier that a `ModelRouter` asks.
        timeout: seconds that the guide may take, where it is asynchronous.
    """

    def __init__(
        self,
        router: Router,
        guide: RouterFunction | ModelRouter | None,
        cheapest: Tier,
        timeout: float,
    ) -> None:
        self.router = router
        self._guide = guide
        self._cheapest = cheapest
        self._timeout = timeout

    @property
    def asks(self) -> bool:
        """Whether there is somebody to ask where rules and tasks do not say."""
        return self._guide is not None

    async def ask(self, errand: Errand, attempts: list[Attempt]) -> Choice:
        """The route that the guide names; calls made for it are added to `attempts`."""
        if self._guide is None:
            return errand.choice
        guess = await self._guessed(self._guide, errand, attempts)
        if guess.task is None:
            return Choice(self.router.default, f"router: {guess.reason or 'not certain'}")
        return self.router.serving(guess.task, f"router: {guess.reason or guess.task}")

    async def _guessed(
        self, guide: RouterFunction | ModelRouter, errand: Errand, attempts: list[Attempt]
    ) -> Guess:
        seconds = min(self._timeout, errand.remaining / 2)
        before = cancellations()
        with anyio.move_on_after(seconds) as scope:
            try:
                return _read(await self._said(guide, errand, attempts))
            except CascadeError as error:
                return Guess(None, f"failed ({type(error).__name__})")
            except asyncio.CancelledError:
                if cancellations() > before or scope.cancel_called:
                    raise
                return Guess(None, "failed (CancelledError)")  # nobody cancelled us
            except Exception as error:  # a router must not cost the caller an answer
                logger.exception("the router failed; the request takes the default route")
                return Guess(None, f"failed ({type(error).__name__})")
        return Guess(None, f"said nothing within {seconds:.3g} s")

    async def _said(
        self, guide: RouterFunction | ModelRouter, errand: Errand, attempts: list[Attempt]
    ) -> Word:
        async def ask(request: Request) -> Response:
            lacking = self._cheapest.lacking(request)
            if lacking is not None:
                raise Unsupported(lacking)
            return await self._cheapest.ask(request, errand, attempts)

        if isinstance(guide, ModelRouter):
            return await guide.choose(errand.request, ask)
        said = guide(errand.request)
        return await said if inspect.isawaitable(said) else said


def _read(said: Word) -> Guess:
    if said is None:
        return Guess(None)
    if isinstance(said, Guess) and isinstance(said.task, str | None):
        return said
    if isinstance(said, str):
        return Guess(said, f"named {said!r}")
    raise TypeError(f"a router gives a task, a Guess or None; got {type(said).__name__}")
