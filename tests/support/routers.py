# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of the routers share: one simulated fleet per module, set back before each test, and the task as a module sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._module import Context, ModuleFailure
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.job import prove_on_routers, set_on_routers
from simulators.rutos import RutosSimulator, SimulatedRouter

FIRMWARES = ["07.05", "07.10", "07.12", "07.13", "07.15", "07.18", "07.21"]
NEW = "Vexing-42-Harbour"
WRONG = "Not-The-1-In-Force"

Result = dict[str, Any]
NewRouter = Callable[..., SimulatedRouter]


def options(devices: Sequence[Mapping[str, Any]], **settings: Any) -> dict[str, Any]:
    """The options of router_password or router_login, with their defaults."""
    element = {
        "host": None,
        "username": "admin",
        "protocol": "api",
        "fingerprint": None,
        "password": None,
        "current_password": None,
        "try_first": "current",
        "candidates": None,
    }
    return {
        "devices": [{**element, **device} for device in devices],
        "csv": None,
        "generate": None,
        "generated_csv": None,
        "parallel": 16,
        "fingerprint": None,
        "known_hosts": None,
        "validate_certs": True,
        "ca_path": None,
        "timeout": 5,
        "deadline": 60,
        "on_device_failure": "report",
        **settings,
    }


def device(router: SimulatedRouter, **values: Any) -> dict[str, Any]:
    """A router as an element of C(devices), trusted by its fingerprint."""
    return {"serial": router.serial, "host": router.url, "fingerprint": router.fingerprint, **values}


def set_passwords(
    devices: Sequence[Mapping[str, Any]], check_mode: bool = False, may_change: Callable[[], bool] = lambda: True, **settings: Any
) -> Result:
    context = Context(check_mode, False, Redactor(), lambda text: None)
    return set_on_routers(options(devices, **settings), context, may_change)


def set_password(router: SimulatedRouter, password: str = NEW, current: str | None = None, **settings: Any) -> Result:
    """The outcome of one router."""
    return set_passwords([device(router, password=password, current_password=current or None)], **settings)["devices"][0]


def prove(router: SimulatedRouter, *passwords: str, **settings: Any) -> Result:
    """The outcome of one router; the candidates are called 1 and 2."""
    candidates = [{"name": str(number), "password": password} for number, password in enumerate(passwords, 1)]
    return prove_on_routers(options([device(router, candidates=candidates)], **settings))["devices"][0]


def failure_of(call: Callable[[], object]) -> ModuleFailure:
    try:
        call()
    except ModuleFailure as failure:
        return failure
    raise AssertionError("the task did not fail")


def changed(simulator: RutosSimulator, router: SimulatedRouter) -> bool:
    """Whether the router really has the new password. Checks what holds after every task: both accounts kept together, no session left
    open, no more wrong log-ins than allowed, one log-in at a time."""
    truth = simulator.truth(router.serial)
    assert truth["open_sessions"] == []
    assert truth["wrong_logins"] <= 2
    assert truth["most_logins_at_once"] <= 1
    assert truth["password"] == truth["root_password"]
    assert truth["password"] in (NEW, router.password)
    return bool(truth["password"] == NEW)
