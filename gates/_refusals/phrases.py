"""The form of a table of refusals."""

from typing import NamedTuple


class Rule(NamedTuple):
    """Cues, one of which must be in the text, and the pattern that is then searched for."""

    cues: tuple[str, ...]
    pattern: str


class Phrases(NamedTuple):
    """How answers refuse in one language, over lower-cased text with straight apostrophes.

    A text without any of `cues` is not looked at further. `refuses` are searched for in the whole
    head, `opens` in its opening only, and `knows_not` matches all that a
    short answer says.
    """

    cues: tuple[str, ...]
    refuses: tuple[Rule, ...]
    knows_not: str
    opens: tuple[Rule, ...] = ()
