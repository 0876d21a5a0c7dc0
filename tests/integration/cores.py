# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ansible-core releases a playbook is tried on.

`make environments` makes one environment for each that this machine has a Python for and writes down where they are. Without that,
the one release beside the running Python is all there is. KEYTURN_CORES=2.16,2.21 narrows the choice.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
REGISTER = CHECKOUT / ".cache" / "environments.json"


@dataclass(frozen=True)
class Core:
    """An ansible-core by its series, such as 2.16, and the directory of its programs.

    C(thin): it lies between others that are tested in full, and only a few tests run on it.
    """

    series: str
    bin: Path
    thin: bool = False

    def environment(self, changes: Mapping[str, str] | None = None) -> dict[str, str]:
        """This process's environment without the settings a developer may have for Ansible, the ledger or RMS, plus `changes`."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "KEYTURN_", "RMS_"))}
        return {
            **kept,
            "PATH": f"{self.bin}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".cache" / "collections"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCALHOST_WARNING": "false",
            **(changes or {}),
        }

    def run(
        self, program: str, *arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None, timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run one of its programs, such as `ansible-playbook`, to its end; what it printed is in `stdout`, errors among it."""
        return subprocess.run(
            [str(self.bin / program), *map(str, arguments)],
            cwd=cwd,
            env=self.environment(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )


def cores() -> list[Core]:
    """All there are: those that are tested in full, newest first, then the thin ones."""
    if REGISTER.is_file():
        told = json.loads(REGISTER.read_text(encoding="utf-8"))
        found = [Core(series, Path(entry["bin"]), entry.get("thin", False)) for series, entry in told.items()]
    else:
        found = [Core("own", Path(sys.executable).parent)]
    wanted = [series for series in os.environ.get("KEYTURN_CORES", "").split(",") if series]
    chosen = [core for core in found if not wanted or core.series in wanted]
    if not chosen:
        raise LookupError(f"KEYTURN_CORES asks for {', '.join(wanted)}; there are: {', '.join(core.series for core in found)}")
    return chosen
