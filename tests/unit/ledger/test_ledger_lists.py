# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One-time lists: durable as they came, in room that was taken before, for as long as one of their passwords may be needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.ledgers import LEASE, Clock, committed, opened, run_of, settled, staged, statuses

from ansible_collections.keyturn.devices.plugins.module_utils._ledger import lists, people
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import ImportRow
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.schema import schema
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger

RUN = run_of("a")
LIST = "list-1"


@pytest.fixture
def awaiting(ledger: Ledger) -> Ledger:
    """Two devices whose passwords come in a list."""
    committed(ledger, "r1", "old 1")
    committed(ledger, "r2", "old 2")
    staged(ledger, RUN, {"r1": None, "r2": None}, list_id=LIST)
    ledger.reserve_list(LIST, RUN, 5000)
    ledger.append_list(LIST, b"serial,password\n1,canary-1\n")
    ledger.append_list(LIST, b"2,canary-2\n")
    return ledger


def ids(ledger: Ledger) -> list[str]:
    return [each["id"] for each in lists.describe_lists(ledger)]


def test_a_list_is_kept_as_it_came(awaiting: Ledger, url: str) -> None:
    with opened(url, dry_run=True) as again:
        assert again.list_content(LIST) == b"serial,password\n1,canary-1\n2,canary-2\n"
        assert again.list_content("another") is None
        (told,) = lists.describe_lists(again)
    assert (told["id"], told["run_id"], told["devices"]) == (LIST, "a", ["r1", "r2"])


def test_no_password_of_a_list_is_in_the_database(awaiting: Ledger) -> None:
    with awaiting._database.begin(write=False) as connection:
        content = repr([connection.execute(table.select()).all() for table in schema().metadata.sorted_tables])
    assert "canary" not in content


def test_a_list_goes_with_the_last_login(awaiting: Ledger) -> None:
    awaiting.collect(RUN, {"r1": "canary-1", "r2": "canary-2"})
    assert settled(awaiting, RUN, "r1", "changed", proof="login") == "committed"
    assert ids(awaiting) == [LIST]
    assert settled(awaiting, RUN, "r2", "changed", proof="login") == "committed"
    assert ids(awaiting) == []
    assert awaiting.list_content(LIST) is None


def test_the_vendors_word_keeps_a_list_until_a_login_or_a_newer_password(awaiting: Ledger) -> None:
    awaiting.collect(RUN, {"r1": "canary-1", "r2": "canary-2"})
    for name in ("r1", "r2"):
        settled(awaiting, RUN, name, "changed", proof="vendor")
    assert ids(awaiting) == [LIST]
    assert statuses(awaiting.verified(["r1"], run_of("b"))) == {"r1": "verified"}
    assert ids(awaiting) == [LIST]
    committed(awaiting, "r2", "set anew", proof="vendor")
    assert ids(awaiting) == []


def test_a_list_that_nobody_could_read_stays(awaiting: Ledger, clock: Clock) -> None:
    """Its passwords were never collected: it may hold the only copy of what is in force, also after they were superseded."""
    for name in ("r1", "r2"):
        assert settled(awaiting, RUN, name, "changed", proof="vendor") == "kept"
    assert ids(awaiting) == [LIST]
    clock.advance(LEASE + 1)
    staged(awaiting, run_of("b"), {"r1": "anew 1", "r2": "anew 2"}, supersede=True)
    assert settled(awaiting, run_of("b"), "r1", "unknown") == "kept"
    assert settled(awaiting, run_of("b"), "r2", "changed", proof="login") == "committed"
    assert ids(awaiting) == [LIST]
    awaiting.resume(["r1"], run_of("c"), LEASE)
    assert settled(awaiting, run_of("c"), "r1", "changed", proof="vendor") == "committed"
    assert ids(awaiting) == []


def test_an_import_is_no_proof(awaiting: Ledger) -> None:
    people.import_passwords(awaiting, [ImportRow("r1", "said 1"), ImportRow("r2", "said 2")], run_of("by hand"))
    assert ids(awaiting) == [LIST]
    awaiting.verified(["r1", "r2"], run_of("by hand"))
    assert ids(awaiting) == []


def test_other_lists_stay(awaiting: Ledger) -> None:
    awaiting.reserve_list("of another run", run_of("b"), 100)
    awaiting.collect(RUN, {"r1": "canary-1", "r2": "canary-2"})
    for name in ("r1", "r2"):
        settled(awaiting, RUN, name, "changed", proof="login")
    assert ids(awaiting) == ["of another run"]


def test_a_list_is_carried_on_where_an_earlier_run_ended(awaiting: Ledger) -> None:
    awaiting.reserve_list(LIST, run_of("b"), 100_000)
    awaiting.append_list(LIST, b"3,canary-3\n", run_of("b"))
    content = awaiting.list_content(LIST)
    assert content is not None
    assert content.endswith(b"2,canary-2\n3,canary-3\n")


def test_a_piece_for_a_list_nobody_reserved_is_not_lost(ledger: Ledger) -> None:
    ledger.append_list("unheard of", b"1,canary-1\n")
    assert ledger.list_content("unheard of") == b"1,canary-1\n"


def test_rekeying_keeps_a_list(awaiting: Ledger, url: str) -> None:
    before = awaiting.list_content(LIST)
    people.rekey(awaiting, "quite another passphrase", run_of("b"))
    with opened(url, passphrase="quite another passphrase") as again:
        assert again.list_content(LIST) == before


def test_parts_of_a_list_cannot_be_exchanged(awaiting: Ledger) -> None:
    with awaiting._database.begin(write=True) as connection:
        for old, new in ((0, 7), (1, 0), (7, 1)):
            connection.execute(sa.text(f"UPDATE keyturn_list_parts SET number = {new} WHERE number = {old}"))
    with pytest.raises(LedgerError) as caught:
        awaiting.list_content(LIST)
    assert caught.value.reason == "corrupt"


def limited(ledger: Ledger, pages: int) -> None:
    """From now on the database may not grow."""

    @sa.event.listens_for(ledger._database.engine, "connect")
    def limit(connection: Any, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")


def test_a_full_disk_is_found_before_the_vendor_is_asked(sqlite_url: str) -> None:
    with opened(sqlite_url) as ledger:
        limited(ledger, 60)
        with pytest.raises(LedgerError) as caught:
            ledger.reserve_list(LIST, RUN, 1_000_000)
        assert caught.value.reason == "full"
        assert lists.describe_lists(ledger) == []


def test_a_list_has_its_room_on_a_disk_that_is_full_by_then(sqlite_url: str, tmp_path: Path) -> None:
    size = 200_000
    with opened(sqlite_url) as ledger:
        staged(ledger, RUN, {"r1": None}, list_id=LIST)
        ledger.reserve_list(LIST, RUN, size)
        file, journal = tmp_path / "ledger.db", tmp_path / "ledger.db-journal"
        room, room_of_journal = file.stat().st_size, journal.stat().st_size
        assert room_of_journal >= size
        limited(ledger, room // 4096)
        for number in range(10):
            ledger.append_list(LIST, bytes([number]) * (size // 10))
        assert (file.stat().st_size, journal.stat().st_size) == (room, room_of_journal)
        assert ledger.list_content(LIST) == b"".join(bytes([number]) * (size // 10) for number in range(10))
    with opened(sqlite_url) as ledger:
        ledger.collect(RUN, {"r1": "canary-1"})
        assert not journal.exists()


def test_a_piece_that_cannot_be_kept_is_told(sqlite_url: str) -> None:
    with opened(sqlite_url) as ledger:
        ledger.reserve_list(LIST, RUN, 1000)
        limited(ledger, 60)
        with pytest.raises(LedgerError) as caught:
            ledger.append_list(LIST, bytes(1_000_000))
        assert caught.value.reason == "full"
        assert ledger.list_content(LIST) is None
