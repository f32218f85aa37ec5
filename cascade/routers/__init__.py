"""Name the task of requests that come without one."""

from cascade.routers._drift import Drift
from cascade.routers._guess import Guess
from cascade.routers.learned import LearnedRouter
from cascade.routers.model import ModelRouter

__all__ = ["Drift", "Guess", "LearnedRouter", "ModelRouter"]
