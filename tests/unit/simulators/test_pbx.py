# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The simulated PBX without a browser: what the fact sheet says of its answers."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

import pytest

from simulators.pbx import PbxSimulator
from simulators.pbx.__main__ import describe
from simulators.pbx.api import API_PASSWORD, API_USER
from simulators.pbx.model import is_refused, is_weak, md5

PASSWORD = "Depot-Seven-47"


@pytest.fixture(scope="module")
def shared_pbx() -> Iterator[PbxSimulator]:
    with PbxSimulator(PASSWORD) as pbx:
        yield pbx


@pytest.fixture
def pbx(shared_pbx: PbxSimulator) -> PbxSimulator:
    shared_pbx.reset()
    return shared_pbx


def ask(pbx: PbxSimulator, path: str, data: bytes | None = None) -> tuple[str, Any]:
    """The body of an answer, and its headers."""
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=ssl.create_default_context(cafile=pbx.ca_path)))
    with opener.open(Request(pbx.url + path, data), timeout=10) as answer:
        return answer.read().decode(), answer.headers


def login(pbx: PbxSimulator, password: str) -> str:
    return ask(pbx, "/cgi/web", urlencode({"action": "login", "username": "admin", "password": md5(password)}).encode())[0]


def api(pbx: PbxSimulator, name: str, body: str = "{}", version: str = "v2.0.0") -> str:
    return ask(pbx, f"/api/{version}/{name}", body.encode())[0]


def test_result_codes_of_a_login(pbx: PbxSimulator) -> None:
    assert "<result>1</result>" in login(pbx, PASSWORD)
    assert "<result>-1</result>" in login(pbx, "wrong")


@pytest.mark.parametrize("after", [3, 5])
def test_an_address_is_locked_out_for_ten_minutes(pbx: PbxSimulator, after: int) -> None:
    pbx.set(lock_after=after)
    results = [login(pbx, "wrong") for _each in range(after)]
    assert ["-2" in result for result in results] == [False] * (after - 1) + [True]
    assert "-2" in login(pbx, PASSWORD)
    pbx.advance(601)
    assert "<result>1</result>" in login(pbx, PASSWORD)


def test_the_api_is_off_and_absent_on_the_s20(pbx: PbxSimulator) -> None:
    with pytest.raises(OSError, match="404"):
        api(pbx, "login")
    pbx.set(api_enabled=True, model="S20")
    with pytest.raises(OSError, match="404"):
        api(pbx, "login")


@pytest.mark.parametrize("version", ["v1.1.0", "v2.0.0"])
def test_the_api_answers_200_for_errors_and_has_an_account_of_its_own(pbx: PbxSimulator, version: str) -> None:
    pbx.set(api_enabled=True)
    good = f'{{"username": "{API_USER}", "password": "{md5(API_PASSWORD)}"}}'
    assert '"20003"' in api(pbx, "login", f'{{"username": "admin", "password": "{md5(PASSWORD)}"}}', version)
    token = api(pbx, "login", good, version).partition('"token":"')[2][:32]
    assert "30.15.0.40" in api(pbx, f"deviceinfo/query?token={token}", version=version)
    pbx.advance(1801)
    assert '"20006"' in api(pbx, f"deviceinfo/query?token={token}", version=version)
    assert '"20004"' in api(pbx, "heartbeat?token=none", version=version)
    for _each in range(5):
        api(pbx, "login", '{"username": "admin"}', version)
    assert '"20002"' in api(pbx, "login", good, version)


def test_a_malformed_header_is_sent_when_asked_for(pbx: PbxSimulator) -> None:
    pbx.set(malformed_header=True)
    assert "<Content-Type" in str(ask(pbx, "/login.html")[1])


@pytest.mark.parametrize(
    ("password", "weak", "refused"),
    [("Depot-Seven-47", False, False), ("Short-47", True, False), ("Digits-4567-x", True, False), ("No&Good-47-xx", False, True)],
)
def test_the_rules(password: str, weak: bool, refused: bool) -> None:
    assert (is_weak(password), is_refused(password, weak_allowed=True)) == (weak, refused)


def test_the_readme_has_the_switches() -> None:
    readme = (Path(__file__).parents[2] / "simulators" / "README.md").read_text(encoding="utf-8").splitlines()
    assert all(line in readme for line in describe())
