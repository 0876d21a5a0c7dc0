# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One PostgreSQL server for all unit tests of a process."""

from __future__ import annotations

import pytest
from support.postgresql import PostgresqlServer

SERVER = pytest.StashKey[PostgresqlServer]()
FAILURE = pytest.StashKey[Exception]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the server before the first test: `ansible-test units` forks for each, and what a fork starts nobody stops."""
    if not session.config.option.collectonly and any(_wants_postgresql(item) for item in session.items):
        try:
            session.config.stash[SERVER] = PostgresqlServer()
        except (OSError, RuntimeError) as error:  # told by each test that wants it
            session.config.stash[FAILURE] = error


def pytest_sessionfinish(session: pytest.Session) -> None:
    server = session.config.stash.get(SERVER, None)
    if server is not None:
        server.close()


def _wants_postgresql(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and ("postgresql" in item.fixturenames or "[postgresql" in item.name)


@pytest.fixture(scope="session")
def postgresql(pytestconfig: pytest.Config) -> PostgresqlServer:
    """The server, running and empty but for the databases of earlier tests."""
    if FAILURE in pytestconfig.stash:
        raise pytestconfig.stash[FAILURE]
    return pytestconfig.stash[SERVER]
