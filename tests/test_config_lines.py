"""Every key of a TOML text is found on the line where it stands."""

import re
import tomllib
from collections.abc import Iterator
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.config._lines import Key, line_of, lines_of

Drawn = TypeVar("Drawn")

Tree = dict[str, "Value"]
Value = int | list["Value"] | Tree

NAMES = st.sampled_from(["a", "b-c", "7", "x y", "d.e", 'q"', "[t]", "#", "ä", "="])
BARE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
NOISE = st.sampled_from(["", "\n", "# note = [\n", "  # it's\n\n", "\t\n"])
STRINGS = (
    '"v{}"',
    "'v{}'",
    '"v{} \\" # ] }}"',
    "'v{} \\'",
    '"""v{}\n[x]\ny = "1" \\""""',
    "'''v{}\n\n'x'''",
    '"""v{} """""',
    "'''v{}'''''",
)
PLAIN = ("{}", "{}.5e3", "1979-05-27 07:32:00.{}", "+{}")


def trees() -> st.SearchStrategy[Tree]:
    """Nested tables and arrays; the leaves only mark their place."""
    leaf: st.SearchStrategy[Value] = st.just(0)
    value = st.recursive(
        leaf,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
        max_leaves=8,
    )
    return st.dictionaries(NAMES, value, max_size=4)


class Writer:
    """Writes a tree as TOML in styles that are drawn; each leaf gets a number of its own."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data
        self._leaves = 0

    def document(self, tree: Tree) -> str:
        return "".join(self._table((), tree))

    def _table(self, way: tuple[str, ...], tree: Tree) -> Iterator[str]:
        """Plain keys first, since a header would take them over."""
        blocks = {name: each for name, each in tree.items() if self._is_block(each)}
        for name, each in tree.items():
            if name not in blocks:
                yield self._noise() + "".join(self._pair([name], each)) + "\n"
        for name, each in blocks.items():
            yield from self._block((*way, name), each)

    def _is_block(self, value: Value) -> bool:
        if isinstance(value, list):
            tables = bool(value) and all(isinstance(each, dict) for each in value)
            return tables and self._draw(st.booleans())
        return isinstance(value, dict) and self._draw(st.booleans())

    def _block(self, way: tuple[str, ...], value: Value) -> Iterator[str]:
        several = isinstance(value, list)
        for each in value if isinstance(value, list) else [value]:
            assert isinstance(each, dict)
            header = " . ".join(self._name(name) for name in way)
            yield self._noise() + (f"[[ {header}]]\n" if several else f"[{header} ] # x\n")
            yield from self._table(way, each)

    def _pair(self, names: list[str], value: Value) -> Iterator[str]:
        if isinstance(value, dict) and len(value) == 1 and self._draw(st.booleans()):
            ((name, inner),) = value.items()
            yield from self._pair([*names, name], inner)
        else:
            yield ".".join(self._name(name) for name in names) + " = "
            yield from self._value(value)

    def _value(self, value: Value) -> Iterator[str]:
        if isinstance(value, list):
            yield "[" + self._noise()
            for each in value:
                yield from self._value(each)
                yield self._noise() + "," + self._noise()
            yield "]"
        elif isinstance(value, dict):
            pairs = ["".join(self._pair([name], each)) for name, each in value.items()]
            yield "{ " + ", ".join(pairs) + " }"
        else:
            self._leaves += 1
            yield self._draw(st.sampled_from(STRINGS + PLAIN)).format(100_000 + self._leaves)

    def _name(self, name: str) -> str:
        quoted = '"' + name.replace('"', '\\"') + '"'
        styles = [quoted, *([f"'{name}'"] if "'" not in name else [])]
        return self._draw(st.sampled_from(styles + ([name] if set(name) <= BARE else [])))

    def _noise(self) -> str:
        return self._draw(NOISE)

    def _draw(self, strategy: st.SearchStrategy[Drawn]) -> Drawn:
        return self._data.draw(strategy)


def places(value: object, key: Key = ()) -> Iterator[tuple[Key, object]]:
    """Every key of parsed TOML with its value."""
    if key:
        yield key, value
    pairs = enumerate(value) if isinstance(value, list) else ()
    for step, each in value.items() if isinstance(value, dict) else pairs:
        yield from places(each, (*key, step))


@given(trees(), st.data())
def test_exactly_the_keys_that_tomllib_reads_have_a_line(tree: Tree, data: st.DataObject) -> None:
    text = Writer(data).document(tree)
    assert set(lines_of(text)) == {key for key, _ in places(tomllib.loads(text))}


@given(trees(), st.data(), st.sampled_from(["\n", "\r\n"]))
def test_each_value_stands_on_its_line(tree: Tree, data: st.DataObject, end: str) -> None:
    text = Writer(data).document(tree).replace("\n", end)
    lines, written = lines_of(text), text.split(end)
    for key, value in places(tomllib.loads(text)):
        if not isinstance(value, dict | list):
            (number,) = re.findall(r"100\d{3}", str(value))
            assert number in written[lines[key] - 1]


@given(trees(), st.data())
def test_a_parent_stands_no_later_than_its_first_key(tree: Tree, data: st.DataObject) -> None:
    lines = lines_of(Writer(data).document(tree))
    for key, line in lines.items():
        assert line_of(lines, key[:-1]) <= line


TEXT = """# a
[a]
b.c = 1
"d e" = [ 1,
  { f = 2 }, # [
]

[[g]]
[[g.h]]
i = '''
[j]
'''
[[g.h]]
[g.h.k]
[[g]]
"""


@pytest.mark.parametrize(
    ("key", "line"),
    [
        pytest.param((), 1, id="the file"),
        pytest.param(("a",), 2, id="a header"),
        pytest.param(("a", "b"), 3, id="the first part of a dotted key"),
        pytest.param(("a", "b", "c"), 3, id="a dotted key"),
        pytest.param(("a", "d e", 0), 4, id="the first of an array"),
        pytest.param(("a", "d e", 1, "f"), 5, id="in an inline table"),
        pytest.param(("g",), 8, id="an array of tables"),
        pytest.param(("g", 0, "h", 0, "i"), 10, id="in a nested one"),
        pytest.param(("g", 0, "h", 1), 13, id="the next of it"),
        pytest.param(("g", 0, "h", 1, "k"), 14, id="a table in the next"),
        pytest.param(("g", 1), 15, id="the next outside"),
        pytest.param(("g", 0, "h", 0, "x", "y"), 9, id="what is not there: its table"),
        pytest.param(("x", 3), 1, id="what is nowhere: the file"),
    ],
)
def test_keys_are_found_in_every_notation(key: Key, line: int) -> None:
    assert line_of(lines_of(TEXT), key) == line
