# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A mailbox behind one interface, whichever protocol it is read by."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field
from typing import Protocol

from ansible_collections.keyturn.devices.plugins.module_utils._mail.connection import Access
from ansible_collections.keyturn.devices.plugins.module_utils._mail.content import Headers
from ansible_collections.keyturn.devices.plugins.module_utils._mail.marker import Marker

#: Of each folder, no more than so many mails are looked at: the newest.
MOST_MAILS = 500


@dataclass(frozen=True)
class Arrival:
    """A mail that came after the start of a search. C(key) tells it apart; C(size) in bytes; C(place): folder, and UID or number there.

    C(received_at) is None where nothing tells it.
    """

    key: str
    headers: bytes = field(repr=False)
    received_at: datetime.datetime | None
    size: int
    place: tuple[str, int]


class Mailbox(Protocol):
    """Raises MailFault from every method."""

    longest_pause: float

    def mark(self, wants: Callable[[Headers], bool]) -> Marker:
        """The mailbox as it is now; C(wants) tells which mails are looked at."""

    def arrivals(self, start: Marker | datetime.datetime, seen: Set[str]) -> Iterator[Arrival]:
        """Mails that came since C(start), but those in C(seen)."""

    def fetch(self, arrival: Arrival) -> bytes | None:
        """A whole mail, or None when it is gone."""

    def wait(self, seconds: float) -> None:
        """Until something may have come, so many seconds at most."""

    def close(self) -> None:
        """Leave the mailbox."""


def xoauth2(access: Access) -> Callable[[bytes], bytes]:
    """The client's side of SASL XOAUTH2 (documented by Google and Microsoft): the token, and nothing to the error that may follow."""
    answers = iter([f"user={access.user}\1auth=Bearer {access.secret}\1\1".encode()])
    return lambda _challenge: next(answers, b"")
