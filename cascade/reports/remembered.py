"""What the latest process that wrote a log was told to expect: it stands with the state that the
process left to go on from.
"""

import json
import sqlite3

from cascade.policy.tuned_range import Expected, Tuned


def expected_in(connection: sqlite3.Connection) -> dict[str, dict[str, Expected]]:
    """What tuning saw, by route and tier; nothing where no state of this form was left."""
    row = connection.execute("SELECT document FROM remembered").fetchone()
    found: dict[str, dict[str, Expected]] = {}
    try:
        monitors = json.loads(row[0])["monitors"] if row else []
        for route, tier, state, _ in monitors:
            if "tuned" in state:
                found.setdefault(route, {})[tier] = Tuned.expected_in(state["tuned"])
    except (KeyError, TypeError, ValueError):
        return {}
    return found
