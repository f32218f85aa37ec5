"""`Guess`: what a router says of a request."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guess:
    """A router's word for what kind of work a request is.

    Args:
        task: the task; None where it is not certain, which means the more capable route.
        reason: why, with figures; never words of the prompt.
    """

    task: str | None
    reason: str = ""
