# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""WebStation's logon as public clients speak it (fact sheet, 4.1), the vendor's probes, and the control paths."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from ..kit.server import Answer, Call
from .model import ADMINISTRATOR, Refused, Server
from .switches import Switches

WRONG, EXPIRED, ALREADY, NO_LICENCE = 131073, 131077, 131094, 1048592
#: No public client knows a code for this.
UNKNOWN = 131099
WORDS = {
    WRONG: "Wrong domain, user name or password",
    EXPIRED: "The user account has expired",
    ALREADY: "The user is already logged on",
    NO_LICENCE: "No valid client license",
    UNKNOWN: "The logon was not possible",
}
PARAMETER = re.compile(r"([A-Z0-9]+)=([^,]*)")


class WebStation:
    """Implements the kit's Simulator."""

    def __init__(self, server: Server, generator: random.Random) -> None:
        self.server = server
        self._generator = generator
        self._pages: set[str] = set()
        self._cookies: set[str] = set()
        self._nonces: set[str] = set()
        self._settled: set[str] = set()
        self._key: rsa.RSAPrivateKey | None = None
        #: Token -> user and the moment of its last request.
        self.sessions: dict[str, tuple[str, float]] = {}
        self.logons: list[dict[str, Any]] = []

    @property
    def switches(self) -> Switches:
        return self.server.switches

    def switches_changed(self, changes: Mapping[str, Any]) -> None:
        """Nothing keeps a copy of a switch."""

    def error_body(self, status: int) -> Any:
        return {"ERROR": "", "ErrMsg": f"HTTP {status}", "ErrorCode": "", "Status": "false"}

    def busy_with(self, call: Call) -> Answer | None:
        return None

    def handle(self, call: Call) -> Answer:
        if self.switches.reads_marker_while_running:
            self.server.look_for_marker()
        self._end_idle()
        if call.method == "GET":
            return self._read(call)
        if call.method != "POST":
            return Answer(405, {})
        if call.path == "/json/POST":
            return self._command(call)
        if call.path == "/webstation/vp/Logoff" and self.switches.logoff:
            ended = self.sessions.pop(call.headers.get("X-CSRF-Token", ""), None)
            return Answer(200, {"Status": "true"}) if ended else Answer(200, {"ERROR_LOGGED_OUT": "true"})
        if call.headers.get("X-CSRF-Token", "") not in self._pages:
            return Answer(403, {})
        if self.switches.cookies and not any(cookie in call.headers.get("Cookie", "") for cookie in self._cookies):
            return Answer(403, {})
        if call.path == "/vp/Challenge":
            nonce = self._word(24)
            self._nonces.add(nonce)
            return Answer(200, {"challenge": nonce})
        if call.path == "/webstation/LoginSettings":
            self._settled.add(call.headers["X-CSRF-Token"])
            return Answer(200, {"LoginSettings": {"publicKey": self._public_key()}})
        if call.path == "/webstation/vp/Login":
            return self._log_on(call)
        return Answer(404, {})

    # Reading

    def _read(self, call: Call) -> Answer:
        page = self.switches.login_page
        if (call.path == "/login.html" and page != "root") or (call.path == "/" and page != "login.html"):
            token = ":01000000" + self._generator.randbytes(16).hex()
            self._pages.add(token)
            headers = {}
            if self.switches.cookies:
                cookie = f"bas-session={self._word(20)}"
                self._cookies.add(cookie)
                headers = {"Set-Cookie": f"{cookie}; Path=/"}
            text = (
                "<!DOCTYPE html><html><head><title>WebStation</title></head><body>"
                f'<input type="hidden" id="csrf" value="{token}">'
                '<input id="txtUserID"><input id="txtPassWord" type="password"><input id="txtDomainName"></body></html>'
            )
            return Answer(200, text.encode(), "text/html", headers)
        if call.path == "/prelogin-info":
            return Answer(self.switches.prelogin, {})
        if call.path == "/adminpassword/status" and self.switches.manager:
            return Answer(200, b"Expired" if self.server.state.expired else b"Active", "text/plain")
        return Answer(404, {})

    # Logging on

    def _public_key(self) -> dict[str, str]:
        if self._key is None:
            self._key = rsa.generate_private_key(65537, 2048)
        numbers = self._key.public_key().public_numbers()
        return {"kty": "RSA", "n": _base64url(numbers.n), "e": _base64url(numbers.e)}

    def _log_on(self, call: Call) -> Answer:
        scheme, _space, text = call.headers.get("Authorization", "").partition(" ")
        given = dict(PARAMETER.findall(text)) if scheme == "SxWDigest" else {}
        user, domain = unquote(given.get("UID", "")), unquote(given.get("DOM", ""))
        code = self._refusal(call, given, user, domain)
        call.note["logon"] = code or "good"
        self.logons.append({"user": user, "domain": domain, "code": code, "at": self.server.clock.now()})
        if code:
            shown: str | int = str(code) if self.switches.error_code_type == "text" else code
            return Answer(200, {"ERROR": "", "ErrMsg": WORDS[code], "ErrorCode": shown, "Status": "false"})
        token = self._word(16)
        self.sessions[token] = (user, self.server.clock.now())
        return Answer(200, {"token": token})

    def _refusal(self, call: Call, given: Mapping[str, str], user: str, domain: str) -> int:
        """The error code; 0 for none."""
        nonce = given.get("NV", "")
        if nonce not in self._nonces or domain not in ("", self.switches.domain):
            return WRONG
        self._nonces.discard(nonce)
        if self.switches.login_settings == "required" and call.headers["X-CSRF-Token"] not in self._settled:
            return WRONG

        def fits(password: str) -> bool:
            digest = hashlib.sha256(f"{user}{domain}{password}{self.switches.digest_path}{nonce}".encode()).hexdigest()
            return given.get("DIG") == digest and self._sent_fits(given, password)

        if self.switches.temporary_on_webstation == "unknown_code" and any(map(fits, self.server.issued.values())):
            return UNKNOWN
        password = self.server.state.password if fits(self.server.state.password) else ""
        try:
            self.server.check_password(user, password)
        except Refused:
            return WRONG
        if self.server.state.expired:
            return EXPIRED
        if self.switches.one_session_per_user and any(name == user for name, _at in self.sessions.values()):
            return ALREADY
        return 0 if len(self.sessions) < self.switches.licences else NO_LICENCE

    def _sent_fits(self, given: Mapping[str, str], password: str) -> bool:
        """Whether the password that was sent encrypted is that one; where none was sent, whether that is all right."""
        if not {"BB8", "C3PO", "R2D2"} <= set(given) or self._key is None:
            return self.switches.encrypted_password == "optional"
        try:
            oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
            key = self._key.decrypt(base64.b64decode(given["C3PO"]), oaep)
            unlock = Cipher(algorithms.AES(key), modes.CBC(base64.b64decode(given["R2D2"]))).decryptor()
            padded = unlock.update(base64.b64decode(given["BB8"])) + unlock.finalize()
            return base64.b64decode(padded[: -padded[-1]]).decode() == password
        except ValueError:
            return False

    # Sessions

    def _end_idle(self) -> None:
        oldest = self.server.clock.now() - self.switches.session_seconds
        self.sessions = {token: session for token, session in self.sessions.items() if session[1] > oldest}

    def _command(self, call: Call) -> Answer:
        token = call.headers.get("X-CSRF-Token", "")
        if token not in self.sessions:
            return Answer(200, {"ERROR_LOGGED_OUT": "true"})
        user = self.sessions[token][0]
        self.sessions[token] = (user, self.server.clock.now())
        try:
            command = call.json()["command"]
        except (ValueError, KeyError, TypeError):
            return Answer(200, {"ERROR": "no command", "Status": "false"})
        if command == "WebEntry":
            return Answer(200, {"User": {"name": user, "domain": self.switches.domain}})
        return Answer(200, {"ERROR": "unknown command", "Status": "false"})

    def _word(self, length: int) -> str:
        return "".join(self._generator.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=length))

    # What a test, or a person who plays all the people in it, does

    def control(self, call: Call) -> Answer | None:
        try:
            body = json.loads(call.raw) if call.raw else {}
            answer = self._play(call.path, call.method, body)
        except Refused as refusal:
            return Answer(200, {"refused": str(refusal)})
        except (ValueError, KeyError, TypeError) as problem:
            return Answer(400, {"error": f"{type(problem).__name__}: {problem}"})
        return None if answer is None else Answer(200, answer)

    def _play(self, path: str, method: str, body: dict[str, Any]) -> Any:
        server = self.server
        if path == "truth":
            return {**server.truth(), "sessions": len(self.sessions), "logons": self.logons}
        if path == "clock":
            server.clock.advance(float(body.get("advance", 0)))
            return {"now": server.clock.now()}
        if method != "POST":
            return None
        if path == "arm":
            server.arm(body.pop("channel"), body)
            return {"armed_at": server.state.armed_at}
        if path == "support":
            return {"temporary_password": server.issue(body["session_id"])}
        if path == "workstation/open":
            return {"session_id": server.open_workstation()}
        if path == "workstation/close":
            server.close_workstation(body["session_id"])
            return {}
        if path == "workstation/logon":
            username = body.get("username", ADMINISTRATOR)
            return {"result": server.log_on_at_workstation(body["session_id"], username, body["password"])}
        if path == "workstation/change":
            server.change_at_workstation(body["session_id"], body["old"], body["new"], body.get("confirm", body["new"]))
            return {}
        if path == "server":
            return self._change_server(body)
        return None

    def _change_server(self, body: Mapping[str, Any]) -> Any:
        """Something happens beside the vendor's ways: C(password), C(expired), C(end_sessions)."""
        if "password" in body:
            self.server.set_password(body["password"])
        if "expired" in body:
            self.server.state.expired = bool(body["expired"])
        if body.get("end_sessions"):
            self.sessions.clear()
        self.server.save()
        return self.server.truth()


def _base64url(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8, "big")).decode().rstrip("=")
