# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A mailbox by POP3: one folder, seen as it is when one logs in. Nothing is deleted."""

from __future__ import annotations

import base64
import contextlib
import datetime
import poplib
import re
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Set
from typing import TYPE_CHECKING

from ansible_collections.keyturn.devices.plugins.module_utils._mail.connection import (
    MOST_BYTES,
    Access,
    Limits,
    Line,
    MailFault,
    refusal,
    typed_faults,
)
from ansible_collections.keyturn.devices.plugins.module_utils._mail.content import Headers, received_at
from ansible_collections.keyturn.devices.plugins.module_utils._mail.mailbox import MOST_MAILS, Arrival, xoauth2
from ansible_collections.keyturn.devices.plugins.module_utils._mail.marker import Marker, digest, identity
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor

# Lines of mails have no limit in practice; poplib's own is for answers.
_LONGEST_LINE = MOST_BYTES


class _Connection(poplib.POP3):
    """poplib, over our own connection and with lines as long as mails have them."""

    def __init__(self, line: Line) -> None:
        self._line = line
        super().__init__(line.access.host, line.access.port, timeout=line.limits.timeout)

    def _create_socket(self, timeout: float) -> socket.socket:
        return self._line.open()

    def _getline(self) -> tuple[bytes, int]:
        text = self.file.readline(_LONGEST_LINE + 1)
        if not text:
            raise poplib.error_proto("-ERR EOF")
        if len(text) > _LONGEST_LINE:
            raise poplib.error_proto("line too long")
        return text.rstrip(b"\r\n"), len(text)

    if TYPE_CHECKING:

        def _shortcmd(self, line: str) -> bytes:
            """Of the class above: one line sent, one line received."""

    def authenticate(self, mechanism: str, respond: Callable[[bytes], bytes]) -> None:
        """AUTH (RFC 5034). error_proto when the server refuses."""
        answer = self._shortcmd(f"AUTH {mechanism}")
        while not answer.startswith(b"+OK"):
            challenge = base64.b64decode(answer[1:].strip() or b"")
            answer = self._shortcmd(base64.b64encode(respond(challenge)).decode("ascii"))


class Pop3Mailbox:
    """Logs in anew for each look, because a session does not see what comes after its beginning. Raises MailFault from every method."""

    #: Seconds between two looks at most. Each is a login, and providers ration those.
    longest_pause = 30.0

    def __init__(self, access: Access, limits: Limits, redactor: Redactor) -> None:
        self._access = access
        self._limits = limits
        self._redactor = redactor
        self._open()

    def _open(self) -> None:
        self._line = Line(self._access, self._limits)
        try:
            with typed_faults(self._access):
                self._connection = _Connection(self._line)
                if self._access.tls == "starttls":
                    self._start_tls()
                self._log_in()
        except BaseException:
            self._line.close()
            raise

    def close(self) -> None:
        """Log out, if that is still possible, and close."""
        with contextlib.suppress(Exception):
            self._connection.quit()
        self._line.close()

    def mark(self, wants: Callable[[Headers], bool]) -> Marker:
        """What is there now: all of it, since the UIDLs of all mails take one request."""
        with typed_faults(self._access):
            return Marker(identity(self._access), known=frozenset(digest(uidl) for _number, uidl in self._uidls()))

    def arrivals(self, start: Marker | datetime.datetime, seen: Set[str]) -> Iterator[Arrival]:
        """Mails that are newer and not among C(seen) (keys of arrivals)."""
        with typed_faults(self._access):
            sizes = {int(number): int(size) for number, size in _pairs(self._connection.list()[1])}
            for number, uidl in self._uidls()[-MOST_MAILS:]:
                key = digest(uidl)
                if key in seen or (isinstance(start, Marker) and key in start.known):
                    continue
                raw = b"\r\n".join(self._connection.top(number, 0)[1])
                received = received_at(raw)
                if isinstance(start, datetime.datetime) and (received is None or received < start):
                    continue
                yield Arrival(key, raw, received, sizes.get(number, 0), ("INBOX", number))

    def fetch(self, arrival: Arrival) -> bytes | None:
        """The whole mail."""
        with typed_faults(self._access):
            return b"\r\n".join(self._connection.retr(arrival.place[1])[1])

    def wait(self, seconds: float) -> None:
        """So long, logged out: the mailbox is locked for others while one is in it."""
        self.close()
        time.sleep(seconds)
        self._open()

    def _start_tls(self) -> None:
        if "STLS" not in self._connection.capa():
            raise MailFault("protocol", f"The mail server {self._access} does not offer STARTTLS, so nothing was sent to it.")
        self._connection.stls(self._line.context)

    def _log_in(self) -> None:
        refused: MailFault | None = None
        try:
            if self._access.oauth:
                self._connection.authenticate("XOAUTH2", xoauth2(self._access))
            else:
                self._connection.user(self._access.user)
                self._connection.pass_(self._access.secret)
        except poplib.error_proto as problem:
            if "EOF" in str(problem):
                raise
            words = problem.args[0] if problem.args else b""
            text = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
            refused = refusal(self._access, re.sub(r"\A-ERR *", "", text), self._redactor)
        if refused is not None:
            raise refused

    def _uidls(self) -> list[tuple[int, str]]:
        """Number and UIDL of every mail, as the server orders them: the newest last, in practice."""
        return [(int(number), uidl) for number, uidl in _pairs(self._connection.uidl()[1])]


def _pairs(lines: Iterable[bytes]) -> Iterator[list[str]]:
    return (words for words in (line.decode("ascii", "replace").split() for line in lines) if len(words) == 2)
