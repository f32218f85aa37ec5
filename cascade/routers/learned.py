"""`LearnedRouter`: names the task of a request by a small text classifier in plain Python."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cascade.errors import ConfigError
from cascade.routers._classifier import Classifier
from cascade.routers._drift import Drift, DriftWatch
from cascade.routers._guess import Guess
from cascade.routers._ngrams import clipped, excerpt, ngrams
from cascade.routers._weights import (
    MAX_NAME,
    MAX_NUMBERS,
    MAX_SIZE,
    HeldOut,
    Label,
    Weights,
    read_weights,
)
from cascade.types import Request

__all__ = [
    "MAX_NAME",
    "MAX_NUMBERS",
    "Classifier",
    "HeldOut",
    "Label",
    "LearnedRouter",
    "Weights",
    "clipped",
    "excerpt",
    "ngrams",
]

logger = logging.getLogger("cascade")


class LearnedRouter:
    """Names the task of a request by its words, where it is certain.

    A request that is uncertain, or unlike all that the router was trained on, gets no task: it
    takes the default route, which is to be the more capable one. `cascade train-router` makes the
    weight file.

    At most 512 characters are read: both ends of the user's last message, and of a conversation
    also the beginning of its first message. The router remembers the last 500 requests, of each
    only whether it was named, and logs one warning when more are refused than the held-out texts
    lead to expect, and another only after that has passed.
    """

    __slots__ = ("_classifier", "_watch", "labels")

    def __init__(self, weights: Weights) -> None:
        self.labels = tuple(label.name for label in weights.labels)
        self._classifier = Classifier(weights)
        self._watch = DriftWatch(weights.held_out.refused, weights.held_out.texts)

    def __repr__(self) -> str:
        return f"LearnedRouter({list(self.labels)})"

    @classmethod
    def load(cls, source: str | Path | Mapping[str, Any]) -> "LearnedRouter":
        """Read a weight file, by its path, or what was parsed of one.

        Raises:
            ConfigError: it cannot be read, is over 10 MiB, no strict JSON, or of another shape or
                format; the message says what is wrong and where.
        """
        if isinstance(source, Mapping):
            return cls(read_weights(source, "the router's weights"))
        return cls(read_weights(_content(Path(source)), str(source)))

    @property
    def drift(self) -> Drift:
        """How live traffic compares with the texts that were held out of training."""
        return self._watch.reading

    def classify(self, text: str) -> Guess:
        """The task of a text; nothing is remembered of it."""
        return self._classifier.guess(ngrams(clipped(text)))

    def __call__(self, request: Request) -> Guess:
        """The task of a request."""
        guess = self._classifier.guess(ngrams(excerpt(request.messages)))
        if (drift := self._watch.record(guess.task is None)) is not None:
            logger.warning("traffic drifts from what the router was trained on: %s", drift)
        return guess


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_SIZE + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
