from cascade.assembly import Assembly, OnDelta
from cascade.capabilities import Capabilities
from cascade.default import configure, monitors, reload, run, run_sync, stream
from cascade.deployment import Deployment
from cascade.engine import Cascade
from cascade.errors import CascadeError, ConfigError, ProviderError, RecordingError, Remedy
from cascade.events import (
    AnswerAccepted,
    DraftRejected,
    Escalated,
    Event,
    TextReleased,
    TierStarted,
)
from cascade.limits import Limits
from cascade.policy.breaker import BreakerSettings, BreakerState
from cascade.policy.false_accepts import FalseAccepts
from cascade.policy.money import Budget, BudgetState
from cascade.policy.monitor import MonitorSettings, MonitorState, Phase, Transition
from cascade.policy.retry import Retry
from cascade.policy.routing import Route
from cascade.policy.rules import Rule
from cascade.policy.task_rules import task_rules
from cascade.providers import Anthropic, OpenAI, Scripted
from cascade.recordings import RecordedAnswer, Recording, read_recordings, write_recordings
from cascade.reporter import Sink
from cascade.result import (
    Aborted,
    BudgetExceeded,
    Exhausted,
    Overloaded,
    Result,
    StreamBroken,
    Unanswered,
)
from cascade.routers import Guess, LearnedRouter, ModelRouter
from cascade.sampling import AuditSampling, SamplingState
from cascade.streaming import Stream
from cascade.tier import Tier
from cascade.trace import Attempt, AttemptOutcome, Audit, Decision, GateTime, Outcome, Step, Trace
from cascade.types import Message, Price, Pricing, Provider, Request, Response, Usage
from cascade.watch import MonitorChange

__all__ = [
    "Aborted",
    "AnswerAccepted",
    "Anthropic",
    "Assembly",
    "Attempt",
    "AttemptOutcome",
    "Audit",
    "AuditSampling",
    "BreakerSettings",
    "BreakerState",
    "Budget",
    "BudgetExceeded",
    "BudgetState",
    "Capabilities",
    "Cascade",
    "CascadeError",
    "ConfigError",
    "Decision",
    "Deployment",
    "DraftRejected",
    "Escalated",
    "Event",
    "Exhausted",
    "FalseAccepts",
    "GateTime",
    "Guess",
    "LearnedRouter",
    "Limits",
    "Message",
    "ModelRouter",
    "MonitorChange",
    "MonitorSettings",
    "MonitorState",
    "OnDelta",
    "OpenAI",
    "Outcome",
    "Overloaded",
    "Phase",
    "Price",
    "Pricing",
    "Provider",
    "ProviderError",
    "RecordedAnswer",
    "Recording",
    "RecordingError",
    "Remedy",
    "Request",
    "Response",
    "Result",
    "Retry",
    "Route",
    "Rule",
    "SamplingState",
    "Scripted",
    "Sink",
    "Step",
    "Stream",
    "StreamBroken",
    "TextReleased",
    "Tier",
    "TierStarted",
    "Trace",
    "Transition",
    "Unanswered",
    "Usage",
    "configure",
    "monitors",
    "read_recordings",
    "reload",
    "run",
    "run_sync",
    "stream",
    "task_rules",
    "write_recordings",
]
