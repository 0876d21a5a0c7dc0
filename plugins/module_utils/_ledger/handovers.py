# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which other stores have a device's current password, as the events tell: whoever failed to hand it over owes it until somebody does."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.checks import check_text
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.reading import chunks, read_devices, read_heads
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import Result
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.schema import CURRENT, schema
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run

with suppress(ImportError):  # schema.HAS_SQLALCHEMY tells
    import sqlalchemy as sa

if TYPE_CHECKING:
    from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger

#: What the event of a hand-over begins with, and that of one that failed.
DONE = "handed over to "
NOT_DONE = "not handed over to "


def owed(ledger: Ledger, names: Sequence[str], stores: Sequence[str]) -> dict[str, dict[str, str]]:
    """Which stores have not got the current password of a device yet: the id of that password, by device and store.

    Only of passwords that are proven: what a restored ledger holds may be older than what a store has.
    """
    for store in stores:
        check_text("", store)
    table = schema().events
    newest = sa.func.max(table.c.id)
    found: dict[str, dict[str, str]] = {}
    with ledger.look() as (connection, _now):
        devices = read_devices(connection, names)
        proven = [device for device in devices if device.verified_at is not None and not device.orphaned and device.retired_at is None]
        for part in chunks(proven):
            heads = read_heads(connection, part)
            mine = table.c.device.in_([device.id for device in part])
            changed = sa.select(table.c.device, newest).where(mine, table.c.to_state == CURRENT, table.c.from_state != CURRENT)
            changed_at = {row[0]: row[1] for row in connection.execute(changed.group_by(table.c.device))}
            done = sa.select(table.c.device, table.c.reason, newest).where(mine, table.c.reason.in_([f"{DONE}{store}" for store in stores]))
            events = connection.execute(done.group_by(table.c.device, table.c.reason))
            done_at = {(device, reason): event for device, reason, event in events}
            for device in part:
                current, _staged = heads[device.id]
                missing = [store for store in stores if done_at.get((device.id, f"{DONE}{store}"), 0) <= changed_at.get(device.id, 0)]
                if current and missing:
                    found[device.name] = dict.fromkeys(missing, current)
    return found


def handed_over(ledger: Ledger, name: str, password_id: str, store: str, run: Run) -> Result:
    """Record that a store has this password: C(handed_over), C(changed_meanwhile) (another one is current by now, and still owed), or
    C(no_current).
    """
    check_text(name, store)
    with ledger.change(run) as change:
        for device, passwords in change.known(change.devices([name])):
            if passwords.current is None:
                continue
            if passwords.current.id != password_id:
                return Result(name, "changed_meanwhile")
            change.event(device, CURRENT, CURRENT, f"{DONE}{store}")
            return Result(name, "handed_over", changed=True)
        return Result(name, "no_current")


def failed(ledger: Ledger, name: str, store: str, reason: str, run: Run) -> Result:
    """Record that a store did not take the password, which stays owed. C(still_owed) or C(not_in_ledger)."""
    check_text(name, store, reason)
    with ledger.change(run) as change:
        for device in change.devices([name]):
            change.event(device, CURRENT, CURRENT, f"{NOT_DONE}{store}: {reason}")
            return Result(name, "still_owed", changed=True)
        return Result(name, "not_in_ledger")
