# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mailbox as it was before a mail was asked for. What came later counts, whatever the clocks say."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._mail.connection import Access


def digest(content: str | bytes) -> str:
    """Enough of a hash to tell mails apart; short, because there may be thousands of them."""
    raw = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    return hashlib.sha256(raw).hexdigest()[:16]


def identity(access: Access) -> str:
    """Tells mailboxes apart, in a form that shows nothing of them."""
    return digest(f"{access.protocol}://{access.user}@{access.host.lower()}:{access.port}")


@dataclass(frozen=True)
class FolderMark:
    """Of one IMAP folder: mails with this or a higher UID are newer, while its UIDVALIDITY is this one."""

    uid_validity: int
    uid_next: int


@dataclass(frozen=True)
class Marker:
    """C(mailbox): its C(identity). C(folders): every IMAP folder that was there. C(known): digests of what was there already.

    With IMAP C(known) holds the newest mails by their headers, because a mail that is moved to another folder gets a new UID there.
    With POP3 it holds the UIDL of every mail.
    """

    mailbox: str
    folders: Mapping[str, FolderMark] = field(default_factory=dict)
    known: frozenset[str] = frozenset()

    def as_data(self) -> dict[str, Any]:
        """In the form that a module returns and takes."""
        folders = {name: {"uid_validity": mark.uid_validity, "uid_next": mark.uid_next} for name, mark in self.folders.items()}
        return {"mailbox": self.mailbox, "folders": folders, "known": sorted(self.known)}

    @classmethod
    def read(cls, data: Mapping[str, Any], access: Access) -> Marker:
        """From C(as_data()). ValueError when it is none, or the marker of another mailbox."""
        try:
            folders = {str(name): FolderMark(int(mark["uid_validity"]), int(mark["uid_next"])) for name, mark in data["folders"].items()}
            marker = cls(str(data["mailbox"]), folders, frozenset(str(each) for each in data["known"]))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ValueError("is not what state=marked returned") from None
        if marker.mailbox != identity(access):
            raise ValueError("is that of another mailbox: protocol, host, port or user differ")
        if access.folders is not None and access.protocol == "imap" and set(access.folders) != set(folders):
            raise ValueError("is of other folders than mailbox.folders")
        return marker
