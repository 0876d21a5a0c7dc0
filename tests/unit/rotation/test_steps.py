# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One batch from stage to settle: who is asked, who is logged in to with what, and what the ledger is told however it ends."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.rotation import (
    CLOUD,
    CLOUD_AND_PROVE,
    ITSELF,
    LOOK,
    LOOK_AND_ASK,
    MADE,
    MADE_AND_PROVE,
    TERMS,
    Boxes,
    FakeLedger,
    SteppedClock,
    fault,
    member,
)

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import Result
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import PasswordPolicy, violations
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._run import runner_identity
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation import steps
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.batch import Batch, Order, Wish
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.due import Rules
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import (
    CURRENT,
    STAGED,
    Answer,
    Kind,
    Member,
    NotKept,
    Sighting,
)
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.steps import Surroundings, Worked, work_batch

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.timezone.utc)
POLICY = PasswordPolicy(length=20)
NEW, OLD = "New-Password-2026-{}", "Old-Password-2025-{}"
AWAY = LedgerError("unreachable", "The ledger cannot be reached.")
GONE = LedgerError("absent", "There is no ledger any more.")


class Scene:
    """Some boxes, their ledger, and a run that works a batch of them."""

    def __init__(self, clock: SteppedClock) -> None:
        self.boxes = Boxes()
        self.ledger = FakeLedger(log=self.boxes.log)
        self.redactor = Redactor()
        self.clock = clock
        self.holder = ""

    @property
    def log(self) -> list[tuple[str, list[str]]]:
        return self.boxes.log

    @property
    def order_of_calls(self) -> list[str]:
        return [what for what, _names in self.log]

    def has_old(self, *names: str) -> Scene:
        """The ledger knows what is in force on these boxes."""
        for name in names:
            self.boxes.password[name] = self.ledger.current[name] = OLD.format(name)
        return self

    def left_open(self, *names: str, in_force: str = "") -> Scene:
        """An earlier run staged a password for these boxes. C(in_force): STAGED, CURRENT, or a password that the ledger does not know."""
        self.has_old(*names)
        for name in names:
            self.ledger.staged[name] = NEW.format(name)
            if in_force:
                self.boxes.password[name] = {STAGED: NEW.format(name), CURRENT: OLD.format(name)}.get(in_force, in_force)
        return self

    def made(self, *names: str) -> Scene:
        """The vendor makes these boxes' passwords."""
        self.boxes.made.update((name, NEW.format(name)) for name in names)
        return self

    def stage(
        self, kind: Kind, *names: str, members: tuple[Member, ...] = (), wishes: Mapping[str, Wish] | None = None, **more: Any
    ) -> Worked:
        """A batch whose devices get a new password."""
        source = "vendor" if kind.collects else "value"
        members = members or tuple(member(name, source=source) for name in names)
        wanted = {
            each.device.name: Wish(POLICY, "" if kind.collects else NEW.format(each.device.name), expected_current="") for each in members
        }
        return self.work(kind, members, wanted if wishes is None else wishes, **more)

    def resume(self, kind: Kind, *names: str, **more: Any) -> Worked:
        """A batch of devices that an earlier run left open."""
        return self.work(kind, tuple(member(name, failed_before=True) for name in names), {}, **more)

    def work(
        self, kind: Kind, members: tuple[Member, ...], wishes: Mapping[str, Wish], *, list_id: str = "", rules: Rules | None = None
    ) -> Worked:
        order = Order(
            run_id="run-1",
            product="boxes",
            batches=1,
            devices=len(members),
            settings={"patience": 60, "max_attempts": 5},
            rules=rules or Rules(NOW),
            batch=Batch(1, kind, members, wishes, list_id),
        )
        # As it comes out of its seal.
        return work_batch(
            Order.read(order.text()),
            Surroundings(
                ledger=self.ledger,  # type: ignore[arg-type]
                product=self.boxes,
                redactor=self.redactor,
                holder=self.holder,
                call=lambda _name, _arguments: {},
                sleep=self.clock.sleep,
            ),
        )


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Scene:
    clock = SteppedClock()
    monkeypatch.setattr(steps, "time", clock)
    monkeypatch.chdir(tmp_path)
    return Scene(clock)


def told(worked: Worked) -> dict[str, tuple[str, str]]:
    return {entry.name: (entry.result, entry.reason) for entry in worked.told}


# -- the order ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "calls"),
    [
        (CLOUD, ["stage", "ask", "settle"]),
        (CLOUD_AND_PROVE, ["stage", "ask", "prove", "settle"]),
        (ITSELF, ["stage", "ask", "settle"]),
        (MADE, ["stage", "make", "collect", "settle"]),
        (MADE_AND_PROVE, ["stage", "make", "collect", "prove", "settle"]),
    ],
)
def test_a_password_is_in_the_ledger_before_anybody_is_asked_and_settled_after_that(scene: Scene, kind: Kind, calls: list[str]) -> None:
    scene.has_old("a", "b").made("a", "b")
    worked = scene.stage(kind, "a", "b")
    assert scene.log == [(call, ["a", "b"]) for call in calls]
    assert told(worked) == {"a": ("committed", ""), "b": ("committed", "")}
    assert scene.ledger.current == scene.boxes.password == {"a": NEW.format("a"), "b": NEW.format("b")}
    assert (worked.tried, worked.stop) == (["a", "b"], "")


@pytest.mark.parametrize(
    ("kind", "calls"),
    [
        (CLOUD, ["resume", "ask", "settle"]),
        (LOOK, ["resume", "prove", "settle"]),
        (LOOK_AND_ASK, ["resume", "prove", "ask", "prove", "settle"]),
        (ITSELF, ["resume", "ask", "settle"]),
        (MADE, ["resume", "fetch", "collect", "settle"]),
    ],
)
def test_what_an_earlier_run_left_open_is_taken_over_before_anybody_is_asked(scene: Scene, kind: Kind, calls: list[str]) -> None:
    scene.left_open("a", in_force=CURRENT).made("a")
    scene.resume(kind, "a")
    assert scene.order_of_calls == calls


def test_what_is_asked_for_is_what_was_staged_and_every_password_is_known_as_a_secret_by_then(scene: Scene) -> None:
    scene.has_old("a")
    scene.boxes.breaks["ask"] = RuntimeError(f"{NEW.format('a')} or {OLD.format('a')}")
    assert scene.stage(CLOUD, "a").stop == "Unexpected RuntimeError: ******** or ********"


def test_a_device_that_another_run_holds_is_never_asked_nor_settled(scene: Scene) -> None:
    scene.ledger.refused["b"] = [Result("b", "busy", "leased")]
    worked = scene.stage(CLOUD_AND_PROVE, "a", "b")
    assert scene.log == [("stage", ["a", "b"]), ("ask", ["a"]), ("prove", ["a"]), ("settle", ["a"])]
    assert (told(worked)["b"], worked.tried) == (("busy", "leased"), ["a"])
    assert "b" not in scene.boxes.password


@pytest.mark.parametrize("status", ["busy", "already_staged", "changed_meanwhile", "orphaned"])
def test_a_batch_of_which_the_ledger_gives_nothing_asks_nobody(scene: Scene, status: str) -> None:
    scene.ledger.refused["a"] = [Result("a", status, "why")]
    worked = scene.stage(CLOUD_AND_PROVE, "a")
    assert (scene.order_of_calls, told(worked), worked.tried) == (["stage"], {"a": (status, "why")}, [])


def test_what_another_run_settled_meanwhile_is_left_alone(scene: Scene) -> None:
    worked = scene.resume(CLOUD, "a")
    assert (scene.order_of_calls, told(worked)) == (["resume"], {"a": ("nothing_staged", "")})


def test_a_ledger_that_cannot_stage_ends_the_batch_before_anybody_is_asked(scene: Scene) -> None:
    scene.ledger.away["stage"] = [LedgerError("full", "The disk is full.")]
    with pytest.raises(LedgerError, match="The disk is full"):
        scene.stage(CLOUD, "a")
    assert scene.order_of_calls == ["stage"]


# -- who holds it, and until when ---------------------------------------------------------------------------------------------------------


def test_the_lease_outlasts_the_deadline_and_belongs_to_the_process_whose_end_is_the_end_of_the_run(scene: Scene) -> None:
    scene.holder = "boot/namespace/1/2"
    scene.stage(CLOUD, "a")
    assert [(run.id, run.holder) for run in scene.ledger.runs] == [("run-1", "boot/namespace/1/2")] * 2
    assert scene.ledger.leases[0] > TERMS["deadline"]


def test_the_lease_of_what_runs_at_a_site_can_only_expire_because_it_outlives_a_run_that_is_killed(scene: Scene) -> None:
    scene.holder = "boot/namespace/1/2"
    scene.stage(ITSELF, members=(member("a", source="value", site="gateway"),))
    assert {run.holder for run in scene.ledger.runs} == {""}


def test_nothing_may_be_sent_once_the_process_of_the_run_is_gone(scene: Scene) -> None:
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        scene.holder = runner_identity(process.pid)
        scene.stage(CLOUD, "a")
        may_change = scene.boxes.fields[0].may_change
        assert may_change()
    assert not may_change()


def test_nothing_may_be_sent_after_the_lease_by_a_clock_that_counts_suspended_time(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.stage(CLOUD, "a")
    given = scene.boxes.fields[0]
    assert given.may_change()
    wakes = given.until.boottime
    monkeypatch.setattr("time.clock_gettime", lambda _clock: wakes)
    assert not given.may_change()
    assert wakes < scene.ledger.leases[0] + float(Path("/proc/uptime").read_text().split()[0])


# -- the new password ---------------------------------------------------------------------------------------------------------------------


def test_a_password_is_made_by_the_policy_and_is_no_former_one(scene: Scene) -> None:
    scene.has_old("a")
    policy = PasswordPolicy(length=30, special=True, history=3)
    scene.stage(CLOUD, members=(member("a"),), wishes={"a": Wish(policy, expected_current="c1")})
    made = scene.ledger.current["a"]
    assert violations(made, policy, [OLD.format("a")]) == []
    request = scene.ledger.requests["a"]
    assert (request.serial, request.source, request.history, request.expected_current) == ("A", "generate", 3, "c1")


def test_a_given_password_that_breaks_the_policy_ends_the_batch_before_anybody_is_asked_and_is_not_shown(scene: Scene) -> None:
    with pytest.raises(LedgerError, match="a: ") as caught:
        scene.stage(CLOUD, members=(member("a", source="value"),), wishes={"a": Wish(POLICY, "weak-secret", expected_current="")})
    assert "weak-secret" not in str(caught.value)
    assert scene.order_of_calls == ["stage"]


def test_a_given_password_that_was_used_before_is_refused_but_the_one_in_force_may_be_given_again(scene: Scene) -> None:
    policy = replace(POLICY, history=3)
    scene.ledger.former["a"] = [NEW.format("a")]
    scene.ledger.current["a"] = OLD.format("a")
    with pytest.raises(LedgerError, match="a: "):
        scene.stage(CLOUD, members=(member("a", source="value"),), wishes={"a": Wish(policy, NEW.format("a"), expected_current="")})
    scene.stage(CLOUD, members=(member("a", source="value"),), wishes={"a": Wish(policy, OLD.format("a"), expected_current="")})
    assert scene.ledger.current["a"] == OLD.format("a")


def test_a_password_in_doubt_is_superseded_only_where_the_plan_says_so(scene: Scene) -> None:
    wishes = {"a": Wish(POLICY, expected_current="", supersede=True), "b": Wish(POLICY, expected_current="")}
    scene.stage(CLOUD, members=(member("a"), member("b")), wishes=wishes)
    assert {name: request.supersede for name, request in scene.ledger.requests.items()} == {"a": True, "b": False}


LATE = {"a": Wish(POLICY)}
SETTLED: dict[str, Any] = {"current": {"id": "c2", "password": OLD.format("a"), "committed_at": "2026-05-31T00:00:00Z"}, "staged": None}
PROVEN = {**SETTLED, "last_verified": "2026-05-31T00:00:00Z"}


def test_what_was_settled_with_the_old_password_is_decided_again_and_staged_on_what_is_known_by_now(scene: Scene) -> None:
    scene.ledger.records["a"] = {**SETTLED, "last_verified": None}
    worked = scene.stage(CLOUD, members=(member("a"),), wishes=LATE)
    assert (scene.ledger.requests["a"].expected_current, told(worked)) == ("c2", {"a": ("committed", "")})


def test_force_and_the_spread_of_due_dates_count_when_it_is_decided_again(scene: Scene) -> None:
    scene.ledger.records["a"] = PROVEN
    assert scene.stage(CLOUD, members=(member("a"),), wishes=LATE, rules=Rules(NOW, force={"a"})).tried == ["a"]


@pytest.mark.parametrize(
    ("record", "more"),
    [
        (PROVEN, {}),
        ({**PROVEN, "staged": {"id": "s1"}}, {}),
        ({**SETTLED, "orphaned": True}, {}),
        ({**SETTLED, "last_verified": None}, {"sighting": Sighting(online=False)}),
        ({"current": None}, {"via": "itself"}),
    ],
    ids=["not due any more", "still open", "orphaned", "offline", "no password known"],
)
def test_what_was_open_gets_no_new_password_unless_it_is_settled_and_still_due(
    scene: Scene, record: dict[str, Any], more: dict[str, Any]
) -> None:
    scene.ledger.records["a"] = record
    worked = scene.stage(CLOUD, members=(member("a", **more),), wishes=LATE)
    assert (scene.log, worked.told, worked.tried) == ([], [], [])


# -- logins are rationed ------------------------------------------------------------------------------------------------------------------


def test_the_password_that_should_work_is_tried_first_and_an_undisturbed_run_costs_no_wrong_login(scene: Scene) -> None:
    scene.has_old("a", "b")
    scene.boxes.says["b"] = Answer("failed", "rejected_by_policy")
    scene.stage(CLOUD_AND_PROVE, "a", "b")
    assert scene.boxes.tried == [("a", (STAGED, CURRENT)), ("b", (CURRENT, STAGED))]
    assert scene.boxes.wrong_logins == {}


@pytest.mark.parametrize("kind", [CLOUD_AND_PROVE, MADE_AND_PROVE])
@pytest.mark.parametrize("status", ["changed", "unknown", "failed", "unchanged"])
def test_no_device_gets_more_than_one_login_for_each_of_two_passwords(scene: Scene, kind: Kind, status: str) -> None:
    scene.has_old("a").made("a")
    scene.boxes.password["a"] = "known-to-nobody"
    scene.boxes.says["a"] = Answer(status, "timeout")
    scene.stage(kind, "a")
    assert [set(candidates) for _name, candidates in scene.boxes.tried] in ([{STAGED, CURRENT}], [{CURRENT, STAGED}])
    assert scene.boxes.wrong_logins["a"] <= 2


@pytest.mark.parametrize("reason", ["offline", "not_found", "not_sent", "quota", "conflict", "unauthorized", "bad_input"])
def test_a_device_that_was_never_asked_is_not_logged_in_to(scene: Scene, reason: str) -> None:
    scene.has_old("a")
    scene.boxes.says["a"] = Answer("failed", reason)
    scene.stage(CLOUD_AND_PROVE, "a")
    assert scene.boxes.tried == []


def test_a_device_that_was_refused_and_has_one_known_password_is_not_logged_in_to(scene: Scene) -> None:
    scene.boxes.says["a"] = Answer("failed", "rejected_by_policy")
    scene.stage(CLOUD_AND_PROVE, "a")
    assert scene.boxes.tried == []


def test_a_password_that_is_set_again_is_tried_once(scene: Scene) -> None:
    scene.has_old("a")
    wishes = {"a": Wish(POLICY, OLD.format("a"), expected_current="")}
    scene.stage(CLOUD_AND_PROVE, members=(member("a", source="value"),), wishes=wishes)
    assert scene.boxes.tried == [("a", (STAGED,))]


def test_where_no_login_is_possible_none_is_tried(scene: Scene) -> None:
    scene.has_old("a")
    scene.stage(CLOUD, "a")
    assert "prove" not in scene.order_of_calls


def test_a_login_goes_before_the_word_of_the_vendor(scene: Scene) -> None:
    scene.has_old("a", "b", "c")
    scene.boxes.says.update(a=Answer("changed"), b=Answer("failed", "rejected_by_policy"), c=Answer("unknown", "timeout"))
    scene.boxes.done.update("bc")
    worked = scene.stage(CLOUD_AND_PROVE, "a", "b", "c")
    assert told(worked) == {"a": ("dropped", "old_password_in_force"), "b": ("committed", ""), "c": ("committed", "")}


# -- what an earlier run left open --------------------------------------------------------------------------------------------------------


def test_a_staged_password_that_logs_in_is_committed_without_asking_anybody(scene: Scene) -> None:
    scene.left_open("a", in_force=STAGED)
    worked = scene.resume(LOOK_AND_ASK, "a")
    assert (scene.order_of_calls, told(worked)) == (["resume", "prove", "settle"], {"a": ("committed", "")})
    assert scene.boxes.tried == [("a", (STAGED, CURRENT))]


def test_an_old_password_is_settled_where_nobody_else_can_still_change_it(scene: Scene) -> None:
    worked = scene.left_open("a", in_force=CURRENT).resume(LOOK, "a")
    assert told(worked) == {"a": ("settled", "old_password_in_force")}
    assert scene.ledger.settlements["a"].password_id == "id-of-a"


@pytest.mark.parametrize("kind", [LOOK, LOOK_AND_ASK])
def test_a_device_that_refuses_both_passwords_is_orphaned_and_nothing_more_is_tried(scene: Scene, kind: Kind) -> None:
    worked = scene.left_open("a", in_force="known-to-nobody").resume(kind, "a")
    assert (scene.order_of_calls, told(worked)) == (["resume", "prove", "settle"], {"a": ("orphaned", "unauthorized")})
    assert scene.ledger.staged["a"] == NEW.format("a")


def test_a_device_with_its_old_password_is_asked_again_because_the_first_request_may_yet_arrive(scene: Scene) -> None:
    scene.left_open("a", "b", "c", in_force=STAGED).left_open("a", in_force=CURRENT).left_open("c", in_force="known-to-nobody")
    worked = scene.resume(LOOK_AND_ASK, "a", "b", "c")
    assert scene.log[1:] == [("prove", ["a", "b", "c"]), ("ask", ["a"]), ("prove", ["a"]), ("settle", ["a", "b", "c"])]
    assert scene.boxes.asked_again == [True]
    assert told(worked) == {"a": ("committed", ""), "b": ("committed", ""), "c": ("orphaned", "unauthorized")}


def test_a_device_that_is_silent_is_asked_again(scene: Scene) -> None:
    scene.left_open("a", in_force=CURRENT)
    scene.boxes.silent.add("a")
    worked = scene.resume(LOOK_AND_ASK, "a")
    assert scene.order_of_calls == ["resume", "prove", "ask", "prove", "settle"]
    assert told(worked) == {"a": ("committed", "")}  # by the vendor's own word
    assert scene.ledger.settlements["a"].proof == "vendor"


def test_after_it_was_set_once_more_only_the_staged_password_is_tried(scene: Scene) -> None:
    scene.left_open("a", in_force=CURRENT).resume(LOOK_AND_ASK, "a")
    assert scene.boxes.tried == [("a", (STAGED, CURRENT)), ("a", (STAGED,))]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (Answer("failed", "rejected_by_policy", final=True), ("settled", "old_password_in_force")),
        (Answer("failed", "conflict"), ("kept", "conflict")),
        (Answer("unknown", "timeout"), ("kept", "timeout")),
    ],
)
def test_an_old_password_counts_as_in_force_only_when_the_vendor_is_through_with_the_device(
    scene: Scene, said: Answer, expected: tuple[str, str]
) -> None:
    scene.left_open("a", in_force=CURRENT)
    scene.boxes.says["a"] = said
    worked = scene.resume(LOOK_AND_ASK, "a")
    assert (told(worked), len(scene.boxes.tried)) == ({"a": expected}, 1)


def test_a_password_that_was_never_fetched_is_in_no_request(scene: Scene) -> None:
    scene.has_old("a")
    scene.ledger.staged["a"] = None
    worked = scene.resume(CLOUD, "a")
    assert (scene.order_of_calls, told(worked)) == (["resume", "settle"], {"a": ("kept", "no_answer")})


# -- passwords that the vendor makes ------------------------------------------------------------------------------------------------------


def test_a_vendors_password_is_staged_with_its_list_and_in_the_ledger_before_anybody_tries_it(scene: Scene) -> None:
    scene.made("a")
    scene.stage(MADE_AND_PROVE, "a", list_id="run-1-1")
    request = scene.ledger.requests["a"]
    assert (request.make, request.list_id, request.source) == (None, "run-1-1", "vendor")
    assert scene.order_of_calls == ["stage", "make", "collect", "prove", "settle"]
    assert scene.ledger.current["a"] == NEW.format("a")


def test_a_list_is_kept_under_the_id_that_its_passwords_were_staged_with(scene: Scene) -> None:
    scene.made("a")
    scene.stage(MADE, "a", list_id="run-1-1")
    lists = scene.boxes.fields[0].lists
    lists.reserve(400)
    lists.append(b"serial,")
    lists.append(b"password\n")
    assert (scene.ledger.reserved, lists.content()) == ({"run-1-1": 400}, b"serial,password\n")


def test_a_list_that_the_ledger_cannot_take_is_told_to_the_product_before_it_asks_for_one(scene: Scene) -> None:
    scene.made("a")
    scene.ledger.away["reserve_list"] = [LedgerError("full", "The disk is full.")]
    scene.stage(MADE, "a", list_id="run-1-1")
    with pytest.raises(NotKept, match="The disk is full"):
        scene.boxes.fields[0].lists.reserve(400)


def test_a_fetched_password_that_is_not_confirmed_is_set_once_more_and_then_proven(scene: Scene) -> None:
    scene.has_old("a", "b").made("a", "b")
    scene.ledger.staged.update(a=None, b=None)
    scene.boxes.says.update(a=Answer("unknown", "unconfirmed"), b=Answer("changed"))
    scene.boxes.password["b"] = NEW.format("b")
    worked = scene.resume(MADE_AND_PROVE, "a", "b", list_id="run-0-1")
    assert scene.log[1:] == [
        ("fetch", ["a", "b"]),
        ("collect", ["a", "b"]),
        ("ask", ["a"]),
        ("prove", ["a", "b"]),
        ("settle", ["a", "b"]),
    ]
    assert (scene.boxes.asked_again, told(worked)) == ([True], {"a": ("committed", ""), "b": ("committed", "")})


def test_a_password_that_no_list_brought_is_kept_open_and_never_asked_for_in_another_way(scene: Scene) -> None:
    scene.boxes.says["a"] = Answer("unknown", "list_missing")
    worked = scene.stage(MADE_AND_PROVE, "a", list_id="run-1-1")
    assert (scene.order_of_calls, told(worked)) == (["stage", "make", "settle"], {"a": ("kept", "list_missing")})
    assert worked.told[0].status == "unknown"


def test_a_vendors_password_is_a_secret_from_the_moment_it_is_fetched(scene: Scene) -> None:
    scene.made("a")
    scene.stage(MADE, "a")
    assert scene.redactor.text(NEW.format("a")) == "********"


# -- however it ends, the ledger is told --------------------------------------------------------------------------------------------------


def test_a_device_of_which_nothing_is_known_is_unknown_not_failed(scene: Scene) -> None:
    scene.boxes.says["a"] = Answer("unknown", "error", "The module ended without a word.")
    worked = scene.stage(ITSELF, "a")
    assert [(entry.result, entry.status, entry.message) for entry in worked.told] == [
        ("kept", "unknown", "The module ended without a word.")
    ]


@pytest.mark.parametrize(("kind", "where"), [(CLOUD, "ask"), (ITSELF, "ask"), (CLOUD_AND_PROVE, "prove"), (MADE, "collect")])
def test_what_nobody_foresaw_leaves_the_devices_unknown_and_the_ledger_told(scene: Scene, kind: Kind, where: str) -> None:
    scene.has_old("a", "b").made("a", "b")
    scene.boxes.says.update(a=Answer("unknown", "timeout"), b=Answer("unknown", "timeout"))
    scene.boxes.breaks[where] = ValueError("boom")
    worked = scene.stage(kind, "a", "b")
    assert {entry.status for entry in worked.told} == {"unknown"}
    assert (scene.order_of_calls[-1], worked.stop) == ("settle", "Unexpected ValueError: boom")
    assert scene.ledger.staged.keys() == {"a", "b"}


def test_an_answer_that_is_missing_leaves_all_of_the_batch_unknown(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene.boxes, "ask", lambda *_arguments, **_more: [Answer("changed")])
    worked = scene.stage(CLOUD, "a", "b")
    assert told(worked).keys() == {"a", "b"}
    assert told(worked)["b"] == ("kept", "no_answer")


def test_an_old_password_is_not_settled_when_the_request_after_it_broke_off(scene: Scene) -> None:
    scene.left_open("a", in_force=CURRENT)
    scene.boxes.breaks["ask"] = RuntimeError("the connection broke after the request was sent")
    worked = scene.resume(LOOK_AND_ASK, "a")
    assert [(entry.result, entry.status) for entry in worked.told] == [("kept", "unknown")]
    assert scene.ledger.staged == {"a": NEW.format("a")}


def test_a_fault_of_the_whole_call_stops_the_run_with_its_own_words_and_its_devices_kept_the_old_password(scene: Scene) -> None:
    scene.boxes.breaks["ask"] = fault("unauthorized", "The service refused the token.")
    worked = scene.stage(CLOUD_AND_PROVE, "a", "b")
    assert worked.stop == "The service refused the token."
    assert told(worked) == {"a": ("dropped", "not_sent"), "b": ("dropped", "not_sent")}
    assert worked.told[0].message == "Nothing was sent to it: The service refused the token."
    assert scene.boxes.tried == []


def test_a_fault_while_asking_again_for_some_keeps_what_logins_proved_of_the_others(scene: Scene) -> None:
    scene.left_open("a", in_force=CURRENT).left_open("b", in_force=STAGED).left_open("c", in_force="known-to-nobody")
    scene.boxes.breaks["ask"] = fault()
    worked = scene.resume(LOOK_AND_ASK, "a", "b", "c")
    assert told(worked) == {"a": ("kept", "not_sent"), "b": ("committed", ""), "c": ("orphaned", "unauthorized")}


def test_a_fault_after_a_password_was_fetched_loses_no_word_about_it(scene: Scene) -> None:
    scene.made("a")
    scene.ledger.staged["a"] = None
    scene.boxes.says["a"] = Answer("unknown", "unconfirmed")
    scene.boxes.breaks["ask"] = fault()
    worked = scene.resume(MADE_AND_PROVE, "a", list_id="run-0-1")
    assert (told(worked), scene.ledger.staged) == ({"a": ("kept", "unconfirmed")}, {"a": NEW.format("a")})


def test_what_a_product_found_out_about_the_service_stops_the_run(scene: Scene) -> None:
    scene.boxes.stop = "The quota is spent."
    worked = scene.stage(CLOUD, "a")
    assert (worked.stop, told(worked)) == ("The quota is spent.", {"a": ("committed", "")})


def test_requests_are_counted_over_all_that_was_asked(scene: Scene) -> None:
    assert scene.left_open("a", in_force=CURRENT).resume(LOOK_AND_ASK, "a").requests == 3


def test_what_was_sent_after_the_lease_is_told_to_the_ledger_as_late(scene: Scene) -> None:
    scene.boxes.says.update(a=Answer("changed", late=True), b=Answer("changed"))
    worked = scene.stage(CLOUD, "a", "b")
    assert {name: settlement.late for name, settlement in scene.ledger.settlements.items()} == {"a": True, "b": False}
    assert told(worked)["a"] == ("reopened", "sent_late")


def test_a_device_that_was_offline_is_told_as_offline_and_no_failure(scene: Scene) -> None:
    scene.has_old("a")
    scene.boxes.says["a"] = Answer("failed", "offline", "It has no connection.")
    worked = scene.stage(CLOUD_AND_PROVE, "a")
    assert [(entry.result, entry.reason, entry.status) for entry in worked.told] == [("offline", "offline", "offline")]


def test_the_last_reason_counts_and_every_message_is_told(scene: Scene) -> None:
    scene.has_old("a")
    scene.boxes.says["a"] = Answer("unknown", "unconfirmed", "No outcome was told.")
    scene.boxes.silent.add("a")
    worked = scene.stage(CLOUD_AND_PROVE, "a")
    assert (told(worked), worked.told[0].message) == ({"a": ("kept", "timeout")}, "No outcome was told. It did not answer.")


def test_each_settlement_names_the_password_that_was_tried(scene: Scene) -> None:
    scene.stage(CLOUD, "a")
    assert scene.ledger.settlements["a"].password_id == "id-of-a"


# -- fences -------------------------------------------------------------------------------------------------------------------------------


def fenced(name: str, seconds: float) -> Result:
    return Result(name, "busy", "fenced", details={"seconds": seconds})


def test_a_run_waits_within_its_patience_for_requests_of_a_killed_run_to_be_over(scene: Scene) -> None:
    scene.ledger.refused["b"] = [fenced("b", 40)]
    worked = scene.stage(CLOUD, "a", "b")
    assert scene.log[:3] == [("stage", ["a", "b"]), ("stage", ["b"]), ("ask", ["a", "b"])]
    assert (scene.clock.slept, told(worked)["b"]) == ([41], ("committed", ""))


def test_a_fence_beyond_its_patience_is_not_waited_for(scene: Scene) -> None:
    scene.ledger.refused["b"] = [fenced("b", 61)]
    worked = scene.stage(CLOUD, "a", "b")
    assert (scene.clock.slept, scene.order_of_calls) == ([], ["stage", "ask", "settle"])
    assert told(worked) == {"a": ("committed", ""), "b": ("fenced", "fenced")}


def test_a_device_that_is_still_fenced_after_the_wait_is_left_to_the_next_run(scene: Scene) -> None:
    scene.ledger.refused["a"] = [fenced("a", 5), fenced("a", 5)]
    worked = scene.stage(CLOUD, "a")
    assert (scene.order_of_calls, told(worked)) == (["stage", "stage"], {"a": ("fenced", "fenced")})


# -- the ledger goes away -----------------------------------------------------------------------------------------------------------------


def test_a_ledger_that_is_away_for_a_moment_is_told_again(scene: Scene) -> None:
    scene.ledger.away["settle"] = [AWAY, AWAY]
    worked = scene.stage(CLOUD, "a")
    assert (scene.order_of_calls, told(worked)) == (["stage", "ask", "settle", "settle", "settle"], {"a": ("committed", "")})
    assert (worked.stop, len(scene.clock.slept)) == ("", 2)


def test_a_ledger_that_stays_away_is_told_of_with_its_own_words(scene: Scene) -> None:
    scene.ledger.away["settle"] = [AWAY] * 100
    worked = scene.stage(CLOUD, "a")
    assert (told(worked), worked.stop) == ({"a": ("kept", "ledger_unavailable")}, "The ledger cannot be reached.")
    assert 20 <= sum(scene.clock.slept) <= 60
    assert os.listdir() == []  # what was staged is in the ledger, wherever that is


def test_a_fetched_password_is_told_to_the_ledger_until_it_takes_it(scene: Scene) -> None:
    scene.made("a").ledger.away["collect"] = [AWAY]
    worked = scene.stage(MADE, "a")
    assert (scene.order_of_calls, told(worked)) == (["stage", "make", "collect", "collect", "settle"], {"a": ("committed", "")})


@pytest.mark.parametrize("reason", ["absent", "replaced", "behind", "corrupt", "tampered", "wrong_passphrase"])
def test_when_the_ledger_is_lost_what_the_run_holds_goes_to_a_file_that_only_its_owner_reads(scene: Scene, reason: str) -> None:
    scene.has_old("a").ledger.away["settle"] = [LedgerError(reason, "The ledger is lost.")] * 100
    worked = scene.stage(CLOUD, "a", "b")
    (path,) = Path.cwd().iterdir()
    content = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert worked.stop.startswith("The ledger is lost. ")
    assert str(path) in worked.stop
    assert all(password in content for password in (NEW.format("a"), NEW.format("b"), OLD.format("a")))
    assert not any(password in worked.stop for password in (NEW.format("a"), NEW.format("b"), OLD.format("a")))
    assert told(worked) == {"a": ("kept", "ledger_unavailable"), "b": ("kept", "ledger_unavailable")}


def test_a_fetched_password_is_in_that_file_also_when_the_ledger_was_lost_before_it_could_take_it(scene: Scene) -> None:
    scene.made("a").ledger.away.update(collect=[GONE] * 100, settle=[GONE] * 100)
    worked = scene.stage(MADE, "a")
    (path,) = Path.cwd().iterdir()
    assert NEW.format("a") in path.read_text()
    assert str(path) in worked.stop


def test_a_file_that_cannot_be_written_either_is_told(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getcwd", lambda: "/nowhere/at/all")
    scene.ledger.away["settle"] = [GONE] * 100
    assert "could not be written to /nowhere/at/all" in scene.stage(CLOUD, "a").stop
