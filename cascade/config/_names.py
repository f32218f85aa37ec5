"""Whether the names in a file agree: tiers and routes differ, and what is named exists.

Read from the parsed TOML rather than from the schema, so that one run tells of all mistakes.
"""

from collections.abc import Iterable, Iterator, Mapping

from cascade.config._lines import Key
from cascade.config._tables import Problem, unknown
from cascade.policy.routing import DEFAULT_ROUTE

Document = Mapping[str, object]

BY_TIER = ("gates", "expected_fallback", "expected_agreement", "expected_labels")
"""Tables of a route whose keys are its tiers."""


def name_problems(document: Document) -> Iterator[Problem]:
    """Every name that stands twice, and every one that stands for nothing."""
    tiers, routes = list(_tables(document, "tiers")), list(_tables(document, "routes"))
    yield from _twice(_named(tiers), "tier")
    yield from _twice(_named(routes), "route")
    yield from _twice(_tasks(routes), "task")
    if len(list(_named(tiers))) == len(tiers):
        known = [name for _, name in _named(tiers)]
        for key, route in routes:
            yield from _strangers(key, route, known)
    if len(list(_named(routes))) == len(routes):
        targets = [DEFAULT_ROUTE, *(name for _, name in [*_named(routes), *_tasks(routes)])]
        for key, rule in _tables(document, "rules"):
            yield from _stray((*key, "route"), rule.get("route"), "route", targets)


def _tables(document: Document, name: str) -> Iterator[tuple[Key, Document]]:
    found = document.get(name)
    for position, each in enumerate(found if isinstance(found, list) else ()):
        if isinstance(each, dict):
            yield (name, position), each


def _named(tables: Iterable[tuple[Key, Document]]) -> Iterator[tuple[Key, str]]:
    for key, each in tables:
        if isinstance(name := each.get("name"), str):
            yield (*key, "name"), name


def _tasks(routes: Iterable[tuple[Key, Document]]) -> Iterator[tuple[Key, str]]:
    """What each route serves: its tasks, or else its name."""
    for key, route in routes:
        if "tasks" in route:
            yield from _texts((*key, "tasks"), route["tasks"])
        else:
            yield from _named([(key, route)])


def _texts(key: Key, value: object) -> Iterator[tuple[Key, str]]:
    for position, each in enumerate(value if isinstance(value, list) else ()):
        if isinstance(each, str):
            yield (*key, position), each


def _twice(found: Iterable[tuple[Key, str]], what: str) -> Iterator[Problem]:
    first: dict[str, Key] = {}
    for key, name in found:
        if first.setdefault(name, key) != key:
            yield key, f'the {what} "{name}" stands twice; names must differ'


def _strangers(key: Key, route: Document, known: list[str]) -> Iterator[Problem]:
    walked = list(_texts((*key, "tiers"), route.get("tiers")))
    for place, name in walked:
        if name not in known:
            yield place, unknown("tier", name, known)
    yield from _twice(walked, "tier")
    way = [name for _, name in walked if name in known] or known
    for table in BY_TIER:
        given = route.get(table)
        for name in given if isinstance(given, dict) else ():
            if name not in way:
                yield (*key, table, name), unknown("tier of this route", name, way)
    yield from _stray((*key, "start"), route.get("start"), "tier of this route", way)


def _stray(key: Key, name: object, what: str, known: list[str]) -> Iterator[Problem]:
    if isinstance(name, str) and name not in known:
        yield key, unknown(what, name, dict.fromkeys(known))
