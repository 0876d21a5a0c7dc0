# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Pythons of this machine and the ansible-core releases they can carry.

A machine may have one Python or ten, on PATH or hidden in a version manager's folder. All are asked for their version
by running them, because a version manager's shim is there even where the Python behind it is not.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

Version = tuple[int, int, int]

PROBE = """
import json, sys, sysconfig
try:
    import ensurepip
    complete = True
except ImportError:
    complete = False
print(json.dumps({
    "executable": getattr(sys, "_base_executable", "") or sys.executable,
    "version": list(sys.version_info[:3]),
    "complete": complete,
    "usual": sys.implementation.name == "cpython" and sys.version_info.releaselevel == "final"
        and not sysconfig.get_config_var("Py_GIL_DISABLED"),
}))
"""


@dataclass(frozen=True)
class Python:
    """One interpreter. `complete` says whether it can make virtual environments (Debian splits that part off)."""

    path: Path
    version: Version
    complete: bool

    @property
    def minor(self) -> tuple[int, int]:
        return self.version[:2]

    def __str__(self) -> str:
        return ".".join(str(part) for part in self.version)


@dataclass(frozen=True)
class Core:
    """An ansible-core series, the release the tests use, and the Pythons its controller side supports.

    `thin`: it lies between others that are tested in full, and runs only what shows that a rotation works on it.
    """

    series: str
    release: str
    oldest: tuple[int, int]
    newest: tuple[int, int]
    thin: bool = False

    def supports(self, python: Python) -> bool:
        return self.oldest <= python.minor <= self.newest


# Newest first: the main environment takes the first one that is tested in full and that a Python is there for.
CORES = (
    Core("2.21", "2.21.5", (3, 12), (3, 14)),
    Core("2.20", "2.20.10", (3, 12), (3, 14), thin=True),
    Core("2.19", "2.19.14", (3, 11), (3, 13)),
    Core("2.18", "2.18.19", (3, 11), (3, 13)),
    Core("2.17", "2.17.14", (3, 10), (3, 12), thin=True),
    Core("2.16", "2.16.19", (3, 10), (3, 12)),
)


@dataclass(frozen=True)
class Pairing:
    """An ansible-core and the Python it is tested on."""

    core: Core
    python: Python


def find_pythons() -> list[Python]:
    """Every usable Python from 3.10 on, the highest patch release of each minor version, newest first."""
    best: dict[tuple[int, int], Python] = {}
    for candidate in _unique(_candidates()):
        python = _probe(candidate)
        if python is None or python.version < (3, 10, 0):
            continue
        known = best.get(python.minor)
        if known is None or (python.complete, python.version) > (known.complete, known.version):
            best[python.minor] = python
    return [best[minor] for minor in sorted(best, reverse=True)]


def pair(pythons: list[Python], cores: Iterable[Core] = CORES) -> list[Pairing]:
    """The main pairing first (newest core on the newest Python), then each older core on the oldest Python it supports; thin ones last.

    So both ends of what is promised are run wherever both are there.
    """
    pairings: list[Pairing] = []
    for core in sorted(cores, key=lambda core: core.thin):
        able = [python for python in pythons if core.supports(python)]
        if able:
            pairings.append(Pairing(core, min(able, key=lambda p: p.version) if pairings else max(able, key=lambda p: p.version)))
    return pairings


def _unique(paths: Iterable[Path]) -> Iterator[Path]:
    seen: set[Path] = set()
    for path in paths:
        real = path.resolve()
        if real not in seen and os.access(path, os.X_OK):
            seen.add(real)
            yield path


def _candidates() -> Iterator[Path]:
    yield Path(sys.executable)
    folders = [Path(folder) for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder]
    folders += [Path("/usr/bin"), Path("/usr/local/bin")]
    for root in _version_manager_roots(folders):
        folders += sorted(root.glob("versions/3.*/bin"), reverse=True)
    for folder in folders:
        yield from sorted(folder.glob("python3.[1-9][0-9]"), reverse=True)
        yield folder / "python3"


def _version_manager_roots(folders: Iterable[Path]) -> Iterator[Path]:
    """Roots laid out like pyenv's (`versions/<version>/bin`). HOME may be a fresh one, so it is not the only place looked at."""
    if root := os.environ.get("PYENV_ROOT"):
        yield Path(root)
    yield Path.home() / ".pyenv"
    for folder in folders:
        if folder.name == "shims":
            yield folder.parent
    running = Path(sys.executable).resolve()
    if len(running.parents) > 3 and running.parents[2].name == "versions":
        yield running.parents[3]


def _probe(candidate: Path) -> Python | None:
    try:
        answer = subprocess.run([str(candidate), "-I", "-c", PROBE], capture_output=True, text=True, timeout=20, check=True)
        told = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    if not told["usual"]:
        return None
    major, minor, patch = told["version"]
    return Python(Path(told["executable"]), (major, minor, patch), told["complete"])
