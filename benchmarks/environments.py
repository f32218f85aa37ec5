"""Virtual environments for the peers: made once, and what lies in them."""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.measuring import CLIENT_CORE, ROOT

INSTALLERS: Final = {"pip", "setuptools", "uv", "wheel"}

_TIMED: Final = """
import time
wall, cpu = time.perf_counter(), time.process_time()
{statement}
print(time.process_time() - cpu, time.perf_counter() - wall)
"""


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment; `folder` is where its programs run, so that they see only what is
    installed in it and these benchmarks."""

    python: Path
    site: Path
    folder: Path

    @property
    def packages(self) -> list[str]:
        """The distributions that were installed."""
        found = (path.name.partition("-")[0] for path in self.site.glob("*.dist-info"))
        return sorted(name for name in found if name not in INSTALLERS)

    @property
    def megabytes(self) -> float:
        """What they take on disk, without bytecode."""
        return round(sum(path.stat().st_size for path in self._files()) / 1e6, 1)

    def _files(self) -> Iterator[Path]:
        for path in self.site.rglob("*"):
            top = path.relative_to(self.site).parts[0].partition("-")[0]
            if path.is_file() and path.suffix != ".pyc" and top not in INSTALLERS:
                yield path

    def import_ms(self, statement: str) -> tuple[float, float]:
        """CPU and elapsed milliseconds that an import takes a new process."""
        command = [str(self.python), "-c", _TIMED.format(statement=statement)]
        if CLIENT_CORE is not None and (taskset := shutil.which("taskset")):
            command = [taskset, "--cpu-list", str(CLIENT_CORE), *command]
        told = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, check=True
        ).stdout
        cpu, wall = (1e3 * float(number) for number in told.split()[-2:])
        return cpu, wall


def environment(work: Path, name: str, requirements: Sequence[str]) -> Environment:
    """The environment of this name in a folder, made unless it has these requirements already.

    This project itself is installed anew each time.

    Raises:
        subprocess.CalledProcessError: they could not be installed.
    """
    place, stamp = work / name, work / name / "requirements.txt"
    wanted = "\n".join(requirements)
    if not stamp.exists() or stamp.read_text("utf-8") != wanted:
        _make(place)
        _install(place, [], requirements)
        stamp.write_text(wanted, "utf-8")
    elif str(ROOT) in requirements:
        _install(place, _again(), [str(ROOT)])
    site = next((place / "lib").glob("python*/site-packages"))
    return Environment(place / "bin" / "python", site, _folder(work))


def _folder(work: Path) -> Path:
    """One of these benchmarks alone: the project's root would hide what is installed."""
    folder = work / "run"
    folder.mkdir(exist_ok=True)
    if not (link := folder / "benchmarks").exists():
        link.symlink_to(ROOT / "benchmarks")
    return folder


def _uv() -> str | None:
    return shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))


def _make(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    if uv := _uv():
        _run(uv, "venv", "--quiet", "--python", sys.executable, str(place))
    else:
        _run(sys.executable, "-m", "venv", str(place))


def _install(place: Path, options: Sequence[str], requirements: Sequence[str]) -> None:
    python = str(place / "bin" / "python")
    if uv := _uv():
        _run(uv, "pip", "install", "--quiet", "--python", python, *options, *requirements)
    else:
        _run(python, "-m", "pip", "install", "--quiet", *options, *requirements)


def _again() -> list[str]:
    """Options that install a folder although its version is there already."""
    if _uv():
        return ["--refresh-package", "cascade-gates", "--reinstall-package", "cascade-gates"]
    return ["--force-reinstall", "--no-deps"]


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=sys.stderr)
