# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is due and why, and how the due devices are cut into batches."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import PasswordPolicy
from ansible_collections.keyturn.devices.plugins.module_utils._rotation.batches import Sizes, batches_of_due, batches_of_unsettled, cut
from ansible_collections.keyturn.devices.plugins.module_utils._rotation.inventory import Device, Source
from ansible_collections.keyturn.devices.plugins.module_utils._rotation.plan import Plan, make_plan

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.timezone.utc)
GOOD = "Good-Password-2026-ab"
GENERATE = Source("generate")
TEN = Sizes(10, 10)
POLICY = {"length": 20, "special": True, "max_age_days": 90}


def device(name: str = "depot-07", serial: str = "1", via: str = "rms", source: Source = GENERATE, policy: Any = None) -> Device:
    return Device(name, serial, via, source, POLICY if policy is None else policy, host="192.0.2.1" if via != "rms" else "")


def record(
    password: str = GOOD, committed_at: str = "2026-05-01T00:00:00Z", verified: str | None = "2026-05-01T00:00:00Z", **more: Any
) -> dict[str, Any]:
    current = {"id": "c1", "password": password, "committed_at": committed_at} if password else None
    return {"current": current, "staged": None, "previous": [], "last_verified": verified, "orphaned": False, **more}


def planned(
    *devices: Device,
    records: Any = None,
    routers: Any = None,
    wanted: Any = None,
    force: bool = False,
    firmware: str | None = "RUTX_R_00.07.13.2",
) -> Plan:
    known = {entry.serial: {"id": 70, "firmware": firmware} for entry in devices} if routers is None else routers
    return make_plan(list(devices), records or {}, known, wanted or {}, force, NOW)


def reasons(plan: Plan) -> list[tuple[str, ...]]:
    return [entry.reasons for entry in plan.due]


def test_a_device_the_ledger_does_not_know_is_due() -> None:
    assert reasons(planned(device())) == [("no_password",)]


def test_a_young_proven_password_that_meets_the_policy_is_not_due() -> None:
    plan = planned(device(), records={"depot-07": record()})
    assert (plan.due, plan.not_due) == ([], ["depot-07"])


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (record(committed_at="2026-02-01T00:00:00Z"), ("too_old",)),
        (record(verified=None), ("never_verified",)),
        (record(password="Short-1a"), ("breaks_policy",)),
        (record(password="Short-1a", committed_at="2026-02-01T00:00:00Z", verified=None), ("never_verified", "too_old", "breaks_policy")),
    ],
)
def test_age_proof_and_policy_make_a_device_due(state: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert reasons(planned(device(), records={"depot-07": state})) == [expected]


def test_force_takes_what_is_not_due() -> None:
    assert reasons(planned(device(), records={"depot-07": record()}, force=True)) == [("forced",)]


def test_newer_firmware_that_demands_more_makes_a_device_due() -> None:
    plain = record(password="GoodPassword2026abcdef")
    lenient = device(policy={"length": 20})
    assert planned(lenient, records={"depot-07": plain}, firmware="RUTX_R_00.07.10.2").due == []
    assert reasons(planned(lenient, records={"depot-07": plain}, firmware="RUTX_R_00.07.13.2")) == [("breaks_policy",)]


def test_a_password_given_by_a_source_is_due_only_while_it_differs() -> None:
    given = device(source=Source("value", password="x"))
    old = record(committed_at="2025-01-01T00:00:00Z")
    assert planned(given, records={"depot-07": old}, wanted={"depot-07": GOOD}).due == []
    plan = planned(given, records={"depot-07": old}, wanted={"depot-07": "Another-Password-2026"})
    assert (reasons(plan), plan.due[0].password) == ([("source_differs",)], "Another-Password-2026")


def test_a_given_password_that_breaks_the_policy_or_comes_back_is_a_problem_before_anything_is_done() -> None:
    given = device(source=Source("csv", path="x.csv"), policy={**POLICY, "history": 3})
    weak = planned(given, wanted={"depot-07": "weak"})
    again = planned(
        given, records={"depot-07": record(previous=[{"password": "Former-Password-2026"}])}, wanted={"depot-07": "Former-Password-2026"}
    )
    assert weak.problems
    assert again.problems
    assert all("weak" not in problem.message and "Former" not in problem.message for problem in weak.problems + again.problems)


def test_a_policy_nothing_can_meet_is_a_problem_that_names_device_and_field() -> None:
    plan = planned(device(policy={"length": 40}))
    assert [(problem.device, problem.field.startswith("device_password_policy.")) for problem in plan.problems] == [("depot-07", True)]


def test_a_serial_that_rms_does_not_know_does_not_hold_up_the_others() -> None:
    plan = planned(device("a", "1"), device("b", "2"), routers={"2": {"id": 7, "firmware": None}})
    assert ([entry.name for entry in plan.missing], [entry.device.name for entry in plan.due]) == (["a"], ["b"])


def test_an_orphaned_device_gets_no_new_password_even_by_force() -> None:
    plan = planned(device(), records={"depot-07": record(orphaned=True)}, force=True)
    assert (plan.due, plan.orphaned) == ([], ["depot-07"])


def test_an_unsettled_device_is_settled_before_it_is_due() -> None:
    plan = planned(device(), records={"depot-07": record(staged={"attempts": 1, "awaiting": False})}, force=True)
    assert (plan.due, [entry.device.name for entry in plan.unsettled]) == ([], ["depot-07"])


@pytest.mark.parametrize(
    ("staged", "expected"),
    [
        ({"attempts": 2, "last_reason": "rejected_by_policy"}, "unsettled_refused"),
        ({"attempts": 2, "awaiting": True}, "unsettled_without_password"),
    ],
)
def test_a_staged_password_that_rms_will_never_take_is_superseded_and_stays_in_the_history(staged: dict[str, Any], expected: str) -> None:
    plan = planned(device(), records={"depot-07": record(staged=staged)})
    assert (plan.due[0].reasons[0], plan.due[0].supersede) == (expected, True)
    assert batches_of_due(plan.due, {}, {"1": {"id": 7}}, TEN, "x-{number}")[0]["stage"][0]["supersede"] is True


def test_a_staged_password_that_another_run_holds_is_taken_over_before_it_is_superseded() -> None:
    state = record(staged={"attempts": 2, "awaiting": True}, lease={"run_id": "killed", "until": "2026-06-01T00:00:00Z"})
    plan = planned(device(), records={"depot-07": state})
    assert (plan.due, [entry.device.name for entry in plan.unsettled]) == ([], ["depot-07"])


@pytest.mark.parametrize(
    "staged",
    [{"attempts": 1, "last_reason": "rejected_by_policy"}, {"attempts": 3, "last_reason": "timeout"}, {"attempts": 1, "awaiting": True}],
)
def test_a_staged_password_that_may_still_be_settled_is_never_superseded(staged: dict[str, Any]) -> None:
    assert planned(device(), records={"depot-07": record(staged=staged)}).due == []


def test_a_router_that_is_asked_itself_is_never_given_a_password_over_the_one_in_doubt() -> None:
    plan = planned(device(via="device"), records={"depot-07": record(staged={"attempts": 4, "last_reason": "rejected_by_policy"})})
    assert (plan.due, len(plan.unsettled)) == ([], 1)


def test_batches_are_bounded_and_say_which_record_they_were_planned_on() -> None:
    devices = [device(f"r{number}", str(number)) for number in range(5)]
    plan = planned(*devices, records={"r0": record(verified=None)})
    batches = batches_of_due(
        plan.due, {"r0": record(verified=None)}, {str(number): {"id": number} for number in range(5)}, Sizes(2, 2), "x-{number}"
    )
    assert [batch["names"] for batch in batches] == [["r0", "r1"], ["r2", "r3"], ["r4"]]
    assert [request["expected_current"] for request in batches[0]["stage"]] == ["c1", ""]
    assert batches[0]["apply"] == [
        {"name": "r0", "serial": "0", "via": "rms", "id": 0},
        {"name": "r1", "serial": "1", "via": "rms", "id": 1},
    ]


def test_the_first_batch_of_a_run_is_small_and_no_device_is_left_out() -> None:
    assert [list(part) for part in cut(range(9), Sizes(2, 4), first=True)] == [[0, 1], [2, 3, 4, 5], [6, 7, 8]]
    assert [len(part) for part in cut(range(9), Sizes(2, 4), first=False)] == [4, 4, 1]


def test_the_policy_handed_to_the_ledger_is_the_joined_one() -> None:
    plan = planned(device(policy={"length": 12}))
    policy = PasswordPolicy.from_mapping(batches_of_due(plan.due, {}, {"1": {"id": 7}}, TEN, "x-{number}")[0]["stage"][0]["policy"])
    assert (policy.length, policy.max_length, policy.lower, policy.special) == (12, 32, True, True)


def test_routers_whose_passwords_rms_makes_are_asked_apart_with_their_own_list() -> None:
    plan = planned(device("a", "1", source=Source("rms")), device("b", "2"))
    routers = {"1": {"id": 7, "mac": "001E", "name": "A"}, "2": {"id": 8}}
    made, given = batches_of_due(plan.due, {}, routers, TEN, "list-{number}.csv")
    assert (made["kind"], made["generate"], made["generated_csv"]) == ("rms_generate", {"length": 20, "special": True}, "list-1.csv")
    assert made["collect"] == [{"name": "a", "identifiers": ["1", "001E", "A"]}]
    assert "policy" not in made["stage"][0]
    assert given["kind"] == "rms_set"


def test_a_list_that_was_never_fetched_is_fetched_before_its_passwords_are_tried() -> None:
    states = {
        "a": record(staged={"attempts": 1, "awaiting": True, "generated_csv": "one.csv"}),
        "b": record(staged={"attempts": 1, "awaiting": False}),
    }
    plan = planned(device("a", "1"), device("b", "2"), records=states)
    fetch, again = batches_of_unsettled(plan.unsettled, {"1": {"id": 7}, "2": {"id": 8}}, TEN)
    assert (fetch["generate"], fetch["generated_csv"], fetch["names"]) == ({"collect": True}, "one.csv", ["a"])
    assert (again["kind"], again["stage"], again["resume"]) == ("rms_set", [], [{"name": "b"}])
