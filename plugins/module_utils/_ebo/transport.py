# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one interface of the transports, and what they say."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


class ResetModeFault(Exception):
    """A server that is not known to be in reset mode, or not known to be well.

    C(reason) is of the one vocabulary of reasons. C(armed_at): seconds since 1970 when the server is in reset mode all the same.
    """

    def __init__(self, reason: str, message: str, armed_at: float | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.armed_at = armed_at


@dataclass(frozen=True)
class Precondition:
    """Something that was looked at, without changing anything."""

    name: str
    ok: bool
    message: str


@dataclass(frozen=True)
class Plan:
    """What was found before anything is changed. C(armed_at): since when the server is in reset mode already. C(would): what is to do."""

    armed_at: float | None = None
    would: Sequence[str] = ()
    preconditions: Sequence[Precondition] = ()


@dataclass(frozen=True)
class Arming:
    """How it ended. C(armed_at): None when a person is awaited. C(handed): what only a person can do, in order."""

    armed_at: float | None
    message: str
    handed: Sequence[str] = ()
    reason: str = ""


@dataclass
class Journal:
    """What was done so far, for people; also told when the rest fails.

    C(changed): whether a marker or a field was written, a dialogue finished, or a person's step recorded.
    """

    done: list[str] = field(default_factory=list)
    changed: bool = False

    def add(self, sentence: str, changed: bool = False) -> None:
        self.done.append(sentence)
        self.changed = self.changed or changed


class Transport(Protocol):
    """A way to put one server in reset mode."""

    journal: Journal

    def look(self, check_mode: bool) -> Plan:
        """Refuse what cannot be, and plan. Changes nothing, except that it mends what an interrupted run left, and not in check mode.

        Raises ResetModeFault.
        """

    def arm(self) -> Arming:
        """Do it. Raises ResetModeFault."""


def iso(moment: float) -> str:
    """C(2026-01-31T10:15:00Z) of seconds since 1970."""
    return datetime.datetime.fromtimestamp(moment, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_of(text: str) -> float:
    """Seconds since 1970 of a date and time of RFC 3339. ValueError when it is none."""
    # Python 3.10 reads neither the Z nor nine digits of a second.
    head, dot, tail = text.strip().partition(".")
    digits = ""
    if dot:
        digits = tail[: len(tail) - len(tail.lstrip("0123456789"))]
        head += tail[len(digits) :]
    moment = datetime.datetime.fromisoformat(head.replace("Z", "+00:00").replace("z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError("no offset from UTC")
    return moment.timestamp() + (float(f"0.{digits}") if digits else 0.0)
