"""How a walk through the tiers ends."""

from dataclasses import dataclass

from cascade.errors import ProviderError
from cascade.result import Reason
from cascade.types import Response
from gates import Verdict


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer of a tier, and what its gate said, if it had one."""

    tier: str
    response: Response
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The walk ended with an answer that passed."""

    draft: Draft


@dataclass(frozen=True, slots=True)
class Stopped:
    """The walk ended without one; `draft` is the last complete answer, `error` the last error."""

    reason: Reason
    draft: Draft | None
    error: ProviderError | None


@dataclass(frozen=True, slots=True)
class Refused:
    """An endpoint refused the request itself."""

    error: ProviderError


@dataclass(frozen=True, slots=True)
class Broken:
    """An answer failed after a part of it had been handed out."""

    reason: str
    error: ProviderError | None


Ending = Accepted | Stopped | Refused | Broken
