"""What may be asked of the audit log's writing thread besides keeping records."""

import threading
from dataclasses import dataclass, field

Document = tuple[float, str]
"""What is to be remembered: since when, in epoch seconds, and JSON."""


@dataclass(slots=True, eq=False)
class Order:
    """Something to be done after all that was queued before.

    `forget` names a request to be deleted; `deleted` then says how many were. `done` is set once
    `committed` is known.
    """

    forget: str | None = None
    done: threading.Event = field(default_factory=threading.Event)
    committed: bool = False
    deleted: int = 0
