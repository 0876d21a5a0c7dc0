# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger alone: what staging, committing and reading a fleet costs on SQLite and on a private PostgreSQL server.

    make bench BENCH="ledger --devices 1000 10000"

Each step runs in a process of its own, as it does in a playbook, and its figures are those of that process: opening the ledger and deriving
its key is part of every step. The memory is the peak of the whole process, Python and libraries included.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

from support.postgresql import PostgresqlServer

from ansible_collections.keyturn.devices.plugins.module_utils._ledger import people
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.requests import stage_requests
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.rules import Settlement
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run

PASSPHRASE = "a passphrase of benchmarks"
LEASE = 3600
# Rotations before the measured one, so that there is a history to read and to prune.
EARLIER = 11
MOST_CPU, MOST_MEMORY = 5.0, 300.0

Step = Callable[[Ledger, list[str], Run], Any]


def stage(ledger: Ledger, names: list[str], run: Run) -> None:
    policy = {"length": 20, "special": True, "history": 10}
    entries = [{"name": name, "serial": name, "policy": policy, "product": "rms"} for name in names]
    results = ledger.stage(stage_requests(entries, Redactor()), run, LEASE)
    assert all(result.status == "staged" for result in results)


def commit(ledger: Ledger, names: list[str], run: Run) -> None:
    results = ledger.settle([Settlement(name, "changed", proof="vendor") for name in names], run)
    assert all(result.status == "committed" for result in results)


def keep(ledger: Ledger, names: list[str], run: Run) -> None:
    ledger.settle([Settlement(name, "unknown", "timeout") for name in names], run)


def resume(ledger: Ledger, names: list[str], run: Run) -> None:
    results = ledger.resume(names, run, LEASE)
    assert all(result.status == "resumed" for result in results)


def look_up(ledger: Ledger, names: list[str], _run: Run) -> None:
    assert all(ledger.passwords(names).values())


def describe(ledger: Ledger, names: list[str], _run: Run) -> None:
    assert len(ledger.devices(include_secrets=True)) == len(names)


def rekey(ledger: Ledger, _names: list[str], run: Run) -> None:
    people.rekey(ledger, PASSPHRASE + " changed", run)


STEPS: list[tuple[str, str, Step]] = [
    ("stage", "a", stage),
    ("settle as unknown", "a", keep),
    ("resume", "b", resume),
    ("commit", "b", commit),
    ("passwords", "c", look_up),
    ("devices with secrets", "c", describe),
    ("rekey", "c", rekey),
]


def measured(url: str, names: list[str], run: str, work: Step) -> tuple[float, float, float]:
    """CPU seconds, wall seconds and peak MiB of one step in a process of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        started, used = time.perf_counter(), time.process_time()
        with Ledger.open(url, PASSPHRASE) as ledger:
            work(ledger, names, Run(run))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        os.write(writing, json.dumps([time.process_time() - used, time.perf_counter() - started, peak]).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    if not told:
        raise SystemExit(f"the step {work.__name__} failed")
    cpu, wall, memory = json.loads(told)
    return cpu, wall, memory


@contextlib.contextmanager
def databases(wanted: list[str]) -> Iterator[dict[str, Callable[[], str]]]:
    """By name, what makes the URL of a new empty database."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        made: dict[str, Callable[[], str]] = {}
        if "sqlite" in wanted:
            made["sqlite"] = lambda: f"sqlite:///{tempfile.mkdtemp(dir=folder)}/ledger.db"
        if "postgresql" in wanted:
            server = PostgresqlServer(durable=True)
            stack.callback(server.close)
            made["postgresql"] = server.new_database
        yield made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--database", nargs="+", choices=["sqlite", "postgresql"], default=["sqlite", "postgresql"])
    parser.add_argument("--history", type=int, default=EARLIER, help="rotations before the measured one")
    given = parser.parse_args()
    print(f"{'database':12}{'devices':>8}  {'step':22}{'CPU s':>8}{'wall s':>8}{'MiB':>7}")
    worst_cpu = worst_memory = 0.0
    with databases(given.database) as made:
        for database, new in made.items():
            for count in given.devices:
                url, names = new(), [f"depot-{number:06}" for number in range(count)]
                empty, _new = Ledger.create(url, PASSPHRASE)
                assert empty is not None
                empty.close()
                for number in range(given.history):
                    measured(url, names, f"earlier {number}", stage)
                    measured(url, names, f"earlier {number}", commit)
                for title, run, work in STEPS:
                    cpu, wall, memory = measured(url, names, run, work)
                    print(f"{database:12}{count:8}  {title:22}{cpu:8.2f}{wall:8.2f}{memory:7.0f}", flush=True)
                    if title in ("stage", "commit"):
                        worst_cpu, worst_memory = max(worst_cpu, cpu), max(worst_memory, memory)
    verdict = "met" if worst_cpu < MOST_CPU and worst_memory < MOST_MEMORY else "MISSED"
    print(f"Staging and committing: {worst_cpu:.2f} s of CPU (limit {MOST_CPU}), {worst_memory:.0f} MiB (limit {MOST_MEMORY}): {verdict}")
    sys.exit(verdict != "met")


if __name__ == "__main__":
    main()
