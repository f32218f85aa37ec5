"""`Hint`: what a check has found."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cascade.app.inspection import Inspection
from cascade.config._lines import Key


@dataclass(frozen=True, slots=True)
class Hint:
    """What is probably wrong at a key of the file, and how to mend it."""

    key: Key
    problem: str
    remedy: str


Check = Callable[[Inspection], Iterable[Hint]]
