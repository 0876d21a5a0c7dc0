# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""recovery_case and recovery_step as tasks: bad input is told, changes nothing, and no secret is in any result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.actions import run_action
from support.ledgers import PASSPHRASE, cheap_keys, opened

from ansible_collections.keyturn.devices.plugins.action import recovery_case, recovery_step

SECRET = "CANARY 'session' \"id\" \\2026"
HOSTS = ["hq", "annex"]

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    cheap_keys(monkeypatch)
    monkeypatch.chdir(tmp_path)
    address = f"sqlite:///{tmp_path}/ledger.db"
    opened(address).close()
    return address


@pytest.fixture
def case(url: str) -> Run:
    def run(check: bool = False, **options: Any) -> dict[str, Any]:
        given = {"name": "hq", "ledger_url": url, "ledger_passphrase": PASSPHRASE, **options}
        result = run_action(recovery_case.ActionModule, check=check, **given)
        assert "CANARY" not in result["printed"]
        return result

    return run


@pytest.fixture
def step(url: str) -> Run:
    def run(check: bool = False, hosts: list[str] | None = None, **options: Any) -> dict[str, Any]:
        variables = {"inventory_hostname": "hq", "ansible_play_hosts_all": hosts or ["hq"]}
        given = {"server_kind": "edge_server", "ledger_url": url, "ledger_passphrase": PASSPHRASE, **options}
        result = run_action(recovery_step.ActionModule, check=check, variables=variables, **given)
        assert "CANARY" not in result["printed"]
        return result

    return run


def test_a_case_from_its_opening_to_its_end(case: Run) -> None:
    assert case(check=True, state="opened", kind="niagara")["changed"]
    assert case(state="opened", kind="niagara")["case"]["state"] == "open"
    assert not case(state="opened", kind="niagara")["changed"]
    first = case(state="step_done", step="reset_mode", deadline="2099-01-01T00:00:00Z")
    assert (first["case"]["step"], first["case"]["deadline"]) == ("reset_mode", "2099-01-01T00:00:00Z")
    given = {"state": "step_done", "step": "answered", "session_id": SECRET, "temporary_password": f"{SECRET} again"}
    answered = case(**given)
    assert answered["case"]["holds"] == ["session_id", "temporary_password"]
    assert (case(**given)["changed"], case(check=True, state="closed")["changed"]) == (False, True)
    closed = case(state="closed", reason="all is well")["case"]
    assert (closed["state"], closed["holds"], closed["events"][-1]["reason"]) == ("closed", [], "all is well")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"state": "step_done", "step": "x"}, "no_case"),
        ({"state": "abandoned"}, "no_case"),
        ({"state": "opened"}, "input"),
        ({"state": "opened", "kind": "x", "session_id": SECRET}, "input"),
        ({"state": "step_done", "step": "x", "deadline": "tomorrow"}, "input"),
        ({"state": "step_done", "step": "x", "deadline": "2099-01-01T00:00:00"}, "input"),
        ({"state": "step_done", "step": "x", "session_id": f"{SECRET}\x07"}, "input"),
        ({"state": "opened", "kind": "x", "name": ""}, "input"),
        ({"state": "opened", "kind": "x", "ledger_passphrase": "another passphrase"}, "wrong_passphrase"),
    ],
)
def test_what_a_case_does_not_take(case: Run, options: dict[str, Any], reason: str) -> None:
    result = case(**options)
    assert (result["failed"], result["reason"]) == (True, reason)
    assert not result["changed"]


@pytest.mark.parametrize(
    ("options", "hosts", "words"),
    [
        ({"session_id": SECRET}, HOSTS, ("bms_session_id", "--limit")),
        ({"temporary_password": SECRET}, HOSTS, ("bms_temporary_password", "--limit")),
        ({"confirmed": "new_password"}, HOSTS, ("bms_confirmed", "--limit")),
        ({"arm": "hq,hp"}, HOSTS, ("bms_arm", "hp")),
        ({"confirmed": "everything"}, None, ("bms_confirmed", "everything")),
        ({"session_id": SECRET}, None, ("bms_session_id", "no recovery")),
        ({"temporary_password": SECRET}, None, ("bms_temporary_password", "no recovery")),
        ({"confirmed": "reset_mode"}, None, ("bms_confirmed", "no recovery")),
    ],
)
def test_what_a_run_does_not_take(step: Run, case: Run, options: dict[str, Any], hosts: list[str] | None, words: tuple[str, ...]) -> None:
    result = step(hosts=hosts, **options)
    assert (result["failed"], result["case"]["status"], result["case"]["reason"], result["changed"]) == (True, "failed", "bad_input", False)
    for word in words:
        assert word in result["msg"]
    assert case(state="abandoned")["reason"] == "no_case"


def test_a_server_that_nobody_named_is_left_alone(step: Run) -> None:
    result = step(hosts=HOSTS, arm="annex")
    assert (result.get("failed", False), result["changed"], result["act"]) == (False, False, "")
    assert result["case"] == {
        "step": "reset_mode",
        "waiting_for": "bms_arm",
        "who": "operator",
        "until": "",
        "status": "waiting",
        "reason": "",
    }


def test_an_unknown_kind_and_a_ledger_that_is_not_there_are_told(step: Run, tmp_path: Path) -> None:
    assert "server_kind" in step(server_kind="toaster")["msg"]
    absent = step(ledger_url=f"sqlite:///{tmp_path}/none.db")
    assert (absent["failed"], absent["case"]["reason"]) == (True, "absent")
