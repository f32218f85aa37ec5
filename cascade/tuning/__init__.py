"""Learn from recordings."""

import sys

from gates._exports import exports

_HOMES = {
    "_labelled": "read_labelled",
    "_report": "Lacking RouterReport",
    "_tune": "tune",
    "audit": "tune_from_audit",
    "labels": "Label Rule",
    "plot": "write_plot",
    "results": (
        "Certificate Cut Dropped Frontier Point RouteTuning Shortfall SignalFigures Target "
        "TaskFigures Tuning"
    ),
    "risk": "approximate_loss certify_error certify_loss estimate_loss",
    "router": "MIN_PROBABILITY TrainedRouter train_router",
    "writing": "Configuration configuration write",
}
"""The module of each name: importing the package reads in none of them, nor NumPy."""

__all__, __getattr__, __dir__ = exports(sys.modules[__name__], _HOMES)
