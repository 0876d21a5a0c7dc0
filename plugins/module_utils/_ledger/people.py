# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person decides: which password is in force, whose lease is over, and the passphrase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.cases import rekey_cases
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.change import Change
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.checks import check_names, check_password, check_serials
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.crypto import Cost, SecretBox
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.following import EXCHANGED, RENAMED, follow
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.leases import HELD, Leases
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.lists import remove_needless
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.opening import key_columns
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.reading import chunks, read_devices, read_heads, refuse_tampered
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import Device, ImportRow, Password, Passwords, Result
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.rules import ORPHANED
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.schema import CURRENT, PREVIOUS, SUPERSEDED, schema
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run

with suppress(ImportError):  # schema.HAS_SQLALCHEMY tells
    import sqlalchemy as sa

if TYPE_CHECKING:
    from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger

_TOLD = (RENAMED, EXCHANGED)


def import_passwords(ledger: Ledger, rows: Sequence[ImportRow], run: Run) -> list[Result]:
    """Passwords that a person says are in force become current, not verified. What was current or staged goes to the history; an
    orphaned device is one no more, and a lease that a run holds is broken. Per device C(imported) or C(unchanged).
    """
    check_names(row.name for row in rows)
    check_serials({row.name: row.serial for row in rows})
    for row in rows:
        check_password(row.name, row.password)
    with ledger.change(run) as change:
        results = _import_rows(change, rows)
        remove_needless(change)
        return results


def release(ledger: Ledger, names: Sequence[str], run: Run) -> list[Result]:
    """A person breaks leases. Per device C(released) (details: C(run_id)), C(not_leased) or C(not_in_ledger)."""
    check_names(names)
    with ledger.change(run) as change:
        return _release(change, names)


def rekey(ledger: Ledger, new_passphrase: str, run: Run, cost: Cost | None = None) -> int:
    """Seal every secret with a key from another passphrase. Processes that have the ledger open with the old one are refused from then
    on. Returns the number of passwords.
    """
    box = SecretBox.create(new_passphrase, cost or ledger.box.record.cost)
    with ledger.change(run) as change:
        return _rekey(change, box)


def _import_rows(change: Change, rows: Sequence[ImportRow]) -> list[Result]:
    wanted = {row.name: row for row in rows}
    leases = Leases(change)
    records = change.devices(wanted, [row.serial for row in rows if row.serial])
    held = [device for device in records if leases.of(device) == HELD]
    for device in held:
        leases.break_(device)  # A person knows: whoever is at it learns that it was overruled.
    # Nor is anything relied on that somebody else wrote: what the person says is what is put in its place.
    overruled = {device.id for device in held}
    followed = follow(change, {row.name: row.serial for row in rows}, overruled)
    devices = followed.devices
    for row in rows:
        if row.name not in devices:
            devices[row.name] = change.new_device(row.name, row.serial)
    results: dict[str, Result] = {}
    for device, passwords in change.known(list(devices.values()), overruled):
        result = _import(change, leases, device, passwords, wanted[device.name], device.id in overruled)
        told = followed.results[device.name]
        if told.changed:
            warnings = (told.status,) if told.status in _TOLD else ()
            result = Result(device.name, result.status, result.reason, True, warnings, told.details)
        results[device.name] = result
    return [results[row.name] for row in rows]


def _import(change: Change, leases: Leases, device: Device, passwords: Passwords, row: ImportRow, overrules: bool) -> Result:
    staged, current = passwords.staged, passwords.current
    if overrules:
        change.update_device(device, generation=max([device.generation, *(each.generation for each in passwords.all())]))
    same = _is(change, device, current, row.password)
    was_orphaned = device.orphaned is not None
    if same and not was_orphaned and not overrules:
        return Result(row.name, "unchanged")
    if was_orphaned:
        change.event(device, ORPHANED, "", "imported")
    change.update_device(device, orphaned=None, orphaned_at=None, failures=0, last_failure=None, sent_late=None)
    leases.release(device)
    is_staged = _is(change, device, staged, row.password)
    if staged and not is_staged:
        change.move(device, staged, SUPERSEDED, "imported")
    if same:
        change.event(device, CURRENT, CURRENT, "imported")
        change.vouch_again(device)
        return Result(row.name, "imported", changed=True)
    if current:
        change.move(device, current, PREVIOUS, "imported")
    if staged and is_staged:
        change.move(device, staged, CURRENT, "imported")
    else:
        change.add_password(device, CURRENT, row.password, source="import")
        change.event(device, "", CURRENT, "imported")
    change.unverify(device)
    return Result(row.name, "imported", changed=True)


def _is(change: Change, device: Device, password: Password | None, text: str) -> bool:
    """Whether it is this one; a damaged one is none."""
    try:
        return change.secret(device, password) == text
    except LedgerError:
        return False


def _release(change: Change, names: Sequence[str]) -> list[Result]:
    results = {name: Result(name, "not_in_ledger") for name in names}
    leases = Leases(change)
    for device in change.devices(names):
        if device.lease_run is None:
            results[device.name] = Result(device.name, "not_leased")
        else:
            results[device.name] = Result(device.name, "released", changed=True, details={"run_id": device.lease_run})
            leases.break_(device)
    return list(results.values())


def _rekey(change: Change, new: SecretBox) -> int:
    """Seal every secret and vouch for every device with the new key. Returns the number of passwords."""
    old = change.box
    tables, connection = schema(), change.connection
    devices = read_devices(connection)
    heads = read_heads(connection, devices)
    refuse_tampered(old, devices, heads)
    name_of = {device.id: device.name for device in devices}
    table = tables.passwords
    ids = list(connection.execute(sa.select(table.c.id).where(table.c.secret.is_not(None)).order_by(table.c.id)).scalars())
    query = sa.select(table.c.id, table.c.device, table.c.secret)
    update = sa.update(table).where(table.c.id == sa.bindparam("record")).values(secret=sa.bindparam("sealed"))
    for part in chunks(ids):
        rows = [
            {"record": row.id, "sealed": new.seal(row.device, row.id, old.open(row.device, row.id, row.secret, name_of[row.device]))}
            for row in connection.execute(query.where(table.c.id.in_(part)))
        ]
        change.execute(update, rows)
    _vouch_anew(change, devices, heads, new)
    parts = tables.list_parts
    keys = connection.execute(sa.select(parts.c.list, parts.c.number).where(parts.c.number >= 0)).all()
    for list_id, number in keys:
        this = sa.and_(parts.c.list == list_id, parts.c.number == number)
        content = old.open_part(list_id, number, connection.execute(sa.select(parts.c.content).where(this)).scalar_one())
        change.execute(sa.update(parts).where(this).values(content=new.seal_part(list_id, number, content)))
    rekey_cases(change, new)
    change.execute(sa.update(tables.meta).values(**key_columns(new.record), rekeyed_at=change.now))
    change.event(None, "", "", "rekeyed")
    change.box = new
    return len(ids)


def _vouch_anew(change: Change, devices: Sequence[Device], heads: Mapping[str, tuple[str, str]], box: SecretBox) -> None:
    table = schema().devices
    update = sa.update(table).where(table.c.id == sa.bindparam("record")).values(mac=sa.bindparam("vouched"))
    for part in chunks(devices):
        change.execute(update, [{"record": device.id, "vouched": box.vouch_for_device(device, *heads[device.id])} for device in part])
