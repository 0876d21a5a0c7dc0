# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The serial number is the device: names follow it, boxes are exchanged and come back, and nothing is lost on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.ledgers import LEASE, committed, kept, opened, record, request, run_of, settled, staged, statuses

from ansible_collections.keyturn.devices.plugins.module_utils._ledger import people
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import ImportRow
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger

RUN = run_of("follower")


@pytest.fixture
def fleet(ledger: Ledger) -> Ledger:
    """Three devices: a has serial 1, b has 2, c has none."""
    rows = [ImportRow("a", "of one", "1"), ImportRow("b", "of two", "2"), ImportRow("c", "of c")]
    people.import_passwords(ledger, rows, run_of("import"))
    return ledger


def current(ledger: Ledger, **more: Any) -> dict[str, tuple[str | None, str]]:
    known = ledger.devices(include_secrets=True, **more)
    return {name: (device["serial"], device["current"]["password"]) for name, device in known.items() if device["current"]}


def test_a_device_renamed_in_the_inventory_keeps_its_passwords(fleet: Ledger) -> None:
    (result,) = fleet.follow({"new name": "1"}, RUN)
    assert (result.status, result.details["old_name"], result.changed) == ("renamed", "a", True)
    assert current(fleet) == {"new name": ("1", "of one"), "b": ("2", "of two"), "c": (None, "of c")}
    assert [result.status for result in fleet.follow({"new name": "1"}, RUN)] == ["unchanged"]
    events = fleet.devices(["new name"], include_events=9)["new name"]["events"]
    assert (events[0]["reason"], events[0]["name"], events[-1]["name"]) == ("renamed: was a", "new name", "a")


def test_names_that_were_swapped_are_swapped_in_one_step(fleet: Ledger) -> None:
    assert statuses(fleet.follow({"a": "2", "b": "1"}, RUN)) == {"a": "renamed", "b": "renamed"}
    assert current(fleet) == {"a": ("2", "of two"), "b": ("1", "of one"), "c": (None, "of c")}


def test_names_that_moved_round_are_followed(fleet: Ledger) -> None:
    fleet.follow({"c": "3"}, RUN)
    assert set(statuses(fleet.follow({"a": "3", "b": "1", "c": "2"}, RUN)).values()) == {"renamed"}
    assert current(fleet) == {"a": ("3", "of c"), "b": ("1", "of one"), "c": ("2", "of two")}


def test_an_exchanged_box_begins_its_own_record_and_the_old_one_is_put_away(fleet: Ledger) -> None:
    (result,) = fleet.follow({"a": "9"}, RUN)
    assert (result.status, dict(result.details)) == ("exchanged", {"old_serial": "1", "put_away_as": "a (1)"})
    assert set(fleet.devices()) == {"b", "c"}
    assert current(fleet, include_retired=True)["a (1)"] == ("1", "of one")
    assert staged(fleet, run_of("next"), {"a": "of nine"}, serial="9") == {"a": "staged"}
    assert kept(fleet, "a") == {"staged": ["of nine"]}


def test_a_box_that_was_put_away_comes_back_with_its_history(fleet: Ledger) -> None:
    fleet.follow({"a": "9"}, RUN)
    (result,) = fleet.follow({"spare": "1"}, RUN)
    assert (result.status, result.details["old_name"]) == ("renamed", "a (1)")
    assert current(fleet)["spare"] == ("1", "of one")
    assert record(fleet, "spare")["retired"] is False


def test_a_name_given_to_a_known_box_puts_the_other_away(fleet: Ledger) -> None:
    (result,) = fleet.follow({"a": "2"}, RUN)
    assert (result.status, result.details["old_name"], result.details["put_away_as"]) == ("renamed", "b", "a (1)")
    assert current(fleet) == {"a": ("2", "of two"), "c": (None, "of c")}


def test_boxes_exchanged_again_and_again_are_all_kept(fleet: Ledger) -> None:
    for serial in ("9", "1", "9", "1"):
        fleet.follow({"a": serial}, RUN)
    assert current(fleet, include_retired=True)["a"] == ("1", "of one")


def test_a_record_without_a_serial_learns_it(fleet: Ledger) -> None:
    assert statuses(fleet.follow({"c": "3"}, RUN)) == {"c": "learned"}
    assert current(fleet)["c"] == ("3", "of c")


def test_what_the_ledger_does_not_know_is_new_and_gets_no_record(fleet: Ledger) -> None:
    assert statuses(fleet.follow({"d": "4"}, RUN)) == {"d": "new"}
    assert "d" not in fleet.devices()


def test_a_serial_of_two_names_is_refused(fleet: Ledger) -> None:
    calls: list[Callable[[], object]] = [
        lambda: fleet.follow({"x": "1", "y": "1"}, RUN),
        lambda: fleet.stage([request("x", "new", serial="1"), request("y", "newer", serial="1")], RUN, LEASE),
        lambda: people.import_passwords(fleet, [ImportRow("x", "new", "1"), ImportRow("y", "newer", "1")], RUN),
    ]
    for call in calls:
        with pytest.raises(LedgerError, match="same serial"):
            call()


def test_two_runs_with_one_serial_under_two_names_never_change_it_twice_at_once(fleet: Ledger) -> None:
    """Two inventory names with one serial number, in two runs that are limited to one of them each."""
    assert staged(fleet, run_of("one"), {"a": "of run one"}, serial="1") == {"a": "staged"}
    assert staged(fleet, run_of("two"), {"copy of a": "of run two"}, serial="1") == {"copy of a": "busy"}
    assert settled(fleet, run_of("one"), "a", "changed", proof="login") == "committed"
    (result,) = fleet.stage([request("copy of a", "of run two", serial="1")], run_of("two"), LEASE)
    assert (result.status, result.warnings, result.details["old_name"]) == ("staged", ("renamed",), "a")
    assert settled(fleet, run_of("two"), "copy of a", "changed", proof="login") == "committed"
    assert current(fleet)["copy of a"] == ("1", "of run two")
    assert "a" not in fleet.devices()


def test_nothing_is_renamed_while_a_run_is_at_it(fleet: Ledger) -> None:
    staged(fleet, run_of("at it"), {"a": "new"})
    before = fleet.devices(include_secrets=True)
    assert statuses(fleet.follow({"a": "2", "b": "1"}, RUN)) == {"a": "busy", "b": "busy"}
    assert statuses(fleet.follow({"a": "9"}, RUN)) == {"a": "busy"}
    assert statuses(fleet.retire(["a"], RUN)) == {"a": "busy"}
    assert fleet.devices(include_secrets=True) == before


def test_following_in_check_mode_says_the_same_and_does_nothing(fleet: Ledger, open_again: Callable[..., Ledger]) -> None:
    before = fleet.devices(include_secrets=True, include_events=99)
    dry = open_again(dry_run=True)
    told = [statuses(dry.follow(wanted, RUN)) for wanted in ({"a": "2", "b": "1"}, {"x": "1"}, {"c": "3"}, {"a": "9"})]
    assert told == [{"a": "renamed", "b": "renamed"}, {"x": "renamed"}, {"c": "learned"}, {"a": "exchanged"}]
    assert statuses(dry.retire(["a"], RUN)) == {"a": "retired"}
    assert fleet.devices(include_secrets=True, include_events=99) == before


def test_a_retired_device_keeps_its_history_and_comes_back_when_it_is_wanted(fleet: Ledger) -> None:
    committed(fleet, "a", "newer")
    assert statuses(fleet.retire(["a", "d"], RUN)) == {"a": "retired", "d": "not_in_ledger"}
    assert statuses(fleet.retire(["a"], RUN)) == {"a": "unchanged"}
    assert set(fleet.devices()) == {"b", "c"}
    assert statuses(fleet.follow({"a": "1"}, RUN)) == {"a": "returned"}
    assert kept(fleet, "a") == {"current": ["newer"], "previous": ["of one"]}
    fleet.retire(["a", "b"], RUN)
    people.import_passwords(fleet, [ImportRow("a", "imported")], RUN)
    assert staged(fleet, run_of("next"), {"b": "staged"}, serial="2") == {"b": "staged"}
    assert set(fleet.devices()) == {"a", "b", "c"}


def test_a_listing_tells_since_when_a_device_is_offline(fleet: Ledger, clock: Any) -> None:
    serials = {"a": "1", "b": "2", "d": "4"}
    fleet.observe(RUN, offline=["a", "d"], online=["b", "never heard of"], serials=serials)
    since = record(fleet, "a")["offline_since"]
    assert since is not None
    assert record(fleet, "d")["offline_since"] == since
    assert record(fleet, "d")["serial"] == "4"
    assert "never heard of" not in fleet.devices()
    clock.advance(3600)
    fleet.observe(RUN, offline=["a", "d"], online=["b"], serials=serials)
    assert record(fleet, "a")["offline_since"] == since
    fleet.observe(RUN, offline=["d"], online=["a"], serials=serials)
    assert record(fleet, "a")["offline_since"] is None


def test_a_listing_speaks_of_the_box_and_not_of_its_name(fleet: Ledger) -> None:
    fleet.observe(RUN, offline=["b", "c"], online=["a"], serials={"a": "9", "b": "1", "c": "8"})
    assert [record(fleet, name)["offline_since"] is None for name in ("a", "b")] == [False, True]


def test_proven_contact_ends_being_offline(fleet: Ledger) -> None:
    for prove in (
        lambda: fleet.verified(["a"], RUN),
        lambda: committed(fleet, "a", "by login"),
        lambda: committed(fleet, "a", "by vendor", proof="vendor"),
    ):
        fleet.observe(RUN, offline=["a"], online=[], serials={})
        prove()
        assert record(fleet, "a")["offline_since"] is None


def test_rotations_that_fail_in_a_row_are_counted(fleet: Ledger) -> None:
    def rotate(number: int, outcome: str, **more: Any) -> tuple[int, str | None]:
        run = run_of(f"run {number}")
        if not record(fleet, "a")["staged"]:
            staged(fleet, run, {"a": f"password {number}"})
        fleet.resume(["a"], run, LEASE)
        settled(fleet, run, "a", outcome, **more)
        return record(fleet, "a")["failures"], record(fleet, "a")["last_failure"]

    assert rotate(1, "failed", reason="rejected_by_policy") == (1, "rejected_by_policy")
    assert rotate(2, "unknown", reason="timeout") == (2, "timeout")
    assert rotate(3, "unknown", live="current", proof="login") == (0, None)
    assert rotate(4, "failed", reason="offline") == (1, "offline")
    assert record(fleet, "a")["offline_since"] is not None
    assert rotate(5, "changed", proof="vendor") == (0, None)
    assert record(fleet, "a")["offline_since"] is None


def test_an_import_by_another_name_follows_its_serial(fleet: Ledger) -> None:
    (result,) = people.import_passwords(fleet, [ImportRow("new name", "found", "1")], RUN)
    assert (result.status, result.warnings) == ("imported", ("renamed",))
    assert kept(fleet, "new name") == {"current": ["found"], "previous": ["of one"]}


def test_names_and_serials_survive_a_second_process(fleet: Ledger, url: str) -> None:
    fleet.follow({"x": "1"}, RUN)
    with opened(url) as again:
        assert again.names_by_serial() == {"1": "x", "2": "b"}
