"""Outlines: a tree on a terminal, plain text elsewhere; gates as they are shown in them."""

from io import StringIO

import pytest
from rich.console import Console

from cascade.app.outline import Node, is_plain, print_line, print_outline
from cascade.app.overview import gate_text
from cascade.config._parts import read_gate


def console(*, terminal: bool = True, no_color: bool = False, term: str = "xterm") -> Console:
    return Console(
        file=StringIO(),
        force_terminal=terminal,
        no_color=no_color,
        _environ={"TERM": term},
        width=40,
    )


def printed(to: Console) -> str:
    assert isinstance(to.file, StringIO)
    return to.file.getvalue()


TREE = Node("top", (Node("one", (Node("deep"),)), Node("two \x1b[2J")))


@pytest.mark.parametrize(
    "to",
    [console(terminal=False), console(no_color=True), console(term="dumb")],
    ids=["a pipe", "NO_COLOR", "a dumb terminal"],
)
def test_where_no_lines_are_wanted_the_tree_is_indented_text(to: Console) -> None:
    assert is_plain(to)
    print_outline(to, TREE)
    print_line(to, "warning: " + "x" * 60, "yellow")
    assert printed(to) == "top\n  one\n    deep\n  two \\x1b[2J\nwarning: " + "x" * 60 + "\n"


def test_on_a_terminal_it_is_a_tree_and_warnings_have_a_colour() -> None:
    to = console()
    print_outline(to, TREE)
    print_line(to, "warning: [red] " + "x" * 60, "yellow")
    assert "├── one" in printed(to)
    assert "\x1b[33mwarning:\x1b[0m [red] " + "x" * 60 + "\n" in printed(to)


class Ascii(StringIO):
    encoding = "ascii"


def test_a_stream_that_cannot_show_a_letter_gets_its_number() -> None:
    to = Console(file=Ascii())
    print_line(to, "zürich")
    assert printed(to) == "z\\xfcrich\n"


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"gate": "NotEmpty"}, "NotEmpty()"),
        ({"gate": "Length", "at_most": 9}, "Length(at_most=9)"),
        ({"gate": "Not", "of": {"gate": "ValidJson"}}, "~(ValidJson())"),
        (
            {"gate": "AtLeast", "threshold": 0.5, "scorer": {"scorer": "MinProbability"}},
            "AtLeast(0.5, MinProbability)",
        ),
        ({"gate": "AllOf", "gates": []}, "AllOf()"),
        (
            {"gate": "AnyOf", "gates": [{"gate": "NotEmpty"}, {"gate": "Complete"}]},
            "(NotEmpty() | Complete())",
        ),
        ({"gate": "Matches", "pattern": "a" * 99}, f"Matches(pattern='{'a' * 36}...)"),
    ],
)
def test_a_gate_is_shown_as_python_writes_it(table: dict[str, object], text: str) -> None:
    assert gate_text(read_gate(table)) == text


def test_a_gate_with_a_word_for_missing_signals_shows_it() -> None:
    scorer = {"scorer": "MinProbability"}
    gate = read_gate({"gate": "AtLeast", "threshold": 1, "scorer": scorer, "missing": "pass"})
    assert gate_text(gate) == "AtLeast(threshold=1.0, scorer=MinProbability(), missing='pass')"
