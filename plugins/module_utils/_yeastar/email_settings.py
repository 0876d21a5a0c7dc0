# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The e-mail settings of a PBX, and the address bound to its user: read, written where they differ, read back, tested by the PBX itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._browser.connections import BrowserFault
from ansible_collections.keyturn.devices.plugins.module_utils._module import Context
from ansible_collections.keyturn.devices.plugins.module_utils._outcomes import Outcome
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.pages import Answer, Field, Pages
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.passwords import broken_rules, open_my_settings
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.visit import Visit, carry_out, prepare

#: What the page refuses in the password of the e-mail account (facts: Yeastar 3.5, observed).
_FORBIDDEN = frozenset("&\"'\\<>`")

# The PBX speaks to two mail servers, which may be slow to refuse.
_TEST_SECONDS = 60.0
_SHORT_SECONDS = 3.0

# Option -> element of the profile, for those that are text fields with an id.
_TEXT_FIELDS = {
    "address": "email_address",
    "smtp_host": "email_smtp_host",
    "smtp_port": "email_smtp_port",
    "pop3_host": "email_pop3_host",
    "pop3_port": "email_pop3_port",
}
_PORTS = ("smtp_port", "pop3_port")

_TESTS = {
    "test_ok": ("ok", "ok", "", ""),
    "smtp_failed": ("failed", "not_run", "smtp_failed", "the PBX cannot send through its SMTP server"),
    "pop3_failed": ("ok", "failed", "pop3_failed", "the PBX can send, but not read from its POP3 server"),
    "test_failed": ("failed", "failed", "test_failed", "the PBX does not say which of its mail servers failed"),
}


def set_email(options: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """The work of C(pbx_email_settings)."""
    prepared = prepare(options, _problems(options))
    task = _Settings(options, context.check_mode)
    return carry_out(options, context, prepared, task.run, lambda: task.told(context.diff))


def _problems(options: Mapping[str, Any]) -> list[str]:
    email = options["email"] or {}
    problems = [
        f"{name} is no e-mail address"
        for name, value in (("email.address", email.get("address")), ("bound_email", options["bound_email"]))
        if value is not None and not is_address(value)
    ]
    problems += [f"email.{name} must be 1 to 65535" for name in _PORTS if email.get(name) is not None and not 1 <= email[name] <= 65535]
    if _FORBIDDEN & set(email.get("password") or ""):
        problems.append("email.password holds a character that the PBX refuses (& \" ' \\ < > `)")
    if not options["password"]:
        problems.append("password is empty")
    return problems


def is_address(text: str) -> bool:
    """Whether it looks like an e-mail address."""
    name, _at, domain = text.rpartition("@")
    return bool(name and domain) and text.isprintable() and not set(text) & set(' ,;<>"')


class _Settings:
    """One visit to the settings. C(email), C(bound_email): as they are now, None for what was not read."""

    def __init__(self, options: Mapping[str, Any], check_mode: bool) -> None:
        self._options = options
        self._check_mode = check_mode
        self._wanted = {name: value for name, value in (options["email"] or {}).items() if value is not None and name != "password"}
        self._before: dict[str, Any] = {}
        self.email: dict[str, Any] | None = None
        self.bound_email: str | None = None
        self.test = {"smtp": "not_run", "pop3": "not_run"}
        self.weak_allowed: bool | None = None
        self.changed = False

    def told(self, diff: bool) -> dict[str, Any]:
        """Return values besides those of all PBX modules."""
        told: dict[str, Any] = {
            "changed": self.changed,
            "email": self.email,
            "bound_email": self.bound_email,
            "test": self.test,
            "weak_password_allowed": self.weak_allowed,
            "password_is_weak": bool(broken_rules(self._options["password"])),
        }
        if diff and self._before:
            after = self._expected() if self._check_mode else {"email": self.email, "bound_email": self.bound_email}
            told["diff"] = {"before": self._before, "after": after}
        return told

    def _expected(self) -> dict[str, Any]:
        bound = self._options["bound_email"]
        return {"email": {**(self.email or {}), **self._wanted}, "bound_email": self.bound_email if bound is None else bound}

    def run(self, visit: Visit) -> Outcome:
        login = visit.door.enter(self._options["password"])
        if login.status != "proven":
            return Outcome("failed", login.reason, login.message)
        if login.forced_change:
            return Outcome("failed", "forced_change_required", login.message)
        pages = visit.pages
        unclear = self._bind(visit)
        if unclear is not None:
            return unclear
        self._open_email(pages)
        self.email = self._read(pages)
        self._before = {"email": dict(self.email), "bound_email": self._before.get("bound_email", self.bound_email)}
        visit.step("checked")
        outcome = self._write(visit)
        if outcome is not None:
            return outcome
        outcome = self._test(pages)
        self._look_at_rule(pages)
        return outcome or self._done()

    def _done(self) -> Outcome:
        if not self.changed:
            return Outcome("unchanged", "", "The settings are as they should be.")
        if self._check_mode:
            return Outcome("changed", "would_change", "The settings would be changed.")
        return Outcome("changed", "", "The settings are changed.")

    # The bound address

    def _bind(self, visit: Visit) -> Outcome | None:
        """Read the bound address, and write it where it differs; an outcome where it could not be written."""
        pages, wanted = visit.pages, self._options["bound_email"]
        open_my_settings(pages, visit.door)
        field = self._bound_field(pages)
        self.bound_email = field.text
        self._before = {"bound_email": field.text}
        if wanted is None or wanted.lower() == field.text.lower():
            self._close(pages, field)
            return None
        self.changed = True
        if self._check_mode:
            self._close(pages, field)
            return None
        self.changed = False
        pages.fill(field, wanted)
        pages.press_beside(field, "save", lambda: None)
        try:
            pages.answer(["saved", "old_password_wrong", "session_over"])
            pages.dismiss()
            # Read back from the PBX, not from the window that was typed into.
            visit.pages.browser.open(f"{visit.site.address.url}/index.html")
            pages.browser.until(lambda: pages.has("main_menu") or pages.has("privacy_save") or None)
            pages.settle()
            if pages.has("privacy_save"):
                pages.press("privacy_save")
                pages.settle()
            open_my_settings(pages, visit.door)
            field = self._bound_field(pages)
        except BrowserFault as fault:
            return Outcome("unknown", fault.reason, f"The address was sent, and could not be read back: {fault.message}.")
        self.bound_email = field.text
        self.changed = field.text != self._before["bound_email"]
        self._close(pages, field)
        if field.text.lower() != wanted.lower():
            message = "The PBX did not take the bound address. It may want the password to be changed at the same time (assumed)."
            return Outcome("failed", "rejected", message)
        return None

    @staticmethod
    def _bound_field(pages: Pages) -> Field:
        fields = [field for field in pages.fields() if field.kind != "password"]
        found = pages.labelled("bound_email", fields)
        if len(found) != 1:
            raise pages.unknown("one field for the bound e-mail address on My Settings")
        return found[0]

    @staticmethod
    def _close(pages: Pages, field: Field) -> None:
        pages.press_beside(field, "cancel", lambda: None)
        pages.settle()

    # The e-mail account

    def _open_email(self, pages: Pages) -> None:
        self._open_settings(pages)
        pages.press("email_tile")
        pages.need("email_address")
        pages.settle()

    @staticmethod
    def _open_settings(pages: Pages) -> None:
        if not pages.has("email_tile"):
            pages.press("main_menu")
            pages.press("settings")

    def _read(self, pages: Pages) -> dict[str, Any]:
        values: dict[str, Any] = {name: pages.value(element) for name, element in _TEXT_FIELDS.items()}
        for name in _PORTS:
            values[name] = int(values[name]) if values[name].isdecimal() else None
        sender = self._sender_field(pages)
        values["sender_name"] = sender.text if sender else None
        values["tls"] = pages.ticked("email_tls")
        return values

    @staticmethod
    def _sender_field(pages: Pages) -> Field | None:
        """Only its label is known, and older firmware may not have it."""
        found = pages.labelled("sender_name", pages.fields())
        return found[0] if len(found) == 1 else None

    def _differs(self, current: Mapping[str, Any]) -> list[str]:
        return [name for name, value in self._wanted.items() if current.get(name) != value]

    def _types_password(self, different: list[str]) -> bool:
        """The saved password cannot be read. C(on_create): it goes with the address it belongs to."""
        if not (self._options["email"] or {}).get("password"):
            return False
        return self._options["update_password"] == "always" or "address" in different

    def _write(self, visit: Visit) -> Outcome | None:
        pages = visit.pages
        if self.email is None:
            raise AssertionError("the settings were not read yet")
        different = self._differs(self.email)
        with_password = self._types_password(different)
        if not different and not with_password:
            return None
        if self._check_mode:
            self.changed = True
            return None
        for name in different:
            self._type(pages, name)
        if with_password:
            pages.type("email_password", self._options["email"]["password"])
        pages.mark()
        try:
            pages.press("email_save")
            answer = pages.answer(["saved", "email_password_refused", "session_over"], lambda: self._saved(pages))
            pages.dismiss()
            if answer is not None and answer.name == "email_password_refused":
                return Outcome("failed", "email_password_refused", "The PBX refused the password of the e-mail account.")
            self._apply(pages)
            if pages.has("email_address"):
                pages.press("email_cancel")
                pages.settle()
            self._open_email(pages)
            self.email = self._read(pages)
        except BrowserFault as fault:
            if not pages.sent:
                raise
            return Outcome("unknown", fault.reason, f"The settings were sent, and could not be read back: {fault.message}.")
        self.changed = self.changed or with_password or self.email != self._before["email"]
        kept = self._differs(self.email)
        if kept:
            return Outcome("failed", "rejected", f"The PBX did not take: {', '.join(kept)}.")
        return None

    @staticmethod
    def _saved(pages: Pages) -> Answer | None:
        return Answer("saved") if pages.has("apply") and not pages.has("email_address") else None

    def _type(self, pages: Pages, name: str) -> None:
        value = self._wanted[name]
        if name == "tls":
            pages.press("email_tls")
            if pages.ticked("email_tls") != value:
                raise BrowserFault("rejected", "The page did not take a click on its box for TLS.")
        elif name == "sender_name":
            sender = self._sender_field(pages)
            if sender is None:
                raise pages.unknown("a field labelled for the sender's name")
            pages.fill(sender, value)
        else:
            pages.type(_TEXT_FIELDS[name], str(value))

    @staticmethod
    def _apply(pages: Pages) -> None:
        """Saved settings count after Apply, which shows itself when there is something to apply."""
        pages.settle()
        if pages.browser.until(lambda: pages.has("apply") or None, _SHORT_SECONDS):
            pages.press("apply")
            pages.settle()
            pages.dismiss()

    def _test(self, pages: Pages) -> Outcome | None:
        """The PBX's own test, of what is saved; an outcome where it failed."""
        if not self._options["test"] or self._check_mode:
            return None
        password = (self._options["email"] or {}).get("password")
        if password:
            # Assumed: the test takes what is typed, and a password that was saved is not shown.
            pages.type("email_password", password)
        pages.mark()
        pages.press("email_test")
        answer = pages.answer(list(_TESTS), seconds=max(_TEST_SECONDS, self._options["timeout"]))
        pages.dismiss()
        if answer is None:
            return Outcome("failed", "timeout", "The PBX did not say in time how its test of the e-mail settings ended.")
        smtp, pop3, reason, words = _TESTS[answer.name]
        self.test = {"smtp": smtp, "pop3": pop3}
        return Outcome("failed", reason, f"The test of the e-mail settings failed: {words}.") if reason else None

    def _look_at_rule(self, pages: Pages) -> None:
        """Whether the PBX allows weak passwords; nothing depends on finding it."""
        try:
            if pages.has("email_address"):
                pages.press("email_cancel")
                pages.settle()
            self._open_settings(pages)
            pages.press("security_tile", _SHORT_SECONDS)
            pages.settle()
            if not pages.has("weak_password"):
                pages.press("service_tab", _SHORT_SECONDS)
            pages.need("weak_password", _SHORT_SECONDS)
            self.weak_allowed = pages.ticked("weak_password")
        except BrowserFault:
            self.weak_allowed = None
