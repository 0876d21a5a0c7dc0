# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recovering a lost password by the PBX's own Forget Password: ask for the mail, wait for it, follow its link, set a new one, prove it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._addresses import Address, bracketed
from ansible_collections.keyturn.devices.plugins.module_utils._browser.connections import BrowserFault
from ansible_collections.keyturn.devices.plugins.module_utils._mail.connection import Access, Limits, MailFault
from ansible_collections.keyturn.devices.plugins.module_utils._mail.judging import Found, Rejected, Search
from ansible_collections.keyturn.devices.plugins.module_utils._mail.marker import Marker
from ansible_collections.keyturn.devices.plugins.module_utils._mail.options import missing_library, read_access, read_search
from ansible_collections.keyturn.devices.plugins.module_utils._mail.safety import (
    AllowedHost,
    UnsafeLink,
    WebLink,
    read_link,
    secrets_of,
    unwrap,
)
from ansible_collections.keyturn.devices.plugins.module_utils._mail.search import NotFound, find_link, mark_mailbox
from ansible_collections.keyturn.devices.plugins.module_utils._module import Context, ModuleFailure
from ansible_collections.keyturn.devices.plugins.module_utils._outcomes import Outcome
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.email_settings import is_address
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.pages import Answer, Field, Pages
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.passwords import broken_rules
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.visit import Prepared, Visit, carry_out, ended, prepare

#: Subjects of the mail: documented, the dialog's title in Chinese and a later wording of it (assumed).
SUBJECTS = ("Find Password", "找回密码", "Reset Password")

#: How long a link lives (facts: Yeastar 3.4, observed).
LINK_MINUTES = 30

_NOTHING_CHANGED = "The PBX kept its password"
_SHORT_SECONDS = 1.5

# After a mail with a dead link, such as one that was long on its way, the true one may come.
_LATER_SECONDS = 30.0

# What the dialog says -> reason, and what to do.
_REFUSED_REQUESTS = {
    "no_bound_email": (
        "no_bound_email",
        "No address is bound to this user, so the PBX has nowhere to send a mail. Another administrator can set a password; else the "
        "vendor's article leaves only a factory reset, which erases everything and is never done by this module.",
    ),
    "unknown_user": ("unknown_user", "The PBX knows no such user."),
    "unknown_user_or_email": (
        "unknown_user_or_email",
        "The PBX does not know the user, or another address is bound to it; it does not say which.",
    ),
    "send_failed": ("send_failed", "The PBX could not send the mail: its own e-mail settings do not work."),
    "forgot_locked": ("locked_out", "The PBX takes no request after five failed ones; wait 10 minutes."),
}

# What the page of the link says -> reason, in which the PBX keeps its password.
_REFUSED_RESETS = {
    "link_expired": ("link_expired", "the link has expired"),
    "link_unknown": ("link_unknown", "the PBX does not know the user or the link any more; a newer request may have replaced it"),
    "mismatch": ("protocol", "the page says that the two entries differ"),
    "rule": ("policy", "the PBX's own rule refuses the new password"),
    "default_password": ("policy", "the PBX does not take its default password"),
    "reset_failed": ("rejected", "the PBX says that the reset failed, and not why"),
}


def recover(options: Mapping[str, Any], context: Context, may_change: Callable[[], bool]) -> dict[str, Any]:
    """The work of C(pbx_email_recovery). C(may_change): asked right before the new password is sent; when it says no, nothing is sent."""
    problems: list[str] = []
    task = _Recovery(options, context, may_change, problems)
    prepared = prepare(options, problems)
    if (missing := task.missing_library()) is not None:
        raise ModuleFailure(missing, reason="library")
    if options["state"] == "recovered" and (broken := broken_rules(options["new_password"])):
        raise ModuleFailure(
            f"{_NOTHING_CHANGED}, and nothing was sent: {broken} (the rule with Allow Weak Password off).", reason="policy", status="failed"
        )
    task.place = prepared
    seconds = options["deadline"] + 12 * options["timeout"]
    return carry_out(options, context, prepared, task.run, task.told, seconds=seconds, check=options["link"] is None)


@dataclass(frozen=True)
class _WhileItMay(Limits):
    """Over, too, when the run that wants the mail has ended: nobody is left to wait for."""

    may_change: Callable[[], bool]

    def left(self) -> float:
        return super().left() if self.may_change() else 0.0


class _Recovery:
    """One recovery. C(marker): the mailbox before the request. C(requested_at): when the mail was asked for. C(live): which password a
    login proved, C(new) or C(current).
    """

    place: Prepared

    def __init__(self, options: Mapping[str, Any], context: Context, may_change: Callable[[], bool], problems: list[str]) -> None:
        self._options = options
        self._context = context
        self._redactor = context.redactor
        self._may_change = may_change
        self._end = time.monotonic() + options["deadline"]
        self._access: Access | None = None
        self.marker: Marker | None = None
        self.requested_at: datetime | None = None
        self.live: str | None = None
        self._rejected: list[Rejected] = []
        self.sent_late = False
        self._search = self._read(problems)

    def _read(self, problems: list[str]) -> Search:
        options = self._options
        if options["deadline"] < 1:
            problems.append("deadline must be 1 or more")
        if options["email"] is not None and not is_address(options["email"]):
            problems.append("email is no e-mail address")
        problems += [f"{name} is empty" for name in ("new_password", "current_password") if options[name] == ""]
        if options["try_first"] != "none" and options["state"] != "recovered":
            problems.append("try_first belongs to state=recovered")
        search = Search(())
        try:
            search = read_search(options["allowed_hosts"], options["subjects"], options["sender"])
        except ValueError as problem:
            problems.append(str(problem))
        if options["mailbox"] is not None:
            try:
                self._access = read_access(options["mailbox"])
            except ValueError as problem:
                problems.append(str(problem))
        if options["marker"] is not None and self._access is not None:
            try:
                self.marker = Marker.read(options["marker"], self._access)
            except ValueError as problem:
                problems.append(f"marker {problem}")
        if options["state"] != "ready" and options["link"] is None and options["marker"] is None and options["email"] is None:
            problems.append("email is missing: the PBX is asked for the mail with it")
        if options["link"] is None and options["state"] == "recovered" and options["mailbox"] is None:
            problems.append("mailbox is missing; without it, give link")
        return search

    def missing_library(self) -> str | None:
        return missing_library(self._access.protocol) if self._access else None

    def told(self) -> dict[str, Any]:
        """Return values besides those of all PBX modules."""
        until = self.requested_at + timedelta(minutes=LINK_MINUTES) if self.requested_at else None
        return {
            "marker": self.marker.as_data() if self.marker else None,
            "requested_at": _utc(self.requested_at),
            "link_lives_until": _utc(until),
            "rejected": [{"message_id": each.message_id, "reason": each.reason} for each in self._rejected],
            "live": self.live,
            "sent_late": self.sent_late,
        }

    def run(self, visit: Visit) -> Outcome:
        try:
            return self._run(visit)
        except NotFound as problem:
            self._rejected += problem.rejected
            return Outcome("failed", problem.reason, f"{problem.message} {self._lives()}".strip())
        except MailFault as fault:
            return Outcome("failed", fault.reason, f"{fault.message} {self._lives()}".strip())
        except UnsafeLink as unsafe:
            return Outcome("failed", unsafe.reason, f"{_NOTHING_CHANGED}: the link is not safe: {unsafe.message}.")

    def _lives(self) -> str:
        if self.requested_at is None:
            return ""
        until = _utc(self.requested_at + timedelta(minutes=LINK_MINUTES))
        return f"The link that was asked for lives until {until}; carry on with marker."

    def _run(self, visit: Visit) -> Outcome:
        options = self._options
        # Where links may point is known only with the PBX's own address.
        if options["allowed_hosts"] is None:
            address = visit.site.address
            scheme = "https" if address.scheme == "https" else None
            self._search = Search((AllowedHost(AllowedHost.read(bracketed(address.host)).host, None, scheme),), *self._wanted())
        if self._context.check_mode or options["state"] == "ready":
            return self._look(visit)
        if options["try_first"] != "none" and (known := self._try(visit)) is not None:
            return known
        if options["link"] is not None:
            return self._finish(visit, self._given(options["link"]))
        if self.marker is None:
            refused = self._request(visit)
            if refused is not None or options["state"] == "requested":
                return refused or Outcome("changed", "", "The PBX has sent the mail.")
        # The wait begins here, however long the pages took until now.
        self._end = time.monotonic() + options["deadline"]
        outcome = self._follow(visit)
        if outcome.reason == "link_expired" and options["email"] is not None:
            # Once: whoever asks again and again is locked out.
            refused = self._request(visit)
            return refused or self._follow(visit)
        return outcome

    def _follow(self, visit: Visit) -> Outcome:
        """Wait for the mail and follow its link; where that one is dead, the link of another that has come or comes a little later."""
        before, dead = self._rejected, list[str]()
        outcome: Outcome | None = None
        end = self._end
        while True:
            try:
                found = self._wait(end, dead)
            except (NotFound, MailFault):
                if outcome is not None:
                    return outcome
                visit.step("mail_found", "failed")
                raise
            visit.step("mail_found")
            self._rejected = [*before, *found.rejected]
            outcome = self._finish(visit, self._given(found.link))
            if outcome.reason != "link_unknown":
                return outcome
            dead.append(found.link)
            # However long the page took.
            end = time.monotonic() + min(_LATER_SECONDS, self._options["deadline"])

    def _try(self, visit: Visit) -> Outcome | None:
        """One login with the password that may be in force after all; None where the PBX refuses it."""
        if not self._may_change():
            return ended()
        first = str(self._options["try_first"])
        login = visit.door.enter(self._options[f"{first}_password"])
        if login.status == "refused":
            return None
        if login.status != "proven":
            return Outcome("failed", login.reason, f"{_NOTHING_CHANGED}, and no mail was asked for: {_lowered(login.message)}")
        self.live = first
        visit.step("proven")
        return Outcome("unchanged", login.reason, f"The {first} password is in force already; no mail was asked for.")

    def _wanted(self) -> tuple[tuple[str, ...], str | None]:
        return tuple(self._search.subjects), self._search.sender

    def _look(self, visit: Visit) -> Outcome:
        """Whether the mailbox can be read and the dialog is there; nothing is asked for."""
        self._mark()
        self._open_dialog(visit)
        visit.step("checked")
        if self._options["state"] == "ready":
            return Outcome("unchanged", "", "The PBX can be asked for the mail.")
        message = "The PBX would be asked for the mail." if self._options["state"] == "requested" else "The password would be recovered."
        return Outcome("changed", "would_change", message)

    # The mail

    def _mark(self) -> None:
        if self._access is not None:
            limits = Limits(self._options["timeout"], time.monotonic() + 2 * self._options["timeout"])
            self.marker = mark_mailbox(self._access, self._search, limits, self._redactor)

    def _open_dialog(self, visit: Visit) -> None:
        visit.door.open()
        visit.pages.press("forgot_link")
        visit.pages.need("forgot_username")
        visit.pages.need("forgot_send")

    def _request(self, visit: Visit) -> Outcome | None:
        """Ask for the mail; an outcome where the PBX sends none."""
        pages = visit.pages
        if not self._may_change():
            return ended()
        self._mark()
        self._open_dialog(visit)
        visit.step("checked")
        pages.type("forgot_username", self._options["username"])
        # The older dialog asks for the user alone.
        if pages.has("forgot_email"):
            pages.type("forgot_email", self._options["email"])
        pages.mark()
        try:
            pages.press("forgot_send")
            answer = pages.answer(["mail_sent", *_REFUSED_REQUESTS], lambda: self._code(pages))
        except BrowserFault as fault:
            if not pages.sent:
                raise
            self.requested_at = datetime.now(timezone.utc)
            visit.step("requested", "failed")
            return Outcome("failed", fault.reason, f"The mail was asked for, and the answer was lost: {fault.message}. {self._lives()}")
        if answer is not None and answer.name in _REFUSED_REQUESTS:
            visit.step("requested", "failed")
            return Outcome("failed", *_REFUSED_REQUESTS[answer.name])
        if answer is None and not pages.sent:
            return Outcome("failed", "protocol", "The page sent nothing when its button was pressed.")
        self.requested_at = datetime.now(timezone.utc)
        visit.step("requested", "done" if answer else "failed")
        if answer is None:
            return Outcome("failed", "timeout", f"The PBX did not say whether it sent the mail. {self._lives()}")
        return None

    def _code(self, pages: Pages) -> Answer | None:
        """The result code, where no message that is known follows it."""
        result = pages.result("forgot")
        if result is None:
            return None
        said = pages.answer(["mail_sent", *_REFUSED_REQUESTS], seconds=_SHORT_SECONDS)
        # Observed: any other code is for a mail that could not be sent.
        return said or Answer("send_failed" if result == "other" else result)

    def _wait(self, end: float, dead: Sequence[str]) -> Found:
        """The mail, once it is there, passing over those with a dead link. Raises NotFound and MailFault."""
        if self._access is None or self.marker is None:
            raise AssertionError("the mailbox was not marked yet")
        limits = _WhileItMay(self._options["timeout"], end, self._may_change)
        return find_link(self._access, self._search, self.marker, limits, self._redactor, dead=dead)

    def _given(self, text: str) -> WebLink:
        """A link, once it is certain that it leads to the PBX. Raises UnsafeLink."""
        text = unwrap(text.strip())
        self._redactor.add(text, *secrets_of(text))
        link = read_link(text)
        if not link.is_allowed(self._search.allowed_hosts):
            raise UnsafeLink("link_foreign_host", f"it points to {link.place}, which is not one of allowed_hosts")
        return link

    # The page of the link

    def _finish(self, visit: Visit, link: WebLink) -> Outcome:
        # Opening it may use it up, which another run may be waiting for by now.
        if not self._may_change():
            return ended()
        visit.step("link_checked")
        pages = visit.pages
        address = Address(link.scheme, link.host, link.port)
        pages.browser.fresh()
        pages.browser.gateway.allow([address])
        pages.mark()
        self._open(visit, link, address)
        said = pages.browser.until(lambda: self._said_or_fields(pages))
        if isinstance(said, Answer):
            visit.step("password_set", "failed")
            return _refused(said)
        fields = self._fields(pages)
        for field in fields:
            pages.fill(field, self._options["new_password"])
        saved = pages.save(
            fields[0],
            ["reset_done", *_REFUSED_RESETS],
            lambda: Answer("reset_done") if pages.has("login_username") else None,
            self._may_change,
        )
        answer, self.sent_late = saved.answer, saved.late
        # A link that was good a moment ago may have been used by this very reset.
        spent = answer is not None and answer.name == "link_unknown"
        if answer is not None and answer.name in _REFUSED_RESETS and not spent:
            visit.step("password_set", "failed")
            return _refused(answer)
        if answer is None and not pages.sent:
            return Outcome("failed", "rejected", f"{_NOTHING_CHANGED}: the page sent nothing when its button was pressed.")
        confirmed = answer is not None and not spent
        visit.step("password_set", "done" if confirmed else "failed")
        return self._prove(visit, confirmed)

    def _open(self, visit: Visit, link: WebLink, address: Address) -> None:
        browser = visit.pages.browser
        try:
            browser.gateway.check(address)
            status = browser.open(link.text)
        except BrowserFault as fault:
            if fault.reason in ("unreachable", "timeout") and visit.site.proxy is None:
                raise BrowserFault(
                    "link_not_local", f"The link points to {link.place}, and that cannot be reached from here: {_NEAR}"
                ) from None
            raise
        if status == 403:
            raise BrowserFault("link_not_local", f"The PBX opens the link only for its own network: {_NEAR}")

    def _said_or_fields(self, pages: Pages) -> Answer | bool | None:
        if any(field.kind == "password" for field in pages.fields()):
            return True
        return pages.said(list(_REFUSED_RESETS), pages.new_lines())

    def _fields(self, pages: Pages) -> list[Field]:
        """The two fields for the new password. C(profile_unknown) for any other page, before anything is typed."""
        fields = [field for field in pages.fields() if field.kind == "password"]
        labels = {label for field in fields for label in ("old_password",) if pages.labelled(label, [field])}
        if len(fields) != 2 or labels or pages.has("login_username"):
            raise pages.unknown("exactly two password fields, for the new password and for the same again")
        return fields

    def _prove(self, visit: Visit, confirmed: bool) -> Outcome:
        if not self._may_change():
            return Outcome(
                "unknown", "interrupted", "The new password was sent, and the run that wanted it ended before a login proved it."
            )
        if visit.door.wrong and not confirmed:
            # A second wrong login could be the one that locks everybody out.
            message = "The new password was sent, and the PBX did not say what became of it. It is to be tried first by the next run."
            return Outcome("unknown", "unconfirmed", message)
        try:
            login = visit.door.enter(self._options["new_password"])
        except BrowserFault as fault:
            return Outcome("unknown", fault.reason, f"The new password was sent, and no login could prove it: {fault.message}.")
        visit.step("proven", "done" if login.status == "proven" else "failed")
        if login.status == "proven":
            self.live = "new"
            return Outcome("changed", login.reason, login.message if login.reason else "The new password is in force.")
        if login.status == "refused" and confirmed:
            return Outcome("unknown", "new_password_refused", "The PBX said that it took the new password, and then refused it.")
        if login.status == "refused":
            return Outcome("failed", "rejected", f"{_NOTHING_CHANGED}: the new one was sent, the PBX said nothing, and refuses it.")
        return Outcome("unknown", login.reason, f"The new password was sent, and no login could prove it: {login.message}")


_NEAR = "give proxy (such as ssh -D to a host at the site), or delegate the task to a host in the network of the PBX."


def _refused(answer: Answer) -> Outcome:
    reason, words = _REFUSED_RESETS[answer.name]
    return Outcome("failed", reason, f"{_NOTHING_CHANGED}: {words}.")


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]


def _utc(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None
