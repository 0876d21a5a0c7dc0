# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Logging in to a PBX and out again: one try each, and what becomes of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.keyturn.devices.plugins.module_utils._addresses import Address
from ansible_collections.keyturn.devices.plugins.module_utils._browser.connections import BrowserFault
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.pages import Answer, Field, Pages

_LOCKS = ("address_blocked", "account_locked", "login_locked")
_LOGOUT_SECONDS = 5.0

# What may not stand in a user name (facts: Yeastar 3.1, observed).
_USERNAME_FORBIDDEN = frozenset("!$()\\/#;,[]\"=<>&'`^%{}| ")
_USERNAME_LONGEST = 63


def is_username(text: str) -> bool:
    """Whether the login page would take it for the name of a user."""
    return 0 < len(text) <= _USERNAME_LONGEST and not _USERNAME_FORBIDDEN & set(text) and text.isprintable()


@dataclass(frozen=True)
class Login:
    """How one login ended. C(status): proven, refused, failed (the device did not judge the password) or unknown.

    C(forced_change): the password is right, and the PBX lets nothing happen before it is changed, because it is weak.
    """

    status: str
    reason: str = ""
    message: str = ""
    forced_change: bool = False


class Door:
    """The login page of one PBX and the way out. C(wrong): how many logins it refused. C(inside): whether a session is open."""

    def __init__(self, pages: Pages, address: Address, username: str) -> None:
        self._pages = pages
        self._address = address
        self._username = username
        self.wrong = 0
        self.inside = False
        self.logged_out: bool | None = None

    def open(self) -> None:
        """Open the login page, in a browser that knows nothing of earlier sessions. Raises BrowserFault."""
        pages = self._pages
        pages.browser.fresh()
        pages.browser.gateway.allow([self._address])
        pages.browser.open(f"{self._address.url}/")
        pages.need("login_username")
        pages.need("login_password")
        pages.need("login_button")

    def enter(self, password: str) -> Login:
        """One login, on a page of its own. What cannot be found out is C(unknown); BrowserFault only when nothing was sent."""
        self.open()
        pages = self._pages
        pages.type("login_username", self._username)
        pages.type("login_password", password)
        pages.mark()
        try:
            pages.press("login_button")
            answer = pages.answer(["login_refused", *_LOCKS], self._seen)
        except BrowserFault as fault:
            if not pages.sent:
                raise
            return Login("unknown", fault.reason, f"The login was sent, and its outcome could not be seen: {fault.message}.")
        if answer is None:
            if not pages.sent:
                return Login("failed", "protocol", "The page sent no login when its button was pressed.")
            return Login("unknown", "timeout", "The login was sent, and the page did not say what became of it.")
        if answer.name in ("refused", "login_refused"):
            self.wrong += 1
            return Login("refused", "unauthorized", "The PBX refused the user name or the password.")
        if answer.name in ("locked", *_LOCKS):
            return Login("failed", "locked_out", _locked(answer))
        self.inside = True
        self.logged_out = False
        return self._look_around()

    def _seen(self) -> Answer | None:
        """What tells the outcome besides messages: the code that the script was answered, and whether the desktop is there."""
        pages = self._pages
        result = pages.result("login")
        if result in ("refused", "locked"):
            # The message, which says more, follows at once; the code alone will do where it does not.
            said = pages.answer(["login_refused", *_LOCKS], seconds=0.5)
            return Answer(result, said.line if said else "") if said is None or said.name not in _LOCKS else said
        if not pages.has("login_password") and (result == "other" or pages.has("main_menu") or pages.has("privacy_save")):
            return Answer("in")
        return None

    def _look_around(self) -> Login:
        """What the PBX wants first: the privacy box is passed, a forced change is recognised."""
        pages = self._pages
        try:
            pages.browser.until(lambda: pages.has("main_menu") or pages.has("privacy_save") or self.change_fields() is not None or None)
            pages.settle()
            if pages.has("privacy_save"):
                pages.press("privacy_save")
                pages.settle()
            forced = self.is_forced()
        except BrowserFault as fault:
            return Login("proven", "", f"The password is in force. What the PBX showed then could not be read: {fault.message}.")
        if forced:
            message = "The password is in force, but weak: the PBX lets nobody in before it is changed (Allow Weak Password is off)."
            return Login("proven", "forced_change_required", message, forced_change=True)
        return Login("proven", "", "The password is in force.")

    def change_fields(self) -> tuple[Field, Field, Field] | None:
        """The fields for the old, the new and again the new password; None where there are not exactly these, by label and type."""
        fields = [field for field in self._pages.fields() if field.kind == "password"]
        found = [self._pages.labelled(label, fields) for label in ("old_password", "new_password", "retype_password")]
        if len(fields) != 3 or any(len(each) != 1 for each in found):
            return None
        return found[0][0], found[1][0], found[2][0]

    def is_forced(self) -> bool:
        """Whether the fields for a change stand there without the address that My Settings has beside them."""
        return self.change_fields() is not None and not self._pages.labelled("bound_email", self._pages.fields())

    def leave(self) -> None:
        """Log out, as far as the page lets; then forget the session. Never raises: what was done is done."""
        if not self.inside:
            return
        pages = self._pages
        try:
            if not pages.has("login_password"):
                # A window that must be answered first lies above the menu: reach below it.
                pages.push("person", _LOGOUT_SECONDS)
                pages.mark()
                pages.push("logout", _LOGOUT_SECONDS)
            # A session that had ended by itself is as good as ended.
            left = pages.answer(["session_over"], lambda: Answer("left") if pages.has("login_password") else None, _LOGOUT_SECONDS)
            self.logged_out = left is not None
        except BrowserFault:
            self.logged_out = False
        self.inside = False


def _locked(answer: Answer) -> str:
    if answer.name in ("account_locked", "address_blocked"):
        what = "This account is locked" if answer.name == "account_locked" else "The address that this PBX sees is blocked"
        return (
            f"{what}, and only an administrator can lift it: Settings > System > Security > Access Control > Blocked IP Address "
            "(on older firmware Security > Blocked IP Address)."
        )
    minutes = re.search(r"\d+", answer.line)
    wait = f"Try again in {minutes[0]} minutes" if minutes else "Try again later (10 minutes are usual)"
    return f"The PBX is locked after too many wrong logins. {wait}; every try until then may prolong it."
