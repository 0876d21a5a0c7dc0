# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The simulator agrees with the vendor's description of the API, where that file is at hand; without it, only that it answers."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from simulators.rms import RmsSimulator
from simulators.rms.description import Description

GOOD = "Vexing-42-Harbour"


@pytest.fixture(scope="module")
def description() -> Description | None:
    return Description.find()


@pytest.fixture(scope="module")
def traffic() -> Iterator[list[dict[str, Any]]]:
    """One of every exchange, good and bad."""
    with RmsSimulator(routers=30, fate_mix="offline=0.1,error=0.1,no_credit=0.1", log_bodies=True) as simulator:
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {simulator.token}"
        routers = simulator.truth()
        identifiers = [router["id"] for router in routers.values()]
        passwords = "/devices/passwords"

        def ask(method: str, path: str, **more: Any) -> requests.Response:
            return session.request(method, simulator.url + path, timeout=10, **more)

        def set_password(password: str, *chosen: int) -> dict[str, Any]:
            return {"data": [{"id": each, "password": password, "password_confirmation": password} for each in chosen]}

        ask("GET", "/devices", params={"limit": 100, "offset": 0, "status": "offline", "fields_only": "false"})
        ask("GET", "/devices", params={"limit": 100, "id": "70001,70002", "sort": "-id"})
        ask("GET", f"/devices/{identifiers[0]}")
        ask("POST", f"{passwords}/set", json=set_password(GOOD, *identifiers))
        ask("POST", f"{passwords}/set", json=set_password("no-upper-case", identifiers[0]))
        ask("POST", f"{passwords}/generate", json={"data": [{"id": each, "length": 20, "use_special": 1} for each in identifiers]})
        task = ask("GET", f"{passwords}/generated/tasks", params={"limit": 10, "offset": 0}).json()["data"][0]["id"]
        ask("GET", f"/tasks/{task}/devices")
        ask("GET", f"/tasks/{task}/download/passwords")
        ask("GET", f"/tasks/{task}/download/passwords")
        ask("GET", f"{passwords}/generated/tasks")
        serials = list(routers)
        for rows in (f"{serials[0]},{GOOD}1", f"{serials[0]},{GOOD}2\n0000000000,{GOOD}", f"{serials[0]},{GOOD}\n" * 2, ""):
            ask("POST", f"{passwords}/upload", files={"file": ("passwords.csv", rows)}, data={"show_password": "false"})
        for path in (f"/devices/{identifiers[0]}/logs", "/devices/logs", "/tags", "/companies"):
            ask("GET", path)
        session.headers["Authorization"] = "Bearer wrong"
        ask("GET", "/devices")
        simulator.set(scopes=[])
        session.headers["Authorization"] = f"Bearer {simulator.token}"
        ask("GET", "/devices")
        yield simulator.log()


def test_every_kind_of_answer_was_provoked(traffic: list[dict[str, Any]]) -> None:
    assert {entry["status"] for entry in traffic} == {200, 201, 207, 400, 401, 403, 409, 422}


def test_requests_and_answers_agree_with_the_description(description: Description | None, traffic: list[dict[str, Any]]) -> None:
    assert (description.problems(traffic) if description else []) == []


@pytest.mark.parametrize(
    "spoil",
    [
        {"path": "/api/device_passwords/1"},
        {"query": {"serial": "1100000007"}},
        {"query": {"limit": "many"}},
        {"body": json.dumps({"data": [{"id": "70001", "password": GOOD, "password_confirmation": GOOD}]})},
        {"body": json.dumps({"data": [{"id": 70001, "password": "short", "password_confirmation": "short"}]})},
        {"body": json.dumps({"data": [{"id": 70001, "password": GOOD, "passwordConfirmation": GOOD}]})},
        {"answer": json.dumps({"success": True, "meta": {"channel": 7}})},
        {"answer_type": "text/html"},
        {"status": 418},
    ],
)
def test_a_contradiction_is_found_and_told_without_the_password(
    description: Description | None, traffic: list[dict[str, Any]], spoil: dict[str, Any]
) -> None:
    entry = copy.deepcopy(next(entry for entry in traffic if entry["path"].endswith("/passwords/set")))
    problems = description.problems([{**entry, **spoil}]) if description else ["no description at hand"]
    assert problems
    assert GOOD not in " ".join(problems)
