# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The account of a run: what is counted as what, and when a run stops."""

from __future__ import annotations

import pytest

from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.tally import GOOD, STATUS, Tally, Told, told_of

NOUNS = ("box", "boxes")


def told(**results: str) -> list[Told]:
    return [Told(name, result) for name, result in results.items()]


def test_a_run_goes_on_while_failures_stay_within_the_limit() -> None:
    tally = Tally(50, NOUNS)
    tally.add(told(a="committed", b="dropped", c="busy"), tried=2)
    assert (tally.stop, tally.counts) == ("", {"changed": 1, "failed": 1, "left_alone": 1})


def test_a_run_stops_when_too_many_failed() -> None:
    tally = Tally(20, NOUNS)
    tally.add(told(a="committed", b="dropped"), tried=2)
    assert tally.stop == "1 of 2 boxes failed, the limit is 20 percent"


def test_failures_are_counted_over_all_batches_of_a_run() -> None:
    tally = Tally(20, NOUNS)
    tally.add(told(**dict.fromkeys("abcdefgh", "committed")), tried=8)
    tally.add(told(i="dropped", j="kept"), tried=2)
    assert tally.stop == ""
    tally.add(told(k="orphaned"), tried=1)
    assert tally.stop == "3 of 11 boxes failed, the limit is 20 percent"


@pytest.mark.parametrize(("limit", "failed", "tried", "stops"), [(0, 0, 5, False), (0, 1, 5, True), (20, 1, 5, False), (100, 5, 5, False)])
def test_the_limit_is_a_share_that_may_be_reached_but_not_passed(limit: int, failed: int, tried: int, stops: bool) -> None:
    tally = Tally(limit, NOUNS)
    tally.add([Told(str(number), "dropped" if number < failed else "committed") for number in range(tried)], tried)
    assert bool(tally.stop) == stops


def test_devices_that_failed_before_do_not_count_so_that_a_few_stubborn_ones_cannot_starve_a_fleet() -> None:
    tally = Tally(20, NOUNS)
    tally.add(told(a="kept", b="dropped", c="committed"), tried=1, failed_before=["a", "b"])
    assert (tally.stop, tally.counts) == ("", {"unknown": 1, "failed": 1, "changed": 1})


def test_a_device_that_was_merely_offline_is_no_failure() -> None:
    tally = Tally(0, NOUNS)
    tally.add([Told("a", "offline", "offline"), Told("b", "kept", "offline"), Told("c", "offline_unsettled", "offline")], tried=3)
    assert (tally.stop, tally.failures) == ("", 0)


def test_an_old_password_that_reconcile_proved_is_no_failure() -> None:
    tally = Tally(0, NOUNS)
    tally.add(told(a="settled"), tried=1)
    assert (tally.stop, tally.counts) == ("", {"settled": 1})


def test_a_fault_of_the_whole_call_stops_the_run_with_its_own_words_which_no_later_batch_replaces() -> None:
    tally = Tally(20, NOUNS)
    tally.add(told(a="dropped", b="dropped"), tried=2, stop="the token was refused")
    tally.add(told(c="dropped"), tried=1, stop="something else")
    assert tally.stop == "the token was refused"


def test_a_batch_that_could_stage_nothing_stops_no_run_by_itself() -> None:
    tally = Tally(0, NOUNS)
    tally.add(told(a="busy"), tried=0)
    assert tally.stop == ""


def test_progress_is_told_in_words_over_all_batches() -> None:
    tally = Tally(100, NOUNS)
    assert tally.progress == "nothing done"
    tally.add(told(a="committed", b="kept"), tried=2)
    tally.add(told(c="committed", d="not_reached"), tried=1)
    assert tally.progress == "2 changed, 1 not reached, 1 unknown so far"


def test_a_result_that_is_no_failure_is_left_alone() -> None:
    assert {Told("a", result).status for result in ("busy", "already_staged", "changed_meanwhile", "nothing_staged", "unsettled")} == {
        "left_alone"
    }
    assert {Told("a", result).status for result in STATUS if Told("a", result).status not in GOOD} == {
        "failed",
        "unknown",
        "orphaned",
        "not_reached",
    }


def test_what_is_told_of_a_device_travels_as_data() -> None:
    entries = [Told("a", "kept", "timeout", "no answer"), Told("b", "committed")]
    assert told_of([entry.data() for entry in entries]) == entries
