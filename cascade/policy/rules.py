"""Rules: which requests go to which route, by what can be seen before any model is asked."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import get_args

from cascade.policy.phrases import TextConditions, Wanted, check_pattern, check_phrase
from cascade.types import CHARS_PER_TOKEN, Latency, Message, Request, has_image, texts

_BETWEEN = "\n\x1f\n"
"""Stands between two texts: no white space to a phrase, so that none reaches across."""

_ANY_SIZE = (0, math.inf)


@dataclass(frozen=True, slots=True)
class Rule:
    """Sends the requests that keep all its conditions to a route; without any, every request.

    Args:
        route: name of the route, or a task that it serves.
        tasks: the request's task is one of these; `()`: the request has no task.
        contains: the user's messages have one of these phrases: whole words (but a plain part of
            the text in scripts without spaces, as Chinese), case ignored, a space standing for any
            white space.
        matches: a regular expression as google-re2 reads it, found in the user's messages: no
            look-around, no back-references; flags stand inside, as in `(?i)yes`.
        system_contains, system_matches: the same of system and developer messages.
        min_prompt_tokens, max_prompt_tokens: bounds, themselves included, of the tokens of all
            messages, which are taken as a fourth of the characters.
        tools, images, schema: True: the request has some; False: it has none.
        tags: each of them is on the request, with this value.
        latency: whether somebody waits for the answer.
        name: for reasons and errors; the route unless given.

    Raises:
        TypeError: a condition is of another type, as one text where several are meant.
        ValueError: a condition can never hold, or re2 refuses a pattern.
    """

    route: str
    _: KW_ONLY
    tasks: Sequence[str] | None = None
    contains: Sequence[str] = ()
    matches: str | None = None
    system_contains: Sequence[str] = ()
    system_matches: str | None = None
    min_prompt_tokens: int | None = None
    max_prompt_tokens: int | None = None
    tools: bool | None = None
    images: bool | None = None
    schema: bool | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    latency: Latency | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.route, str) or not self.route:
            raise ValueError(f"Rule: route must be the name of a route, got {self.route!r}")
        self._check_lists()
        self._check_tokens()
        for name, pattern in (("matches", self.matches), ("system_matches", self.system_matches)):
            if pattern is not None:
                check_pattern(f"{self}: {name}", pattern)
        for name in ("tools", "images", "schema"):
            if getattr(self, name) not in (True, False, None):
                raise TypeError(f"{self}: {name} must be True, False or None")
        if not isinstance(self.tags, Mapping) or not all(map(_is_text, self.tags.values())):
            raise TypeError(f"{self}: tags must be a mapping of names to texts, got {self.tags!r}")
        if self.latency not in (None, *get_args(Latency)):
            known = " or ".join(f'"{latency}"' for latency in get_args(Latency))
            raise ValueError(f"{self}: latency must be {known}, got {self.latency!r}")

    def __str__(self) -> str:
        return f'rule "{self.name or self.route}"'

    def reason(self, request: Request) -> str | None:
        """Why it matches, in words of the rule and none of the prompt; None where it does not.

        For trying a rule out: a `Rulebook` is made once and asked often.
        """
        found = Rulebook((self,)).first_match(request)
        return None if found is None else found[1]

    def _check_lists(self) -> None:
        for name in ("tasks", "contains", "system_contains"):
            given = getattr(self, name)
            if given is None and name == "tasks":
                continue
            if isinstance(given, str) or not isinstance(given, Iterable):
                raise TypeError(f"{self}: {name} must be a list of texts, got {given!r}")
            listed = tuple(given)
            for text in listed:
                check_phrase(f"{self}: {name}", text)
            object.__setattr__(self, name, listed)

    def _check_tokens(self) -> None:
        for name, bound in (
            ("min_prompt_tokens", self.min_prompt_tokens),
            ("max_prompt_tokens", self.max_prompt_tokens),
        ):
            if bound is not None and (isinstance(bound, bool) or not isinstance(bound, int)):
                raise TypeError(f"{self}: {name} must be a whole number, got {bound!r}")
            if bound is not None and bound < 0:
                raise ValueError(f"{self}: {name} must be 0 or more, got {bound}")
        least, most = self.min_prompt_tokens, self.max_prompt_tokens
        if least is not None and most is not None and least > most:
            raise ValueError(
                f"{self}: min_prompt_tokens, {least}, is over max_prompt_tokens, {most}"
            )


def _is_text(value: object) -> bool:
    return isinstance(value, str)


class Rulebook:
    """Rules in their order, made ready to be asked often: of all that match, the first decides.

    A set of rules is an integer here, with a bit for each rule. A text is read once for all rules.
    """

    __slots__ = (
        "_images", "_latency", "_reading", "_reasons", "_schema", "_sizes", "_system", "_tags",
        "_task", "_tools", "_user", "rules",
    )  # fmt: skip

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self.rules = tuple(rules)
        self._reasons = [(str(rule), tuple(_plain_reasons(rule))) for rule in self.rules]
        bits = {1 << at: rule for at, rule in enumerate(self.rules)}
        self._task = _by_task(bits)
        self._tools, self._images, self._schema, self._latency = (
            _by_value(bits, name) for name in ("tools", "images", "schema", "latency")
        )
        self._tags = [(bit, *tag) for bit, rule in bits.items() for tag in rule.tags.items()]
        sizes = {bit: _size(rule) for bit, rule in bits.items()}
        self._sizes = [(bit, *size) for bit, size in sizes.items() if size != _ANY_SIZE]
        self._user = TextConditions([Wanted(b, r.contains, r.matches) for b, r in bits.items()])
        self._system = TextConditions(
            [Wanted(b, r.system_contains, r.system_matches) for b, r in bits.items()]
        )
        self._reading = self._user.asking | self._system.asking
        self._reading |= sum(bit for bit, *_ in self._sizes)
        self._reading |= sum(bit for bit, rule in bits.items() if rule.images is not None)

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules)

    def __len__(self) -> int:
        return len(self.rules)

    def first_match(self, request: Request) -> tuple[Rule, str] | None:
        """The first rule that matches, and why; None where none does."""
        left = self._by_facts(request)
        certain = left & ~self._reading
        left &= ((certain & -certain) << 1) - 1  # nothing after the first rule that is certain
        return self._by_messages(left, request) if left & self._reading else self._named(left)

    def _by_facts(self, request: Request) -> int:
        """The rules that remain before any message is read."""
        left = self._task.get(request.task, self._task[...])
        left &= self._tools[bool(request.tools)] & self._schema[request.schema is not None]
        left &= self._latency.get(request.latency, self._latency[None])
        for bit, name, value in self._tags:
            if left & bit and request.tags.get(name) != value:
                left ^= bit
        return left

    def _by_messages(self, left: int, request: Request) -> tuple[Rule, str] | None:
        user, system, tokens, images = _read(request.messages)
        left &= self._images[images]
        for bit, least, most in self._sizes:
            if left & bit and not least <= tokens <= most:
                left ^= bit
        left, said = self._user.among(left, user)
        left, told = self._system.among(left, system)
        if not left:
            return None
        first = left & -left
        words = self._user.words(said, first) if said else []
        if told:
            words += [f"system prompt {why}" for why in self._system.words(told, first)]
        return self._named(left, words)

    def _named(self, left: int, words: Sequence[str] = ()) -> tuple[Rule, str] | None:
        if not left:
            return None
        at = (left & -left).bit_length() - 1
        rule, plain = self._reasons[at]
        return self.rules[at], f"{rule}: {', '.join((*words, *plain)) or 'any request'}"


def _by_task(bits: Mapping[int, Rule]) -> dict[object, int]:
    """The rules that take each task, None among them; at `...` those that take any other."""
    others = sum(bit for bit, rule in bits.items() if rule.tasks is None)
    found: dict[object, int] = {...: others}
    for bit, rule in bits.items():
        for task in () if rule.tasks is None else rule.tasks or (None,):
            found[task] = found.get(task, others) | bit
    return found


def _by_value(bits: Mapping[int, Rule], name: str) -> dict[object, int]:
    """The rules that take each value of a condition; at None those that do not ask for it."""
    values = (None, False, True, *get_args(Latency))
    return {
        value: sum(bit for bit, rule in bits.items() if getattr(rule, name) in (None, value))
        for value in values
    }


def _size(rule: Rule) -> tuple[float, float]:
    """The bounds of a rule's tokens."""
    most = math.inf if rule.max_prompt_tokens is None else rule.max_prompt_tokens
    return (rule.min_prompt_tokens or 0, most)


def _read(messages: Iterable[Message]) -> tuple[str, str, int, bool]:
    """What the user and the system prompt say, the tokens of it all, and whether it has images."""
    user: list[str] = []
    system: list[str] = []
    chars, images = -1, False
    parts: tuple[str, ...]
    for message in messages:
        content = message.get("content")
        if isinstance(content, str):
            parts = (content,)
            chars += 1 + len(content)
        else:
            parts = tuple(texts(message))
            chars += len(parts) + sum(map(len, parts))
            images = images or has_image(message)
        role = message.get("role")
        if role == "user":
            user += parts
        elif role in ("system", "developer"):
            system += parts
    return _BETWEEN.join(user), _BETWEEN.join(system), max(0, chars) // CHARS_PER_TOKEN, images


def _plain_reasons(rule: Rule) -> Iterator[str]:
    """The conditions that read the same whatever the request is."""
    if rule.tasks is not None:
        yield f"the task is {' or '.join(map(repr, rule.tasks))}" if rule.tasks else "no task given"
    if rule.min_prompt_tokens is not None:
        yield f"at least {rule.min_prompt_tokens:,} tokens"
    if rule.max_prompt_tokens is not None:
        yield f"at most {rule.max_prompt_tokens:,} tokens"
    for name in ("tools", "images", "schema"):
        if (wanted := getattr(rule, name)) is not None:
            yield f"{'has' if wanted else 'no'} {name}"
    yield from (f"{tag} is {value}" for tag, value in rule.tags.items())
    if rule.latency is not None:
        yield rule.latency
