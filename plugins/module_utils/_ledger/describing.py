# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a reader of the ledger is told of a device: plain data, ready to be returned by a module."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import Device, Password, Passwords
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.rules import PROOFS
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.schema import CURRENT, HISTORY, STAGED, schema
from ansible_collections.keyturn.devices.plugins.module_utils._outcomes import CLOSED

with suppress(ImportError):  # schema.HAS_SQLALCHEMY tells
    import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

_OWN_WORDS: Mapping[str, frozenset[str]] = {
    "status": frozenset(
        (
            *("staged", "already_staged", "busy", "changed_meanwhile", "orphaned", "collected", "unchanged", "nothing_awaited"),
            *("lost_lease", "resumed", "awaiting", "nothing_staged", "committed", "dropped", "kept", "reopened", "verified", "no_current"),
            *("disproved", "imported", "new", "learned", "renamed", "exchanged", "returned", "retired", "released"),
            *("not_leased", "not_in_ledger", "handed_over", "still_owed"),
        )
    ),
    "reason": frozenset(
        ("leased", "fenced", "in_recovery", "unsettled", "another_was_collected", "not_in_ledger", "sent_late", "tampered", "unproven")
    ),
    "last_status": frozenset(("committed", "dropped", "kept", "orphaned", "lost_lease")),
    "verified_by": frozenset(PROOFS),
    "source": frozenset(("generate", "csv", "value", "rms", "import")),
    **dict.fromkeys(("mark", "from", "to"), frozenset(("", "retired", "orphaned", "ready", "not_ready", STAGED, CURRENT, *HISTORY))),
}
#: Field of what the ledger answers -> the words it is one of. No secret is, whatever it reads like.
WORDS = {name: CLOSED.get(name, frozenset()) | _OWN_WORDS.get(name, frozenset()) for name in (*CLOSED, *_OWN_WORDS)}


def describe(
    device: Device, known: Passwords, now: float, secret_of: Callable[[Password], str | None] | None, tampered: bool
) -> dict[str, Any]:
    """One device. C(secret_of): opens a password; without it none is in the answer."""

    def slot(password: Password, **more: Any) -> dict[str, Any]:
        described = {
            "id": password.id,
            "source": password.source,
            "serial": password.serial,
            "run_id": password.run_id,
            "made_at": iso(password.made_at),
            **more,
        }
        if secret_of is not None:
            described["password"] = secret_of(password)
        return described

    staged, current = known.staged, known.current
    return {
        "serial": device.serial,
        "current": slot(current, committed_at=iso(current.moved_at)) if current else None,
        "staged": slot(
            staged,
            staged_at=iso(staged.moved_at),
            awaiting=staged.secret is None,
            list_id=staged.list_id,
            attempts=staged.attempts,
            last_status=staged.settled_as,
            last_reason=staged.settled_reason,
        )
        if staged
        else None,
        "previous": [slot(each, mark=each.slot, moved_at=iso(each.moved_at)) for each in known.history],
        "last_verified": iso(device.verified_at),
        "verified_by": device.verified_by,
        "attempts": staged.attempts if staged else 0,
        "failures": device.failures,
        "last_failure": device.last_failure,
        "offline_since": iso(device.offline_since),
        "retired": device.retired_at is not None,
        "tampered": tampered,
        "orphaned": device.orphaned is not None,
        "orphaned_reason": device.orphaned,
        "orphaned_at": iso(device.orphaned_at),
        "lease": {"run_id": device.lease_run, "until": iso(device.lease_until)} if (device.lease_until or 0) > now else None,
        "fence_until": iso(device.fence_until) if (device.fence_until or 0) > now else None,
    }


def read_events(connection: Connection, devices: Sequence[Device], at_most: int) -> dict[str, list[dict[str, Any]]]:
    """What happened, by the id of the device, newest first; of no more devices than one statement takes."""
    table = schema().events
    rank = sa.func.row_number().over(partition_by=table.c.device, order_by=table.c.id.desc()).label("rank")
    ranked = sa.select(table, rank).where(table.c.device.in_([device.id for device in devices])).subquery()
    found: dict[str, list[dict[str, Any]]] = {}
    for row in connection.execute(sa.select(ranked).where(ranked.c.rank <= at_most).order_by(ranked.c.id.desc())):
        found.setdefault(row.device, []).append(described_event(row))
    return found


def described_event(row: Any) -> dict[str, Any]:
    """A row of the events table."""
    return {
        "at": iso(row.at),
        "who": row.who,
        "run_id": row.run_id,
        "name": row.name,
        "from": row.from_state,
        "to": row.to_state,
        "reason": row.reason,
    }


def iso(moment: float | None) -> str | None:
    """ISO 8601, UTC, with Z."""
    if moment is None:
        return None
    return datetime.datetime.fromtimestamp(moment, tz=datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
