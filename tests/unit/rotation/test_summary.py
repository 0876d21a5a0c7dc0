# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person reads: before a run who is due, after it what happened to each device and what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.rotation import Boxes

from ansible_collections.keyturn.devices.plugins.module_utils._module import ModuleFailure
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.summary import (
    Planned,
    announce,
    summarise,
    summary_of_failure,
    unmasked_told,
    write_summary,
)
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.tally import STATUS, Told

BOXES = Boxes()


def planned(*batches: Sequence[str], refused: Sequence[Told] = (), **more: Any) -> Planned:
    """C(batches): the names of each."""
    names = [name for batch in batches for name in batch]
    plan = {
        "run_id": "run-1",
        "ledger": "the ledger file /srv/ledger.db",
        "devices": 10,
        "not_due": 1,
        "due": [{"name": name, "reasons": ["too_old"], "details": ["91 days old"], "source": "generate"} for name in names],
        "unsettled": [],
        "refused": [told.data() for told in refused],
        "batches": [{"names": list(batch)} for batch in batches],
        "long_offline": [],
        "summary_limit": 100,
        "recap_limit": 100,
        "job": "rotate",
        "verifiable": [],
        **more,
    }
    return Planned.read(plan)


def batch(*told: Told, requests: int = 1) -> dict[str, Any]:
    return {"told": [entry.data() for entry in told], "requests": requests}


def summed(plan: Planned, *batches: Mapping[str, Any], stop: str = "", check_mode: bool = False) -> dict[str, Any]:
    worked = [{**batch, "place": place} for place, batch in enumerate(batches)]
    return summarise(plan, BOXES, worked, stop, check_mode=check_mode)


DONE = Told("a", "committed")


# -- before a run -------------------------------------------------------------------------------------------------------------------------


def test_the_announcement_counts_everybody_and_names_the_run_and_its_ledger() -> None:
    refused = [
        Told("d", "orphaned", "unauthorized"),
        Told("e", "offline", "offline"),
        Told("f", "offline_unsettled", "offline"),
        Told("g", "refused", "not_found", "The cloud does not know it."),
        Told("h", "bad_input", "bad_input", "device_serial: is missing"),
    ]
    first, *others = announce(planned(["a", "b"], refused=refused, unsettled=["c"]), BOXES, everyone=False)
    assert first == (
        "2 of 10 boxes are due, 1 need nothing, 1 are open from an earlier run, 1 are orphaned, 2 are offline, "
        "1 cannot be asked, 1 have bad input. Run run-1, the ledger file /srv/ledger.db"
    )
    text = "\n".join(others)
    assert "a: due (too_old): 91 days old; source generate" in others
    assert "c: open from an earlier run; it is settled first" in others
    assert "d: orphaned" in text
    assert "import it" in text
    assert "g: failed; nothing was sent and the old password is in force (not_found: The cloud does not know it)." in text
    assert "h: failed; nothing was sent and the old password is in force (bad_input: device_serial: is missing). Correct" in text


def test_who_is_due_is_named_in_check_mode_however_many() -> None:
    plan = planned(["a", "b", "c"], summary_limit=1)
    assert any(line.startswith("c: due (too_old): 91 days old") for line in announce(plan, BOXES, everyone=True))
    assert not any(line.startswith("c: due") for line in announce(plan, BOXES, everyone=False))


def test_who_will_not_be_asked_is_named_however_many_are_due() -> None:
    plan = planned(["a", "b"], refused=[Told("d", "orphaned")], summary_limit=1)
    assert any(line.startswith("d: orphaned") for line in announce(plan, BOXES, everyone=False))


# -- after it -----------------------------------------------------------------------------------------------------------------------------


def test_a_run_that_rotated_all_it_should_is_good() -> None:
    told = summed(planned(["a", "b", "c"]), batch(DONE, Told("b", "committed"), Told("c", "busy", "leased")))
    assert (told["good"], told["counts"]["changed"], told["counts"]["left_alone"]) == (True, 2, 1)


def test_a_run_with_nothing_to_do_is_good_and_needs_no_attention() -> None:
    told = summed(planned())
    assert told["good"]
    assert "attention" not in told["verdict"]


def test_the_summary_says_per_device_what_happened_and_what_to_do() -> None:
    failed = Told("b", "dropped", "rejected_by_policy", "It is too short.")
    plan = planned(["a", "b"], refused=[Told("d", "orphaned"), Told("e", "refused", "not_found", "The cloud does not know it.")])
    told = summed(plan, batch(DONE, failed))
    text = "\n".join(told["lines"])
    assert "a: changed; the new password is in force and in the ledger" in told["lines"]
    assert "b: failed; the old password is in force (rejected_by_policy: It is too short). Tighten the policy of the box." in told["lines"]
    assert "d: orphaned" in text
    assert "import it" in text
    assert "e: failed; nothing was sent" in text
    assert not told["good"]
    assert told["lines"][-1] == "1 changed, 2 failed, 0 unknown, 1 orphaned, 0 settled, 0 offline, 0 left alone, 1 not due"


@pytest.mark.parametrize("result", [result for result, status in STATUS.items() if status in ("failed", "unknown", "orphaned", "offline")])
def test_whatever_did_not_end_well_is_said_in_words_and_with_what_to_do(result: str) -> None:
    told = summed(planned(["a"]), batch(Told("a", result, "no reason that is known")))
    assert told["devices"][0]["what_to_do"]
    assert told["devices"][0]["state"] not in ("", result)


def test_a_batch_whose_commit_did_not_come_through_is_told_as_unknown_with_what_to_do() -> None:
    kept = [Told(name, "kept", "ledger_unavailable") for name in "ab"]
    told = summed(planned(["a", "b", "c"]), batch(*kept, Told("c", "busy", "leased")), stop="the ledger is full")
    assert [device["status"] for device in told["devices"]] == ["unknown", "unknown", "left_alone"]
    assert "Bring the ledger back" in told["lines"][0]
    assert (told["good"], "the ledger is full" in told["verdict"]) == (False, True)


def test_of_a_large_fleet_only_devices_with_a_problem_are_named() -> None:
    told = summed(planned(["a", "b"], summary_limit=1), batch(DONE, Told("b", "kept", "timeout")))
    assert [line.split(":")[0] for line in told["lines"][:-1]] == ["b"]
    assert [device["name"] for device in told["devices"]] == ["b"]
    assert told["counts"]["changed"] == 1


def test_a_device_that_was_settled_and_then_changed_is_told_once_as_changed() -> None:
    told = summed(planned(["a"], ["a"]), batch(Told("a", "settled", "old_password_in_force")), batch(DONE))
    assert [(device["name"], device["status"]) for device in told["devices"]] == [("a", "changed")]
    assert (told["counts"]["settled"], told["counts"]["changed"]) == (0, 1)


def test_a_device_that_was_refused_by_the_plan_and_settled_all_the_same_is_told_as_it_ended() -> None:
    told = summed(planned(["a"], refused=[Told("a", "offline_unsettled", "offline")]), batch(DONE))
    assert told["counts"]["offline"] == 0


def test_an_old_password_that_reconcile_proved_is_settled_and_no_failure() -> None:
    told = summed(planned(["a"]), batch(Told("a", "settled", "old_password_in_force")))
    assert (told["good"], told["counts"]["settled"]) == (True, 1)


def test_requests_of_all_batches_are_counted() -> None:
    assert summed(planned(["a"], ["b"]), batch(DONE, requests=3), batch(Told("b", "committed"), requests=4))["requests"] == 7


# -- a run that stopped early -------------------------------------------------------------------------------------------------------------


def test_devices_that_a_stopped_run_did_not_reach_are_counted_and_each_told_as_such() -> None:
    told = summed(planned(["a"], ["b", "c"]), batch(DONE), stop="The quota is spent.")
    assert (told["not_reached"], told["good"]) == (2, False)
    assert "2 boxes were not reached; their passwords are unchanged and nothing was sent to them" in told["lines"]
    assert "The run stopped early: The quota is spent." in told["lines"]
    assert {name: told["outcomes"][name]["status"] for name in "abc"} == {"a": "changed", "b": "not_reached", "c": "not_reached"}
    assert told["outcomes"]["b"]["red"]
    assert "The quota is spent" in told["outcomes"]["b"]["msg"]


def test_a_stopped_run_in_which_all_that_was_reached_ended_well_does_not_say_that_0_need_attention() -> None:
    told = summed(planned(["a"], ["b"]), batch(DONE), stop="The quota is spent")
    assert told["verdict"] == "The run stopped early: The quota is spent"


@pytest.mark.parametrize(("bad", "verdict"), [("b", "1 box needs attention ("), ("bc", "2 boxes need attention (")])
def test_the_verdict_counts_who_needs_attention(bad: str, verdict: str) -> None:
    told = summed(planned(["a", *bad]), batch(DONE, *(Told(name, "dropped") for name in bad)))
    assert told["verdict"].startswith(verdict)


def test_a_device_of_which_an_earlier_batch_told_is_not_told_as_not_reached() -> None:
    told = summed(planned(["a"], ["a", "b"]), batch(Told("a", "kept", "timeout")), stop="The limit was passed.")
    assert (told["not_reached"], told["outcomes"]["a"]["status"]) == (1, "unknown")


def test_a_device_that_its_batch_left_out_because_it_is_not_due_any_more_was_reached() -> None:
    assert summed(planned(["a"], ["a", "b"]), batch(DONE), batch(Told("b", "committed")))["not_reached"] == 0


def test_a_run_that_only_reconciles_does_not_miss_the_due_ones() -> None:
    assert summed(planned(due=[{"name": "a", "reasons": [], "details": [], "source": "generate"}]))["good"]


# -- check mode ---------------------------------------------------------------------------------------------------------------------------


def test_check_mode_says_changed_for_who_would_be_changed_and_ends_as_the_run_would_have_before_asking_a_device() -> None:
    told = summed(planned(["a"], ["b"], unsettled=["c"]), check_mode=True)
    assert {name: outcome["changed"] for name, outcome in told["outcomes"].items()} == {"a": True, "b": True, "c": False}
    assert "a: would be changed" in told["lines"]
    assert told["lines"][-1].startswith("2 would be changed, 0 failed, ")
    assert summed(planned(), check_mode=True)["lines"][-1].startswith("0 changed, 0 failed, ")
    assert (told["good"], told["not_reached"], told["counts"]["changed"]) == (True, 0, 2)
    refused = summed(planned(["a"], refused=[Told("d", "refused", "not_found")]), check_mode=True)
    assert (refused["good"], refused["verdict"].startswith("1 box needs attention")) == (False, True)


def test_check_mode_proves_nobody() -> None:
    told = summed(planned([], verifiable=["a"], job="verify"), check_mode=True)
    assert "a: would be logged in to" in told["lines"]
    assert (told["counts"]["verified"], told["good"]) == (0, True)


# -- the recap ----------------------------------------------------------------------------------------------------------------------------


def test_each_device_has_its_line_in_the_recap() -> None:
    ended = {"a": "committed", "b": "dropped", "c": "kept", "d": "orphaned", "e": "settled", "f": "busy"}
    told = summed(planned(list(ended)), batch(*(Told(name, result) for name, result in ended.items())))
    assert {name: (entry["changed"], entry["red"], entry["unreachable"]) for name, entry in told["outcomes"].items()} == {
        "a": (True, False, False),
        "b": (False, True, False),
        "c": (False, True, False),
        "d": (False, True, False),
        "e": (False, False, False),
        "f": (False, False, False),
    }
    assert told["outcomes"]["b"]["msg"] == "b: failed; the old password is in force. It is tried again on the next run."


def test_a_device_that_is_offline_turns_the_run_red_only_when_it_is_so_for_long() -> None:
    offline = [Told("a", "offline", "offline"), Told("b", "offline_unsettled", "offline")]
    for since_long in ([], ["a"], ["a", "b"]):
        told = summed(planned(refused=offline, long_offline=since_long))
        red = [name for name, outcome in told["outcomes"].items() if outcome["red"]]
        assert (red, told["good"]) == (since_long, not since_long)
        assert [name for name, outcome in told["outcomes"].items() if outcome["unreachable"]] == since_long
        assert all(device["what_to_do"] for device in told["devices"])


def test_a_device_that_has_been_offline_for_long_and_is_back_is_not_red() -> None:
    told = summed(planned(["a"], long_offline=["a"]), batch(DONE))
    assert (told["good"], told["outcomes"]["a"]["red"]) == (True, False)


def test_of_a_fleet_beyond_its_limit_only_those_that_need_attention_have_a_line_and_no_more_than_the_limit() -> None:
    ended = [Told(f"box-{number}", "committed" if number % 2 else "dropped") for number in range(8)]
    plan = planned([told.name for told in ended], devices=8, recap_limit=3)
    assert list(summed(plan, batch(*ended))["outcomes"]) == ["box-0", "box-2", "box-4"]
    assert len(summed(planned([told.name for told in ended], devices=8, recap_limit=8), batch(*ended))["outcomes"]) == 8


# -- as it leaves -------------------------------------------------------------------------------------------------------------------------


def test_messages_leave_without_secrets_and_names_as_they_are_because_others_match_by_them() -> None:
    left = unmasked_told([Told("box-0000", "kept", "timeout", "0000 was tried")], lambda text: text.replace("0000", "****"))
    assert left == [{"name": "box-0000", "result": "kept", "reason": "timeout", "message": "**** was tried"}]


def test_the_summary_in_a_file_is_read_by_its_owner_alone_and_replaces_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    for content in (summed(planned(["a"]), batch(DONE)), summary_of_failure("The ledger is absent.")):
        write_summary(str(path), json.dumps(content))
        assert (json.loads(path.read_text()), path.stat().st_mode & 0o777) == (content, 0o600)
    assert (content["good"], content["verdict"], content["lines"]) == (False, "The ledger is absent.", ["The ledger is absent."])


def test_a_summary_that_cannot_be_written_is_a_failure_that_names_its_file() -> None:
    with pytest.raises(ModuleFailure, match=r"/nowhere/summary\.json"):
        write_summary("/nowhere/summary.json", "{}")
