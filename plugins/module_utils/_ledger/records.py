# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the ledger is asked, what it holds and what it answers, as data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class StageRequest:
    """A new password wanted for one device.

    C(make): given the former passwords (the current one first, then newest first) it returns the new one, or raises PasswordRefused;
    C(None) when the vendor makes it, then it is collected later from the one-time list C(list_id).
    C(supersede): an unsettled staged password of an earlier run goes to the history, instead of keeping this one out.
    C(history): how many former passwords the policy looks back on. C(expected_current): the id of the current password this was planned
    with, empty for none; C(None) to not ask. C(recovers): also of an orphaned device, which stays one until the new password is proven.
    C(case_id): the recovery case that it belongs to.
    """

    name: str
    serial: str | None
    source: str
    make: Callable[[list[str]], str] | None
    supersede: bool = False
    list_id: str | None = None
    history: int = 0
    expected_current: str | None = None
    recovers: bool = False
    case_id: str = ""


@dataclass(frozen=True)
class ImportRow:
    """A password that a person says is in force."""

    name: str
    password: str = field(repr=False)
    serial: str | None = None


@dataclass(frozen=True)
class Result:
    """What became of one device: a word, why, whether the ledger was changed, and what a person should know."""

    name: str
    status: str
    reason: str = ""
    changed: bool = False
    warnings: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Device:
    """A row of the devices table. Times are seconds since the epoch."""

    id: str
    name: str
    serial: str | None
    created_at: float
    generation: int
    mac: bytes
    retired_at: float | None
    history: int
    verified_at: float | None
    verified_by: str | None
    orphaned: str | None
    orphaned_at: float | None
    failures: int
    last_failure: str | None
    offline_since: float | None
    lease_run: str | None
    lease_holder: str | None
    lease_until: float | None
    broken_run: str | None
    fence_until: float | None
    sent_late: str | None


@dataclass(slots=True)
class Password:
    """A row of the passwords table. C(secret) is sealed."""

    id: str
    device: str
    generation: int
    slot: str
    secret: bytes | None = field(repr=False)
    serial: str | None
    source: str
    made_by_vendor: bool
    list_id: str | None
    run_id: str
    made_at: float
    moved_at: float
    attempts: int
    excused: int
    arrives_until: float | None
    settled_run: str | None
    settled_as: str | None
    settled_reason: str | None
    note: str | None


@dataclass(slots=True)
class Case:
    """A row of the cases table. Times are seconds since the epoch. C(facts): JSON. C(secrets): sealed JSON, or none."""

    id: str
    device: str
    kind: str
    step: str
    state: str
    opened_at: float
    armed_at: float | None
    deadline: float | None
    closed_at: float | None
    facts: str
    secrets: bytes | None = field(repr=False)
    mac: bytes = b""


@dataclass(frozen=True)
class CaseChange:
    """What becomes of a case. What is C(None) stays; of facts and secrets each name that is given, one whose value is empty goes.

    C(step): the step that was done. C(state): how the case ends. C(restart): the times and secrets of an earlier attempt go first.
    C(reason): for the event; never a secret.
    """

    reason: str
    step: str | None = None
    state: str | None = None
    armed_at: float | None = None
    deadline: float | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    restart: bool = False


@dataclass(slots=True)
class Passwords:
    """All passwords of one device. C(history): newest first."""

    staged: Password | None = None
    current: Password | None = None
    history: list[Password] = field(default_factory=list)

    def all(self) -> Iterator[Password]:
        """Newest state first: staged, current, then the history."""
        if self.staged:
            yield self.staged
        if self.current:
            yield self.current
        yield from self.history

    def heads(self) -> tuple[str, str]:
        """The ids of the current and the staged one, empty where there is none."""
        return self.current.id if self.current else "", self.staged.id if self.staged else ""
