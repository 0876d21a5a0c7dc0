# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The simulated EcoStruxure server does what the fact sheet says."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import Request

import pytest

from simulators.ebo import EboSimulator
from simulators.kit.process import OPENER


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EboSimulator]:
    with EboSimulator(data=tmp_path_factory.mktemp("ebo"), password="Old, pass 1") as simulator:
        yield simulator


def ask(server: EboSimulator, method: str, path: str, **headers: str) -> bytes:
    with OPENER.open(
        Request(server.url + path, data=b"" if method == "POST" else None, method=method, headers=headers), timeout=10
    ) as reply:
        content: bytes = reply.read()
        return content


def log_on(server: EboSimulator, password: str, user: str = "admin", domain: str = "") -> dict[str, Any]:
    """As both public clients do it."""
    match = re.search(rb'id="csrf" value="([^"]+)"', ask(server, "GET", "/login.html"))
    assert match
    token = match[1].decode()
    nonce = json.loads(ask(server, "POST", "/vp/Challenge", **{"X-CSRF-Token": token}))["challenge"]
    digest = hashlib.sha256(f"{user}{domain}{password}/webstation/vp/Login{nonce}".encode()).hexdigest()
    header = f"SxWDigest UID={quote(user)},DOM={quote(domain)},NV={nonce},DIG={digest}"
    reply = ask(server, "POST", "/webstation/vp/Login", **{"X-CSRF-Token": token, "Authorization": header})
    answer: dict[str, Any] = json.loads(reply)
    return answer


def test_a_logon_gets_a_token_a_licence_and_one_of_the_four_codes(server: EboSimulator) -> None:
    server.set(licences=1, session_seconds=600.0, logoff=True)
    assert ask(server, "GET", "/prelogin-info")
    assert log_on(server, "wrong")["ErrorCode"] == "131073"
    assert log_on(server, server.truth()["password"], domain="elsewhere")["ErrorCode"] == "131073"
    token = log_on(server, server.truth()["password"], domain="SBO")["token"]
    assert log_on(server, server.truth()["password"])["ErrorCode"] == "1048592"
    server.set(one_session_per_user=True)
    assert log_on(server, server.truth()["password"])["ErrorCode"] == "131094"
    server.set(one_session_per_user=False)
    ask(server, "POST", "/webstation/vp/Logoff", **{"X-CSRF-Token": token})
    assert "token" in log_on(server, server.truth()["password"])
    server.advance(601)
    server.change(expired=True)
    assert log_on(server, server.truth()["password"])["ErrorCode"] == "131077"
    server.change(expired=False)
    assert "token" in log_on(server, server.truth()["password"])
    server.change(end_sessions=True)


def test_a_temporary_password_is_good_for_its_session_id_within_the_mode_and_at_workstation_only(server: EboSimulator) -> None:
    first = server.open_workstation()
    temporary = server.ask_support(first)
    with pytest.raises(RuntimeError, match="wrong"):
        server.log_on(first, temporary)  # not in reset mode
    server.change(password=server.truth()["password"])
    (Path(server.truth()["data"]) / "db/reset").mkdir(parents=True)
    (Path(server.truth()["data"]) / "db/reset/r0.txt").touch()
    assert not server.truth()["in_reset_mode"]
    server.set(reads_marker_while_running=True)
    ask(server, "GET", "/prelogin-info")
    assert server.truth()["in_reset_mode"]
    assert not server.truth()["marker"]
    second = server.open_workstation()
    with pytest.raises(RuntimeError, match="wrong"):
        server.log_on(second, temporary)
    assert log_on(server, temporary)["ErrorCode"] == "131073"
    assert server.log_on(first, temporary) == "change_password"
    server.close_workstation(first)
    with pytest.raises(RuntimeError, match="no dialogue"):
        server.change_password(first, temporary, "New-password-1")
    temporary = server.ask_support(second)
    assert server.log_on(second, temporary) == "change_password"
    with pytest.raises(RuntimeError, match="used before"):
        server.change_password(second, temporary, server.truth()["password"])
    server.change_password(second, temporary, "New-password-1")
    assert "token" in log_on(server, "New-password-1")
    assert not server.truth()["in_reset_mode"]
    server.change(end_sessions=True)


def test_the_mode_ends_after_its_hours(server: EboSimulator) -> None:
    with pytest.raises(RuntimeError, match="no channel"):
        server.arm("usb", connected=True)
    server.arm("marker")
    workstation = server.open_workstation()
    temporary = server.ask_support(workstation)
    server.advance(24 * 3600 + 1)
    with pytest.raises(RuntimeError, match="wrong"):
        server.log_on(workstation, temporary)
    assert server.log_on(workstation, server.truth()["password"]) == "logged_on"


@pytest.mark.parametrize(
    ("kind", "channel", "facts", "wanting"),
    [
        ("enterprise_server", "device_administrator", ["local", "elevated", "added"], "not added"),
        ("automation_server", "usb", ["connected"], "not connected"),
        ("pct_server", "project_configuration_tool", [], None),
        ("fdp_server", "fire", [], None),
    ],
)
def test_each_kind_is_armed_through_its_own_channel(kind: str, channel: str, facts: list[str], wanting: str | None) -> None:
    from random import Random

    from simulators.ebo.model import Refused, Server
    from simulators.ebo.switches import Switches
    from simulators.kit.clock import Clock

    simulated = Server(kind, Switches(), Clock(), Random(1), "old", None)
    if wanting:
        with pytest.raises(Refused, match=wanting):
            simulated.arm(channel, dict.fromkeys(facts[:-1], True))
    simulated.arm(channel, dict.fromkeys(facts, True))
    assert simulated.in_reset_mode()


def test_over_https_with_a_certificate_of_its_own() -> None:
    with EboSimulator(certificate="good", licences=0) as simulator:
        assert simulator.url.startswith("https://")
        assert simulator.truth()["armed_at"] is None
        assert Path(simulator.ca).exists()
        assert log_on(simulator, simulator.password)["ErrorCode"] == "1048592"
