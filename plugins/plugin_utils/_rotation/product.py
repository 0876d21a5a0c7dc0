# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rotation needs to know of a kind of device: the one interface behind which each kind is one file.

A product says which variables and settings it reads, which policy floors hold, what an outside listing knows of its devices, how they are
cut into batches, how a batch is asked and proven, and what a person should do about a reason. The promise itself (stage, apply, verify,
commit) is in C(steps), and knows no product.
"""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._run import Until

#: The inventory name of the controller where a device names no site of its own.
CONTROLLER = "localhost"

#: A password of the ledger, as everything that asks a device names it.
STAGED, CURRENT, NEITHER = "staged", "current", "neither"


@dataclass(frozen=True)
class Setting:
    """A role variable. C(type): a type of Ansible's argument specs. C(scope): whether it may differ per C(device), makes devices that
    differ in it a C(batch) of their own, or must be the same for the whole C(run).
    """

    type: str
    scope: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Problem:
    """One thing wrong with the input: where it stands and why it cannot be used. Never holds a secret. No device: it stops everything."""

    device: str
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.device}: {self.field}: {self.message}" if self.device else f"{self.field}: {self.message}"


@dataclass(frozen=True)
class Source:
    """Where a device's next password comes from: C(generate), C(csv), C(value), or one that only a product knows."""

    kind: str
    path: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True)
class Device:
    """One device as the inventory describes it. C(policy): the user's own mapping, not yet joined with a product's floor.

    C(details): what only its product reads, as text. C(terms): the batch settings in force for it; equal ones are one object.
    """

    name: str
    serial: str
    source: Source
    policy: Mapping[str, object]
    host: str = ""
    username: str = ""
    fingerprint: str = ""
    site: str = CONTROLLER
    details: Mapping[str, str] = field(default_factory=dict)
    terms: Mapping[str, t.Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Sighting:
    """What an outside listing says of a device. C(reason): why it cannot be asked for at all (C(not_found), C(conflict)), else empty.

    C(online): None where the listing does not tell, or where there is none. C(details): what the product wants back at the batch.
    """

    reason: str = ""
    message: str = ""
    online: bool | None = None
    firmware: str | None = None
    details: Mapping[str, t.Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Member:
    """One device of a batch. C(made): the length and kind of a password that the vendor makes; empty otherwise.

    C(failed_before): its last rotation ended without a proven outcome, so it does not count towards the failure limit.
    """

    device: Device
    sighting: Sighting
    made: Mapping[str, t.Any] = field(default_factory=dict)
    failed_before: bool = False


@dataclass(frozen=True)
class Taken:
    """A device that the ledger has given to this run, with its passwords. C(staged) is empty while only the vendor knows it.

    C(current) is empty where the ledger knows none. C(note): what an earlier run has left with the staged one, to carry on with.
    """

    member: Member
    staged: str = field(repr=False)
    current: str = field(repr=False)
    note: str = ""

    @property
    def name(self) -> str:
        return self.member.device.name


@dataclass(frozen=True)
class Answer:
    """What was said when a device was asked to change, in the vocabulary of C(_outcomes).

    C(live): which password a login during the change proved, STAGED, CURRENT or NEITHER; None when none did. C(final): the vendor is
    through with the device, so that the change cannot come any more. C(late): it may have left after the lease had ended.
    """

    status: str
    reason: str = ""
    message: str = ""
    live: str | None = None
    final: bool = False
    late: bool = False


@dataclass(frozen=True)
class Proof:
    """What logins showed. C(live): STAGED, CURRENT, NEITHER when both were refused, None when nothing was proven.

    C(refused): only one password was tried, and it was refused.
    """

    live: str | None = None
    reason: str = ""
    message: str = ""
    refused: bool = False


@dataclass(frozen=True)
class Kind:
    """How the devices of a batch are worked.

    C(name): for people and for the product. C(asks): whether the devices are asked to change. C(looks_first): a login tells what an earlier
    run left; only what it leaves open is asked for. C(proves): whether logins can follow. C(proves_itself): asking ends with a login of its
    own, and its answer says what that proved. C(collects): the passwords are the vendor's, and have to be fetched first. C(recovers): it
    needs no password that works, so that orphaned devices get one too. C(verifies): nothing is changed, a login with the current password
    tells whether it is in force.
    """

    name: str
    asks: bool = True
    looks_first: bool = False
    proves: bool = False
    proves_itself: bool = False
    collects: bool = False
    recovers: bool = False
    verifies: bool = False

    @property
    def goes_near(self) -> bool:
        """Whether something has to run near the devices."""
        return self.looks_first or self.proves or self.proves_itself or self.verifies


class NotKept(Exception):
    """A list or a note cannot be kept; the text says why."""


def _keeps_no_notes(_name: str, _text: str) -> None:
    raise NotKept("Nothing keeps notes here.")


class Lists(t.Protocol):
    """Where a list that can be fetched only once is kept, before anybody reads it. All raise NotKept."""

    def reserve(self, size: int) -> None:
        """Take room (bytes), before anything is asked for."""

    def append(self, piece: bytes) -> None:
        """Durable when it returns."""

    def content(self) -> bytes:
        """All that arrived so far, in this run and before."""


@dataclass
class Field:
    """What a product is given to work a batch with.

    C(redactor) knows every secret of the batch. C(until): no change is sent later. C(call): runs a module of this collection near the
    devices, with its arguments, and returns its result. C(call_apart): the same in a process of its own, which is ended after so many
    seconds, by several threads at once; None where calls go over a connection, one after the other. C(lists): for a list that can be
    fetched only once. C(may_change): asked right before whatever changes a device. C(note): keeps a text without secrets with the staged
    password of a device, for whoever carries on; raises NotKept. C(requests): counted by the product.
    """

    redactor: Redactor
    until: Until
    run_holder: str
    call: Callable[[str, dict[str, t.Any]], dict[str, t.Any]]
    lists: Lists
    may_change: Callable[[], bool]
    note: Callable[[str, str], None] = _keeps_no_notes
    call_apart: Callable[[str, dict[str, t.Any], float], dict[str, t.Any]] | None = None
    requests: int = 0
    #: Why the whole run should end, when a product has found that out (a token refused, a quota spent).
    stop: str = ""


class Values(t.Protocol):
    """One device's variables. A problem is remembered where a value cannot be used, and the default returned."""

    def text(self, variable: str, default: str = "") -> str:
        """A variable that is text; a number of digits counts as text."""

    def mapping(self, variable: str, default: Mapping[str, object]) -> Mapping[str, object]:
        """A variable that is a mapping."""

    def problem(self, where: str, message: str) -> None:
        """Remember that something cannot be used."""

    def setting(self, name: str) -> t.Any:
        """A variable of the role, without its prefix, of its own type."""


class Product(t.Protocol):
    """One kind of device."""

    #: The name of its group and of its file.
    name: str
    #: What its role's variables begin with.
    prefix: str
    #: One of them and several, for people.
    nouns: tuple[str, str]
    #: Its role's variables without the prefix, besides those of every rotation.
    settings: Mapping[str, Setting]
    #: The C(device_*) variables it reads, besides those of every device.
    variables: Collection[str]
    #: Kinds of sources besides those of every product.
    sources: Collection[str]
    #: What to do about a reason, or about a device that is C(orphaned), for the person who reads the summary.
    advice: Mapping[str, str]

    def read(self, values: Values, device: Device) -> Mapping[str, str]:
        """The details of a device. Remembers what is wrong; nothing is asked of anybody."""

    def place(self, device: Device) -> str:
        """Where it is, so that two names for one box are found. Empty where its serial number tells that."""

    def secrets(self, device: Device) -> Iterable[str]:
        """What in its settings no output may show."""

    def policies(self, device: Device, sighting: Sighting) -> Iterable[tuple[str, str | None]]:
        """The floors that its policy is joined with: (product of C(_passwords.floors), firmware)."""

    def look_up(self, devices: Sequence[Device], redactor: Redactor) -> tuple[Mapping[str, Sighting], int]:
        """What an outside listing knows, by name, and the requests that took. Devices of one batch setting. Raises Fault."""

    def needs_current(self, device: Device) -> bool:
        """Whether a new password can only be set by who knows the current one."""

    def can_replace(self, device: Device) -> bool:
        """Whether a password in doubt may be left behind for a new one, after it was tried: only where no old one is needed."""

    def can_prove(self, device: Device) -> bool:
        """Whether there is a way to log in to it, which proves a password."""

    def kind_of_due(self, device: Device) -> Kind:
        """How a device gets a new password."""

    def kind_of_unsettled(self, device: Device, awaiting: bool) -> Kind:
        """How what an earlier run left open is settled. C(awaiting): its password has still to be fetched from the vendor."""

    def ask(self, kind: Kind, batch: Sequence[Taken], field: Field, *, again: bool) -> list[Answer]:
        """Ask for the change, an answer per device in their order. C(again): an earlier run asked for the same password. Raises Fault."""

    def collect(self, kind: Kind, batch: Sequence[Taken], field: Field, *, again: bool) -> tuple[list[Answer], list[str]]:
        """Have the vendor make and hand out the passwords: an answer and a password (or nothing) per device, in their order.

        C(again): they were made for an earlier run. Raises Fault.
        """

    def prove(self, batch: Sequence[tuple[Taken, Sequence[str]]], field: Field) -> list[Proof]:
        """Try, per device, the passwords named (STAGED, CURRENT), in that order, one login each."""


class Fault(Exception):
    """A fault of a whole call: a service refuses its token, cannot be reached, has no more quota. Nothing was changed by it."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
