# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger as a rotation's journal. Named after what each proves; the list follows what password rotators elsewhere learned to test."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.ledgers import LEASE, Clock, committed, kept, record, request, run_of, settled, staged, statuses

from ansible_collections.keyturn.devices.plugins.module_utils._ledger import people
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError, PasswordRefused
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import ImportRow
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.rules import Settlement
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run


def test_a_staged_password_is_durable_before_any_device_hears_of_it(ledger: Ledger, open_again: Callable[..., Ledger]) -> None:
    staged(ledger, run_of("a"), {"r1": "new-1"})
    ledger.close()
    assert kept(open_again(), "r1") == {"staged": ["new-1"]}


def test_commit_makes_the_staged_password_current_and_the_current_one_previous(ledger: Ledger) -> None:
    committed(ledger, "r1", "one", "two")
    assert kept(ledger, "r1") == {"current": ["two"], "previous": ["one"]}
    known = record(ledger, "r1")
    assert known["last_verified"] == "2027-01-15T08:00:00Z"
    assert known["verified_by"] == "login"
    assert known["lease"] is None
    assert known["attempts"] == 0


def test_an_interrupted_rotation_rolls_forward_with_the_password_of_the_journal(ledger: Ledger, clock: Clock) -> None:
    staged(ledger, run_of("killed"), {"r1": "new-1"})
    clock.advance(LEASE + 1)
    resumed = ledger.resume(["r1"], run_of("next"), LEASE)[0]
    assert (resumed.status, resumed.details["attempts"]) == ("resumed", 2)
    assert ledger.passwords(["r1"], "staged") == {"r1": "new-1"}
    assert settled(ledger, run_of("next"), "r1", "changed", proof="vendor") == "committed"
    assert kept(ledger, "r1") == {"current": ["new-1"]}


def test_stored_journals_are_found_when_the_next_run_starts(ledger: Ledger, open_again: Callable[..., Ledger]) -> None:
    staged(ledger, run_of("killed"), {"r1": "new-1", "r2": "new-2"})
    committed(ledger, "r3", "done")
    assert {name for name, known in open_again().devices().items() if known["staged"]} == {"r1", "r2"}


def test_a_new_password_is_not_made_while_one_is_unsettled(ledger: Ledger, clock: Clock) -> None:
    staged(ledger, run_of("killed"), {"r1": "new-1"})
    clock.advance(LEASE + 1)
    assert staged(ledger, run_of("next"), {"r1": "new-2"}) == {"r1": "already_staged"}
    assert kept(ledger, "r1") == {"staged": ["new-1"]}


def test_staging_the_same_again_in_the_same_run_changes_nothing(ledger: Ledger) -> None:
    run = run_of("a")
    staged(ledger, run, {"r1": "new-1"})
    result = ledger.stage([request("r1", "new-1", supersede=True)], run, LEASE)[0]
    assert (result.status, result.changed) == ("already_staged", False)


def test_a_dropped_password_stays_in_the_history_until_a_change_is_proven(ledger: Ledger, clock: Clock) -> None:
    committed(ledger, "r1", "old")
    staged(ledger, run_of("a"), {"r1": "refused"})
    assert settled(ledger, run_of("a"), "r1", "failed", reason="rejected_by_policy") == "dropped"
    assert kept(ledger, "r1") == {"current": ["old"], "dropped": ["refused"]}
    clock.advance(LEASE + 1)
    staged(ledger, run_of("b"), {"r1": "unproven"})
    settled(ledger, run_of("b"), "r1", "changed", proof="vendor")
    assert kept(ledger, "r1") == {"current": ["unproven"], "previous": ["old"], "dropped": ["refused"]}
    committed(ledger, "r1", "proven")
    assert kept(ledger, "r1") == {"current": ["proven"], "previous": ["unproven", "old"]}


def test_the_vendors_word_alone_does_not_make_the_ledger_forget(ledger: Ledger, clock: Clock) -> None:
    staged(ledger, run_of("a"), {"r1": "said to be refused"})
    settled(ledger, run_of("a"), "r1", "failed")
    clock.advance(LEASE + 1)
    committed(ledger, "r1", *(f"said to be taken {number}" for number in range(20)), proof="vendor")
    assert kept(ledger, "r1")["dropped"] == ["said to be refused"]


def test_what_a_device_may_still_be_told_to_take_outlives_even_a_log_in(ledger: Ledger) -> None:
    committed(ledger, "r1", "old")
    staged(ledger, run_of("a"), {"r1": "on its way"})
    settled(ledger, run_of("a"), "r1", live="current", proof="login")
    committed(ledger, "r1", "new")
    assert kept(ledger, "r1")["dropped"] == ["on its way"]


def test_at_least_ten_former_passwords_stay(ledger: Ledger, clock: Clock) -> None:
    for number in range(15):
        committed(ledger, "r1", f"password-{number}")
        clock.advance(LEASE + 1)
    assert kept(ledger, "r1")["previous"] == [f"password-{number}" for number in range(13, 3, -1)]


def test_as_many_former_passwords_stay_as_the_policy_looks_back_on(ledger: Ledger, clock: Clock) -> None:
    for number in range(20):
        run = Run(str(number))
        staged(ledger, run, {"r1": f"password-{number}"}, history=14)
        settled(ledger, run, "r1", "changed", proof="login")
        clock.advance(LEASE + 1)
    assert len(kept(ledger, "r1")["previous"]) == 14


def test_whoever_makes_a_password_is_told_the_former_ones_newest_first(ledger: Ledger, clock: Clock) -> None:
    committed(ledger, "r1", "one", "two")
    staged(ledger, run_of("a"), {"r1": "dropped"})
    settled(ledger, run_of("a"), "r1", "failed")
    told: list[list[str]] = []

    def make(former: list[str]) -> str:
        told.append(former)
        return "new"

    ledger.stage([request("r1", "", make=make)], run_of("b"), LEASE)
    assert told == [["two", "dropped", "one"]]


def test_the_journal_of_a_device_that_left_the_inventory_stays(ledger: Ledger, clock: Clock) -> None:
    staged(ledger, run_of("killed"), {"left": "new-1"})
    clock.advance(365 * 86400)
    committed(ledger, "stayed", "one", "two")
    assert kept(ledger, "left") == {"staged": ["new-1"]}


def test_a_newer_rotation_supersedes_the_unsettled_one_and_wins(ledger: Ledger, clock: Clock) -> None:
    committed(ledger, "r1", "old")
    staged(ledger, run_of("killed"), {"r1": "in doubt"})
    clock.advance(LEASE + 1)
    assert staged(ledger, run_of("newer"), {"r1": "newest"}, supersede=True) == {"r1": "staged"}
    assert kept(ledger, "r1") == {"staged": ["newest"], "current": ["old"], "superseded": ["in doubt"]}
    assert settled(ledger, run_of("killed"), "r1", "changed", proof="vendor") == "lost_lease"
    assert settled(ledger, run_of("newer"), "r1", "changed", proof="login") == "committed"
    assert kept(ledger, "r1") == {"current": ["newest"], "previous": ["old"]}


def test_superseding_with_the_password_that_is_already_staged_keeps_its_attempts(ledger: Ledger, clock: Clock) -> None:
    staged(ledger, run_of("killed"), {"r1": "from a list"})
    clock.advance(LEASE + 1)
    assert staged(ledger, run_of("again"), {"r1": "from a list"}, supersede=True) == {"r1": "already_staged"}


def test_a_plan_made_on_an_older_password_stages_nothing(ledger: Ledger) -> None:
    committed(ledger, "r1", "one")
    planned_with = record(ledger, "r1")["current"]["id"]
    committed(ledger, "r1", "two by another run")
    assert staged(ledger, run_of("late"), {"r1": "three"}, expected_current=planned_with) == {"r1": "changed_meanwhile"}
    assert staged(ledger, run_of("late"), {"r1": "three"}, expected_current="") == {"r1": "changed_meanwhile"}
    now = record(ledger, "r1")["current"]["id"]
    assert staged(ledger, run_of("late"), {"r1": "three"}, expected_current=now) == {"r1": "staged"}


def test_one_refused_password_stops_the_whole_batch_and_names_every_device(ledger: Ledger) -> None:
    def refuse(_former: list[str]) -> str:
        raise PasswordRefused("the password is shorter than 20 characters")

    requests = [request("r1", "good"), request("r2", "", make=refuse), request("r3", "", make=refuse)]
    with pytest.raises(LedgerError, match=r"r2: the password is shorter.*r3: ") as caught:
        ledger.stage(requests, run_of("a"), LEASE)
    assert caught.value.reason == "policy"
    assert [place for place, _message in caught.value.problems] == ["r2", "r3"]
    assert ledger.devices() == {}


def test_settling_again_says_the_same_and_changes_nothing(ledger: Ledger) -> None:
    staged(ledger, run_of("a"), {"r1": "one", "r2": "two"})
    outcomes = [Settlement("r1", "changed", proof="vendor"), Settlement("r2", "unknown", "timeout")]
    first = statuses(ledger.settle(outcomes, run_of("a")))
    before = ledger.devices(include_secrets=True, include_events=100)
    again = ledger.settle(outcomes, run_of("a"))
    assert first == statuses(again) == {"r1": "committed", "r2": "kept"}
    assert not any(result.changed for result in again)
    assert ledger.devices(include_secrets=True, include_events=100) == before


def test_every_change_leaves_an_event_without_a_secret(ledger: Ledger, clock: Clock) -> None:
    staged(ledger, run_of("run-1"), {"r1": "secret-one"})
    settled(ledger, run_of("run-1"), "r1", "unknown", reason="timeout")
    clock.advance(60)
    ledger.resume(["r1"], run_of("run-2"), LEASE)
    settled(ledger, run_of("run-2"), "r1", live="staged", proof="login")
    events = ledger.devices(["r1"], include_events=10)["r1"]["events"]
    assert [(event["run_id"], event["from"], event["to"], event["reason"]) for event in reversed(events)] == [
        ("run-1", "", "staged", "value"),
        ("run-1", "staged", "staged", "kept: timeout"),
        ("run-2", "staged", "staged", "attempt 2"),
        ("run-2", "staged", "current", "unknown"),
    ]
    assert all("@" in event["who"] for event in events)
    assert "secret-one" not in repr(events)
    assert len(ledger.devices(include_events=2)["r1"]["events"]) == 2


def test_verifying_records_the_proof_of_the_current_password(ledger: Ledger, clock: Clock) -> None:
    people.import_passwords(ledger, [ImportRow("r1", "one")], run_of("by hand"))
    staged(ledger, run_of("a"), {"r2": "not committed"})
    assert record(ledger, "r1")["last_verified"] is None
    clock.advance(60)
    results = ledger.verified(["r1", "r2", "unheard-of"], run_of("b"), "login")
    assert statuses(results) == {"r1": "verified", "r2": "no_current", "unheard-of": "no_current"}
    assert record(ledger, "r1")["last_verified"] == "2027-01-15T08:01:00Z"


@pytest.mark.parametrize("names", [["r1", "r1"], [""], ["r\n1"], ["r\0"], ["r\ud800"]])
def test_a_name_that_cannot_be_one_is_refused(ledger: Ledger, names: list[str]) -> None:
    with pytest.raises(LedgerError, match="name"):
        ledger.stage([request(name, "password") for name in names], run_of("a"), LEASE)
    assert ledger.devices() == {}
