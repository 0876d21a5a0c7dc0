# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a plan is cut into batches, and how a batch travels."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from support.rotation import CLOUD, ITSELF, LOOK, LOOK_AND_ASK, MADE, TERMS, Boxes, FakeLedger, device

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import PasswordPolicy
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.batch import (
    Batch,
    Order,
    Sizes,
    Wish,
    batches_of_due,
    batches_of_unsettled,
    cut,
    expected_ledger,
    sealed,
    unsealed,
)
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.due import Due, Rules, Unsettled
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import Member, Sighting, Source

NOW = datetime.datetime(2026, 6, 1, 12, 30, tzinfo=datetime.timezone.utc)
TEN = Sizes(10, 10)
POLICY = PasswordPolicy(length=20, special=True)
BOXES = Boxes()


def due(name: str, *, policy: PasswordPolicy = POLICY, wanted: str = "", failed_before: bool = False, **more: Any) -> Due:
    left_open = {key: more.pop(key) for key in ("supersede", "unsettled_first") if key in more}
    sighting = more.pop("sighting", Sighting(online=True))
    return Due(device(name, **more), sighting, {"forced": "asked for"}, policy, wanted, failed_before=failed_before, **left_open)


def unsettled(name: str, *, awaiting: bool = False, list_id: str = "", **more: Any) -> Unsettled:
    return Unsettled(device(name, **more), Sighting(online=True), awaiting, list_id)


def batches(*entries: Due, records: Mapping[str, Any] | None = None, sizes: Sizes = TEN, before: int = 0) -> list[Batch]:
    return batches_of_due(BOXES, entries, records or {}, sizes, before, "run-1")


def names(batch: Batch) -> list[str]:
    return [member.device.name for member in batch.members]


# -- cutting ------------------------------------------------------------------------------------------------------------------------------


def test_the_first_batch_of_a_run_is_small_and_no_device_is_left_out() -> None:
    assert [list(part) for part in cut(range(9), Sizes(2, 4), first=True)] == [[0, 1], [2, 3, 4, 5], [6, 7, 8]]
    assert [len(part) for part in cut(range(9), Sizes(2, 4), first=False)] == [4, 4, 1]


def test_batches_are_bounded_and_say_which_record_they_were_planned_on() -> None:
    cut_up = batches(*(due(f"r{number}") for number in range(5)), records={"r0": {"current": {"id": "c1"}}}, sizes=Sizes(2, 2))
    assert [names(batch) for batch in cut_up] == [["r0", "r1"], ["r2", "r3"], ["r4"]]
    assert [wish.expected_current for wish in cut_up[0].wishes.values()] == ["c1", ""]
    assert [batch.number for batch in cut_up] == [1, 2, 3]
    assert all(batch.stages for batch in cut_up)


def test_a_small_first_batch_is_cut_once_in_a_run() -> None:
    entries = [due(f"r{number}") for number in range(6)]
    assert [len(batch.members) for batch in batches(*entries, sizes=Sizes(1, 3))] == [1, 3, 2]
    later = batches(*entries, sizes=Sizes(1, 3), before=2)
    assert [(batch.number, len(batch.members)) for batch in later] == [(3, 3), (4, 3)]


def test_a_batch_is_for_devices_that_share_their_way_their_site_and_their_settings() -> None:
    other = {**TERMS, "account": "two"}
    cut_up = batches(
        due("a"),
        due("b", via="itself"),
        due("c", site="gateway"),
        due("d", terms=other),
        due("e"),
        due("f", terms=other),
    )
    assert [(names(batch), batch.kind, batch.site, batch.terms["account"]) for batch in cut_up] == [
        (["a", "e"], CLOUD, "localhost", "one"),
        (["b"], ITSELF, "localhost", "one"),
        (["c"], CLOUD, "gateway", "one"),
        (["d", "f"], CLOUD, "localhost", "two"),
    ]


def test_devices_that_failed_before_have_batches_of_their_own_at_the_end() -> None:
    cut_up = batches(due("a", failed_before=True), due("b", via="itself"), due("c"), due("d", failed_before=True))
    assert [names(batch) for batch in cut_up] == [["b"], ["c"], ["a", "d"]]
    assert [[member.failed_before for member in batch.members] for batch in cut_up] == [[False], [False], [True, True]]


def test_a_wish_says_what_is_wanted_and_whether_a_password_in_doubt_is_left_behind() -> None:
    (batch,) = batches(due("a", supersede=True), due("b", unsettled_first=True), due("c", wanted="Wanted-2026"))
    assert batch.wishes == {
        "a": Wish(POLICY, "", True, ""),
        "b": Wish(POLICY, "", False, None),
        "c": Wish(POLICY, "Wanted-2026", False, ""),
    }
    assert "Wanted-2026" not in repr(batch)


def test_devices_whose_passwords_the_vendor_makes_are_asked_apart_by_length_and_kind_each_with_its_own_list() -> None:
    long = replace(POLICY, length=40)
    plain = replace(POLICY, special=False)
    cut_up = batches(
        due("a", source="vendor"),
        due("b"),
        due("c", source="vendor", policy=long),
        due("d", source="vendor", policy=plain),
        due("e", source="vendor"),
    )
    assert [(names(batch), batch.kind.name, batch.list_id, dict(batch.members[0].made)) for batch in cut_up] == [
        (["a", "e"], "made", "run-1-1-20s", {"length": 20, "special": True}),
        (["b"], "cloud", "", {}),
        (["c"], "made", "run-1-3-32s", {"length": 32, "special": True}),
        (["d"], "made", "run-1-4-20", {"length": 20, "special": False}),
    ]


def test_a_list_that_was_never_fetched_is_fetched_in_a_batch_of_its_own() -> None:
    fetch, again, other = batches_of_unsettled(
        BOXES,
        [
            unsettled("a", awaiting=True, list_id="run-0-1-20s"),
            unsettled("b"),
            unsettled("c", awaiting=True, list_id="run-0-2-12"),
            unsettled("d", awaiting=True, list_id="run-0-1-20s"),
        ],
        TEN,
    )
    assert (names(fetch), fetch.kind, fetch.list_id) == (["a", "d"], MADE, "run-0-1-20s")
    assert (names(other), other.list_id) == (["c"], "run-0-2-12")
    # What was asked for tells which column of a list holds the passwords.
    assert [dict(batch.members[0].made) for batch in (fetch, other)] == [
        {"length": 20, "special": True},
        {"length": 12, "special": False},
    ]
    assert (names(again), again.kind, again.wishes, again.list_id) == (["b"], CLOUD, {}, "")
    assert not again.stages


def test_a_list_is_fetched_whole_however_many_devices_are_in_it() -> None:
    entries = [unsettled(f"r{number}", awaiting=True, list_id="run-0-1-20s") for number in range(5)]
    assert [len(batch.members) for batch in batches_of_unsettled(BOXES, entries, Sizes(1, 2))] == [5]


def test_what_is_left_open_is_cut_by_way_and_counts_as_failed_before() -> None:
    entries = [
        unsettled("a", via="itself"),
        unsettled("b", via="cloud_and_itself"),
        unsettled("c", via="itself"),
        unsettled("d", via="itself"),
    ]
    cut_up = batches_of_unsettled(BOXES, entries, Sizes(1, 2))
    assert [(names(batch), batch.kind) for batch in cut_up] == [(["a"], LOOK), (["c", "d"], LOOK), (["b"], LOOK_AND_ASK)]
    assert [batch.number for batch in cut_up] == [1, 2, 3]
    assert all(member.failed_before for batch in cut_up for member in batch.members)


# -- travelling ---------------------------------------------------------------------------------------------------------------------------


def order(batch: Batch, rules: Rules | None = None) -> Order:
    settings = {"failure_limit_percent": 20, "patience": 60, "max_attempts": 5}
    return Order(
        run_id="run-1",
        product="boxes",
        batches=4,
        devices=2500,
        settings=settings,
        rules=rules or Rules(NOW, frozenset()),
        batch=batch,
    )


def test_a_batch_arrives_as_it_left() -> None:
    sighting = Sighting(online=None, firmware="RUTX_R_00.07.13.2", details={"id": 7, "mac": "001E", "name": "Ä"})
    policy = PasswordPolicy(length=24, special=True, allowed_specials="-_", history=5, max_age_days=90)
    (left,) = batches(
        due("a", source="vendor", sighting=sighting, policy=policy, fingerprint="AA:BB", username="root", supersede=True),
        due("b", source="vendor", policy=policy, unsettled_first=True, wanted="Ünï-2026"),
    )
    arrived = Order.read(order(left).text())
    assert replace(arrived, batch=left) == order(left)
    batch = arrived.batch
    assert (batch.number, batch.kind, batch.wishes, batch.list_id) == (left.number, left.kind, left.wishes, "run-1-1-24s")
    assert batch.terms == TERMS
    for here, there in zip(batch.members, left.members, strict=True):
        # A source and a policy are in the wish by now.
        assert here == Member(replace(there.device, policy={}), there.sighting, there.made, there.failed_before)


def test_all_devices_of_a_batch_that_arrived_share_their_settings() -> None:
    (left,) = batches(due("a"), due("b"))
    first, second = Order.read(order(left).text()).batch.members
    assert first.device.terms is second.device.terms


def test_a_given_password_travels_as_a_wish_and_nowhere_else() -> None:
    (left,) = batches(due("a", given=Source("value", password="Given-Password-2026"), wanted="Given-Password-2026"))
    assert order(left).text().count("Given-Password-2026") == 1


def test_only_what_concerns_its_devices_travels_with_a_batch() -> None:
    (left,) = batches(due("a"), due("b"))
    rules = Rules(NOW, force={"a", "z"}, spread={"b": 10, "z": 20})
    arrived = Order.read(order(left, rules).text()).rules
    assert arrived == Rules(NOW, frozenset({"a"}), {"b": 10})
    assert "z" not in json.loads(order(left, rules).text())["spread"]


def test_a_sealed_batch_says_which_ledger_it_belongs_to_and_nothing_else_that_can_be_read() -> None:
    (left,) = batches(due("a", wanted="Given-Password-2026"))
    ledger: Any = FakeLedger(identity="L-1", generation=7)
    text = sealed(ledger, order(left))
    assert expected_ledger(text) == ("L-1", 7)
    assert "Given-Password-2026" not in text
    assert unsealed(ledger, text).batch.wishes == left.wishes


def test_a_batch_is_opened_only_by_what_it_was_sealed_for() -> None:
    ledger: Any = FakeLedger(identity="L-1", generation=7)
    with pytest.raises(LedgerError):
        unsealed(ledger, f"L-1 7 {ledger.seal_text('something else', '{}')}")
