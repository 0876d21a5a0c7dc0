# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.routers import NEW, WRONG, set_password

from simulators.rutos import RutosSimulator

FIRMWARES = ["07.05", "07.10", "07.12", "07.13", "07.15", "07.18", "07.21"]
CASES = ["normal", "first login", "expired", "same password", "wrong current", "refused by policy"]


@pytest.fixture(scope="module")
def table() -> Iterator[RutosSimulator]:
    """A router for every case on every firmware."""
    with RutosSimulator(routers=[{"firmware": firmware} for firmware in FIRMWARES for _case in CASES]) as simulator:
        yield simulator


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("firmware", FIRMWARES)
def test_every_case_on_every_firmware(table: RutosSimulator, firmware: str, case: str) -> None:
    router = table.routers[FIRMWARES.index(firmware) * len(CASES) + CASES.index(case)]
    assert firmware in router.firmware
    table.change(router.serial, first_login=case == "first login", expired=case == "expired")
    old = router.password
    current = WRONG if case in ("same password", "wrong current") else old
    new = {"same password": old, "refused by policy": "lowercase-only"}.get(case, NEW)
    outcome = set_password(router, new, current)
    truth = table.truth(router.serial)
    expected, wrong_logins = {
        "same password": (("unchanged", "same_password", "new"), 1),
        "wrong current": (("failed", "unauthorized", "neither"), 2),
        "refused by policy": (("failed", "rejected_by_policy", "current"), 0),
    }.get(case, (("changed", "", "new"), 0))
    assert (outcome["status"], outcome["reason"], outcome["live"]) == expected
    assert truth["wrong_logins"] == outcome["wrong_logins"] == wrong_logins
    in_force = NEW if expected[0] == "changed" else old
    assert (truth["password"], truth["root_password"]) == (in_force, in_force)
    assert truth["first_login"] == (case == "first login" and expected[0] != "changed")
    assert truth["open_sessions"] == []
    if case == "refused by policy":
        assert {"no_upper", "no_digit"} <= {violation["reason"] for violation in outcome["violations"]}
        assert len(truth["audit"]) == 0
