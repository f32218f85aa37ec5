"""Sinks that keep the traces of a cascade: an audit log in SQLite, and a file of JSON lines."""

from cascade.sinks.jsonl import JsonLines
from cascade.sinks.sqlite import AuditLog, AuditLogState

__all__ = ["AuditLog", "AuditLogState", "JsonLines"]
