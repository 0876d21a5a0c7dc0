# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the ledger holds after a recovery, however it ended, and what the next run makes of that."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.recovery import LOST, NAME, Desk, Killed, Pbx

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import StageRequest
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.rules import Settlement
from ansible_collections.keyturn.devices.plugins.module_utils._module import ModuleFailure
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk.on(tmp_path)
    with made.ledger:
        yield made


def told(outcome: dict[str, Any]) -> tuple[Any, ...]:
    return outcome["status"], outcome["reason"], outcome["open"]


def options(desk: Desk) -> list[dict[str, Any]]:
    """Of the calls that worked pages."""
    return [arguments for name, arguments in desk.pbx.calls if name == "pbx_email_recovery"]


def orphan(desk: Desk) -> None:
    """A rotation has ended with neither password logging in."""
    run = Run("rotation")
    desk.ledger.stage([StageRequest(NAME, None, "generate", lambda _former: "Staged-By-Rotation-58")], run, 900)
    desk.ledger.settle([Settlement(NAME, "unknown", "unauthorized", "login", "neither")], run)


def test_the_new_password_is_in_the_ledger_before_the_pbx_hears_of_anything(desk: Desk) -> None:
    seen: list[Any] = []
    call = desk.pbx.call
    desk.pbx.call = lambda name, arguments: (seen.append(desk.record()["staged"]["password"]), call(name, arguments))[1]  # type: ignore[method-assign]
    outcome = desk.recover()
    assert (told(outcome), outcome["what_to_do"]) == (("changed", "", False), "")
    assert seen == [desk.pbx.password] * 2
    assert (desk.current(), desk.record()["staged"], desk.record()["verified_by"]) == (desk.pbx.password, None, "login")
    assert (desk.pbx.requests, desk.pbx.wrong_logins) == (1, 0)


def test_a_password_that_logs_in_was_not_lost(desk: Desk) -> None:
    desk.know(LOST)
    assert told(desk.recover()) == ("unchanged", "", False)
    assert (desk.current(), desk.record()["staged"], desk.pbx.password, desk.pbx.requests) == (LOST, None, LOST, 0)
    assert desk.record()["verified_by"] == "login"
    desk.settings["force"] = True
    assert told(desk.recover()) == ("changed", "", False)
    assert (desk.current(), desk.pbx.wrong_logins) == (desk.pbx.password, 0)


def test_one_that_is_not_in_force_any_more_costs_one_wrong_login(desk: Desk) -> None:
    desk.know("Not-In-Force-58")
    assert told(desk.recover()) == ("changed", "", False)
    assert (desk.pbx.wrong_logins, desk.current()) == (1, desk.pbx.password)
    assert [slot["password"] for slot in desk.record()["previous"]] == ["Not-In-Force-58"]


#: Of every row of the vendor's table of outcomes, and of what can happen besides: stage, reason, whether the recovery stays open.
OUTCOMES = [
    ("requested", "no_bound_email", False),
    ("requested", "unknown_user", False),
    ("requested", "unknown_user_or_email", False),
    ("requested", "send_failed", False),
    ("requested", "locked_out", False),
    ("requested", "profile_unknown", False),
    ("requested", "unreachable", False),
    ("login", "locked_out", False),
    ("marked", "mailbox_refused", False),
    ("marked", "unreachable", False),
    ("mail", "mail_timeout", True),
    ("mail", "mailbox_refused", True),
    ("mail", "link_foreign_host", True),
    ("mail", "link_unsafe", True),
    ("mail", "link_ambiguous", True),
    ("link", "link_not_local", True),
    ("link", "unreachable", True),
    ("link", "profile_unknown", True),
    ("link", "link_expired", False),
    ("link", "link_unknown", False),
    ("set", "protocol", True),
    ("set", "policy", False),
    ("set", "rejected", False),
]


@pytest.mark.parametrize(("stage", "reason", "stays"), OUTCOMES)
def test_every_outcome_has_its_reason_and_what_to_do(desk: Desk, stage: str, reason: str, stays: bool) -> None:
    desk.pbx.refuses = {stage: reason}
    outcome = desk.recover()
    assert told(outcome) == ("failed", reason, stays)
    assert outcome["what_to_do"] not in ("", "Run recover_pbx again.")
    assert bool(desk.record()["staged"]) == stays
    assert bool(outcome["link_lives_until"]) == stays
    assert desk.pbx.password == LOST
    # Whatever it was, once it is mended the next run brings the PBX back.
    desk.pbx.refuses = {}
    assert told(desk.recover()) == ("changed", "", False)
    assert desk.current() == desk.pbx.password
    # It is certain that what is staged was never set, so nobody tries it.
    assert desk.pbx.wrong_logins == 0


def test_what_was_asked_for_is_not_asked_for_again_while_its_link_lives(desk: Desk) -> None:
    desk.pbx.refuses = {"mail": "mail_timeout"}
    assert told(desk.recover()) == ("failed", "mail_timeout", True)
    staged = desk.record()["staged"]["password"]
    desk.pbx.refuses, desk.pbx.mails = {}, 1
    assert told(desk.recover()) == ("changed", "", False)
    assert (desk.pbx.requests, desk.current()) == (1, staged)
    again = options(desk)[-1]
    assert ("try_first" in again, bool(again["marker"]), again["deadline"] <= 1500) == (False, True, True)


def test_a_dead_link_is_asked_for_anew(desk: Desk) -> None:
    desk.pbx.now -= datetime.timedelta(minutes=40)
    desk.pbx.refuses = {"mail": "mail_timeout"}
    desk.recover()
    desk.pbx.refuses = {}
    assert told(desk.recover()) == ("changed", "", False)
    assert (desk.pbx.requests, "marker" in options(desk)[-1]) == (2, False)


@pytest.mark.parametrize(("moment", "requests"), [("marked", 1), ("requested", 2), ("mail", 1), ("set", 1)])
def test_killed_at_any_moment_it_is_carried_on(desk: Desk, moment: str, requests: int) -> None:
    desk.pbx.killed = moment
    with pytest.raises(Killed):
        desk.recover()
    staged = desk.record()["staged"]["password"]
    assert desk.recover()["status"] in ("changed", "unchanged")
    assert (desk.current(), desk.pbx.password, desk.record()["staged"]) == (staged, staged, None)
    assert (desk.pbx.requests, desk.pbx.wrong_logins) == (requests, 0 if moment == "set" else 1)


def test_an_answer_that_is_lost_leaves_both_and_the_next_run_finds_out(desk: Desk) -> None:
    desk.know("Not-In-Force-58")
    desk.pbx.silent = "set"
    outcome = desk.recover()
    assert told(outcome) == ("unknown", "timeout", True)
    assert (desk.current(), desk.record()["staged"]["password"]) == ("Not-In-Force-58", desk.pbx.password)
    assert desk.recover()["status"] == "changed"
    assert (desk.current(), desk.pbx.requests, desk.pbx.wrong_logins) == (desk.pbx.password, 1, 1)


def test_an_orphan_is_recovered_and_is_none_any_more(desk: Desk) -> None:
    desk.know("Not-In-Force-58")
    orphan(desk)
    assert (desk.record()["orphaned"], desk.current()) == (True, None)
    assert told(desk.recover()) == ("changed", "", False)
    assert (desk.record()["orphaned"], desk.current(), desk.pbx.wrong_logins) == (False, desk.pbx.password, 0)
    marks = {slot["password"]: slot["mark"] for slot in desk.record()["previous"]}
    assert marks == {"Not-In-Force-58": "previous", "Staged-By-Rotation-58": "superseded"} or "Not-In-Force-58" in marks


def test_an_orphan_stays_one_when_its_recovery_fails(desk: Desk) -> None:
    desk.know("Not-In-Force-58")
    orphan(desk)
    desk.pbx.refuses = {"requested": "send_failed"}
    assert told(desk.recover()) == ("failed", "send_failed", False)
    assert (desk.record()["orphaned"], desk.current()) == (True, None)
    desk.pbx.refuses = {"mail": "mail_timeout"}
    assert told(desk.recover()) == ("failed", "mail_timeout", True)
    assert desk.record()["orphaned"]
    # No rotation takes it up meanwhile.
    assert [result.status for result in desk.ledger.resume([NAME], Run("rotation"), 900)] == ["orphaned"]
    desk.pbx.refuses, desk.pbx.mails = {}, 1
    assert told(desk.recover()) == ("changed", "", False)
    assert (desk.record()["orphaned"], desk.current()) == (False, desk.pbx.password)


def test_after_too_many_attempts_it_begins_anew(desk: Desk) -> None:
    desk.settings["max_attempts"] = 2
    desk.pbx.refuses = {"link": "link_not_local"}
    assert desk.recover()["open"]
    first = desk.record()["staged"]["password"]
    outcome = desk.recover()
    assert (desk.record()["orphaned"], outcome["status"], "anew" in outcome["what_to_do"]) == (True, "failed", True)
    desk.pbx.refuses = {}
    assert told(desk.recover()) == ("changed", "", False)
    assert desk.current() == desk.pbx.password != first
    assert not desk.record()["orphaned"]


def test_a_note_is_kept_for_who_holds_the_device_alone(desk: Desk) -> None:
    desk.pbx.refuses = {"mail": "mail_timeout"}
    desk.recover()
    assert desk.ledger.note(NAME, Run("somebody else"), "nothing").status == "lost_lease"
    run = Run("the next run")
    [resumed] = desk.ledger.resume([NAME], run, 900)
    assert '"kept": true' in resumed.details["note"]
    assert desk.ledger.note(NAME, run, "another").status == "noted"
    [again] = desk.ledger.resume([NAME], run, 900)
    assert again.details["note"] == "another"


def test_a_given_password_is_what_is_set(desk: Desk) -> None:
    desk.variables["device_password_source"] = {"kind": "value", "password": "Given-By-The-Vault-58"}
    assert told(desk.recover()) == ("changed", "", False)
    assert (desk.pbx.password, desk.current()) == ("Given-By-The-Vault-58", "Given-By-The-Vault-58")


#: Variable or setting -> what is told of it.
BAD_INPUT = [
    ({"device_host": None}, "device_host: is missing"),
    ({"device_host": "https://192.0.2.5:8088/login"}, "device_host: must end after the host name and the port"),
    ({"device_host": "https://admin:canary@192.0.2.5"}, "device_host: must not hold a user name or a password"),
    ({"device_proxy": "ftp://192.0.2.1"}, "device_proxy: "),
    ({"device_fingerprint": "abc"}, "device_fingerprint: is no SHA-256 fingerprint"),
    ({"device_username": "a b"}, "device_username: cannot be the name of a user"),
    ({"device_email": None}, "device_email: is missing"),
    ({"device_email": "nobody"}, "device_email: is no e-mail address"),
    ({"device_mailbox": None}, "device_mailbox: is missing"),
    ({"device_mailbox": "imap.example.com"}, "device_mailbox: must be a mapping"),
    ({"device_mailbox": {"host": "imap.example.com"}}, "device_mailbox: does not have the form"),
    ({"device_mailbox": {"host": "imap.example.com", "user": "u", "password": "c", "port": 0}}, "device_mailbox.port: must be between"),
    ({"device_password_policy": {"lenght": 20}}, "device_password_policy.lenght: "),
    ({"device_password_source": {"kind": "value", "password": "weak"}}, "device_password_source (value): "),
    ({"device_password_source": {"kind": "rms"}}, "device_password_source.kind: 'rms' is none of"),
    ({"device_emial": "a@example.com"}, "did you mean device_email?"),
]


@pytest.mark.parametrize(("variables", "message"), BAD_INPUT, ids=lambda value: str(value)[:40])
def test_bad_input_is_named_before_anything_is_sent(desk: Desk, variables: dict[str, Any], message: str) -> None:
    desk.variables = variables
    outcome = desk.recover()
    assert told(outcome) == ("failed", "bad_input", False)
    assert message in outcome["message"]
    assert "canary" not in str(outcome)
    assert (desk.pbx.calls, desk.record()) == ([], {})


@pytest.mark.parametrize(
    ("name", "value"), [("profile", "/nowhere.yml"), ("allowed_hosts", ["a/b"]), ("sender", "nobody"), ("subjects", [" "])], ids=str
)
def test_a_setting_that_cannot_be_used_is_named(desk: Desk, name: str, value: Any) -> None:
    desk.settings[name] = value
    assert f"pbx_recovery_{name}" in desk.recover()["message"]
    assert desk.pbx.calls == []


def test_a_setting_of_another_type_stops_it(desk: Desk) -> None:
    desk.settings["deadline"] = "soon"
    with pytest.raises(ModuleFailure, match="pbx_recovery_deadline: must be int"):
        desk.recover()


def test_the_pbx_in_memory_has_no_password_but_what_was_set() -> None:
    assert Pbx().password == LOST
