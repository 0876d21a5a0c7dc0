# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copies of a whole ledger: how its rows or its file get from one place to another, durably, and take the place of what is there."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ansible_collections.keyturn.devices.plugins.module_utils._files import FileProblem, sync_directory
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.database import Database
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.opening import hold_creation, read_meta
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.reading import chunks
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.schema import schema

with suppress(ImportError):  # schema.HAS_SQLALCHEMY tells
    import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

_JOURNAL = "-journal"


def url_of(path: str) -> str:
    """The ledger URL of a backup."""
    return f"sqlite:///{os.path.abspath(path)}"


@contextmanager
def beside(path: str) -> Iterator[str]:
    """An empty file of its owner alone in the directory of a path, which is gone afterwards unless it was given another name."""
    failure: FileProblem | None = None
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=f".{os.path.basename(path)}.")
        os.close(handle)
        yield temporary
    except OSError as error:
        reason = {FileNotFoundError: "no_directory", PermissionError: "permission", FileExistsError: "file_exists"}.get(type(error), "file")
        failure = FileProblem(reason, f"{path} cannot be written: {error.strerror}.")
    finally:
        for name in (temporary, temporary + _JOURNAL) if temporary else ():
            with suppress(FileNotFoundError):
                os.unlink(name)
    if failure:
        raise failure


def copy_ledger(source: Connection, is_postgresql: bool, path: str) -> None:
    """All that one transaction sees of a ledger, into an empty SQLite file; on the disk when this returns."""
    with closing(sqlite3.connect(path)) as target:
        if not is_postgresql:
            # Page by page, and whole: in a transaction that reads, nobody writes in between. While SQLAlchemy's connection is open, the
            # driver's own is there, which the types do not say.
            source.connection.driver_connection.backup(target)  # type: ignore[union-attr]
    if is_postgresql:
        with closing(Database(url_of(path))) as database, database.begin(write=True) as connection:
            schema().metadata.create_all(connection)
            copy_rows(source, connection)
    _sync(path)


def copy_rows(source: Connection, target: Connection) -> None:
    """Every row of every table. The events are numbered anew, in the same order."""
    for table in schema().metadata.sorted_tables:
        rows = [dict(row) for row in source.execute(sa.select(table).order_by(*table.primary_key.columns)).mappings()]
        for row in rows if table is schema().events else ():
            del row["id"]
        for part in chunks(rows):
            target.execute(sa.insert(table), list(part))


def rename_new(temporary: str, path: str) -> None:
    """Give a whole file its name, durably. FileExistsError where that is taken."""
    os.link(temporary, path)
    os.unlink(temporary)
    sync_directory(os.path.dirname(path))


def rename_over(temporary: str, path: str) -> None:
    """The same, in the place of what has that name."""
    os.replace(temporary, path)
    sync_directory(os.path.dirname(path))


def kept_name(path: str) -> str:
    """What a ledger that is replaced is called."""
    return f"{path}.replaced-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{uuid.uuid4().hex[:6]}"


def put_in_place(temporary: str, database: Database, *, may_replace: bool) -> str:
    """An SQLite ledger takes its place; the one that is there is kept beside it. Returns where, empty where there was none."""
    path = str(database.path)
    if not may_replace:
        rename_new(temporary, path)
        return ""
    kept = kept_name(path)
    with _nobody_writes(database):
        os.link(path, kept)
        with suppress(FileNotFoundError):
            # It belongs to the old file: SQLite would write it into the new one.
            os.rename(path + _JOURNAL, kept + _JOURNAL)
        os.replace(temporary, path)
    sync_directory(os.path.dirname(path))
    return kept


@contextmanager
def _nobody_writes(database: Database) -> Iterator[None]:
    """A database that is damaged cannot be held, and nobody can write to it either."""
    done = False
    try:
        with database.begin(write=True):
            yield
            done = True
    except LedgerError as error:
        if done:
            return  # What was to be given back is another file by now.
        if error.reason not in ("not_a_ledger", "corrupt", "database"):
            raise
        damaged = True
    else:
        damaged = False
    if damaged:
        yield


def replace_rows(source: Connection, database: Database, finish: Callable[[Connection], Any], *, may_replace: bool) -> None:
    """The rows of another ledger take the place of those of a PostgreSQL database, in one transaction. C(finish): called at its end."""
    with database.begin(write=True) as connection:
        hold_creation(connection)
        schema().metadata.create_all(connection)
        if read_meta(connection, lock=True) is not None and not may_replace:
            raise already_there(database.label)
        for table in reversed(schema().metadata.sorted_tables):
            connection.execute(sa.delete(table))
        copy_rows(source, connection)
        finish(connection)


def already_there(label: str) -> LedgerError:
    """Nothing is replaced that nobody has said may be."""
    return LedgerError(
        "file_exists",
        f"There is {label} already. Nothing was changed. To put the backup in its place, say so: replace, or for the playbook "
        "-e restore_replace=true. What is replaced is kept.",
    )


def _sync(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
