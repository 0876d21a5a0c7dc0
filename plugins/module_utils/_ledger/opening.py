# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making a ledger, opening one, the one row that says which it is and how far it has come, and the witness beside its file.

Two processes that make the same ledger at the same moment end with one ledger and one key.
"""

from __future__ import annotations

import hmac
import json
import os
import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.keyturn.devices.plugins.module_utils._files import replace_file
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.crypto import Cost, KeyRecord, SecretBox
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.database import Database
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.schema import SCHEMA_VERSION, schema

with suppress(ImportError):  # schema.HAS_SQLALCHEMY tells
    import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

# Any number, as long as it is always the same: runners that make the ledger at the same moment queue up behind it.
_CREATION_LOCK = 0x6B657974
# What PostgreSQL and SQLite hold as a whole number; a witness that says more is not ours.
_MOST_GENERATIONS = 2**62


@dataclass(frozen=True)
class Meta:
    """The ledger's one row. C(generation): how many transactions have written to it."""

    key: KeyRecord
    identity: str
    generation: int
    mac: bytes


def unlock(database: Database, passphrase: str, least: Cost, identity: str | None) -> tuple[SecretBox, Meta] | None:
    """C(None) when there is no ledger. C(identity): the one it must have, if any."""
    if database.is_missing():
        return None
    with database.begin(write=False) as connection:
        tables = set(sa.inspect(connection).get_table_names())
        if schema().meta.name not in tables:
            if tables and not database.is_postgresql:
                raise LedgerError("not_a_ledger", f"There is a database of something else: {database.label}. Check ledger_url.")
            return None
        meta = read_meta(connection)
    if meta is None:
        return None
    if identity is not None and meta.identity != identity:
        raise replaced(database.label)  # before its passphrase is asked for, which may be another one
    box = SecretBox.unlock(passphrase, meta.key, least)
    check_meta(box, meta)
    return box, meta


def create(database: Database, passphrase: str, cost: Cost) -> tuple[SecretBox, Meta, bool]:
    """Make the tables and the key, or, when another process was first, take what it made. The last: whether it was made here."""
    box = SecretBox.create(passphrase, cost)
    identity = uuid.uuid4().hex
    meta = Meta(box.record, identity, 1, box.vouch_for_ledger(identity, 1))
    database.prepare_file()
    with database.begin(write=True) as connection:
        if database.is_postgresql:
            hold_creation(connection)
        schema().metadata.create_all(connection)
        earlier = read_meta(connection)
        if earlier is None:
            columns = {"id": 1, "schema_version": SCHEMA_VERSION, "created_at": database.now(connection), **key_columns(meta.key)}
            vouched = {"identity": meta.identity, "generation": meta.generation, "mac": meta.mac}
            connection.execute(sa.insert(schema().meta).values({**columns, **vouched}))
            return box, meta, True
    box = SecretBox.unlock(passphrase, earlier.key, cost)
    check_meta(box, earlier)
    return box, earlier, False


def read_meta(connection: Connection, lock: bool = False) -> Meta | None:
    """C(lock): every other writer waits until this transaction ends. Raises LedgerError C(schema)."""
    table = schema().meta
    version = connection.execute(sa.select(table.c.schema_version)).scalar_one_or_none()
    if version is None:
        return None
    if version != SCHEMA_VERSION:
        raise LedgerError(
            "schema",
            f"The ledger has schema version {version}, this release of keyturn.devices knows version {SCHEMA_VERSION}. "
            "Nothing was changed. Use the release that made it, or a newer one.",
        )
    query = sa.select(table)
    row = connection.execute(query.with_for_update() if lock else query).one()
    key = KeyRecord(Cost(row.scrypt_n, row.scrypt_r, row.scrypt_p), bytes(row.salt), bytes(row.verifier))
    return Meta(key, row.identity, row.generation, bytes(row.mac))


def check_meta(box: SecretBox, meta: Meta) -> None:
    """Raises LedgerError C(tampered) when the row is not as a keyturn.devices with this key wrote it."""
    if not hmac.compare_digest(meta.mac, box.vouch_for_ledger(meta.identity, meta.generation)):
        raise LedgerError(
            "tampered",
            "Somebody has written to the ledger past keyturn.devices: its identity or its generation is not what it was. "
            "Nothing was changed. Restore the ledger from a backup.",
        )


def advance(connection: Connection, box: SecretBox, meta: Meta, past: int = 0) -> Meta:
    """One generation further, and beyond C(past)."""
    generation = max(meta.generation, past) + 1
    advanced = Meta(box.record, meta.identity, generation, box.vouch_for_ledger(meta.identity, generation))
    connection.execute(sa.update(schema().meta).values(generation=generation, mac=advanced.mac))
    return advanced


def renew(connection: Connection, box: SecretBox, meta: Meta) -> Meta:
    """Another identity: what was put here is not the ledger that anybody is at."""
    identity = uuid.uuid4().hex
    generation = meta.generation + 1
    renewed = Meta(box.record, identity, generation, box.vouch_for_ledger(identity, generation))
    connection.execute(sa.update(schema().meta).values(identity=identity, generation=generation, mac=renewed.mac))
    return renewed


def hold_creation(connection: Connection) -> None:
    """Of runners that make a ledger in one PostgreSQL database at the same moment, all but one wait here."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_CREATION_LOCK)))


def key_columns(key: KeyRecord) -> dict[str, Any]:
    """What the ledger's row holds of its key."""
    cost = key.cost
    return {"scrypt_n": cost.n, "scrypt_r": cost.r, "scrypt_p": cost.p, "salt": key.salt, "verifier": key.verifier}


def replaced(label: str) -> LedgerError:
    """There is another ledger than the one this run began with."""
    return LedgerError(
        "replaced",
        f"Another ledger has taken the place of {label}. Nothing was changed. Put back the one that this run began with.",
    )


def behind(label: str) -> LedgerError:
    """There is an older copy of the ledger this run began with."""
    return LedgerError(
        "behind",
        f"An older copy has taken the place of {label}. Nothing was changed. Put back the newest copy, or run again to go on with this.",
    )


class Witness:
    """A small file beside an SQLite ledger that tells a later run when an older copy of the ledger was put back.

    It vouches for nothing: one that is not there, not readable or not writable costs no more than that knowledge.
    """

    def __init__(self, ledger_path: str | None) -> None:
        self._path = f"{ledger_path}.witness" if ledger_path else None

    def generation(self, identity: str) -> int:
        """How far this ledger has come for all the witness knows; 0 where it knows nothing of it."""
        if self._path is None:
            return 0
        with suppress(OSError, ValueError, TypeError, KeyError):
            with open(self._path, "rb") as file:
                told = json.loads(file.read(1024))
            if told["identity"] == identity and 0 < told["generation"] < _MOST_GENERATIONS:
                return int(told["generation"])
        return 0

    def tell(self, identity: str, generation: int) -> None:
        """After a commit. Of several writers that commit at once the furthest counts."""
        if self._path is None or not os.path.exists(os.path.dirname(self._path)):
            return
        with suppress(OSError):
            if self.generation(identity) < generation:
                replace_file(self._path, json.dumps({"identity": identity, "generation": generation}).encode())
