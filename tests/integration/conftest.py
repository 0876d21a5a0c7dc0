# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of the integration tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.postgresql import PostgresqlServer

from integration.cores import Core, cores

EVERY = cores()
# The thin ones are tested in full only where there is no other.
CORES = [core for core in EVERY if not core.thin] or EVERY


@pytest.fixture(params=EVERY, ids=lambda core: f"core-{core.series}")
def every_core(request: pytest.FixtureRequest) -> Core:
    """Each ansible-core there is: for the few tests that show that a rotation works on it."""
    each: Core = request.param
    return each


@pytest.fixture(params=CORES, ids=lambda core: f"core-{core.series}")
def core(request: pytest.FixtureRequest) -> Core:
    """Each ansible-core that is tested in full."""
    each: Core = request.param
    return each


@pytest.fixture(params=[CORES[0], CORES[-1]] if len(CORES) > 1 else CORES, ids=lambda core: f"core-{core.series}")
def edge_core(request: pytest.FixtureRequest) -> Core:
    """The newest and the oldest ansible-core: for what an end of the range would show."""
    each: Core = request.param
    return each


@pytest.fixture(scope="session")
def newest_core() -> Core:
    """The newest ansible-core only: for what does not depend on the release."""
    return CORES[0]


@pytest.fixture(scope="session")
def oldest_core() -> Core:
    """The oldest one: for one test of several that would show the same on any."""
    return CORES[-1]


@pytest.fixture
def postgresql_url() -> Iterator[str]:
    """An empty database of a PostgreSQL server of its own."""
    server = PostgresqlServer()
    try:
        yield server.new_database()
    finally:
        server.close()
