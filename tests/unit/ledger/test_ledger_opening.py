# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making a ledger, opening it, and its passphrase."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from support.ledgers import CHEAP, LEASE, PASSPHRASE, Clock, committed, kept, opened, run_of, settled, staged
from support.postgresql import PostgresqlServer

from ansible_collections.keyturn.devices.plugins.module_utils._ledger import crypto, people
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.crypto import Cost, SecretBox
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.database import Database, absolute_url, password_of_url
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.schema import schema
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger

OTHER = "quite another passphrase"


def reason_of(call: Callable[[], object]) -> str:
    with pytest.raises(LedgerError) as caught:
        call()
    return caught.value.reason


def test_a_wrong_passphrase_is_told_and_changes_nothing(ledger: Ledger, url: str) -> None:
    committed(ledger, "r1", "one")
    assert reason_of(lambda: opened(url, passphrase=OTHER)) == "wrong_passphrase"
    assert kept(ledger, "r1") == {"current": ["one"]}


@pytest.mark.parametrize(
    ("passphrase", "reason"), [("", "no_passphrase"), ("short", "weak_passphrase"), ("aaaaaaaaaaaa", "weak_passphrase")]
)
def test_a_ledger_is_not_made_with_a_passphrase_that_protects_nothing(url: str, passphrase: str, reason: str) -> None:
    assert reason_of(lambda: opened(url, passphrase=passphrase)) == reason
    assert reason_of(lambda: opened(url, make=False)) == "absent"


def test_an_existing_ledger_without_a_passphrase_is_told(ledger: Ledger, url: str) -> None:
    assert reason_of(lambda: opened(url, passphrase="")) == "no_passphrase"


def test_a_missing_ledger_is_only_made_when_asked_for(url: str, tmp_path: Path) -> None:
    for _time in range(2):
        assert reason_of(lambda: opened(url, make=False)) == "absent"
        assert reason_of(lambda: opened(url, dry_run=True)) == "absent"
    assert Ledger.create(url, PASSPHRASE, cost=CHEAP, dry_run=True) == (None, True)
    assert reason_of(lambda: opened(url, make=False)) == "absent"
    assert list(tmp_path.iterdir()) == []
    made, new = Ledger.create(url, PASSPHRASE, cost=CHEAP)
    assert new
    assert made is not None
    committed(made, "r1", "one")
    again, new = Ledger.create(url, PASSPHRASE, cost=CHEAP)
    assert not new
    assert again is not None
    assert again.identity == made.identity
    assert again.passwords(["r1"]) == {"r1": "one"}


def test_rekeying_changes_the_passphrase_and_keeps_every_password(ledger: Ledger, url: str, open_again: Callable[..., Ledger]) -> None:
    for number in range(30):
        committed(ledger, f"r{number}", f"one-{number}", f"two-{number}")
    staged(ledger, run_of("a"), {"r1": "staged", "r2": None})
    before = ledger.devices(include_secrets=True)
    assert people.rekey(ledger, OTHER, run_of("b")) == 61
    assert reason_of(lambda: opened(url)) == "wrong_passphrase"
    assert open_again(passphrase=OTHER).devices(include_secrets=True) == before == ledger.devices(include_secrets=True)


def test_a_process_that_has_the_ledger_open_with_the_old_passphrase_is_refused(ledger: Ledger, open_again: Callable[..., Ledger]) -> None:
    committed(ledger, "r1", "one")
    other = open_again()
    people.rekey(ledger, OTHER, run_of("b"))
    assert reason_of(lambda: staged(other, run_of("c"), {"r2": "sealed with the old key"})) == "rekeyed"
    assert reason_of(lambda: other.passwords(["r1"])) == "rekeyed"
    assert list(ledger.devices()) == ["r1"]


def test_rekeying_to_a_weak_passphrase_is_refused(ledger: Ledger, open_again: Callable[..., Ledger]) -> None:
    assert reason_of(lambda: people.rekey(ledger, "short", run_of("a"))) == "weak_passphrase"
    open_again()


def test_no_secret_and_no_passphrase_is_in_the_database(ledger: Ledger, sqlite_url: str, url: str, tmp_path: Path) -> None:
    committed(ledger, "r1", "canary-one", "canary-two")
    staged(ledger, run_of("a"), {"r1": "canary-three"})
    settled(ledger, run_of("a"), "r1", "failed")
    with ledger._database.begin(write=False) as connection:
        content = repr([connection.execute(table.select()).all() for table in schema().metadata.sorted_tables]).encode()
    if url == sqlite_url:
        content += (tmp_path / "ledger.db").read_bytes()
    assert b"r1" in content
    assert b"canary" not in content
    assert PASSPHRASE.encode() not in content


def test_a_password_moved_to_another_device_inside_the_database_is_refused(sqlite_url: str, tmp_path: Path) -> None:
    with opened(sqlite_url) as ledger:
        committed(ledger, "r1", "one")
        committed(ledger, "r2", "two")
        with sqlite3.connect(tmp_path / "ledger.db") as connection:
            connection.execute(
                "UPDATE keyturn_passwords SET secret = (SELECT secret FROM keyturn_passwords JOIN keyturn_devices AS d ON d.id = device "
                "WHERE d.name = 'r1') WHERE device = (SELECT id FROM keyturn_devices WHERE name = 'r2')"
            )
        connection.close()
        assert reason_of(lambda: ledger.passwords(["r2"])) == "corrupt"
        assert ledger.passwords(["r1"]) == {"r1": "one"}


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o777])
def test_file_and_journal_belong_to_their_owner_alone_from_the_first_byte(
    sqlite_url: str, tmp_path: Path, mask: int, request: pytest.FixtureRequest
) -> None:
    seen: dict[str, int] = {}

    def look(*_unused: object) -> None:
        seen.update((path.name, stat.S_IMODE(path.stat().st_mode)) for path in tmp_path.iterdir())

    sa.event.listen(Engine, "after_cursor_execute", look)
    request.addfinalizer(lambda: sa.event.remove(Engine, "after_cursor_execute", look))
    before = os.umask(mask)
    try:
        with opened(sqlite_url) as ledger:
            committed(ledger, "r1", "one", "two")
    finally:
        os.umask(before)
    assert seen["ledger.db"] == 0o600
    assert set(seen.values()) == {0o600}
    assert "ledger.db-journal" in seen


def test_a_file_that_others_can_read_is_narrowed(sqlite_url: str, tmp_path: Path) -> None:
    opened(sqlite_url).close()
    (tmp_path / "ledger.db").chmod(0o644)
    with opened(sqlite_url, dry_run=True) as ledger:
        assert "0644" in ledger.warnings[0]
    assert stat.S_IMODE((tmp_path / "ledger.db").stat().st_mode) == 0o644
    with opened(sqlite_url, make=False) as ledger:
        assert "narrowed" in ledger.warnings[0]
    assert stat.S_IMODE((tmp_path / "ledger.db").stat().st_mode) == 0o600
    with opened(sqlite_url, make=False) as ledger:
        assert ledger.warnings == []


def test_an_empty_file_left_by_a_stopped_maker_becomes_a_ledger(sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / "ledger.db").touch()
    with opened(sqlite_url) as ledger:
        assert ledger.devices() == {}


def test_the_key_is_derived_once_per_process(ledger: Ledger, url: str) -> None:
    crypto._derive.cache_clear()
    for _time in range(3):
        opened(url).close()
    assert crypto._derive.cache_info().misses == 1


def test_the_default_key_is_as_slow_as_it_should_be(sqlite_url: str) -> None:
    made, _new = Ledger.create(sqlite_url, PASSPHRASE)
    assert made is not None
    committed(made, "r1", "one")
    with Ledger.open(sqlite_url, PASSPHRASE) as ledger:
        assert ledger.passwords(["r1"]) == {"r1": "one"}
    assert Cost().n * Cost().p >= 2**17


@pytest.mark.parametrize("cost", [Cost(n=3), Cost(n=2**30), Cost(r=0), Cost(p=10**6)])
def test_key_parameters_that_would_take_the_machine_down_are_refused(cost: Cost) -> None:
    assert reason_of(lambda: SecretBox.create(PASSPHRASE, cost)) == "corrupt"


@pytest.mark.parametrize("column", ["scrypt_n = 2", "scrypt_r = 1", "scrypt_p = 1"])
def test_key_parameters_that_somebody_made_weaker_are_refused(sqlite_url: str, tmp_path: Path, column: str) -> None:
    made, _new = Ledger.create(sqlite_url, PASSPHRASE)
    assert made is not None
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute(f"UPDATE keyturn_meta SET {column}")
    connection.close()
    assert reason_of(lambda: Ledger.open(sqlite_url, PASSPHRASE)) == "tampered"


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "nonsense",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:x?mode=memory&uri=true",
        "sqlite:///ledger.db?timeout=1",
        "mysql://user:canary@host/db",
        "postgresql+psycopg2://user:canary@host/db",
        "postgresql+psycopg://user@host/db?password=canary",
        "postgresql+psycopg://user:canary@host:port/db",
        "postgresql+psycopg://user:can@canary@host/db",
        "postgresql+psycopg://us@canary:secret@host/db",
        "postgresql+psycopg://user:can/canary@host/db",
        "postgresql+psycopg://user:can?canary@host/db",
        "postgresql+psycopg://user:can#canary@host/db",
    ],
)
def test_a_url_that_cannot_hold_a_ledger_is_told_without_showing_it(wrong: str) -> None:
    with pytest.raises(LedgerError) as caught:
        opened(wrong)
    assert caught.value.reason == "invalid_url"
    assert "canary" not in str(caught.value)


def test_the_password_in_a_url_is_known_in_both_its_forms() -> None:
    assert password_of_url("postgresql+psycopg://user:p%40ss:w@host/db") == ["p%40ss:w", "p@ss:w"]
    assert password_of_url("postgresql+psycopg://user:p@ss@host/db")[0] == "p@ss"
    assert password_of_url("sqlite:///ledger.db") == []


def test_a_relative_path_starts_from_the_folder_given() -> None:
    assert absolute_url("sqlite:///ledger.db", "/inventory") == "sqlite:////inventory/ledger.db"
    for same in ("sqlite:////var/ledger.db", "sqlite:///~/ledger.db", "postgresql+psycopg://user@host/db"):
        assert absolute_url(same, "/inventory") == same


def test_neither_repr_nor_label_shows_a_password(postgresql: PostgresqlServer) -> None:
    with opened(postgresql.new_database()) as ledger:
        assert postgresql.password not in repr(ledger) + ledger.label
        assert "127.0.0.1" in ledger.label


def test_a_plain_postgresql_url_means_the_driver_that_is_used(postgresql: PostgresqlServer) -> None:
    database = Database(postgresql.new_database().replace("+psycopg", ""))
    assert database.engine.dialect.driver == "psycopg"


def test_leases_on_a_shared_server_go_by_its_clock_alone(url: str, clock: Clock) -> None:
    with opened(url) as ledger:
        assert staged(ledger, run_of("a"), {"r1": "new"}) == {"r1": "staged"}
        until = ledger.devices()["r1"]["lease"]["until"]
    assert until > "2026"
    assert LEASE


def in_a_forked_process(work: Callable[[], str]) -> str:
    """What it returns, as Ansible's process for a task would."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            os.write(writing, work().encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def test_a_key_is_derived_once_for_all_processes_of_a_playbook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crypto, "_shared_keys", crypto._SharedKeys())
    salt = os.urandom(16)

    def key_of(passphrase: str, salt: bytes = salt) -> str:
        crypto._derive.cache_clear()
        return crypto._derive(passphrase, salt, CHEAP).hex()

    def known_key_of(passphrase: str, salt: bytes = salt) -> str:
        monkeypatch.setattr(crypto, "Scrypt", None)
        return key_of(passphrase, salt)

    key = in_a_forked_process(lambda: key_of(PASSPHRASE))
    assert len(key) == 64
    assert in_a_forked_process(lambda: known_key_of(PASSPHRASE)) == key
    assert in_a_forked_process(lambda: known_key_of(OTHER)) == ""
    assert in_a_forked_process(lambda: known_key_of(PASSPHRASE, os.urandom(16))) == ""
    assert in_a_forked_process(lambda: key_of(OTHER)) not in ("", key)


def test_what_two_processes_wrote_at_once_is_no_key() -> None:
    keys = crypto._SharedKeys()
    keys.put(b"ledger", b"k" * 32)
    assert keys.get(b"ledger") == b"k" * 32
    place, _name = keys._find(b"ledger")
    keys._memory[place + 40] = ord("x")
    assert keys.get(b"ledger") is None
