# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A simulator as tests drive it: a process of its own, started and ended with a with-statement."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, TypeVar

from .process import SimulatorProcess

Driven = TypeVar("Driven", bound="DrivenSimulator")


class DrivenSimulator:
    """What every simulator of one vendor's system has. C(switches): their positions from the start on.

    It runs in a session of its own, so killing the process group of what is tested leaves it alive; it ends with this process.
    """

    def __init__(self, process: SimulatorProcess, switches: Mapping[str, Any]) -> None:
        self._process = process
        self._switches = switches

    def start(self: Driven) -> Driven:
        self._process.start()
        try:
            if self._switches:
                self.set(**self._switches)
        except BaseException:
            self._process.stop()
            raise
        return self

    def stop(self) -> None:
        self._process.stop()

    def __enter__(self: Driven) -> Driven:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    def set(self, **switches: Any) -> dict[str, Any]:
        """Change switches; gives back all of them."""
        result: dict[str, Any] = self._process.control("switches", switches)
        return result

    def truth(self) -> dict[str, Any]:
        """How everything really is; what that is, each README tells."""
        result: dict[str, Any] = self._process.control("truth")
        return result

    def log(self) -> list[dict[str, Any]]:
        """Every request so far, in order."""
        result: list[dict[str, Any]] = self._process.control("log")
        return result

    def clear_log(self) -> None:
        self._process.control("log", method="DELETE")

    def advance(self, seconds: float) -> None:
        """Move the simulator's clock forward."""
        self._process.control("clock", {"advance": seconds})
