# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recovery cases in the ledger: durable, sealed, one open one for each device, and left alone by every rotation."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.ledgers import PASSPHRASE, Clock, committed, kept, opened, request, run_of, settled, staged

from ansible_collections.keyturn.devices.plugins.module_utils._ledger import cases, people
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import CaseChange
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.schema import schema
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run, runner_identity

CHALLENGE = "CANARY-challenge-7f3a"
RESPONSE = "CANARY-response-91bc"
RUN = run_of("a run")


def case_of(ledger: Ledger, name: str = "hq", serial: str | None = None) -> dict[str, Any]:
    case = cases.read_case(ledger, name, serial, include_secrets=True)
    assert case is not None
    return case


def test_a_case_survives_with_its_secrets_and_tells_what_happened(ledger: Ledger, open_again: Callable[..., Ledger], clock: Clock) -> None:
    assert cases.read_case(ledger, "hq") is None
    assert cases.change_case(ledger, "hq", None, CaseChange("x", step="x"), RUN).status == "no_case"
    assert cases.open_case(ledger, "hq", None, "enterprise_server", RUN, facts={"transport": "guided"}).status == "opened"
    clock.advance(60)
    armed = CaseChange("armed", step="reset_mode", armed_at=clock(), deadline=clock() + 86400)
    assert cases.change_case(ledger, "hq", None, armed, RUN).status == "changed"
    assert cases.change_case(ledger, "hq", None, armed, RUN).status == "unchanged"
    given = CaseChange("brought", step="session_id", secrets={"session_id": CHALLENGE}, facts={"transport": ""})
    told = cases.change_case(ledger, "hq", None, given, RUN)

    assert CHALLENGE not in repr(told)
    case = case_of(open_again())
    assert (case["step"], case["state"], case["secrets"], case["facts"]) == ("session_id", "open", {"session_id": CHALLENGE}, {})
    assert (case["armed_at"], case["deadline"]) == ("2027-01-15T08:01:00Z", "2027-01-16T08:01:00Z")
    assert [(event["from"], event["to"], event["reason"]) for event in case["events"]] == [
        ("", "open", "opened"),
        ("open", "reset_mode", "armed"),
        ("reset_mode", "session_id", "brought"),
    ]
    assert "secrets" not in (cases.read_case(ledger, "hq") or {})
    assert not case["expired"]
    clock.advance(86400)
    assert case_of(ledger)["expired"]


def test_one_open_case_for_a_device_and_a_new_one_after_it_ended(ledger: Ledger, clock: Clock) -> None:
    cases.open_case(ledger, "hq", None, "enterprise_server", RUN)
    assert cases.open_case(ledger, "hq", None, "enterprise_server", RUN).status == "already_open"
    with pytest.raises(LedgerError, match="another kind") as caught:
        cases.open_case(ledger, "hq", None, "pct_server", RUN)
    assert caught.value.reason == "input"
    cases.change_case(ledger, "hq", None, CaseChange("given", secrets={"session_id": CHALLENGE}), RUN)
    ended = cases.change_case(ledger, "hq", None, CaseChange("done", state="closed"), RUN).details["case"]
    assert (ended["state"], ended["holds"], ended["expired"]) == ("closed", [], False)
    assert cases.change_case(ledger, "hq", None, CaseChange("again", state="closed"), RUN).status == "no_case"
    clock.advance(1)
    assert cases.open_case(ledger, "hq", None, "pct_server", RUN).status == "opened"
    assert case_of(ledger)["kind"] == "pct_server"


def test_the_database_itself_holds_no_two_open_cases_of_a_device(ledger: Ledger) -> None:
    cases.open_case(ledger, "hq", None, "enterprise_server", RUN)
    table = schema().cases
    with ledger._database.begin(write=True) as connection:
        row = dict(connection.execute(sa.select(table)).one()._mapping)

    def add(state: str) -> None:
        with ledger._database.begin(write=True) as connection:
            connection.execute(sa.insert(table).values({**row, "id": f"another {state}", "state": state}))

    add("closed")
    with pytest.raises(LedgerError, match=r"IntegrityError|UniqueViolation"):
        add("open")


def test_a_restart_forgets_the_secrets_and_times_of_the_attempt_before(ledger: Ledger, clock: Clock) -> None:
    cases.open_case(ledger, "hq", None, "edge_server", RUN)
    first = CaseChange("x", step="temporary_password", armed_at=clock(), deadline=clock() + 1, secrets={"session_id": CHALLENGE})
    cases.change_case(ledger, "hq", None, first, RUN)
    again = CaseChange("again", step="reset_mode", armed_at=clock() + 50, deadline=clock() + 90, restart=True)
    case = cases.change_case(ledger, "hq", None, again, RUN).details["case"]
    assert (case["step"], case["holds"], case["deadline"]) == ("reset_mode", [], "2027-01-15T08:01:30Z")


def test_a_case_goes_by_the_serial_number_and_its_device_is_left_alone_by_rotations(ledger: Ledger) -> None:
    committed(ledger, "hq", "old-password-1")
    case = cases.open_case(ledger, "hq", "S-1", "enterprise_server", RUN).details["case"]
    assert staged(ledger, RUN, {"hq": "rotated-pass-2"}, serial="S-1") == {"hq": "busy"}
    [own] = ledger.stage([request("head-office", "new-password-3", serial="S-1", case_id=case["id"])], RUN, 900)
    assert own.status == "staged"

    assert case_of(ledger, "head-office", "S-1")["id"] == case["id"]
    assert cases.read_case(ledger, "somebody", "S-2") is None
    [left] = ledger.resume(["head-office"], run_of("reconcile"), 900)
    assert (left.status, left.reason) == ("busy", "in_recovery")
    assert settled(ledger, RUN, "head-office", "changed", live="staged", claim=True) == "committed"
    assert kept(ledger, "head-office") == {"current": ["new-password-3"], "previous": ["old-password-1"]}
    cases.change_case(ledger, "head-office", "S-1", CaseChange("done", state="closed"), RUN)
    assert staged(ledger, RUN, {"head-office": "rotated-pass-4"}, serial="S-1") == {"head-office": "staged"}


def test_two_runs_are_never_at_one_case_and_the_next_takes_over_from_a_dead_one(ledger: Ledger) -> None:
    mine = Run("mine", runner_identity())
    assert cases.open_case(ledger, "hq", None, "edge_server", mine, lease_seconds=900).status == "opened"
    other = run_of("other")
    assert cases.open_case(ledger, "hq", None, "edge_server", other, lease_seconds=900).status == "busy"
    assert cases.change_case(ledger, "hq", None, CaseChange("x", step="x"), other).status == "busy"
    assert cases.change_case(ledger, "hq", None, CaseChange("x", step="x"), mine, lease_seconds=0).status == "changed"
    child = os.fork()
    if child == 0:
        os._exit(0)
    gone = Run("gone", runner_identity(child))
    os.waitpid(child, 0)
    cases.change_case(ledger, "hq", None, CaseChange("y", step="y"), gone, lease_seconds=900)
    assert cases.change_case(ledger, "hq", None, CaseChange("z", step="z"), other).status == "changed"


def test_check_mode_writes_nothing(ledger: Ledger, open_again: Callable[..., Ledger]) -> None:
    dry = open_again(dry_run=True)
    assert cases.open_case(dry, "hq", None, "edge_server", RUN).status == "opened"
    assert cases.read_case(ledger, "hq") is None
    assert ledger.devices() == {}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE keyturn_cases SET step = 'done'",
        "UPDATE keyturn_cases SET deadline = 9e9",
        "UPDATE keyturn_cases SET secrets = (SELECT secrets FROM keyturn_cases WHERE kind = 'pct_server')",
    ],
)
def test_a_case_changed_past_the_ledger_is_not_believed(ledger: Ledger, statement: str) -> None:
    for name, kind in (("hq", "edge_server"), ("annex", "pct_server")):
        cases.open_case(ledger, name, None, kind, RUN)
        cases.change_case(ledger, name, None, CaseChange("x", secrets={"session_id": f"{CHALLENGE}-{name}"}), RUN)
    with ledger._database.begin(write=True) as connection:
        connection.exec_driver_sql(statement)
    with pytest.raises(LedgerError) as caught:
        cases.read_case(ledger, "hq")
    assert caught.value.reason == "tampered"


def test_a_new_passphrase_opens_the_secrets_of_cases_and_the_file_shows_none(ledger: Ledger, url: str, clock: Clock) -> None:
    cases.open_case(ledger, "hq", None, "edge_server", RUN)
    cases.change_case(ledger, "hq", None, CaseChange("x", secrets={"session_id": CHALLENGE, "temporary_password": RESPONSE}), RUN)
    people.rekey(ledger, "another passphrase", RUN)
    assert case_of(ledger)["secrets"] == {"session_id": CHALLENGE, "temporary_password": RESPONSE}
    with pytest.raises(LedgerError):
        opened(url, clock, make=False, passphrase=PASSPHRASE)
    if url.startswith("sqlite"):
        content = Path(url.removeprefix("sqlite:///")).read_bytes()
        assert CHALLENGE.encode() not in content
        assert RESPONSE.encode() not in content
