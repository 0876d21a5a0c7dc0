# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an EcoStruxure server knows: its administrator's password, reset mode, the sessions of WorkStation and WebStation.

The support desk is here too: it hands out temporary passwords from a random table. Nobody publishes how real ones are made.
"""

from __future__ import annotations

import json
import os
import random
import string
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..kit.clock import Clock
from .switches import Switches

KINDS = ("enterprise_server", "enterprise_central", "automation_server", "edge_server", "pct_server", "fdp_server")
ADMINISTRATOR = "admin"
MARKER = Path("db/reset/r0.txt")
STATE = Path("db/simulator.json")
LETTERS = string.ascii_letters + string.digits

#: Channel -> the kinds that enter reset mode through it. What only a container or its operator can do is the marker in the volume.
CHANNELS: Mapping[str, tuple[str, ...]] = {
    "device_administrator": ("enterprise_server", "enterprise_central"),
    "usb": ("automation_server",),
    "project_configuration_tool": ("pct_server",),
    "fire": ("fdp_server",),
    "marker": ("edge_server", "enterprise_server", "enterprise_central"),
}


class Refused(Exception):
    """The server, WorkStation or the desk says no. The text is the reason."""


@dataclass
class State:
    """What survives a restart. Moments are seconds since 1970."""

    password: str
    history: list[str] = field(default_factory=list)
    armed_at: float | None = None
    armed_by: str = ""
    times_armed: int = 0
    expired: bool = False
    starts: int = 0


class Server:
    """One server. With C(folder), its data directory (C(/var/sbo) of the vendor's image), it reads the marker there and keeps its state."""

    def __init__(self, kind: str, switches: Switches, clock: Clock, generator: random.Random, password: str, folder: Path | None) -> None:
        self.kind = kind
        self.switches = switches
        self.clock = clock
        self.folder = folder
        self.generator = generator
        self.state = self._load(password)
        self.state.starts += 1
        self.wrong = 0
        #: Session ID -> whether its WorkStation is open.
        self.workstations: dict[str, bool] = {}
        #: Session ID -> temporary password, as the desk issued them.
        self.issued: dict[str, str] = {}
        #: Session IDs whose WorkStation shows the dialogue that forces a change.
        self.changing: set[str] = set()
        if switches.restart_ends_mode:
            self.state.armed_at = None
        self.look_for_marker()
        self.save()

    def _load(self, password: str) -> State:
        path = self.folder / STATE if self.folder else None
        if path and path.exists():
            return State(**json.loads(path.read_text()))
        return State(password)

    def save(self) -> None:
        if self.folder:
            path = self.folder / STATE
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = path.with_suffix(".new")
            fresh.write_text(json.dumps(asdict(self.state)))
            os.replace(fresh, path)

    # Reset mode

    def look_for_marker(self) -> None:
        """What the server does at start; while it runs only with that switch."""
        if self.folder and (self.folder / MARKER).exists():
            self.arm("marker", {})
            if self.switches.marker == "removed":
                (self.folder / MARKER).unlink()

    def in_reset_mode(self) -> bool:
        armed_at = self.state.armed_at
        return armed_at is not None and self.clock.now() < armed_at + self.switches.reset_hours * 3600

    def arm(self, channel: str, facts: Mapping[str, Any]) -> None:
        """Enter reset mode through a channel. C(facts): what is so while a person does it. Raises Refused."""
        if self.kind not in CHANNELS.get(channel, ()):
            raise Refused(f"a server of the kind {self.kind} has no channel {channel}")
        needed = {"device_administrator": ("local", "elevated", "added"), "usb": ("connected",)}.get(channel, ())
        missing = [name for name in needed if not facts.get(name)]
        if missing:
            raise Refused(f"not {missing[0]}")
        if channel == "usb" and not self.switches.usb:
            raise Refused("USB is disabled")
        if not self.in_reset_mode() or self.switches.rearming_restarts:
            self.state.armed_at = self.clock.now()
        self.state.armed_by = channel
        self.state.times_armed += 1
        self.save()

    # WorkStation and the support desk

    def open_workstation(self) -> str:
        """A new WorkStation; its session ID, as Shift-click shows it."""
        session_id = "".join(self.generator.choices(LETTERS, k=32))
        self.workstations[session_id] = True
        return session_id

    def close_workstation(self, session_id: str) -> None:
        self.workstations[session_id] = False
        self.changing.discard(session_id)

    def issue(self, session_id: str) -> str:
        """The support desk: a temporary password for a session ID. It cannot tell whether the ID is good. Raises Refused."""
        if not session_id.strip():
            raise Refused("a session ID is needed")
        return self.issued.setdefault(session_id, "".join(self.generator.choices(LETTERS, k=20)))

    def temporary_is_good(self, session_id: str, password: str) -> bool:
        is_open = self.workstations.get(session_id, False) or (session_id in self.workstations and self.switches.closed_keeps_id)
        return is_open and self.in_reset_mode() and self.issued.get(session_id) == password

    def log_on_at_workstation(self, session_id: str, username: str, password: str) -> str:
        """C(change_password) for the temporary password, else C(logged_on). Raises Refused."""
        if not self.workstations.get(session_id):
            raise Refused("this WorkStation is closed")
        if username == ADMINISTRATOR and self.temporary_is_good(session_id, password):
            self.changing.add(session_id)
            return "change_password"
        self.check_password(username, password)
        return "logged_on"

    def change_at_workstation(self, session_id: str, old: str, new: str, confirm: str) -> None:
        """The dialogue Change Password after a temporary password. Raises Refused."""
        if session_id not in self.changing:
            raise Refused("no dialogue is open")
        if not self.temporary_is_good(session_id, old):
            raise Refused("the old password is wrong")
        if new != confirm:
            raise Refused("the passwords differ")
        if len(new) < self.switches.password_length:
            raise Refused("too short")
        if new in [self.state.password, *self.state.history[-self.switches.password_history :]]:
            raise Refused("used before")
        self.set_password(new)
        self.changing.discard(session_id)
        if self.switches.reset_ends_mode:
            self.state.armed_at = None
        self.save()

    # The password

    def set_password(self, password: str) -> None:
        self.state.history.append(self.state.password)
        self.state.password = password
        self.wrong = 0
        self.save()

    def locked(self) -> bool:
        return 0 < self.switches.lockout_attempts <= self.wrong

    def check_password(self, username: str, password: str) -> None:
        """Raises Refused."""
        blocked = self.locked() or (self.in_reset_mode() and self.switches.mode_blocks_logon)
        if username != ADMINISTRATOR or password != self.state.password or blocked:
            self.wrong += 1
            raise Refused("wrong user name or password")
        self.wrong = 0

    def truth(self) -> dict[str, Any]:
        return {
            **asdict(self.state),
            "kind": self.kind,
            "data": str(self.folder) if self.folder else None,
            "in_reset_mode": self.in_reset_mode(),
            "marker": bool(self.folder and (self.folder / MARKER).exists()),
            "workstations": self.workstations,
            "issued": self.issued,
            "wrong": self.wrong,
            "now": self.clock.now(),
        }
