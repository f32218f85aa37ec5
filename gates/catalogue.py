"""Every gate and scorer by name, for files that name them: configurations and learned weights."""

from collections.abc import Mapping

from gates.compose import AllOf, AnyOf, Gate, Not
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
from gates.json import ValidJson
from gates.language import SameLanguage
from gates.placeholder import NoPlaceholder
from gates.refusal import NotRefusal
from gates.repetition import NotEcho, NotRepetitive
from gates.schema import MatchesSchema
from gates.text import Complete, Length, NotEmpty
from gates.threshold import AtLeast, Scorer
from gates.tools import ValidToolCalls

_GATES: tuple[type[Gate], ...] = (
    AllOf,
    AnyOf,
    AtLeast,
    Complete,
    Forbids,
    Length,
    Matches,
    MatchesSchema,
    NoPlaceholder,
    Not,
    NotEcho,
    NotEmpty,
    NotRefusal,
    NotRepetitive,
    SameLanguage,
    ValidJson,
    ValidToolCalls,
)
_SCORERS: tuple[type[Scorer], ...] = (
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

GATES: Mapping[str, type[Gate]] = {kind.__name__: kind for kind in _GATES}
SCORERS: Mapping[str, type[Scorer]] = {kind.__name__: kind for kind in _SCORERS}
