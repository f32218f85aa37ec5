from gates.catalogue import GATES, SCORERS
from gates.compose import (
    AllOf,
    AnyOf,
    FunctionGate,
    Gate,
    GateLike,
    Not,
    as_gate,
    bounds,
    check,
    gate,
)
from gates.confidence import (
    AnswerProbability,
    FirstTokenMargin,
    InTask,
    MeanProbability,
    MinProbability,
    OutputTokens,
    QuantileProbability,
    StatedConfidence,
    TextLength,
    TopEntropy,
)
from gates.expressions import Forbids, Matches
from gates.json import JsonError, ValidJson, strict_loads
from gates.language import SameLanguage
from gates.learned import Feature, Learned, Passed, Scored
from gates.placeholder import NoPlaceholder
from gates.refusal import NotRefusal
from gates.repetition import NotEcho, NotRepetitive
from gates.schema import MatchesSchema
from gates.text import Complete, Length, NotEmpty
from gates.threshold import AtLeast, Scorer
from gates.tools import ValidToolCalls
from gates.validation import SchemaError
from gates.verdict import (
    ANYWHERE,
    MAX_CHARS,
    OPEN,
    Bounds,
    Candidate,
    Interval,
    LogprobArrays,
    Logprobs,
    Missing,
    Status,
    ToolCall,
    Verdict,
)

__all__ = [
    "ANYWHERE",
    "GATES",
    "MAX_CHARS",
    "OPEN",
    "SCORERS",
    "AllOf",
    "AnswerProbability",
    "AnyOf",
    "AtLeast",
    "Bounds",
    "Candidate",
    "Complete",
    "Feature",
    "FirstTokenMargin",
    "Forbids",
    "FunctionGate",
    "Gate",
    "GateLike",
    "InTask",
    "Interval",
    "JsonError",
    "Learned",
    "Length",
    "LogprobArrays",
    "Logprobs",
    "Matches",
    "MatchesSchema",
    "MeanProbability",
    "MinProbability",
    "Missing",
    "NoPlaceholder",
    "Not",
    "NotEcho",
    "NotEmpty",
    "NotRefusal",
    "NotRepetitive",
    "OutputTokens",
    "Passed",
    "QuantileProbability",
    "SameLanguage",
    "SchemaError",
    "Scored",
    "Scorer",
    "StatedConfidence",
    "Status",
    "TextLength",
    "ToolCall",
    "TopEntropy",
    "ValidJson",
    "ValidToolCalls",
    "Verdict",
    "as_gate",
    "bounds",
    "check",
    "gate",
    "strict_loads",
]
