# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The account of a run: what the ledger is told, when a run stops, and what a person reads at the end."""

from __future__ import annotations

from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._rotation.account import (
    Settings,
    account,
    outcomes_for_ledger,
    requests_for_routers,
)
from ansible_collections.keyturn.devices.plugins.module_utils._rotation.summary import announce, summarise

SETTINGS = Settings(failure_limit_percent=20, summary_limit=100, devices=4)
BATCH: dict[str, Any] = {
    "names": ["a", "b", "c"],
    "stage": [{"name": "a"}],
    "generate": None,
    "apply": [{"name": name, "serial": name.upper(), "via": "rms", "id": number} for number, name in enumerate("abc")],
}
TAKEN = {
    "devices": [{"name": "a", "status": "staged"}, {"name": "b", "status": "staged"}, {"name": "c", "status": "busy", "reason": "leased"}]
}


def plan(**more: Any) -> dict[str, Any]:
    return {"due": [{"name": name} for name in "abc"], "devices": 4, "not_due": 1, "unsettled": [], "orphaned": [], "missing": [], **more}


def test_a_router_that_another_run_holds_is_never_asked() -> None:
    assert requests_for_routers(BATCH, TAKEN, {"a": "pa", "b": "pb"}) == [
        {"serial": "A", "id": 0, "password": "pa"},
        {"serial": "B", "id": 1, "password": "pb"},
    ]


def test_where_rms_makes_the_passwords_the_requests_carry_none() -> None:
    assert requests_for_routers(BATCH, TAKEN) == [{"serial": "A", "id": 0}, {"serial": "B", "id": 1}]


def test_a_router_of_which_the_module_said_nothing_is_unknown_not_failed() -> None:
    applied = {"failed": True, "msg": "killed", "devices": [{"serial": "A", "status": "changed", "reason": "", "message": ""}]}
    assert outcomes_for_ledger(BATCH, TAKEN, applied) == [
        {"name": "a", "outcome": "changed", "reason": "", "proof": "vendor"},
        {"name": "b", "outcome": "unknown", "reason": "no_answer", "proof": "none"},
    ]


def settled(**status: str) -> dict[str, Any]:
    return {"devices": [{"name": name, "status": value} for name, value in status.items()]}


def test_a_run_goes_on_while_failures_stay_within_the_limit() -> None:
    applied = {"devices": [{"serial": "B", "status": "failed", "reason": "offline", "message": "Device is offline."}]}
    run = account({}, BATCH, TAKEN, applied, settled(a="committed", b="dropped"), SETTINGS)
    assert run["stop"] == ""
    assert run["counts"] == {"changed": 1, "failed": 1, "left_alone": 1}


def test_a_run_stops_when_too_many_failed() -> None:
    applied = {"devices": [{"serial": "B", "status": "failed", "reason": "rejected_by_policy", "message": ""}]}
    run = account({}, BATCH, TAKEN, applied, settled(a="committed", b="dropped"), SETTINGS)
    assert run["stop"] == "1 of 2 routers failed, the limit is 20 percent"


def test_a_fault_of_the_whole_call_stops_the_run_with_the_words_of_the_module() -> None:
    run = account({}, BATCH, TAKEN, {"failed": True, "msg": "the token was refused"}, settled(a="dropped", b="dropped"), SETTINGS)
    assert run["stop"] == "the token was refused"


def test_a_batch_whose_commit_did_not_come_through_is_told_as_unknown_with_what_to_do() -> None:
    run = account({}, BATCH, TAKEN, {}, {}, SETTINGS, stop="the ledger is full")
    told = summarise(plan(), run, 100)
    assert [device["status"] for device in told["devices"]] == ["unknown", "unknown", "left_alone"]
    assert "Bring the ledger back" in told["lines"][0]
    assert (told["good"], "the ledger is full" in told["verdict"]) == (False, True)


def test_a_run_that_rotated_all_it_should_is_good() -> None:
    run = account({}, BATCH, TAKEN, {}, settled(a="committed", b="committed"), SETTINGS)
    told = summarise(plan(), run, 100)
    assert (told["good"], told["counts"]["changed"], told["counts"]["left_alone"]) == (True, 2, 1)


def test_the_summary_says_per_router_what_happened_and_what_to_do() -> None:
    applied = {"devices": [{"serial": "B", "status": "failed", "reason": "offline", "message": "Device is offline."}]}
    run = account({}, BATCH, TAKEN, applied, settled(a="committed", b="dropped"), SETTINGS)
    told = summarise(plan(orphaned=["d"], missing=["e"]), run, 100)
    text = "\n".join(told["lines"])
    assert "a: changed; the new password is in force and in the ledger" in text
    assert "b: failed; the old password is in force (offline: Device is offline.). It is tried again" in text
    assert "d: orphaned" in text
    assert "import it" in text
    assert "e: failed; RMS does not know this serial" in text
    assert not told["good"]


def test_of_a_large_fleet_only_routers_with_a_problem_are_named() -> None:
    applied = {"devices": [{"serial": "B", "status": "unknown", "reason": "timeout", "message": ""}]}
    run = account({}, BATCH, TAKEN, applied, settled(a="committed", b="kept"), Settings(100, 1, 4))
    told = summarise(plan(), run, 1)
    assert [line.split(":")[0] for line in told["lines"][:-1]] == ["b"]
    assert told["counts"]["changed"] == 1


def test_routers_a_stopped_run_did_not_reach_are_counted() -> None:
    run = account({}, {**BATCH, "names": ["a"]}, {"devices": []}, {}, {}, SETTINGS, stop="no ledger")
    told = summarise(plan(), run, 100)
    assert (told["not_reached"], told["good"]) == (2, False)
    assert any("2 routers were not reached" in line for line in told["lines"])


def test_a_run_that_only_reconciles_does_not_miss_the_due_ones() -> None:
    assert summarise(plan(), {}, 100, rotates=False)["good"]


def test_who_is_due_is_named_in_check_mode_however_many() -> None:
    due = [{"name": name, "reasons": ["too_old"], "details": ["91 days old"], "source": "generate"} for name in "abc"]
    assert any(line.startswith("c: due (too_old): 91 days old") for line in announce(plan(due=due), 1, everyone=True))
    assert not any(line.startswith("c: due") for line in announce(plan(due=due), 1, everyone=False))
