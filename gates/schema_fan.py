"""How often a schema judges the same part of a value, so that none judges for ever.

A schema that applies itself twice to the same member (two branches that both say `properties: {a:
{"$ref": "#"}}`) may judge what lies n members deep 2^n times. Other schemas judge each part a fixed
number of times, recursive ones included.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from gates.strict import MAX_DEPTH, levels

MAX_IN_PLACE = 1_000
"""How many subschemas may judge one value because it is judged by one of them."""

MAX_JUDGEMENTS = 20_000_000
"""How many judgements one value may cost in all; about a second on the Rust back end."""

Member = tuple[str, str | int | None]


class Links(NamedTuple):
    """The subschemas that one leads to: for the value itself, and for its members.

    A member is ("property", name) or ("item", index); None in place of either stands for those
    that are not listed.
    """

    here: list[int]
    below: dict[Member, list[int]]


class TooManyError(ValueError):
    """A value would be judged by too many subschemas at once."""


def fan(links: Mapping[int, Links], root: int) -> tuple[int, ...] | None:
    """The most judgements of one part of a value, by the depth of the value; None if depth adds
    none. Subschemas must not lead to themselves for the same value.

    Raises:
        TooManyError: it is more than `MAX_IN_PLACE` at once.
    """
    below = [targets for link in links.values() for targets in link.below.values()]
    applied = {root}.union(*below)
    unfolded = {node: _unfold(node, links) for node in applied}
    members = {node: _members(counts, links) for node, counts in unfolded.items()}
    most = {node: counts.total() for node, counts in unfolded.items()}
    by_depth = [most[root]]
    for _ in range(MAX_DEPTH):
        deeper = {node: max([most[node], *(_sum(m, most) for m in members[node])]) for node in most}
        if deeper == most:
            break
        most = deeper
        by_depth.append(most[root])
    return tuple(by_depth) if by_depth[-1] > MAX_IN_PLACE else None


def _unfold(node: int, links: Mapping[int, Links]) -> Counter[int]:
    """How often each subschema judges a value that `node` judges once."""
    total, level = Counter[int](), Counter({node: 1})
    while level:
        total.update(level)
        if total.total() > MAX_IN_PLACE:
            raise TooManyError(
                f"a value would be judged by more than {MAX_IN_PLACE} subschemas at once"
            )
        following = Counter[int]()
        for each, times in level.items():
            for target in links[each].here:
                following[target] += times
        level = following
    return total


def _members(unfolded: Counter[int], links: Mapping[int, Links]) -> list[Counter[int]]:
    """For each member, how often each subschema is applied to it."""
    names = {name for node in unfolded for name in links[node].below}
    return [_applied(name, unfolded, links) for name in names]


def _applied(name: Member, unfolded: Counter[int], links: Mapping[int, Links]) -> Counter[int]:
    counts = Counter[int]()
    for node, times in unfolded.items():
        below = links[node].below
        for target in below.get(name, below.get((name[0], None), ())):
            counts[target] += times
    return counts


def _sum(counts: Counter[int], most: Mapping[int, int]) -> int:
    total = sum(times * most[node] for node, times in counts.items())
    return min(total, MAX_JUDGEMENTS + 1)


def too_costly(by_depth: tuple[int, ...], value: Any) -> bool:
    """Whether judging `value` could take more than `MAX_JUDGEMENTS`."""
    depth = count = 1
    for level in levels(value):
        depth += 1
        count += sum(map(len, level))
    return by_depth[min(depth, len(by_depth)) - 1] * count > MAX_JUDGEMENTS
