# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.routers import FIRMWARES, NewRouter

from ansible_collections.keyturn.devices.plugins.module_utils._rutos import api
from simulators.rutos import RutosSimulator, SimulatedRouter

DEFAULT = "07.13"


@pytest.fixture(scope="session")
def site() -> Iterator[RutosSimulator]:
    """Many routers of every firmware: each test takes new ones, so that none needs to be set back.

    All the tests of this directory together take about 210 of the default firmware and 25 of each other one.
    """
    firmwares = [firmware for firmware in FIRMWARES for _number in range(400 if firmware == DEFAULT else 50)]
    with RutosSimulator(routers=[{"firmware": firmware} for firmware in firmwares]) as simulator:
        yield simulator


@pytest.fixture(scope="session")
def unused(site: RutosSimulator) -> dict[str, list[SimulatedRouter]]:
    return {firmware: [router for router in site.routers if f"_00.{firmware}." in router.firmware] for firmware in FIRMWARES}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A login is waited for only this long."""
    monkeypatch.setattr(api, "LOGIN_PATIENCE", 1.0)


@pytest.fixture
def new_router(site: RutosSimulator, unused: dict[str, list[SimulatedRouter]]) -> NewRouter:
    """Takes a router that no test has used, and turns switches of it alone."""

    def take(firmware: str = DEFAULT, **switches: object) -> SimulatedRouter:
        assert unused[firmware], f"More tests than simulated routers with firmware {firmware}: raise their number."
        router = unused[firmware].pop()
        if switches:
            site.set(router.serial, **switches)
        return router

    return take
