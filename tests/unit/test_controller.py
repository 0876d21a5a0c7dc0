# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Actions that work in process: their options, and the one gate everything they say leaves through."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from ansible import context
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.common.collections import ImmutableDict
from support.actions import run_action, trusted

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._module import ModuleFailure
from ansible_collections.keyturn.devices.plugins.plugin_utils._controller import Context, ControllerAction

SECRET = "canary-Secret;'1"
Work = Callable[[dict[str, Any], Context], dict[str, Any]]


class Action(ControllerAction):
    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "state": {"type": "str", "choices": ["here", "there"], "default": "here"},
        "number": {"type": "int"},
        "token": {"type": "str", "no_log": True},
        "devices": {"type": "list", "elements": "dict", "options": {"name": {"type": "str"}, "password": {"type": "str", "no_log": True}}},
    }
    RULES: ClassVar[dict[str, Any]] = {"required_if": [("state", "there", ("number",))], "mutually_exclusive": [("number", "token")]}
    does: Work

    def work(self, options: dict[str, Any], context: Context) -> dict[str, Any]:
        return type(self).does(options, context)


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("KEYTURN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(context, "CLIARGS", ImmutableDict(inventory=[str(tmp_path / "inventory.yml")]))
    (tmp_path / "inventory.yml").touch()


def run(does: Work, **options: Any) -> dict[str, Any]:
    action = type("Doing", (Action,), {"does": staticmethod(does)})
    return run_action(action, **options)


def test_work_gets_checked_options_and_the_modes_of_its_task() -> None:
    seen: list[Any] = []

    def does(options: dict[str, Any], context: Context) -> dict[str, Any]:
        seen.append((options["state"], options["number"], context.check_mode, context.diff))
        return {"changed": True, "answer": 42}

    result = run(does, number="7", check=True, diff=True)
    assert seen == [("here", 7, True, True)]
    assert (result["changed"], result["answer"]) == (True, 42)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"state": "elsewhere"}, "state"),
        ({"state": "there"}, "number"),
        ({"number": 1, "token": SECRET}, "mutually exclusive"),
        ({"nonsense": 1}, "nonsense"),
        ({"number": "many"}, "number"),
        ({"ledger_passphrase": SECRET, "number": "many"}, "number"),
    ],
)
def test_options_that_break_a_rule_are_refused_before_any_work(options: dict[str, Any], told: str) -> None:
    result = run(lambda *_: pytest.fail("was done"), **options)
    assert (result["failed"], result["reason"], result["problems"]) == (True, "input", [])
    assert told in result["msg"]


@pytest.mark.parametrize(
    "options",
    [
        {"number": "x", "devices": [{"name": "r1", "password": SECRET}]},
        {"devices": f"name=r1 password={SECRET}"},
        {"devices": [f"name=r1 password={SECRET}"]},
        {"devices": {"name": "r1", "password": [SECRET]}},
        {"devices": [{"name": "r1", "passwort": "x", "password": SECRET}]},
        {"number": 1, "token": [SECRET]},
        {"state": SECRET, "token": SECRET},
    ],
)
def test_a_refused_option_shows_no_secret(options: dict[str, Any]) -> None:
    result = run(lambda *_: {}, **options)
    assert result["failed"]
    assert "canary" not in result["printed"]


def _raise(error: Exception) -> Work:
    def does(_options: dict[str, Any], _context: Context) -> dict[str, Any]:
        raise error

    return does


@pytest.mark.parametrize(
    "error",
    [
        ModuleFailure(f"no {SECRET}", reason="rejected", devices=[SECRET]),
        LedgerError("input", f"no {SECRET}", [(SECRET, SECRET)]),
        AnsibleError(f"no {SECRET}"),
        RuntimeError(f"no {SECRET}"),
    ],
)
def test_whatever_goes_wrong_leaves_redacted_and_as_text(error: Exception) -> None:
    result = run(_raise(error), token=SECRET)
    assert result["failed"] is True
    assert "no ********" in result["msg"]
    assert "canary" not in result["printed"]


def test_reasons_and_problems_of_the_ledger_are_data() -> None:
    result = run(_raise(LedgerError("policy", "no", [("r1", "too short")])))
    assert result["reason"] == "policy"
    assert result["problems"] == [{"where": "r1", "message": "too short"}]


def test_a_site_that_cannot_be_reached_is_unreachable_and_not_failed() -> None:
    result = run(_raise(AnsibleConnectionFailure("no route")))
    assert result["unreachable"] is True
    assert "failed" not in result


def test_results_warnings_and_the_invocation_pass_the_gate() -> None:
    def does(options: dict[str, Any], context: Context) -> dict[str, Any]:
        context.redactor.add("made-on-the-way")
        context.warn(f"look at {SECRET}")
        return {"text": f"{options['token']} and made-on-the-way", "changed": True}

    result = run(does, token=SECRET)
    assert result["text"] == "******** and ********"
    assert result["warnings"] == ["look at ********"]
    assert result["invocation"]["module_args"]["state"] == "here"
    assert "canary" not in result["printed"]


def ledger_of(**options: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def does(given: dict[str, Any], _context: Context) -> dict[str, Any]:
        found.update({name: value for name, value in given.items() if name.startswith("ledger_")})
        return {}

    result = run(does, **options)
    assert "failed" not in result, result["msg"]
    return found


def test_the_ledger_is_found_by_option_then_variable_then_environment_then_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert ledger_of()["ledger_url"] == f"sqlite:///{tmp_path}/keyturn-ledger.db"
    monkeypatch.setenv("KEYTURN_LEDGER_URL", "sqlite:////environment.db")
    assert ledger_of()["ledger_url"] == "sqlite:////environment.db"
    variables = {"place": "/variable.db", "ledger_url": trusted("sqlite:///{{ place }}")}
    assert ledger_of(variables=variables)["ledger_url"] == "sqlite:////variable.db"
    assert ledger_of(variables=variables, ledger_url="sqlite:////option.db")["ledger_url"] == "sqlite:////option.db"


def test_a_passphrase_given_directly_goes_before_a_variable_that_names_a_file() -> None:
    variables = {"vaulted": "from the vault", "ledger_passphrase": trusted("{{ vaulted }}")}
    assert ledger_of(variables=variables)["ledger_passphrase"] == "from the vault"
    found = ledger_of(variables=variables, ledger_passphrase_file="/file")
    assert (found["ledger_passphrase"], found["ledger_passphrase_file"]) == (None, "/file")


def test_a_passphrase_that_came_from_a_variable_is_a_secret() -> None:
    result = run(lambda options, _context: {"text": options["ledger_passphrase"]}, variables={"ledger_passphrase": SECRET})
    assert result["text"] == "********"
    assert "canary" not in result["printed"]


def test_a_ledger_inside_an_inventory_directory_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    inventory = tmp_path / "inventory"
    (inventory / "group_vars").mkdir(parents=True)
    monkeypatch.setattr(context, "CLIARGS", ImmutableDict(inventory=[str(tmp_path / "inventory.yml"), str(inventory)]))
    for place in ("ledger.db", "group_vars/ledger.db"):
        result = run(lambda *_: pytest.fail("was done"), ledger_url=f"sqlite:///{inventory}/{place}")
        assert result["reason"] == "input"
        assert str(inventory) in result["msg"]
    monkeypatch.setattr(context, "CLIARGS", ImmutableDict(inventory=[str(inventory)]))
    assert ledger_of()["ledger_url"] == f"sqlite:///{tmp_path}/keyturn-ledger.db"
