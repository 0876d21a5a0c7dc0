# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet of all three kinds with faults planted in its inventory and its ledger, and the findings that are right for it."""

from __future__ import annotations

import datetime
import sqlite3
import time
from typing import Any

from support.ledgers import LEASE, request

from ansible_collections.keyturn.devices.plugins.module_utils._ledger import cases, fleet, people
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import CaseChange, ImportRow
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.rules import Settlement
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import PasswordPolicy
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.checks import Rules, find
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.inventory import Listed
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.picture import Picture, Pictured
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.report import Report, make_report

DAY = 86400.0
#: In every password of the fleet.
CANARY = "CANARY"

#: Findings and the devices that have them: nothing else is one.
PLANTED = {
    ("too_old", "r-old"),
    ("weak", "r-weak"),
    ("shared", "r-shared"),
    ("shared", "pbx-shared"),
    ("never_verified", "r-unproven"),
    ("unsettled", "r-unsettled"),
    ("orphaned", "r-orphan"),
    ("case_past_deadline", "bms-late"),
    ("not_recoverable", "pbx-unready"),
    ("readiness_too_old", "pbx-stale"),
    ("readiness_unknown", "pbx-new"),
    ("no_source", "r-sourceless"),
    ("no_source", "r-no-file"),
    ("not_in_ledger", "r-unknown"),
    ("not_in_inventory", "r-forgotten"),
    ("retired", "r-retired"),
    ("offline", "r-offline"),
    ("tampered", "r-tampered"),
    ("bad_input", "r-bad"),
}
#: Without any.
FAULTLESS = ("r-good", "r-given", "pbx-good", "bms-good", "bms-waiting")

_GIVEN = {"kind": "value", "password": "{{ lookup('ansible.builtin.file', '/nowhere/CANARY-never-read') }}"}


def groups(*, broken: bool = True) -> dict[str, dict[str, Any]]:
    """An inventory. C(broken): with the devices whose variables are wrong."""
    names = ("r-good", "r-old", "r-weak", "r-shared", "r-unproven", "r-unsettled", "r-orphan", "r-unknown", "r-retired", "r-offline")
    routers: dict[str, dict[str, Any]] = {name: {"device_serial": serial(name)} for name in (*names, "r-tampered")}
    routers["r-given"] = {"device_serial": serial("r-given"), "device_password_source": _GIVEN}
    if broken:
        routers["r-sourceless"] = {"device_serial": serial("r-sourceless"), "device_password_source": {}}
        routers["r-no-file"] = {"device_serial": serial("r-no-file"), "device_password_source": {"kind": "csv", "path": "nowhere.csv"}}
        routers["r-bad"] = {"device_host": "192.0.2.9"}
    pbxs = {
        name: {"device_host": f"https://192.0.2.{place}:8088"}
        for place, name in enumerate(("pbx-good", "pbx-unready", "pbx-stale", "pbx-new", "pbx-shared"), start=10)
    }
    servers = {name: {"device_server_kind": "enterprise_server"} for name in ("bms-good", "bms-late", "bms-waiting")}
    policy = {"device_password_policy": {"length": 18, "special": True, "max_age_days": 90}}
    return {
        "routers": {"hosts": routers, "vars": policy},
        "pbxs": {"hosts": pbxs, "vars": policy},
        "bms_servers": {"hosts": servers, "vars": policy},
        "elsewhere": {"hosts": {"no-device": {}}},
    }


def serial(name: str) -> str:
    return f"S-{name}"


def password(name: str) -> str:
    return f"{CANARY}-Good-9{name.title()}"


def plant(url: str, passphrase: str, **cost: Any) -> None:
    """Make the ledger of the fleet. Time passes by a clock of its own, and ends now."""
    past = [time.time() - 200 * DAY]
    ledger = Ledger.create(url, passphrase, clock=lambda: past[0], **cost)[0]
    assert ledger is not None
    with ledger:
        run = Run("planting", "nobody:1")
        _proven(ledger, "r-old", run=run)
        past[0] = time.time() - 40 * DAY
        _proven(ledger, "r-offline", run=run)
        ledger.observe(run, offline=["r-offline"], online=(), serials={"r-offline": serial("r-offline")})
        fleet.note_readiness(ledger, "pbx-stale", (), run)
        past[0] = time.time() - 10 * DAY
        for name in ("r-good", "r-given", "r-sourceless", "r-no-file", "r-bad", "r-unsettled", "r-orphan", "r-forgotten"):
            _proven(ledger, name, run=run)
        for name in ("r-retired", "r-tampered"):
            _proven(ledger, name, run=run)
        for name in ("pbx-good", "pbx-unready", "pbx-stale", "pbx-new", "bms-good", "bms-late", "bms-waiting"):
            _proven(ledger, name, None, run=run)
        _proven(ledger, "r-weak", secret=f"{CANARY}5", run=run)
        _proven(ledger, "r-shared", secret=f"{CANARY}-Shared-Pass-9", run=run)
        _proven(ledger, "pbx-shared", None, secret=f"{CANARY}-Shared-Pass-9", run=run)
        people.import_passwords(ledger, [ImportRow("r-unproven", password("r-unproven"), serial("r-unproven"))], run)
        for name in ("r-unsettled", "r-orphan"):
            rotation = Run(f"rotation of {name}", "nobody:1")
            ledger.stage([request(name, f"{CANARY}-Staged-Pass-9", serial=serial(name))], rotation, LEASE)
            live = "neither" if name == "r-orphan" else None
            ledger.settle([Settlement(name, "unknown", reason="timeout", live=live)], rotation, 5)
        ledger.retire(["r-retired"], run)
        for name, ends in (("bms-late", past[0] + DAY), ("bms-waiting", time.time() + DAY)):
            cases.open_case(ledger, name, None, "enterprise_server", run)
            cases.change_case(ledger, name, None, CaseChange("armed", step="reset_mode", armed_at=past[0], deadline=ends), run)
        past[0] = time.time() - DAY
        for name in ("pbx-good", "pbx-shared"):
            fleet.note_readiness(ledger, name, (), run)
        fleet.note_readiness(ledger, "pbx-unready", ("mailbox", "test"), run)
        past[0] = time.time()
    # Somebody writes past the collection.
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE keyturn_devices SET generation = 77 WHERE name = 'r-tampered'")


def _proven(ledger: Ledger, name: str, number: str | None = "", *, secret: str = "", run: Run) -> None:
    people.import_passwords(ledger, [ImportRow(name, secret or password(name), serial(name) if number == "" else number)], run)
    ledger.verified([name], run)


def crowd(count: int, events: int = 10) -> Report:
    """A report on so many devices of all kinds, ages and states, with as many events each; no ledger is asked."""
    now = datetime.datetime(2026, 11, 1, 12, tzinfo=datetime.timezone.utc)
    policy = PasswordPolicy(max_age_days=90)
    states = ("current",) * 14 + ("never_verified", "unsettled", "orphaned", "no_password", "in_recovery", "retired")
    devices = []
    for number in range(count):
        group = ("bms_servers", "pbxs", "routers", "routers", "routers")[number % 5]
        state = states[number * 7 % len(states)]
        since = None if state == "no_password" else now - datetime.timedelta(days=number * 13 % 97, hours=number % 24)
        if number % 50 == 3 and since:
            since -= datetime.timedelta(days=90)
        stamp = (since or now).strftime("%Y-%m-%dT%H:%M:%SZ")
        history = [
            {
                "at": ((since or now) - datetime.timedelta(days=place)).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "who": "ansible@runner",
                "run_id": f"{place * 7919 + number // 2500:032x}"[::-1],
                "name": f"depot-{number:05}",
                "from": ("staged", "current", "")[place % 3],
                "to": ("current", "previous", "staged")[place % 3],
                "reason": ("changed", "verified by login", "generate")[place % 3],
            }
            for place in range(events)
        ]
        record = {
            "serial": f"11{number:08}",
            "current": {"committed_at": stamp},
            "last_verified": stamp,
            "orphaned_at": stamp,
            "orphaned_reason": "unauthorized",
            "staged": {"staged_at": stamp, "attempts": 2, "last_reason": "timeout"},
        }
        case = {"step": "session_id", "expired": number % 3 == 0, "deadline": "2026-11-01T18:00:00Z"} if state == "in_recovery" else None
        devices.append(
            Pictured(
                Listed(f"depot-{number:05}", group, f"11{number:08}", "generate", policy),
                state,
                record,
                since,
                since and since + datetime.timedelta(days=90),
                case=case,
                readiness={"ready": number % 9 != 0, "at": "2026-11-01T02:00:00Z", "failed": ["mailbox"]},
                events=history,
            )
        )
    outcomes = [{"to": "current", "reason": "changed", "devices": 2400}, {"to": "staged", "reason": "kept: timeout", "devices": 7}]
    run = {"run_id": "4f" * 16, "who": "ansible@runner", "began": "2026-10-31T22:00:00Z", "ended": "2026-10-31T22:14:00Z"}
    picture = Picture(now, "the ledger file /srv/keyturn/keyturn-ledger.db", devices, runs=[{**run, "outcomes": outcomes}])
    return make_report(picture, find(picture, Rules({})), "Administrator passwords of field devices")
