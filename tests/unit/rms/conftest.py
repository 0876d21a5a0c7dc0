# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small simulated fleet, and C(router_password)'s work as the module calls it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from ansible_collections.keyturn.devices.plugins.module_utils._module import Context, ModuleFailure
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._rms import channel, generated
from ansible_collections.keyturn.devices.plugins.module_utils._rms.job import set_by_rms
from simulators.rms import RmsSimulator

# What RmsSimulator's switches are set back to after each test.
USUAL: dict[str, Any] = {"faults": [], "fates": {"*": "ok"}, "channel_not_found_polls": 1}


@dataclass
class Answer:
    """What the module would have returned. C(failed): its message, or None when it succeeded."""

    result: dict[str, Any]
    failed: str | None
    warnings: list[str] = field(default_factory=list)

    @property
    def devices(self) -> dict[str, dict[str, Any]]:
        return {device["serial"]: device for device in self.result["devices"]}

    def told(self, serial: str) -> tuple[str, str]:
        """Status and reason of one router."""
        device = self.devices[serial]
        return device["status"], device["reason"]


class Caller:
    """Calls the work of C(router_password) with the defaults of its options."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url, token
        self.may_change: Callable[[], bool] = lambda: True

    def __call__(self, *, check_mode: bool = False, **options: Any) -> Answer:
        given: dict[str, Any] = {
            "devices": None,
            "csv": None,
            "generate": None,
            "generated_csv": None,
            "rms_method": "set",
            "batch_size": 500,
            "deadline": 6,
            "on_device_failure": "report",
            "rms_url": self.url,
            "rms_status_url": None,
            "rms_token": self.token,
            "validate_certs": True,
            "ca_path": None,
            "timeout": 2,
        }
        given.update(options)
        given["devices"] = given["devices"] and [{"password": None, "id": None, "host": None, **element} for element in given["devices"]]
        if given["generate"] is not None:
            given["generate"] = {"length": 20, "special": True, "collect": False, **given["generate"]}
        warnings: list[str] = []
        context = Context(check_mode, False, Redactor([given["rms_token"] or ""]), warnings.append)
        try:
            return Answer(set_by_rms(given, context, self.may_change), None, warnings)
        except ModuleFailure as failure:
            return Answer(failure.result, failure.msg, warnings)


@pytest.fixture
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulator answers at once, so the first pauses can be short."""
    for module in (channel, generated):
        monkeypatch.setattr(module, "_FIRST_PAUSE", 0.05)


@pytest.fixture(scope="session")
def _process() -> Iterator[RmsSimulator]:
    with RmsSimulator(routers=12, device_policy_enforced=False) as simulator:
        yield simulator


@pytest.fixture
def fleet(_process: RmsSimulator) -> Iterator[RmsSimulator]:
    """Twelve routers behind RMS that take what they are asked, with an empty log. C(flip) undoes other switches."""
    usual = {**_process.set(), **USUAL}
    usual.pop("fates")
    for serial, router in _process.truth().items():
        if router["fate"] != "ok" or not router["online"]:
            _process.router(serial, fate="ok", online=True)
    _process.advance(700)  # What an earlier test left running counts as ended.
    _process.clear_log()
    yield _process
    _process.set(**usual)


@pytest.fixture
def serials(fleet: RmsSimulator) -> list[str]:
    return sorted(fleet.truth())


@pytest.fixture
def call(fleet: RmsSimulator, _hurry: None) -> Caller:
    return Caller(fleet.url, fleet.token)
