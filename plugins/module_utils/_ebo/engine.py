# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line of podman or docker."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._ebo.transport import ResetModeFault

# What both say of something that is not there; an engine that does not run may say that there is no such file.
_ABSENT = re.compile(r"no such (container|image|volume|object)|image not known", re.IGNORECASE)
_MOST_SHOWN = 300


@dataclass(frozen=True)
class Told:
    """What a command ended with."""

    code: int
    output: str
    error: str


#: Runs a command: its words and the seconds it may take. TimeoutError when it takes longer.
Run = Callable[[list[str], float], Told]


def run_command(words: list[str], seconds: float) -> Told:
    """In a session of its own, so that a signal for this process's group does not end it in the middle of its work."""
    try:
        # AnsibleModule.run_command knows no session of its own.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            start_new_session=True,
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError from None
    return Told(done.returncode, done.stdout, done.stderr)


class Engine:
    """One engine on this host. Every method raises ResetModeFault."""

    def __init__(self, program: str, run: Run = run_command) -> None:
        self.program = program
        self._run = run

    def require(self) -> None:
        """That there is such a program here."""
        if shutil.which(self.program) is None:
            raise ResetModeFault("engine_missing", f"container.engine: there is no program {self.program} on this host.")

    def tell(self, *words: str, seconds: float = 60) -> str:
        """Carry out a command; what it printed."""
        told = self._told(words, seconds)
        if told.code:
            raise self._fault(words, told)
        return told.output

    def inspect(self, kind: str, name: str) -> Mapping[str, Any] | None:
        """A C(container), C(image) or C(volume) as the engine describes it; None when there is none of that name."""
        words = (kind, "inspect", name)
        told = self._told(words, 60)
        if told.code and _ABSENT.search(told.error):
            return None
        if told.code:
            raise self._fault(words, told)
        try:
            found: Mapping[str, Any] = json.loads(told.output)[0]
        except (ValueError, IndexError, KeyError, TypeError):
            raise ResetModeFault("engine", f"What {self.program} {kind} inspect printed cannot be read.") from None
        # Both take the beginning of an identifier for a name, and podman that of a volume's name: another one would be stopped.
        return found if kind == "image" or str(found.get("Name", "")).lstrip("/") == name else None

    def _told(self, words: tuple[str, ...], seconds: float) -> Told:
        try:
            return self._run([self.program, *words], seconds)
        except TimeoutError:
            raise ResetModeFault("engine", f"{self.program} {' '.join(words[:2])} took longer than {seconds:.0f} s.") from None
        except OSError as problem:
            raise ResetModeFault("engine", f"{self.program} cannot be run: {problem.strerror}.") from None

    def _fault(self, words: tuple[str, ...], told: Told) -> ResetModeFault:
        said = " ".join(told.error.split())[-_MOST_SHOWN:] or f"exit status {told.code}"
        return ResetModeFault("engine", f"{self.program} {' '.join(words[:2])} failed: {said}")
