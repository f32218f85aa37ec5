"""Checks of what gates and scorers are constructed with."""


def whole_number(owner: str, name: str, value: int, least: int) -> None:
    """Raise unless `value`, the parameter `name` of `owner`, is a whole number from `least` on."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{owner}: {name} must be a whole number, got {value!r}")
    if value < least:
        raise ValueError(f"{owner}: {name} must be {least} or more, got {value}")


def share(owner: str, name: str, value: float) -> None:
    """Raise unless `value`, the parameter `name` of `owner`, is a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{owner}: {name} must be a number, got {value!r}")
    if not 0 <= value <= 1:
        raise ValueError(f"{owner}: {name} must be from 0 to 1, got {value}")


def one_of(owner: str, name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raise unless `value`, the parameter `name` of `owner`, is one of the words `allowed`."""
    if value not in allowed:
        raise ValueError(f"{owner}: {name} must be one of {', '.join(allowed)}, got {value!r}")


STATUSES = ("fail", "abstain", "pass")


def too_long(limit: int) -> str:
    """The reason of an abstention from a text of more than `limit` characters."""
    return f"longer than {limit:,} characters"
