# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starts a simulator as a process of its own and speaks to its control paths. Standard library only."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener


def _unverified() -> ssl.SSLContext:
    """For the control paths of simulators whose certificates are wrong on purpose."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


READY = "READY"
OPENER = build_opener(ProxyHandler({}), HTTPSHandler(context=_unverified()))
TESTS = Path(__file__).resolve().parent.parent.parent


class SimulatorFailed(RuntimeError):
    """The process did not come up, or refused what a test asked of it."""


class SimulatorProcess:
    """C(python -m <module>) in a session of its own, so that killing a test's process group spares it; it ends with its parent."""

    def __init__(
        self,
        module: str,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        deadline: float = 30.0,
        python: str = sys.executable,
    ) -> None:
        self._command = [python, "-m", module, *arguments, "--exit-with-parent"]
        self._environment = {**os.environ, **(environment or {})}
        self._deadline = deadline
        self._process: subprocess.Popen[str] | None = None
        self.values: dict[str, str] = {}
        self.lines: list[str] = []

    @property
    def pid(self) -> int:
        if self._process is None:
            raise SimulatorFailed("the simulator is not running")
        return self._process.pid

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command,
            cwd=TESTS,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=_drain, args=(self._process, lines), daemon=True).start()
        end = time.monotonic() + self._deadline
        while True:
            try:
                line = lines.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                self.stop()
                raise SimulatorFailed(f"not ready after {self._deadline} s: {self.lines}") from None
            if line is None:
                self.stop()
                raise SimulatorFailed("ended before it was ready:\n" + "\n".join(self.lines))
            if line == READY:
                return
            self.lines.append(line)
            name, equals, value = line.partition("=")
            if equals and name.isidentifier() and name.isupper():
                self.values[name] = value

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin:
            with contextlib.suppress(OSError):
                process.stdin.close()

    def control(self, name: str, body: Any = None, method: str | None = None) -> Any:
        """Ask a control path. With a body it is a POST."""
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.values['CONTROL_URL']}/{name}", data=data, method=method, headers={"Content-Type": "application/json"})
        try:
            with OPENER.open(request, timeout=self._deadline) as answer:
                return json.loads(answer.read())
        except HTTPError as error:
            with error:
                raise SimulatorFailed(f"{name}: {error.read().decode()}") from None


def _drain(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    """Keep the pipe empty as long as the simulator lives."""
    if process.stdout:
        with process.stdout:
            for line in process.stdout:
                lines.put(line.rstrip("\n"))
    lines.put(None)
