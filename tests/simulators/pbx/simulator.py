# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The simulated PBX for tests: a process of its own, started and ended with a with-statement."""

from __future__ import annotations

import sys
from typing import Any

from ..kit.driven import DrivenSimulator
from ..kit.process import SimulatorProcess


class PbxSimulator(DrivenSimulator):
    """C(with PbxSimulator(model="K2") as pbx). Keywords beyond those named are switches.

    C(set): C(faults) replaces earlier ones. C(truth): users with every password they had, e-mail settings, sessions, links, logins, and how
    often what was asked for. C(log): number, at, method, path, query, action, status, fault, ...
    """

    def __init__(
        self,
        password: str = "Depot-Seven-47",
        email: str = "admin@example.com",
        host: str = "127.0.0.1",
        port: int = 0,
        plain: bool = False,
        log_file: str | None = None,
        deadline: float = 30.0,
        python: str = sys.executable,
        **switches: Any,
    ) -> None:
        arguments = [f"--host={host}", f"--port={port}", f"--email={email}"]
        arguments += [f"--log={log_file}"] if log_file else []
        arguments += ["--plain"] if plain else []
        # The password goes by the environment: a command line can be read by everybody on the machine.
        process = SimulatorProcess("simulators.pbx", arguments, {"PBX_SIMULATOR_PASSWORD": password}, deadline, python)
        super().__init__(process, switches)

    @property
    def url(self) -> str:
        """The web page, with its port."""
        return self._process.values["PBX_URL"]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of its certificate, in hexadecimal digits; empty without TLS."""
        return self._process.values["PBX_FINGERPRINT"]

    @property
    def ca_path(self) -> str:
        """The file of its certificate, which is its own authority; empty without TLS."""
        return self._process.values["PBX_CA"]

    def reset(self, **switches: Any) -> None:
        """As it was when it started, but for these switches: sharing one between tests is faster than starting another."""
        self._process.control("reset", {})
        self.set(faults=[], **switches)
        self.clear_log()

    @property
    def password(self) -> str:
        """The administrator's password as it really is."""
        result: str = self.truth()["users"]["admin"]["password"]
        return result

    def user(self, **changes: Any) -> None:
        """Something happens to the administrator beside the pages: C(password), C(email)."""
        self._process.control("users/admin", changes)

    def email(self, **settings: Any) -> None:
        """The e-mail settings, saved and applied: C(address), C(password), C(smtp_host), C(smtp_port), ..."""
        self._process.control("email", settings)

    def new_link(self, user: str = "admin") -> str:
        """A link as a mail would hold it."""
        result: str = self._process.control("links", {"user": user})["link"]
        return result

    def unlock(self) -> None:
        """Forget every lock-out."""
        self._process.control("locks", method="DELETE")
