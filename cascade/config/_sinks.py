"""Sinks in a settings file: `[[sinks]]` with `sink = "AuditLog"`, "JsonLines" or "Telemetry"."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainValidator

from cascade.config._tables import Table, invalid, table, unknown
from cascade.reporter import Archive, Sink

EXAMPLE = '{ sink = "AuditLog", path = "audit.db" }'


class AuditLogTable(Table):
    """An audit log in a SQLite file; a relative path begins at the settings file's folder."""

    title: ClassVar[str] = "an audit log"

    sink: Literal["AuditLog"]
    path: Annotated[str, Field(min_length=1)]
    capture: Literal["none", "redacted", "full"] = "none"
    retention_days: Annotated[float, Field(gt=0)] | None = None
    required: bool = False
    queue: Annotated[int, Field(ge=1)] = 10_000

    def open(self, folder: Path) -> Archive:
        """The log; raises ConfigError if its file cannot be used."""
        # SQLite and its thread are only for those who keep a log.
        from cascade.sinks import AuditLog

        given = {name: getattr(self, name) for name in self.model_fields_set - {"sink", "path"}}
        return AuditLog(folder / self.path, **given)


class JsonLinesTable(Table):
    """A file of traces, one JSON object a line."""

    title: ClassVar[str] = "a file of JSON lines"

    sink: Literal["JsonLines"]
    path: Annotated[str, Field(min_length=1)]

    def open(self, folder: Path) -> Sink:
        """The file, opened; raises ConfigError if it cannot be."""
        from cascade.sinks import JsonLines

        return JsonLines(folder / self.path)


class TelemetryTable(Table):
    """OpenTelemetry spans and metrics, through the process's own providers."""

    title: ClassVar[str] = "telemetry"

    sink: Literal["Telemetry"]
    token_usage: bool = False

    def open(self, folder: Path) -> Sink:  # noqa: ARG002  the others need it
        """The sink; raises ConfigError without the extra `otel`."""
        from cascade.sinks.otel import Telemetry

        return Telemetry(token_usage=self.token_usage)


_KINDS: dict[str, type[AuditLogTable | JsonLinesTable | TelemetryTable]] = {
    "AuditLog": AuditLogTable,
    "JsonLines": JsonLinesTable,
    "Telemetry": TelemetryTable,
}


def _read(value: object) -> AuditLogTable | JsonLinesTable | TelemetryTable:
    given: dict[str, Any] = table(value, EXAMPLE)
    name = given.get("sink")
    if not isinstance(name, str):
        raise invalid([((), f"needs the name of a sink, such as {EXAMPLE}")])
    if name not in _KINDS:
        raise invalid([(("sink",), unknown("sink", name, _KINDS))])
    return _KINDS[name].model_validate(given)


SinkTable = Annotated[AuditLogTable | JsonLinesTable | TelemetryTable, PlainValidator(_read)]
