# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One router: its users, sessions, lock-out, policy and history. No network here."""

from __future__ import annotations

import asyncio
import random
import string
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from simulators.kit.clock import Clock

from .firmware import Firmware
from .switches import Switches

DAY = 86400.0
BLOCK_MINUTES = (10, 30, 60)
LONGEST_PASSWORD = 256
FOREVER = float("inf")


def stamp(moment: float | None) -> str | None:
    """ISO 8601 UTC; a block without end is the word forever."""
    if moment is None or moment == FOREVER:
        return None if moment is None else "forever"
    return datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class User:
    id: str
    name: str
    group: str
    password: str
    changed_at: float


@dataclass
class Session:
    token: str
    user: str
    kind: str
    opened_at: float
    used_at: float


@dataclass
class Attempts:
    """Wrong log-ins of one source address. `level`: blocks so far, which decides how long the next one is."""

    in_a_row: int = 0
    level: int = 0
    blocked_until: float = 0.0


@dataclass
class Policy:
    min_length: int = 8
    digits: bool = True
    lower_upper: bool = True
    special: bool = False
    lifetime_days: int = 0


@dataclass
class Router:
    serial: str
    name: str
    mac: str
    model: str
    firmware: Firmware
    label_password: str
    clock: Clock
    generator: random.Random
    switches: Switches = field(default_factory=Switches)
    first_login: bool = False
    users: dict[str, User] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    attempts: dict[str, Attempts] = field(default_factory=dict)
    audit: list[dict[str, Any]] = field(default_factory=list)
    policy: Policy = field(default_factory=Policy)
    wrong_logins_total: int = 0
    wrong_logins_before_reset: int = 0
    logins: int = 0
    sessions_opened: int = 0
    requests: int = 0
    logins_under_way: int = 0
    most_logins_at_once: int = 0

    def __post_init__(self) -> None:
        self.root_password = self.label_password
        self.policy.special = self.firmware.special_by_default
        for name, group in (("admin", "root"), ("manager", "admin"), ("viewer", "user")):
            password = self.label_password if name == "admin" else self.new_password()
            self.users[name] = User(f"cfg{self.generator.randrange(16**6):06x}", name, group, password, self.clock.now())
        # Made on first use by the running loop in Python 3.10 and later, so a router can be made outside one.
        self.login_lock = asyncio.Lock()

    def new_password(self) -> str:
        """Meets every firmware's rule."""
        return make_password(self.generator)

    @property
    def claimed_serial(self) -> str:
        return self.switches.answers_serial or self.serial

    @property
    def product_code(self) -> str:
        return f"{self.model}000000"

    # --- passwords -------------------------------------------------------------------------------------------------------------

    def requires_special(self) -> bool:
        position = self.switches.policy_special
        return self.policy.special if position == "firmware" else position == "on"

    def policy_message(self) -> str:
        classes = []
        if self.policy.lower_upper:
            classes += ["one uppercase letter", "one lowercase letter"]
        if self.policy.digits:
            classes.append("one number")
        if self.requires_special():
            classes.append("one special character")
        wanted = f", at least {', '.join(classes)}" if classes else ""
        return f"A password of minimum {self.policy.min_length} characters and maximum 4094 characters{wanted} is accepted."

    def meets_policy(self, password: str) -> bool:
        """Only ASCII punctuation is special: a space or a letter of another alphabet does not count."""
        return (
            self.policy.min_length <= len(password) <= LONGEST_PASSWORD
            and "\n" not in password
            and not set(self.switches.refused_symbols) & set(password)
            and (not self.policy.digits or any(character in string.digits for character in password))
            and (
                not self.policy.lower_upper
                or (
                    any(character in string.ascii_lowercase for character in password)
                    and any(character in string.ascii_uppercase for character in password)
                )
            )
            and (not self.requires_special() or any(character in string.punctuation for character in password))
        )

    def is_expired(self, user: User) -> bool:
        """Passwords age from 07.11 on; before there is no lifetime."""
        lifetime = self.policy.lifetime_days
        return self.firmware.policy_is_configurable and lifetime > 0 and self.clock.now() - user.changed_at >= lifetime * DAY

    def days_left(self, user: User) -> int:
        return max(0, int(self.policy.lifetime_days - (self.clock.now() - user.changed_at) / DAY))

    def expire_passwords(self) -> None:
        """Let the passwords of all users have outlived a lifetime of 90 days."""
        self.policy.lifetime_days = 90
        for user in self.users.values():
            user.changed_at = self.clock.now() - 91 * DAY

    def change_password(self, user: User, password: str, by: str, source: str, keep: Session | None = None) -> None:
        """The change of the web service: root goes along with a root-group user, the user's other sessions end."""
        self.store(user.name, password, by, source)
        if user.group == "root":
            self.store("root", password, by, source)
            self.first_login = False
        self.end_sessions_of(user.name, keep)

    def store(self, name: str, password: str, by: str, source: str) -> None:
        """Write one account's password and nothing else, as chpasswd does; the audit keeps what was asked and what was stored."""
        kept = password[: self.switches.store_truncated or None]
        old = self.root_password if name == "root" else self.users[name].password
        if name == "root":
            self.root_password = kept
        else:
            self.users[name].password = kept
            self.users[name].changed_at = self.clock.now()
        self.audit.append(
            {"at": stamp(self.clock.now()), "user": name, "by": by, "source": source, "old": old, "asked": password, "stored": kept}
        )

    def account_password(self, name: str) -> str | None:
        if name == "root":
            return self.root_password
        return self.users[name].password if name in self.users else None

    # --- lock-out --------------------------------------------------------------------------------------------------------------

    def is_blocked(self, source: str) -> bool:
        attempts = self.attempts.get(source)
        return attempts is not None and attempts.blocked_until > self.clock.now()

    def blocked_until(self) -> float | None:
        until = max((attempts.blocked_until for attempts in self.attempts.values()), default=0.0)
        return until if until > self.clock.now() else None

    def count_wrong_login(self, source: str) -> None:
        self.wrong_logins_total += 1
        attempts = self.attempts.setdefault(source, Attempts())
        attempts.in_a_row += 1
        if 0 < self.switches.lockout_attempts <= attempts.in_a_row:
            minutes = BLOCK_MINUTES[min(attempts.level, len(BLOCK_MINUTES) - 1)]
            attempts.blocked_until = self.clock.now() + minutes * 60 if self.firmware.block_ends else FOREVER
            attempts.level += 1
            attempts.in_a_row = 0

    def unblock(self) -> None:
        self.attempts.clear()

    # --- sessions --------------------------------------------------------------------------------------------------------------

    def log_in(self, name: str, password: str, source: str) -> bool:
        """Proves nothing but the password; the caller opens a session of its kind."""
        if self.account_password(name) != password:
            self.count_wrong_login(source)
            return False
        self.logins += 1
        if source in self.attempts:
            self.attempts[source].in_a_row = 0
        return True

    def open_session(self, name: str, kind: str) -> Session:
        now = self.clock.now()
        session = Session(f"{self.generator.getrandbits(128):032x}", name, kind, now, now)
        self.sessions[session.token] = session
        self.sessions_opened += 1
        return session

    def is_alive(self, session: Session) -> bool:
        begun = session.used_at if self.switches.session_expiry == "sliding" else session.opened_at
        return self.clock.now() - begun < self.switches.session_timeout

    def session(self, token: str, kind: str) -> Session | None:
        """The live session of a token, marked as used; a dead one is forgotten."""
        session = self.sessions.get(token)
        if session is None or session.kind != kind:
            return None
        if not self.is_alive(session):
            del self.sessions[token]
            return None
        session.used_at = self.clock.now()
        return session

    def end_sessions_of(self, name: str, keep: Session | None = None) -> None:
        for token, session in list(self.sessions.items()):
            if session.user == name and session is not keep:
                del self.sessions[token]

    # --- from outside ----------------------------------------------------------------------------------------------------------

    def set_state(self, change: dict[str, Any]) -> None:
        """What a test does behind the router's back. Keys: first_login, expired, policy {...}, password, root_password, by,
        factory_reset, unblock, reset_wrong_logins."""
        by = str(change.get("by", "control"))
        if change.get("factory_reset"):
            self.store("root", self.label_password, "factory_reset", by)
            self.store("admin", self.label_password, "factory_reset", by)
            self.sessions.clear()
            self.attempts.clear()
            self.policy = Policy(special=self.firmware.special_by_default)
            self.first_login = True
        if "password" in change:
            self.store("admin", change["password"], by, "outside")
            self.store("root", change["password"], by, "outside")
            if not self.switches.external_change_keeps_sessions:
                self.end_sessions_of("admin")
        if "root_password" in change:
            self.store("root", change["root_password"], by, "outside")
        if "first_login" in change:
            self.first_login = bool(change["first_login"])
        for key, value in change.get("policy", {}).items():
            if key not in Policy.__dataclass_fields__:
                raise ValueError(f"a policy has no {key}")
            setattr(self.policy, key, value)
        if change.get("expired"):
            self.expire_passwords()
        if change.get("unblock"):
            self.unblock()
        if change.get("reset_wrong_logins"):
            self.wrong_logins_before_reset = self.wrong_logins_total

    def truth(self) -> dict[str, Any]:
        admin = self.users["admin"]
        return {
            "serial": self.serial,
            "name": self.name,
            "mac": self.mac,
            "model": self.model,
            "firmware": self.firmware.text,
            "password": admin.password,
            "root_password": self.root_password,
            "label_password": self.label_password,
            "users": {user.name: {"id": user.id, "group": user.group, "password": user.password} for user in self.users.values()},
            "first_login": self.first_login,
            "password_expired": self.is_expired(admin),
            "policy": {**self.policy.__dict__, "special": self.requires_special()},
            "open_sessions": [
                {"user": session.user, "kind": session.kind, "opened_at": stamp(session.opened_at), "used_at": stamp(session.used_at)}
                for session in self.sessions.values()
                if self.is_alive(session)
            ],
            "sessions_opened": self.sessions_opened,
            "logins": self.logins,
            "wrong_logins_total": self.wrong_logins_total,
            "wrong_logins": self.wrong_logins_total - self.wrong_logins_before_reset,
            "most_logins_at_once": self.most_logins_at_once,
            "blocked_until": stamp(self.blocked_until()),
            "requests": self.requests,
            "audit": list(self.audit),
        }


def make_password(generator: random.Random) -> str:
    letters = [generator.choice(kind) for kind in (string.ascii_uppercase, string.ascii_lowercase, string.digits, "!#%+-.:=@_")]
    letters += [generator.choice(string.ascii_letters + string.digits) for _unused in range(10)]
    generator.shuffle(letters)
    return "".join(letters)
