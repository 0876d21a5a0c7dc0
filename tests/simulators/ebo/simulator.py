# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The simulated server for tests: a process of its own, started and ended with a with-statement."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ..kit.driven import DrivenSimulator
from ..kit.process import SimulatorProcess


class EboSimulator(DrivenSimulator):
    """C(with EboSimulator(kind="edge_server", licences=2) as server). Keywords beyond those named are switches.

    Its people are methods: C(open_workstation), C(ask_support), C(log_on), C(change_password) do what a person does there. C(truth):
    C(password), C(history), C(armed_at), C(armed_by), C(times_armed), C(in_reset_mode), C(sessions), C(logons), ...
    """

    def __init__(
        self,
        kind: str = "edge_server",
        seed: int = 7,
        password: str | None = None,
        port: int = 0,
        data: str | Path | None = None,
        certificate: str | None = None,
        log_file: str | None = None,
        python: str = sys.executable,
        **switches: Any,
    ) -> None:
        arguments = [f"--kind={kind}", f"--seed={seed}", f"--port={port}"]
        given = {"data": data, "certificate": certificate, "log": log_file}
        arguments += [f"--{name}={value}" for name, value in given.items() if value]
        # The password goes by the environment: a command line can be read by everybody on the machine.
        process = SimulatorProcess("simulators.ebo", arguments, {"EBO_SIMULATOR_PASSWORD": password or ""}, python=python)
        super().__init__(process, switches)

    @property
    def url(self) -> str:
        return self._process.values["EBO_URL"]

    @property
    def password(self) -> str:
        """The administrator's password at the start."""
        return self._process.values["EBO_PASSWORD"]

    @property
    def ca(self) -> str:
        """The file to trust, with C(certificate)."""
        return self._process.values["EBO_CA"]

    def change(self, **changes: Any) -> dict[str, Any]:
        """Something happens beside the vendor's ways: C(password), C(expired), C(end_sessions)."""
        return self._ask("server", changes)

    def arm(self, channel: str, **facts: Any) -> None:
        """A person puts the server in reset mode. RuntimeError when the server refuses, also below."""
        self._ask("arm", {"channel": channel, **facts})

    def open_workstation(self) -> str:
        """The session ID of a new WorkStation."""
        session_id: str = self._ask("workstation/open", {})["session_id"]
        return session_id

    def close_workstation(self, session_id: str) -> None:
        self._ask("workstation/close", {"session_id": session_id})

    def ask_support(self, session_id: str) -> str:
        """The temporary password for a session ID."""
        password: str = self._ask("support", {"session_id": session_id})["temporary_password"]
        return password

    def log_on(self, session_id: str, password: str) -> str:
        """Log on at a WorkStation: C(change_password) or C(logged_on)."""
        result: str = self._ask("workstation/logon", {"session_id": session_id, "password": password})["result"]
        return result

    def change_password(self, session_id: str, old: str, new: str) -> None:
        """The dialogue that opens after a temporary password."""
        self._ask("workstation/change", {"session_id": session_id, "old": old, "new": new})

    def control(self, name: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One of its control paths, as of a server in a container."""
        answer: dict[str, Any] = self._process.control(name, body)
        return answer

    def _ask(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self._process.control(name, body)
        if "refused" in answer:
            raise RuntimeError(answer["refused"])
        return answer
