"""Ask the cheapest model first, gate its answer, escalate only when the gate says no."""

import logging
import sys

from gates._exports import exports

# Where an application sets up no logging, a library is silent.
logging.getLogger(__name__).addHandler(logging.NullHandler())

_HOMES = {
    "assembly": "Assembly OnDelta",
    "capabilities": "Capabilities",
    "default": "Cascade configure monitors reload run run_sync stream",
    "deployment": "Deployment",
    "errors": "CascadeError ConfigError ProviderError RecordingError Remedy",
    "events": "AnswerAccepted DraftRejected Escalated Event TextReleased TierStarted",
    "limits": "Limits",
    "policy.breaker": "BreakerSettings BreakerState",
    "policy.false_accepts": "FalseAccepts",
    "policy.money": "Budget BudgetState",
    "policy.monitor": "MonitorSettings MonitorState Phase Transition",
    "policy.retry": "Retry",
    "policy.routing": "Route",
    "policy.rules": "Rule",
    "policy.task_rules": "task_rules",
    "providers": "Anthropic OpenAI Scripted",
    "recordings": "RecordedAnswer Recording read_recordings write_recordings",
    "reporter": "Sink",
    "result": "Aborted BudgetExceeded Exhausted Overloaded Result StreamBroken Unanswered",
    "routers": "Guess LearnedRouter ModelRouter",
    "sampling": "AuditSampling SamplingState",
    "streaming": "Stream",
    "tier": "Tier",
    "trace": "Attempt AttemptOutcome Audit Decision GateTime Outcome Step Trace",
    "types": "Message Price Pricing Provider Request Response Usage",
    "watch": "MonitorChange",
}
"""The module of each name: importing the package reads in none of them. `cascade.default` gives
`Cascade` what it needs to be made from a file."""

__all__, __getattr__, __dir__ = exports(sys.modules[__name__], _HOMES)
