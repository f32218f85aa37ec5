"""Learn from recordings."""

from cascade.tuning._labelled import read_labelled
from cascade.tuning._report import Lacking, RouterReport
from cascade.tuning.router import MIN_PROBABILITY, TrainedRouter, train_router

__all__ = [
    "MIN_PROBABILITY",
    "Lacking",
    "RouterReport",
    "TrainedRouter",
    "read_labelled",
    "train_router",
]
