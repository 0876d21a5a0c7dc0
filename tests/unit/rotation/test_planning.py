# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan, from the variables of its hosts to sealed batches: what stops it, what fails alone, and what it tells."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.rotation import Boxes, FakeLedger, FakeVariables, fault

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import Result
from ansible_collections.keyturn.devices.plugins.module_utils._module import ModuleFailure
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.batch import Order, unsealed
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.planning import Planning
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import Sighting

ROLE: dict[str, Any] = {
    "box_rotation_source": {"kind": "generate"},
    "box_rotation_policy": {"length": 20, "special": True},
    "box_rotation_force": False,
    "box_rotation_offline_days": 7,
    "box_rotation_age_spread_percent": 10,
    "box_rotation_deadline": 300,
    "box_rotation_ledger_url": "sqlite:///l.db",
    "box_rotation_ledger_passphrase": "a passphrase",
    "box_rotation_first_batch_size": 50,
    "box_rotation_batch_size": 2500,
    "box_rotation_failure_limit_percent": 20,
    "box_rotation_max_attempts": 5,
    "box_rotation_patience": 60,
    "box_rotation_bad_input": "fail",
    "box_rotation_summary_limit": 200,
    "box_rotation_recap_limit": 1000,
    "box_rotation_via": "cloud",
    "box_rotation_account": "one",
    "box_rotation_verified": True,
}


class Scene:
    """Boxes of an inventory, each with a serial unless it says otherwise, their ledger, and a plan for them."""

    def __init__(self, *names: str, **hosts: Mapping[str, Any]) -> None:
        own: dict[str, Mapping[str, Any]] = {**{name: {} for name in names}, **hosts}
        self.names = list(own)
        self.boxes = Boxes()
        self.ledger = FakeLedger()
        self.redactor = Redactor()
        self.variables = FakeVariables({name: {"device_serial": f"S-{name}", **values} for name, values in own.items()}, shared=ROLE)
        self.planning: Planning

    def plan(self, *names: str, job: str = "rotate") -> dict[str, Any]:
        ledger: Any = self.ledger
        self.planning = Planning(self.boxes, names or self.names, self.variables, self.redactor, job=job)
        self.planning.read(self.names)
        return self.planning.plan(ledger)

    def orders(self, planned: Mapping[str, Any]) -> list[Order]:
        ledger: Any = self.ledger
        return [unsealed(ledger, batch["sealed"]) for batch in planned["batches"]]


def record(verified: str | None = "2999-01-01T00:00:00Z", **more: Any) -> dict[str, Any]:
    current = {"id": "c1", "password": "Good-Password-2026-ab", "committed_at": "2999-01-01T00:00:00Z"}
    return {"current": current, "staged": None, "previous": [], "last_verified": verified, "orphaned": False, **more}


def refused(planned: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    return {entry["name"]: (entry["result"], entry["reason"]) for entry in planned["refused"]}


# -- what is planned ----------------------------------------------------------------------------------------------------------------------


def test_a_plan_says_who_is_due_and_why_and_holds_the_batches() -> None:
    scene = Scene("a", "b")
    scene.ledger.records["b"] = record()
    planned = scene.plan()
    assert (planned["devices"], planned["not_due"], planned["unsettled"], planned["refused"]) == (2, 1, [], [])
    assert planned["due"] == [
        {"name": "a", "reasons": ["no_password"], "details": ["the ledger holds no password of it"], "source": "generate"}
    ]
    (batch,) = planned["batches"]
    assert {key: batch[key] for key in ("number", "kind", "stages", "site", "names")} == {
        "number": 1,
        "kind": "cloud",
        "stages": True,
        "site": "localhost",
        "names": ["a"],
    }
    assert planned["ledger"] == "the ledger of this test"
    assert planned["announcement"][0].startswith("1 of 2 boxes are due")


def test_what_was_left_open_has_its_batches_first_and_is_decided_again_after_that() -> None:
    scene = Scene("a", "b")
    scene.ledger.records["b"] = record(staged={"attempts": 1, "awaiting": False})
    planned = scene.plan()
    assert [(batch["stages"], batch["names"]) for batch in planned["batches"]] == [(False, ["b"]), (True, ["a", "b"])]
    assert ([entry["name"] for entry in planned["due"]], planned["unsettled"]) == (["a"], ["b"])


def test_a_batch_arrives_with_the_settings_of_the_run_but_not_with_those_of_the_ledger() -> None:
    scene = Scene(a={"box_rotation_patience": 5})
    (order,) = scene.orders(scene.plan())
    assert (order.product, order.batches, order.devices, order.settings["patience"]) == ("boxes", 1, 1, 5)
    assert not any(name.startswith("ledger") for name in order.settings)
    assert (order.batch.terms["account"], order.batch.number) == ("one", 1)


def test_no_part_of_the_plan_but_what_is_sealed_holds_a_password() -> None:
    scene = Scene(a={"device_password_source": {"kind": "value", "password": "Given-Password-2026-a"}})
    scene.ledger.records["a"] = record()
    planned = scene.plan()
    shown = {**planned, "batches": [{**batch, "sealed": ""} for batch in planned["batches"]]}
    assert not any(secret in json.dumps(shown) for secret in ("Given-Password", "Good-Password", "a passphrase"))
    assert scene.orders(planned)[0].batch.wishes["a"].wanted == "Given-Password-2026-a"
    assert scene.redactor.text("Given-Password-2026-a one") == "******** ********"


# -- the listing --------------------------------------------------------------------------------------------------------------------------


def test_devices_that_share_their_settings_are_looked_up_together_and_others_apart() -> None:
    scene = Scene(a={}, b={"box_rotation_account": "two"}, c={})
    planned = scene.plan()
    assert (scene.boxes.looked_up, planned["requests"]) == ([["a", "c"], ["b"]], 2)
    assert [batch["names"] for batch in planned["batches"]] == [["a", "c"], ["b"]]


def test_what_the_listing_refuses_is_told_of_each_device_and_holds_up_no_other() -> None:
    scene = Scene("a", "b", "c")
    scene.boxes.listed.update(a=Sighting("not_found", "The cloud does not know it."), b=Sighting("conflict", "It is listed twice."))
    planned = scene.plan()
    assert refused(planned) == {"a": ("refused", "not_found"), "b": ("refused", "conflict")}
    assert planned["batches"][0]["names"] == ["c"]


def test_a_fault_of_the_listing_stops_the_run_with_its_own_words_and_without_a_secret() -> None:
    scene = Scene(a={"box_rotation_account": "T-0123456789"})
    scene.boxes.breaks["look_up"] = fault("unauthorized", "The service refused T-0123456789.")
    with pytest.raises(ModuleFailure, match=r"The service refused \*+\. No device was touched\.$") as caught:
        scene.plan()
    assert caught.value.result["reason"] == "unauthorized"


def test_the_ledger_is_told_who_is_offline_and_who_is_not() -> None:
    scene = Scene("a", "b", "c")
    scene.boxes.listed.update(a=Sighting(online=False), b=Sighting(online=True), c=Sighting(online=None))
    scene.plan()
    assert scene.ledger.observed == [
        {"offline": {"a"}, "online": {"b"}, "serials": {"a": "S-a", "b": "S-b", "c": "S-c"}},
    ]


def test_a_device_is_red_when_it_has_been_offline_for_as_long_as_it_may() -> None:
    now = datetime.datetime.now(datetime.timezone.utc)
    scene = Scene(a={}, b={}, c={"box_rotation_offline_days": 1}, d={})
    for name, days in {"a": 6.9, "b": 7.1, "c": 1.1}.items():
        scene.ledger.records[name] = record(offline_since=(now - datetime.timedelta(days=days)).isoformat())
    scene.boxes.listed.update(dict.fromkeys("abcd", Sighting(online=False)))
    assert scene.plan()["long_offline"] == ["b", "c"]


# -- bad input ----------------------------------------------------------------------------------------------------------------------------

BAD = {"device_serial": ""}


def test_a_device_with_bad_input_fails_alone_with_all_that_is_wrong() -> None:
    scene = Scene(a={**BAD, "device_site": "nowhere"}, b={}, c={"box_rotation_policy": {"length": 40}})
    planned = scene.plan()
    assert refused(planned) == {"a": ("bad_input", "bad_input"), "c": ("bad_input", "bad_input")}
    assert planned["batches"][0]["names"] == ["b"]
    message = planned["refused"][0]["message"]
    assert "device_serial: is missing" in message
    assert "device_site: 'nowhere' is not in the inventory" in message


@pytest.mark.parametrize("wrong", [BAD, {"box_rotation_policy": {"length": 40}}])
def test_who_wants_none_touched_has_the_run_stop_for_one_device(wrong: Mapping[str, Any]) -> None:
    stop = {"box_rotation_bad_input": "stop"}
    scene = Scene(a={**stop, **wrong}, b=stop)
    with pytest.raises(ModuleFailure, match="no device was touched: a: ") as caught:
        scene.plan()
    assert (caught.value.result["reason"], len(caught.value.result["problems"])) == ("bad_input", 1)
    assert "stage" not in [what for what, _names in scene.ledger.log]


@pytest.mark.parametrize(
    ("hosts", "problem"),
    [
        ({"a": {"device_serial": "1"}, "b": {"device_serial": "1"}}, "is also the serial of a"),
        ({"a": {}, "b": {"box_rotation_batch_size": 7}}, "must be the same for all boxes of a run"),
        ({"a": {"box_rotation_batch_size": "many"}, "b": {}}, "must be int"),
    ],
)
def test_what_is_wrong_with_no_single_device_stops_the_run(hosts: Mapping[str, Mapping[str, Any]], problem: str) -> None:
    with pytest.raises(ModuleFailure, match=problem):
        Scene(**hosts).plan()


def test_a_broken_csv_file_stops_the_run_before_the_ledger_or_a_listing_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "handover.csv"
    path.write_text("S-a,Password-of-a-2026\nS-z,Password-of-a-stranger\n")
    scene = Scene(a={"device_password_source": {"kind": "csv", "path": str(path)}}, b={})
    with pytest.raises(ModuleFailure, match="line 2") as caught:
        scene.plan()
    assert "Password-of" not in str(caught.value)
    assert (scene.ledger.log, scene.boxes.looked_up) == ([], [])


def test_a_source_that_gives_nothing_fails_its_device_alone(tmp_path: Path) -> None:
    path = tmp_path / "handover.csv"
    path.write_text("S-b,Password-Of-B-2026-x!\n")
    source = {"device_password_source": {"kind": "csv", "path": str(path)}}
    scene = Scene(a=source, b=source, c={"device_password_source": {"kind": "value", "password": "{{ broken }}"}})
    planned = scene.plan()
    assert refused(planned).keys() == {"a", "c"}
    assert planned["batches"][0]["names"] == ["b"]


def test_only_settling_reads_no_source_and_rotates_nobody() -> None:
    scene = Scene(a={"device_password_source": {"kind": "csv", "path": "/nowhere.csv"}}, b={"device_password_source": "{{ broken }}"})
    scene.ledger.records["a"] = record(staged={"attempts": 1})
    planned = scene.plan(job="reconcile")
    assert (refused(planned), planned["due"]) == ({}, [])
    # The second is for what cannot be settled in any other way than by a new password, which is decided once it was tried.
    assert [(batch["stages"], batch["names"]) for batch in planned["batches"]] == [(False, ["a"]), (True, ["a"])]


def test_a_plan_for_nobody_is_no_success() -> None:
    scene = Scene("a")
    scene.names = []
    with pytest.raises(ModuleFailure):
        scene.plan()


# -- names follow serial numbers ----------------------------------------------------------------------------------------------------------


def renamed(name: str, old: str) -> Result:
    return Result(name, "renamed", changed=True, details={"old_name": old})


def test_a_device_that_was_renamed_is_followed_and_told() -> None:
    scene = Scene("a", "b")
    scene.ledger.followed["a"] = renamed("a", "old-a")
    scene.ledger.records["a"] = record()
    assert scene.plan()["not_due"] == 1
    assert scene.planning.remarks == ["a was called old-a until now; its passwords follow its serial number"]


def test_in_check_mode_where_nothing_is_renamed_it_is_found_under_its_old_name() -> None:
    scene = Scene("a", "b")
    scene.ledger.dry_run = True
    scene.ledger.followed["a"] = renamed("a", "old-a")
    scene.ledger.records["old-a"] = record()
    assert (scene.plan()["not_due"], scene.planning.remarks) == (
        1,
        ["a was called old-a until now; its passwords follow its serial number"],
    )


def test_two_hosts_with_one_serial_are_refused_also_where_only_one_of_them_is_in_the_run() -> None:
    scene = Scene(a={"device_serial": "1"}, b={"device_serial": "1"})
    scene.ledger.serials = {"1": "b"}
    with pytest.raises(ModuleFailure, match="a: its serial is also that of b, another host"):
        scene.plan("a")


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_device_that_was_exchanged_starts_anew_and_is_told(dry_run: bool) -> None:
    scene = Scene("a")
    scene.ledger.dry_run = dry_run
    scene.ledger.followed["a"] = Result("a", "exchanged", changed=True)
    scene.ledger.records.update({"a": record()} if dry_run else {})
    assert [entry["reasons"] for entry in scene.plan()["due"]] == [["no_password"]]
    [remark] = scene.planning.remarks
    assert remark.startswith("a has another serial number than before and so is another box; ")
    assert f"{'would be' if dry_run else 'are'} put away in the ledger, and come back with its serial number" in remark


# -- check mode ---------------------------------------------------------------------------------------------------------------------------


def test_check_mode_finds_a_ledger_that_could_not_be_written() -> None:
    scene = Scene("a")
    scene.ledger.dry_run = True
    scene.ledger.away["check_writable"] = [LedgerError("read_only", "The ledger cannot be written.")]
    with pytest.raises(LedgerError, match="cannot be written"):
        scene.plan()


def test_check_mode_names_everybody_who_is_due() -> None:
    few = {"box_rotation_summary_limit": 0}
    scene = Scene(a=few, b=few)
    assert len(scene.plan()["announcement"]) == 1
    scene.ledger.dry_run = True
    assert len(scene.plan()["announcement"]) == 3
