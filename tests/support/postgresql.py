# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A private, throw-away PostgreSQL server: real, on loopback, gone when it is closed."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import uuid
from pathlib import Path
from typing import Any

import psycopg

_USER = "keyturn"


class PostgresqlServer:
    """A cluster of its own with a random password. C(durable=False) trades safety at a power cut for speed, which no test can see."""

    def __init__(self, durable: bool = False) -> None:
        self.password = secrets.token_urlsafe(16)
        self._folder = Path(tempfile.mkdtemp(prefix="keyturn-postgresql-", dir="/tmp"))  # a socket's path may not be long
        self._become: dict[str, Any] = {}  # what subprocess takes to be another user
        self.port = _free_port()
        try:
            if os.geteuid() == 0:  # The server refuses to run as root.
                owner = _unprivileged_user()
                os.chown(self._folder, owner.pw_uid, owner.pw_gid)
                self._become = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
            self._make()
            self._control("start", "-l", str(self._folder / "log"), "-o", self._settings(durable))
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def close(self) -> None:
        """Stop the server, even with connections open, and remove all of it."""
        self._control("stop", "-m", "immediate")
        shutil.rmtree(self._folder, ignore_errors=True)

    def stop(self) -> None:
        """As if the server's machine went away: its connections break."""
        self._control("stop", "-m", "immediate")

    def start(self) -> None:
        """Back after C(stop)."""
        self._control("start", "-l", str(self._folder / "log"), "-o", self._settings(False))

    def new_database(self) -> str:
        """The URL, password included, of a new empty database."""
        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            # Copying files takes two thirds of the time of copying page by page, which newer servers do unless told.
            strategy = " STRATEGY file_copy" if connection.info.server_version >= 150000 else ""
            connection.execute(f"CREATE DATABASE {name}{strategy}".encode())
        return f"postgresql+psycopg://{_USER}:{self.password}@127.0.0.1:{self.port}/{name}"

    def execute(self, url: str, statement: str) -> None:
        """One statement in the database of a URL that C(new_database) gave."""
        with psycopg.connect(self._dsn(url.rpartition("/")[2]), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _dsn(self, database: str) -> str:
        return f"host=127.0.0.1 port={self.port} user={_USER} password={self.password} dbname={database}"

    def _make(self) -> None:
        secret = self._folder / "password"
        secret.write_text(self.password)
        os.chmod(secret, 0o644)  # in a folder that only its owner can enter
        options = ["-U", _USER, "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "--no-sync"]
        self._run("initdb", "-D", str(self._folder / "data"), *options)
        secret.unlink()

    def _settings(self, durable: bool) -> str:
        fast = "" if durable else " -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
        return f"-p {self.port} -k {self._folder} -c listen_addresses=127.0.0.1 -c max_connections=50 -c shared_buffers=32MB{fast}"

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-s", *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(_programs() / program), *arguments]
        # Not a pipe: the server would keep it open for as long as it runs.
        with tempfile.TemporaryFile() as output:
            result = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd="/", check=False, **self._become
            )
            if result.returncode:
                output.seek(0)
                raise RuntimeError(f"{program} failed: {output.read().decode(errors='replace')}")


def _programs() -> Path:
    """Where the server's programs are: Debian keeps them out of the PATH."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    found = str(debian[-1]) if debian else shutil.which("initdb")
    if not found:
        raise RuntimeError("PostgreSQL is needed for the tests of the ledger: install the package postgresql")
    return Path(found).resolve().parent


def _unprivileged_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("there is no user to run PostgreSQL as")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
