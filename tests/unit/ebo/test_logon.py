# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""bms_logon against the simulated WebStation: one try, whatever happens, and nothing but a token proves anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.modules import run_module

from ansible_collections.keyturn.devices.plugins.modules import bms_logon
from simulators.ebo import EboSimulator

PASSWORD = "CANARY {pass}-'word\"\\2026"


@pytest.fixture(scope="module")
def server() -> Iterator[EboSimulator]:
    with EboSimulator("enterprise_server", password=PASSWORD, certificate="good") as running:
        yield running


@pytest.fixture(autouse=True)
def _as_new(server: EboSimulator) -> Iterator[None]:
    yield
    server.set(
        licences=1, one_session_per_user=False, login_page="both", login_settings="optional", cookies=False, encrypted_password="optional"
    )
    server.set(error_code_type="text", digest_path="/webstation/vp/Login", temporary_on_webstation="refused", faults=[])
    server.change(password=PASSWORD, expired=False, end_sessions=True)


def log_on(server: EboSimulator, check: bool = False, **options: Any) -> dict[str, Any]:
    result = run_module(
        bms_logon.main, check=check, **{"url": server.url, "password": PASSWORD, "ca_path": server.ca, "timeout": 3, **options}
    )
    assert PASSWORD not in result["printed"]
    assert "CANARY" not in result["printed"]
    return result


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"login_page": "root"},
        {"login_page": "login.html", "cookies": True},
        {"login_settings": "required", "encrypted_password": "required"},
    ],
)
def test_the_right_password_is_proven_in_every_way_servers_were_seen(server: EboSimulator, switches: dict[str, Any]) -> None:
    server.set(**switches)
    before = len(server.truth()["logons"])
    result = log_on(server)
    assert (result["status"], result["reason"], result.get("failed", False)) == ("proven", "", False)
    assert (result["session_left"], result["logged_off"], result["changed"]) == (True, False, False)
    assert "licence" in result["message"]
    assert len(server.truth()["logons"]) == before + 1


@pytest.mark.parametrize(
    ("switches", "changes", "options", "status", "reason"),
    [
        ({}, {"password": "another one"}, {}, "refused", "unauthorized"),
        ({"error_code_type": "number"}, {"password": "another one"}, {}, "refused", "unauthorized"),
        ({}, {}, {"domain": "elsewhere"}, "refused", "unauthorized"),
        ({"digest_path": "webstation/vp/Login"}, {}, {}, "refused", "unauthorized"),
        ({}, {"expired": True}, {}, "failed", "expired"),
        ({"licences": 0}, {}, {}, "failed", "no_licence"),
        ({}, {}, {"ca_path": None}, "failed", "certificate"),
        ({}, {}, {"fingerprint": "00" * 32}, "failed", "certificate"),
        ({}, {}, {"url": "https://127.0.0.1:9"}, "failed", "unreachable"),
        ({}, {}, {"url": "ftp://hq"}, "failed", "bad_input"),
        ({}, {}, {"fingerprint": "none"}, "failed", "bad_input"),
    ],
)
def test_what_is_no_proof_says_why_after_one_try(
    server: EboSimulator, switches: dict[str, Any], changes: dict[str, Any], options: dict[str, Any], status: str, reason: str
) -> None:
    server.set(**switches)
    server.change(**changes)
    before = len(server.truth()["logons"])
    result = log_on(server, **options)
    assert (result["status"], result["reason"], result["failed"]) == (status, reason, True)
    assert result["wrong_logins"] == int(status == "refused")
    assert not result["session_left"]
    assert len(server.truth()["logons"]) - before <= 1


def test_a_user_who_is_logged_on_and_a_code_that_nobody_knows(server: EboSimulator) -> None:
    server.set(one_session_per_user=True, licences=5, temporary_on_webstation="unknown_code")
    assert log_on(server)["status"] == "proven"
    assert log_on(server)["reason"] == "already_logged_on"
    session = server.open_workstation()
    temporary = server.ask_support(session)
    result = log_on(server, password=temporary)
    assert (result["status"], result["reason"]) == ("unknown", "protocol")
    assert "131099" in result["message"]
    assert temporary not in result["printed"]


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        ({"path": "/webstation/vp/Login", "kind": "hang"}, "unknown", "timeout"),
        ({"path": "/webstation/vp/Login", "kind": "status", "status": 500}, "unknown", "protocol"),
        ({"path": "/vp/Challenge", "kind": "status", "status": 500}, "failed", "protocol"),
    ],
)
def test_an_answer_that_is_lost_is_unknown(server: EboSimulator, fault: dict[str, Any], status: str, reason: str) -> None:
    server.set(faults=[fault])
    result = log_on(server, timeout=1)
    assert (result["status"], result["reason"]) == (status, reason)


def test_check_mode_does_not_log_on(server: EboSimulator) -> None:
    before = len(server.log())
    result = log_on(server, check=True)
    assert (result["status"], result["reason"]) == ("unknown", "not_sent")
    assert len(server.log()) == before


def test_over_plain_http_only_the_digest_is_sent() -> None:
    with EboSimulator("edge_server", password=PASSWORD, encrypted_password="optional", log_bodies=True) as server:
        result = run_module(bms_logon.main, url=server.url, password=PASSWORD)
        assert result["status"] == "proven"
        assert not any("LoginSettings" in entry["path"] for entry in server.log())
        assert PASSWORD not in repr(server.log())
