# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was sent after its lease had gone: the doubt comes back, whatever another run has settled in between."""

from __future__ import annotations

import pytest
from support.ledgers import LEASE, Clock, committed, kept, record, request, run_of, settled, staged, statuses

from ansible_collections.keyturn.devices.plugins.module_utils._ledger import people
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import ImportRow
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.rules import Settlement
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger, Result

SLEEPER, NEXT = run_of("sleeper"), run_of("next")


@pytest.fixture
def asleep(ledger: Ledger, clock: Clock) -> str:
    """A run staged a password and was paused before it sent it, longer than its lease; the id of that password."""
    committed(ledger, "r1", "old")
    result = ledger.stage([request("r1", "late")], SLEEPER, LEASE)[0]
    assert result.details["lease_until"] == clock() + LEASE
    clock.advance(LEASE + 1)
    return str(result.details["password_id"])


def wakes_up(ledger: Ledger, password_id: str, outcome: str = "changed") -> Result:
    proof = "vendor" if outcome == "changed" else "none"
    return ledger.settle([Settlement("r1", outcome, proof=proof, password_id=password_id, late=True)], SLEEPER)[0]


def settled_by_login(ledger: Ledger) -> None:
    (result,) = ledger.resume(["r1"], NEXT, LEASE)
    assert result.status == "resumed"
    assert settled(ledger, NEXT, "r1", live="current", proof="login") == "dropped"


def test_a_settled_device_is_in_doubt_again(ledger: Ledger, asleep: str) -> None:
    """A run is paused before its request, longer than its lease; another takes over; the first wakes up and sends."""
    settled_by_login(ledger)
    assert kept(ledger, "r1") == {"current": ["old"], "dropped": ["late"]}
    result = wakes_up(ledger, asleep)
    assert (result.status, result.changed) == ("reopened", True)
    assert kept(ledger, "r1") == {"staged": ["late"], "current": ["old"]}
    assert record(ledger, "r1")["last_verified"] is None
    reasons = [event["reason"] for event in ledger.devices(["r1"], include_events=9)["r1"]["events"]]
    assert any(reason.startswith("sent_late") for reason in reasons)
    assert statuses(ledger.resume(["r1"], run_of("third"), LEASE)) == {"r1": "resumed"}
    assert settled(ledger, run_of("third"), "r1", live="staged", proof="login") == "committed"
    assert kept(ledger, "r1")["current"] == ["late"]


def test_a_newer_password_that_was_committed_is_in_doubt_too(ledger: Ledger, asleep: str, clock: Clock) -> None:
    assert staged(ledger, NEXT, {"r1": "newest"}, supersede=True) == {"r1": "staged"}
    assert settled(ledger, NEXT, "r1", "changed", proof="login") == "committed"
    assert wakes_up(ledger, asleep).status == "reopened"
    assert kept(ledger, "r1") == {"staged": ["late"], "current": ["newest"], "previous": ["old"]}
    assert record(ledger, "r1")["last_verified"] is None


def test_while_another_is_staged_it_waits_and_is_staged_when_that_one_is_settled(ledger: Ledger, asleep: str) -> None:
    staged(ledger, NEXT, {"r1": "newest"}, supersede=True)
    assert wakes_up(ledger, asleep).status == "reopened"
    assert kept(ledger, "r1")["staged"] == ["newest"]
    # The login may have been before the late one arrived: it proves nothing any more.
    assert settled(ledger, NEXT, "r1", "changed", proof="login", live="staged") == "committed"
    assert kept(ledger, "r1") == {"staged": ["late"], "current": ["newest"], "previous": ["old"]}
    assert record(ledger, "r1")["last_verified"] is None


def test_what_was_sent_late_and_is_in_force_anyway_raises_no_doubt(ledger: Ledger, asleep: str) -> None:
    ledger.resume(["r1"], NEXT, LEASE)
    assert settled(ledger, NEXT, "r1", live="staged", proof="login") == "committed"
    assert wakes_up(ledger, asleep).status == "lost_lease"
    assert record(ledger, "r1")["verified_by"] == "login"
    assert kept(ledger, "r1") == {"current": ["late"], "previous": ["old"]}


def test_what_is_still_staged_stays_so(ledger: Ledger, asleep: str) -> None:
    ledger.resume(["r1"], NEXT, LEASE)
    settled(ledger, NEXT, "r1", "unknown", reason="timeout")
    assert wakes_up(ledger, asleep).status == "reopened"
    assert kept(ledger, "r1")["staged"] == ["late"]
    assert record(ledger, "r1")["last_verified"] is None


def test_a_late_run_that_says_it_twice_changes_it_once(ledger: Ledger, asleep: str) -> None:
    settled_by_login(ledger)
    wakes_up(ledger, asleep)
    assert wakes_up(ledger, asleep).status == "reopened"
    assert kept(ledger, "r1") == {"staged": ["late"], "current": ["old"]}


def test_a_reopened_password_is_not_dropped_by_the_next_refusal(ledger: Ledger, asleep: str) -> None:
    settled_by_login(ledger)
    wakes_up(ledger, asleep)
    ledger.resume(["r1"], run_of("third"), LEASE)
    assert settled(ledger, run_of("third"), "r1", "failed", reason="rejected_by_policy") == "kept"


def test_a_run_that_was_not_late_raises_no_doubt(ledger: Ledger, asleep: str) -> None:
    settled_by_login(ledger)
    assert settled(ledger, SLEEPER, "r1", "unknown", password_id=asleep) == "lost_lease"
    assert record(ledger, "r1")["verified_by"] == "login"


@pytest.mark.parametrize("how", ["released", "imported"])
def test_whose_lease_a_person_broke_raises_a_doubt_even_in_time(ledger: Ledger, how: str) -> None:
    committed(ledger, "r1", "old")
    password_id = ledger.stage([request("r1", "new")], SLEEPER, LEASE)[0].details["password_id"]
    if how == "released":
        assert statuses(people.release(ledger, ["r1"], run_of("by hand"))) == {"r1": "released"}
        ledger.resume(["r1"], NEXT, LEASE)
        settled(ledger, NEXT, "r1", live="current", proof="login")
    else:
        people.import_passwords(ledger, [ImportRow("r1", "old")], run_of("by hand"))
    assert kept(ledger, "r1")["current"] == ["old"]
    assert settled(ledger, SLEEPER, "r1", "changed", proof="vendor", password_id=password_id) == "reopened"
    assert kept(ledger, "r1")["staged"] == ["new"]


def test_after_a_lease_was_broken_nothing_new_is_staged_while_a_request_may_be_on_its_way(ledger: Ledger, clock: Clock) -> None:
    staged(ledger, SLEEPER, {"r1": "new"})
    people.release(ledger, ["r1"], run_of("by hand"))
    (result,) = ledger.stage([request("r1", "newer", supersede=True)], NEXT, LEASE)
    assert (result.status, result.reason) == ("busy", "fenced")
    clock.advance(46)
    assert staged(ledger, NEXT, {"r1": "newer"}, supersede=True) == {"r1": "staged"}


def test_a_password_nobody_has_spoken_of_since_outlives_a_login(ledger: Ledger, asleep: str, clock: Clock) -> None:
    settled_by_login(ledger)
    clock.advance(10 * LEASE)
    committed(ledger, "r1", "proven since")
    assert wakes_up(ledger, asleep).status == "reopened"
    assert kept(ledger, "r1")["staged"] == ["late"]


def test_one_that_is_gone_is_told(ledger: Ledger, asleep: str) -> None:
    result = wakes_up(ledger, "an id that nobody knows")
    settled_by_login(ledger) if result.status == "kept" else None
    assert ledger.settle([Settlement("r1", "changed", password_id="unknown", late=True)], run_of("stranger"))[0].reason == "not_in_ledger"
    assert record(ledger, "r1")["last_verified"] is None
