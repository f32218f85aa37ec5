"""A report in four steps, each by the cheapest tier that does it well, beside always-premium.

    python benchmarks/examples/reporting.py

Format the figures, analyse them, recommend something, format the whole. Ready-made rules tell the
steps apart by how they are worded; each route starts at the tier that its kind of work needs. The
models are scripted and priced as small, middling and large ones are.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from cascade import (
    Budget,
    Cascade,
    Deployment,
    Price,
    Request,
    Response,
    Route,
    Scripted,
    Tier,
    Usage,
)
from cascade.policy.task_rules import task_rules

REPORTS = 20
STEPS = (
    ("format", "Format these figures as a table, one row a region:\n{}", 300),
    ("analyse", "Analyse this table, what grew and what fell:\n{}", 700),
    ("recommend", "Draw up an action plan for the next quarter from this:\n{}", 500),
    ("format", "Convert this to a report in Markdown:\n{}", 900),
)
"""What each step is called, what it says, and the tokens of its answer."""

ROUTES = (
    Route("formatting"),
    Route("analysis", start="medium"),
    Route("planning", start="large"),
)
PRICES = {"small": Price(0.10, 0.40), "medium": Price(0.40, 1.60), "large": Price(2.00, 8.00)}
"""USD per million tokens of prompts and answers."""


def model(name: str) -> Callable[[Request], Response]:
    """Plays a model; the medium one declines every fifth analysis."""
    asked = Counter[str]()

    def answer(request: Request) -> Response:
        step, _, tokens = next(s for s in STEPS if request.text.startswith(s[1][:20]))
        asked[step] += 1
        fails = name == "medium" and step == "analyse" and asked[step] % 5 == 0
        text = "I'm sorry, but I can't analyse this." if fails else f"What {name} made of it."
        return Response(text, "stop", usage=Usage(tokens + 200, 20 if fails else tokens))

    return answer


def tier(name: str) -> Tier:
    return Tier(name, Deployment(Scripted(model(name)), price=PRICES[name]))


@dataclass(frozen=True, slots=True)
class Bill:
    """What the reports cost in USD, by step, and who answered how often."""

    steps: tuple[float, ...]
    answered: Counter[str]

    @property
    def total(self) -> float:
        return sum(self.steps)


async def reported(engine: Cascade) -> Bill:
    """Write all reports, each step with the answer of the one before it."""
    costs, answered = [0.0] * len(STEPS), Counter[str]()
    for number in range(REPORTS):
        text = f"north {number}, south {number + 7}"
        for step, (_, prompt, tokens) in enumerate(STEPS):
            result = await engine.run(prompt.format(text), max_tokens=tokens)
            text, costs[step] = result.text, costs[step] + result.cost
            answered[result.tier] += 1
    return Bill(tuple(costs), answered)


def main() -> tuple[Bill, Bill]:
    rules = task_rules("formatting", "analysis", "planning")
    routed = Cascade(*map(tier, PRICES), routes=ROUTES, rules=rules, budget=Budget(per_day=1.0))
    premium = Cascade(tier("large"))
    ours, theirs = asyncio.run(reported(routed)), asyncio.run(reported(premium))
    print(f"{REPORTS} reports     cascade   premium")
    for (name, _, _), cost, dear in zip(STEPS, ours.steps, theirs.steps, strict=True):
        print(f"{name:11}{cost:10.4f}{dear:10.4f}  USD")
    print(f"{'all':11}{ours.total:10.4f}{theirs.total:10.4f}  USD")
    print(f"{ours.total / theirs.total:.0%} of the cost; answered by {dict(ours.answered)}")
    print(f"of the day's budget spent: {routed.budgets()['today'].spent:.4f} USD")
    return ours, theirs


if __name__ == "__main__":
    main()
