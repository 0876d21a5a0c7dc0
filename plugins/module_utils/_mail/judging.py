# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which mail is the one, and which of its links may be followed."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field

from ansible_collections.keyturn.devices.plugins.module_utils._mail.content import Headers, Links, folded, read_links
from ansible_collections.keyturn.devices.plugins.module_utils._mail.safety import (
    AllowedHost,
    UnsafeLink,
    WebLink,
    read_link,
    secrets_of,
    unwrap,
)
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor


@dataclass(frozen=True)
class Search:
    """What is looked for. C(subjects): one of them is part of the subject; none for any subject. C(sender), C(recipient): None for any."""

    allowed_hosts: Sequence[AllowedHost]
    subjects: Sequence[str] = ()
    sender: str | None = None
    recipient: str | None = None

    def wants(self, headers: Headers) -> bool:
        """Whether the subject is one of those looked for. Case, width and extra spaces do not count."""
        subject = folded(headers.subject)
        return not self.subjects or any(folded(wanted) in subject for wanted in self.subjects)


@dataclass(frozen=True)
class Rejected:
    """A mail with a subject that was looked for, which is not the one. C(reason) is one of C(_outcomes.REASONS)."""

    message_id: str
    reason: str
    message: str = ""


@dataclass(frozen=True)
class Found:
    """The link that may be followed. C(received_at) is None where nothing in the mail tells it."""

    link: str = field(repr=False)
    message_id: str
    received_at: datetime.datetime | None
    rejected: Sequence[Rejected] = ()


class Unfit(Exception):
    """A mail that is not the one. C(reason): one of C(_outcomes.REASONS)."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def check_headers(search: Search, headers: Headers) -> None:
    """Unfit for a mail from or to somebody else."""
    if search.sender is not None and headers.senders != (search.sender.lower(),):
        raise Unfit("wrong_sender", "It is from somebody else.")
    if search.recipient is not None and search.recipient.lower() not in headers.recipients:
        raise Unfit("wrong_recipient", "It is to somebody else.")


def link_of(search: Search, raw: bytes, redactor: Redactor) -> str:
    """The one link of a mail that may be followed; Unfit when there is none. C(redactor) learns the secrets of every link."""
    try:
        links = read_links(raw)
    except Exception as problem:  # Anybody can send a mail that nothing can read; what is wrong with it would show pieces of it.
        unreadable = f"It cannot be read ({type(problem).__name__})."
    else:
        for link in (*links.html, *links.text):
            redactor.add(*secrets_of(link), *secrets_of(unwrap(link)))
        return _one_link(search, links)
    raise Unfit("mail_unreadable", unreadable)


def _one_link(search: Search, links: Links) -> str:
    problems: list[UnsafeLink] = []
    candidates: dict[tuple[str, str, int, str], WebLink] = {}
    front_pages: list[WebLink] = []
    for text in _without_broken_copies(links):
        try:
            link = read_link(unwrap(text))
        except UnsafeLink as problem:
            problems.append(problem)
            continue
        if link.is_front_page:
            front_pages.append(link)
        else:
            candidates.setdefault(link.key, link)
    if problems:
        raise Unfit(problems[0].reason, f"Its link is not safe: {problems[0].message}.")
    good = [link for link in candidates.values() if link.is_allowed(search.allowed_hosts)]
    foreign = [link for link in candidates.values() or front_pages if not link.is_allowed(search.allowed_hosts)]
    if not good and foreign:
        raise Unfit("link_foreign_host", f"Its link points to {foreign[0].place}, which is not one of allowed_hosts.")
    if not good:
        raise Unfit("link_missing", "It has no link.")
    if len(candidates) > 1:
        raise Unfit("link_ambiguous", f"It has {len(candidates)} links that could be meant.")
    return good[0].text


def _without_broken_copies(links: Links) -> list[str]:
    """All links, but not those of plain text that are the beginning of one in HTML: a copy that was broken at the end of a line."""
    whole = [*links.html]
    return whole + [text for text in links.text if not any(each != text and each.startswith(text) for each in whole)]
