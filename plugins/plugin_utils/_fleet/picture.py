# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet as inventory and ledger together show it. No password is in it, nor anything made of one."""

from __future__ import annotations

import datetime
import hmac
import os
import typing as t
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.cases import read_open_cases
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.fleet import read_readiness, read_runs
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import PasswordPolicy, Violation, violations
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.inventory import Inventory, Listed
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.due import parse_time
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import Problem

Record = Mapping[str, t.Any]

#: What can be said of a device's password in one word. The first that is true counts.
CURRENT = "current"
STATES: Mapping[str, str] = {
    "retired": "put away in the ledger",
    "in_recovery": "its recovery is under way",
    "orphaned": "no password is known to work",
    "unsettled": "a run ended without knowing which password works",
    "no_password": "the ledger holds no password of it",
    "never_verified": "its password was never proven",
    CURRENT: "its password is known and was proven",
}


@dataclass(frozen=True)
class Pictured:
    """One device. Times are timezone-aware.

    C(since): when its current password came into force. C(due): when that is too old; C(None) where no policy says.
    C(weak): what its current password breaks. C(alike): other devices that have the same one. C(another_box): the ledger's record of its
    name is that of a box with another serial number. C(case): its open recovery case. C(readiness): the last look whether it could be
    recovered. C(events): newest first.
    """

    listed: Listed
    state: str
    record: Record = field(default_factory=dict)
    since: datetime.datetime | None = None
    due: datetime.datetime | None = None
    weak: Sequence[Violation] = ()
    alike: Sequence[str] = ()
    another_box: bool = False
    case: Record | None = None
    readiness: Record | None = None
    events: Sequence[Record] = ()

    @property
    def name(self) -> str:
        return self.listed.name

    def age_days(self, now: datetime.datetime) -> float | None:
        """Of its current password."""
        return None if self.since is None else (now - self.since).total_seconds() / 86400


@dataclass(frozen=True)
class Picture:
    """C(forgotten): devices that the ledger keeps passwords of and the inventory does not know, with the ledger's record of them."""

    now: datetime.datetime
    ledger: str
    devices: Sequence[Pictured]
    forgotten: Mapping[str, Record] = field(default_factory=dict)
    problems: Sequence[Problem] = ()
    sources: Mapping[str, Sequence[str]] = field(default_factory=dict)
    runs: Sequence[Record] = ()


def take_picture(inventory: Inventory, ledger: Ledger, *, whole: bool, events: int = 0, runs: int = 0) -> Picture:
    """Read the ledger, once for all devices. Raises LedgerError.

    C(whole): the inventory is all of it, so that what it does not know is forgotten. C(events): the newest so many of each device.
    """
    records = ledger.devices(include_retired=True, include_events=events)
    known_as = _known_as(inventory.devices, records)
    passwords = _passwords(ledger, records)
    alike = _alike(passwords)
    cases, readiness = read_open_cases(ledger), read_readiness(ledger)
    devices = []
    for listed in inventory.devices:
        known = known_as.get(listed.name, "")
        record = records.get(known, {})
        since = _time((record.get("current") or {}).get("committed_at"))
        password = passwords.get(known, "")
        devices.append(
            Pictured(
                listed,
                _state(record, known in cases, ledger.restored),
                record,
                since,
                _due(since, listed.policy),
                violations(password, listed.policy) if password and listed.policy else (),
                [other for other in alike.get(known, ()) if other != known],
                not known and listed.name in records,
                cases.get(known),
                readiness.get(known or listed.name),
                record.get("events", ()),
            )
        )
    return Picture(
        _moment(ledger.now()),
        ledger.label,
        devices,
        _forgotten(records, known_as.values()) if whole else {},
        inventory.problems,
        inventory.sources,
        read_runs(ledger, runs) if runs else (),
    )


def _known_as(devices: Sequence[Listed], records: Mapping[str, Record]) -> dict[str, str]:
    """What the ledger calls each device. Records go by the serial number; a name that came to another box means nothing."""
    by_serial = {record["serial"]: name for name, record in records.items() if record["serial"]}
    found: dict[str, str] = {}
    for listed in devices:
        known = by_serial.get(listed.serial, "") if listed.serial else ""
        if not known and listed.name in records and not (listed.serial and records[listed.name]["serial"]):
            known = listed.name
        if known:
            found[listed.name] = known
    return found


def _passwords(ledger: Ledger, records: Mapping[str, Record]) -> dict[str, str]:
    """The current passwords that count. Where somebody has written past keyturn.devices, none does, and that is a finding of its own."""
    names = [name for name, record in records.items() if record["current"] and not record["tampered"] and not record["retired"]]
    return {name: password for name, password in ledger.passwords(names).items() if password}


def _alike(passwords: Mapping[str, str]) -> dict[str, list[str]]:
    """The names of those that share a password, each with itself. Compared by a hash whose key nobody else has, and which goes with it."""
    key = os.urandom(32)
    names: dict[bytes, list[str]] = defaultdict(list)
    for name, password in passwords.items():
        names[hmac.digest(key, password.encode("utf-8", "surrogateescape"), "sha256")].append(name)
    return {name: group for group in names.values() if len(group) > 1 for name in group}


def _forgotten(records: Mapping[str, Record], known: Collection[str]) -> dict[str, Record]:
    there = set(known)
    return {name: record for name, record in records.items() if name not in there and not record["retired"] and _holds_any(record)}


def _holds_any(record: Record) -> bool:
    return bool(record["current"] or record["staged"] or record["previous"])


def _state(record: Record, in_recovery: bool, restored: bool) -> str:
    """C(restored): an older copy of the ledger was put back, so that nothing in it counts as proven."""
    for state, is_so in (
        ("retired", record.get("retired")),
        ("in_recovery", in_recovery),
        ("orphaned", record.get("orphaned")),
        ("unsettled", record.get("staged")),
        ("no_password", not record.get("current")),
        ("never_verified", restored or not record.get("last_verified")),
    ):
        if is_so:
            return state
    return CURRENT


def _due(since: datetime.datetime | None, policy: PasswordPolicy | None) -> datetime.datetime | None:
    if since is None or policy is None or policy.max_age_days is None:
        return None
    return since + datetime.timedelta(days=policy.max_age_days)


def _time(text: str | None) -> datetime.datetime | None:
    return parse_time(text) if text else None


def _moment(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, tz=datetime.timezone.utc)
