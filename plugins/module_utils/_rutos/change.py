# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changing the password of one router, and proving one, in an order that costs no wrong login when nothing is wrong.

Pure but for the way it is given: the same steps for the API and for SSH.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import violations
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.logins import Logins
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.visit import Finding, Identity, RouterFault, Unclear, Way

_NOTHING_CHANGED = "Nothing was changed"


@dataclass(frozen=True)
class Candidate:
    """A password that may be the one in force, by a name that may be told."""

    name: str
    password: str = field(repr=False)


def change_password(
    way: Way,
    serial: str,
    current: str | None,
    new: str,
    *,
    new_first: bool = False,
    check_mode: bool = False,
    may_change: Callable[[], bool] = lambda: True,
    sleep: Callable[[float], None] = time.sleep,
) -> Finding:
    """Make C(new) the password of the router with that serial number, unless it is already, and prove it by a login.

    C(current): the password that should work now; without it only C(new) is tried. Every session is ended, whatever happens.
    C(new_first): an earlier change was left in doubt, so that C(new) should work already.
    C(may_change): asked before the first login, before the change, and before it is proven; when it says no, the run that asked for it has
    ended, was told to end, or its time is over.
    """
    change = _Change(way, Logins(way, sleep), serial, current, new, new_first, check_mode, may_change)
    return _closed(way, change.logins, change.run)


def prove_password(way: Way, serial: str, candidates: Sequence[Candidate]) -> Finding:
    """Find out which of the candidates (two at most) is in force, in their order. Nothing is changed, every session is ended."""
    logins = Logins(way)
    return _closed(way, logins, lambda: _prove(way, logins, serial, candidates))


def look_at(way: Way, serial: str | None, password: str) -> Finding:
    """Log in, and tell who answers and which rule is in force there. Every session is ended."""
    logins = Logins(way)

    def look() -> Finding:
        if not logins.opens(password):
            return Finding("refused", "unauthorized", f"The router refused {_counted(1)}.")
        identity = way.identity() if serial is None else _identified(way, serial)
        return Finding("proven", identity=identity, rule=way.rule(identity))

    return _closed(way, logins, look)


def _closed(way: Way, logins: Logins, visit: Callable[[], Finding]) -> Finding:
    try:
        finding = visit()
    except RouterFault as fault:
        finding = Finding("unknown" if fault.lost else "failed", fault.reason, sentence(fault.message))
    finally:
        left = _ended(way)
    message = f"{finding.message} {sentence(left)}".strip() if left else finding.message
    return replace(finding, message=message, wrong_logins=logins.wrong, sent_late=way.sent_late)


def _ended(way: Way) -> str:
    """What could not be ended, for people."""
    try:
        return way.close()
    except Exception:  # What became of the router is known already, and must not be lost with a session.
        return "a session may still be open"


def _prove(way: Way, logins: Logins, serial: str, candidates: Sequence[Candidate]) -> Finding:
    tried: set[str] = set()
    for candidate in candidates:
        if candidate.password not in tried:
            tried.add(candidate.password)
            if logins.opens(candidate.password):
                return Finding("proven", live=candidate.name, identity=_identified(way, serial))
    return Finding("refused", "unauthorized", f"The router refused {_counted(len(tried))}.", "neither")


def _identified(way: Way, serial: str) -> Identity:
    identity = way.identity()
    if not identity.serial:
        raise RouterFault("not_identified", "the router does not tell its serial number, so it may be another one")
    if not identity.is_router(serial):
        raise RouterFault("wrong_device", f"the router at this address has the serial number {identity.serial}")
    return identity


@dataclass
class _Change:
    """One change on its way. C(live): what the logins proved so far, on the right router."""

    way: Way
    logins: Logins
    serial: str
    current: str | None = field(repr=False)
    new: str = field(repr=False)
    new_first: bool
    check_mode: bool
    may_change: Callable[[], bool]
    live: str | None = None
    identity: Identity = field(default_factory=Identity)

    def run(self) -> Finding:
        """The steps in their order."""
        try:
            self._require_run()
            finding = self._enter() or self._check()
            if finding is not None:
                return finding
            self._require_run()
            changed = self.way.change(self._opened_by, self.new)
        except Unclear as fault:
            return self._find_out("changed", fault)
        except RouterFault as fault:
            # Until the change is asked for, whatever is lost on the way cannot have changed the password.
            return Finding("failed", fault.reason, f"{_NOTHING_CHANGED}: {sentence(fault.message)}", self.live)
        if changed:
            return self._find_out("changed", RouterFault("new_password_refused", "the router took the new password and then refused it"))
        return self._find_out("unchanged", RouterFault("protocol", "the router says that it has this password already, and refuses it"))

    @property
    def _opened_by(self) -> str:
        """The current password, after it opened the router: no change is asked for before."""
        if self.current is None:
            raise AssertionError("nothing opened the router")
        return self.current

    def _require_run(self) -> None:
        if not self.may_change():
            raise RouterFault("not_sent", "the run that asked for it has ended, was told to end, or its time is over")

    def _enter(self) -> Finding | None:
        """Log in and identify the router. None when the current password opened it."""
        passwords = [password for password in (self.current, self.new) if password is not None]
        for password in dict.fromkeys(reversed(passwords) if self.new_first else passwords):
            if self.logins.opens(password):
                if password != self.new:
                    self.way.prepare_change()
                self.identity = _identified(self.way, self.serial)
                if password == self.new:
                    return Finding("unchanged", "same_password", "The router has this password already.", "new")
                self.live = "current"
                return None
        message = f"{_NOTHING_CHANGED}: the router refused {_counted(self.logins.wrong)}."
        return Finding("failed", "unauthorized", message, None if self.current is None else "neither")

    def _check(self) -> Finding | None:
        """None when the change is to be asked for."""
        rule = self.way.rule(self.identity)
        broken = violations(self.new, rule.policy)
        if broken:
            why = "; ".join(violation.message for violation in broken)
            message = f"{_NOTHING_CHANGED}: {why} ({rule.words})."
            return Finding("failed", "rejected_by_policy", message, self.live, tuple(broken))
        if self.check_mode:
            return Finding("changed", "would_change", "The password would be changed.", self.live)
        return None

    def _find_out(self, wanted: str, fault: RouterFault) -> Finding:
        """After the change was asked for: which password is in force? C(wanted): the status when it is the new one."""
        if not self.may_change():
            # Another run may be at it by now; the ration of wrong logins is for that one.
            message = "The change was sent, and the run that asked for it ended, or its time was over, before a login proved it."
            return Finding("unknown", fault.reason if isinstance(fault, Unclear) and fault.reason != "not_sent" else "interrupted", message)
        try:
            if self.logins.opens(self.new, patient=True):
                if wanted == "unchanged":
                    return Finding(wanted, "same_password", "The router has this password already.", "new")
                return Finding(wanted, "", "The new password was proven by a login.", "new")
            if self.logins.opens(self._opened_by, patient=True):
                self.way.restore(self._opened_by)
                return Finding("failed", fault.reason, f"{sentence(fault.message)} The old password is still in force.", "current")
        except RouterFault as silence:
            reason = "locked_out" if silence.reason == "locked_out" else fault.reason if self.logins.wrong else "timeout"
            message = f"The change was asked for and its outcome is not known: {fault.message}; then, at the login: {silence.message}."
            return Finding("unknown", reason, message)
        message = f"The change was asked for, and now neither the new nor the old password is accepted: {sentence(fault.message)}"
        return Finding("unknown", fault.reason, message, "neither")


def _counted(number: int) -> str:
    return "the password" if number == 1 else "both passwords"


def sentence(text: str) -> str:
    """With a capital at its beginning and a full stop at its end."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
