# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two runs never ask one device at the same time, and a dead run does not hold the fleet up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.ledgers import ELSEWHERE, LEASE, Clock, committed, kept, record, run_of, settled, staged, statuses

from ansible_collections.keyturn.devices.plugins.module_utils import _run as holder
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run, is_dead, runner_identity


@contextmanager
def process() -> Iterator[subprocess.Popen[bytes]]:
    """Another process that does nothing until it is ended."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        assert child.stdin
        child.stdin.close()


def dead_holder() -> str:
    with process() as child:
        return runner_identity(child.pid)


def test_a_leased_device_is_busy_for_every_other_run(ledger: Ledger) -> None:
    committed(ledger, "r1", "old")
    staged(ledger, run_of("a"), {"r1": "new"})
    assert staged(ledger, run_of("b"), {"r1": "newer"}, supersede=True) == {"r1": "busy"}
    assert statuses(ledger.resume(["r1"], run_of("b"), LEASE)) == {"r1": "busy"}
    assert statuses(ledger.verified(["r1"], run_of("b"))) == {"r1": "busy"}
    assert settled(ledger, run_of("b"), "r1", "changed") == "lost_lease"
    assert kept(ledger, "r1") == {"staged": ["new"], "current": ["old"]}


def test_resuming_again_in_the_same_run_is_no_further_attempt(ledger: Ledger, clock: Clock) -> None:
    staged(ledger, run_of("killed"), {"r1": "new"})
    clock.advance(LEASE + 1)
    first, second = (ledger.resume(["r1"], run_of("next"), LEASE)[0] for _time in range(2))
    assert (first.changed, second.changed) == (True, False)
    assert first.details["attempts"] == second.details["attempts"] == 2


def test_an_expired_lease_can_be_taken_over(ledger: Ledger, clock: Clock) -> None:
    staged(ledger, run_of("a"), {"r1": "new"})
    clock.advance(LEASE - 1)
    assert statuses(ledger.resume(["r1"], run_of("b"), LEASE)) == {"r1": "busy"}
    clock.advance(2)
    assert statuses(ledger.resume(["r1"], run_of("b"), LEASE)) == {"r1": "resumed"}


def test_a_late_run_whose_lease_nobody_took_still_settles(ledger: Ledger, clock: Clock) -> None:
    staged(ledger, run_of("a"), {"r1": "new"})
    clock.advance(10 * LEASE)
    assert settled(ledger, run_of("a"), "r1", "changed", proof="vendor") == "committed"


def test_a_run_that_lost_its_lease_changes_nothing_and_leaves_an_event(ledger: Ledger, clock: Clock) -> None:
    staged(ledger, run_of("slow"), {"r1": "new"})
    clock.advance(LEASE + 1)
    ledger.resume(["r1"], run_of("next"), LEASE)
    assert settled(ledger, run_of("slow"), "r1", "failed") == "lost_lease"
    assert kept(ledger, "r1") == {"staged": ["new"]}
    newest = ledger.devices(["r1"], include_events=1)["r1"]["events"][0]
    assert (newest["run_id"], newest["reason"]) == ("slow", "lost lease; said to be failed")
    assert settled(ledger, run_of("next"), "r1", "changed", proof="vendor") == "committed"


def test_settling_a_device_the_ledger_does_not_know_is_told(ledger: Ledger) -> None:
    assert settled(ledger, run_of("a"), "unheard-of", "changed") == "lost_lease"


def test_the_lease_of_a_dead_process_is_taken_over_at_once(ledger: Ledger) -> None:
    staged(ledger, Run("killed", dead_holder()), {"r1": "new"})
    assert statuses(ledger.resume(["r1"], Run("next", runner_identity()), LEASE)) == {"r1": "resumed"}


def test_the_lease_of_a_living_process_is_not(ledger: Ledger) -> None:
    with process() as child:
        staged(ledger, Run("living", runner_identity(child.pid)), {"r1": "new"})
        assert statuses(ledger.resume(["r1"], Run("next", runner_identity()), LEASE)) == {"r1": "busy"}


def test_a_process_on_another_host_or_in_another_container_is_never_held_dead(ledger: Ledger) -> None:
    boot, namespace, pid, started = dead_holder().split("/")
    for elsewhere in (f"other{boot[5:]}/{namespace}/{pid}/{started}", f"{boot}/1{namespace}/{pid}/{started}", ELSEWHERE, "", "nonsense"):
        assert not is_dead(elsewhere)


def test_a_later_process_with_the_same_number_does_not_keep_a_dead_one_alive() -> None:
    boot, namespace, pid, started = runner_identity().split("/")
    assert not is_dead(f"{boot}/{namespace}/{pid}/{started}")
    assert is_dead(f"{boot}/{namespace}/{pid}/{int(started) - 1}")


def test_a_killed_process_that_nobody_waited_for_is_dead() -> None:
    with process() as child:
        identity = runner_identity(child.pid)
        assert not is_dead(identity)
        os.kill(child.pid, signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert is_dead(identity)
    assert is_dead(identity)


def test_where_the_system_hides_processes_of_others_they_count_as_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    with process() as child:
        identity = runner_identity(child.pid)
        monkeypatch.setattr(holder, "_stat", lambda _pid: [])
        assert not is_dead(identity)


def test_a_system_that_does_not_say_gives_no_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holder, "_read", lambda _path: "")
    assert runner_identity() == ""


def test_after_a_takeover_nothing_new_is_staged_while_a_request_of_the_dead_run_may_still_be_on_its_way(
    ledger: Ledger, clock: Clock
) -> None:
    committed(ledger, "r1", "old")
    staged(ledger, Run("killed", dead_holder()), {"r1": "in flight"})
    clock.advance(100)
    assert staged(ledger, run_of("next"), {"r1": "newer"}, supersede=True) == {"r1": "busy"}
    ledger.resume(["r1"], run_of("next"), 60)
    assert settled(ledger, run_of("next"), "r1", live="current", proof="login") == "dropped"
    assert record(ledger, "r1")["fence_until"] == "2027-01-15T08:02:25Z"
    assert staged(ledger, run_of("next"), {"r1": "newer"}) == {"r1": "busy"}
    clock.advance(46)
    assert staged(ledger, run_of("next"), {"r1": "newer"}) == {"r1": "staged"}
    assert record(ledger, "r1")["fence_until"] is None


def test_a_lease_without_a_known_holder_only_expires(ledger: Ledger, clock: Clock) -> None:
    staged(ledger, Run("by a script"), {"r1": "new"})
    assert statuses(ledger.resume(["r1"], run_of("b"), LEASE)) == {"r1": "busy"}
    clock.advance(LEASE + 1)
    assert statuses(ledger.resume(["r1"], run_of("b"), LEASE)) == {"r1": "resumed"}


def test_the_same_run_id_from_another_process_is_another_run(ledger: Ledger) -> None:
    with process() as child:
        staged(ledger, Run("fixed", runner_identity(child.pid)), {"r1": "new"})
        assert settled(ledger, Run("fixed", runner_identity()), "r1", "changed") == "lost_lease"


def test_a_run_that_takes_its_time_renews_its_lease_without_a_further_attempt(ledger: Ledger, clock: Clock) -> None:
    staged(ledger, run_of("a"), {"r1": "new"})
    clock.advance(LEASE * 3 / 4)
    renewed = ledger.resume(["r1"], run_of("a"), LEASE)[0]
    assert (renewed.changed, renewed.details["attempts"]) == (True, 1)
    clock.advance(LEASE / 2)
    assert statuses(ledger.resume(["r1"], run_of("b"), LEASE)) == {"r1": "busy"}
