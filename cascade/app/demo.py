"""`cascade demo`: two made-up models on loopback, four kinds of task, the real engine over HTTP.

The weak model is good at some tasks and poor at one. There its answers are turned down so often
that the fallback monitor bypasses it; later the weak model improves, is probed, and is taken back.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

import anyio

from cascade.app.loopback import Answer, ChatRequest, ChatServer, TokenLogprob, last_user_text
from cascade.deployment import Deployment
from cascade.engine import Cascade
from cascade.policy.monitor import MonitorSettings
from cascade.providers.openai import OpenAI
from cascade.result import Result
from cascade.tier import Tier
from cascade.types import Price
from cascade.watch import MonitorChange
from gates import AtLeast, MeanProbability, NotEmpty, NotRefusal

VERSION = 1
"""Of the shape of `Demo.to_dict`."""

REQUESTS = 2400
CONCURRENCY = 8
IMPROVES_AT = 0.4
"""The share of the requests after which the weak model has learned its hard task."""

MONITOR = MonitorSettings(bypass_calls=30, bypass_seconds=0.2, probe_share=0.25)
PRICES = {"weak": Price(0.1, 0.4), "strong": Price(2.0, 8.0)}
REFUSAL = "I'm sorry, but I can't help with that."


def _add(a: int, b: int) -> str:
    return str(a + b)


def _later(a: int, b: int) -> str:
    return json.dumps({"later": max(a, b)})


def _spell(a: int, b: int) -> str:
    return " ".join(reversed(f"{a}{b}"))


def _multiply(a: int, b: int) -> str:
    return str(a * a * b)


@dataclass(frozen=True, slots=True)
class Task:
    """A kind of question about two numbers, its right answer, and how often the weak model knows
    it, at first and later.
    """

    question: str
    solve: Callable[[int, int], str]
    skill: float
    later_skill: float


TASKS: Mapping[str, Task] = {
    "sums": Task("What is {a} + {b}?", _add, 0.97, 0.97),
    "dates": Task("Which year is later, {a} or {b}? Answer in JSON.", _later, 0.90, 0.90),
    "spelling": Task("Spell the digits of {a}{b} backwards.", _spell, 0.78, 0.78),
    "powers": Task("What is {a} squared times {b}?", _multiply, 0.12, 0.93),
}
STRONG_SKILL = 0.98


class TwoModels:
    """Plays the weak and the strong model; `asked` and `right` count by (model, task)."""

    def __init__(self, random: Random) -> None:
        self.improved = False
        self.asked: Counter[tuple[str, str]] = Counter()
        self.right: Counter[tuple[str, str]] = Counter()
        self._random = random

    def answer(self, request: ChatRequest) -> Answer:
        """Right or wrong by chance; a weak model's wrong answer mostly shows its doubt."""
        model, text = request["model"], last_user_text(request)
        name, a, b = read_question(text)
        knows = self._random.random() < self._skill(model, TASKS[name])
        self.asked[model, name] += 1
        self.right[model, name] += knows
        right = TASKS[name].solve(a, b)
        if knows:
            return _said(right, doubtful=self._random.random() < 0.04)
        if self._random.random() < 0.3:
            return _said(REFUSAL, doubtful=False)
        return _said(TASKS[name].solve(a + 1, b), doubtful=self._random.random() < 0.85)

    def _skill(self, model: str, task: Task) -> float:
        if model == "strong":
            return STRONG_SKILL
        return task.later_skill if self.improved else task.skill


def _said(text: str, *, doubtful: bool) -> Answer:
    value = math.log(0.6) if doubtful else math.log(0.97)
    return Answer(text, logprobs=tuple(TokenLogprob(word, value) for word in text.split()))


def question(name: str, a: int, b: int) -> str:
    """A question of the task `name`; its first line is what the models read."""
    return f"{name} {a} {b}\n" + TASKS[name].question.format(a=a, b=b)


def read_question(text: str) -> tuple[str, int, int]:
    """The task and the two numbers of a question."""
    name, a, b = text.partition("\n")[0].split()
    return name, int(a), int(b)


@dataclass(frozen=True, slots=True)
class RouteSummary:
    """What the demo saw on one route; costs in USD, the rest shares of its requests.

    `weak_right` and `strong_right` are those of each model's own answers, `weak_first` and
    `weak_last` the weak tier's part of the answers before and after the weak model improved;
    `saving` is against asking the strong model alone, at its mean cost here.
    """

    route: str
    requests: int
    weak_first: float
    weak_last: float
    fallback_rate: float
    right: float
    weak_right: float
    strong_right: float
    cost: float
    saving: float
    phase: str
    cost_break_even: float | None


@dataclass(frozen=True, slots=True)
class Demo:
    """What came of the demo. `history` has each change with the number of the request it was at."""

    requests: int
    seconds: float
    improved_at: int
    settings: MonitorSettings
    routes: tuple[RouteSummary, ...]
    history: tuple[tuple[int, MonitorChange], ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        history = [{"request": number, **asdict(change)} for number, change in self.history]
        return {"version": VERSION, **asdict(self), "history": history}


@dataclass(frozen=True, slots=True)
class _Served:
    number: int
    name: str
    result: Result
    right: bool


class _Run:
    """One run of the demo: hands out questions, keeps what came back."""

    def __init__(self, models: TwoModels, cascade: Cascade, requests: int, random: Random) -> None:
        self.served: list[_Served] = []
        self.improves_at = int(requests * IMPROVES_AT)
        self._models = models
        self._cascade = cascade
        names = list(TASKS) * (requests // len(TASKS))
        random.shuffle(names)
        self._questions = (
            (name, random.randrange(1000, 9999), random.randrange(1000, 9999)) for name in names
        )

    async def work(self, progress: Callable[[], None]) -> None:
        """Ask one question after the other until none is left."""
        for name, a, b in self._questions:
            result = await self._cascade.run(question(name, a, b), task=name)
            right = result.text == TASKS[name].solve(a, b)
            self.served.append(_Served(len(self.served) + 1, name, result, right))
            self._models.improved = len(self.served) >= self.improves_at
            progress()


async def run_demo(
    *, requests: int = REQUESTS, seed: int = 0, progress: Callable[[], None] = lambda: None
) -> Demo:
    """Start the model server, send the requests through a cascade, and sum up."""
    models, history = TwoModels(Random(seed)), list[tuple[int, MonitorChange]]()
    async with ChatServer(models.answer) as server:
        cascade = _cascade(server.url, lambda change: history.append((len(run.served) + 1, change)))
        run = _Run(models, cascade, requests, Random(seed))
        begun = anyio.current_time()
        async with cascade, anyio.create_task_group() as group:
            for _ in range(CONCURRENCY):
                group.start_soon(run.work, progress)
        seconds = anyio.current_time() - begun
    return Demo(
        requests=len(run.served),
        seconds=seconds,
        improved_at=run.improves_at,
        settings=MONITOR,
        routes=tuple(_summary(name, run, models, cascade) for name in TASKS),
        history=tuple(history),
    )


def _cascade(url: str, on_transition: Callable[[MonitorChange], None]) -> Cascade:
    weak, strong = (
        Deployment(OpenAI(model, base_url=url), price=PRICES[model]) for model in PRICES
    )
    gate = NotEmpty() & NotRefusal() & AtLeast(0.8, MeanProbability())
    return Cascade(
        Tier("weak", weak, gate=gate),
        Tier("strong", strong),
        routes="auto",
        monitor=MONITOR,
        on_transition=[on_transition],
    )


def _summary(name: str, run: _Run, models: TwoModels, cascade: Cascade) -> RouteSummary:
    served = [one for one in run.served if one.name == name]
    steps = [step for one in served for step in one.result.trace if step.verdict is not None]
    first = [one.result.tier == "weak" for one in served if one.number <= run.improves_at]
    last = [one.result.tier == "weak" for one in served if one.number > run.improves_at]
    cost = sum(one.result.cost for one in served)
    state = cascade.monitors()[name, "weak"]
    return RouteSummary(
        route=name,
        requests=len(served),
        weak_first=_mean(first),
        weak_last=_mean(last),
        fallback_rate=_mean([not step.verdict.passed for step in steps if step.verdict]),
        right=_mean([one.right for one in served]),
        weak_right=_ratio(models.right["weak", name], models.asked["weak", name]),
        strong_right=_ratio(models.right["strong", name], models.asked["strong", name]),
        cost=cost,
        saving=1 - _ratio(cost, _strong_alone(served)),
        phase=state.phase.value,
        cost_break_even=state.cost_break_even,
    )


def _strong_alone(served: list[_Served]) -> float:
    """What these requests cost the strong model: its mean cost per call, for each of them."""
    costs = [
        attempt.cost or 0.0
        for one in served
        for attempt in one.result.trace.attempts
        if attempt.model == "strong"
    ]
    return _ratio(sum(costs), len(costs)) * len(served)


def _mean(hits: list[bool]) -> float:
    return _ratio(sum(hits), len(hits))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
