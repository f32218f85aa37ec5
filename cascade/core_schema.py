"""What pydantic's core schema of a type tells of the code that runs when a value is built."""

from collections.abc import Mapping

_CALLED = {"function", "default_factory"}
_UNUSED = {"metadata", "serialization"}


def calls_users(schema: object) -> bool:
    """Whether building a value calls validators, factories or other functions of a user's.

    No schema tells of a class's own `__new__`, nor of a `__hash__` that a set asks for.
    """
    if isinstance(schema, list | tuple):
        return any(map(calls_users, schema))
    if not isinstance(schema, Mapping):
        return callable(schema) and not isinstance(schema, type)
    if schema.get("post_init") or schema.get("custom_init"):
        return True
    named = isinstance(schema.get("type"), str)  # else it maps the names of fields
    return any(
        _is_users(part) if named and key in _CALLED and callable(part) else calls_users(part)
        for key, part in schema.items()
        if not (named and key in _UNUSED)
    )


def _is_users(called: object) -> bool:
    return getattr(called, "__module__", "") != "builtins"
