# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ration of wrong logins and the steps of a change, against a way that does what a test says."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import PasswordPolicy
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.change import Candidate, change_password, prove_password
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.logins import Logins
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.visit import Identity, RouterFault, Rule, Unclear

OLD, NEW = "Calm-41-Meadow", "Vexing-42-Harbour"
AWAY = RouterFault("offline", "no connection")
LOST = RouterFault("timeout", "time-out", lost=True)

Step = bool | RouterFault


class ScriptedWay:
    """Answers logins in the order it is told, then refuses."""

    request_count = 0
    has_sent_login = has_sent_change = True
    sent_late = False

    def __init__(self, *answers: Step, change: bool | RouterFault = True, remaining: float = 100.0) -> None:
        self._answers = list(answers)
        self._change = change
        self.tried: list[str] = []
        self.remaining = remaining
        self.closed = 0
        self.restored: list[str] = []

    def log_in(self, password: str) -> bool:
        self.tried.append(password)
        if not self._answers:
            return False
        answer = self._answers.pop(0)
        if isinstance(answer, RouterFault):
            raise answer
        return answer

    def prepare_change(self) -> None:
        pass

    def identity(self) -> Identity:
        return Identity(serial="1")

    def rule(self, identity: Identity) -> Rule:
        return Rule(PasswordPolicy(), "router")

    def change(self, current: str, new: str) -> bool:
        if isinstance(self._change, RouterFault):
            raise self._change
        return self._change

    def restore(self, current: str) -> None:
        self.restored.append(current)

    def close(self) -> str:
        self.closed += 1
        return ""


def change(way: ScriptedWay, pauses: list[float] | None = None, current: str | None = OLD) -> tuple[str, str, str | None]:
    outcome = change_password(way, "1", current, NEW, sleep=(pauses if pauses is not None else []).append)
    assert way.closed == 1
    assert outcome.wrong_logins <= 2
    return outcome.status, outcome.reason, outcome.live


def test_the_password_that_should_work_goes_first() -> None:
    way = ScriptedWay(True, True)
    assert change(way) == ("changed", "", "new")
    assert way.tried == [OLD, NEW]


def test_the_wanted_password_is_tried_where_the_current_one_is_refused() -> None:
    way = ScriptedWay(False, True)
    assert change(way) == ("unchanged", "same_password", "new")
    assert way.tried == [OLD, NEW]


def test_a_router_without_an_answer_is_not_asked_twice_before_a_change() -> None:
    way = ScriptedWay(AWAY, True)
    assert change(way) == ("failed", "offline", None)
    assert way.tried == [OLD]


def test_after_a_change_the_router_is_waited_for() -> None:
    pauses: list[float] = []
    way = ScriptedWay(True, AWAY, AWAY, AWAY, True)
    assert change(way, pauses) == ("changed", "", "new")
    assert pauses == [0.5, 1.0, 2.0]


def test_waiting_ends_with_the_deadline() -> None:
    pauses: list[float] = []
    way = ScriptedWay(True, *[AWAY] * 9, remaining=1.5)
    assert change(way, pauses) == ("unknown", "timeout", None)
    assert pauses == [0.5, 1.0]


def test_two_lost_logins_may_both_have_been_wrong() -> None:
    way = ScriptedWay(True, LOST, LOST, True)
    assert change(way) == ("unknown", "timeout", None)
    assert way.tried == [OLD, NEW, NEW]


def test_one_lost_login_leaves_one_more() -> None:
    way = ScriptedWay(True, LOST, False, True, change=Unclear("interrupted", "cut"))
    assert change(way) == ("unknown", "interrupted", None)
    assert way.tried == [OLD, NEW, NEW]


def test_silence_after_a_wrong_login_is_a_lock_out() -> None:
    assert change(ScriptedWay(False, AWAY)) == ("failed", "locked_out", None)
    assert change(ScriptedWay(False, LOST)) == ("failed", "locked_out", None)


def test_what_ends_because_of_the_deadline_is_no_lock_out() -> None:
    assert change(ScriptedWay(False, RouterFault("timeout", "deadline"), remaining=0.0)) == ("failed", "timeout", None)


def test_a_change_of_which_nothing_is_known_and_the_old_password_works() -> None:
    way = ScriptedWay(True, False, True, change=Unclear("interrupted", "cut"))
    assert change(way) == ("failed", "interrupted", "current")
    assert way.restored == [OLD]


def test_a_change_after_which_neither_password_works() -> None:
    assert change(ScriptedWay(True, False, False, change=Unclear("timeout", "cut"))) == ("unknown", "timeout", "neither")


@pytest.mark.parametrize(
    ("answers", "expected"), [([True], ("unchanged", "same_password", "new")), ([False, True], ("failed", "protocol", "current"))]
)
def test_the_routers_word_that_the_password_is_the_same_is_proven(answers: Sequence[bool], expected: tuple[str, str, str]) -> None:
    assert change(ScriptedWay(True, *answers, change=False)) == expected


def test_a_refused_change_leaves_the_current_one_proven() -> None:
    assert change(ScriptedWay(True, change=RouterFault("unauthorized", "no rights"))) == ("failed", "unauthorized", "current")


@given(
    answers=st.lists(st.sampled_from([True, False, AWAY, LOST, RouterFault("locked_out", "blocked")]), max_size=12),
    change_answer=st.sampled_from([True, False, Unclear("timeout", "cut"), RouterFault("protocol", "no")]),
    current=st.sampled_from([OLD, NEW, None]),
)
def test_no_sequence_of_answers_spends_more_than_the_ration(
    answers: list[Step], change_answer: bool | RouterFault, current: str | None
) -> None:
    way = ScriptedWay(*answers, change=change_answer)
    status, _reason, live = change(way, current=current)
    given_answers = [*answers, *[False] * len(way.tried)][: len(way.tried)]
    maybe_wrong = sum(answer is False or (isinstance(answer, RouterFault) and answer.lost) for answer in given_answers)
    assert maybe_wrong <= 2
    blocked = [number for number, answer in enumerate(given_answers) if isinstance(answer, RouterFault) and answer.reason == "locked_out"]
    assert not blocked or blocked == [len(given_answers) - 1]
    assert (status in ("changed", "unchanged")) == (live == "new")
    assert status != "failed" or live != "new"


@pytest.mark.parametrize(("alive", "tried"), [([], []), ([True], [OLD])])
def test_nothing_is_changed_for_a_run_that_has_ended(alive: list[bool], tried: list[str]) -> None:
    way = ScriptedWay(True, True)
    outcome = change_password(way, "1", OLD, NEW, may_change=lambda: bool(alive) and alive.pop())
    assert (outcome.status, outcome.reason, way.tried, way.closed) == ("failed", "not_sent", tried, 1)


def test_when_the_run_ends_during_the_change_the_ration_of_wrong_logins_is_left_to_the_next_one() -> None:
    way = ScriptedWay(True, change=Unclear("interrupted", "cut"))
    alive = [True, True]
    outcome = change_password(way, "1", OLD, NEW, may_change=lambda: bool(alive) and alive.pop())
    assert (outcome.status, outcome.live, way.tried, way.closed) == ("unknown", None, [OLD], 1)


def test_a_third_login_is_never_tried() -> None:
    way = ScriptedWay()
    logins = Logins(way)
    assert [logins.opens("a"), logins.opens("b")] == [False, False]
    with pytest.raises(RouterFault, match="no further login"):
        logins.opens("c")
    assert way.tried == ["a", "b"]


def test_a_lost_login_ends_a_proof_without_an_answer() -> None:
    way = ScriptedWay(LOST, True)
    outcome = prove_password(way, "1", [Candidate("staged", NEW), Candidate("current", OLD)])
    assert (outcome.status, outcome.reason, outcome.live) == ("unknown", "timeout", None)
    assert way.tried == [NEW]


def test_passwords_are_not_shown() -> None:
    assert NEW not in repr(Candidate("staged", NEW))
