# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which other stores have a device's current password, as the events tell: whoever failed to hand it over owes it until somebody does."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.change import Change
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.reading import chunks, read_heads
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import Device, Result
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.schema import CURRENT, schema

with suppress(ImportError):  # schema.HAS_SQLALCHEMY tells
    import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

#: What the event of a hand-over begins with, and that of one that failed.
DONE = "handed over to "
NOT_DONE = "not handed over to "


def owed(connection: Connection, devices: Sequence[Device], stores: Sequence[str]) -> dict[str, dict[str, str]]:
    """See C(Ledger.owed)."""
    proven = [device for device in devices if device.verified_at is not None and not device.orphaned and device.retired_at is None]
    table = schema().events
    newest = sa.func.max(table.c.id)
    found: dict[str, dict[str, str]] = {}
    for part in chunks(proven):
        heads = read_heads(connection, part)
        mine = table.c.device.in_([device.id for device in part])
        changed = sa.select(table.c.device, newest).where(mine, table.c.to_state == CURRENT, table.c.from_state != CURRENT)
        changed_at = {row[0]: row[1] for row in connection.execute(changed.group_by(table.c.device))}
        done = sa.select(table.c.device, table.c.reason, newest).where(mine, table.c.reason.in_([f"{DONE}{store}" for store in stores]))
        done_at = {(device, reason): event for device, reason, event in connection.execute(done.group_by(table.c.device, table.c.reason))}
        for device in part:
            current, _staged = heads[device.id]
            missing = [store for store in stores if done_at.get((device.id, f"{DONE}{store}"), 0) <= changed_at.get(device.id, 0)]
            if current and missing:
                found[device.name] = dict.fromkeys(missing, current)
    return found


def handed_over(change: Change, name: str, password_id: str, store: str) -> Result:
    """See C(Ledger.handed_over)."""
    for device, passwords in change.known(change.devices([name])):
        if passwords.current is None:
            continue
        if passwords.current.id != password_id:
            return Result(name, "changed_meanwhile")
        change.event(device, CURRENT, CURRENT, f"{DONE}{store}")
        return Result(name, "handed_over", changed=True)
    return Result(name, "no_current")


def failed(change: Change, name: str, store: str, reason: str) -> Result:
    """See C(Ledger.handover_failed)."""
    for device in change.devices([name]):
        change.event(device, CURRENT, CURRENT, f"{NOT_DONE}{store}: {reason}")
        return Result(name, "still_owed", changed=True)
    return Result(name, "not_in_ledger")
