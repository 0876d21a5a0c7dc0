# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recovery cases: what survives the end of a run while people or mail are awaited.

A device has at most one open case, and while it is open, no rotation touches the device: what is staged belongs to the case. The steps
are words of whoever works the case; here they are only kept.
"""

from __future__ import annotations

import hmac
import json
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.change import Change
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.crypto import SecretBox
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.describing import described_event, iso
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.following import follow
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.leases import HELD, Leases
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.reading import chunks, read_devices
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import Case, CaseChange, Device, Result
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.schema import ABANDONED, CLOSED, OPEN, schema

with suppress(ImportError):  # schema.HAS_SQLALCHEMY tells
    import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

ENDS = (CLOSED, ABANDONED)

OPENED, ALREADY_OPEN, CHANGED, UNCHANGED, NO_CASE, BUSY = "opened", "already_open", "changed", "unchanged", "no_case", "busy"


def open_case(change: Change, name: str, serial: str | None, kind: str, facts: Mapping[str, str], lease_seconds: float | None) -> Result:
    """See C(Ledger.open_case)."""
    leases = Leases(change)
    followed = follow(change, {name: serial})
    if followed.results[name].status == BUSY:
        return Result(name, BUSY, "leased")
    device = followed.devices.get(name) or change.new_device(name, serial)
    change.rely_on([device])
    if leases.of(device) == HELD:
        return Result(name, BUSY, "leased")
    case = newest(change.connection, change.box, [device]).get(device.id)
    if case is not None and case.state == OPEN:
        if case.kind != kind:
            raise LedgerError(
                "input",
                f"{name} has an open recovery case of another kind ({case.kind}, not {kind}). Nothing was changed. "
                "Finish or abandon it first.",
            )
        _hold(leases, device, lease_seconds)
        return Result(name, ALREADY_OPEN, details={"case": _described(change, device, case)})
    _hold(leases, device, lease_seconds)
    case = Case(uuid.uuid4().hex, device.id, kind, "", OPEN, change.now, None, None, None, _json(facts), None)
    change.put_case(case)
    change.event(device, "", OPEN, "opened", case_id=case.id)
    return Result(name, OPENED, changed=True, details={"case": _described(change, device, case)})


def change_case(change: Change, name: str, serial: str | None, wanted: CaseChange, lease_seconds: float | None) -> Result:
    """See C(Ledger.change_case)."""
    leases = Leases(change)
    device = _device(change.devices([name], [serial] if serial else []), name, serial)
    case = newest(change.connection, change.box, [device]).get(device.id) if device else None
    if device is None or case is None or case.state != OPEN:
        return Result(name, NO_CASE)
    if leases.of(device) == HELD:
        return Result(name, BUSY, "leased")
    change.rely_on([device])
    before = _values(case), _secrets(change.box, case, name)
    secrets = {} if wanted.restart else dict(before[1])
    _merge(secrets, wanted.secrets)
    facts = json.loads(case.facts)
    _merge(facts, wanted.facts)
    from_step, case.facts = case.step or OPEN, _json(facts)
    if wanted.restart:
        case.step, case.armed_at, case.deadline = "", None, None
    if wanted.step is not None:
        case.step = wanted.step
    if wanted.armed_at is not None:
        case.armed_at, case.deadline = wanted.armed_at, wanted.deadline
    if wanted.state is not None:
        case.state, case.closed_at = wanted.state, change.now
        secrets = {}  # They open nothing any more.
    _hold(leases, device, lease_seconds)
    if (_values(case), secrets) == before:
        return Result(name, UNCHANGED, details={"case": _described(change, device, case)})
    if secrets != before[1]:
        case.secrets = change.box.seal_case(case.id, _json(secrets)) if secrets else None
    change.put_case(case)
    change.event(device, from_step, wanted.state or case.step or OPEN, wanted.reason, case_id=case.id)
    return Result(name, CHANGED, changed=True, details={"case": _described(change, device, case)})


def read_case(
    connection: Connection, box: SecretBox, now: float, name: str, serial: str | None, include_secrets: bool
) -> dict[str, Any] | None:
    """See C(Ledger.case)."""
    device = _device(read_devices(connection, [name], [serial] if serial else []), name, serial)
    case = newest(connection, box, [device]).get(device.id) if device else None
    if device is None or case is None:
        return None
    described = describe_case(case, device.name, now, _secrets(box, case, name))
    described["events"] = _events(connection, case.id)
    if include_secrets:
        described["secrets"] = _secrets(box, case, name)
    return described


def read_open_cases(connection: Connection, box: SecretBox, now: float) -> dict[str, dict[str, Any]]:
    """See C(Ledger.open_cases)."""
    table, devices = schema().cases, schema().devices
    query = sa.select(table, devices.c.name).join(devices, devices.c.id == table.c.device).where(table.c.state == OPEN)
    found: dict[str, dict[str, Any]] = {}
    for *columns, name in connection.execute(query):
        case = Case(*columns)
        check_case(box, case)
        found[name] = describe_case(case, name, now, {})
    return found


def newest(connection: Connection, box: SecretBox, devices: Sequence[Device], open_only: bool = False) -> dict[str, Case]:
    """The open case of each device, else the one that was opened last, by the id of the device. LedgerError C(tampered)."""
    table = schema().cases
    query = sa.select(table).order_by(table.c.opened_at, table.c.state == OPEN)
    if open_only:
        query = query.where(table.c.state == OPEN)
    found: dict[str, Case] = {}
    for part in chunks([device.id for device in devices]):
        for row in connection.execute(query.where(table.c.device.in_(part))):
            case = Case(*row)
            check_case(box, case)
            found[case.device] = case
    return found


def devices_with_case(connection: Connection) -> frozenset[str]:
    """The ids of all devices that have an open case: few, whatever the size of the fleet."""
    table = schema().cases
    return frozenset(connection.execute(sa.select(table.c.device).where(table.c.state == OPEN)).scalars())


def check_case(box: SecretBox, case: Case) -> None:
    """LedgerError C(tampered) when the row is not as a keyturn.devices with this key wrote it."""
    if not hmac.compare_digest(case.mac, box.vouch_for_case(case)):
        raise LedgerError(
            "tampered",
            "Somebody has written to the ledger past keyturn.devices, at a recovery case. Nothing was changed. Restore the ledger from a "
            "backup.",
        )


def describe_case(case: Case, name: str, now: float, secrets: Mapping[str, str]) -> dict[str, Any]:
    """A case as data without secrets; C(holds): the names of those it has."""
    return {
        "id": case.id,
        "name": name,
        "kind": case.kind,
        "step": case.step,
        "state": case.state,
        "opened_at": iso(case.opened_at),
        "armed_at": iso(case.armed_at),
        "deadline": iso(case.deadline),
        "closed_at": iso(case.closed_at),
        "expired": case.state == OPEN and case.deadline is not None and case.deadline <= now,
        "facts": json.loads(case.facts),
        "holds": sorted(secrets),
    }


def rekey_cases(change: Change, new: SecretBox) -> None:
    """Seal and vouch for every case with the new key."""
    table = schema().cases
    for row in change.connection.execute(sa.select(table)).all():
        case = Case(*row)
        check_case(change.box, case)
        if case.secrets is not None:
            case.secrets = new.seal_case(case.id, change.box.open_case(case.id, bytes(case.secrets), "a device"))
        values = {"secrets": case.secrets, "mac": new.vouch_for_case(case)}
        change.execute(sa.update(table).where(table.c.id == case.id).values(**values))


def _described(change: Change, device: Device, case: Case) -> dict[str, Any]:
    return describe_case(case, device.name, change.now, _secrets(change.box, case, device.name))


def _device(devices: Sequence[Device], name: str, serial: str | None) -> Device | None:
    """The serial number is the device; the name counts where one of both does not tell it."""
    by_serial = next((device for device in devices if serial and device.serial == serial), None)
    return by_serial or next((device for device in devices if device.name == name and not (serial and device.serial)), None)


def _hold(leases: Leases, device: Device, seconds: float | None) -> None:
    if seconds is not None and seconds > 0:
        leases.take(device, seconds)
    elif seconds is not None:
        leases.release(device)


def _secrets(box: SecretBox, case: Case, name: str) -> dict[str, str]:
    if case.secrets is None:
        return {}
    opened: dict[str, str] = json.loads(box.open_case(case.id, bytes(case.secrets), name))
    return opened


def _merge(held: dict[str, str], given: Mapping[str, str]) -> None:
    for name, value in given.items():
        if value:
            held[name] = value
        else:
            held.pop(name, None)


def _values(case: Case) -> tuple[object, ...]:
    return (case.step, case.state, case.armed_at, case.deadline, case.facts)


def _json(values: Mapping[str, str]) -> str:
    return json.dumps(values, sort_keys=True)


def _events(connection: Connection, case_id: str) -> list[dict[str, Any]]:
    table = schema().events
    query = sa.select(table).where(table.c.case_id == case_id).order_by(table.c.id)
    return [described_event(row) for row in connection.execute(query)]
