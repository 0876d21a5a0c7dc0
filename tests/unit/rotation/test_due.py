# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is due for a new password, and why."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping
from typing import Any

import pytest
from support.rotation import Boxes, device

from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import PasswordPolicy
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.due import Plan, Rules, due_reasons, make_plan, parse_time
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import Device, Sighting, Source

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.timezone.utc)
GOOD = "Good-Password-2026-ab"
POLICY = {"length": 20, "special": True, "max_age_days": 90}
BOXES = Boxes()


def box(name: str = "a", **more: Any) -> Device:
    return device(name, **{"policy": POLICY, **more})


def record(
    password: str = GOOD, committed_at: str = "2026-05-01T00:00:00Z", verified: str | None = "2026-05-01T00:00:00Z", **more: Any
) -> dict[str, Any]:
    current = {"id": "c1", "password": password, "committed_at": committed_at} if password else None
    return {"current": current, "staged": None, "previous": [], "last_verified": verified, "orphaned": False, **more}


def planned(
    *devices: Device,
    records: Mapping[str, Any] | None = None,
    sightings: Mapping[str, Sighting] | None = None,
    wanted: Mapping[str, str] | None = None,
    force: Collection[str] = (),
    spread: Mapping[str, int] | None = None,
    open_only: bool = False,
    firmware: str | None = "RUTX_R_00.07.13.2",
) -> Plan:
    listed = {entry.name: Sighting(online=True, firmware=firmware) for entry in devices}
    rules = Rules(NOW, force, spread or {}, open_only)
    return make_plan(BOXES, list(devices), records or {}, {**listed, **(sightings or {})}, wanted or {}, rules)


def reasons(plan: Plan) -> list[tuple[str, ...]]:
    return [tuple(entry.reasons) for entry in plan.due]


def refused(plan: Plan) -> list[tuple[str, str, str]]:
    return [(entry.name, entry.result, entry.reason) for entry in plan.refused]


# -- why ----------------------------------------------------------------------------------------------------------------------------------


def test_a_device_the_ledger_does_not_know_is_due() -> None:
    assert reasons(planned(box())) == [("no_password",)]


def test_a_young_proven_password_that_meets_the_policy_is_not_due() -> None:
    plan = planned(box(), records={"a": record()})
    assert (plan.due, plan.not_due) == ([], ["a"])


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
    assert reasons(planned(box(), records={"a": state})) == [expected]


def test_why_a_device_is_due_is_told_in_words_without_its_password() -> None:
    state = record(password="Short-1a", committed_at="2026-02-01T00:00:00Z", verified=None)
    (due,) = planned(box(), records={"a": state}).due
    assert due.reasons["too_old"] == "120 days old, the policy allows 90"
    assert all(due.reasons.values())
    assert "Short-1a" not in str(due.reasons)


def test_force_takes_what_is_not_due_and_only_the_devices_it_is_meant_for() -> None:
    plan = planned(box("a"), box("b"), records={"a": record(), "b": record()}, force={"b"})
    assert ([entry.device.name for entry in plan.due], reasons(plan), plan.not_due) == (["b"], [("forced",)], ["a"])


def test_newer_firmware_that_demands_more_makes_a_device_due() -> None:
    plain = {"a": record(password="GoodPassword2026abcdef")}
    lenient = box(policy={"length": 20})
    assert planned(lenient, records=plain, firmware="RUTX_R_00.07.10.2").due == []
    assert reasons(planned(lenient, records=plain, firmware="RUTX_R_00.07.13.2")) == [("breaks_policy",)]


def test_a_password_given_by_a_source_is_due_only_while_it_differs() -> None:
    given = box(given=Source("value", password="x"))
    old = {"a": record(committed_at="2025-01-01T00:00:00Z")}
    assert planned(given, records=old, wanted={"a": GOOD}).due == []
    plan = planned(given, records=old, wanted={"a": "Another-Password-2026"})
    assert (reasons(plan), plan.due[0].wanted) == ([("source_differs",)], "Another-Password-2026")
    assert "Another-Password-2026" not in repr(plan)


def test_a_given_password_that_breaks_the_policy_or_comes_back_is_a_problem_before_anything_is_done() -> None:
    given = box(given=Source("csv", path="x.csv"), policy={**POLICY, "history": 3})
    weak = planned(given, wanted={"a": "weak"})
    again = planned(given, records={"a": record(previous=[{"password": "Former-Password-2026"}])}, wanted={"a": "Former-Password-2026"})
    for plan in (weak, again):
        assert (plan.due, [problem.device for problem in plan.problems][:1]) == ([], ["a"])
        assert all("weak" not in problem.message and "Former" not in problem.message for problem in plan.problems)


def test_a_policy_nothing_can_meet_is_a_problem_that_names_device_and_field_and_holds_up_no_other() -> None:
    plan = planned(box("a", policy={"length": 40}), box("b"))
    assert [(problem.device, problem.field.startswith("device_password_policy.")) for problem in plan.problems] == [("a", True)]
    assert [entry.device.name for entry in plan.due] == ["b"]


def test_a_policy_nothing_can_meet_is_a_problem_of_every_device_that_has_it() -> None:
    plan = planned(box("a", policy={"length": 40}), box("b", policy={"length": 40}))
    assert [problem.device for problem in plan.problems] == ["a", "b"]


def test_the_policy_in_force_is_the_users_joined_with_the_floors_of_the_product() -> None:
    (due,) = planned(box(policy={"length": 12})).due
    assert (due.policy.length, due.policy.max_length, due.policy.lower, due.policy.special) == (12, 32, True, True)


# -- due dates are spread -----------------------------------------------------------------------------------------------------------------

FLEET = [box(f"box-{number}") for number in range(200)]


def due_at(age_days: float, percent: int, fleet: list[Device] = FLEET) -> set[str]:
    committed = (NOW - datetime.timedelta(days=age_days)).isoformat()
    records = {entry.name: record(committed_at=committed) for entry in fleet}
    plan = planned(*fleet, records=records, spread={entry.name: percent for entry in fleet})
    return {entry.device.name for entry in plan.due}


def test_a_fleet_that_was_set_up_on_one_day_is_not_due_on_one_day() -> None:
    due = [len(due_at(age, 10)) for age in (80.9, 83, 85.5, 88, 90.1)]
    assert due[0] == 0
    assert 20 < due[1] < 80 < due[2] < 120 < due[3] < 180
    assert due[4] == 200


def test_no_device_is_due_later_than_the_policy_says() -> None:
    for percent in (0, 10, 100):
        assert due_at(90.01, percent) == {entry.name for entry in FLEET}


def test_without_a_spread_no_device_is_due_earlier() -> None:
    assert due_at(89.99, 0) == set()


def test_the_due_date_of_a_device_is_the_same_in_every_run_and_stays_its_own_under_another_name() -> None:
    due = due_at(85, 10)
    assert due_at(85, 10) == due
    assert due <= due_at(86, 10)
    renamed = [box(f"new-{entry.name}", serial=entry.serial) for entry in FLEET]
    assert due_at(85, 10, renamed) == {f"new-{name}" for name in due}


def test_a_device_that_is_asked_for_earlier_than_the_policy_says_is_told_why() -> None:
    committed = (NOW - datetime.timedelta(days=89.5)).isoformat()
    records = {entry.name: record(committed_at=committed) for entry in FLEET}
    plan = planned(*FLEET, records=records, spread={entry.name: 50 for entry in FLEET})
    assert plan.due
    assert all("89 days old, the policy allows 90, and it is asked for from " in entry.reasons["too_old"] for entry in plan.due)


# -- who is not asked ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["not_found", "conflict"])
def test_a_device_that_the_listing_does_not_tell_for_sure_is_refused_and_does_not_hold_up_the_others(reason: str) -> None:
    plan = planned(box("a"), box("b"), sightings={"a": Sighting(reason, "Look at the cloud.")}, force={"a", "b"})
    assert (refused(plan), [entry.device.name for entry in plan.due]) == ([("a", "refused", reason)], ["b"])
    assert plan.refused[0].message == "Look at the cloud."


def test_a_device_left_open_is_not_asked_for_again_while_the_listing_has_it_twice() -> None:
    plan = planned(box(), records={"a": record(staged={"attempts": 1})}, sightings={"a": Sighting("conflict")})
    assert (plan.unsettled, plan.due, refused(plan)) == ([], [], [("a", "refused", "conflict")])


def test_an_orphaned_device_gets_no_new_password_even_by_force() -> None:
    plan = planned(box(), records={"a": record(orphaned=True, orphaned_reason="unauthorized")}, force={"a"})
    assert (plan.due, plan.unsettled, refused(plan)) == ([], [], [("a", "orphaned", "unauthorized")])


def test_a_device_that_is_offline_is_not_asked_and_one_that_needs_nothing_is_not_told_of() -> None:
    offline = {"a": Sighting(online=False), "b": Sighting(online=False)}
    plan = planned(box("a"), box("b"), records={"b": record()}, sightings=offline)
    assert (plan.due, refused(plan), plan.not_due) == ([], [("a", "offline", "offline")], ["b"])


@pytest.mark.parametrize("online", [True, None])
def test_a_device_of_which_the_listing_does_not_say_that_it_is_offline_is_asked(online: bool | None) -> None:
    assert planned(box(), sightings={"a": Sighting(online=online)}).due


def test_a_device_whose_password_only_its_owner_can_change_is_not_asked_without_one() -> None:
    plan = planned(box("a", via="itself"), box("b", via="itself"), records={"b": record(verified=None)})
    assert refused(plan) == [("a", "without_password", "no_current_password")]
    assert [entry.device.name for entry in plan.due] == ["b"]


def test_devices_that_failed_before_go_last() -> None:
    plan = planned(*map(box, "abcd"), records={name: record(verified=None, failures=3) for name in "ac"})
    assert [(entry.device.name, entry.failed_before) for entry in plan.due] == [("b", False), ("d", False), ("a", True), ("c", True)]


# -- what an earlier run left open --------------------------------------------------------------------------------------------------------


def test_an_unsettled_device_is_settled_before_it_is_due_and_is_decided_again_after_that() -> None:
    plan = planned(box(), records={"a": record(staged={"attempts": 1, "awaiting": False})}, force={"a"})
    assert [entry.device.name for entry in plan.unsettled] == ["a"]
    assert [(entry.device.name, entry.unsettled_first) for entry in plan.due] == [("a", True)]


def test_a_list_that_was_not_fetched_is_known_by_its_id() -> None:
    (entry,) = planned(box(), records={"a": record(staged={"attempts": 1, "awaiting": True, "list_id": "run-0-1"})}).unsettled
    assert (entry.awaiting, entry.list_id) == (True, "run-0-1")


def test_a_device_left_open_that_is_offline_is_left_to_a_later_run_unless_a_login_can_settle_it() -> None:
    state = {name: record(staged={"attempts": 1}) for name in "ab"}
    offline = {name: Sighting(online=False) for name in "ab"}
    plan = planned(box("a"), box("b", via="cloud_and_itself"), records=state, sightings=offline)
    assert refused(plan) == [("a", "offline_unsettled", "offline")]
    assert [entry.device.name for entry in plan.unsettled] == ["b"]


@pytest.mark.parametrize(
    ("staged", "expected"),
    [
        ({"attempts": 2, "last_reason": "rejected_by_policy"}, "unsettled_refused"),
        ({"attempts": 2, "awaiting": True}, "unsettled_without_password"),
    ],
)
def test_a_staged_password_that_the_vendor_will_never_take_is_superseded(staged: dict[str, Any], expected: str) -> None:
    plan = planned(box(), records={"a": record(staged=staged)})
    assert (plan.unsettled, reasons(plan)[0][0], plan.due[0].supersede, plan.due[0].unsettled_first) == ([], expected, True, False)


def test_a_staged_password_that_another_run_holds_is_taken_over_before_it_is_superseded() -> None:
    state = record(staged={"attempts": 2, "awaiting": True}, lease={"run_id": "killed", "until": "2026-06-01T00:00:00Z"})
    plan = planned(box(), records={"a": state})
    assert [entry.device.name for entry in plan.unsettled] == ["a"]
    assert not any(entry.supersede for entry in plan.due)


@pytest.mark.parametrize(
    "staged",
    [{"attempts": 1, "last_reason": "rejected_by_policy"}, {"attempts": 3, "last_reason": "timeout"}, {"attempts": 1, "awaiting": True}],
)
def test_a_staged_password_that_may_still_be_settled_is_never_superseded(staged: dict[str, Any]) -> None:
    plan = planned(box(), records={"a": record(staged=staged)})
    assert len(plan.unsettled) == 1
    assert not any(entry.supersede for entry in plan.due)


def test_a_device_that_is_asked_itself_is_never_given_a_password_over_the_one_in_doubt() -> None:
    plan = planned(box(via="itself"), records={"a": record(staged={"attempts": 4, "last_reason": "rejected_by_policy"})})
    assert len(plan.unsettled) == 1
    assert not any(entry.supersede for entry in plan.due)


def test_only_settling_leaves_alone_what_is_due_and_supersedes_what_cannot_be_settled_in_any_other_way() -> None:
    records = {
        "open": record(staged={"attempts": 1}),
        "refused": record(staged={"attempts": 2, "last_reason": "rejected_by_policy"}),
        "old": record(committed_at="2025-01-01T00:00:00Z"),
    }
    plan = planned(*map(box, ("open", "refused", "old", "new")), records=records, open_only=True)
    assert [entry.device.name for entry in plan.unsettled] == ["open"]
    # Whether an open one has to be superseded is decided once it was tried.
    assert [(entry.device.name, entry.supersede, entry.unsettled_first) for entry in plan.due] == [
        ("open", False, True),
        ("refused", True, False),
    ]


# -- what is used elsewhere, too ----------------------------------------------------------------------------------------------------------


def test_reasons_are_told_for_one_record_also_after_it_was_settled() -> None:
    policy = PasswordPolicy(length=20, max_age_days=90)
    assert due_reasons(box(), policy, record(), "", Rules(NOW)) == {}
    assert list(due_reasons(box(), policy, record(verified=None), "", Rules(NOW, force={"a"}))) == ["forced", "never_verified"]


def test_times_are_read_as_the_ledger_writes_them() -> None:
    assert parse_time("2026-06-01T00:00:00Z") == parse_time("2026-06-01T02:00:00+02:00") == NOW
