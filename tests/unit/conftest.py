# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One PostgreSQL server and one Dovecot for all unit tests of a process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from support.dovecot import DovecotServer
from support.postgresql import PostgresqlServer

# How long an example takes is the machine's affair: on a busy one a good test would fail.
settings.register_profile("keyturn", deadline=None)
settings.load_profile("keyturn")

#: Fixture -> what makes its server.
SERVERS: dict[str, Callable[[], Any]] = {"postgresql": PostgresqlServer, "dovecot": DovecotServer}

RUNNING = pytest.StashKey[dict[str, Any]]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the servers before the first test: `ansible-test units` forks for each, and what a fork starts nobody stops."""
    running = session.config.stash.setdefault(RUNNING, {})
    for name, make in SERVERS.items():
        if not session.config.option.collectonly and any(_wants(item, name) for item in session.items):
            try:
                running[name] = make()
            except (OSError, RuntimeError) as error:  # told by each test that wants it
                running[name] = error


def pytest_sessionfinish(session: pytest.Session) -> None:
    for server in session.config.stash.get(RUNNING, {}).values():
        if not isinstance(server, Exception):
            server.close()


def _wants(item: pytest.Item, name: str) -> bool:
    return isinstance(item, pytest.Function) and (name in item.fixturenames or name in item.name)


def _running(config: pytest.Config, name: str) -> Any:
    server = config.stash[RUNNING][name]
    if isinstance(server, Exception):
        raise server
    return server


@pytest.fixture(scope="session")
def postgresql(pytestconfig: pytest.Config) -> PostgresqlServer:
    """The server, running and empty but for the databases of earlier tests."""
    server: PostgresqlServer = _running(pytestconfig, "postgresql")
    return server


@pytest.fixture(scope="session")
def dovecot(pytestconfig: pytest.Config) -> DovecotServer:
    """The server, running and empty but for the mailboxes of earlier tests."""
    server: DovecotServer = _running(pytestconfig, "dovecot")
    return server
