# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where things lie, and how a program is run here."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
CACHE = CHECKOUT / ".cache"
LOGS = CACHE / "logs"
NAMESPACE, NAME = "keyturn", "devices"
_IN_PLACE = CHECKOUT.parts[-3:] == ("ansible_collections", NAMESPACE, NAME)
# What ANSIBLE_COLLECTIONS_PATH names: the checkout itself, under the path Ansible wants. One that lies there already needs no link.
COLLECTIONS = CHECKOUT.parents[2] if _IN_PLACE else CACHE / "collections"


class Trouble(Exception):
    """Something a person has to know; its text is all they need."""


def link_collection() -> None:
    """Give Python and Ansible the path ansible_collections/keyturn/devices, as a link to this checkout, wherever that is moved."""
    CACHE.mkdir(exist_ok=True)
    if _IN_PLACE:
        return
    link = COLLECTIONS / "ansible_collections" / NAMESPACE / NAME
    link.parent.mkdir(parents=True, exist_ok=True)
    target = os.path.relpath(CHECKOUT, link.parent)
    if link.is_symlink() and os.readlink(link) == target:
        return
    # Put in place at one stroke: somebody may be reading through the old one.
    fresh = link.with_name(f"{NAME}.{os.getpid()}")
    fresh.symlink_to(target, target_is_directory=True)
    fresh.replace(link)


def environment(changes: Mapping[str, str] | None = None, bin_folder: Path | None = None, users_own: bool = False) -> dict[str, str]:
    """This process's environment for a child, without a virtual environment of the caller's.

    Bytecode is kept: hundreds of simulators and playbooks are started, and each would compile all it imports.
    Ansible's settings are left out too, so that a check does not depend on whose machine it runs on; `users_own` keeps them.
    """
    left_out = ("VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    if not users_own:
        kept = {name: value for name, value in kept.items() if not name.startswith("ANSIBLE_")}
    kept["PYTHONUTF8"] = "1"
    kept.setdefault("LC_ALL", "C.UTF-8")
    if bin_folder is not None:
        kept["PATH"] = f"{bin_folder}{os.pathsep}{kept.get('PATH', os.defpath)}"
    kept.update(changes or {})
    return kept


def run(arguments: Sequence[str | Path], log: Path, what: str, env: Mapping[str, str] | None = None, cwd: Path = CHECKOUT) -> None:
    """Run a program, its output appended to a log file; a failure shows the log's end and stops."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        sink.write(f"$ {' '.join(str(argument) for argument in arguments)}\n".encode())
        sink.flush()
        done = subprocess.run(
            [str(argument) for argument in arguments],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=dict(env or environment()),
            cwd=cwd,
            check=False,
        )
    if done.returncode != 0:
        raise Trouble(f"{what} failed (exit code {done.returncode}):\n{tail(log)}")


def tail(log: Path, lines: int = 60) -> str:
    """The last lines of a log, indented so that it reads as a quotation."""
    text = log.read_text(encoding="utf-8", errors="replace").splitlines()
    left_out = [f"    ... {len(text) - lines} lines before, in {log.relative_to(CHECKOUT)}"] if len(text) > lines else []
    return "\n".join(left_out + [f"    {line}" for line in text[-lines:]])
