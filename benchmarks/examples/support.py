"""A support chatbot: which tier answers which question, and why.

    python benchmarks/examples/support.py

Everyday questions go to the small model, disputes over money to the large one. What no rule knows
is put to a router; where that is not certain, the large model answers. The models are scripted:
put `OpenAI("gpt-4.1-nano")` and the like in their place.
"""

import asyncio
import re
from dataclasses import dataclass
from itertools import repeat

from cascade import Cascade, Guess, Request, Route, Rule, Scripted, Tier

RULES = (
    Rule("dispute", contains=("charged twice", "refund", "wrong amount"), name="money"),
    Rule("dispute", tags={"customer": "business"}, name="business"),
    Rule("faq", contains=("opening hours", "return policy", "gift card"), max_prompt_tokens=100),
)
ROUTES = (
    Route("faq", tiers=("small", "medium"), parameters={"max_tokens": 150}),
    Route("orders", start="medium"),
    Route("dispute", tiers=("large",), critical=True),
)
WORDS = {
    "faq": {"open", "shop", "vouchers", "wrap", "gifts"},
    "orders": {"order", "parcel", "arrive", "tracking", "delivery"},
}


def by_words(request: Request) -> Guess:
    """The task by its words; none where they are of no task, or of two."""
    said = set(re.findall(r"\w+", request.text.lower()))
    fits = [task for task, words in WORDS.items() if said & words]
    return Guess(fits[0], f"words of {fits[0]}") if len(fits) == 1 else Guess(None, "unsure")


def small(request: Request) -> str:
    """Knows everyday answers only."""
    known = "abroad" not in request.text
    return "From 9 to 6, Monday to Saturday." if known else "I'm sorry, I can't help with that."


TIERS = (
    Tier("small", Scripted(small)),
    Tier("medium", Scripted(repeat("Yes, and it takes two days."))),
    Tier("large", Scripted(repeat("I have looked into it, and this is what we do."))),
)
QUESTIONS = (
    "What are your opening hours?",
    "Can I use a gift card abroad?",
    "You charged twice for my kettle!",
    "When will my parcel arrive?",
    "Do you wrap gifts?",
    "Is the shop to blame that my order is broken?",
    "My kettle hums in B flat.",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One question, and who answered it why."""

    question: str
    route: str
    tier: str
    reason: str


async def served() -> list[Row]:
    """Ask every question."""
    support = Cascade(*TIERS, routes=ROUTES, rules=RULES, router=by_words)
    rows = []
    for question in QUESTIONS:
        trace = (await support.run(question)).trace
        rows.append(Row(question, trace.route, trace.tier or "", trace.route_reason))
    return rows


def main() -> list[Row]:
    rows = asyncio.run(served())
    for row in rows:
        print(f"{row.question:47}{row.route:9}{row.tier:8}{row.reason}")
    return rows


if __name__ == "__main__":
    main()
