# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A dialogue on a serial console, as the user wrote it. No dialogue of the vendor's is public, so none is here.

What a console prints is compared without regard to how it ends its lines. What follows a secret is never shown, because a console may
give it back in pieces that nobody could recognise.
"""

from __future__ import annotations

import contextlib
import re
import termios
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ansible_collections.keyturn.devices.plugins.module_utils._ebo.transport import Arming, Journal, Plan, Precondition, ResetModeFault
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor

LINE_ENDS: Mapping[str, str] = {"cr": "\r", "lf": "\n", "crlf": "\r\n", "none": ""}
STEP_SECONDS = 30

# pyserial's own exception is an OSError; of a terminal that went away it lets another one through.
_LOST = (OSError, termios.error)
_LINE_END = re.compile(r"\r*\n|\r+")
_MOST_KEPT = 64 * 1024
_MOST_SHOWN = 200
# How long a read waits for the first byte, so that a time-out is noticed soon.
_READ_SECONDS = 0.2


class Port(Protocol):
    """What is used of a serial port."""

    @property
    def in_waiting(self) -> int:
        """How many bytes have come, as far as it knows."""

    def read(self, size: int) -> bytes:
        """What there is, up to so many bytes; nothing when nothing came for a while."""

    def write(self, data: bytes) -> Any:
        """Send."""

    def flush(self) -> Any:
        """Wait until it is sent."""

    def close(self) -> Any:
        """Give the port back."""


@dataclass(frozen=True)
class Step:
    """Wait for C(expect), then send C(send) and its line end. One of both may be missing. C(timeout): seconds."""

    number: int
    expect: re.Pattern[str] | None
    send: str | None
    secret: bool
    timeout: float
    line_end: str


def read_dialogue(dialogue: Sequence[Mapping[str, Any]], line_end: str) -> list[Step]:
    """The steps of the option. Raises ResetModeFault, naming the step; a secret is never shown."""
    if not dialogue:
        raise ResetModeFault("bad_input", "serial.dialogue is empty. It has to come from you: no dialogue of such a console is published.")
    steps = []
    for number, given in enumerate(dialogue, 1):
        where = f"serial.dialogue: step {number}"
        if given.get("expect") is None and given.get("send") is None:
            raise ResetModeFault("bad_input", f"{where} has neither expect nor send.")
        try:
            expect = re.compile(given["expect"], re.MULTILINE) if given.get("expect") is not None else None
        except re.error as problem:
            raise ResetModeFault("bad_input", f"{where}: expect is no regular expression: {problem}.") from None
        if given["timeout"] <= 0:
            raise ResetModeFault("bad_input", f"{where}: timeout must be more than 0.")
        steps.append(
            Step(
                number, expect, given.get("send"), bool(given.get("secret")), given["timeout"], LINE_ENDS[given.get("line_end") or line_end]
            )
        )
    return steps


class Dialogue:
    """Carries steps out on an open port. C(deadline): a moment of C(clock), seconds, at which everything ends."""

    def __init__(self, port: Port, redactor: Redactor, deadline: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._port = port
        self._redactor = redactor
        self._deadline = deadline
        self._clock = clock
        self._arrived = b""
        self._after_secret = False
        self.sent = 0

    def carry_out(self, steps: Iterable[Step]) -> None:
        """Raises ResetModeFault; its message tells the step, and what was printed last."""
        self._write("\r", "the beginning")  # A console server prints nothing before something was typed (assumed).
        for step in steps:
            where = f"step {step.number} of the dialogue"
            if step.expect is not None:
                self._wait_for(step.expect, step.timeout, where)
            if step.send is not None:
                self._write(step.send + step.line_end, where)
                self.sent += 1
                self._after_secret = self._after_secret or step.secret

    def _wait_for(self, expect: re.Pattern[str], timeout: float, where: str) -> None:
        end = min(self._clock() + timeout, self._deadline)
        while True:
            text = _LINE_END.sub("\n", self._arrived.decode("utf-8", "replace"))
            match = expect.search(text)
            if match:
                self._arrived = text[match.end() :].encode()
                return
            if self._clock() >= end:
                raise ResetModeFault("timeout", f"{where.capitalize()}: what is expected did not come. {self._printed(text)}")
            try:
                piece = self._port.read(max(1, self._port.in_waiting))
            except _LOST as problem:
                raise ResetModeFault("port_lost", f"The port was lost at {where}: {_shown(problem)}. {self._printed(text)}") from None
            self._arrived = (self._arrived + piece)[-_MOST_KEPT:]

    def _write(self, text: str, where: str) -> None:
        try:
            self._port.write(text.encode())
            self._port.flush()
        except _LOST as problem:
            # The text of a fault of the port never holds what was to be sent, but nothing says so.
            raise ResetModeFault("port_lost", f"The port was lost at {where}: {self._redactor.shown(_shown(problem))}.") from None

    def _printed(self, text: str) -> str:
        if self._after_secret:
            return "What the console printed after a secret is not shown."
        shown = self._redactor.shown(self._redactor.text(text).strip()[-_MOST_SHOWN:])
        return f"The console printed: {shown}" if shown else "The console printed nothing."


class SerialTransport:
    """C(serial): the options of that name. C(open_port): opens a URL at a speed; it and C(list_ports) are pyserial's but for tests."""

    def __init__(
        self,
        serial: Mapping[str, Any],
        deadline: float,
        redactor: Redactor,
        open_port: Callable[[str, int], Port] | None = None,
        list_ports: Callable[[], list[str]] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.journal = Journal()
        self._options = serial
        self._deadline = deadline
        self._redactor = redactor
        self._open = open_port or open_with_pyserial
        self._list = list_ports or serial_devices
        self._clock = clock
        self._steps: list[Step] = []

    def look(self, check_mode: bool) -> Plan:
        self._steps = read_dialogue(self._options.get("dialogue") or [], self._options["line_end"])
        url = self._options["port"]
        if url.lower().startswith("spy://"):
            raise ResetModeFault("bad_input", "serial.port: spy:// writes down everything that is sent, secrets too.")
        found = self._list()
        plain = "://" not in url
        seen = f"This host sees {', '.join(found)}." if found else "This host sees no serial device."
        preconditions = [Precondition("serial_devices", not plain or url in found, seen)]
        return Plan(would=[f"Carry out the dialogue of {len(self._steps)} steps at the port."], preconditions=preconditions)

    def arm(self) -> Arming:
        try:
            port = self._open(self._options["port"], self._options["baudrate"])
        except ImportError:
            raise ResetModeFault("library", "The Python library pyserial is needed on this host for transport=serial.") from None
        except (*_LOST, ValueError, NotImplementedError) as problem:
            # A URL may hold a password.
            said = self._redactor.shown(_shown(problem))
            raise ResetModeFault("port_unavailable", f"serial.port does not open: {said}.") from None
        dialogue = Dialogue(port, self._redactor, time.monotonic() + self._deadline)
        try:
            dialogue.carry_out(self._steps)
        except ResetModeFault:
            self.journal.add(f"Sent to the console {dialogue.sent} of the dialogue's texts.")
            raise
        finally:
            _close(port)
        self.journal.add(f"Carried out the dialogue of {len(self._steps)} steps.", changed=True)
        handed = ["Make sure that the server is in reset mode: nobody but the dialogue says so."]
        return Arming(self._clock(), "The server is in reset mode as far as the dialogue ended as you wrote it.", handed)


def open_with_pyserial(url: str, baudrate: int) -> Port:
    """Any URL of pyserial's. Raises ImportError, OSError, ValueError."""
    import serial

    port: Port = serial.serial_for_url(url, baudrate=baudrate, timeout=_READ_SECONDS, exclusive=True)
    return port


def serial_devices() -> list[str]:
    """The serial devices that this host sees; none without pyserial."""
    try:
        from serial.tools.list_ports import comports
    except ImportError:
        return []
    return sorted(port.device for port in comports())


def _close(port: Port) -> None:
    with contextlib.suppress(*_LOST):  # It may be gone already.
        port.close()


def _shown(problem: Exception) -> str:
    said = problem.args[-1] if isinstance(problem, termios.error) else problem
    return str(said).rstrip(".") or type(problem).__name__
