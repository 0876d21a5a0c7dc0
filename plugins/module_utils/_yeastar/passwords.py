# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proving which password a PBX has, and changing a known one on My Settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._browser.connections import BrowserFault
from ansible_collections.keyturn.devices.plugins.module_utils._module import Context
from ansible_collections.keyturn.devices.plugins.module_utils._outcomes import Outcome
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.floors import floor_for
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import violations
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.door import Door, Login
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.pages import Answer, Pages, Saved
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.visit import Visit, carry_out, ended, prepare

#: More would lock out whoever tries: some firmware does so after three wrong logins (facts: Yeastar 3.8, documented).
MOST_CANDIDATES = 2
_NEITHER = "neither"

_NOTHING_CHANGED = "Nothing was changed"

# What My Settings says about a change -> the reason, in which the PBX keeps its password.
_REFUSALS: dict[str, tuple[str, str]] = {
    "old_password_wrong": ("unauthorized", "the PBX says that the current password is wrong"),
    "same_password": ("same_password", "the PBX says that the new password is the one it has"),
    "default_password": ("policy", "the PBX does not take its default password"),
    "rule": ("policy", "the PBX's own rule refuses the new password"),
    "mismatch": ("protocol", "the PBX says that the two entries differ"),
    "session_over": ("interrupted", "the session ended before"),
}


# A login has just proved the opposite: something has changed the password since then, perhaps this very change.
_CONTRADICTIONS = ("old_password_wrong", "same_password", "session_over")


def broken_rules(password: str) -> str:
    """What the password breaks of the strong rule, in words; empty for nothing.

    The strong rule always: what the basic one takes would be taken now, and force a change at the next login.
    """
    floor = floor_for("yeastar_strong")
    return "; ".join(violation.message for violation in violations(password, floor.policy))


def prove(options: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """The work of C(pbx_login)."""
    candidates = options["candidates"]
    problems = []
    if not 1 <= len(candidates) <= MOST_CANDIDATES:
        problems.append("candidates must be one or two: a PBX locks out whoever tries many passwords")
    if any(not candidate["password"] for candidate in candidates):
        problems.append("candidates has an empty password")
    names = [candidate["name"] for candidate in candidates]
    if len(set(names)) < len(names) or _NEITHER in names:
        problems.append(f"candidates must have different names, and none may be {_NEITHER}")
    prepared = prepare(options, problems)
    live: str | None = None

    def work(visit: Visit) -> Outcome:
        nonlocal live
        login = Login("failed")
        for candidate in candidates:
            login = visit.door.enter(candidate["password"])
            if login.status != "refused":
                live = candidate["name"] if login.status == "proven" else None
                break
        else:
            live = _NEITHER
            if len(candidates) > 1:
                login = Login("refused", "unauthorized", "The PBX refused both passwords.")
        visit.step("proven", "done" if login.status == "proven" else "failed")
        return Outcome(login.status, login.reason, login.message)

    return carry_out(options, context, prepared, work, lambda: {"live": live}, good=("proven",))


def change(options: Mapping[str, Any], context: Context, may_change: Callable[[], bool]) -> dict[str, Any]:
    """The work of C(pbx_password). C(may_change): asked right before the change; when it says no, nothing is sent."""
    current, new = options["current_password"], options["new_password"]
    problems = [f"{name} is empty" for name in ("current_password", "new_password") if options[name] == ""]
    prepared = prepare(options, problems)
    task = _Change(current, new, options["try_first"] == "new", context.check_mode, may_change)
    return carry_out(options, context, prepared, task.run, lambda: {"live": task.live, "sent_late": task.sent_late})


class _Change:
    """One change of a known password. C(live): which password a login proved, C(new), C(current) or C(neither)."""

    def __init__(self, current: str | None, new: str, new_first: bool, check_mode: bool, may_change: Callable[[], bool]) -> None:
        self._current = current
        self._new = new
        self._new_first = new_first or current is None
        self._check_mode = check_mode
        self._may_change = may_change
        self.live: str | None = None
        self.sent_late = False

    def run(self, visit: Visit) -> Outcome:
        broken = broken_rules(self._new)
        if broken and not self._new_first:
            return Outcome("failed", "policy", f"{_NOTHING_CHANGED}: {broken} (the rule with Allow Weak Password off).")
        outcome, login = self._enter(visit)
        if outcome is not None:
            return outcome
        visit.step("checked")
        if self._current == self._new:
            return Outcome("unchanged", "forced_change_required" if login.forced_change else "", "The PBX has this password already.")
        if broken:
            return Outcome("failed", "policy", f"{_NOTHING_CHANGED}: {broken} (the rule with Allow Weak Password off).")
        return self._change(visit)

    def _enter(self, visit: Visit) -> tuple[Outcome | None, Login]:
        """A session, or how it ended without one."""
        if not self._may_change():
            return ended(), Login("failed")
        if self._new_first:
            login = visit.door.enter(self._new)
            if login.status == "proven":
                self.live = "new"
                visit.step("proven")
                return Outcome("unchanged", login.reason, "The PBX has this password already."), login
            if login.status != "refused" or self._current is None or self._current == self._new:
                self.live = _NEITHER if login.status == "refused" else None
                return _without_session(login), login
        login = visit.door.enter(self._known_current())
        if login.status == "proven":
            self.live = "current"
            return None, login
        if login.status == "refused" and self._new_first:
            self.live = _NEITHER
        return _without_session(login), login

    def _known_current(self) -> str:
        if self._current is None:
            raise AssertionError("without a current password nothing comes this far")
        return self._current

    def _change(self, visit: Visit) -> Outcome:
        current = self._known_current()
        pages = visit.pages
        open_my_settings(pages, visit.door)
        fields = visit.door.change_fields()
        if fields is None:
            raise pages.unknown("three password fields labelled for the old, the new and the retyped password")
        if self._check_mode:
            return Outcome("changed", "would_change", "The password would be changed.")
        for field, text in zip(fields, (current, self._new, self._new), strict=True):
            pages.fill(field, text)
        saved = pages.save(
            fields[0],
            ["reset_done", "saved", *_REFUSALS],
            lambda: Answer("left") if pages.has("login_password") else None,
            self._may_change,
        )
        self.sent_late = saved.late
        return self._prove(visit, saved)

    def _prove(self, visit: Visit, saved: Saved) -> Outcome:
        """What became of a change that was asked for."""
        answer = saved.answer
        if answer is None and saved.fault is None and not visit.pages.sent:
            return Outcome("failed", "rejected", f"{_NOTHING_CHANGED}: the page sent nothing when its button was pressed.")
        if answer is not None and answer.name in _REFUSALS and answer.name not in _CONTRADICTIONS:
            reason, words = _REFUSALS[answer.name]
            visit.step("password_set", "failed")
            return Outcome("failed", reason, f"{_NOTHING_CHANGED}: {words}.")
        refusal = _REFUSALS.get(answer.name) if answer else None
        visit.step("password_set", "done" if answer and refusal is None else "failed")
        if not self._may_change():
            # Another run may be at it by now; the ration of wrong logins is for that one. What was proven before the change counts no more.
            self.live = None
            return Outcome("unknown", "interrupted", "The change was asked for, and the run that wanted it ended before a login proved it.")
        return self._find_out(visit, answer is not None and refusal is None, refusal)

    def _find_out(self, visit: Visit, confirmed: bool, refusal: tuple[str, str] | None) -> Outcome:
        visit.door.leave()
        self.live = None
        try:
            login = visit.door.enter(self._new)
        except BrowserFault as fault:
            return Outcome("unknown", fault.reason, f"The change was asked for, and no login could prove it: {fault.message}.")
        visit.step("proven", "done" if login.status == "proven" else "failed")
        if login.status == "proven":
            self.live = "new"
            return Outcome("changed", login.reason, login.message if login.reason else "The new password is in force.")
        if login.status != "refused":
            return Outcome("unknown", login.reason, f"The change was asked for, and no login could prove it: {login.message}")
        if confirmed:
            return Outcome("unknown", "new_password_refused", "The PBX said that it took the new password, and then refused it.")
        return self._back(visit, *(refusal or ("rejected", "the PBX did not take the new password and did not say why")))

    def _back(self, visit: Visit, reason: str, words: str) -> Outcome:
        """The PBX confirmed nothing and refuses the new password, so that it should have the current one still: one login proves it."""
        current = self._known_current()
        try:
            login = visit.door.enter(current)
        except BrowserFault as fault:
            return Outcome(
                "unknown", fault.reason, f"The new password is not in force; whether the current one is, is not known: {fault.message}."
            )
        if login.status == "proven":
            self.live = "current"
            return Outcome("failed", reason, f"{_NOTHING_CHANGED}: {words}.")
        self.live = _NEITHER if login.status == "refused" else None
        return Outcome(
            "unknown", login.reason, f"The new password is not in force; whether the current one is, is not known: {login.message}"
        )


def _without_session(login: Login) -> Outcome:
    """A login that opened nothing: whatever became of it, no change was asked for."""
    return Outcome("failed", login.reason, f"{_NOTHING_CHANGED}: {login.message[:1].lower()}{login.message[1:]}")


def open_my_settings(pages: Pages, door: Door) -> None:
    """My Settings, or the window of a forced change, in front. Raises BrowserFault."""
    if door.change_fields() is None:
        pages.press("person")
        pages.press("my_settings")
        pages.browser.until(door.change_fields)
        pages.settle()
