# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making a ledger, opening one, and the one row that says how.

Two processes that make the same ledger at the same moment end with one ledger and one key.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

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


def unlock(database: Database, passphrase: str, touch: bool) -> SecretBox | None:
    """C(None) when there is no ledger yet. C(touch): a file that others can read is narrowed to its owner."""
    if database.is_missing():
        return None
    if touch:
        database.prepare_file()
    with database.begin(write=False) as connection:
        tables = set(sa.inspect(connection).get_table_names())
        if schema().meta.name not in tables:
            if tables and not database.is_postgresql:
                raise LedgerError("not_a_ledger", f"There is a database of something else: {database.label}. Check ledger_url.")
            return None
        record = read_key(connection)
    return None if record is None else SecretBox.unlock(passphrase, record)


def create(database: Database, passphrase: str, cost: Cost) -> SecretBox:
    """Make the tables and the key, or, when another process was first, take what it made."""
    box = SecretBox.create(passphrase, cost)
    database.prepare_file()
    with database.begin(write=True) as connection:
        if database.is_postgresql:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_CREATION_LOCK)))
        schema().metadata.create_all(connection)
        record = read_key(connection)
        if record is None:
            columns = {"id": 1, "schema_version": SCHEMA_VERSION, "created_at": database.now(connection), **key_columns(box.record)}
            connection.execute(sa.insert(schema().meta).values(columns))
    return box if record is None else SecretBox.unlock(passphrase, record)


def read_key(connection: Connection, lock: str = "") -> KeyRecord | None:
    """C(lock): C(share) keeps the key as it is until the transaction ends, C(update) keeps everybody else out."""
    meta = schema().meta
    version = connection.execute(sa.select(meta.c.schema_version)).scalar_one_or_none()
    if version is None:
        return None
    if version != SCHEMA_VERSION:
        raise LedgerError(
            "schema",
            f"The ledger has schema version {version}, this release of keyturn.devices knows version {SCHEMA_VERSION}. "
            "Nothing was changed. Use the release that made it, or a newer one.",
        )
    query = sa.select(meta.c.scrypt_n, meta.c.scrypt_r, meta.c.scrypt_p, meta.c.salt, meta.c.verifier)
    if lock and connection.dialect.name == "postgresql":
        query = query.with_for_update(read=lock == "share")
    row = connection.execute(query).one()
    return KeyRecord(Cost(row.scrypt_n, row.scrypt_r, row.scrypt_p), bytes(row.salt), bytes(row.verifier))


def key_columns(record: KeyRecord) -> dict[str, Any]:
    cost = record.cost
    return {"scrypt_n": cost.n, "scrypt_r": cost.r, "scrypt_p": cost.p, "salt": record.salt, "verifier": record.verifier}
