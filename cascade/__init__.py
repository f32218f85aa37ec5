"""Ask the cheapest model first, gate its answer, escalate only when the gate says no."""

from cascade.capabilities import Capabilities
from cascade.default import configure, monitors, run
from cascade.deployment import Deployment
from cascade.engine import Cascade, Sink
from cascade.errors import CascadeError, ConfigError, ProviderError, RecordingError, Remedy
from cascade.limits import Limits
from cascade.policy.breaker import BreakerSettings, BreakerState
from cascade.policy.monitor import MonitorSettings, MonitorState, Phase, Transition
from cascade.policy.retry import Retry
from cascade.policy.routing import Route
from cascade.providers import Anthropic, OpenAI, Scripted
from cascade.recordings import RecordedAnswer, Recording, read_recordings, write_recordings
from cascade.result import Aborted, Exhausted, Result, Unanswered
from cascade.tier import Tier
from cascade.trace import Attempt, AttemptOutcome, Decision, GateTime, Outcome, Step, Trace
from cascade.types import Message, Price, Pricing, Provider, Request, Response, Usage
from cascade.watch import MonitorChange

__all__ = [
    "Aborted",
    "Anthropic",
    "Attempt",
    "AttemptOutcome",
    "BreakerSettings",
    "BreakerState",
    "Capabilities",
    "Cascade",
    "CascadeError",
    "ConfigError",
    "Decision",
    "Deployment",
    "Exhausted",
    "GateTime",
    "Limits",
    "Message",
    "MonitorChange",
    "MonitorSettings",
    "MonitorState",
    "OpenAI",
    "Outcome",
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
    "Scripted",
    "Sink",
    "Step",
    "Tier",
    "Trace",
    "Transition",
    "Unanswered",
    "Usage",
    "configure",
    "monitors",
    "read_recordings",
    "run",
    "write_recordings",
]
