"""What `cascade tune` is asked for, and where its answer comes from: recordings or an audit log."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from cascade.config import Settings
from cascade.errors import ConfigError, RecordingError
from cascade.recordings import Recording, read_recordings
from cascade.tuning.labels import Rule, rule_named
from cascade.tuning.results import Kind, Target, Tuning
from cascade.tuning.wording import require_share


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to hold, and how it is to be found, as the command line says it."""

    max_loss: float | None
    aim_loss: float | None
    max_error: float | None
    confidence: float
    by: str
    labels: str
    requests_per_day: float | None
    latency_objective: float | None
    seed: int

    def check(self) -> None:
        """Refuse what the parts of it do not say themselves."""
        if self.max_loss is None and self.aim_loss is None and self.max_error is None:
            raise ValueError("say what is to hold: --max-loss, --aim-loss or --max-error")
        if self.max_loss is not None and self.aim_loss is not None:
            raise ValueError("--max-loss is certified, --aim-loss an estimate: give one of them")
        for name in ("max_loss", "aim_loss", "max_error", "confidence"):
            require_share(f"--{name.replace('_', '-')}", getattr(self, name))
        if self.seed < 0:
            raise ValueError(f"--seed is a whole number, 0 or more; got {self.seed}")
        if self.by not in {"", "task"}:
            raise ValueError(f'--by takes "task", not {self.by!r}')

    @property
    def rule(self) -> Rule:
        """Where labels come from."""
        return rule_named(self.labels)

    @property
    def only_target(self) -> Target:
        """The one target, where there can be no other beside it."""
        found = [
            target
            for target in (
                _target("max-loss", self.max_loss, self.confidence),
                _target("aim-loss", self.aim_loss, None),
                _target("max-error", self.max_error, self.confidence),
            )
            if target is not None
        ]
        if len(found) != 1:
            raise ValueError("--from-audit takes one of --max-loss, --aim-loss and --max-error")
        return found[0]


def _target(kind: Kind, limit: float | None, confidence: float | None) -> Target | None:
    return None if limit is None else Target(kind, limit, confidence)


def require_tiers(settings: Settings | None, tiers: Iterable[str]) -> None:
    """Refuse tiers that settings with deployments do not have: they could not be asked."""
    if settings is None or not any(tier.deployments for tier in settings.document.tiers):
        return
    for tier in tiers:
        if tier not in settings.tiers:
            known = ", ".join(settings.tiers)
            raise ValueError(
                f"{settings.source.path} has no tier {tier}: it has {known}; name the recorded"
                " model that plays each, as --tiers tier=model,..."
            )


def from_recordings(
    file: Path, models: Mapping[str, str], settings: Settings | None, wanted: Wanted
) -> Tuning:
    """Tune on recordings; `models` are those that play each tier.

    Raises:
        CascadeError: the recordings cannot be read, or lack an answer or labels.
        ValueError: a number or name is none that will do.
    """
    with _learning():
        from cascade.tuning import tune as tune_recordings

    recordings = list(read_recordings(file))
    try:
        return tune_recordings(
            [_played(each, models) for each in recordings],
            tuple(models),
            max_loss=wanted.max_loss,
            aim_loss=wanted.aim_loss,
            max_error=wanted.max_error,
            confidence=wanted.confidence,
            by_task=wanted.by == "task",
            labels=wanted.rule,
            seed=wanted.seed,
            requests_per_day=wanted.requests_per_day,
            latency_objective=wanted.latency_objective,
            settings=settings,
        )
    except RecordingError as error:
        raise RecordingError(f"{file}: {error}") from error


@contextmanager
def _learning() -> Iterator[None]:
    """Say what to install: numpy, scipy and scikit-learn are only for those who tune."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"numpy", "scipy", "sklearn"}:
            raise
        install = "pip install 'cascade-gates[learn]'"
        raise ConfigError(f"tuning needs {error.name}: {install}") from error


def _played(recording: Recording, models: Mapping[str, str]) -> Recording:
    """The recording with each model's answer under the name of the tier that it plays."""
    answers = recording.answers
    for model in models.values():
        if model not in answers:
            has = ", ".join(answers)
            raise RecordingError(f"recording {recording.id!r} has no answer of {model!r}: {has}")
    played = {tier: answers[model] for tier, model in models.items()}
    return replace(recording, answers=played)


def from_audit(log: Path, settings: Settings, wanted: Wanted) -> Tuning:
    """Test the gates of settings on the audit samples of a log.

    Raises:
        ConfigError: the log cannot be read, or holds no sample of use.
        ValueError: a number is none that will do.
    """
    with _learning():
        from cascade.tuning.audit import tune_from_audit

    return tune_from_audit(
        log,
        settings,
        wanted.only_target,
        seed=wanted.seed,
        requests_per_day=wanted.requests_per_day,
    )
