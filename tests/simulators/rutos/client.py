# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Drives a simulator process from a test."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from simulators.kit.process import SimulatorProcess


@dataclasses.dataclass(frozen=True)
class SimulatedRouter:
    """What a client of one router is told. `ca` and `fingerprint` (SHA-256, hex) are None over plain HTTP."""

    serial: str
    host: str
    port: int
    url: str
    username: str
    password: str
    firmware: str
    model: str
    ca: str | None
    fingerprint: str | None
    http_url: str | None = None
    ssh_port: int | None = None
    ssh_known_host: str | None = None


class RutosSimulator:
    """A running fleet: `with RutosSimulator(routers=3, firmware="07.13", echo_value=False) as simulator`.

    `routers`: how many, or a list of {serial, password, firmware, model, name, mac} with any of these. Every other keyword is an option
    of the command line (`scheme="http"`, `state="expired"`, `seed=3`, every switch); a list is joined by commas.
    """

    def __init__(self, routers: int | Sequence[Mapping[str, Any]] = 1, **options: Any) -> None:
        self._given = routers
        self._options = options
        self._cleanup = contextlib.ExitStack()
        self._process = SimulatorProcess("simulators.rutos")
        self.routers: list[SimulatedRouter] = []

    def __enter__(self) -> RutosSimulator:
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rutos-")))
            self._process = SimulatorProcess("simulators.rutos", ["--folder", str(folder), *self._arguments(folder)])
            self._process.start()
            stack.callback(self._process.stop)
            self.routers = [SimulatedRouter(**json.loads(line)) for line in self._process.lines if line.startswith("{")]
            self._cleanup = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._cleanup.close()

    def _arguments(self, folder: Path) -> list[str]:
        words = []
        if isinstance(self._given, int):
            words += ["--routers", str(self._given)]
        else:
            path = folder / "routers.json"
            path.write_text(json.dumps([dict(router) for router in self._given]))
            words += ["--routers-file", str(path)]
        for name, value in self._options.items():
            words += argument(name, value)
        return words

    @property
    def control_url(self) -> str:
        return self._process.values["CONTROL_URL"]

    def truth(self, serial: str | None = None) -> Any:
        """Of all routers by serial, or of one: passwords, sessions, wrong log-ins, block, audit (see the README)."""
        everything = self._process.control("truth" + (f"?serial={serial}" if serial else ""))
        return everything[serial] if serial else everything

    def log(self, serial: str | None = None) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self._process.control("log" + (f"?serial={serial}" if serial else ""))
        return entries

    def forget_log(self) -> None:
        self._process.control("log", method="DELETE")

    def set(self, serial: str | None = None, **switches: Any) -> None:
        """Turn switches for all routers, or for one above that; None turns back. Turning a fault counts its requests anew."""
        self._process.control("switches", {"serial": serial, "switches": switches})

    def switches(self) -> Any:
        """Positions in force: `everywhere`, and `routers` with what single ones have of their own."""
        return self._process.control("switches")

    def change(self, serial: str | None = None, **state: Any) -> None:
        """Behind the routers' back: password, root_password, by, first_login, expired, policy={...}, factory_reset, unblock,
        reset_wrong_logins."""
        self._process.control("router", {**({"serial": serial} if serial else {}), **state})

    def advance(self, seconds: float) -> None:
        self._process.control("clock", {"advance": seconds})


def argument(name: str, value: Any) -> list[str]:
    """One option of the command line; a list of mappings is JSON, another list is joined by commas."""
    word = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{word}" if value else f"--no-{word}"]
    if isinstance(value, (list, tuple)):
        value = ",".join(value) if all(isinstance(item, str) for item in value) and value else json.dumps(value)
    return [f"--{word}={value}"]
