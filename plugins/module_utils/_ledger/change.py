# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One writing transaction of the ledger: what was read, and all that is to be written, kept back until the end.

Reading, deciding and writing are apart, so that check mode is the same code without the last part, and so that ten thousand devices cost
a few statements instead of ten thousand. Writers come one after the other, whatever the database.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.crypto import SecretBox
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.reading import (
    chunks,
    is_tampered,
    read_devices,
    read_heads,
    read_passwords,
    refuse_tampered,
)
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import Case, Device, Password, Passwords
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.schema import CURRENT, HISTORY, STAGED, Schema, schema
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run

with suppress(ImportError):  # schema.HAS_SQLALCHEMY tells
    import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

# What of a device its MAC vouches for, besides its passwords.
_VOUCHED = frozenset(("name", "serial", "generation", "retired_at"))
# What an index has to be changed for; nearly always it stays.
_INDEXED = frozenset(("name", "serial"))
_EVENT = ("at", "who", "run_id", "device", "name", "from_state", "to_state", "reason", "case_id")


class Change:
    """Collects what one transaction is to write. C(dry): nothing is written."""

    def __init__(self, connection: Connection, box: SecretBox, now: float, who: str, run: Run, dry: bool) -> None:
        self.connection = connection
        self.now = now
        self.run = run
        self.box = box
        self.who = who
        self._dry = dry
        self._schema: Schema = schema()
        self._heads: dict[str, tuple[str, str]] = {}
        self._read: dict[str, Device] = {}
        self._new_devices: dict[str, Device] = {}
        self._changed_devices: dict[str, Device] = {}
        self._renamed_devices: dict[str, Device] = {}
        self._to_vouch_for: dict[str, Device] = {}
        self._new_passwords: list[dict[str, Any]] = []
        self._password_values: dict[str, dict[str, Any]] = defaultdict(dict)
        self._deleted: list[str] = []
        self._cases: dict[str, Case] = {}
        self._events: list[tuple[Any, ...]] = []
        #: One-time lists of passwords that were deleted.
        self.forgotten_lists: set[str] = set()
        #: Whether anything was written.
        self.wrote = False

    # -- reading ------------------------------------------------------------------------------------------------------------------

    def devices(self, names: Iterable[str], serials: Iterable[str] = ()) -> list[Device]:
        """Those of these names or serial numbers. Asked for again they are the same objects, with all that was changed in them."""
        return [self._read.setdefault(device.id, device) for device in read_devices(self.connection, list(names), list(serials))]

    def known(self, devices: Sequence[Device], doubted: set[str] | None = None) -> Iterator[tuple[Device, Passwords]]:
        """Each with its passwords. LedgerError C(tampered) where they cannot be believed.

        C(doubted): takes the ids of such devices instead; it is for the caller not to rely on what their passwords are.
        """
        for part in chunks(devices):
            found = read_passwords(self.connection, part)
            self._check(part, {device.id: found[device.id].heads() for device in part}, doubted)
            for device in part:
                yield device, found[device.id]

    def rely_on(self, devices: Sequence[Device], doubted: set[str] | None = None) -> None:
        """To be called before any of these is changed whose passwords were not read. Else as C(known)."""
        self._check(devices, read_heads(self.connection, devices), doubted)

    def _check(self, devices: Sequence[Device], heads: Mapping[str, tuple[str, str]], doubted: set[str] | None) -> None:
        # What was checked already may have been changed here since.
        unchecked = [device for device in devices if device.id not in self._heads]
        if doubted is None:
            refuse_tampered(self.box, unchecked, heads)
        else:
            doubted.update(device.id for device in unchecked if is_tampered(self.box, device, heads[device.id]))
        self._heads.update((device.id, heads[device.id]) for device in unchecked)

    def secret(self, device: Device, password: Password | None) -> str | None:
        """C(None) while only the vendor knows it, and for no password at all."""
        if password is None or password.secret is None:
            return None
        return self.box.open(password.device, password.id, password.secret, device.name)

    def seal(self, device: Device, password_id: str, secret: str) -> bytes:
        """As C(secret) opens it."""
        return self.box.seal(device.id, password_id, secret)

    # -- what is to be written ----------------------------------------------------------------------------------------------------

    def new_device(self, name: str, serial: str | None) -> Device:
        """A record that holds nothing yet."""
        values: dict[str, Any] = dict.fromkeys(column.name for column in self._schema.devices.columns)
        values |= {"id": uuid.uuid4().hex, "name": name, "serial": serial, "created_at": self.now}
        device = Device(**{**values, "generation": 0, "history": 0, "failures": 0, "mac": b""})
        self._heads[device.id] = ("", "")
        self.vouch_again(device)
        self._new_devices[device.id] = device
        return device

    def update_device(self, device: Device, **values: Any) -> None:
        """Now in the object, at the end in the database."""
        for name, value in values.items():
            setattr(device, name, value)
        if not _VOUCHED.isdisjoint(values):
            self.vouch_again(device)
        if not _INDEXED.isdisjoint(values):
            self._renamed_devices[device.id] = device
        self._changed_devices[device.id] = device

    def vouch_again(self, device: Device) -> None:
        """What the database says of it is right, whoever wrote it."""
        self._to_vouch_for[device.id] = device
        self._changed_devices[device.id] = device

    def unverify(self, device: Device) -> None:
        """Nothing counts as proven any more."""
        self.update_device(device, verified_at=None, verified_by=None)

    def update_password(self, password: Password, **values: Any) -> None:
        """Now in the object, at the end in the database."""
        for name, value in values.items():
            setattr(password, name, value)
        self._password_values[password.id].update(values)

    def move(self, device: Device, password: Password, slot: str, reason: str, **values: Any) -> None:
        """To another slot, with an event."""
        self.event(device, password.slot, slot, reason)
        current, staged = self._heads[device.id]
        current = password.id if slot == CURRENT else "" if current == password.id else current
        staged = password.id if slot == STAGED else "" if staged == password.id else staged
        self._heads[device.id] = (current, staged)
        self.vouch_again(device)
        self.update_password(password, slot=slot, moved_at=self.now, **values)

    def add_password(self, device: Device, slot: str, secret: str | None, **values: Any) -> str:
        """A new one of this device, as the next generation; returns its id. The event is the caller's, who knows the reason."""
        password_id = uuid.uuid4().hex
        current, staged = self._heads[device.id]
        self._heads[device.id] = (password_id, staged) if slot == CURRENT else (current, password_id)
        self.update_device(device, generation=device.generation + 1)
        defaults = {
            "id": password_id,
            "device": device.id,
            "generation": device.generation,
            "slot": slot,
            "secret": None if secret is None else self.seal(device, password_id, secret),
            "serial": device.serial,
            "made_by_vendor": False,
            "list_id": None,
            "run_id": self.run.id,
            "made_at": self.now,
            "moved_at": self.now,
            "attempts": 0,
            "excused": 0,
            "arrives_until": None,
            "settled_run": None,
            "settled_as": None,
            "settled_reason": None,
            "note": None,
        }
        self._new_passwords.append(defaults | values)
        return password_id

    def delete(self, passwords: Iterable[Password]) -> None:
        """For good."""
        for password in passwords:
            self._deleted.append(password.id)
            if password.list_id:
                self.forgotten_lists.add(password.list_id)

    def event(self, device: Device | None, from_state: str, to_state: str, reason: str, name: str = "", case_id: str | None = None) -> None:
        """Told of every change. C(name): of a device that the ledger does not know. C(case_id): what happened belongs to a case."""
        self._events.append(
            (
                self.now,
                self.who,
                self.run.id,
                device.id if device else None,
                device.name if device else name,
                from_state,
                to_state,
                reason,
                case_id,
            )
        )

    def put_case(self, case: Case) -> None:
        """A new case, or one that was changed."""
        case.mac = self.box.vouch_for_case(case)
        self._cases[case.id] = case

    def execute(self, statement: Any, rows: Any = None) -> None:
        """A statement that does not wait for the end; nothing in check mode."""
        if not self._dry:
            self.wrote = True
            self.connection.execute(statement, rows)

    # -- writing ------------------------------------------------------------------------------------------------------------------

    def write(self) -> None:
        """Everything collected so far, in an order in which nothing is there twice on the way."""
        devices = (self._new_devices, self._changed_devices, self._renamed_devices, self._to_vouch_for)
        collected = (*devices, self._new_passwords, self._password_values, self._deleted, self._cases, self._events)
        if self._dry or not any(collected):
            return
        self.wrote = True
        passwords = self._schema.passwords
        self._write_devices()
        for part in chunks(self._deleted):
            self.connection.execute(sa.delete(passwords).where(passwords.c.id.in_(part)))
        for deleted in self._deleted:
            self._password_values.pop(deleted, None)
        for values, keys in sorted(_alike(self._password_values), key=lambda group: group[0].get("slot") not in HISTORY):
            for part in chunks(keys):
                self.connection.execute(sa.update(passwords).where(passwords.c.id.in_(part)).values(**values))
        columns = tuple(column.name for column in passwords.columns)
        self._execute_many(sa.insert(passwords), columns, list(map(itemgetter(*columns), self._new_passwords)))
        for case in self._cases.values():
            self._write_case(case)
        self._execute_many(sa.insert(self._schema.events), _EVENT, self._events)
        for each in collected:
            each.clear()

    def _write_case(self, case: Case) -> None:
        table = self._schema.cases
        values = {column.name: getattr(case, column.name) for column in table.columns}
        if self.connection.execute(sa.update(table).where(table.c.id == case.id).values(values)).rowcount == 0:
            self.connection.execute(sa.insert(table).values(values))

    def _write_devices(self) -> None:
        for device in self._to_vouch_for.values():
            device.mac = self.box.vouch_for_device(device, *self._heads[device.id])
        table = self._schema.devices
        columns = tuple(column.name for column in table.columns)
        there = [device for device in self._changed_devices.values() if device.id not in self._new_devices]
        renamed = [device for device in there if device.id in self._renamed_devices]
        # Names may be swapped: each gives up its own before any takes another's.
        self._update_devices(("name",), [(f"({device.id})", device.id) for device in renamed])
        for devices, names in (
            (renamed, columns),
            ([device for device in there if device.id not in self._renamed_devices], [name for name in columns if name not in _INDEXED]),
        ):
            changing = tuple(name for name in names if name not in ("id", "created_at"))
            self._update_devices(changing, list(map(attrgetter(*changing, "id"), devices)))
        self._execute_many(sa.insert(table), columns, list(map(attrgetter(*columns), self._new_devices.values())))

    def _update_devices(self, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> None:
        """C(rows): the values of these columns, and the device's id."""
        table = self._schema.devices
        # Not the columns' own names, which an UPDATE takes for something else.
        given: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in columns}
        statement = sa.update(table).where(table.c.id == sa.bindparam("device_id")).values(given)
        self._execute_many(statement, (*(f"new_{name}" for name in columns), "device_id"), rows)

    def _execute_many(self, statement: Any, names: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> None:
        """One statement for each row. C(names): what the values of a row are called in the statement, in their order.

        Past what SQLAlchemy does for each row, which takes longer than the database does: no value here needs it.
        """
        if not rows:
            return
        compiled = statement.compile(dialect=self.connection.dialect, column_keys=list(names))
        for part in chunks(rows):
            parameters: Sequence[Any] = part
            if compiled.positiontup is None:
                parameters = [dict(zip(names, row, strict=True)) for row in part]
            elif tuple(compiled.positiontup) != names:
                in_order = itemgetter(*(names.index(name) for name in compiled.positiontup))
                parameters = [in_order(row) for row in part]
            self.connection.exec_driver_sql(str(compiled), list(parameters))


def _alike(values: Mapping[str, dict[str, Any]]) -> list[tuple[dict[str, Any], list[str]]]:
    """Rows grouped by what they get: (values, keys)."""
    groups: dict[tuple[tuple[str, Any], ...], list[str]] = defaultdict(list)
    for key, row in values.items():
        groups[tuple(sorted(row.items()))].append(key)
    return [(dict(group), keys) for group, keys in groups.items()]
