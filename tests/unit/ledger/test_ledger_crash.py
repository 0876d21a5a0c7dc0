# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A process that is killed leaves the ledger as it was before its transaction or as it is after it, and two at once do not get in each
other's way."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from support.ledgers import LEASE, PASSPHRASE, Clock, committed, opened, request, run_of, settled, staged, statuses

from ansible_collections.keyturn.devices.plugins.module_utils._ledger import people
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import ImportRow
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.rules import Settlement
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run, runner_identity

OTHER = "quite another passphrase"
FINISHED = 7

Work = Callable[[Ledger, Sequence[str]], None]


def in_child(work: Callable[[], Any]) -> int:
    """Run in a forked process, which ends at once afterwards, whatever is open. Returns its process id."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = FINISHED
        except BaseException as error:
            sys.stderr.write(f"{error!r}\n")
        os._exit(status)
    return child


def killed_at(statement: int, work: Callable[[], Any]) -> bool:
    """Run in a process that ends before its n-th statement or commit. Returns whether the work was done before that."""

    def counted() -> None:
        seen = [0]

        def count(*_unused: object) -> None:
            seen[0] += 1
            if seen[0] == statement:
                os._exit(0)

        sa.event.listen(Engine, "before_cursor_execute", count)
        sa.event.listen(Engine, "commit", count)
        work()

    _pid, status = os.waitpid(in_child(counted), 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, FINISHED)
    return code == FINISHED


def state(ledger: Ledger, names: Sequence[str]) -> list[Any]:
    """What the ledger says of devices, without what is made anew each time."""
    known = ledger.devices(names, include_secrets=True)
    return [
        (
            [
                (slot["password"], slot.get("mark"), slot.get("attempts"))
                for slot in (device["staged"], device["current"], *device["previous"])
                if slot
            ],
            device["lease"],
            device["orphaned"],
        )
        for device in (known.get(name) for name in names)
        if device
    ]


def prepared(ledger: Ledger, suffix: object = "") -> list[str]:
    """Three devices: one with a current password, one with a staged one too, one that the ledger does not know."""
    names = [f"r{number}-{suffix}" for number in range(3)]
    for name in names[:2]:
        committed(ledger, name, "older", "old")
    staged(ledger, Run("earlier"), {names[1]: "unsettled"})
    with ledger._database.begin(write=True) as connection:
        connection.exec_driver_sql("UPDATE keyturn_devices SET lease_until = 1")
    return names


def stage(ledger: Ledger, names: Sequence[str]) -> None:
    assert set(staged(ledger, run_of("a"), dict.fromkeys(names, "new"), supersede=True).values()) == {"staged"}


def resume(ledger: Ledger, names: Sequence[str]) -> None:
    assert statuses(ledger.resume(names[1:2], run_of("a"), LEASE)) == {names[1]: "resumed"}


def settle(ledger: Ledger, names: Sequence[str]) -> None:
    assert settled(ledger, run_of("a"), names[1], live="staged", proof="login") == "committed"


def bring_in(ledger: Ledger, names: Sequence[str]) -> None:
    people.import_passwords(ledger, [ImportRow(name, "imported") for name in names], run_of("a"))


@pytest.mark.parametrize("works", [[stage], [resume, settle], [bring_in]], ids=["stage", "resume and settle", "import"])
def test_killed_before_any_statement_it_is_as_before_or_as_after(url: str, clock: Clock, works: list[Work]) -> None:
    with opened(url, clock) as ledger:
        names = prepared(ledger)
        right = [state(ledger, names)]
        for work in works:
            work(ledger, names)
            right.append(state(ledger, names))
        found: list[list[Any]] = []
        done = False
        while not done:
            names = prepared(ledger, len(found))

            def all_of_it(names: Sequence[str] = names) -> None:
                with opened(url, clock) as mine:
                    for work in works:
                        work(mine, names)

            done = killed_at(len(found) + 1, all_of_it)
            found.append(state(ledger, names))
        assert all(each in right for each in found)
        assert (found[0], found[-1]) == (right[0], right[-1])
        assert all(each in found for each in right)


def test_killed_while_it_is_made_a_ledger_can_be_made_again(url: str) -> None:
    statement = 0
    done = False
    while not done:
        statement += 1
        done = killed_at(statement, lambda: opened(url))
    assert statement > 5
    with opened(url) as ledger:
        assert ledger.devices() == {}


def test_killed_while_rekeying_exactly_one_passphrase_opens_it(url: str) -> None:
    with opened(url) as ledger:
        names = prepared(ledger)
        before = state(ledger, names)
    statement = 0
    done = False
    while not done:
        statement += 1
        done = killed_at(statement, lambda: people.rekey(opened(url), OTHER, run_of("a")))
        right, wrong = (OTHER, PASSPHRASE) if done else (PASSPHRASE, OTHER)
        with opened(url, passphrase=right) as ledger:
            assert state(ledger, names) == before
        with pytest.raises(LedgerError, match="passphrase"):
            opened(url, passphrase=wrong)
    assert statement > 5


def test_killed_at_any_moment_of_a_large_batch_all_of_it_is_there_or_nothing(url: str) -> None:
    names = [f"r{number}" for number in range(400)]
    opened(url).close()
    whole = []
    for attempt in range(12):
        batch = {f"{name}-{attempt}": "password" for name in names}
        child = in_child(lambda batch=batch: staged(opened(url), run_of("a"), batch))  # type: ignore[misc]
        time.sleep(0.01 * attempt)  # a different moment each time; which one does not matter
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with opened(url) as ledger:
            there = [name for name in ledger.devices() if name.endswith(f"-{attempt}")]
            assert len(there) in (0, len(batch))
            assert all(ledger.passwords(there, "staged").values())
        whole.append(bool(there))
    assert len(whole) == 12


def at_the_same_moment(works: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run each in a process of its own, which waits for the others. Returns what they return, as JSON carries it."""
    start_reading, start_writing = os.pipe()
    children = []
    for work in works:
        reading, writing = os.pipe()

        def child(work: Callable[[], Any] = work, writing: int = writing) -> None:
            os.close(start_writing)
            os.read(start_reading, 1)  # returns when the parent closes its end
            with os.fdopen(writing, "w") as pipe:
                json.dump(work(), pipe)

        children.append((in_child(child), reading))
        os.close(writing)
    os.close(start_reading)
    os.close(start_writing)
    results = []
    for pid, reading in children:
        with os.fdopen(reading) as pipe:
            results.append(json.load(pipe))
        os.waitpid(pid, 0)
    return results


def test_of_runs_that_stage_the_same_devices_at_once_exactly_one_gets_each(url: str) -> None:
    opened(url).close()
    names = [f"r{number}" for number in range(300)]

    def racer(run: str, mine: list[str]) -> dict[str, str]:
        with opened(url) as ledger:
            requests = [request(name, f"{name} of {run}") for name in mine]
            return statuses(ledger.stage(requests, Run(run), LEASE))

    # In different orders, overlapping: a lock order that is not the same for all would end in a deadlock.
    orders = {"a": names[:250], "b": names[:50:-1], "c": names[::2] + names[1::2], "d": names}
    results = at_the_same_moment([lambda run=run, mine=mine: racer(run, mine) for run, mine in orders.items()])  # type: ignore[misc]
    with opened(url) as ledger:
        held = ledger.passwords(names, "staged")
        for name in names:
            winners = [run for run, result in zip(orders, results, strict=True) if result.get(name) == "staged"]
            assert [held[name]] == [f"{name} of {run}" for run in winners]
    assert all(set(result.values()) <= {"staged", "busy"} for result in results)


def test_of_runs_that_resume_the_same_devices_at_once_exactly_one_gets_each(url: str) -> None:
    names = [f"r{number}" for number in range(200)]
    with opened(url) as ledger:
        staged(
            ledger,
            Run(
                "killed",
                "",
            ),
            dict.fromkeys(names, "password"),
        )
        with ledger._database.begin(write=True) as connection:
            connection.exec_driver_sql("UPDATE keyturn_devices SET lease_until = 1")

    def racer(run: str) -> dict[str, str]:
        with opened(url) as ledger:
            return statuses(ledger.resume(names, Run(run), LEASE))

    results = at_the_same_moment([lambda run=run: racer(run) for run in "abc"])  # type: ignore[misc]
    for name in names:
        assert sorted(result[name] for result in results) == ["busy", "busy", "resumed"]


def test_processes_that_make_the_same_ledger_at_once_make_one(url: str) -> None:
    def maker(name: str) -> dict[str, str]:
        with opened(url) as ledger:
            return staged(ledger, Run(name), {name: "password"})

    names = list("abcd")
    results = at_the_same_moment([lambda name=name: maker(name) for name in names])  # type: ignore[misc]
    assert results == [{name: "staged"} for name in names]
    with opened(url) as ledger:
        assert ledger.passwords(names, "staged") == dict.fromkeys(names, "password")


def test_settling_and_staging_at_once_neither_loses_nor_doubles_anything(url: str) -> None:
    """A lock regression: the rows of settled devices are updated while other runs ask for the same ones."""
    names = [f"r{number}" for number in range(200)]
    with opened(url) as ledger:
        staged(ledger, Run("a"), dict.fromkeys(names, "first"))

    def settler() -> dict[str, str]:
        with opened(url) as ledger:
            return statuses(ledger.settle([Settlement(name, "changed", proof="vendor") for name in reversed(names)], Run("a")))

    def stager(run: str) -> dict[str, str]:
        with opened(url) as ledger:
            return staged(ledger, Run(run), dict.fromkeys(names, "second"))

    first, *others = at_the_same_moment([settler, lambda: stager("b"), lambda: stager("c")])
    assert set(first.values()) == {"committed"}
    with opened(url) as ledger:
        known = ledger.devices(include_secrets=True)
    for name in names:
        assert known[name]["current"]["password"] == "first"
        assert [result[name] for result in others].count("staged") == (known[name]["staged"] is not None)


def test_a_killed_run_is_taken_over_at_once_by_the_next_on_the_same_host(url: str) -> None:
    opened(url).close()

    def work() -> None:
        staged(opened(url), Run("killed", runner_identity()), {"r1": "new"})

    os.waitpid(in_child(work), 0)
    with opened(url) as ledger:
        assert statuses(ledger.resume(["r1"], Run("next", runner_identity()), LEASE)) == {"r1": "resumed"}
        assert settled(ledger, Run("next", runner_identity()), "r1", live="staged", proof="login") == "committed"
