# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Marks a mailbox, and waits in it for the mail that was asked for."""

from __future__ import annotations

import contextlib
import datetime
import time
from collections.abc import Collection, Iterator, Sequence

from ansible_collections.keyturn.devices.plugins.module_utils._mail.connection import MOST_BYTES, Access, Limits, MailFault
from ansible_collections.keyturn.devices.plugins.module_utils._mail.content import read_headers
from ansible_collections.keyturn.devices.plugins.module_utils._mail.imap import ImapMailbox
from ansible_collections.keyturn.devices.plugins.module_utils._mail.judging import Found, Rejected, Search, Unfit, check_headers, link_of
from ansible_collections.keyturn.devices.plugins.module_utils._mail.mailbox import Arrival, Mailbox
from ansible_collections.keyturn.devices.plugins.module_utils._mail.marker import Marker
from ansible_collections.keyturn.devices.plugins.module_utils._mail.pop3 import Pop3Mailbox
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor

# Mails mostly come within seconds; a long wait need not ask so often.
_FIRST_PAUSE = 1.0
_PAUSE_GROWS = 1.4
_LONGEST_PAUSE_WITHOUT_MAILBOX = 30.0

_LONGEST_ID = 200


class NotFound(Exception):
    """No mail that came by the deadline has a link that may be followed. C(reason) is why; C(rejected) the mails that were looked at."""

    def __init__(self, reason: str, message: str, rejected: Sequence[Rejected]) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.rejected = rejected


def mark_mailbox(access: Access, search: Search, limits: Limits, redactor: Redactor) -> Marker:
    """The mailbox as it is now. MailFault when it cannot be read."""
    with _open(access, limits, redactor) as mailbox:
        return mailbox.mark(search.wants)


def find_link(
    access: Access,
    search: Search,
    start: Marker | datetime.datetime,
    limits: Limits,
    redactor: Redactor,
    *,
    wait: bool = True,
    dead: Collection[str] = (),
) -> Found:
    """The link of the newest fitting mail since C(start); waits for it until the deadline unless C(wait) is false. C(dead): links that were
    followed and led nowhere; their mails are passed over.

    Raises NotFound, or MailFault for a mailbox that cannot be read. One that was read before (there is a marker, or a look has
    succeeded) is given time to come back. C(redactor) learns the secrets of every link it sees.
    """
    look = _Look(search, start, redactor, dead)
    reached = isinstance(start, Marker)
    pause = _FIRST_PAUSE
    while True:
        try:
            with _open(access, limits, redactor) as mailbox:
                while True:
                    found = look.at(mailbox)
                    reached = True
                    if found is not None:
                        return found
                    if not wait or limits.left() <= 0:
                        raise look.failure(None)
                    mailbox.wait(min(pause, limits.left()))
                    pause = min(pause * _PAUSE_GROWS, mailbox.longest_pause)
        except MailFault as fault:
            if limits.left() <= 0 and reached:
                raise look.failure(fault) from None
            if not (fault.passing and reached and wait):
                raise
        # A server that is away cannot tell when it is back.
        time.sleep(min(pause, limits.left()))
        pause = min(pause * _PAUSE_GROWS, _LONGEST_PAUSE_WITHOUT_MAILBOX)


@contextlib.contextmanager
def _open(access: Access, limits: Limits, redactor: Redactor) -> Iterator[Mailbox]:
    redactor.add(access.secret)
    mailbox: Mailbox = (ImapMailbox if access.protocol == "imap" else Pop3Mailbox)(access, limits, redactor)
    try:
        yield mailbox
    finally:
        mailbox.close()


class _Look:
    """Looks at each mail once, however often the mailbox has to be opened anew."""

    def __init__(self, search: Search, start: Marker | datetime.datetime, redactor: Redactor, dead: Collection[str]) -> None:
        self._dead = dead
        self._search = search
        self._start = start
        self._redactor = redactor
        self._seen: set[str] = set()
        self._rejected: list[Rejected] = []
        self._found: list[Found] = []

    def at(self, mailbox: Mailbox) -> Found | None:
        """The newest fitting mail of those that are there, if any."""
        for arrival in list(mailbox.arrivals(self._start, self._seen)):
            self._judge(mailbox, arrival)
            self._seen.add(arrival.key)
        if not self._found:
            return None
        # Of those that tell no time, and of those of one second, the last in the order of the mailbox.
        newest = max(range(len(self._found)), key=lambda place: (_moment(self._found[place]), place))
        chosen = self._found[newest]
        older = [
            Rejected(found.message_id, "mail_superseded", "A newer mail came.")
            for found in self._found
            if found.message_id != chosen.message_id or found.link != chosen.link
        ]
        return Found(chosen.link, chosen.message_id, chosen.received_at, [*self._rejected, *older])

    def failure(self, fault: MailFault | None) -> NotFound:
        """Why the wait was in vain: a mail with a link that must not be followed says most, then a mailbox that is gone."""
        links = [rejected for rejected in self._rejected if rejected.reason.startswith("link_")]
        if links:
            message = f"No mail with a link that may be followed came in time. The last that was looked at: {links[-1].message}"
            return NotFound(links[-1].reason, message, self._rejected)
        if fault is not None and fault.reason != "timeout":
            return NotFound(fault.reason, f"No mail came in time. {fault.message}", self._rejected)
        looked = f" {len(self._rejected)} others were looked at: see rejected." if self._rejected else ""
        return NotFound("mail_timeout", f"No mail came in time.{looked}", self._rejected)

    def _judge(self, mailbox: Mailbox, arrival: Arrival) -> None:
        headers = read_headers(arrival.headers)
        if not self._search.wants(headers):
            return
        message_id = self._redactor.shown(headers.message_id, _LONGEST_ID)
        try:
            check_headers(self._search, headers)
            raw = mailbox.fetch(arrival) if arrival.size <= MOST_BYTES else b" " * (MOST_BYTES + 1)
            if raw is None:
                return
            if len(raw) > MOST_BYTES:
                raise Unfit("mail_unreadable", "It is too large.")
            link = link_of(self._search, raw, self._redactor)
            if link in self._dead:
                raise Unfit("link_unknown", "Its link was followed, and is not known any more.")
        except Unfit as unfit:
            self._rejected.append(Rejected(message_id, unfit.reason, self._redactor.shown(unfit.message)))
        else:
            self._found.append(Found(link, message_id, arrival.received_at))


def _moment(found: Found) -> float:
    return found.received_at.timestamp() if found.received_at is not None else 0.0
