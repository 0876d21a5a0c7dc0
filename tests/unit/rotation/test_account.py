# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The account of a run: what the ledger is told, when a run stops, and what a person reads at the end."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.keyturn.devices.plugins.module_utils._rotation.account import (
    Settings,
    account,
    log_ins_for_routers,
    outcomes_for_ledger,
    requests_for_routers,
)
from ansible_collections.keyturn.devices.plugins.module_utils._rotation.summary import announce, summarise

SETTINGS = Settings(failure_limit_percent=20, summary_limit=100, devices=4)
BATCH: dict[str, Any] = {
    "kind": "rms_set",
    "names": ["a", "b", "c"],
    "stage": [{"name": "a"}],
    "generate": None,
    "apply": [{"name": name, "serial": name.upper(), "via": "rms", "id": number} for number, name in enumerate("abc")],
}
TAKEN = {
    "devices": [{"name": "a", "status": "staged"}, {"name": "b", "status": "staged"}, {"name": "c", "status": "busy", "reason": "leased"}]
}


def plan(**more: Any) -> dict[str, Any]:
    return {
        "due": [{"name": name} for name in "abc"],
        "devices": 4,
        "not_due": 1,
        "unsettled": [],
        "orphaned": [],
        "missing": [],
        "offline": [],
        "without_password": [],
        **more,
    }


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


DEVICE_BATCH: dict[str, Any] = {
    "kind": "device",
    "names": ["a", "b"],
    "stage": [{"name": "a"}],
    "generate": None,
    "apply": [{"name": name, "serial": name.upper(), "via": "device", "host": f"{name}.example", "username": "admin"} for name in "ab"],
}


def test_a_router_that_is_asked_itself_gets_both_passwords_and_rms_never_its_address() -> None:
    assert requests_for_routers(DEVICE_BATCH, TAKEN, {"a": "na", "b": "nb"}, {"a": "oa", "b": ""}) == [
        {"serial": "A", "host": "a.example", "username": "admin", "password": "na", "current_password": "oa"},
        {"serial": "B", "host": "b.example", "username": "admin", "password": "nb"},
    ]
    both = {**DEVICE_BATCH, "apply": [{**DEVICE_BATCH["apply"][0], "id": 7}]}
    assert requests_for_routers(both, TAKEN, {"a": "na"}) == [{"serial": "A", "id": 7, "password": "na"}]


def test_the_password_that_should_work_is_tried_first() -> None:
    applied = {"devices": [{"serial": "A", "status": "changed"}, {"serial": "B", "status": "failed", "reason": "rejected"}]}
    assert log_ins_for_routers(DEVICE_BATCH, TAKEN, {"a": "na", "b": "nb"}, {"a": "oa", "b": "ob"}, applied) == [
        {
            "serial": "A",
            "host": "a.example",
            "username": "admin",
            "candidates": [{"name": "staged", "password": "na"}, {"name": "current", "password": "oa"}],
        },
        {
            "serial": "B",
            "host": "b.example",
            "username": "admin",
            "candidates": [{"name": "current", "password": "ob"}, {"name": "staged", "password": "nb"}],
        },
    ]


@pytest.mark.parametrize("reason", ["offline", "not_sent", "not_found"])
def test_a_router_that_rms_never_asked_is_not_logged_in_to(reason: str) -> None:
    applied = {"devices": [{"serial": serial, "status": "failed", "reason": reason} for serial in "AB"]}
    assert log_ins_for_routers(DEVICE_BATCH, TAKEN, {"a": "na", "b": "nb"}, {"a": "oa", "b": "ob"}, applied) == []


@pytest.mark.parametrize(
    ("said", "logged_in", "expected"),
    [
        ({"status": "changed", "reason": ""}, None, {"outcome": "changed", "proof": "vendor"}),
        ({"status": "changed", "reason": ""}, {"live": "staged"}, {"outcome": "changed", "proof": "login", "live": "staged"}),
        ({"status": "changed", "reason": ""}, {"live": "current"}, {"outcome": "changed", "proof": "login", "live": "current"}),
        ({"status": "changed", "reason": ""}, {"live": "neither"}, {"outcome": "changed", "proof": "login", "live": "neither"}),
        ({"status": "failed", "reason": "rejected"}, {"live": "staged"}, {"outcome": "failed", "proof": "login", "live": "staged"}),
        ({"status": "failed", "reason": "rejected"}, {"live": "current"}, {"outcome": "failed", "proof": "none"}),
        ({"status": "failed", "reason": "rejected"}, {"live": "neither"}, {"outcome": "failed", "proof": "none"}),
        ({"status": "changed", "reason": ""}, {"live": None, "reason": "timeout"}, {"outcome": "changed", "proof": "vendor"}),
        ({"status": "unknown", "reason": "timeout"}, {"live": "staged"}, {"outcome": "unknown", "proof": "login", "live": "staged"}),
        (None, {"live": None, "reason": "offline"}, {"outcome": "unknown", "proof": "none"}),
    ],
)
def test_a_log_in_goes_before_the_word_of_rms_and_silence_leaves_it_standing(
    said: dict[str, Any] | None, logged_in: dict[str, Any] | None, expected: dict[str, str]
) -> None:
    applied = {"devices": [{"serial": "A", **said}]} if said else {}
    proven = {"devices": [{"serial": "A", **logged_in}]} if logged_in else {}
    outcome = outcomes_for_ledger({**BATCH, "apply": BATCH["apply"][:1]}, TAKEN, applied, proven)[0]
    assert {name: value for name, value in outcome.items() if name not in ("name", "reason")} == expected


@pytest.mark.parametrize(("live", "expected"), [("new", "staged"), ("current", "current"), ("neither", "neither")])
def test_what_a_router_proved_while_it_was_changed_is_told_to_the_ledger(live: str, expected: str) -> None:
    applied = {"devices": [{"serial": "A", "status": "failed", "reason": "unauthorized", "live": live}]}
    outcome = outcomes_for_ledger({**DEVICE_BATCH, "apply": DEVICE_BATCH["apply"][:1]}, TAKEN, applied)[0]
    assert (outcome["live"], outcome["proof"]) == (expected, "login")


OPEN_BATCH: dict[str, Any] = {
    **BATCH,
    "kind": "login",
    "stage": [],
    "apply": [{**entry, "host": "h", "username": "admin"} for entry in BATCH["apply"]],
}


def test_through_rms_only_what_no_log_in_settled_is_asked_again() -> None:
    proven = {"devices": [{"serial": "A", "live": "staged"}, {"serial": "B", "live": None}]}
    assert requests_for_routers(OPEN_BATCH, TAKEN, {"a": "na", "b": "nb"}, None, proven) == [{"serial": "B", "id": 1, "password": "nb"}]


def test_a_router_with_its_old_password_is_asked_again_through_rms_because_the_first_request_may_yet_arrive() -> None:
    proven = {"devices": [{"serial": "A", "live": "current"}, {"serial": "B", "live": "neither"}]}
    assert requests_for_routers(OPEN_BATCH, TAKEN, {"a": "na", "b": "nb"}, None, proven) == [{"serial": "A", "id": 0, "password": "na"}]


def test_after_rms_set_it_once_more_only_the_staged_password_is_tried() -> None:
    applied = {"devices": [{"serial": "A", "status": "changed"}, {"serial": "B", "status": "changed"}]}
    before = {"devices": [{"serial": "A", "live": "current"}, {"serial": "B", "live": None}]}
    (request,) = log_ins_for_routers(OPEN_BATCH, TAKEN, {"a": "na", "b": "nb"}, {"a": "oa", "b": "ob"}, applied, before)
    assert (request["serial"], request["candidates"]) == ("A", [{"name": "staged", "password": "na"}])


def test_a_password_whose_list_came_to_light_is_not_tried_before_its_own_batch() -> None:
    applied = {"devices": [{"serial": "A", "status": "unknown", "reason": "unconfirmed"}, {"serial": "B", "status": "changed"}]}
    asked = log_ins_for_routers(OPEN_BATCH, TAKEN, {"a": "na", "b": "nb"}, {}, applied)
    assert [request["serial"] for request in asked] == ["B"]


@pytest.mark.parametrize(
    ("said", "looked_again", "expected"),
    [
        ({"status": "changed"}, {"live": "staged"}, {"outcome": "changed", "proof": "login", "live": "staged"}),
        ({"status": "changed"}, {"live": "neither"}, {"outcome": "unknown", "proof": "none", "reason": "new_password_refused"}),
        ({"status": "changed"}, {"live": None}, {"outcome": "changed", "proof": "vendor"}),
        ({"status": "changed"}, None, {"outcome": "changed", "proof": "vendor"}),
        ({"status": "unknown", "reason": "timeout"}, None, {"outcome": "unknown", "proof": "none", "reason": "timeout"}),
        ({"status": "failed", "reason": "conflict", "retryable": True}, None, {"outcome": "failed", "proof": "none", "reason": "conflict"}),
        ({"status": "failed", "reason": "rejected", "retryable": False}, None, {"outcome": "failed", "proof": "login", "live": "current"}),
        (None, None, {"outcome": "unknown", "proof": "none"}),
    ],
)
def test_an_old_password_counts_as_in_force_only_when_rms_is_through_with_the_router(
    said: dict[str, Any] | None, looked_again: dict[str, Any] | None, expected: dict[str, str]
) -> None:
    applied = {"devices": [{"serial": "A", **said}]} if said else {}
    again = {"devices": [{"serial": "A", "reason": "", **looked_again}]} if looked_again else {"devices": []}
    before = {"devices": [{"serial": "A", "live": "current", "reason": ""}]}
    batch = {**OPEN_BATCH, "apply": OPEN_BATCH["apply"][:1]}
    (outcome,) = outcomes_for_ledger(batch, TAKEN, applied, again, before)
    assert {**outcome, **expected} == outcome
    assert ("live" in outcome) == ("live" in expected)


def test_in_the_first_run_an_old_password_is_kept_in_doubt_while_rms_has_no_outcome() -> None:
    applied = {"devices": [{"serial": "A", "status": "unknown", "reason": "timeout"}]}
    proven = {"devices": [{"serial": "A", "live": "current", "reason": ""}]}
    outcome = outcomes_for_ledger({**BATCH, "apply": BATCH["apply"][:1]}, TAKEN, applied, proven)[0]
    assert (outcome["outcome"], outcome["reason"], "live" in outcome) == ("unknown", "timeout", False)


def test_an_old_password_that_reconcile_proved_is_settled_and_no_failure() -> None:
    answer = {"devices": [{"name": "a", "status": "dropped", "reason": "old_password_in_force"}]}
    taken = {"devices": [{"name": "a", "status": "resumed"}]}
    run = account({}, {**OPEN_BATCH, "names": ["a"]}, taken, {}, answer, SETTINGS)
    told = summarise(plan(due=[]), run, 100)
    assert (run["stop"], told["good"], told["counts"]["settled"]) == ("", True, 1)


def test_of_a_large_fleet_a_router_that_was_settled_and_then_changed_is_told_no_more() -> None:
    small = Settings(100, 1, 4)
    run = account({}, BATCH, TAKEN, {}, settled(a="kept", b="kept"), small)
    run = account(run, BATCH, TAKEN, {}, settled(a="committed", b="kept"), small)
    assert [result["name"] for result in run["results"] if result["result"] == "kept"] == ["b"]


@pytest.mark.parametrize("kind", ["device", "login"])
def test_a_site_that_cannot_be_reached_leaves_its_routers_for_the_next_run_and_does_not_stop_this_one(kind: str) -> None:
    away = {"unreachable": True, "msg": "no route to the site"}
    batch = {**DEVICE_BATCH, "kind": kind}
    applied, proven = (away, {}) if kind == "device" else ({}, away)
    outcomes = outcomes_for_ledger(batch, TAKEN, applied, proven)
    assert {(outcome["outcome"], outcome["reason"]) for outcome in outcomes} == {("unknown", "offline")}
    answer = {"devices": [{"name": name, "status": "kept", "reason": "offline"} for name in "ab"]}
    run = account({}, batch, {"devices": TAKEN["devices"][:2]}, applied, answer, SETTINGS, proven=proven)
    assert run["stop"] == ""
    assert "no route to the site" in summarise(plan(), run, 100)["lines"][0]
