# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The simulated RMS for tests: a process of its own, started and ended with a with-statement."""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import urlsplit

from ..kit.driven import DrivenSimulator
from ..kit.process import SimulatorProcess


class RmsSimulator(DrivenSimulator):
    """C(with RmsSimulator(routers=50, fates={...}) as simulator). Keywords beyond those named are switches.

    C(set): C(fates) adds to earlier ones, C(faults) replaces them. C(truth): per serial, id, host, online, firmware, fate, the real
    password, its history, and everything the router was asked for. C(log): number, at, method, path, query, account, status, fault,
    devices, show_password, ...
    """

    def __init__(
        self,
        routers: int = 20,
        seed: int = 7,
        token: str | None = None,
        port: int = 0,
        log_file: str | None = None,
        inventory_out: str | None = None,
        fate_mix: str = "",
        certificate: str | None = None,
        key: str | None = None,
        base_path: str = "/api",
        deadline: float = 30.0,
        python: str = sys.executable,
        **switches: Any,
    ) -> None:
        arguments = [f"--routers={routers}", f"--seed={seed}", f"--port={port}", f"--base-path={base_path}", f"--fate-mix={fate_mix}"]
        files = {"log": log_file, "inventory-out": inventory_out, "certificate": certificate, "key": key}
        arguments += [f"--{name}={path}" for name, path in files.items() if path]
        # The token goes by the environment: a command line can be read by everybody on the machine.
        environment = {"RMS_SIMULATOR_TOKEN": token or ""}
        super().__init__(SimulatorProcess("simulators.rms", arguments, environment, deadline, python), switches)

    @property
    def url(self) -> str:
        """The base of the API."""
        return self._process.values["RMS_URL"]

    @property
    def root(self) -> str:
        """The server without any path: status channels are below it."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def token(self) -> str:
        return self._process.values["RMS_TOKEN"]

    @property
    def other_token(self) -> str:
        """A good token of another account, which owns no router."""
        return self._process.values["RMS_OTHER_TOKEN"]

    def passwords(self) -> dict[str, str]:
        """The real password per serial; cheaper than C(truth)."""
        result: dict[str, str] = self._process.control("passwords")
        return result

    def router(self, serial: str, **changes: Any) -> dict[str, Any]:
        """Something happens to one router beside RMS: C(online), C(firmware), C(password), C(fate), C(name)."""
        result: dict[str, Any] = self._process.control(f"routers/{serial}", changes)
        return result

    def faults(self) -> list[dict[str, Any]]:
        """The faults in force, with how often each was C(seen) and C(hits)."""
        result: list[dict[str, Any]] = self._process.control("faults")
        return result
