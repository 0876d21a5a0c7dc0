# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a PBX remembers: its users, sessions, links, lock-outs and e-mail settings."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import secrets
from typing import Any

DEFAULT_PASSWORD = "password"

#: What the pages refuse in a password (facts: Yeastar 3.7).
FORBIDDEN = set(" ;&\"'\\<>`|")
FORBIDDEN_IN_EMAIL = set("&\"'\\<>`")


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def is_weak(password: str) -> bool:
    """Whether the strong rule refuses it: 10 characters, upper, lower, digit, no four digits in order (the length of a run is assumed)."""
    classes = all(re.search(pattern, password) for pattern in ("[A-Z]", "[a-z]", "[0-9]"))
    runs = [password[at : at + 4] for at in range(len(password) - 3)]
    return len(password) < 10 or not classes or any(run in "0123456789" or run in "9876543210" for run in runs if run.isdigit())


def is_refused(password: str, weak_allowed: bool) -> bool:
    """Whether the rule in force refuses it."""
    basic = len(password) >= 8 and all(re.search(pattern, password) for pattern in ("[A-Z]", "[a-z]", "[0-9]"))
    return bool(FORBIDDEN & set(password)) or len(password) > 63 or not basic or (not weak_allowed and is_weak(password))


@dataclasses.dataclass
class User:
    """One web user. C(history): every password it ever had, oldest first."""

    name: str
    password: str
    email: str = ""
    history: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        self.history.append(self.password)

    def take(self, password: str) -> None:
        self.password = password
        self.history.append(password)


@dataclasses.dataclass
class Session:
    user: str
    seen: float
    forced: bool = False


@dataclasses.dataclass
class Link:
    """One link of a Forget Password mail."""

    user: str
    made: float
    used: bool = False


@dataclasses.dataclass
class Lock:
    """Failed tries of one address or account."""

    failures: int = 0
    until: float = 0.0
    times: int = 0

    def fail(self, now: float, after: int, minutes: int) -> None:
        self.failures += 1
        if self.failures >= after:
            self.failures, self.until, self.times = 0, now + minutes * 60, self.times + 1


EMAIL_FIELDS = ("address", "password", "sender", "smtp_host", "smtp_port", "pop3_host", "pop3_port", "auth", "tls")


@dataclasses.dataclass
class EmailSettings:
    """The system's e-mail account. C(auth): same, custom or none."""

    address: str = ""
    password: str = ""
    sender: str = ""
    smtp_host: str = ""
    smtp_port: int = 25
    pop3_host: str = ""
    pop3_port: int = 110
    auth: str = "same"
    tls: bool = False

    @classmethod
    def read(cls, given: dict[str, Any]) -> EmailSettings:
        """From what a page or a test says. ValueError for a port that is none."""
        values = {name: str(given.get(name, "") or "") for name in EMAIL_FIELDS}
        ports = {name: int(values.pop(name) or 0) for name in ("smtp_port", "pop3_port")}
        tls = values.pop("tls").lower() in ("1", "true", "on")
        settings = cls(tls=tls)
        for name, value in {**values, **ports}.items():
            setattr(settings, name, value)
        return settings


@dataclasses.dataclass
class Memory:
    """All of it."""

    users: dict[str, User]
    email: EmailSettings = dataclasses.field(default_factory=EmailSettings)
    saved: EmailSettings = dataclasses.field(default_factory=EmailSettings)
    sessions: dict[str, Session] = dataclasses.field(default_factory=dict)
    links: dict[str, Link] = dataclasses.field(default_factory=dict)
    locks: dict[str, Lock] = dataclasses.field(default_factory=dict)
    tokens: dict[str, float] = dataclasses.field(default_factory=dict)
    logins: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    requests: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    mails: int = 0
    tests: int = 0
    applied: int = 0
    resets_opened: int = 0
    resets: int = 0

    def lock(self, kind: str, name: str) -> Lock:
        return self.locks.setdefault(f"{kind} {name}", Lock())

    def new_session(self, user: str, now: float, forced: bool) -> str:
        token = secrets.token_hex(16)
        self.sessions[token] = Session(user, now, forced)
        return token

    def new_link(self, user: str, now: float) -> str:
        token = secrets.token_urlsafe(24)
        self.links[token] = Link(user, now)
        return token
