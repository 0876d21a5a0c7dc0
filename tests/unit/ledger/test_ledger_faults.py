# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes wrong under the ledger is told in words that help, changes nothing, and shows no secret."""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.ledgers import committed, kept, opened, run_of, settled, staged
from support.postgresql import PostgresqlServer

from ansible_collections.keyturn.devices.plugins.module_utils._ledger import database
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger


@contextmanager
def refused(reason: str) -> Iterator[None]:
    with pytest.raises(LedgerError) as caught:
        yield
    assert caught.value.reason == reason
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert "canary" not in str(caught.value)
    assert "SELECT" not in str(caught.value)
    assert "INSERT" not in str(caught.value)


def test_a_full_disk_stages_nothing(sqlite_url: str) -> None:
    with opened(sqlite_url) as ledger:
        committed(ledger, "r1", "canary-old")

        @sa.event.listens_for(ledger._database.engine, "connect")
        def limit(connection: Any, _record: object) -> None:
            connection.execute("PRAGMA max_page_count=20")

        with refused("full"):
            staged(ledger, run_of("a"), {f"r{number}": "canary" for number in range(1000)})
    with opened(sqlite_url) as ledger:
        assert kept(ledger, "r1") == {"current": ["canary-old"]}
        assert list(ledger.devices()) == ["r1"]


def test_a_full_disk_while_the_ledger_is_made_leaves_one_that_can_be_made_again(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = database.Database._sqlite_engine

    def limited(self: database.Database, *arguments: Any, **options: Any) -> sa.Engine:
        made = engine(self, *arguments, **options)
        sa.event.listen(made, "connect", lambda connection, _record: connection.execute("PRAGMA max_page_count=3"))
        return made

    with monkeypatch.context() as patch:
        patch.setattr(database.Database, "_sqlite_engine", limited)
        with refused("full"):
            opened(sqlite_url)
    with opened(sqlite_url) as ledger:
        assert ledger.devices() == {}


def test_a_store_that_is_down_at_commit_keeps_the_staged_password(postgresql: PostgresqlServer) -> None:
    url = postgresql.new_database()
    with opened(url) as ledger:
        committed(ledger, "r1", "canary-old")
        staged(ledger, run_of("a"), {"r1": "canary-new"})
        postgresql.stop()
        try:
            with refused("unreachable"):
                settled(ledger, run_of("a"), "r1", "changed", proof="vendor")
        finally:
            postgresql.start()
        assert kept(ledger, "r1") == {"current": ["canary-old"], "staged": ["canary-new"]}
        assert settled(ledger, run_of("a"), "r1", "changed", proof="vendor") == "committed"


def test_a_connection_that_breaks_in_the_middle_changes_nothing(postgresql: PostgresqlServer) -> None:
    url = postgresql.new_database()
    with opened(url) as ledger:
        committed(ledger, "r1", "canary-old")

        def make(_former: list[str]) -> str:
            postgresql.execute(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'keyturn.devices'")
            return "canary-new"

        with refused("unreachable"):
            staged(ledger, run_of("a"), {"r1": "unused"}, make=make)
        assert kept(ledger, "r1") == {"current": ["canary-old"]}


def test_a_server_that_is_not_there_is_told() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with refused("unreachable"):
        opened(f"postgresql+psycopg://user:canary@127.0.0.1:{port}/ledger")


def test_a_refused_database_password_is_told(postgresql: PostgresqlServer) -> None:
    with refused("refused"):
        opened(postgresql.new_database().replace(postgresql.password, "canary"))


def test_a_database_that_does_not_exist_is_told(postgresql: PostgresqlServer) -> None:
    with refused("refused"):
        opened(postgresql.new_database() + "_missing")


def test_a_role_without_grants_is_told(postgresql: PostgresqlServer) -> None:
    url = postgresql.new_database()
    opened(url).close()
    postgresql.execute(url, "DROP ROLE IF EXISTS stranger")
    postgresql.execute(url, "CREATE ROLE stranger LOGIN PASSWORD 'canary'")
    with refused("permission"):
        opened(url.replace(f"keyturn:{postgresql.password}", "stranger:canary"))


def test_a_read_only_server_is_told(postgresql: PostgresqlServer) -> None:
    url = postgresql.new_database()
    with opened(url) as ledger:
        postgresql.execute(url, f"ALTER DATABASE {url.rpartition('/')[2]} SET default_transaction_read_only = on")
        with opened(url, dry_run=True) as reader:
            assert reader.devices() == {}
        ledger._database.engine.dispose()
        # The server's setting is only a default; a standby or a full one refuses the writing itself.
        sa.event.listen(ledger._database.engine, "begin", lambda connection: connection.exec_driver_sql("SET TRANSACTION READ ONLY"))
        with refused("read_only"):
            staged(ledger, run_of("a"), {"r1": "canary"})


def test_a_locked_file_is_waited_for_and_then_told(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "LOCK_TIMEOUT", 0.2)
    with opened(sqlite_url) as ledger:
        blocker = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        with refused("locked"):
            staged(ledger, run_of("a"), {"r1": "canary"})
        blocker.execute("ROLLBACK")
        blocker.close()
        assert staged(ledger, run_of("a"), {"r1": "canary"}) == {"r1": "staged"}


def test_a_lock_on_the_server_is_waited_for_and_then_told(postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "LOCK_TIMEOUT", 0.2)
    url = postgresql.new_database()
    with opened(url) as ledger, opened(url) as other:
        committed(ledger, "r1", "canary-old")
        inside = threading.Event()
        done = threading.Event()

        def slowly(_former: list[str]) -> str:
            inside.set()
            done.wait(30)
            return "canary-new"

        thread = threading.Thread(target=lambda: staged(other, run_of("slow"), {"r1": "unused"}, make=slowly))
        thread.start()
        inside.wait(30)
        try:
            with refused("locked"):
                staged(ledger, run_of("b"), {"r1": "canary"})
        finally:
            done.set()
            thread.join()
        assert kept(ledger, "r1")["staged"] == ["canary-new"]


@pytest.mark.parametrize("content", [b"this is no database, but it is long enough to look at: canary" * 100, b"x"])
def test_a_file_that_is_no_database_is_told(sqlite_url: str, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ledger.db").write_bytes(content)
    with refused("not_a_ledger"):
        opened(sqlite_url)
    assert (tmp_path / "ledger.db").read_bytes() == content


def test_a_database_of_something_else_is_left_alone(sqlite_url: str, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute("CREATE TABLE shopping (thing)")
    connection.close()
    with refused("not_a_ledger"):
        opened(sqlite_url)


def test_a_damaged_password_names_its_device(ledger: Ledger) -> None:
    committed(ledger, "r1", "canary-one")
    committed(ledger, "r2", "canary-two")
    with ledger._database.begin(write=True) as connection:
        of_r1 = "device = (SELECT id FROM keyturn_devices WHERE name = 'r1')"
        connection.exec_driver_sql(f"UPDATE keyturn_passwords SET generation = 1, secret = NULL WHERE {of_r1}")
        connection.execute(sa.text(f"UPDATE keyturn_passwords SET secret = :junk WHERE {of_r1}"), {"junk": b"short"})
    with pytest.raises(LedgerError, match="'r1'") as caught:
        ledger.devices(include_secrets=True)
    assert caught.value.reason == "corrupt"
    assert ledger.passwords(["r2"]) == {"r2": "canary-two"}
    assert set(ledger.devices()) == {"r1", "r2"}


def test_a_ledger_of_a_newer_release_is_left_alone(ledger: Ledger, url: str) -> None:
    with ledger._database.begin(write=True) as connection:
        connection.exec_driver_sql("UPDATE keyturn_meta SET schema_version = 99")
    with refused("schema"):
        opened(url)
    with refused("schema"):
        staged(ledger, run_of("a"), {"r1": "canary"})


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    with refused("no_directory"):
        opened(f"sqlite:///{tmp_path}/missing/ledger.db")


def test_a_folder_in_place_of_the_file_is_told(sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / "ledger.db").mkdir()
    with refused("permission"):
        opened(sqlite_url)


def as_another_user(call: Any) -> str:
    """The reason that a process gets which may not write: the tests may run as root, who may do everything."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        word = "none"
        try:
            if os.geteuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            call()
        except LedgerError as error:
            word = error.reason
        except BaseException as error:
            word = repr(error)
        os.write(writing, word.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        word = pipe.read()
    os.waitpid(child, 0)
    return word


def test_a_read_only_file_can_be_read_and_not_written(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("shared")
    base = tmp_path_factory.getbasetemp()
    ours = base.parent if base.name.startswith("popen-") else base
    for path in (folder, *folder.parents):
        if path.is_relative_to(ours) or path.name.startswith("pytest-"):
            path.chmod(0o755)
    url = f"sqlite:///{folder}/ledger.db"
    with opened(url) as ledger:
        committed(ledger, "r1", "canary")
    (folder / "ledger.db").chmod(0o444)
    folder.chmod(0o555)
    assert as_another_user(lambda: opened(url, dry_run=True).passwords(["r1"])) == "none"
    assert as_another_user(lambda: staged(opened(url, dry_run=True), run_of("a"), {"r1": "canary"})) == "none"
    (folder / "ledger.db").chmod(0o444)
    assert as_another_user(lambda: staged(opened(url, make=False), run_of("a"), {"r1": "canary"})) in ("read_only", "permission")
    assert as_another_user(lambda: opened(url, dry_run=True).check_writable()) in ("read_only", "permission")
    folder.chmod(0o755)


def test_a_file_of_somebody_else_is_told(sqlite_url: str, tmp_path: Path) -> None:
    opened(sqlite_url).close()
    if os.geteuid() != 0:
        (tmp_path / "ledger.db").chmod(0)
        with refused("permission"):
            opened(sqlite_url, dry_run=True)
        return
    for path in (tmp_path, *list(tmp_path.parents)[:2]):
        path.chmod(0o755)
    assert as_another_user(lambda: opened(sqlite_url)) == "permission"
