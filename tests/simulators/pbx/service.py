# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The PBX itself: pages, what they ask for, and the documented API. Knows no HTTP library; C(..kit.server) brings the requests.

The addresses and the names of parameters are assumed: no real one is public. What is behind them is the fact sheet's.
"""

from __future__ import annotations

import dataclasses
import html
import ipaddress
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from ..kit.clock import Clock
from ..kit.server import Answer, Call
from ..kit.switches import SwitchError
from . import api
from .framework import SCRIPT, STYLE, framework
from .mail import NotSent, send_link, try_pop3, try_smtp
from .model import DEFAULT_PASSWORD, FORBIDDEN_IN_EMAIL, EmailSettings, Lock, Memory, Session, User, is_refused, is_weak, md5
from .switches import MODELS, NOISE, Switches
from .texts import table, text

WEB = Path(__file__).resolve().parent / "web"
COOKIE = "session"
RESET_CODE = "7Q4X"

# The last firmware with the old Apply control (facts: Yeastar 3.2).
_LAST_WITH_LINK = (30, 11, 0, 25)

Form = Mapping[str, str]


def _page(title: str, scripts: tuple[str, ...]) -> Answer:
    lines = "".join(f'<script src="/{script}"></script>' for script in scripts)
    content = (
        f'<!DOCTYPE html><html><head><meta charset="utf-8"><title>{title}</title><link rel="stylesheet" href="/{STYLE}"></head>'
        f"<body>{lines}</body></html>"
    )
    return Answer(200, content.encode(), "text/html")


class Pbx:
    """One PBX and everybody who asks it. C(root): the URL that its links name, known once it listens."""

    def __init__(self, switches: Switches, clock: Clock, password: str, email: str) -> None:
        self.switches = switches
        self.clock = clock
        self.root = ""
        self._first = (password, email)
        self.memory = Memory({"admin": User("admin", password, email)})
        self._framework = framework()
        self._check_switches()
        self._actions: dict[str, Callable[[Call, Form], Any]] = {
            "login": self._login,
            "findpass": self._find_password,
            "resetpass": self._reset_password,
        }
        self._actions_inside: dict[str, Callable[[Session, Form], Any]] = {
            "logout": self._logout,
            "mysettings": self._my_settings,
            "readmysettings": self._read_my_settings,
            "reademail": self._read_email,
            "saveemail": self._save_email,
            "testemail": self._test_email,
            "apply": self._apply,
            "readservice": self._read_service,
            "saveservice": self._save_service,
            "factoryresetopened": self._factory_reset_opened,
            "factoryreset": self._factory_reset,
        }

    # What the server asks of a simulator

    def handle(self, call: Call) -> Answer:
        answer = self._answer(call)
        if self.switches.malformed_header:
            answer.headers["<Content-Type"] = "text/html>"
        return answer

    def error_body(self, status: int) -> Any:
        return {"status": "Failed", "errno": str(status)}

    def busy_with(self, call: Call) -> Answer | None:
        return None

    def switches_changed(self, changes: Mapping[str, Any]) -> None:
        self._check_switches()

    def control(self, call: Call) -> Answer | None:
        if call.path == "reset" and call.method == "POST":
            # The object itself stays: the server looks at it.
            vars(self.switches).update(vars(Switches()))
            self.memory = Memory({"admin": User("admin", *self._first)})
            return Answer(200, {})
        if call.path == "truth":
            return Answer(200, self._truth())
        if call.path == "clock" and call.method == "POST":
            self.clock.advance(float(call.json()["advance"]))
            return Answer(200, {"now": self.clock.now()})
        if call.path == "locks" and call.method == "DELETE":
            self.memory.locks.clear()
            return Answer(200, {})
        if call.path == "users/admin" and call.method == "POST":
            return self._change_user(call.json())
        if call.path == "email" and call.method == "POST":
            self.memory.email = self.memory.saved = EmailSettings.read(call.json())
            return Answer(200, {})
        if call.path == "links" and call.method == "POST":
            return Answer(200, {"link": self._link(self.memory.new_link(call.json()["user"], self.clock.now()))})
        return None

    def _change_user(self, changes: Any) -> Answer:
        user = self.memory.users["admin"]
        if "password" in changes:
            user.take(changes["password"])
        if "email" in changes:
            user.email = changes["email"]
        return Answer(200, {})

    def _check_switches(self) -> None:
        wrong = sorted(set(self.switches.mail_noise) - set(NOISE))
        if wrong:
            raise SwitchError(f"mail_noise: no such noise: {', '.join(map(str, wrong))}")
        try:
            ipaddress.ip_network(self.switches.lan)
            [int(part) for part in self._firmware().split(".")]
        except ValueError as problem:
            raise SwitchError(str(problem)) from None

    def _truth(self) -> dict[str, Any]:
        memory = self.memory
        told = {name: dataclasses.asdict(user) for name, user in memory.users.items()}
        counts = {name: getattr(memory, name) for name in ("logins", "requests", "mails", "tests", "applied", "resets_opened", "resets")}
        return {
            "users": told,
            "email": dataclasses.asdict(memory.email),
            "saved": dataclasses.asdict(memory.saved),
            "sessions": len(memory.sessions),
            "links": [self._link(token) for token in memory.links],
            "wrong_logins": sum(not login["ok"] for login in memory.logins),
            **counts,
        }

    # Pages

    def _answer(self, call: Call) -> Answer:
        path = call.path
        if path == "/cgi/web":
            return self._act(call)
        if path in (f"/{SCRIPT}", f"/{STYLE}"):
            kind = "application/javascript" if path == f"/{SCRIPT}" else "text/css"
            return Answer(200, self._framework[path[1:]], kind, {"Cache-Control": "max-age=86400"})
        if path == "/config.js":
            return Answer(200, self._config(call).encode(), "application/javascript")
        if path.startswith("/web/") and path[5:] in ("md5.js", "common.js", "login.js", "desktop.js", "reset.js"):
            return Answer(200, (WEB / path[5:]).read_bytes(), "application/javascript")
        if path in ("/", "/login.html"):
            return _page("Login", (SCRIPT, "config.js", "web/md5.js", "web/common.js", "web/login.js"))
        if path == "/index.html":
            if self._session(call) is None:
                return Answer(302, b"", "text/html", {"Location": "/login.html"})
            return _page(MODELS[self.switches.model][0], (SCRIPT, "config.js", "web/md5.js", "web/common.js", "web/desktop.js"))
        if path == "/findpass.html":
            return self._reset_page(call)
        from_api = api.answer(call, self.memory, self.switches, self._device(), self.clock.now())
        return from_api or Answer(404, b"Not Found", "text/html")

    def _config(self, call: Call) -> str:
        switches, session = self.switches, self._session(call)
        user = self.memory.users[session.user] if session else None
        texts = table(switches.language)
        version = tuple(int(part) for part in self._firmware().split("."))
        told = {
            "model": switches.model,
            "name": MODELS[switches.model][0],
            "dialog": switches.dialog,
            "result": switches.login_result,
            "mySettings": switches.my_settings,
            "mySettingsOpens": switches.my_settings_opens and switches.model != "Cloud",
            "privacyBox": switches.privacy_box,
            "maxLength": switches.password_maxlength,
            "forced": bool(session and session.forced),
            "nagEmail": bool(user and not user.email),
            "nagPassword": bool(user and is_weak(user.password)),
            # 30 is the series that the change of the control is known of; in the others it is assumed to have come as early.
            "applyLink": version <= _LAST_WITH_LINK if version[0] == _LAST_WITH_LINK[0] else False,
            "whispersTo": switches.whispers_to,
            "texts": texts,
        }
        exposed = "var l = CONFIG.texts;" if switches.string_table else ""
        return f"var CONFIG = {json.dumps(told, ensure_ascii=False)};{exposed}"

    def _reset_page(self, call: Call) -> Answer:
        if self.switches.reset_redirect:
            return Answer(302, b"", "text/html", {"Location": self.switches.reset_redirect})
        lan = ipaddress.ip_network(self.switches.lan)
        if self.switches.lan_check == "enforced" and self.switches.model != "Cloud" and ipaddress.ip_address(call.peer) not in lan:
            return Answer(403, b"Forbidden", "text/html")
        if self.switches.reset_page == "extjs":
            return _page("Reset", (SCRIPT, "config.js", "web/md5.js", "web/common.js", "web/reset.js"))
        if call.method == "POST":
            return self._reset_form(call, self._said(self._reset(_form(call))))
        return self._reset_form(call, "")

    def _reset_form(self, call: Call, message: str) -> Answer:
        """The page as a plain form, with its messages in the page."""
        language, cap = self.switches.language, self.switches.password_maxlength
        token = html.escape(call.query.get("token", "") or _form(call).get("token", ""), quote=True)
        problem = self._link_problem(call.query.get("token", "")) if call.method == "GET" else ""
        message = message or (self._said(problem) if problem else "")
        new, retype, save = (text(key, language) for key in ("login.newpwd", "login.repeatnewpwd", "cp.common.save"))
        form = (
            f'<form method="post" action="/findpass.html"><input type="hidden" name="token" value="{token}">'
            f'<table><tr><td><label for="first">{new}:</label></td><td><input id="first" type="password" name="newpassword" '
            f'maxlength="{cap}"></td></tr><tr><td>{retype}:</td><td><input type="password" name="repeat" maxlength="{cap}"></td></tr>'
            f'</table><input type="submit" value="{save}"></form>'
        )
        strings = f"<script>var l = {json.dumps(table(language), ensure_ascii=False)};</script>" if self.switches.string_table else ""
        whisper = '<script src="/config.js"></script><script src="/web/common.js"></script>' if self.switches.whispers_to else ""
        shown = "" if message == self._said("done") or problem else form
        head = f'<!DOCTYPE html><html><head><meta charset="utf-8">{strings}{whisper}</head>'
        page = f"{head}<body><p>{html.escape(message)}</p>{shown}</body></html>"
        return Answer(200, page.encode(), "text/html")

    # What the pages ask for

    def _act(self, call: Call) -> Answer:
        form = _form(call)
        action = form.get("action", "")
        call.note["action"] = action
        if action in self._actions:
            done = self._actions[action](call, form)
            return done if isinstance(done, Answer) else Answer(200, done)
        session = self._session(call)
        if session is None or action not in self._actions_inside:
            return Answer(200, {"result": "timeout"})
        # Assumed: nothing else is answered before a forced change.
        if session.forced and action not in ("mysettings", "logout"):
            return Answer(200, {"result": "forced"})
        return Answer(200, self._actions_inside[action](session, form))

    def _result(self, number: int, **more: Any) -> Answer:
        if self.switches.login_result == "json":
            return Answer(200, {"result": number, **more})
        fields = "".join(f"<{name}>{html.escape(str(value))}</{name}>" for name, value in more.items())
        return Answer(200, f"<?xml version='1.0'?><response><result>{number}</result>{fields}</response>".encode(), "text/xml")

    def _session(self, call: Call) -> Session | None:
        pairs = (pair.strip().partition("=") for pair in call.headers.get("Cookie", "").split(";"))
        token = next((value for name, _equals, value in pairs if name == COOKIE), "")
        session = self.memory.sessions.get(token)
        if session is None or self.clock.now() - session.seen > self.switches.session_minutes * 60:
            return None
        session.seen = self.clock.now()
        return session

    def _locks(self, call: Call, name: str) -> list[Lock]:
        kinds = {"address": [("web", call.peer)], "account": [("user", name)], "both": [("web", call.peer), ("user", name)]}
        return [self.memory.lock(kind, of) for kind, of in kinds[self.switches.lock_of]]

    def _login(self, call: Call, form: Form) -> Answer:
        now, name = self.clock.now(), form.get("username", "")
        locks = self._locks(call, name)
        entry = {"at": now, "user": name, "ok": False, "locked": False}
        self.memory.logins.append(entry)
        for lock in locks:
            if self.switches.locks_until_blocked and lock.times >= self.switches.locks_until_blocked:
                entry["locked"] = True
                return self._result(-2, why="loginlocked" if self.switches.lock_of == "account" else "loginiplocked")
            if now < lock.until:
                entry["locked"] = True
                return self._result(-2, minutes=self.switches.lock_minutes)
        user = self.memory.users.get(name)
        if user is None or md5(user.password) != form.get("password"):
            for lock in locks:
                lock.fail(now, self.switches.lock_after, self.switches.lock_minutes)
            if any(now < lock.until for lock in locks):
                return self._result(-2, minutes=self.switches.lock_minutes)
            return self._result(-1)
        for lock in locks:
            lock.failures = 0
        entry["ok"] = True
        forced = is_weak(user.password) and not self.switches.allow_weak_password
        answer = self._result(1)
        token = self.memory.new_session(name, now, forced)
        answer.headers["Set-Cookie"] = f"{COOKIE}={token}; Path=/; HttpOnly"
        return answer

    def _find_password(self, call: Call, form: Form) -> Answer:
        now, name, address = self.clock.now(), form.get("username", ""), form.get("email", "")
        self.memory.requests.append({"at": now, "user": name})
        lock = self.memory.lock("forgot", call.peer)
        if now < lock.until:
            return self._result(-5)
        user = self.memory.users.get(name)
        problem = 0
        if user is None:
            problem = -2
        elif not user.email:
            problem = -1
        elif self.switches.dialog == "user_and_email" and address.lower() != user.email.lower():
            problem = -3
        if problem:
            lock.fail(now, self.switches.forgot_lock_after, self.switches.forgot_lock_minutes)
            return self._result(-3 if self.switches.forgot_errors == "generic" else problem)
        assert user is not None
        if self.switches.newest_link_only:
            self.memory.links = {token: link for token, link in self.memory.links.items() if link.user != name}
        link = self._link(self.memory.new_link(name, now))
        try:
            if self.switches.mail_copies or self.switches.mail_noise:
                send_link(self.memory.email, user.email, link, self._link("gone"), self.switches)
        except NotSent:
            return self._result(-9)
        self.memory.mails += 1
        return self._result(1)

    def _link(self, token: str) -> str:
        return f"{self.switches.link_origin or self.root}/findpass.html?token={token}"

    def _link_problem(self, token: str) -> str:
        link = self.memory.links.get(token)
        if link is None or (link.used and self.switches.single_use):
            return "unknown"
        return "expired" if self.clock.now() - link.made > self.switches.link_minutes * 60 else ""

    def _reset(self, form: Form) -> str:
        """What becomes of a new password: done, expired, unknown, differ, refused or failed."""
        token, password = form.get("token", ""), form.get("newpassword", "")
        problem = self._link_problem(token)
        if problem:
            return problem
        if self.switches.reset_result == "error":
            return "failed"
        if password != form.get("repeat"):
            return "differ"
        if self.switches.reset_rule and is_refused(password, self.switches.allow_weak_password):
            return "refused"
        link = self.memory.links[token]
        link.used = True
        self.memory.users[link.user].take(password)
        self.memory.sessions.clear()
        return "done"

    def _reset_password(self, call: Call, form: Form) -> dict[str, Any]:
        if form.get("check"):
            return {"result": self._link_problem(form.get("token", "")) or "valid"}
        return {"result": self._reset(form)}

    def _said(self, result: str) -> str:
        key = {
            "done": "cp.alert.modifypasssuccess",
            "expired": "cp.alert.invalidurl",
            "unknown": "cp.alert.modifypassfailed",
            "differ": "cp.alert.pwdunmatch",
            "refused": "cp.valid.invalidpwdconfig",
            "failed": "cp.alert.modifypasserror",
        }[result]
        return text(key, self.switches.language)

    # After a login

    def _logout(self, session: Session, form: Form) -> dict[str, Any]:
        self.memory.sessions = {token: other for token, other in self.memory.sessions.items() if other is not session}
        return {"result": "ok"}

    def _read_my_settings(self, session: Session, form: Form) -> dict[str, Any]:
        return {"result": "ok", "email": self.memory.users[session.user].email}

    def _my_settings(self, session: Session, form: Form) -> dict[str, Any]:
        user, new = self.memory.users[session.user], form.get("new", "")
        told = self.switches.change_answer
        if new or form.get("old"):
            problem = self._change_problem(user, form)
            if problem:
                return {"result": problem}
            if told != "says_done":
                user.take(new)
                if self.switches.session_ends_after_change:
                    self.memory.sessions.clear()
                session.forced = False
        elif self.switches.bind_needs_password and form.get("email", "") != user.email:
            return {"result": "cp.alert.oldpwdunmatch"}
        if "email" in form:
            user.email = form["email"]
        return {"result": "cp.alert.modifypasserror" if told == "says_failed" else "ok", "changed": bool(new)}

    def _change_problem(self, user: User, form: Form) -> str:
        new = form.get("new", "")
        if form.get("old") != user.password:
            return "cp.alert.oldpwdunmatch"
        if new != form.get("repeat"):
            return "cp.alert.pwdunmatch"
        if new == user.password:
            return "cp.alert.oldnewpwdsame"
        if new == DEFAULT_PASSWORD:
            return "cp.valid.newpwddefault"
        if self.switches.rule_of_change and is_refused(new, self.switches.allow_weak_password):
            return "cp.valid.invalidpwdconfig"
        return ""

    def _read_email(self, session: Session, form: Form) -> dict[str, Any]:
        return {"result": "ok", "email": dataclasses.asdict(self.memory.saved)}

    def _typed(self, form: Form) -> EmailSettings:
        """What the form says; a password left as it was is the saved one."""
        given = EmailSettings.read(dict(form))
        return given if given.password else dataclasses.replace(given, password=self.memory.saved.password)

    def _save_email(self, session: Session, form: Form) -> dict[str, Any]:
        if FORBIDDEN_IN_EMAIL & set(form.get("password", "")):
            return {"result": "cp.valid.invalidemailpwd"}
        self.memory.saved = self._typed(form)
        if not self.switches.save_needs_apply:
            self.memory.email = self.memory.saved
        return {"result": "ok"}

    def _test_email(self, session: Session, form: Form) -> dict[str, Any]:
        self.memory.tests += 1
        settings = self._typed(form) if self.switches.test_uses == "typed" else self.memory.email
        said = {"ok": "testsuccess", "smtp": "ssmtpfailed", "pop3": "pop3failed", "fail": "testfail"}
        result = self.switches.test_result
        if result == "real":
            result = "smtp" if not try_smtp(settings) else "ok" if try_pop3(settings) else "pop3"
        return {"result": f"cp.alert.{said[result]}"}

    def _apply(self, session: Session, form: Form) -> dict[str, Any]:
        self.memory.applied += 1
        self.memory.email = self.memory.saved
        return {"result": "ok"}

    def _read_service(self, session: Session, form: Form) -> dict[str, Any]:
        return {"result": "ok", "weak": self.switches.allow_weak_password}

    def _save_service(self, session: Session, form: Form) -> dict[str, Any]:
        self.switches.allow_weak_password = form.get("weak") == "true"
        return {"result": "ok"}

    def _factory_reset_opened(self, session: Session, form: Form) -> dict[str, Any]:
        self.memory.resets_opened += 1
        return {"result": "ok", "code": RESET_CODE}

    def _factory_reset(self, session: Session, form: Form) -> dict[str, Any]:
        if form.get("code") != RESET_CODE:
            return {"result": "wrong"}
        resets = self.memory.resets + 1
        self.memory = Memory({"admin": User("admin", DEFAULT_PASSWORD)}, resets=resets)
        return {"result": "ok"}

    def _firmware(self) -> str:
        return self.switches.firmware or MODELS[self.switches.model][1]

    def _device(self) -> dict[str, str]:
        return {"devicename": MODELS[self.switches.model][0], "firmwarever": self._firmware(), "sn": "3631A2213456"}


def _form(call: Call) -> dict[str, str]:
    """An URL-encoded body."""
    fields = parse_qs(call.raw.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[-1] for name, values in fields.items()}
