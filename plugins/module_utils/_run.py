# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who holds a lease, whether that process still lives, and until when it may change devices.

A lease names the controlling process of its run, so that the lease of a run that was killed can be taken over at once where that can
be known for sure, which is on the same host and in the same process namespace. Everywhere else a lease ends when it expires.

A process that was paused (a suspended laptop, a stopped container) wakes up after its lease has ended, and a clock that stood still
meanwhile would not tell it so. What changes devices is therefore told a moment (C(Until)) that it looks at right before it sends.
"""

from __future__ import annotations

import datetime
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """One run of a playbook. C(holder) is what C(runner_identity) says of its controlling process, or empty when it is not known."""

    id: str
    holder: str = ""


@dataclass(frozen=True)
class Until:
    """A moment until which a run may change devices, as text so that it travels as an option of a module.

    C(boot) and C(boottime): on the boot where it was made, the seconds of a clock that nobody sets and that counts suspended time.
    C(epoch): everywhere else, the wall clock (seconds since 1970).
    """

    boot: str
    boottime: float
    epoch: float

    @classmethod
    def after(cls, seconds: float) -> Until:
        """The moment in so many seconds."""
        return cls(_boot(), _boottime() + seconds, time.time() + seconds)

    @classmethod
    def read(cls, text: str) -> Until:
        """From C(str()), or from a date and time of ISO 8601 with its offset from UTC. ValueError for anything else."""
        boot, boottime, epoch = match.groups() if (match := _UNTIL.match(text)) else ("", "0", "")
        if epoch:
            return cls(boot, float(boottime), float(epoch))
        moment = read_moment(text)
        return cls("", 0, moment.timestamp())

    def __str__(self) -> str:
        return f"boot:{self.boot} boottime:{self.boottime:.3f} epoch:{self.epoch:.3f}"

    def seconds_left(self) -> float:
        """How long until it comes; zero or less once it has."""
        if self.boot and self.boot == _boot():
            return self.boottime - _boottime()
        return self.epoch - time.time()

    def passed(self) -> bool:
        """Whether the moment has come."""
        return self.seconds_left() <= 0


def read_moment(text: str) -> datetime.datetime:
    """A date and time of ISO 8601 with its offset from UTC. ValueError for anything else."""
    try:
        # Python 3.10 does not read the Z.
        moment = datetime.datetime.fromisoformat(re.sub(r"[Zz]\Z", "+00:00", text.strip()))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError("is no moment: a date and time of ISO 8601 with its offset from UTC is wanted, such as 2026-01-31T10:15:00Z")
    return moment


_UNTIL = re.compile(r"boot:(\S*) boottime:(\d+\.\d+) epoch:(\d+\.\d+)\Z")


def may_change(holder: str | None, not_after: str | None) -> Callable[[], bool]:
    """Says, each time anew, whether a run may change devices: its process lives as far as can be told, and its time has not come.

    C(holder) as C(runner_identity) says it and C(not_after) as C(Until.read) takes it; None for no such limit. ValueError for a
    C(not_after) that is no moment.
    """
    until = Until.read(not_after) if not_after else None
    return lambda: not (until is not None and until.passed()) and not is_dead(holder or "")


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


def _boot() -> str:
    """What the boottime clock belongs to: a boot, and a namespace that may shift it. Empty where there is no such clock."""
    return f"{_boot_id()}/{_namespace('time')}" if _boot_id() and hasattr(time, "CLOCK_BOOTTIME") else ""


def _boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else 0.0


def _process_namespace() -> str:
    return _namespace("pid")


def _namespace(kind: str) -> str:
    try:
        return re.sub(r"\D", "", os.readlink(f"/proc/self/ns/{kind}"))
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
