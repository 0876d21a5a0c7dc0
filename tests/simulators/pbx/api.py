# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The documented API (facts: Yeastar 2): login, heartbeat, logout and deviceinfo. Nothing in it reaches the administrator's password."""

from __future__ import annotations

import re
import secrets
from typing import Any

from ..kit.server import Answer, Call
from .model import Memory, md5
from .switches import Switches

API_USER, API_PASSWORD = "api", "Api-Password-1"
PATH = re.compile(r"/api/(v1\.\d+\.\d+|v2\.0\.0)/(\S+?)/?\Z")
TOKEN_SECONDS, LOCK_AFTER, LOCK_MINUTES = 1800.0, 5, 10
SERVER = {"Server": "Boa/0.94.14rc21"}


def _failed(errno: int) -> Answer:
    """HTTP 200 for errors too, and a number that is a string."""
    return Answer(200, {"status": "Failed", "errno": str(errno)}, headers=SERVER)


def _good(**more: Any) -> Answer:
    return Answer(200, {"status": "Success", **more}, headers=SERVER)


def answer(call: Call, memory: Memory, switches: Switches, device: dict[str, str], now: float) -> Answer | None:
    """None where there is no API: on the S20, and where it is off."""
    match = PATH.match(call.path)
    if match is None or not switches.api_enabled or switches.model == "S20":
        return None
    name = match[2]
    if call.method != "POST":
        return _failed(20001)
    if name == "login":
        return _login(call, memory, now)
    expires = memory.tokens.get(call.query.get("token", ""))
    if expires is None:
        return _failed(20004)
    if now >= expires:
        return _failed(20006)
    memory.tokens[call.query["token"]] = now + TOKEN_SECONDS
    if name == "heartbeat":
        return _good()
    if name == "logout":
        del memory.tokens[call.query["token"]]
        return _good()
    if name == "deviceinfo/query":
        return _good(deviceinfo=device)
    return _failed(10003)


def _login(call: Call, memory: Memory, now: float) -> Answer:
    try:
        given = call.json()
    except ValueError:
        return _failed(20000)
    lock = memory.lock("api", call.peer)
    if now < lock.until:
        return _failed(20002)
    if not isinstance(given, dict) or given.get("username") != API_USER or given.get("password") != md5(API_PASSWORD):
        lock.fail(now, LOCK_AFTER, LOCK_MINUTES)
        return _failed(20003)
    token = secrets.token_hex(16)
    memory.tokens[token] = now + TOKEN_SECONDS
    return _good(token=token)
