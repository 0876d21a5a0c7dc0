# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A mailbox by IMAP. Folders are opened for reading only and mails are peeked at: the mailbox stays as it was."""

from __future__ import annotations

import contextlib
import datetime
import logging
import re
import socket
import time
import traceback
from collections.abc import Callable, Iterator, Sequence, Set
from typing import TYPE_CHECKING, Any

from ansible_collections.keyturn.devices.plugins.module_utils._mail.connection import (
    MOST_BYTES,
    Access,
    Limits,
    Line,
    MailFault,
    refusal,
    typed_faults,
)
from ansible_collections.keyturn.devices.plugins.module_utils._mail.content import Headers, read_headers
from ansible_collections.keyturn.devices.plugins.module_utils._mail.mailbox import MOST_MAILS, Arrival, xoauth2
from ansible_collections.keyturn.devices.plugins.module_utils._mail.marker import FolderMark, Marker, digest, identity
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor

if TYPE_CHECKING:
    import imapclient

# How junk folders are called where the server does not say which it is (RFC 6154).
_JUNK = ("junk", "spam", "junk email", "junk e-mail", "junk mail", "bulk mail", "垃圾邮件", "垃圾郵件")
_CLOSED_FOLDERS = (b"\\noselect", b"\\nonexistent")

# All that is needed to tell mails apart and to see whether one is the one looked for.
_HEADERS = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE FROM SUBJECT TO CC DELIVERED-TO X-ORIGINAL-TO ENVELOPE-TO RECEIVED)]"
# Providers that ask for it (NetEase) refuse to open a folder otherwise (observed).
_ID = {"name": "keyturn.devices", "vendor": "keyturn"}


def library_problem() -> str | None:
    """Why IMAP cannot be used here; None when it can."""
    try:
        import imapclient  # noqa: F401
    except ImportError:
        return traceback.format_exc()
    # It logs every line, passwords included, and Python prints warnings that nobody handles.
    logger = logging.getLogger("imapclient")
    logger.setLevel(logging.ERROR)
    logger.addHandler(logging.NullHandler())
    return None


class ImapMailbox:
    """One connection, logged in. Raises MailFault from every method."""

    #: Seconds between two looks at most. The inbox is listened to in between where the server offers it.
    longest_pause = 5.0

    def __init__(self, access: Access, limits: Limits, redactor: Redactor) -> None:
        self._access = access
        self._limits = limits
        self._redactor = redactor
        self._line = Line(access, limits)
        self._selected = ""
        try:
            with typed_faults(access):
                self._client = _client(self._line, limits)
                self._client.normalise_times = False
                if access.tls == "starttls":
                    self._start_tls()
                self._log_in()
                if self._client.has_capability("ID"):
                    with contextlib.suppress(self._client.Error):
                        self._client.id_(_ID)
        except BaseException:
            self._line.close()
            raise

    def close(self) -> None:
        """Log out, if that is still possible, and close."""
        with contextlib.suppress(Exception):
            self._client.logout()
        self._line.close()

    def mark(self, wants: Callable[[Headers], bool]) -> Marker:
        """What is there now. C(wants): which mails a search would look at."""
        with typed_faults(self._access):
            folders: dict[str, FolderMark] = {}
            known: set[str] = set()
            for name in self._folders():
                folders[name] = self._select(name)
                for _uid, raw, _received, _size in self._headers(self._client.search("ALL")):
                    if wants(read_headers(raw)):
                        known.add(digest(raw))
            return Marker(identity(self._access), folders, frozenset(known))

    def arrivals(self, start: Marker | datetime.datetime, seen: Set[str]) -> Iterator[Arrival]:
        """Mails that are newer and not among C(seen) (keys of arrivals), folder by folder."""
        with typed_faults(self._access):
            names = self._folders()
            stale = []
            for name in names:
                mark = self._select(name)
                before = start.folders.get(name) if isinstance(start, Marker) else None
                if before is not None and before.uid_validity != mark.uid_validity:
                    stale.append(name)
                    continue
                uids = self._newer(start, before, mark)
                new = [uid for uid in uids if _key(name, mark, uid) not in seen]
                for uid, raw, received, size in self._headers(new):
                    if isinstance(start, Marker) and digest(raw) in start.known:
                        continue
                    if isinstance(start, datetime.datetime) and received < start:
                        continue
                    yield Arrival(_key(name, mark, uid), raw, received, size, (name, uid))
            if stale and len(stale) == len(names):
                raise MailFault("marker_stale", "The mail server has numbered its mails anew since the mailbox was marked (UIDVALIDITY).")

    def fetch(self, arrival: Arrival) -> bytes | None:
        """The whole mail; None when somebody deleted it meanwhile."""
        with typed_faults(self._access):
            name, uid = arrival.place
            if self._selected != name:
                self._select(name)
            # Whatever size was told, no more than this is asked for.
            parts = self._client.fetch([uid], [f"BODY.PEEK[]<0.{MOST_BYTES + 1}>"]).get(uid, {})
            return next((value for name, value in parts.items() if name.startswith(b"BODY[")), None)

    def wait(self, seconds: float) -> None:
        """Until something happens in the folder looked at last, but no longer than that."""
        with typed_faults(self._access):
            if not self._client.has_capability("IDLE") or not self._selected:
                time.sleep(seconds)
                return
            self._client.idle()
            try:
                self._client.idle_check(seconds)
            finally:
                self._client.idle_done()

    def _start_tls(self) -> None:
        if not self._client.has_capability("STARTTLS"):
            raise MailFault("protocol", f"The mail server {self._access} does not offer STARTTLS, so nothing was sent to it.")
        self._client.starttls(self._line.context)

    def _log_in(self) -> None:
        access, client = self._access, self._client
        plain = access.secret.isascii() and access.user.isascii()
        if not access.oauth and client.has_capability("LOGINDISABLED") and not client.has_capability("AUTH=PLAIN"):
            raise MailFault("mailbox_refused", f"The mail server {access} takes no password on this connection: see tls and oauth_token.")
        refused: MailFault | None = None
        try:
            if access.oauth:
                client.sasl_login("XOAUTH2", xoauth2(access))
            elif plain and not client.has_capability("LOGINDISABLED"):
                client.login(access.user, access.secret)
            else:
                client.sasl_login("PLAIN", lambda _challenge: f"\0{access.user}\0{access.secret}".encode())
        except client.AbortError:
            raise
        except client.Error as problem:
            refused = refusal(access, re.sub(r"\Ab(['\"])(.*)\1\Z", r"\2", str(problem)), self._redactor)
        if refused is not None:
            raise refused

    def _folders(self) -> Sequence[str]:
        """The inbox last: it is the one that is listened to."""
        there = {_name(name): (flags, delimiter) for flags, delimiter, name in self._client.list_folders()}
        there = {name: entry for name, entry in there.items() if not _has(entry[0], *_CLOSED_FOLDERS)}
        if self._access.folders is not None:
            for name in self._access.folders:
                if name not in there and name.upper() != "INBOX":
                    raise MailFault("not_found", f"The mailbox of {self._access.user} has no folder {self._redactor.shown(name)}.")
            return sorted(self._access.folders, key=lambda name: name.upper() == "INBOX")
        return [*(name for name, (flags, delimiter) in there.items() if _is_junk(name, flags, delimiter)), "INBOX"]

    def _select(self, name: str) -> FolderMark:
        told = self._client.select_folder(name, readonly=True)
        self._selected = name
        uid_next = told.get(b"UIDNEXT")
        if uid_next is None:  # It may be left out.
            uid_next = max(self._client.search("ALL"), default=0) + 1
        return FolderMark(int(told.get(b"UIDVALIDITY", 0)), int(uid_next))

    def _newer(self, start: Marker | datetime.datetime, before: FolderMark | None, now: FolderMark) -> list[int]:
        if isinstance(start, datetime.datetime):
            # By days, of the server's time zone; the moment is compared afterwards.
            return list(self._client.search(["SINCE", (start - datetime.timedelta(days=1)).date()]))
        first = before.uid_next if before is not None else 1
        if now.uid_next <= first:
            return []
        # "*" is the last mail, however low its UID is.
        return [uid for uid in self._client.search(["UID", f"{first}:*"]) if uid >= first]

    def _headers(self, uids: Sequence[int]) -> Iterator[tuple[int, bytes, datetime.datetime, int]]:
        """UID, headers, when it was received, size in bytes; the newest of them, oldest first."""
        chosen = sorted(uids)[-MOST_MAILS:]
        answer = self._client.fetch(chosen, ["INTERNALDATE", "RFC822.SIZE", _HEADERS]) if chosen else {}
        for uid, parts in sorted(answer.items()):
            raw = next((value for name, value in parts.items() if name.startswith(b"BODY[")), None)
            if raw is not None and b"INTERNALDATE" in parts:
                yield uid, raw, parts[b"INTERNALDATE"], int(parts.get(b"RFC822.SIZE", 0))


def _client(line: Line, limits: Limits) -> imapclient.IMAPClient:
    import imaplib

    import imapclient

    class Connection(imaplib.IMAP4):
        def _create_socket(self, timeout: float | None) -> socket.socket:
            return line.open()

    class Client(imapclient.IMAPClient):  # type: ignore[misc, unused-ignore]
        def _create_IMAP4(self) -> Any:
            return Connection(line.access.host, line.access.port)

    return Client(
        line.access.host,
        line.access.port,
        ssl=line.access.tls == "implicit",
        timeout=imapclient.SocketTimeout(limits.timeout, limits.timeout),
    )


def _key(folder: str, mark: FolderMark, uid: int) -> str:
    return f"{folder}/{mark.uid_validity}/{uid}"


def _name(name: str | bytes | int) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def _has(flags: Sequence[bytes], *wanted: bytes) -> bool:
    return any(flag.lower() in wanted for flag in flags)


def _is_junk(name: str, flags: Sequence[bytes], delimiter: bytes | None) -> bool:
    last = name.rpartition(delimiter.decode("ascii", "replace"))[2] if delimiter else name
    return _has(flags, b"\\junk") or last.casefold() in _JUNK
