"""Ready-made rules that tell the classic kinds of tasks by how people ask for them, in English.

They are an example of how to write rules, and for callers who name no task. They keep quiet where
a request is worded in a way of its own; a caller's word for the task is better than any of them,
and so is a classifier trained on one's own traffic. Mind that they read all that the user's
messages hold, an earlier step's output among it.
"""

from difflib import get_close_matches
from functools import cache
from typing import Final

from cascade.policy.rules import Rule

TASKS: Final = (
    "classification", "extraction", "formatting", "summarisation", "generation", "code", "analysis",
    "diagnosis", "planning", "report",
)  # fmt: skip
"""The kinds of tasks that there are rules for."""

_POLITE: Final = (
    r"(?:(?:please|kindly|hi|hello|hey|now|then|also|let's|(?:can|could|would|will) you(?: please)?"
    r"|you are to|your (?:task|job) is to|help me(?: to)?|i(?:'d| would)? (?:want|need|like) you to"
    r"|i (?:want|need|would like) to),?\s+)*"
)
_MAKE: Final = (
    r"(?:(?:add|build|come up with|compile|compose|create|design|develop|do|draft|draw up|generate"
    r"|give|make|outline|prepare|produce|provide|put together|write|write up)(?: me| us)?"
    r"|(?:i|we) (?:need|want))"
)
_LANGUAGE: Final = (
    r"(?:python|java|javascript|typescript|rust|golang|kotlin|swift|scala|ruby|php|perl|haskell"
    r"|bash|sql|matlab|c\+\+|c#|(?:go|c|r)\b)"
)


def _opening(*ways: str) -> str:
    """A line that opens in one of these ways, whatever politeness comes first."""
    return rf"(?im)^\W*{_POLITE}(?:{'|'.join(ways)})"


def _making(*nouns: str) -> str:
    """A wish for such a thing, at most four words before it: "give me a very short story"."""
    return rf"{_MAKE}(?:\s+[\w'&-]+){{0,4}}\s+(?:{'|'.join(nouns)})\b"


_OPENINGS: Final = {
    "summarisation": _opening(
        r"(?:summari[sz]e|sum up|condense|recap|shorten|boil .{1,40} down|tl;?dr)\b",
        r"in (?:one|two|a few) sentences?\b",
        r"make .{1,60} (?:shorter|more concise)\b",
        r"what (?:are|were|is) the (?:key|main|most important) (?:points|ideas?|takeaways)\b",
        _making("summary", "synopsis", "abstract", "recap", "overview", "tl;?dr", "gist",
                "(?:key|main) (?:takeaways|points)"),
    ),
    "report": _opening(
        r"write up\b",
        r"(?:put|turn|document) .{1,80} (?:into|in|as) (?:a|an|the) (?:\w+ ){0,3}report\b",
        _making("reports?", "white ?papers?", "literature review", "post-?mortem", "case study",
                "memorandum"),
    ),
    "planning": _opening(
        r"(?:plan|schedule|organi[sz]e) (?:a|an|my|our|the|out)\b",
        r"break .{1,60} (?:into|in) (?:\w+ )?(?:steps|tasks|phases|milestones)\b",
        r"what (?:are the )?steps\b",
        r"(?:lay out|outline|map out) (?:how|the (?:steps|phases|stages))\b",
        r"what would an? (?:[\w-]+ ){0,5}(?:plan|schedule|roadmap|itinerary)\b",
        _making("plan", "roadmap", "schedule", "itinerary", "agenda", "timetable", "strategy",
                "milestones", "to-?do list"),
    ),
    "code": _opening(
        r"(?:implement|refactor|code|program)\b",
        r"(?:optimi[sz]e|document|review|explain|comment|test) (?:this|the following|my) "
        r"(?:code|function|class|method|script|query|sql)\b",
        rf"(?:convert|port|translate|rewrite|migrate) .{{1,60}} (?:to|into|in) {_LANGUAGE}",
        rf"(?:how (?:do|can|would|to)|show me|what(?:'s| is) the) .{{1,80}} in {_LANGUAGE}",
        _making("functions?", "class(?:es)?", "methods?", "code", "scripts?", "program", "query",
                "queries", "regexp?", "regular expression", "unit tests?", "test cases", "sql",
                "component", "endpoint", "api", "dockerfile", "makefile", "algorithm",
                "decorator", "web scraper", "extension", "plugin", "cron"),
    ),
    "classification": _opening(
        r"(?:classify|categori[sz]e|label|tag|triage)\b",
        r"(?:assign|sort|route) .{1,60} (?:to|into) (?:one|the following|these)\b",
        r"(?:which|what) (?:category|class|label|topic|genre|intent|sentiment|language|team)\b",
        r"(?:what is|what's|detect|determine|identify|analy[sz]e|rate) the (?:\w+ )?"
        r"(?:sentiment|tone|intent|language|topic|category|genre)\b",
        r"(?:is|are) (?:this|these|the following)\b.{1,80}\b(?:or|spam|positive|negative)\b",
        r"(?:does|do) (?:this|these|the following) .{1,60} contain\b",
        r"(?:decide|determine|tell me|judge|say) (?:whether|if)\b",
        r"rate (?:how|the)\b.{1,60}\bscale\b",
    ),
    "diagnosis": _opening(
        r"(?:debug|diagnose|troubleshoot)\b",
        r"(?:find|identify|determine|explain) (?:the )?(?:root cause|cause of|bug|reason)\b",
        r"why (?:does|do|did|is|are|isn't|doesn't|don't|can't|won't|am|has)\b",
        r"(?:what|where) (?:is|was|could be|went|'s) (?:wrong|the (?:cause|problem|bug))",
        r"traceback \(most recent call last\)",
    ),
    "extraction": _opening(
        r"(?:extract|pull|parse)\b",
        r"(?:list|find|get|collect|identify|give me|return) "
        r"(?:all|every|each|just|only|the names?|the named)\b",
        r"(?:get|take|read|collect|grab|fetch) (?:the )?[\w ,]{1,60} (?:from|out of)\b",
        r"(?:i (?:need|want) )?the [\w ]{1,40} (?:from|out of) "
        r"(?:this|the (?:text|message|mail|e-?mail))\b",
        r"which [\w ]{1,40} (?:named|mentioned|listed) in\b",
        r"from (?:this|the|these)\b.{1,60}\b(?:give|list|extract|tell|return|get|find)\b",
        r"(?:what|who|when|where) (?:is|are|was|were) (?:the )?[\w ]{1,40} in "
        r"(?:this|the following)\b",
    ),
    "formatting": _opening(
        r"(?:re-?format|format|convert|alphabeti[sz]e|capitali[sz]e|indent|render|sort)\b",
        r"(?:lower-?case|upper-?case|pretty-?print)\b",
        r"(?:turn|make|change|transform|put) .{1,60} (?:into|to|in)\b.{0,30}\b(?:bullet|points"
        r"|list|table|line|order|case|format|json|csv|yaml|xml|html|markdown)",
        r"(?:fix|correct|clean up) the (?:punctuation|capitali[sz]ation|formatting|spacing)\b",
        r"remove (?:the |all |any )?(?:duplicates?|blank|empty|extra|trailing)\b",
        r"rewrite .{1,60} (?:in|as|to) .{0,30}\b(?:format|case|table|list|markdown)\b",
    ),
    "analysis": _opening(
        r"(?:critically )?(?:analy[sz]e|assess|compare|contrast|critique|evaluate|examine"
        r"|interpret|weigh)\b",
        r"what (?:are|is) the (?:pros|advantages|strengths|implications?|impact|risks)\b",
        r"how (?:would|does|do|did|might|will) .{1,80} (?:affect|influence|impact|compare)\b",
        r"which (?:of|is)\b.{1,60}\bbetter\b",
        r"(?:is it|would it be) better to\b",
        r"what (?:can|do|should) (?:we|i|you) conclude\b",
        _making("analysis", "comparison", "assessment", "evaluation", "critique"),
    ),
    "generation": _opening(
        r"(?:write|ghost-?write|compose|draft|come up with|make up|invent|pitch|brainstorm)\b",
        r"(?:create|generate|design|imagine|reply|respond)\b",
        r"tell me an? (?:\w+ )?(?:story|joke|riddle|fairy tale)\b",
        r"suggest (?:a|an|some|\w+ (?:names|ideas|titles))\b",
        _making("story", "poem", "haiku", "song", "lyrics", "essay", "e-?mail", "letter", "post",
                "article", "slogans?", "taglines?", "captions?", "description", "names", "ideas",
                "titles?", "speech", "toast", "jokes?", "dialogue", "press release"),
    ),
}  # fmt: skip
"""What a request opens with says most; first what is to be made, then what is to be done."""

_PHRASES: Final = {
    "diagnosis": (
        "what could be the cause", "what is the cause", "root cause", "what is wrong",
        "what's wrong", "what went wrong", "doing wrong", "what is the problem",
        "what's the problem", "how do i fix", "how can i fix", "how to fix", "troubleshoot",
        "figure out why", "any idea why", "does not work", "doesn't work", "stopped working",
        "keeps crashing", "stack trace", "traceback (most recent call last)",
    ),
    "classification": (
        "spam or not", "positive or negative", "positive, negative or neutral", "yes or no",
        "true or false", "one of the following categories", "one of the following labels",
        "classify it", "classify them", "classify the",
    ),
    "summarisation": (
        "tl;dr", "tldr", "summarise", "summarize", "in a nutshell", "key takeaways",
    ),
    "extraction": ("extract the", "extract all", "named entities"),
    "analysis": (
        "pros and cons", "strengths and weaknesses", "advantages and disadvantages", "swot",
        "trade-offs", "both sides", "implications of",
    ),
    "planning": (
        "action plan", "project plan", "step-by-step plan", "what steps", "which steps",
        "roadmap",
    ),
    "code": (
        "```python", "```py", "```js", "```javascript", "```ts", "```typescript", "```java",
        "```rust", "```go", "```sql", "```sh", "```bash",
    ),
}  # fmt: skip
"""What is said anywhere."""


def task_rules(*names: str) -> tuple[Rule, ...]:
    """Rules that send requests without a task to the routes that serve these kinds of tasks.

    Args:
        names: of `TASKS`; all of them unless given.

    Returns:
        The rules in their order of precedence, whatever the order of the names. Some kinds have
        two: the weaker one comes after the stronger ones of all kinds.

    Raises:
        ValueError: there are no rules of that name.
    """
    for name in names:
        if name not in TASKS:
            near = get_close_matches(name, TASKS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(TASKS)}"
            raise ValueError(f"there are no rules for the task {name!r}; {hint}")
    return tuple(rule for rule in _rules() if rule.route in (names or TASKS))


@cache
def _rules() -> tuple[Rule, ...]:
    opening = (
        Rule(task, tasks=(), matches=way, name=f"{task} by opening")
        for task, way in _OPENINGS.items()
    )
    anywhere = (
        Rule(task, tasks=(), contains=said, name=f"{task} by phrase")
        for task, said in _PHRASES.items()
    )
    return (*opening, *anywhere)
