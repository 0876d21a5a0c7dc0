# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The database under the ledger: SQLite or PostgreSQL, one way to begin a transaction, one way to tell what went wrong."""

from __future__ import annotations

import importlib
import os
import re
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError

try:
    import sqlalchemy as sa
    from sqlalchemy import event, exc, pool

    # Processes that Ansible forks for its tasks then have the usual database ready: SQLAlchemy would import it in each of them.
    importlib.import_module("sqlalchemy.dialects.sqlite")
except ImportError:
    pass  # schema.HAS_SQLALCHEMY tells

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.engine.url import URL

# How long to wait for another run's transaction, in seconds. A batch of 10,000 devices takes a few.
LOCK_TIMEOUT = 60
CONNECT_TIMEOUT = 10
# A process that is paused in the middle of a transaction loses it, before those who wait for it give up. In seconds.
IDLE_TIMEOUT = 40
_WRITES = "keyturn_writes"
_KEEPS_JOURNAL = "keyturn_keeps_journal"
_SQLITE_MAGIC = b"SQLite format 3\0"

# What a database may say, and what it means to the one who has to act. SQLite tells by text, PostgreSQL by SQLSTATE.
_SQLITE_ERRORS = (
    ("full", "database or disk is full"),
    ("locked", "is locked"),
    ("read_only", "readonly database"),
    ("not_a_ledger", "file is not a database"),
    ("corrupt", "malformed"),
    ("permission", "unable to open database file"),
)
_POSTGRESQL_ERRORS = (
    ("full", re.compile("53100|54000")),
    ("locked", re.compile("55P03|40P01|40001|57014")),
    ("read_only", re.compile("25006")),
    ("permission", re.compile("42501")),
    ("refused", re.compile("28...|3D000")),
    ("unreachable", re.compile("08...|53300|57P0.|25P03")),
)
_ADVICE = {
    "full": "There is no room left for the ledger. Nothing was changed. Make room, then run again.",
    "locked": f"Another run holds the ledger, for more than {LOCK_TIMEOUT} s. Nothing was changed. Run again when it is done.",
    "read_only": "The ledger is read-only. Nothing was changed. Make it writable (for SQLite its directory too), then run again.",
    "not_a_ledger": "This is not a ledger. Nothing was changed. Check ledger_url.",
    "corrupt": "The database says that it is damaged. Nothing was changed. Keep a copy of it, then restore the ledger from a backup.",
    "permission": "This user may not use the ledger. Nothing was changed. Check owner and mode of file and directory, or the grants.",
    "refused": "The database server refuses this user, password or database name. Nothing was changed. Check ledger_url.",
    "unreachable": "The connection to the database server failed. Whether the last change arrived is told by running again, which is safe.",
    "database": "The database refused. Nothing was changed.",
}
MAKE_ONE = "A ledger is made on purpose: ansible-playbook keyturn.devices.create_ledger. If there should be one, check ledger_url."


class Database:
    """One ledger's database. C(label): how it is called in messages; it never holds user information."""

    def __init__(self, url: str, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock
        self.path: str | None = None
        parsed = _parsed(url)
        self.is_postgresql = parsed.get_backend_name() == "postgresql"
        if not self.is_postgresql:
            self.path = os.path.abspath(os.path.expanduser(str(parsed.database)))
            where = f"file {self.path}"
            self.engine = self._sqlite_engine(self.path)
        else:
            where = f"in database {parsed.database or ''} on {parsed.host or 'the local socket'}"
            self.engine = self._postgresql_engine(parsed)
        self.label = f"the ledger {where}"
        self._absent = f"There is no ledger {where}. Nothing was changed. {MAKE_ONE}"

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()

    def absent(self) -> LedgerError:
        """Tells where it was looked for."""
        return LedgerError("absent", self._absent)

    def is_missing(self) -> bool:
        """True for an SQLite file that is not there, or holds nothing yet because its maker was stopped.

        SQLite itself would take some short files for empty ones, and write over them.
        """
        if self.path is None:
            return False
        failure: LedgerError | None = None
        try:
            with open(self.path, "rb") as file:
                start = file.read(len(_SQLITE_MAGIC))
            if not start or start == _SQLITE_MAGIC:
                return not start
            failure = LedgerError("not_a_ledger", f"{self.label}: {_ADVICE['not_a_ledger']}")
        except FileNotFoundError:
            return True
        except OSError:
            failure = LedgerError("permission", f"{self.label}: {_ADVICE['permission']}")
        raise failure

    def prepare_file(self) -> None:
        """Make the file of a new SQLite ledger, readable by its owner alone from its first byte. SQLite gives its journal the same mode."""
        if self.path is None:
            return
        failure: LedgerError | None = None
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                os.fchmod(handle, 0o600)  # Whatever the umask took away.
            finally:
                os.close(handle)
        except FileExistsError:
            self.narrow(touch=True)
        except FileNotFoundError:
            failure = self._without_directory()
        except PermissionError:
            failure = LedgerError("permission", f"{self.label}: {_ADVICE['permission']}")
        except OSError as error:
            failure = LedgerError("file", f"{self.label} cannot be made: {error.strerror}.")
        if failure:
            raise failure

    def check_makeable(self) -> None:
        """Raises what C(prepare_file) would raise for a file that is not there, and makes none."""
        directory = os.path.dirname(self.path) if self.path else None
        if directory and not os.path.isdir(directory):
            raise self._without_directory()
        if directory and not os.access(directory, os.W_OK | os.X_OK):
            raise LedgerError("permission", f"{self.label}: {_ADVICE['permission']}")

    def narrow(self, touch: bool) -> str:
        """A file that others may read becomes its owner's alone. Returns what to tell a person, empty when nothing was wrong.

        C(touch): else it is only told.
        """
        if self.path is None:
            return ""
        status = os.stat(self.path)
        mode = stat.S_IMODE(status.st_mode)
        if not mode & 0o077:
            return ""
        told = f"{self.label} had mode {mode:04o}, so that others than its owner could use it"
        if status.st_uid != os.geteuid():
            return f"{told}, and it belongs to another user. Set it to 0600."
        if not touch:
            return f"{told}. The next run that writes narrows it to 0600."
        os.chmod(self.path, 0o600)
        return f"{told}. It was narrowed to 0600. Who read it has the encrypted passwords; change the passphrase if that may have happened."

    def _without_directory(self) -> LedgerError:
        return LedgerError("no_directory", f"There is no directory for {self.label}. Make it, or check ledger_url.")

    @contextmanager
    def begin(self, write: bool, keep_journal: bool = False) -> Iterator[Connection]:
        """One transaction. A writing one holds the SQLite file from its start; a reading one sees one moment of the ledger throughout.

        C(keep_journal): SQLite leaves its journal on the disk, so that the next such transaction finds the room that this one took.
        Commits at the end, rolls back on an exception; what the database says becomes a LedgerError without SQL or parameters.
        """
        failure: LedgerError | None = None
        try:
            with self.engine.connect() as connection:
                if self.is_postgresql:
                    level = "READ COMMITTED" if write else "REPEATABLE READ"
                    connection = connection.execution_options(isolation_level=level, postgresql_readonly=not write)
                else:
                    connection = connection.execution_options(**{_WRITES: write, _KEEPS_JOURNAL: keep_journal})
                with connection.begin():
                    if self.is_postgresql:
                        # In the transaction, because poolers share sessions. On: a commit is on the disk, whatever the server thinks.
                        settings = (
                            f"set_config('lock_timeout', '{LOCK_TIMEOUT * 1000:.0f}', true), set_config('synchronous_commit', 'on', true), "
                            f"set_config('idle_in_transaction_session_timeout', '{IDLE_TIMEOUT * 1000:.0f}', true)"
                        )
                        connection.exec_driver_sql(f"SELECT {settings}")
                    yield connection
        except exc.SQLAlchemyError as error:
            failure = self._understood(error)
        if failure:
            raise failure from None  # Of what it grew out of nothing is shown: that quotes SQL.

    def now(self, connection: Connection) -> float:
        """Seconds since the epoch: the server's clock where several runners share one, else this host's."""
        if self._clock is not None:
            return self._clock()
        if self.is_postgresql:
            return float(connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())").scalar_one())
        return time.time()

    def _sqlite_engine(self, path: str) -> Engine:
        # mode=rw: a file that was removed meanwhile is told, instead of an empty one made in its place.
        url = f"file:{quote(path)}?mode=rw"
        engine = sa.create_engine(
            "sqlite://",
            hide_parameters=True,
            poolclass=pool.NullPool,
            creator=lambda: sqlite3.connect(url, uri=True, timeout=LOCK_TIMEOUT),
        )

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, _record: object) -> None:
            connection.isolation_level = None  # The driver's own idea of when to begin is switched off; ours is below.
            cursor = connection.cursor()
            # EXTRA is FULL and also syncs the directory when the journal goes: a commit is a commit, also after a power cut.
            for pragma in ("synchronous=EXTRA", "foreign_keys=ON", "trusted_schema=OFF"):
                cursor.execute(f"PRAGMA {pragma}")
            cursor.close()

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            if connection.get_execution_options().get(_KEEPS_JOURNAL):
                connection.exec_driver_sql("PRAGMA journal_mode=PERSIST")
            # IMMEDIATE: of two writers the second waits here, instead of failing in the middle.
            connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(_WRITES) else "BEGIN")

        return engine

    def _postgresql_engine(self, url: URL) -> Engine:
        failure: LedgerError
        try:
            return sa.create_engine(
                url,
                hide_parameters=True,
                poolclass=pool.NullPool,
                connect_args={"connect_timeout": CONNECT_TIMEOUT, "application_name": "keyturn.devices"},
            )
        except ImportError:
            failure = LedgerError("library", "A ledger on PostgreSQL needs the Python library psycopg: pip install 'psycopg[binary]'.")
        raise failure

    def _understood(self, error: exc.SQLAlchemyError) -> LedgerError:
        origin = getattr(error, "orig", None)
        state = getattr(origin, "sqlstate", None) or ""
        reason = "database"
        if self.is_postgresql:
            reason = next((name for name, states in _POSTGRESQL_ERRORS if states.fullmatch(state)), reason)
            if reason == "database" and not state and isinstance(error, exc.OperationalError):
                # libpq gives no SQLSTATE to what goes wrong before the server speaks; only its text tells a refusal.
                refusals = ("authentication failed", "does not exist", "no pg_hba.conf entry", "no password supplied")
                reason = "refused" if any(part in str(origin) for part in refusals) else "unreachable"
        else:
            text = str(origin)
            reason = next((name for name, part in _SQLITE_ERRORS if part in text), reason)
            if self.path and not os.path.lexists(self.path):
                return self.absent()
        detail = "" if reason != "database" else f" ({type(origin or error).__name__}{f' {state}' if state else ''})"
        return LedgerError(reason, f"{self.label}: {_ADVICE[reason]}{detail}")


def password_of_url(url: str) -> list[str]:
    """The secrets inside a ledger URL, as written and as meant: all that follows the user's name, also where it is not encoded."""
    user_information = url.partition("://")[2].rpartition("@")[0]
    password = user_information.partition(":")[2]
    return [password, unquote(password)] if password else []


def absolute_url(url: str, directory: str) -> str:
    """The same URL; a relative SQLite path is taken from this directory."""
    match = re.fullmatch(r"(sqlite(?:\+pysqlite)?:///)([^/:~].*)", url)
    return f"{match[1]}{os.path.join(os.path.abspath(directory), match[2])}" if match else url


def path_of_url(url: str) -> str | None:
    """The absolute path of an SQLite ledger; C(None) for any other URL."""
    match = re.fullmatch(r"sqlite(?:\+pysqlite)?:///(.+)", url)
    return os.path.abspath(os.path.expanduser(match[1])) if match else None


def _parsed(url: str) -> URL:
    authority, *rest = re.split("[/?#]", url.partition("://")[2], maxsplit=1)
    if not url.startswith("sqlite") and (authority.count("@") > 1 or "@" in "".join(rest)):
        # A piece of the password would be taken for the host or the database, and shown as such.
        raise LedgerError("invalid_url", "In user and password of ledger_url every @, :, /, ? and # has to be percent-encoded.")
    try:
        parsed = sa.make_url(url)
    except (exc.ArgumentError, ValueError):
        parsed = None
    if parsed is None:  # Raised out here, because the caught error quotes the URL.
        raise LedgerError("invalid_url", "ledger_url must be a URL such as sqlite:///path or postgresql+psycopg://user@host/database.")
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        if not parsed.database or parsed.database == ":memory:" or parsed.database.startswith("file:") or parsed.query:
            raise LedgerError("invalid_url", "ledger_url must name a file and nothing else: sqlite:///path.")
        return parsed
    if parsed.drivername in ("postgresql", "postgresql+psycopg"):
        if {"password", "sslpassword"} & set(parsed.query):
            # Such a password would not be known as a secret to what masks URLs.
            raise LedgerError("invalid_url", "A password in ledger_url must stand before the @ (user:password@host), not among parameters.")
        return parsed.set(drivername="postgresql+psycopg")
    raise LedgerError("invalid_url", "ledger_url must begin with sqlite:/// or postgresql+psycopg://.")
