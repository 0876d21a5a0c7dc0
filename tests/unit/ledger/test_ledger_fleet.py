# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the ledger tells of a whole fleet: looks whether devices could be recovered, open cases, and how runs ended."""

from __future__ import annotations

from typing import Any

from support.ledgers import Clock, committed, run_of, settled, staged

from ansible_collections.keyturn.devices.plugins.module_utils._ledger import cases, fleet
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import CaseChange
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger


def test_the_newest_look_counts_and_follows_the_device(ledger: Ledger, clock: Clock) -> None:
    committed(ledger, "office", "First-Pass-1")
    fleet.note_readiness(ledger, "office", ("mailbox", "test"), run_of("one"))
    # Nobody has imported its password yet, so that there is no record of it.
    fleet.note_readiness(ledger, "annex", (), run_of("one"))
    clock.advance(3600)
    fleet.note_readiness(ledger, "office", (), run_of("two"))
    ledger.follow({"office": "S-1"}, run_of("three"))
    ledger.follow({"head office": "S-1"}, run_of("four"))

    told = fleet.read_readiness(ledger)

    assert {name: (look["ready"], look["failed"]) for name, look in told.items()} == {"head office": (True, []), "annex": (True, [])}
    assert told["head office"]["at"] > told["annex"]["at"]


def test_a_look_that_failed_says_what_failed(ledger: Ledger) -> None:
    fleet.note_readiness(ledger, "office", ("mailbox", "test"), run_of("one"))
    look = fleet.read_readiness(ledger)["office"]
    assert (look["ready"], look["failed"]) == (False, ["mailbox", "test"])
    assert ledger.devices() == {}, "a look makes no record of a device"


def test_every_open_case_is_told_at_once(ledger: Ledger, clock: Clock) -> None:
    for name in ("hq", "edge", "closed"):
        cases.open_case(ledger, name, None, "enterprise_server", run_of("one"))
    secrets = {"session": "SECRET-session"}
    cases.change_case(
        ledger, "hq", None, CaseChange("armed", step="reset_mode", armed_at=1.0, deadline=clock(), secrets=secrets), run_of("one")
    )
    cases.change_case(ledger, "closed", None, CaseChange("over", state="closed"), run_of("one"))

    told = cases.read_open_cases(ledger)

    assert {name: (case["step"], case["expired"]) for name, case in told.items()} == {"hq": ("reset_mode", True), "edge": ("", False)}
    assert "SECRET" not in repr(told)


def test_runs_tell_where_their_devices_stood_at_the_end(ledger: Ledger, clock: Clock) -> None:
    first, second = run_of("first"), run_of("second")
    staged(ledger, first, {"a": "First-Pass-1", "b": "First-Pass-2", "c": "First-Pass-3"})
    clock.advance(60)
    settled(ledger, first, "a", "changed", proof="login")
    settled(ledger, first, "b", "failed", reason="offline")
    settled(ledger, first, "c", "unknown", reason="timeout")
    clock.advance(3600)
    staged(ledger, second, {"b": "Second-Pass-2"})

    runs = fleet.read_runs(ledger, 10)

    assert [run["run_id"] for run in runs] == ["second", "first"]
    assert (runs[1]["began"] < runs[1]["ended"], runs[0]["outcomes"][0]["to"]) == (True, "staged")

    def counted(run: dict[str, Any]) -> dict[str, int]:
        return {outcome["to"]: outcome["devices"] for outcome in run["outcomes"]}

    assert counted(runs[1]) == {"current": 1, "dropped": 1, "staged": 1}
    assert [run["run_id"] for run in fleet.read_runs(ledger, 1)] == ["second"]
