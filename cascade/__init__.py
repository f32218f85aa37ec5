"""Ask the cheapest model first, gate its answer, escalate only when the gate says no."""

from cascade.capabilities import Capabilities
from cascade.default import configure, run
from cascade.deployment import Deployment
from cascade.engine import Cascade, Sink
from cascade.errors import CascadeError, ConfigError, ProviderError, RecordingError, Remedy
from cascade.limits import Limits
from cascade.monitors import MonitorChange
from cascade.policy.breaker import BreakerSettings, BreakerState
from cascade.policy.monitor import MonitorSettings, MonitorState, Phase
from cascade.policy.retry import Retry
from cascade.policy.routing import Route
from cascade.providers import Anthropic, OpenAI, Scripted
from cascade.recordings import RecordedAnswer, Recording, read_recordings, write_recordings
from cascade.result import Aborted, Exhausted, Result
from cascade.tier import Tier
from cascade.trace import Attempt, Decision, Outcome, Step, Trace
from cascade.types import Message, Price, Provider, Request, Response, Usage

__all__ = [
    "Aborted",
    "Anthropic",
    "Attempt",
    "BreakerSettings",
    "BreakerState",
    "Capabilities",
    "Cascade",
    "CascadeError",
    "ConfigError",
    "Decision",
    "Deployment",
    "Exhausted",
    "Limits",
    "Message",
    "MonitorChange",
    "MonitorSettings",
    "MonitorState",
    "OpenAI",
    "Outcome",
    "Phase",
    "Price",
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
    "Usage",
    "configure",
    "read_recordings",
    "run",
    "write_recordings",
]
