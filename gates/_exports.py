"""Names of a package that are read in when they are first used."""

from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType

Exports = tuple[list[str], Callable[[str], object], Callable[[], list[str]]]
"""`__all__`, `__getattr__` and `__dir__` of a package."""


def exports(package: ModuleType, homes: Mapping[str, str]) -> Exports:
    """What makes a package give the names of its modules (PEP 562).

    Args:
        package: the package; its stub (`__init__.pyi`) says the same to type checkers.
        homes: by module of the package, its names with a blank between them.
    """
    home_of = {name: home for home, names in homes.items() for name in names.split()}

    def get(name: str) -> object:
        if name not in home_of:
            raise AttributeError(f"module {package.__name__!r} has no attribute {name!r}")
        module = import_module(f"{package.__name__}.{home_of[name]}")
        found: object = getattr(module, name)
        setattr(package, name, found)
        return found

    return sorted(home_of), get, lambda: sorted({*vars(package), *home_of})
