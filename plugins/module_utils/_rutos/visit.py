# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a visit to a router is made of, whichever way it is reached: faults, identity, finding, and the way itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from ansible_collections.keyturn.devices.plugins.module_utils._outcomes import Outcome
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import PasswordPolicy, Violation


class RouterFault(Exception):
    """The router cannot be asked, or refuses; its password is what it was before.

    C(lost): whether a request left whose answer never came, so that the router may have acted on it (a login may have counted).
    """

    def __init__(self, reason: str, message: str, lost: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.lost = lost


class Unclear(RouterFault):
    """A change was asked for and its outcome is not known: the new password, or the old one, is in force."""


@dataclass(frozen=True)
class Identity:
    """What a router says it is. Empty where it does not say (fields differ by model and firmware, observed)."""

    serial: str = ""
    firmware: str = ""
    name: str = ""
    model: str = ""
    mac: str = ""
    #: A serial number told as a number has lost its leading zeros.
    serial_is_number: bool = False

    def is_router(self, serial: str) -> bool:
        """Whether this is the router with that serial number."""
        if self.serial_is_number and serial.strip().isdecimal():
            return int(self.serial) == int(serial)
        return self.serial == serial.strip()


@dataclass(frozen=True)
class Rule:
    """The rule a new password must meet on this router.

    C(evidence): C(router) when the router itself tells it, else the grade of what is known of its firmware.
    """

    policy: PasswordPolicy
    evidence: str

    @property
    def words(self) -> str:
        """How the rule is known, for people."""
        return "the router's own rule" if self.evidence == "router" else f"the rule {self.evidence} of its firmware"


class Way(Protocol):
    """One router, reached by its API or by SSH. For one thread."""

    def log_in(self, password: str) -> bool:
        """Open a session. False when the password was clearly refused; RouterFault for everything else."""

    def prepare_change(self) -> None:
        """Find out at once, where that is quicker, what identity(), rule() and change() will ask for. Needs a session."""

    def identity(self) -> Identity:
        """Who answers. Needs a session."""

    def rule(self, identity: Identity) -> Rule:
        """The password rule in force. Needs a session."""

    def change(self, current: str, new: str) -> bool:
        """Change the password, in the session opened last. False when the router says that it has this password already."""

    def restore(self, current: str) -> None:
        """Undo what an unfinished change may have left half done, in a session opened with the password that is still in force."""

    def close(self) -> str:
        """End every session that was opened, whatever happened. What could not be ended, for people; empty when all were."""

    @property
    def remaining(self) -> float:
        """Seconds until the deadline."""

    @property
    def request_count(self) -> int:
        """HTTP requests that went out."""

    @property
    def has_sent_login(self) -> bool:
        """Whether a password may have reached the router, so that the router may have counted it."""

    @property
    def has_sent_change(self) -> bool:
        """Whether anything that changes a password may have reached the router. False proves that it kept what it had."""

    @property
    def sent_late(self) -> bool:
        """Whether something that changes a password left although nothing should have been changed any more."""


@dataclass(frozen=True)
class Finding(Outcome):
    """How one router ended, and what was found out there.

    C(status): for a change one of CHANGE_STATUSES, else one of LOGIN_STATUSES. C(live): which password a login proved to be in force:
    C(new) or C(current), for a proof the name of a candidate; C(neither) when all were refused; None when no login proved anything.
    C(sent_late): a change was sent although nothing should have been changed any more, so somebody else may have changed the router since.
    """

    live: str | None = None
    violations: tuple[Violation, ...] = ()
    wrong_logins: int = 0
    identity: Identity | None = None
    rule: Rule | None = None
    sent_late: bool = False

    def as_result(self) -> dict[str, Any]:
        """What a module returns of it."""
        return {
            "status": self.status,
            "reason": self.reason,
            "message": self.message,
            "retryable": self.retryable,
            "live": self.live,
            "wrong_logins": self.wrong_logins,
        }
