# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups taken while runs go on, and ledgers made of them, which know that they may be behind."""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.ledgers import CHEAP, ELSEWHERE, LEASE, PASSPHRASE, Clock, committed, kept, opened, record, request, run_of, settled, staged

from ansible_collections.keyturn.devices.plugins.module_utils._files import FileProblem
from ansible_collections.keyturn.devices.plugins.module_utils._ledger import backups, history
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.backups import Restored
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run

BY_HAND = Run("restore")


@pytest.fixture
def filled(ledger: Ledger) -> Ledger:
    """One device with a history, one that is open, and a one-time list."""
    committed(ledger, "r1", "CANARY-1a", "CANARY-1b")
    committed(ledger, "r2", "CANARY-2a")
    staged(ledger, run_of("open"), {"r2": "CANARY-2b"}, list_id="list-1")
    ledger.append_list("list-1", b"CANARY-list", run_of("open"))
    return ledger


def backup_of(ledger: Ledger, folder: Path) -> Path:
    path = folder / "backup.db"
    assert backups.back_up(ledger, str(path)) == 2
    return path


def restore(path: Path, url: str, clock: Clock, **more: Any) -> Restored:
    return backups.restore(str(path), url, PASSPHRASE, BY_HAND, clock=clock, cost=CHEAP, **more)


def refusal(do: Callable[[], object]) -> str:
    with pytest.raises((LedgerError, FileProblem)) as caught:
        do()
    error: Any = caught.value
    return str(error.reason)


def test_a_backup_is_a_ledger_of_one_moment_encrypted_and_for_its_owner_alone(filled: Ledger, tmp_path: Path) -> None:
    path = backup_of(filled, tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"CANARY" not in path.read_bytes()
    with opened(f"sqlite:///{path}", make=False, dry_run=True) as backup:
        assert (backup.identity, backup.generation) == (filled.identity, filled.generation)
        assert backup.devices(include_secrets=True, include_events=99) == filled.devices(include_secrets=True, include_events=99)
        assert backup.list_content("list-1") == b"CANARY-list"
    assert [name for name in os.listdir(tmp_path) if name.startswith(".")] == []


def test_what_a_run_does_during_and_after_the_backup_is_safe(filled: Ledger, tmp_path: Path) -> None:
    path = backup_of(filled, tmp_path)
    assert settled(filled, run_of("open"), "r2", "changed", proof="login") == "committed"
    with opened(f"sqlite:///{path}", make=False, dry_run=True) as backup:
        assert kept(backup, "r2")["staged"] == ["CANARY-2b"]
    assert refusal(lambda: backups.back_up(filled, str(path))) == "file_exists"
    assert backups.back_up(filled, str(path), overwrite=True) == 2
    with opened(f"sqlite:///{path}", make=False, dry_run=True) as backup:
        assert kept(backup, "r2") == kept(filled, "r2")


def test_check_mode_writes_no_backup_and_the_ledger_itself_is_never_one(sqlite_url: str, clock: Clock, tmp_path: Path) -> None:
    with opened(sqlite_url, clock) as ledger:
        assert refusal(lambda: backups.back_up(ledger, sqlite_url.removeprefix("sqlite:///"), overwrite=True)) == "input"
        assert refusal(lambda: backups.back_up(ledger, str(tmp_path / "nowhere" / "backup.db"))) == "no_directory"
    with opened(sqlite_url, clock, dry_run=True) as ledger:
        backups.back_up(ledger, str(tmp_path / "backup.db"))
    assert not (tmp_path / "backup.db").exists()


def test_a_restored_ledger_has_every_password_and_takes_none_for_proven(
    filled: Ledger, url: str, clock: Clock, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path = backup_of(filled, tmp_path)
    # Wherever it goes, also from one kind of database to the other.
    for target in (f"sqlite:///{tmp_path}/restored.db", request.getfixturevalue("postgresql").new_database()):
        assert restore(path, target, clock, dry_run=True) == Restored(2)
        assert refusal(functools.partial(opened, target, make=False)) == "absent"
        assert restore(path, target, clock) == Restored(2)
        with opened(target, clock, make=False) as ledger:
            assert ledger.identity != filled.identity
            assert {name: kept(ledger, name) for name in ("r1", "r2")} == {name: kept(filled, name) for name in ("r1", "r2")}
            assert ledger.list_content("list-1") == b"CANARY-list"
            assert [device["last_verified"] for device in ledger.devices().values()] == [None, None]
            assert history.read_history(ledger)[-1]["reason"].startswith("restored from a backup")
            # It goes on as any ledger does.
            assert ledger.verified(["r1"], BY_HAND)[0].status == "verified"
            clock.advance(LEASE + 1)
            ledger.resume(["r2"], run_of("next"), LEASE)
            assert settled(ledger, run_of("next"), "r2", "changed", proof="login") == "committed"


def test_a_ledger_that_is_there_is_replaced_only_where_that_is_said_and_kept(
    filled: Ledger, url: str, clock: Clock, tmp_path: Path
) -> None:
    path = backup_of(filled, tmp_path)
    committed(filled, "r1", "CANARY-newest")
    assert refusal(lambda: restore(path, url, clock)) == "file_exists"
    assert refusal(lambda: restore(path, url, clock, replace=True)) == "locked"
    assert refusal(lambda: opened(url, make=False, passphrase="another passphrase")) == "wrong_passphrase"
    assert kept(filled, "r1")["current"] == ["CANARY-newest"]
    clock.advance(LEASE + 1)
    restored = restore(path, url, clock, replace=True)
    with opened(f"sqlite:///{restored.kept}", make=False, dry_run=True) as replaced:
        assert (replaced.identity, kept(replaced, "r1")["current"]) == (filled.identity, ["CANARY-newest"])
    with opened(url, clock, make=False) as ledger:
        assert kept(ledger, "r1")["current"] == ["CANARY-1b"]
    # Whoever was at the replaced one learns it, and loses nothing to the other.
    assert refusal(lambda: filled.stage([request("r9", "CANARY-9")], run_of("late", ELSEWHERE), LEASE)) == "replaced"
    with opened(url, clock, make=False) as ledger:
        assert (ledger.restored, ledger.warnings) == (False, [])


@pytest.mark.parametrize("damage", ["not_a_database", "cut", "other_passphrase"])
def test_what_is_damaged_is_replaced_and_kept_but_never_restored(sqlite_url: str, clock: Clock, tmp_path: Path, damage: str) -> None:
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    with opened(sqlite_url, clock) as ledger:
        committed(ledger, "r1", "CANARY-1")
        committed(ledger, "r2", "CANARY-2")
        backup = backup_of(ledger, tmp_path)
    if damage == "other_passphrase":
        path.unlink()
        opened(sqlite_url, clock, passphrase="another passphrase").close()
    else:
        path.write_bytes(b"garbage" * 999 if damage == "not_a_database" else path.read_bytes()[:5000])
        (tmp_path / f"{path.name}-journal").write_bytes(b"half of a transaction")
    damaged = path.read_bytes()
    assert refusal(lambda: restore(path, f"sqlite:///{tmp_path}/other.db", clock)) in ("not_a_ledger", "corrupt", "wrong_passphrase")
    assert refusal(lambda: restore(backup, sqlite_url, clock)) == "file_exists"
    restored = restore(backup, sqlite_url, clock, replace=True)
    assert Path(restored.kept).read_bytes() == damaged
    assert not (tmp_path / f"{path.name}-journal").exists()
    with opened(sqlite_url, clock, make=False) as ledger:
        assert record(ledger, "r1")["current"]["password"] == "CANARY-1"
