# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A serial console of the simulator's own dialect: nothing of a real console is public. It lives behind a pseudo-terminal.

The far end is a device (C(console.device)), which socat or ser2net may carry further.
"""

from __future__ import annotations

import os
import pty
import threading
import time
import tty
from dataclasses import dataclass
from types import TracebackType


@dataclass
class Manners:
    """How the console behaves; all of it is assumed of one console or another."""

    #: Nothing is printed before something was sent.
    silent: bool = True
    #: What is typed is given back, passwords too.
    echo: bool = False
    #: What ends its lines.
    newline: str = "\r\n"
    #: Bytes that are written at once; 0 for all.
    piece: int = 0
    #: The prompt after which the device goes away; empty for never.
    vanishes_at: str = ""


class SerialConsole:
    """C(with SerialConsole("secret") as console). Its dialogue: login, Password, menu, C(reset-mode), C(Are you sure?), C(armed)."""

    def __init__(self, password: str, manners: Manners | None = None) -> None:
        self.password = password
        self.manners = manners or Manners()
        self.armed = False
        self.lines: list[str] = []
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.device = os.ttyname(self._slave)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._closed = False

    def __enter__(self) -> SerialConsole:
        if not self.manners.silent:
            self._print("login: ")
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._vanish()
        self._thread.join(5)

    def _vanish(self) -> None:
        if not self._closed:
            self._closed = True
            os.close(self._slave)
            os.close(self._master)

    def _print(self, text: str) -> None:
        data = text.replace("\n", self.manners.newline).encode()
        size = self.manners.piece or len(data)
        for start in range(0, len(data), size):
            os.write(self._master, data[start : start + size])
            if self.manners.piece:
                time.sleep(0.001)
        if self.manners.vanishes_at and self.manners.vanishes_at in text:
            self._vanish()

    def _serve(self) -> None:
        typed = b""
        state = "login"
        try:
            while not self._closed:
                for byte in os.read(self._master, 1024):
                    if self.manners.echo:
                        self._print(chr(byte) if byte != 13 else "\n")
                    if byte not in b"\r\n":
                        typed += bytes([byte])
                        continue
                    state, typed = self._answer(state, typed.decode("utf-8", "replace")), b""
        except (OSError, ValueError):
            self._vanish()

    def _answer(self, state: str, line: str) -> str:
        if line:
            self.lines.append(line)
        if state == "login":
            self._print("\nPassword: " if line else "\nlogin: ")
            return "password" if line else "login"
        if state == "password":
            good = line == self.password
            self._print("\nsimulator dialect\n> " if good else "\nno\nlogin: ")
            return "menu" if good else "login"
        if state == "menu":
            self._print("\nAre you sure? [y/n] " if line == "reset-mode" else "\n> ")
            return "sure" if line == "reset-mode" else "menu"
        self.armed = line == "y"
        self._print("\nset: password reset mode\n> " if self.armed else "\n> ")
        return "menu"
