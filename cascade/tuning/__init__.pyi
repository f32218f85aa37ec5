from cascade.tuning._labelled import read_labelled
from cascade.tuning._report import Lacking, RouterReport
from cascade.tuning._tune import tune
from cascade.tuning.audit import tune_from_audit
from cascade.tuning.labels import Label, Rule
from cascade.tuning.plot import write_plot
from cascade.tuning.results import (
    Certificate,
    Cut,
    Dropped,
    Frontier,
    Point,
    RouteTuning,
    Shortfall,
    SignalFigures,
    Target,
    TaskFigures,
    Tuning,
)
from cascade.tuning.risk import approximate_loss, certify_error, certify_loss, estimate_loss
from cascade.tuning.router import MIN_PROBABILITY, TrainedRouter, train_router
from cascade.tuning.writing import Configuration, configuration, write

__all__ = [
    "MIN_PROBABILITY",
    "Certificate",
    "Configuration",
    "Cut",
    "Dropped",
    "Frontier",
    "Label",
    "Lacking",
    "Point",
    "RouteTuning",
    "RouterReport",
    "Rule",
    "Shortfall",
    "SignalFigures",
    "Target",
    "TaskFigures",
    "TrainedRouter",
    "Tuning",
    "approximate_loss",
    "certify_error",
    "certify_loss",
    "configuration",
    "estimate_loss",
    "read_labelled",
    "train_router",
    "tune",
    "tune_from_audit",
    "write",
    "write_plot",
]
