"""An outline for people: a tree on a terminal, indented plain text anywhere else."""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text
from rich.tree import Tree


@dataclass(frozen=True, slots=True)
class Node:
    """A line, and what belongs under it."""

    label: str
    children: "tuple[Node, ...]" = ()


def is_plain(console: Console) -> bool:
    """Whether neither lines nor colours are wanted: a pipe, a dumb terminal, NO_COLOR."""
    return not console.is_terminal or console.is_dumb_terminal or console.no_color


def print_outline(console: Console, node: Node) -> None:
    """Print the outline as this console can show it."""
    if is_plain(console):
        for line in lines_of(node):
            print_line(console, line)
    else:
        console.print(_tree(node))


def print_line(console: Console, line: str, style: str = "") -> None:
    """Print one line, however long; the style is for its first word, where there are colours."""
    if is_plain(console):
        print(_encodable(line, console.encoding), file=console.file)
    else:
        first, space, rest = line.partition(" ")
        console.print(Text.assemble((first, style), space, rest), soft_wrap=True)


def lines_of(node: Node, depth: int = 0) -> Iterator[str]:
    """The outline as lines, two blanks deeper for each level."""
    yield "  " * depth + shown(node.label)
    for child in node.children:
        yield from lines_of(child, depth + 1)


def shown(text: str) -> str:
    """`text` with everything escaped that could move the cursor or break the line."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _tree(node: Node) -> Tree:
    tree = Tree(Text(shown(node.label)))
    for child in node.children:
        tree.add(_tree(child))
    return tree


def _encodable(line: str, encoding: str) -> str:
    return line.encode(encoding, "backslashreplace").decode(encoding)
