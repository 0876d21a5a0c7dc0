# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PBXs rotated and proven by the playbook, several browsers at once.

    make bench BENCH="pbxs --pbxs 20 --parallel 1 5"

For each number of browsers at once: simulated PBXs without latency, a fresh ledger, `ansible-playbook keyturn.devices.rotate_pbxs`, then
what each run costs with its whole process tree: Ansible, the processes of the browsers' drivers, the browsers. Memory is what the tree
holds at its peak, with pages that processes share counted once. How long the machine takes to count to ten million tells how busy it is
with something else: CPU seconds of a busy machine are longer. A run counts as good when the ledger's password is the one in force on
every PBX and no login was wrong.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import subprocess
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from integration.cores import cores
from integration.pbx_fleet import PbxFleet, pbx_fleet, started

MOST_CPU = 8.0
_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Measured:
    """One run: seconds of wall time and of CPU, megabytes of the process tree at its peak, how many PBXs ended as they should."""

    parallel: int
    pbxs: int
    wall: float
    cpu: float
    memory: float
    good: int

    @property
    def keeps_the_limit(self) -> bool:
        return self.good == self.pbxs and self.cpu / self.pbxs < MOST_CPU


class Tree:
    """The memory of a process and of all that came of it, looked at while it is open. C(before): children that were there earlier."""

    def __init__(self, root: int, before: frozenset[int]) -> None:
        self.peak = 0.0
        self._root, self._before = root, before
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Tree:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.5):
            self.peak = max(self.peak, sum(map(_megabytes, self._members())))

    def _members(self) -> set[int]:
        children: dict[int, list[int]] = {}
        for entry in os.listdir("/proc"):
            with suppress(OSError, ValueError):
                fields = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(entry))
        # Whose parent has ended belongs to this process from then on, as the root does.
        members, waiting = set(), [self._root, *(set(children.get(os.getpid(), ())) - self._before)]
        while waiting:
            member = waiting.pop()
            members.add(member)
            waiting += children.get(member, [])
        return members


def _megabytes(process: int) -> float:
    """Its share of physical memory."""
    with suppress(OSError):
        for line in Path("/proc", str(process), "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def measure(place: PbxFleet, parallel: int) -> Measured:
    place.count_anew()
    settings = [f"pbx_rotation_{name}={parallel}" for name in ("parallel", "batch_size", "first_batch_size")]
    command = place.command("rotate_pbxs", "-e", " ".join(["pbx_rotation_force=true", *settings]))
    with tempfile.TemporaryFile() as output:
        before = _cpu()
        started_at = time.monotonic()
        others = frozenset(_children())
        process = subprocess.Popen(
            command, cwd=place.folder, env=place.core.environment(place.environment()), stdout=output, stderr=subprocess.STDOUT
        )
        with Tree(process.pid, others) as tree:
            process.wait()
        wall = time.monotonic() - started_at
        _reap(others)
        cpu = _cpu() - before
        if process.returncode:
            output.seek(0)
            raise SystemExit(output.read().decode()[-4000:])
    lost, logins = place.lost(), place.logins()
    good = sum(name not in lost and logins[name] == [True, True] for name in place.hosts)
    return Measured(parallel, len(place.hosts), wall, cpu, tree.peak, good)


def _cpu() -> float:
    """Of all descendants that have ended and were waited for."""
    times = os.times()
    return times.children_user + times.children_system


def _children() -> set[int]:
    return set(map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()))


def _reap(before: frozenset[int]) -> None:
    """Wait for what outlived its parent, so that its time counts."""
    while orphans := _children() - before:
        for orphan in orphans:
            with suppress(ChildProcessError):
                os.waitpid(orphan, 0)


def counting() -> float:
    """Seconds of CPU that counting to ten million takes."""
    begun = time.process_time()
    total = 0
    for number in range(10_000_000):
        total += number
    return time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pbxs", type=int, default=20)
    parser.add_argument("--parallel", type=int, nargs="+", default=[5])
    options = parser.parse_args()
    # Processes whose parents have ended come here, and not to init.
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="keyturn-bench-") as folder:
        pbxs = started(stack, options.pbxs)
        with pbx_fleet(Path(folder), cores()[0], pbxs) as place:
            before = counting()
            rows = [measure(place, parallel) for parallel in options.parallel]
    print(
        f"{'at once':>8}{'PBXs':>6}{'wall s':>8}{'s/PBX':>7}{'CPU s':>8}{'CPU/PBX':>9}{'MB peak':>9}{'good':>6}  under {MOST_CPU:.0f} s CPU"
    )
    for row in rows:
        print(
            f"{row.parallel:>8}{row.pbxs:>6}{row.wall:>8.1f}{row.wall / row.pbxs:>7.1f}{row.cpu:>8.1f}{row.cpu / row.pbxs:>9.2f}"
            f"{row.memory:>9.0f}{row.good:>6}  {'yes' if row.keeps_the_limit else 'NO'}"
        )
    print(f"counting to ten million: {before:.2f} s of CPU before, {counting():.2f} s after")
    raise SystemExit(0 if all(row.keeps_the_limit for row in rows) else 1)


if __name__ == "__main__":
    main()
