# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every test of the ledger runs on SQLite and on a real PostgreSQL server."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.ledgers import Clock, opened
from support.postgresql import PostgresqlServer

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger

_MEMORY = "/dev/shm"
# A container is often given 64 MB there.
_ROOM = 1024**3


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """In memory where there is room: what a power cut would leave on a disk no test can see, and each commit would wait for it."""
    if not os.access(_MEMORY, os.W_OK) or shutil.disk_usage(_MEMORY).free < _ROOM:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=_MEMORY, prefix="kt-") as directory:
        yield Path(directory)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ledger.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    return server.new_database()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_again(url: str, clock: Clock) -> Iterator[Callable[..., Ledger]]:
    """Opens the same ledger once more, as another process would."""
    ledgers: list[Ledger] = []

    def open_it(**options: Any) -> Ledger:
        ledgers.append(opened(url, clock, **options))
        return ledgers[-1]

    yield open_it
    for ledger in ledgers:
        ledger.close()


@pytest.fixture
def ledger(open_again: Callable[..., Ledger]) -> Ledger:
    return open_again()
