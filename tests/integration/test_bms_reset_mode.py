# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reset mode on a real podman with real volumes, killed on its way, and the whole module in a play with everything it could let out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from campaigns import crash_bms
from support.containers import ContainerServer, Podman
from support.modules import run_module

from ansible_collections.keyturn.devices.plugins.modules.bms_reset_mode import main
from integration.canaries import CommandLines, found_below, found_in
from integration.cores import Core
from integration.plays import play, secret
from simulators.ebo.console import Manners, SerialConsole

CANARY = "Canary\\ser'i\"al/+% <9&>"


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    with Podman() as engine:
        yield engine


@pytest.fixture(params=["podman", "docker"])
def engine(podman: Podman, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[str]:
    with podman.docker() if request.param == "docker" else contextlib.nullcontext(podman.environment) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield request.param


@pytest.mark.parametrize("reads_while_running", [False, True])
def test_a_container_is_armed_once_and_its_password_is_reset(podman: Podman, engine: str, reads_while_running: bool) -> None:
    server = ContainerServer(podman, f"{engine}-{reads_while_running}".lower(), reads_while_running)

    def reset_mode(check: bool = False, **container: Any) -> dict[str, Any]:
        given = {"engine": engine, "name": server.name, "url": server.url, **container}
        return run_module(main, check=check, server_kind="edge_server", container=given, deadline=60)

    for option, name in (("name", "unknown"), ("volume", "unknown"), ("image", "localhost/unknown:1")):
        refused = reset_mode(**{option: name})
        assert (refused["failed"], refused["reason"]) == (True, "not_found")
        assert f"container.{option}" in refused["msg"]
    planned = reset_mode(check=True)
    assert (planned["changed"], planned["armed"], server.truth()["starts"]) == (True, False, 1)

    result = reset_mode(volume=server.volume)
    assert (result["changed"], result["armed"], result["evidence"], result["handed_to_operator"]) == (True, True, "observed", [])
    truth = server.truth()
    assert (truth["in_reset_mode"], truth["times_armed"], truth["armed_by"]) == (True, 1, "marker")
    again = reset_mode()
    assert (again["changed"], again["armed_at"], server.truth()["starts"]) == (False, result["armed_at"], truth["starts"])

    session_id = server.control("workstation/open", {})["session_id"]
    temporary = server.control("support", {"session_id": session_id})["temporary_password"]
    assert server.control("workstation/logon", {"session_id": session_id, "password": temporary}) == {"result": "change_password"}
    server.control("workstation/change", {"session_id": session_id, "old": temporary, "new": "New-password-1"})
    assert server.truth()["password"] == "New-password-1"


def test_kills_leave_no_server_stopped_or_unarmed(podman: Podman) -> None:
    score = crash_bms.campaign(kills=3, seed=43, podman=podman)
    assert (score.good, score.bad) == (3, [])


def test_a_play_shows_no_secret_whatever_becomes_of_it(newest_core: Core, tmp_path: Path) -> None:
    text = secret(tmp_path, "console", CANARY)

    def task(device: str, *before: dict[str, Any]) -> dict[str, object]:
        dialogue = [
            *before,
            {"expect": "login: $", "send": "service"},
            {"expect": "Password: $", "send": text, "secret": True},
            {"expect": "^> $", "send": "reset-mode", "timeout": 2},
            {"expect": "n] $", "send": "y", "timeout": 2},
            {"expect": "^set"},
        ]
        options = {"server_kind": "automation_server", "transport": "serial", "serial": {"port": device, "dialogue": dialogue}}
        return {"keyturn.devices.bms_reset_mode": options, "ignore_errors": True}

    good, refused = SerialConsole(CANARY, Manners(echo=True)), SerialConsole("another", Manners(echo=True, newline="\n" + CANARY))
    with good, refused, CommandLines() as lines:
        tasks = [task(good.device), task(refused.device), task(good.device, {"expect": "("}), task(good.device, {"unknown": 1})]
        output, run = play(newest_core, tmp_path, tasks)
        assert good.armed
        assert not refused.armed
    assert "what is expected did not come" in output
    assert "no regular expression" in output
    assert "Unsupported parameters" in output
    assert found_in(output.encode(), [CANARY]) == []
    assert found_below(run, [CANARY]) == []
    assert found_in(b"\n".join(lines.seen), [CANARY]) == []
