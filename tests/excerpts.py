"""Recordings of the data with some of their lines: to read all takes longer than most tests do."""

import gzip
from itertools import islice
from pathlib import Path


def excerpt(
    data: Path, name: str, folder: Path, *, lines: int | None = None, step: int = 1
) -> Path:
    """Every `step`th of the first `lines` lines of a recording, in a file of the same name."""
    path = folder / f"{name}.jsonl.gz"
    with (
        gzip.open(data / "recordings" / path.name) as whole,
        gzip.open(path, "wb", compresslevel=1) as part,
    ):
        part.writelines(islice(whole, 0, lines, step))
    return path
