# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dialogues on serial consoles: over a pseudo-terminal, socat's TCP and a real ser2net."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.modules import run_module

from ansible_collections.keyturn.devices.plugins.module_utils._ebo.console import Dialogue, read_dialogue
from ansible_collections.keyturn.devices.plugins.module_utils._ebo.transport import ResetModeFault
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.modules.bms_reset_mode import main
from simulators.ebo.console import Manners, SerialConsole

CANARY = "canary-Console-5e1d"
DIALOGUE: list[dict[str, Any]] = [
    {"expect": r"login: $", "send": "service"},
    {"expect": r"Password: $", "send": CANARY, "secret": True},
    {"expect": r"^> $", "send": "reset-mode"},
    {"expect": r"\[y/n\] $", "send": "y"},
    {"expect": r"^set: password reset mode$"},
]


def arm(port: str, check: bool = False, dialogue: list[dict[str, Any]] | None = None, **serial: Any) -> dict[str, Any]:
    steps = [{"timeout": 5, **step} for step in dialogue or DIALOGUE]
    result = run_module(
        main, check=check, server_kind="automation_server", transport="serial", serial={"port": port, "dialogue": steps, **serial}
    )
    assert CANARY not in result["printed"]
    assert "canary" not in result["printed"]
    return result


@contextlib.contextmanager
def carrier(*command: str, port: int) -> Iterator[None]:
    """A program that carries a console to a TCP port."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            end = time.monotonic() + 10
            while not _listens(port):
                assert process.poll() is None, command
                assert time.monotonic() < end, command
                # It does not say when it listens.
                time.sleep(0.02)
            yield
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    """Without connecting: who carries one console serves one client."""
    wanted = f":{port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(line.split()[1].endswith(wanted) and line.split()[3] == "0A" for line in lines)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    "manners",
    [
        Manners(),
        Manners(silent=False, echo=True, newline="\n"),
        Manners(echo=True, newline="\r\r\n", piece=1),
        Manners(newline="\n\r", piece=3),
        Manners(newline="\r"),
    ],
)
def test_a_dialogue_over_a_device_is_carried_out_whatever_the_console_is_like(manners: Manners) -> None:
    with SerialConsole(CANARY, manners) as console:
        assert arm(console.device, check=True)["changed"]
        assert console.lines == []
        result = arm(console.device)
        assert console.armed
        assert console.lines == ["service", CANARY, "reset-mode", "y"]
    assert (result["changed"], result["armed"], result["evidence"]) == (True, True, "assumed")
    assert result["handed_to_operator"]


def test_over_socats_tcp_and_a_real_ser2net(tmp_path: Path) -> None:
    with SerialConsole(CANARY, Manners(echo=True)) as console:
        port = free_port()
        with carrier("socat", f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr", f"{console.device},raw,echo=0", port=port):
            assert arm(f"socket://127.0.0.1:{port}")["armed"]
        assert console.armed
    for manners in (Manners(piece=1), Manners(vanishes_at="Are you sure")):
        with SerialConsole(CANARY, manners) as console:
            port = free_port()
            configuration = tmp_path / "ser2net.yaml"
            connector = f"serialdev,{console.device},115200n81,local"
            configuration.write_text(f"connection: &console\n  accepter: telnet(rfc2217),tcp,127.0.0.1,{port}\n  connector: {connector}\n")
            with carrier("ser2net", "-n", "-u", "-c", str(configuration), port=port):
                # A pseudo-terminal has no modem signals that could be set.
                result = arm(f"rfc2217://127.0.0.1:{port}?ign_set_control", baudrate=115200)
            assert result["armed"] is console.armed is (not manners.vanishes_at)
            assert result["reason"] == ("port_lost" if manners.vanishes_at else "")


@pytest.mark.parametrize(
    ("manners", "password", "dialogue", "reason", "words"),
    [
        (Manners(vanishes_at="Are you sure"), CANARY, None, "port_lost", "lost at step [345]"),
        (Manners(vanishes_at="Password"), CANARY, None, "port_lost", "step"),
        (
            Manners(echo=True),
            "another",
            None,
            "timeout",
            "Step 3 of the dialogue: what is .* What the console printed after",
        ),
        (Manners(), CANARY, [{"expect": "never", "timeout": 1}], "timeout", "The console printed: login:"),
        (Manners(newline="\n" + CANARY + "\n"), CANARY, [{"expect": "never", "timeout": 1}, *DIALOGUE], "timeout", "\\*\\*\\*"),
    ],
)
def test_what_goes_wrong_is_told_without_the_secret(
    manners: Manners, password: str, dialogue: list[dict[str, Any]] | None, reason: str, words: str
) -> None:
    with SerialConsole(password, manners) as console:
        steps = [{**step, "timeout": 1} for step in dialogue or DIALOGUE]
        result = arm(console.device, dialogue=steps)
        assert not console.armed
    assert (result["failed"], result["changed"], result["armed"], result["reason"]) == (True, False, False, reason)
    assert re.search(words, result["msg"]), result["msg"]


@pytest.mark.parametrize(
    ("serial", "reason", "words"),
    [
        ({"dialogue": [{"expect": "(", "send": CANARY, "secret": True}]}, "bad_input", "step 1: expect is no regular expression"),
        ({"dialogue": [{"secret": True}]}, "bad_input", "neither expect nor send"),
        ({"dialogue": [{"expect": "x", "timeout": 0}]}, "bad_input", "timeout must be more than 0"),
        ({"dialogue": []}, "bad_input", "dialogue is empty"),
        ({"port": "spy:///dev/null"}, "bad_input", "spy://"),
        ({"port": "/dev/keyturn-none"}, "port_unavailable", "does not open"),
        ({"port": "nonsense://x"}, "port_unavailable", "does not open"),
        ({"port": "hwgrep://keyturn-none"}, "port_unavailable", "does not open"),
        ({"port": "rfc2217://127.0.0.1:1"}, "port_unavailable", "does not open"),
    ],
)
def test_bad_input_is_told_before_anything_is_sent(serial: dict[str, Any], reason: str, words: str) -> None:
    serial = {"port": "/dev/keyturn-none", "dialogue": [{"send": CANARY, "secret": True}], **serial}
    result = run_module(main, server_kind="automation_server", transport="serial", serial=serial)
    assert (result["failed"], result["reason"], result["done"], result["changed"]) == (True, reason, [], False)
    assert words in result["msg"]
    assert CANARY not in result["printed"]


def test_what_ansible_itself_refuses_shows_no_secret() -> None:
    serial = {"port": "loop://", "baudrate": "fast", "dialogue": [{"send": CANARY, "secret": True, "unknown": 1}]}
    result = run_module(main, server_kind="automation_server", transport="serial", serial=serial)
    assert result["failed"]
    assert CANARY not in result["printed"]


def test_ends_of_lines_are_sent_as_asked_for() -> None:
    class Port:
        def __init__(self) -> None:
            self.sent = b""
            self.in_waiting = 0

        def read(self, size: int) -> bytes:
            return b"> "

        def write(self, data: bytes) -> None:
            self.sent += data

        def flush(self) -> None:
            pass

        def close(self) -> None:
            pass

    port = Port()
    steps = [
        {"send": "one", "timeout": 1},
        {"expect": "> ", "send": "two", "timeout": 1, "line_end": "none"},
        {"send": "three", "timeout": 1, "line_end": "crlf"},
    ]
    Dialogue(port, Redactor(), time.monotonic() + 5).carry_out(read_dialogue(steps, "lf"))
    assert port.sent == b"\rone\ntwothree\r\n"
    # The deadline of the whole is less than that of a step.
    with pytest.raises(ResetModeFault, match="did not come"):
        Dialogue(port, Redactor(), time.monotonic()).carry_out(read_dialogue([{"expect": "never", "timeout": 60}], "cr"))
