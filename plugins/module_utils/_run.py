# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who holds a lease, and whether that process still lives.

A lease names the controlling process of its run, so that the lease of a run that was killed can be taken over at once where that can
be known for sure, which is on the same host and in the same process namespace. Everywhere else a lease ends when it expires.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """One run of a playbook. C(holder) is what C(runner_identity) says of its controlling process, or empty when it is not known."""

    id: str
    holder: str = ""


def runner_identity(pid: int | None = None) -> str:
    """C(boot-id/process-namespace/pid/start-time) of a process, by default this one.

    The boot id tells hosts (and boots) apart, the namespace tells containers apart, the start time (in clock ticks since boot) tells
    a process from a later one with the same number. Empty where the system does not say, which makes the lease one that only expires.
    """
    number = os.getpid() if pid is None else pid
    boot, namespace = _boot_id(), _process_namespace()
    started = _start_time(number)
    if not boot or not namespace or not started:
        return ""
    return f"{boot}/{namespace}/{number}/{started}"


def lives(holder: str) -> bool | None:
    """Whether the process is there, where that is certain: asked of its own host and namespace. C(None) where nobody can know."""
    parts = holder.split("/")
    if len(parts) != 4 or not parts[2].isdigit():
        return None
    boot, namespace, number, started = parts
    if boot != _boot_id() or namespace != _process_namespace():
        return None
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass  # It exists and belongs to somebody else.
    now_started = _start_time(int(number))
    if now_started:
        return now_started == started
    # With /proc mounted so that others' processes are hidden, nothing can be read of a living one.
    return False if _is_zombie(int(number)) else None


def is_dead(holder: str) -> bool:
    """True only when it is certain that the process is gone."""
    return lives(holder) is False


def _boot_id() -> str:
    return _read("/proc/sys/kernel/random/boot_id").strip()


def _process_namespace() -> str:
    try:
        return re.sub(r"\D", "", os.readlink("/proc/self/ns/pid"))
    except OSError:
        return ""


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from the third on. The second is the command, in brackets, and may hold anything."""
    return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()


def _start_time(pid: int) -> str:
    """Empty for a process that is gone, ended without being waited for, or hidden."""
    fields = _stat(pid)
    return fields[19] if len(fields) > 19 and fields[0] not in ("Z", "X") else ""


def _is_zombie(pid: int) -> bool:
    fields = _stat(pid)
    return bool(fields) and fields[0] in ("Z", "X")


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
