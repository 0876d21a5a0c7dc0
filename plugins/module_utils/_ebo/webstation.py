# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One logon to WebStation, which proves a password.

The vendor publishes nothing of it. All of it is observed in public clients of other people (seen on 6.0.4.90), so what does not fit ends
as C(protocol), never as a proof. No request that ends a session is known: a session, and the client licence it takes, stay until the
server ends them.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import quote

from ansible_collections.keyturn.devices.plugins.module_utils._http import BearerToken, HttpClient, HttpFault, Reply
from ansible_collections.keyturn.devices.plugins.module_utils._outcomes import Outcome
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor

try:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
except ImportError:
    HAS_CRYPTOGRAPHY = False
else:
    HAS_CRYPTOGRAPHY = True

#: The codes that are observed -> how a logon ended, and what to say of it.
CODES: Mapping[str, Outcome] = {
    "131073": Outcome("refused", "unauthorized", "The server says that the domain, the user name or the password is wrong."),
    "131077": Outcome("failed", "expired", "The server says that the user account has expired."),
    "131094": Outcome(
        "failed", "already_logged_on", "The server says that the user is logged on already; log off there, or wait, and run again."
    ),
    "1048592": Outcome("failed", "no_licence", "No client licence is free on the server, so nobody can log on. Run again when one is."),
}

_LOGIN = "/webstation/vp/Login"
_BLOCK = 16
_INPUT = re.compile(r"<input\b[^>]*>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"([a-z-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", re.IGNORECASE)


@dataclass
class _Headers(BearerToken):
    """What every request of the logon carries: the token of the page, its cookies, for the logon itself who asks."""

    csrf: str = field(default="", repr=False)
    cookies: str = field(default="", repr=False)
    authorization: str = field(default="", repr=False)

    @property
    def headers(self) -> dict[str, str]:
        named = {"X-CSRF-Token": self.csrf, "Cookie": self.cookies, "Authorization": self.authorization}
        return {name: value for name, value in named.items() if value}


@dataclass(frozen=True)
class Logon:
    """How the one try ended. C(session_left): the server holds a session, and one of its client licences, that nobody can end."""

    outcome: Outcome
    session_left: bool = False
    requests: int = 0


class _Unreadable(Exception):
    """The server answers in another way than any that is known."""


class WebStation:
    """C(url): the root, without a slash at its end. C(connection): what HttpClient takes."""

    def __init__(self, url: str, connection: Mapping[str, Any], redactor: Redactor) -> None:
        self._url = url
        self._redactor = redactor
        self._headers = _Headers()
        self._client = HttpClient(auth=self._headers, **connection)

    def log_on(self, username: str, password: str, domain: str) -> Logon:
        """One try, never a second one. A fault before the logon itself is C(failed), after it C(unknown)."""
        asked = False
        try:
            self._open_page()
            challenge = self._challenge()
            encrypted = self._encrypted(password)
            digest = hashlib.sha256(f"{username}{domain}{password}{_LOGIN}{challenge}".encode()).hexdigest()
            self._headers.authorization = (
                f"SxWDigest UID={quote(username, safe='')},DOM={quote(domain, safe='')},NV={challenge},DIG={digest}{encrypted}"
            )
            self._redactor.add(digest)
            asked = True
            outcome = self._understood(self._client.change("POST", f"{self._url}{_LOGIN}"))
        except HttpFault as fault:
            unknown = asked and fault.sent
            outcome = Outcome("unknown" if unknown else "failed", fault.reason, f"WebStation: {self._redactor.shown(fault.message)}.")
        except _Unreadable as problem:
            outcome = Outcome("unknown" if asked else "failed", "protocol", f"WebStation: {problem}.")
        finally:
            self._client.close()
        return Logon(outcome, outcome.status == "proven" or (asked and outcome.status == "unknown"), self._client.request_count)

    def _open_page(self) -> None:
        for path in ("/login.html", "/"):
            reply = self._client.read(f"{self._url}{path}")
            token = _csrf(reply) if reply.status == 200 else ""
            if token:
                self._headers.csrf = token
                self._headers.cookies = _cookies(reply)
                self._redactor.add(token)
                return
        raise _Unreadable("no page with a logon was found there; is WebStation switched on, and is this its URL?")

    def _challenge(self) -> str:
        challenge = _text(self._answer("/vp/Challenge"), "challenge")
        if not re.fullmatch(r"[\x21-\x2b\x2d-\x7e]+", challenge):
            raise _Unreadable("the server sent no challenge that could be answered")
        return challenge

    def _encrypted(self, password: str) -> str:
        """One client sends the password encrypted as well, over HTTPS; another does not. Empty where the server gives no key for it."""
        if not (HAS_CRYPTOGRAPHY and self._url.startswith("https://")):
            return ""
        with suppress(_Unreadable, ValueError, TypeError, AttributeError):
            answer = self._answer("/webstation/LoginSettings")
            settings = answer.get("LoginSettings", answer)
            key = settings.get("publicKey") or settings["PublicKey"]
            return _three_parameters(password, _number(key["e"]), _number(key["n"]))
        return ""

    def _answer(self, path: str) -> Mapping[str, Any]:
        reply = self._client.change("POST", f"{self._url}{path}", fresh=False)
        answer = _mapping(reply)
        if reply.status != 200 or answer is None:
            raise _Unreadable(f"{path} was answered with HTTP status {reply.status}, in a way that is not known")
        return answer

    def _understood(self, reply: Reply) -> Outcome:
        answer = _mapping(reply)
        if reply.status != 200 or answer is None:
            raise _Unreadable(f"the logon was answered with HTTP status {reply.status}, in a way that is not known")
        code = _text(answer, "ErrorCode")
        token = _text(answer, "token")
        self._redactor.add(token)
        if _text(answer, "Status").lower() == "false" or code not in ("", "0"):
            known = CODES.get(code)
            if known is None:
                raise _Unreadable(
                    f"the logon was answered with the error code {self._redactor.shown(code or 'none', 40)}, which nobody knows"
                )
            return known
        if not token:
            raise _Unreadable("the logon was answered without a token and without an error")
        return Outcome("proven")


def _mapping(reply: Reply) -> Mapping[str, Any] | None:
    with suppress(ValueError):
        answer = reply.json()
        return answer if isinstance(answer, Mapping) else None
    return None


def _text(answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name)
    return str(value) if isinstance(value, (str, int)) else ""


def _csrf(reply: Reply) -> str:
    """The value of the input with the id C(csrf); empty where the page has none that a header can hold."""
    for tag in _INPUT.findall(reply.body.decode("utf-8", "replace")):
        attributes = {name.lower(): double or single for name, double, single in _ATTRIBUTE.findall(tag)}
        if attributes.get("id") == "csrf":
            value = unescape(attributes.get("value", ""))
            return value if re.fullmatch(r"[\x21-\x7e]+", value) else ""
    return ""


def _cookies(reply: Reply) -> str:
    headers: Any = reply.headers
    lines = headers.getlist("Set-Cookie") if hasattr(headers, "getlist") else []
    return "; ".join(line.partition(";")[0].strip() for line in lines)


def _number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")


def _three_parameters(password: str, exponent: int, modulus: int) -> str:
    """The password under a key of its own, that key under the server's, and where the cipher begins. ValueError for no key."""
    content = base64.b64encode(password.encode())
    short = _BLOCK - len(content) % _BLOCK
    key, start = os.urandom(_BLOCK), os.urandom(_BLOCK)
    cipher = Cipher(algorithms.AES(key), modes.CBC(start)).encryptor()
    sealed = cipher.update(content + bytes([short] * short)) + cipher.finalize()
    # SHA-1 is the server's choice.
    oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
    wrapped = rsa.RSAPublicNumbers(exponent, modulus).public_key().encrypt(key, oaep)
    parts = {"BB8": sealed, "C3PO": wrapped, "R2D2": start}
    return "".join(f",{name}={base64.b64encode(part).decode('ascii')}" for name, part in parts.items())
