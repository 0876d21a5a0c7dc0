# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups of a ledger, and a ledger from a backup.

A backup is a ledger in an SQLite file, as encrypted as the one it was taken of, wherever that lives. What is restored is told apart from
the ledger that the backup was taken of: it gets an identity of its own, so that a run which is still at the old one notices, and nothing
in it counts as proven, because passwords may have changed since.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.keyturn.devices.plugins.module_utils._files import FileProblem
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.change import Change
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.copies import (
    already_there,
    beside,
    copy_ledger,
    kept_name,
    put_in_place,
    rename_new,
    rename_over,
    replace_rows,
    url_of,
)
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.crypto import Cost
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.database import Database
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError, named
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.opening import Meta, Witness, check_meta, read_meta, renew
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.schema import schema
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.settling import take_back_every_proof
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger, who
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run

with suppress(ImportError):  # schema.HAS_SQLALCHEMY tells
    import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


@dataclass(frozen=True)
class Restored:
    """C(devices): how many. C(kept): where the ledger that was replaced lies; empty where there was none."""

    devices: int
    kept: str = ""


def back_up(ledger: Ledger, path: str, overwrite: bool = False) -> int:
    """Write a backup, which is a ledger in an SQLite file, as encrypted as this one: whole, of one moment, and on the disk when this
    returns. Runs may go on meanwhile. Returns the number of its devices. Raises LedgerError and FileProblem.
    """
    database = ledger.database
    path = os.path.abspath(os.path.expanduser(path))
    if database.path is not None and os.path.realpath(path) == os.path.realpath(database.path):
        raise LedgerError("input", f"{path} is the ledger itself. Nothing was written. Name another file.")
    if os.path.lexists(path) and not overwrite:
        raise FileProblem("file_exists", f"{path} exists. Nothing was written. Name another, or allow to overwrite.")
    with ledger.look() as (connection, _now):
        count = int(connection.execute(sa.select(sa.func.count()).select_from(schema().devices)).scalar_one())
        if ledger.dry_run:
            return count
        with beside(path) as temporary:
            copy_ledger(connection, database.is_postgresql, temporary)
            _check_copy(ledger, temporary)
            if overwrite:
                rename_over(temporary, path)
            else:
                rename_new(temporary, path)
    return count


def _check_copy(ledger: Ledger, path: str) -> None:
    """A backup that nobody has looked at is none."""
    with closing(Database(url_of(path))) as database, database.begin(write=False) as connection:
        meta = read_meta(connection)
        if meta is None or (meta.identity, meta.generation) != (ledger.identity, ledger.generation):
            raise LedgerError("corrupt", "The backup is not what the ledger holds. It was removed.")
        check_meta(ledger.box, meta)


def restore(
    path: str,
    url: str,
    passphrase: str,
    run: Run,
    *,
    replace: bool = False,
    dry_run: bool = False,
    clock: Callable[[], float] | None = None,
    cost: Cost | None = None,
) -> Restored:
    """Put the backup C(path) where the URL says. Nothing in it counts as proven, and its identity is a new one: a run that is still at
    the ledger it was taken of notices.

    LedgerError C(file_exists) where there is one, unless C(replace): then that is kept, and C(locked) where a run is under way in it.
    C(clock) and C(cost): as for C(Ledger.open).
    """
    path = os.path.abspath(os.path.expanduser(path))
    with closing(Database(url, clock)) as database, Ledger.open(url_of(path), passphrase, dry_run=True, cost=cost) as backup:
        # All of it is opened: what cannot be read now could not be read later either.
        devices = len(backup.devices(include_secrets=True, include_retired=True))
        there = _is_there(database, lambda: Ledger.open(url, passphrase, dry_run=True, clock=clock, cost=cost), replace)
        if not there:
            database.check_makeable()
        if dry_run:
            return Restored(devices)
        renew_it = _renewing(backup, run, clock)
        kept = ""
        with backup.look() as (source, _now):
            if database.path is None:
                if there:
                    kept = kept_name(path)
                    with beside(kept) as temporary, database.begin(write=False) as connection:
                        copy_ledger(connection, True, temporary)
                        rename_new(temporary, kept)
                replace_rows(source, database, renew_it, may_replace=there)
            else:
                with beside(database.path) as temporary:
                    copy_ledger(source, False, temporary)
                    with closing(Database(url_of(temporary))) as copy, copy.begin(write=True) as connection:
                        renewed = renew_it(connection)
                    kept = put_in_place(temporary, database, may_replace=there)
                Witness(database.path).tell(renewed.identity, renewed.generation)
        return Restored(devices, kept)


def _renewing(backup: Ledger, run: Run, clock: Callable[[], float] | None) -> Callable[[Connection], Meta]:
    """Makes a copy of a backup a ledger of its own."""

    def renewed(connection: Connection) -> Meta:
        change = Change(connection, backup.box, clock() if clock else time.time(), who(), run, dry=False)
        take_back_every_proof(change, f"restored from a backup, generation {backup.generation}")
        change.write()
        return renew(connection, backup.box, backup.meta)

    return renewed


def _is_there(database: Database, open_it: Callable[[], Ledger], replace: bool) -> bool:
    """Whether a ledger, or what is left of one, is where a backup is to go."""
    try:
        with open_it() as ledger:
            if not replace:
                raise already_there(database.label)
            _refuse_held([name for name, device in ledger.devices().items() if device["lease"]], database.label)
    except LedgerError as error:
        if error.reason == "absent":
            # A file that nothing was written to yet is in nobody's way.
            return database.path is not None and os.path.lexists(database.path)
        if error.reason not in ("wrong_passphrase", "tampered", "corrupt", "not_a_ledger", "database", "schema"):
            raise
        if not replace:
            failure = already_there(database.label)
        elif database.is_postgresql and error.reason not in ("wrong_passphrase", "tampered"):
            raise
        else:
            return True
    else:
        return True
    raise failure


def _refuse_held(held: list[str], label: str) -> None:
    """A run that is under way would go on with passwords that the restored ledger does not know."""
    if held:
        raise LedgerError(
            "locked",
            f"A run is under way in {label}: it holds {named(held)}. Nothing was changed. Wait until it is done, or release its leases "
            "(keyturn.devices.ledger, state=released), then restore.",
        )
