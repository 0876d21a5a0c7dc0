# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How attempts are settled: when a staged password is committed, dropped, kept or given to a person."""

from __future__ import annotations

import pytest
from support.ledgers import LEASE, Clock, committed, kept, record, run_of, settled, staged, statuses

from ansible_collections.keyturn.devices.plugins.module_utils._ledger import people
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import ImportRow
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.rules import Attempt, Settlement, decide
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger

FIRST = Attempt(attempts=1, excused=0, has_password=True)
SECOND = Attempt(attempts=2, excused=0, has_password=True)
LAST = Attempt(attempts=5, excused=0, has_password=True)
AWAITING = Attempt(attempts=1, excused=0, has_password=False)


@pytest.mark.parametrize(
    ("outcome", "attempt", "status"),
    [
        (Settlement("r", "changed", proof="vendor"), FIRST, "committed"),
        (Settlement("r", "unchanged", proof="login"), SECOND, "committed"),
        # Nothing vouches for it, and a vendor that says "unchanged" may mean the old password.
        (Settlement("r", "changed"), FIRST, "kept"),
        (Settlement("r", "unchanged"), FIRST, "kept"),
        (Settlement("r", "unchanged", proof="vendor"), FIRST, "kept"),
        (Settlement("r", "unchanged", "same_password", proof="vendor"), LAST, "orphaned"),
        (Settlement("r", "failed"), FIRST, "dropped"),
        (Settlement("r", "failed", "offline"), FIRST, "dropped"),
        (Settlement("r", "failed"), SECOND, "kept"),
        (Settlement("r", "unknown"), FIRST, "kept"),
        (Settlement("r", "unknown"), LAST, "orphaned"),
        (Settlement("r", "failed"), LAST, "orphaned"),
        (Settlement("r", "unknown", "offline"), LAST, "kept"),
        (Settlement("r", "unknown"), Attempt(5, 1, True), "kept"),
        (Settlement("r", "changed", proof="vendor"), LAST, "committed"),
        # What a log-in proved goes before what anybody said.
        (Settlement("r", "failed", live="staged"), FIRST, "committed"),
        (Settlement("r", "changed", live="current"), FIRST, "dropped"),
        (Settlement("r", "unknown", live="current"), LAST, "dropped"),
        (Settlement("r", "changed", live="neither"), FIRST, "orphaned"),
        # A password that nobody has yet is no current one.
        (Settlement("r", "changed", proof="vendor"), AWAITING, "kept"),
        (Settlement("r", "failed"), AWAITING, "dropped"),
        (Settlement("r", "changed"), Attempt(5, 0, False), "orphaned"),
    ],
)
def test_the_verdict(outcome: Settlement, attempt: Attempt, status: str) -> None:
    assert decide(outcome, attempt, max_attempts=5).status == status


def test_an_unknown_outcome_keeps_both_passwords(ledger: Ledger) -> None:
    committed(ledger, "r1", "old")
    staged(ledger, run_of("a"), {"r1": "new"})
    assert settled(ledger, run_of("a"), "r1", "unknown", reason="timeout") == "kept"
    assert kept(ledger, "r1") == {"staged": ["new"], "current": ["old"]}
    assert record(ledger, "r1")["staged"]["last_reason"] == "timeout"


def test_a_refusal_after_a_killed_attempt_does_not_drop_what_may_be_in_force(ledger: Ledger, clock: Clock) -> None:
    staged(ledger, run_of("killed"), {"r1": "may be in force"})
    clock.advance(LEASE + 1)
    ledger.resume(["r1"], run_of("next"), LEASE)
    assert settled(ledger, run_of("next"), "r1", "failed", reason="rejected_by_policy") == "kept"
    assert kept(ledger, "r1") == {"staged": ["may be in force"]}


def test_a_log_in_with_the_current_password_drops_the_staged_one_and_verifies(ledger: Ledger) -> None:
    people.import_passwords(ledger, [ImportRow("r1", "old")], run_of("by hand"))
    staged(ledger, run_of("a"), {"r1": "new"})
    assert settled(ledger, run_of("a"), "r1", live="current", proof="login") == "dropped"
    assert kept(ledger, "r1") == {"current": ["old"], "dropped": ["new"]}
    assert record(ledger, "r1")["verified_by"] == "login"


def test_when_neither_logs_in_both_stay_and_nothing_more_is_made_or_tried(ledger: Ledger, clock: Clock) -> None:
    committed(ledger, "r1", "old")
    staged(ledger, run_of("a"), {"r1": "new"})
    assert settled(ledger, run_of("a"), "r1", live="neither", proof="login") == "orphaned"
    clock.advance(10 * LEASE)
    assert staged(ledger, run_of("b"), {"r1": "newer"}, supersede=True) == {"r1": "orphaned"}
    assert statuses(ledger.resume(["r1"], run_of("b"), LEASE)) == {"r1": "orphaned"}
    assert settled(ledger, run_of("b"), "r1", "changed") == "lost_lease"
    assert kept(ledger, "r1") == {"staged": ["new"], "current": ["old"]}
    assert record(ledger, "r1")["orphaned"] is True


def test_attempts_are_bounded_and_then_a_person_is_told(ledger: Ledger) -> None:
    staged(ledger, run_of("1"), {"r1": "new"})
    for number in (1, 2):
        assert settled(ledger, run_of(str(number)), "r1", "unknown", max_attempts=3) == "kept"
        ledger.resume(["r1"], run_of(str(number + 1)), LEASE, max_attempts=3)
    assert settled(ledger, run_of("3"), "r1", "unknown", max_attempts=3) == "orphaned"
    assert record(ledger, "r1")["orphaned_reason"] == "too_many_attempts"


def test_a_run_that_is_killed_over_and_over_does_not_try_for_ever(ledger: Ledger, clock: Clock) -> None:
    staged(ledger, run_of("0"), {"r1": "new"})
    found = []
    for number in range(1, 4):
        clock.advance(LEASE + 1)
        found.append(ledger.resume(["r1"], run_of(str(number)), LEASE, max_attempts=3)[0].status)
    assert found == ["resumed", "resumed", "orphaned"]


def test_attempts_at_an_offline_device_do_not_count(ledger: Ledger) -> None:
    staged(ledger, run_of("0"), {"r1": "new"})
    settled(ledger, run_of("0"), "r1", "unknown", reason="timeout")
    for number in range(1, 10):
        ledger.resume(["r1"], run_of(str(number)), LEASE, max_attempts=3)
        assert settled(ledger, run_of(str(number)), "r1", "failed", reason="offline", max_attempts=3) == "kept"


def test_a_person_can_commit_or_drop_what_is_staged_and_clear_an_orphan(ledger: Ledger) -> None:
    for name in ("r1", "r2"):
        committed(ledger, name, "old")
        staged(ledger, run_of("a"), {name: "new"})
        settled(ledger, run_of("a"), name, live="neither")
    assert settled(ledger, run_of("by hand"), "r1", live="staged", claim=True) == "committed"
    assert settled(ledger, run_of("by hand"), "r2", live="current", claim=True) == "dropped"
    assert kept(ledger, "r1") == {"current": ["new"], "previous": ["old"]}
    assert kept(ledger, "r2") == {"current": ["old"], "dropped": ["new"]}
    assert not record(ledger, "r1")["orphaned"]
    assert not record(ledger, "r2")["orphaned"]
    assert settled(ledger, run_of("by another hand"), "r1", live="staged", claim=True) == "nothing_staged"


def test_a_person_does_not_decide_over_a_run_that_is_at_it(ledger: Ledger) -> None:
    staged(ledger, run_of("a"), {"r1": "new"})
    assert settled(ledger, run_of("by hand"), "r1", live="current", claim=True) == "busy"
    assert settled(ledger, run_of("a"), "r1", "changed", proof="vendor") == "committed"


@pytest.mark.parametrize("wrong", [{"outcome": "maybe"}, {"proof": "hearsay"}, {"live": "both"}, {"reason": "with\nlines"}])
def test_an_outcome_that_is_none_is_refused(ledger: Ledger, wrong: dict[str, str]) -> None:
    staged(ledger, run_of("a"), {"r1": "new"})
    with pytest.raises(LedgerError) as caught:
        settled(ledger, run_of("a"), "r1", **{"outcome": "changed", **wrong})
    assert caught.value.reason == "input"


def test_passwords_that_the_vendor_makes_are_collected_after_they_are_staged(ledger: Ledger) -> None:
    staged(ledger, run_of("a"), {"r1": None, "r2": None}, list_id="list-a")
    assert record(ledger, "r1")["staged"]["awaiting"] is True
    assert settled(ledger, run_of("a"), "r2", "changed", proof="vendor") == "kept"
    assert statuses(ledger.collect(run_of("a"), {"r1": "made by vendor"})) == {"r1": "collected"}
    assert statuses(ledger.collect(run_of("a"), {"r1": "made by vendor"})) == {"r1": "unchanged"}
    assert settled(ledger, run_of("a"), "r1", "changed", proof="vendor") == "committed"
    assert kept(ledger, "r1") == {"current": ["made by vendor"]}


def test_the_next_run_collects_what_a_killed_one_left(ledger: Ledger, clock: Clock) -> None:
    staged(ledger, run_of("killed"), {"r1": None}, list_id="list-a")
    clock.advance(LEASE + 1)
    resumed = ledger.resume(["r1"], run_of("next"), LEASE)[0]
    assert (resumed.status, resumed.details["list_id"]) == ("awaiting", "list-a")
    assert statuses(ledger.collect(run_of("next"), {"r1": "made by vendor"})) == {"r1": "collected"}
    assert kept(ledger, "r1") == {"staged": ["made by vendor"]}


def test_a_list_that_comes_late_is_kept_even_though_another_run_went_on(ledger: Ledger, clock: Clock) -> None:
    staged(ledger, run_of("slow"), {"r1": None})
    clock.advance(LEASE + 1)
    staged(ledger, run_of("newer"), {"r1": "newest"}, supersede=True)
    assert statuses(ledger.collect(run_of("slow"), {"r1": "came late"})) == {"r1": "collected"}
    assert kept(ledger, "r1") == {"staged": ["newest"], "superseded": ["came late"]}


def test_two_lists_for_one_device_are_both_kept(ledger: Ledger) -> None:
    staged(ledger, run_of("a"), {"r1": None})
    ledger.collect(run_of("a"), {"r1": "first"})
    assert statuses(ledger.collect(run_of("a"), {"r1": "second"})) == {"r1": "collected"}
    assert kept(ledger, "r1") == {"staged": ["second"], "superseded": ["first"]}


def test_a_password_that_nobody_awaits_is_not_taken(ledger: Ledger) -> None:
    committed(ledger, "r1", "old")
    staged(ledger, run_of("a"), {"r2": None})
    results = ledger.collect(run_of("stranger"), {"r1": "x", "r2": "y", "r3": "z"})
    assert statuses(results) == {"r1": "nothing_awaited", "r2": "lost_lease", "r3": "nothing_awaited"}
