# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What happened by run and date, and who waits, as the ledger tells it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
from support.actions import run_action
from support.ledgers import PASSPHRASE, Clock, cheap_keys, committed, opened, run_of, settled, staged

from ansible_collections.keyturn.devices.plugins.action import ledger_history
from ansible_collections.keyturn.devices.plugins.module_utils._ledger import people, store
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.database import Database
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import ImportRow
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger

DAY = 86400


class FakeVariables:
    """An inventory that knows some of the devices; the policy of each."""

    policies: ClassVar[dict[str, Any]] = {"old": {"max_age_days": 30}, "new": {}}

    def __init__(self, *_given: object) -> None:
        pass

    def knows(self, name: str) -> bool:
        return name in self.policies

    def of(self, name: str) -> dict[str, Any]:
        return {"device_password_policy": self.policies[name]}

    def resolve(self, value: Any, _raw: object) -> Any:
        return value


@pytest.fixture
def told(sqlite_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The history of three nights, asked for by options."""
    cheap_keys(monkeypatch)
    with opened(sqlite_url, clock) as ledger:
        _three_nights(ledger, clock)
    monkeypatch.setattr(ledger_history, "HostVariables", FakeVariables)
    monkeypatch.setattr(store, "Database", lambda url, _clock=None: Database(url, clock))

    def ask(**options: Any) -> dict[str, Any]:
        variables = {"groups": {"routers": ["old", "new"]}, "inventory_hostname": "localhost"}
        given = {"ledger_url": sqlite_url, "ledger_passphrase": PASSPHRASE, **options}
        return run_action(ledger_history.ActionModule, variables=variables, **given)

    return ask


def _three_nights(ledger: Ledger, clock: Clock) -> None:
    committed(ledger, "old", "CANARY-old")
    committed(ledger, "lost", "CANARY-lost")
    clock.advance(60 * DAY)
    for night in ("night-1", "night-2"):
        run = run_of(night)
        staged(ledger, run, {"bad": f"CANARY-{night}", "new": f"CANARY-new-{night}"})
        settled(ledger, run, "bad", "failed", reason="offline" if night == "night-1" else "rejected_by_policy")
        settled(ledger, run, "new", "changed", proof="vendor")
        clock.advance(DAY + 60)
    people.import_passwords(ledger, [ImportRow("taken over", "CANARY-imported", None)], run_of("import"))
    staged(ledger, run_of("night-3"), {"open": "CANARY-open", "lost": "CANARY-lost-2"})
    settled(ledger, run_of("night-3"), "open", "unknown", reason="timeout")
    settled(ledger, run_of("night-3"), "lost", "unknown", live="neither", proof="login")
    found = ledger.devices(["old"])["old"]["current"]["id"]
    assert ledger.disproved({"old": found}, run_of("verify"))[0].status == "disproved"


def outcomes(result: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {entry["name"]: (entry["outcome"], entry["reason"]) for entry in result["ended_badly"]}


def names(result: dict[str, Any], what: str) -> list[str]:
    return [entry["name"] for entry in result[what]]


def test_last_night_and_who_waits(told: Any, tmp_path: Path) -> None:
    result = told(path=str(tmp_path / "x.json"))
    assert outcomes(result) == {
        "open": ("unknown", "timeout"),
        "lost": ("orphaned", "neither_logs_in"),
        "old": ("refused", "unauthorized"),
    }
    assert [(run["run_id"], run["counts"]) for run in result["runs"]] == [
        ("night-3", {"unknown": 1, "orphaned": 1}),
        ("verify", {"refused": 1}),
    ]
    assert result["overdue"] == [{"name": "old", "days": 62, "allowed": 30}]
    assert names(result, "never_proven") == ["old", "taken over"]
    assert {entry["name"]: entry["times"] for entry in result["failing"]} == {"bad": 2, "lost": 1, "open": 1}
    assert (names(result, "offline"), names(result, "unsettled"), names(result, "orphaned")) == (["bad"], ["open"], ["lost"])
    assert names(result, "without_password") == ["bad"]
    assert any(line.startswith("bad: has failed 2 times in a row") for line in result["lines"])
    written = json.loads((tmp_path / "x.json").read_text())
    assert written["ended_badly"] == result["ended_badly"]
    assert "failed" not in result
    assert (tmp_path / "x.json").stat().st_mode & 0o777 == 0o600
    assert "CANARY" not in result["printed"] + json.dumps(written)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"run": "night-1"}, {"bad": ("failed", "offline")}),
        (
            {"run": "night"},
            {"bad": ("failed", "rejected_by_policy"), "open": ("unknown", "timeout"), "lost": ("orphaned", "neither_logs_in")},
        ),
        ({"since": "2300-01-01"}, {}),
        ({"since": "2000-01-01T00:00:00+01:00", "devices": ["bad"]}, {"bad": ("failed", "rejected_by_policy")}),
    ],
)
def test_by_run_and_date(told: Any, options: dict[str, Any], expected: dict[str, Any]) -> None:
    assert outcomes(told(**options)) == expected


@pytest.mark.parametrize("options", [{"run": "another"}, {"since": "last night"}])
def test_what_cannot_be_told_is_an_error(told: Any, options: dict[str, Any]) -> None:
    result = told(**options)
    assert (result["failed"], result["reason"]) == (True, "input")
