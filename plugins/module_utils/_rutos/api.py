# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A router's own HTTP API (RutOS 7.x; facts: Teltonika part 2).

An error of it can echo the refused password in C(value) (observed): that member is never read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from ansible_collections.keyturn.devices.plugins.module_utils._addresses import Address
from ansible_collections.keyturn.devices.plugins.module_utils._http import BearerToken, HttpClient, HttpFault, Reply
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.floors import floor_for
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.rules import read_rule
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.visit import Identity, RouterFault, Rule, Unclear

# A router lets one login wait up to 15 s for another (observed). It is waited for past the deadline too: only its answer tells which
# session is to be ended.
LOGIN_PATIENCE = 20.0
# What the end of a session may take, even past the deadline: one left open keeps memory on the router (observed).
LOGOUT_PATIENCE = 10.0

# Seconds for which a connection is taken to be open after an answer on it. A server that closes idle ones waits longer. Should one close
# it at that very moment all the same, the answer to a change is lost, and the login that follows tells which password is in force.
STILL_OPEN = 2.0

# What a change has to know, in one request where the router answers several at once (observed).
_BEFORE_A_CHANGE = ("/system/device/status", "/password_policy/config", "/users/config")

# Codes of the error envelope (observed).
_SYSTEM_FAILURES = (4, 115, 999)
_NO_RIGHTS = (5, 120)
_NO_SESSION = (121, 123)
_MUST_CHANGE_FIRST = (124, 125)
_WRONG_CURRENT_OR_SAME = 1
_SAME = 6
_INVALID = 103
_TOO_BIG = 150


@dataclass(frozen=True)
class ApiError:
    """One element of C(errors), without the value it complains about."""

    code: int | None
    text: str
    source: str


@dataclass(frozen=True)
class Answer:
    """A reply read as an envelope. C(success) is None when it is none; C(data) may hold anything."""

    status: int
    success: bool | None
    data: Any = field(repr=False)
    errors: tuple[ApiError, ...] = ()

    def has(self, codes: tuple[int, ...]) -> bool:
        """Whether the first error is one of these."""
        return bool(self.errors) and self.errors[0].code in codes


def read_answer(reply: Reply) -> Answer:
    """Tolerates every shape; numbers may have become strings."""
    try:
        content = reply.json()
    except ValueError:
        content = None
    if not isinstance(content, Mapping):
        return Answer(reply.status, None, None)
    errors = content.get("errors")
    found = [
        ApiError(_number(error.get("code")), str(error.get("error") or ""), str(error.get("source") or ""))
        for error in (errors if isinstance(errors, list) else [])
        if isinstance(error, Mapping)
    ]
    success = content.get("success")
    return Answer(reply.status, success if isinstance(success, bool) else None, content.get("data"), tuple(found))


def _number(value: object) -> int | None:
    text = str(value).strip()
    return int(text) if text.isdecimal() else None


class RouterApi:
    """One router. Implements Way.

    C(http): for this router alone, with C(token) as its authentication. C(deadline): a moment of C(clock). C(may_change): asked right
    before a change is sent.
    """

    def __init__(
        self,
        address: Address,
        username: str,
        redactor: Redactor,
        http: HttpClient,
        token: BearerToken,
        deadline: float,
        clock: Callable[[], float] = time.monotonic,
        may_change: Callable[[], bool] = lambda: True,
    ) -> None:
        self._address = address
        self._base = address.url
        self._username = username
        self._redactor = redactor
        self._http = http
        self._http.deadline = deadline
        self._token = token
        self._deadline = deadline
        self._clock = clock
        self._may_change = may_change
        self._tokens: list[str] = []
        self._read_ahead: dict[str, Answer] = {}
        self._last_answer = float("-inf")
        self.has_sent_login = False
        self.has_sent_change = False
        self._is_settled = address.scheme == "https"

    @property
    def request_count(self) -> int:
        """HTTP requests that went out."""
        return self._http.request_count

    @property
    def sent_late(self) -> bool:
        """Whether a change left although nothing should have been changed any more."""
        return self._http.sent_late

    @property
    def remaining(self) -> float:
        """Seconds until the deadline."""
        return self._deadline - self._clock()

    def log_in(self, password: str) -> bool:
        """POST /api/login. Says nothing secret before it knows whether plain HTTP redirects to HTTPS."""
        self._upgrade()
        self._token.token = ""
        self.has_sent_login = True
        body = {"username": self._username, "password": password}
        answer = self._send("POST", "/login", body, patience=LOGIN_PATIENCE)
        token = answer.data.get("token") if isinstance(answer.data, Mapping) else None
        if answer.status == 200 and isinstance(token, str) and token and token.isprintable():
            self._redactor.add(token)
            self._tokens.append(token)
            self._token.token = token
            return True
        text = self._words(answer)
        if answer.status == 401 and answer.success is not None:
            if "login failed" in text.lower():
                raise RouterFault("locked_out", f"the router has locked this address out after too many wrong logins (HTTP 401{text})")
            return False
        if answer.status == 404:
            raise RouterFault("no_api", f"the router does not offer its HTTP API here (HTTP 404{text})")
        lost = answer.status < 300 or answer.status >= 500
        raise RouterFault("protocol", f"the login got an answer that cannot be used (HTTP {answer.status}{text})", lost)

    def _upgrade(self) -> None:
        """A router that redirects to HTTPS (documented) is asked there from now on; a redirect to another host is not followed."""
        if self._is_settled:
            return
        reply = self._http_read("/unauthorized/status")
        if reply.status in (301, 302, 303, 307, 308):
            try:
                parts = urlsplit(reply.headers.get("Location", ""))
                target = Address(parts.scheme, parts.hostname or "", parts.port or 443)
            except ValueError:
                target = Address("", "", 0)
            if target.scheme != "https" or target.host != self._address.host.lower():
                raise RouterFault("protocol", "the router redirects to another place, which is not followed")
            self._base = target.url
        self._is_settled = True

    def prepare_change(self) -> None:
        """POST /api/bulk. Whatever does not come of it is asked for when its turn comes."""
        self._read_ahead.clear()
        entries = [{"endpoint": f"/api{path}", "method": "GET"} for path in _BEFORE_A_CHANGE]
        try:
            answer = self._send("POST", "/bulk", {"data": entries}, fresh=False)
        except RouterFault as fault:
            if fault.reason == "timeout":
                raise
            return
        if answer.status != 207 or not isinstance(answer.data, list) or len(answer.data) != len(entries):
            return
        for path, content in zip(_BEFORE_A_CHANGE, answer.data, strict=True):
            # An element has no HTTP status of its own, so only what certainly succeeded is taken from here.
            if isinstance(content, Mapping) and content.get("success") is True:
                self._read_ahead[path] = Answer(200, True, content.get("data"))

    def identity(self) -> Identity:
        """GET /api/system/device/status. Fields differ by model and firmware (observed)."""
        answer = self._read("/system/device/status")
        if answer.status != 200 or not isinstance(answer.data, Mapping):
            raise self._refusal(answer, "the router does not tell who it is")
        made, static = (part if isinstance(part := answer.data.get(name), Mapping) else {} for name in ("mnfinfo", "static"))
        serial = made.get("serial")
        return Identity(
            serial=_text(serial),
            firmware=_text(static.get("fw_version")),
            name=_text(static.get("device_name") or static.get("hostname")),
            model=_text(static.get("model") or made.get("name")),
            mac=_text(made.get("mac")),
            serial_is_number=isinstance(serial, int),
        )

    def rule(self, identity: Identity) -> Rule:
        """GET /api/password_policy/config, there from 07.11 on (observed); else what is known of the firmware."""
        answer = self._read("/password_policy/config")
        # A router without this path and without a version that can be read is older than 07.11.
        firmware = identity.firmware or ("07.10" if answer.status == 404 else None)
        return read_rule(answer.data if answer.status == 200 else None, floor_for("rutos", firmware))

    def change(self, current: str, new: str) -> bool:
        """PUT /api/users/config/{id}, or the first-login call where the router lets nothing else through."""
        answer = self._read("/users/config")
        if not answer.has(_MUST_CHANGE_FIRST):
            answer = self._change_user(self._user_id(answer), current, new)
        if answer.status == 403 and answer.has(_MUST_CHANGE_FIRST):
            data = {"password": new, "password_confirm": new}
            answer = self._send_change("POST", "/system/actions/change_password_firstlogin", data)
        return self._judge(answer)

    def _user_id(self, answer: Answer) -> str:
        if answer.status != 200 or not isinstance(answer.data, list):
            raise self._refusal(answer, "the router does not list its users")
        for user in answer.data:
            if isinstance(user, Mapping) and user.get("username") == self._username and user.get("id"):
                return str(user["id"])
        raise RouterFault("not_found", "the router has no such user")

    def _change_user(self, identifier: str, current: str, new: str) -> Answer:
        data = {"current_password": current, "password": new, "password_confirm": new}
        return self._send_change("PUT", f"/users/config/{quote(identifier, safe='')}", data)

    def _send_change(self, method: str, path: str, data: Mapping[str, str]) -> Answer:
        self.has_sent_change = True
        self._http.may_change = self._may_change
        try:
            return self._send(method, path, {"data": data}, fresh=self._clock() - self._last_answer > STILL_OPEN)
        except RouterFault as fault:
            if fault.lost:
                raise Unclear(fault.reason, fault.message) from None
            raise
        finally:
            self._http.may_change = _always

    def _judge(self, answer: Answer) -> bool:
        """What the answer to a change means. Only the router's own refusal proves that it kept its password."""
        if answer.status == 200 and answer.success:
            return True
        text = self._words(answer)
        codes = {error.code for error in answer.errors}
        is_refusal = answer.success is False and answer.status < 500 and codes and not codes.intersection((None, *_SYSTEM_FAILURES))
        if answer.status == 413 or (is_refusal and _TOO_BIG in codes):
            raise RouterFault("protocol", f"the request is too big for the router (HTTP {answer.status}{text})")
        if not is_refusal:
            raise Unclear("protocol", f"the router gave an answer that cannot be used (HTTP {answer.status}{text})")
        if any(error.code == _SAME or (error.code == _WRONG_CURRENT_OR_SAME and _is_same(error)) for error in answer.errors):
            return False
        if any(error.code == _INVALID and error.source in ("password", "Validation", "") for error in answer.errors):
            raise RouterFault("rejected_by_policy", f"the router refused the password{text}")
        raise self._refusal(answer, "the router refused the change")

    def _refusal(self, answer: Answer, what: str) -> RouterFault:
        refused = answer.status in (401, 403) or answer.has((*_NO_RIGHTS, *_NO_SESSION, _WRONG_CURRENT_OR_SAME))
        return RouterFault("unauthorized" if refused else "protocol", f"{what} (HTTP {answer.status}{self._words(answer)})")

    def restore(self, current: str) -> None:
        """The API changes all or nothing: a root-group user's password is the Linux root's too (observed)."""

    def close(self) -> str:
        """POST /api/logout for every session, the newest first: an older one may have been ended by the change."""
        left = 0
        for token in reversed(self._tokens):
            self._token.token = token
            self._http.deadline = self._clock() + LOGOUT_PATIENCE
            left += not self._log_out()
        self._tokens.clear()
        self._http.close()
        return "a session could not be ended; the router ends it after some minutes without use" if left else ""

    def _log_out(self) -> bool:
        for fresh in (False, True):
            try:
                answer = self._send("POST", "/logout", None, fresh=fresh)
            except RouterFault:
                continue
            # 401: there is no such session any more.
            if answer.status in (200, 401):
                return True
        return False

    def _read(self, path: str) -> Answer:
        known = self._read_ahead.pop(path, None)
        return read_answer(self._http_read(path)) if known is None else known

    def _http_read(self, path: str) -> Reply:
        try:
            return self._answered(self._http.read(f"{self._base}/api{path}"))
        except HttpFault as fault:
            raise self._fault(fault, lost=False) from None

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None, patience: float = 0, fresh: bool = True) -> Answer:
        url = f"{self._base}/api{path}"
        try:
            return read_answer(self._answered(self._http.change(method, url, patience=patience, fresh=fresh, json=body)))
        except HttpFault as fault:
            raise self._fault(fault, lost=fault.sent) from None

    def _answered(self, reply: Reply) -> Reply:
        self._last_answer = self._clock()
        return reply

    def _fault(self, fault: HttpFault, lost: bool) -> RouterFault:
        reason = fault.reason
        if not fault.sent and reason in ("unreachable", "timeout") and self.remaining > 0:
            reason = "offline"
        return RouterFault(reason, fault.message, lost)

    def _words(self, answer: Answer) -> str:
        """What the router says in its errors, as the end of a clause; empty when it says nothing."""
        texts = [error.text for error in answer.errors[:3] if error.text]
        return f": {self._redactor.shown('; '.join(texts))}" if texts else ""


def _always() -> bool:
    return True


def _is_same(error: ApiError) -> bool:
    """Code 1 is either of two things (observed): a wrong current password, or one that is the same as before."""
    return error.source != "current_password" and "current" not in error.text.lower()


def _text(value: object) -> str:
    return "" if value is None or isinstance(value, (bool, dict, list)) else str(value).strip()
