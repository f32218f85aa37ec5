"""Composable, three-valued quality gates for LLM answers. No gate ever calls a model."""

import sys

from gates._exports import exports

_HOMES = {
    "catalogue": "GATES SCORERS",
    "compose": "AllOf AnyOf FunctionGate Gate GateLike Not as_gate bounds check gate",
    "confidence": (
        "AnswerProbability FirstTokenMargin InTask MeanProbability MinProbability "
        "OutputTokens QuantileProbability StatedConfidence TextLength TopEntropy"
    ),
    "expressions": "Forbids Matches",
    "json": "JsonError ValidJson strict_loads",
    "language": "SameLanguage",
    "learned": "Feature Learned Passed Scored",
    "placeholder": "NoPlaceholder",
    "refusal": "NotRefusal",
    "repetition": "NotEcho NotRepetitive",
    "schema": "MatchesSchema",
    "text": "Complete Length NotEmpty",
    "threshold": "AtLeast Scorer",
    "tools": "ValidToolCalls",
    "validation": "SchemaError",
    "verdict": (
        "ANYWHERE Bounds Candidate Interval LogprobArrays Logprobs MAX_CHARS Missing OPEN "
        "Status ToolCall Verdict"
    ),
}
"""The module of each name: importing the package reads in none of them."""

__all__, __getattr__, __dir__ = exports(sys.modules[__name__], _HOMES)
