# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which ledger it is, how far it has come, and what nobody may change past it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.ledgers import LEASE, Clock, committed, kept, opened, record, request, run_of, settled, staged, statuses

from ansible_collections.keyturn.devices.plugins.module_utils._ledger import people, store
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import ImportRow
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger

OTHER = "quite another passphrase"
RUN = run_of("by hand")


def reason_of(call: Callable[[], object]) -> str:
    with pytest.raises(LedgerError) as caught:
        call()
    return caught.value.reason


def test_every_transaction_that_writes_is_counted_and_no_other(ledger: Ledger, open_again: Callable[..., Ledger]) -> None:
    identity, generation = ledger.identity, ledger.generation
    staged(ledger, run_of("a"), {"r1": "new"})
    assert ledger.generation == generation + 1
    ledger.devices()
    assert staged(ledger, run_of("b"), {"r1": "newer"}) == {"r1": "busy"}
    staged(open_again(dry_run=True), run_of("b"), {"r2": "newer"})
    assert ledger.generation == generation + 1
    again = open_again(expects=(identity, generation + 1))
    settled(again, run_of("a"), "r1", "changed", proof="login")
    assert (again.identity, again.generation) == (identity, generation + 2)


def test_another_ledger_in_its_place_is_noticed_at_the_next_step(sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    first = opened(sqlite_url)
    expects = (first.identity, first.generation)
    path.unlink()
    assert reason_of(lambda: staged(first, run_of("a"), {"r1": "new"})) == "absent"
    assert not path.exists()
    assert reason_of(lambda: opened(sqlite_url, make=False, expects=expects)) == "absent"
    opened(sqlite_url, passphrase=OTHER).close()
    assert reason_of(lambda: opened(sqlite_url, make=False, expects=expects)) == "replaced"
    assert reason_of(lambda: staged(first, run_of("a"), {"r1": "new"})) == "replaced"
    assert reason_of(first.devices) == "replaced"


def test_an_older_copy_in_its_place_is_noticed_at_the_next_step(sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with opened(sqlite_url) as ledger:
        shutil.copy(path, tmp_path / "copy.db")
        staged(ledger, run_of("a"), {"r1": "new"})
        expects = (ledger.identity, ledger.generation)
        shutil.copy(tmp_path / "copy.db", path)
        assert reason_of(lambda: opened(sqlite_url, make=False, dry_run=True, expects=expects)) == "behind"
        assert reason_of(lambda: settled(ledger, run_of("a"), "r1", "changed", proof="login")) == "behind"


def test_in_a_restored_copy_nothing_counts_as_proven(sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with opened(sqlite_url) as ledger:
        committed(ledger, "r1", "old")
        shutil.copy(path, tmp_path / "copy.db")
        committed(ledger, "r1", "newer", "newest")
        newest = ledger.generation
    shutil.copy(tmp_path / "copy.db", path)
    with opened(sqlite_url, make=False, dry_run=True) as ledger:
        assert ledger.restored
        assert "older copy" in ledger.warnings[0]
        assert record(ledger, "r1")["last_verified"] is not None
    with opened(sqlite_url, make=False) as ledger:
        assert ledger.restored
        assert ledger.generation > newest
        assert kept(ledger, "r1") == {"current": ["old"]}
        assert (record(ledger, "r1")["last_verified"], record(ledger, "r1")["verified_by"]) == (None, None)
        events = ledger.devices(["r1"], include_events=1)["r1"]["events"]
        assert events[0]["reason"] == "ledger was restored from an older copy"
    with opened(sqlite_url, make=False) as ledger:
        assert not ledger.restored
        assert ledger.warnings == []


def test_a_run_that_writes_while_another_opens_is_no_older_copy(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(sqlite_url) as ledger:
        committed(ledger, "r1", "one")
        unlock = store.unlock

        def slowly(*given: Any) -> Any:
            unlocked = unlock(*given)
            staged(ledger, run_of("b"), {"r2": "new"})
            return unlocked

        monkeypatch.setattr(store, "unlock", slowly)
        with opened(sqlite_url, make=False) as other:
            assert (other.restored, other.warnings) == (False, [])
            assert record(other, "r1")["verified_by"] == "login"


@pytest.mark.parametrize(
    "content", [None, b"", b"{", b"[]", b'{"identity": "x"}', b'{"identity": 1, "generation": "many"}', b"\xff" * 5000]
)
def test_a_witness_that_is_not_there_or_says_nothing_is_fine(sqlite_url: str, tmp_path: Path, content: bytes | None) -> None:
    witness = tmp_path / "ledger.db.witness"
    with opened(sqlite_url) as ledger:
        committed(ledger, "r1", "one")
        identity = ledger.identity
    assert stat.S_IMODE(witness.stat().st_mode) == 0o600
    assert json.loads(witness.read_bytes())["identity"] == identity
    witness.unlink()
    if content is not None:
        witness.write_bytes(content)
    with opened(sqlite_url) as ledger:
        assert not ledger.restored
        committed(ledger, "r1", "two")
        assert json.loads(witness.read_bytes())["generation"] == ledger.generation


@pytest.mark.parametrize("generation", [2**63, 2**80, -1, 1e300])
def test_a_witness_that_tells_nonsense_does_no_harm(sqlite_url: str, tmp_path: Path, generation: float) -> None:
    with opened(sqlite_url) as ledger:
        identity = ledger.identity
    (tmp_path / "ledger.db.witness").write_text(json.dumps({"identity": identity, "generation": generation}))
    with opened(sqlite_url) as ledger:
        assert not ledger.restored
        committed(ledger, "r1", "one")


def test_a_witness_of_another_ledger_says_nothing_of_this_one(sqlite_url: str, tmp_path: Path) -> None:
    with opened(sqlite_url) as ledger:
        committed(ledger, "r1", "one", "two", "three")
    (tmp_path / "ledger.db").unlink()
    with opened(sqlite_url) as ledger:
        assert not ledger.restored
        assert ledger.devices() == {}


def test_check_writable_changes_nothing(
    ledger: Ledger, open_again: Callable[..., Ledger], sqlite_url: str, url: str, tmp_path: Path
) -> None:
    committed(ledger, "r1", "one")
    generation = ledger.generation
    before = (tmp_path / "ledger.db").read_bytes() if url == sqlite_url else b""
    open_again(dry_run=True).check_writable()
    assert ledger.devices()
    assert ledger.generation == generation
    if url == sqlite_url:
        assert (tmp_path / "ledger.db").read_bytes() == before
        assert not (tmp_path / "ledger.db-journal").exists()


# -- written to by somebody else ------------------------------------------------------------------------------------------------------

OF_R1 = "device = (SELECT id FROM keyturn_devices WHERE name = 'r1')"
ROLL_BACK = (
    f"UPDATE keyturn_passwords SET slot = 'dropped' WHERE slot = 'current' AND {OF_R1}",
    f"UPDATE keyturn_passwords SET slot = 'current' WHERE slot = 'previous' AND {OF_R1}",
)
TAMPERING = {
    "rolled back": ROLL_BACK,
    "staged made current": (
        f"UPDATE keyturn_passwords SET slot = 'previous' WHERE slot = 'current' AND {OF_R1}",
        f"UPDATE keyturn_passwords SET slot = 'current' WHERE slot = 'staged' AND {OF_R1}",
    ),
    "generation": ("UPDATE keyturn_devices SET generation = 1 WHERE name = 'r1'",),
    "serial": ("UPDATE keyturn_devices SET serial = '0099' WHERE name = 'r1'",),
    "brought back": ("UPDATE keyturn_devices SET retired_at = 1 WHERE name = 'r1'",),
    "staged taken away": (f"UPDATE keyturn_passwords SET slot = 'dropped' WHERE slot = 'staged' AND {OF_R1}",),
}


def tamper(ledger: Ledger, statements: tuple[str, ...]) -> None:
    with ledger._database.begin(write=True) as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


@pytest.fixture
def watched(ledger: Ledger) -> Ledger:
    committed(ledger, "r1", "old", "new")
    committed(ledger, "r2", "of another")
    staged(ledger, run_of("a"), {"r1": "staged"})
    return ledger


@pytest.mark.parametrize("how", TAMPERING)
def test_a_device_changed_by_sql_gives_nothing_out_and_the_others_are_still_told(watched: Ledger, how: str) -> None:
    """Two SQL updates roll a device back."""
    tamper(watched, TAMPERING[how])
    for read in (
        lambda: watched.passwords(["r1", "r2"]),
        lambda: watched.passwords(["r1"], "staged"),
        lambda: watched.devices(include_secrets=True, include_retired=True),
        lambda: watched.resume(["r1"], run_of("a"), LEASE),
        lambda: watched.stage([request("r1", "newest", supersede=True)], run_of("a"), LEASE),
        lambda: watched.verified(["r1"], run_of("a")),
        lambda: people.rekey(watched, OTHER, RUN),
    ):
        with pytest.raises(LedgerError, match="r1") as caught:
            read()
        assert caught.value.reason == "tampered"
    told = watched.devices(include_retired=True)
    assert {name: device["tampered"] for name, device in told.items()} == {"r1": True, "r2": False}
    assert watched.passwords(["r2"]) == {"r2": "of another"}


def test_names_swapped_by_sql_are_noticed(watched: Ledger) -> None:
    tamper(
        watched,
        tuple(f"UPDATE keyturn_devices SET name = '{new}' WHERE name = '{old}'" for old, new in (("r1", "x"), ("r2", "r1"), ("x", "r2"))),
    )
    assert reason_of(lambda: watched.passwords(["r1"])) == "tampered"
    assert reason_of(lambda: watched.passwords(["r2"])) == "tampered"


def test_settling_a_batch_does_not_lose_the_others_for_one_that_was_changed(watched: Ledger) -> None:
    staged(watched, run_of("a"), {"r2": "newer"})
    tamper(watched, ROLL_BACK)
    assert settled(watched, run_of("a"), "r1", "changed", proof="login") == "lost_lease"
    assert settled(watched, run_of("a"), "r2", "changed", proof="login") == "committed"


@pytest.mark.parametrize("how", TAMPERING)
def test_an_import_makes_a_changed_device_whole_again(watched: Ledger, how: str) -> None:
    tamper(watched, TAMPERING[how])
    assert statuses(people.import_passwords(watched, [ImportRow("r1", "works")], RUN)) == {"r1": "imported"}
    assert watched.passwords(["r1"]) == {"r1": "works"}
    assert record(watched, "r1")["tampered"] is False


def test_an_import_replaces_a_damaged_password(watched: Ledger) -> None:
    tamper(watched, ("UPDATE keyturn_passwords SET secret = salt FROM keyturn_meta WHERE slot IN ('current', 'staged')",))
    assert reason_of(lambda: watched.passwords(["r1"])) == "corrupt"
    assert statuses(people.import_passwords(watched, [ImportRow("r1", "works")], RUN)) == {"r1": "imported"}
    assert watched.passwords(["r1"]) == {"r1": "works"}


@pytest.mark.parametrize("change", ["generation = generation - 1", "generation = generation + 1", "identity = 'x'"])
def test_identity_and_generation_are_vouched_for(ledger: Ledger, url: str, change: str) -> None:
    committed(ledger, "r1", "one")
    tamper(ledger, (f"UPDATE keyturn_meta SET {change}",))
    assert reason_of(lambda: opened(url, make=False)) == "tampered"
    assert reason_of(ledger.devices) in ("tampered", "replaced")


def test_what_is_sealed_for_another_step_opens_there_and_nowhere_else(ledger: Ledger, open_again: Callable[..., Ledger]) -> None:
    text = json.dumps({"password": "canary ünïcode"})
    sealed = ledger.seal_text("batch", text)
    assert "canary" not in sealed
    assert open_again(dry_run=True).open_text("batch", sealed) == text
    for purpose, given in (("plan", sealed), ("batch", sealed[:-8] + "AAAAAAA="), ("batch", "no base64"), ("batch", "")):
        assert reason_of(lambda purpose=purpose, given=given: ledger.open_text(purpose, given)) == "corrupt"  # type: ignore[misc]


def test_a_password_cannot_be_sealed_as_something_else(ledger: Ledger) -> None:
    """What is sealed for one thing is of no use for another, whatever their names are."""
    box = ledger._box
    assert reason_of(lambda: box.open("x", "y", box.seal_part("x", 1, b"content"))) == "corrupt"
    assert reason_of(lambda: box.open_part("x", 1, box.seal("x", "1", "secret"))) == "corrupt"


# -- leases and clocks ----------------------------------------------------------------------------------------------------------------


def test_a_lease_of_a_clock_that_was_years_ahead_is_told_and_shortened(ledger: Ledger, clock: Clock) -> None:
    """The clock was years ahead when a run died."""
    committed(ledger, "r1", "old")
    clock.advance(10 * 365 * 86400)
    staged(ledger, run_of("of the future"), {"r1": "in doubt"})
    clock.advance(-10 * 365 * 86400)
    (result,) = ledger.resume(["r1"], run_of("next"), LEASE)
    assert (result.status, result.reason, result.warnings) == ("busy", "leased", ("lease_capped",))
    assert record(ledger, "r1")["lease"]["until"] < "2027-01-16"
    assert "lease_capped" in ledger.devices(["r1"], include_events=1)["r1"]["events"][0]["reason"]
    clock.advance(6 * 3600 + 1)
    assert statuses(ledger.resume(["r1"], run_of("next"), LEASE)) == {"r1": "resumed"}


@pytest.mark.parametrize("seconds", [0, -1, 6 * 3600 + 1])
def test_a_lease_that_none_can_be_is_refused(ledger: Ledger, seconds: float) -> None:
    with pytest.raises(LedgerError, match="lease_seconds must be") as caught:
        ledger.stage([request("r1", "new")], run_of("a"), seconds)
    assert caught.value.reason == "input"


def test_staging_that_fails_names_its_devices(sqlite_url: str, tmp_path: Path) -> None:
    with opened(sqlite_url) as ledger:
        os.unlink(tmp_path / "ledger.db")
        with sqlite3.connect(tmp_path / "ledger.db") as connection:
            connection.execute("CREATE TABLE keyturn_meta (thing)")
        connection.close()
        with pytest.raises(LedgerError, match=r"Not staged, and not reached: r1, r2\.") as caught:
            staged(ledger, run_of("a"), {"r1": "new", "r2": "new"})
    assert [name for name, _message in caught.value.problems] == ["r1", "r2"]
