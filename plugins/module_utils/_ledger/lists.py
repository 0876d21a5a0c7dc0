# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One-time lists, as they came: encrypted, before anybody reads a password in them, and for as long as one of them may be needed."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.change import Change
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.crypto import SecretBox
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.describing import iso
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.schema import CURRENT, STAGED, schema

with suppress(ImportError):  # schema.HAS_SQLALCHEMY tells
    import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger

# One piece of reserved room, in bytes.
_ROOM = 16 * 1024


def reserve(change: Change, list_id: str, size: int) -> None:
    """See C(Ledger.reserve_list).

    Room is taken with bytes that no file system makes smaller, and written twice: the second time through the journal, which stays on the
    disk at the size that this takes. PostgreSQL takes the room too, but what it needs besides for its log it cannot promise.
    """
    _begin(change, list_id)
    parts = schema().list_parts
    lowest = change.connection.execute(sa.select(sa.func.min(parts.c.number)).where(parts.c.list == list_id)).scalar_one_or_none() or 0
    first = min(lowest, 0) - 1
    rows = [{"list": list_id, "number": first - piece, "content": os.urandom(_ROOM)} for piece in range(-(-size // _ROOM))]
    for row in rows:
        change.execute(sa.insert(parts), row)


def reserve_journal(change: Change, list_id: str, _size: int) -> None:
    """The second half of C(reserve), in a transaction of its own."""
    parts = schema().list_parts
    room = sa.and_(parts.c.list == list_id, parts.c.number < 0)
    for number in list(change.connection.execute(sa.select(parts.c.number).where(room)).scalars()):
        this = sa.and_(parts.c.list == list_id, parts.c.number == number)
        change.execute(sa.update(parts).where(this).values(content=os.urandom(_ROOM)))


def append(change: Change, list_id: str, content: bytes) -> None:
    """See C(Ledger.append_list)."""
    connection, parts = change.connection, schema().list_parts
    _begin(change, list_id)
    highest = connection.execute(
        sa.select(sa.func.max(parts.c.number)).where(parts.c.list == list_id, parts.c.number >= 0)
    ).scalar_one_or_none()
    number = 0 if highest is None else highest + 1
    sealed = change.box.seal_part(list_id, number, content)
    room = sa.select(parts.c.number).where(parts.c.list == list_id, parts.c.number < 0).order_by(parts.c.number)
    given_up = list(connection.execute(room.limit(-(-len(sealed) // _ROOM))).scalars())
    if given_up:
        change.execute(sa.delete(parts).where(parts.c.list == list_id, parts.c.number.in_(given_up)))
    change.execute(sa.insert(parts), {"list": list_id, "number": number, "content": sealed})


def _begin(change: Change, list_id: str) -> None:
    lists = schema().lists
    if change.connection.execute(sa.select(lists.c.id).where(lists.c.id == list_id)).scalar_one_or_none() is None:
        change.execute(sa.insert(lists), {"id": list_id, "run_id": change.run.id, "made_at": change.now})


def content(connection: Connection, box: SecretBox, list_id: str) -> bytes | None:
    """See C(Ledger.list_content)."""
    parts = schema().list_parts
    query = sa.select(parts.c.number, parts.c.content).where(parts.c.list == list_id, parts.c.number >= 0).order_by(parts.c.number)
    pieces = [box.open_part(list_id, number, bytes(sealed)) for number, sealed in connection.execute(query)]
    return b"".join(pieces) if pieces else None


def describe_lists(ledger: Ledger) -> list[dict[str, Any]]:
    """Every list that is still kept: C(id), C(run_id), C(made_at), and C(devices), the names of those that a password of it was staged for.

    A transaction of its own.
    """
    tables = schema()
    lists, passwords, devices = tables.lists, tables.passwords, tables.devices
    with ledger.look() as (connection, _now):
        found = {
            row.id: {"id": row.id, "run_id": row.run_id, "made_at": iso(row.made_at), "devices": []}
            for row in connection.execute(sa.select(lists).order_by(lists.c.made_at, lists.c.id))
        }
        if found:
            query = (
                sa.select(passwords.c.list_id, devices.c.name)
                .join(devices, devices.c.id == passwords.c.device)
                .where(passwords.c.list_id.in_(sa.select(lists.c.id)))
                .distinct()
                .order_by(devices.c.name)
            )
            for list_id, name in connection.execute(query):
                found[list_id]["devices"].append(name)
    return list(found.values())


def remove_needless(change: Change) -> None:
    """Lists of which no password can be needed any more.

    One is, while it is staged, or current without a login that proved it, or while it was never collected and no later one of its device
    was proven: then the list may hold the only copy of what is in force.
    """
    tables = schema()
    lists, passwords, devices = tables.lists, tables.passwords, tables.devices
    there = set(change.connection.execute(sa.select(lists.c.id)).scalars())
    if not there:
        return
    change.write()  # It is asked of the database what settling has left of them.
    later = passwords.alias()
    replaced = sa.exists().where(
        later.c.device == passwords.c.device,
        later.c.slot == CURRENT,
        later.c.generation > passwords.c.generation,
        devices.c.verified_at.is_not(None),
    )
    needed = sa.or_(
        passwords.c.slot == STAGED,
        sa.and_(passwords.c.slot == CURRENT, sa.func.coalesce(devices.c.verified_by, "") != "login"),
        sa.and_(passwords.c.secret.is_(None), sa.not_(replaced)),
    )
    query = (
        sa.select(passwords.c.list_id)
        .join(devices, devices.c.id == passwords.c.device)
        .where(passwords.c.list_id.is_not(None), needed)
        .distinct()
    )
    asked_for = sa.select(passwords.c.list_id).where(passwords.c.list_id.is_not(None)).distinct()
    known = set(change.connection.execute(asked_for).scalars()) | change.forgotten_lists
    for list_id in sorted(there & known - set(change.connection.execute(query).scalars())):
        change.execute(sa.delete(tables.list_parts).where(tables.list_parts.c.list == list_id))
        change.execute(sa.delete(lists).where(lists.c.id == list_id))
        change.event(None, "", "", f"one-time list {list_id} removed: every password of it was proven or set anew")
