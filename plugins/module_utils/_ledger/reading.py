# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading devices and their passwords, piece by piece: a fleet's whole history would be in memory twice."""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.crypto import SecretBox
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError, named
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import Device, Password, Passwords
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.schema import CURRENT, OPEN, STAGED, schema

with suppress(ImportError):  # schema.HAS_SQLALCHEMY tells
    import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

T = TypeVar("T")

# Far below what any SQLite or PostgreSQL takes as parameters of one statement.
CHUNK = 500


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Pieces small enough for one statement."""
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def read_devices(connection: Connection, names: Sequence[str] | None = None, serials: Sequence[str] = ()) -> list[Device]:
    """Those of these names or serial numbers, each once; C(names): C(None) for all, in the order of their names."""
    table = schema().devices
    query = sa.select(table).order_by(table.c.name)
    if names is None:
        return [Device(*row) for row in connection.execute(query).all()]
    found: list[Device] = []
    for part in chunks(names):
        found += [Device(*row) for row in connection.execute(query.where(table.c.name.in_(part))).all()]
    there = {device.serial for device in found}
    for part in chunks([serial for serial in serials if serial not in there]):
        found += [Device(*row) for row in connection.execute(query.where(table.c.serial.in_(part))).all()]
    return found


def read_passwords(connection: Connection, devices: Sequence[Device], slots: Sequence[str] | None = None) -> dict[str, Passwords]:
    """By the id of the device; all of them have an entry, empty where there is none."""
    table = schema().passwords
    query = sa.select(table).order_by(table.c.device, table.c.generation.desc())
    if slots is not None:
        query = query.where(table.c.slot.in_(slots))
    found = {device.id: Passwords() for device in devices}
    for part in chunks(list(found)):
        for row in connection.execute(query.where(table.c.device.in_(part))).all():  # all at once: half the time of one by one
            password = Password(*row)
            entry = found[password.device]
            if password.slot == STAGED:
                entry.staged = password
            elif password.slot == CURRENT:
                entry.current = password
            else:
                entry.history.append(password)
    return found


def read_heads(connection: Connection, devices: Sequence[Device]) -> dict[str, tuple[str, str]]:
    """The ids of the current and the staged password, empty for none, by the id of the device."""
    table = schema().passwords
    query = sa.select(table.c.device, table.c.slot, table.c.id).where(table.c.slot.in_((CURRENT, STAGED)))
    found = {device.id: {CURRENT: "", STAGED: ""} for device in devices}
    for part in chunks(list(found)):
        for device, slot, password in connection.execute(query.where(table.c.device.in_(part))):
            found[device][slot] = password
    return {device: (heads[CURRENT], heads[STAGED]) for device, heads in found.items()}


def is_tampered(box: SecretBox, device: Device, heads: tuple[str, str]) -> bool:
    """Whether the device's row, or which password is current and which staged, was written by something else than keyturn.devices."""
    return not hmac.compare_digest(device.mac, box.vouch_for_device(device, *heads))


def refuse_tampered(box: SecretBox, devices: Sequence[Device], heads: Mapping[str, tuple[str, str]]) -> None:
    """LedgerError C(tampered) naming every device of these that was tampered with. C(heads): as C(read_heads) tells them."""
    tampered = [device.name for device in devices if is_tampered(box, device, heads[device.id])]
    if tampered:
        raise LedgerError(
            "tampered",
            f"Somebody has written to the ledger past keyturn.devices, at {named(tampered)}: which password is in force there cannot be "
            "believed. Nothing was changed. Restore the ledger from a backup, or find out which password works and import it.",
            [(name, "was changed past keyturn.devices") for name in tampered],
        )


def devices_with_case(connection: Connection) -> frozenset[str]:
    """The ids of all devices that have an open recovery case: few, whatever the size of the fleet."""
    table = schema().cases
    return frozenset(connection.execute(sa.select(table.c.device).where(table.c.state == OPEN)).scalars())
