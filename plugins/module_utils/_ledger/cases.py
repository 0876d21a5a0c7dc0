# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recovery cases: what survives the end of a run while people or mail are awaited.

A device has at most one open case, and while it is open, no rotation touches the device: what is staged belongs to the case. The steps
are words of whoever works the case; here they are only kept.

Of the functions, those that take a ledger are one transaction each, as the methods of C(Ledger) are.
"""

from __future__ import annotations

import hmac
import json
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.change import Change
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.checks import check_names, check_text
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.crypto import SecretBox
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.describing import described_event, iso
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.following import follow
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.leases import HELD, Leases, check_run
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.reading import read_devices
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import Case, CaseChange, Device, Result
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.schema import ABANDONED, CLOSED, OPEN, schema
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run

with suppress(ImportError):  # schema.HAS_SQLALCHEMY tells
    import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger

ENDS = (CLOSED, ABANDONED)

OPENED, ALREADY_OPEN, CHANGED, UNCHANGED, NO_CASE, BUSY = "opened", "already_open", "changed", "unchanged", "no_case", "busy"


def open_case(
    ledger: Ledger,
    name: str,
    serial: str | None,
    kind: str,
    run: Run,
    *,
    facts: Mapping[str, str] | None = None,
    lease_seconds: float | None = None,
) -> Result:
    """Open a recovery case of a device, which gets a record where it has none. The details tell C(case), as C(read_case) does.

    C(opened), C(already_open) (nothing was changed in it) or C(busy) (another run is at it). LedgerError C(input) when one of another
    kind is open. C(lease_seconds): the run takes the device for so long; 0 gives it back; C(None) leaves that as it is.
    """
    _check(name, serial, run, lease_seconds, kind, *(facts or {}).values())
    with ledger.change(run) as change:
        return _open(change, name, serial, kind, facts or {}, lease_seconds)


def change_case(
    ledger: Ledger, name: str, serial: str | None, wanted: CaseChange, run: Run, *, lease_seconds: float | None = None
) -> Result:
    """Change the open case of a device. C(changed), C(unchanged), C(no_case) or C(busy). Else as C(open_case)."""
    texts = (wanted.reason, wanted.step, wanted.state, *wanted.facts.values(), *wanted.secrets.values())
    _check(name, serial, run, lease_seconds, *texts)
    if wanted.state not in (None, *ENDS):
        raise LedgerError("input", f"A case ends {' or '.join(ENDS)}.")
    with ledger.change(run) as change:
        return _change(change, name, serial, wanted, lease_seconds)


def read_case(ledger: Ledger, name: str, serial: str | None = None, include_secrets: bool = False) -> dict[str, Any] | None:
    """The open case of a device, else its last one, with its events, oldest first; C(None) where there is none.

    C(id), C(name), C(kind), C(step) (the last that was done), C(state), C(opened_at), C(armed_at), C(deadline), C(closed_at),
    C(expired) (open and past its deadline), C(facts), C(holds) (which secrets it has), C(events); with secrets C(secrets) by name.
    """
    with ledger.look() as (connection, now):
        device = _device(read_devices(connection, [name], [serial] if serial else []), name, serial)
        case = _newest(connection, ledger.box, device) if device else None
        if device is None or case is None:
            return None
        secrets = _secrets(ledger.box, case, name)
        described = {**describe_case(case, device.name, now, secrets), "events": _events(connection, case.id)}
    return {**described, "secrets": secrets} if include_secrets else described


def read_open_cases(ledger: Ledger) -> dict[str, dict[str, Any]]:
    """Every open case by the name of its device, as C(read_case) tells it, without events and secrets. LedgerError C(tampered)."""
    table, devices = schema().cases, schema().devices
    query = sa.select(table, devices.c.name).join(devices, devices.c.id == table.c.device).where(table.c.state == OPEN)
    found: dict[str, dict[str, Any]] = {}
    with ledger.look() as (connection, now):
        for *columns, name in connection.execute(query):
            case = Case(*columns)
            check_case(ledger.box, case)
            found[name] = describe_case(case, name, now, {})
    return found


def _check(name: str, serial: str | None, run: Run, lease_seconds: float | None, *texts: str | None) -> None:
    check_run(run, lease_seconds or None)
    check_names([name])
    check_text(name, serial, *texts)


def _open(change: Change, name: str, serial: str | None, kind: str, facts: Mapping[str, str], lease_seconds: float | None) -> Result:
    leases = Leases(change)
    followed = follow(change, {name: serial})
    if followed.results[name].status == BUSY:
        return Result(name, BUSY, "leased")
    device = followed.devices.get(name) or change.new_device(name, serial)
    change.rely_on([device])
    if leases.of(device) == HELD:
        return Result(name, BUSY, "leased")
    case = _newest(change.connection, change.box, device)
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


def _change(change: Change, name: str, serial: str | None, wanted: CaseChange, lease_seconds: float | None) -> Result:
    leases = Leases(change)
    device = _device(change.devices([name], [serial] if serial else []), name, serial)
    case = _newest(change.connection, change.box, device) if device else None
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


def _newest(connection: Connection, box: SecretBox, device: Device) -> Case | None:
    """The open case of a device, else the one that was opened last. LedgerError C(tampered)."""
    table = schema().cases
    query = sa.select(table).where(table.c.device == device.id).order_by(table.c.opened_at, table.c.state == OPEN)
    newest: Case | None = None
    for row in connection.execute(query):
        newest = Case(*row)
        check_case(box, newest)
    return newest


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
