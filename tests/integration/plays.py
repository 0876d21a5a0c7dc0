# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plays a few tasks as a user would run them, at the highest verbosity, with everything they leave behind kept for a look."""

from __future__ import annotations

import json
from pathlib import Path

from integration.cores import Core


def play(core: Core, folder: Path, tasks: list[dict[str, object]], **env: str) -> tuple[str, Path]:
    """What a play of these tasks printed at -vvvv, and the folder with its log and whatever it left."""
    run = folder / "run"
    (run / "tmp").mkdir(parents=True)
    # The playbook names its secrets by a file, so that their own lines are not what is found.
    playbook = folder / "play.json"
    playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    done = core.run(
        "ansible-playbook",
        playbook,
        "-i",
        "localhost,",
        "-c",
        "local",
        "-e",
        f"ansible_python_interpreter={core.bin / 'python'}",
        "-vvvv",
        cwd=run,
        env={
            "ANSIBLE_LOG_PATH": str(run / "ansible.log"),
            "ANSIBLE_LOCAL_TEMP": str(run / "tmp"),
            "ANSIBLE_REMOTE_TEMP": str(run / "tmp"),
            "ANSIBLE_DISPLAY_TRACEBACK": "always",
            **env,
        },
    )
    return done.stdout, run


def secret(folder: Path, name: str, value: str) -> str:
    """A template that reads the secret from a file of its own."""
    (folder / name).write_text(value)
    return f"{{{{ lookup('ansible.builtin.file', '{folder / name}') }}}}"
