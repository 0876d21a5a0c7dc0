# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One writing transaction of the ledger: what was read under lock, and all that is to be written, kept back until the end.

Reading, deciding and writing are apart, so that check mode is the same code without the last part, and so that ten thousand devices cost
a few statements instead of ten thousand.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.schema import CURRENT, HISTORY, STAGED, Schema, schema
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run, is_dead

try:
    import sqlalchemy as sa
    from sqlalchemy.dialects.postgresql import insert as postgresql_insert
    from sqlalchemy.dialects.sqlite import insert as sqlite_insert
except ImportError:
    pass  # schema.HAS_SQLALCHEMY tells

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

T = TypeVar("T")

# Far below what any SQLite or PostgreSQL takes as parameters of one statement.
CHUNK = 500

# What a lease says to a run that asks.
FREE, MINE, EXPIRED, DEAD, HELD = "free", "mine", "expired", "dead", "held"


# Longer than one request may take to leave and to be acted on (the modules' time-out is 30 s).
ON_ITS_WAY_SECONDS = 45.0


@dataclass(slots=True)
class Device:
    """A row of the devices table. Times are seconds since the epoch."""

    name: str
    serial: str | None
    created_at: float
    generation: int
    history: int
    verified_at: float | None
    verified_by: str | None
    orphaned: str | None
    orphaned_at: float | None
    lease_run: str | None
    lease_holder: str | None
    lease_until: float | None
    fence_until: float | None


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
    generated_csv: str | None
    run_id: str
    made_at: float
    moved_at: float
    attempts: int
    excused: int
    arrives_until: float | None
    settled_run: str | None
    settled_as: str | None
    settled_reason: str | None


@dataclass
class Passwords:
    """All passwords of one device. C(history): newest first."""

    staged: Password | None
    current: Password | None
    history: list[Password]

    def all(self) -> Iterator[Password]:
        """Newest state first: staged, current, then the history."""
        if self.staged:
            yield self.staged
        if self.current:
            yield self.current
        yield from self.history


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Pieces small enough for one statement."""
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def read_devices(connection: Connection, names: Sequence[str] | None, lock: bool = False) -> dict[str, Device]:
    """By name, in the order of their names. C(names): C(None) for all.

    C(lock): hold the rows until the transaction ends. All who lock do it in the same order (that of code points, on both sides), so
    that no two of them wait for each other.
    """
    table = schema().devices
    query = sa.select(table)
    if connection.dialect.name == "postgresql":
        query = query.order_by(table.c.name.collate("C"))
        if lock:
            query = query.with_for_update()
    else:
        query = query.order_by(table.c.name)
    if names is None:
        return {row.name: Device(*row) for row in connection.execute(query)}
    found: dict[str, Device] = {}
    for part in chunks(sorted(set(names))):
        for row in connection.execute(query.where(table.c.name.in_(part))):
            found[row.name] = Device(*row)
    return found


def read_passwords(connection: Connection, names: Sequence[str], slots: Sequence[str] | None = None) -> dict[str, Passwords]:
    """By device name. A device without any has no entry."""
    table = schema().passwords
    query = sa.select(table).order_by(table.c.device, table.c.generation.desc())
    if slots is not None:
        query = query.where(table.c.slot.in_(slots))
    found: dict[str, Passwords] = {}
    for part in chunks(names):
        for row in connection.execute(query.where(table.c.device.in_(part))):
            password = Password(*row)
            entry = found.get(password.device)
            if entry is None:
                entry = found[password.device] = Passwords(None, None, [])
            if password.slot == STAGED:
                entry.staged = password
            elif password.slot == CURRENT:
                entry.current = password
            else:
                entry.history.append(password)
    return found


class Change:
    """Collects what one transaction is to write. C(dry): nothing is locked or written."""

    def __init__(self, connection: Connection, now: float, who: str, run: Run, dry: bool) -> None:
        self.now = now
        self.connection = connection
        self.run = run
        self.connection = connection
        self._who = who
        self._dry = dry
        self._schema: Schema = schema()
        self._new_passwords: list[dict[str, Any]] = []
        self._events: list[dict[str, Any]] = []
        self._deleted: list[str] = []
        self._device_values: dict[str, dict[str, Any]] = defaultdict(dict)
        self._password_values: dict[str, dict[str, Any]] = defaultdict(dict)
        self._dead: dict[str, bool] = {}

    def lock(self, names: Iterable[str], create: Mapping[str, str | None] | None = None) -> dict[str, Device]:
        """The devices of these names, held until the end. C(create): name and serial of those that are made when they are not there."""
        wanted = sorted(set(names))
        if create:
            there = read_devices(self.connection, wanted)
            rows = [self._new_device(name, create[name]) for name in wanted if name not in there and name in create]
            if self._dry:
                return there | {row["name"]: Device(**row) for row in rows}
            if rows:
                insert = postgresql_insert if self.connection.dialect.name == "postgresql" else sqlite_insert
                # Another run may be making the same ones: then its rows count, once it is done.
                self.connection.execute(insert(self._schema.devices).on_conflict_do_nothing(), rows)
        return read_devices(self.connection, wanted, lock=not self._dry)

    def passwords(self, names: Sequence[str]) -> dict[str, Passwords]:
        """An entry for every name, empty where there is none."""
        found = read_passwords(self.connection, names)
        return {name: found.get(name) or Passwords(None, None, []) for name in names}

    def lease(self, device: Device) -> str:
        """FREE, MINE, EXPIRED, DEAD (its holder is certainly gone, before it expired) or HELD."""
        if device.lease_run is None:
            return FREE
        holder = device.lease_holder or ""
        if device.lease_run == self.run.id and (not holder or not self.run.holder or holder == self.run.holder):
            return MINE
        if (device.lease_until or 0) <= self.now:
            return EXPIRED
        if holder not in self._dead:
            self._dead[holder] = is_dead(holder)
        return DEAD if self._dead[holder] else HELD

    def take_lease(self, device: Device, seconds: float) -> float:
        """For this run; returns its end."""
        values = self._fence(device)
        until = self.now + seconds
        if self.lease(device) == MINE:
            until = max(until, device.lease_until or 0)
        self.update_device(device, lease_run=self.run.id, lease_holder=self.run.holder, lease_until=until, **values)
        return until

    def release_lease(self, device: Device) -> None:
        """Nobody's any more."""
        values = self._fence(device)
        self.update_device(device, lease_run=None, lease_holder=None, lease_until=None, **values)

    def _fence(self, device: Device) -> dict[str, Any]:
        """What a dead run asked for may still arrive: until then no new password is staged.

        What outlives a killed run sends nothing more once its holder is gone (C(router_password), C(run_holder)), so only a request
        that was on its way by then counts.
        """
        if self.lease(device) != DEAD:
            return {}
        return {"fence_until": max(device.fence_until or 0, min(device.lease_until or 0, self.now + ON_ITS_WAY_SECONDS))}

    def update_device(self, device: Device, **values: Any) -> None:
        """Now in the object, at the end in the database."""
        for name, value in values.items():
            setattr(device, name, value)
        self._device_values[device.name].update(values)

    def update_password(self, password: Password, **values: Any) -> None:
        """Now in the object, at the end in the database."""
        for name, value in values.items():
            setattr(password, name, value)
        self._password_values[password.id].update(values)

    def move(self, password: Password, slot: str, reason: str, **values: Any) -> None:
        """To another slot, with an event."""
        self.event(password.device, password.slot, slot, reason)
        self.update_password(password, slot=slot, moved_at=self.now, **values)

    def add_password(self, device: Device, **values: Any) -> None:
        """A new one of this device, as the next generation. The event is the caller's, who knows the reason."""
        self.update_device(device, generation=device.generation + 1)
        defaults = {
            "device": device.name,
            "generation": device.generation,
            "serial": device.serial,
            "made_by_vendor": False,
            "generated_csv": None,
            "run_id": self.run.id,
            "made_at": self.now,
            "moved_at": self.now,
            "attempts": 0,
            "excused": 0,
            "arrives_until": None,
            "settled_run": None,
            "settled_as": None,
            "settled_reason": None,
        }
        self._new_passwords.append(defaults | values)

    def delete(self, passwords: Iterable[Password]) -> None:
        """For good."""
        self._deleted += [password.id for password in passwords]

    def event(self, device: str, from_state: str, to_state: str, reason: str) -> None:
        """Told of every change."""
        self._events.append(
            {
                "at": self.now,
                "who": self._who,
                "run_id": self.run.id,
                "device": device,
                "from_state": from_state,
                "to_state": to_state,
                "reason": reason,
            }
        )

    def write(self) -> None:
        """Everything collected, in an order in which no device has two current or two staged passwords on the way."""
        if self._dry:
            return
        table = self._schema.passwords
        for part in chunks(self._deleted):
            self.connection.execute(sa.delete(table).where(table.c.id.in_(part)))
        for deleted in self._deleted:
            self._password_values.pop(deleted, None)
        groups = sorted(_alike(self._password_values), key=lambda group: group[0].get("slot") not in HISTORY)
        self._update(table, table.c.id, groups)
        self._update(self._schema.devices, self._schema.devices.c.name, _alike(self._device_values))
        for into, rows in ((table, self._new_passwords), (self._schema.events, self._events)):
            for rows_part in chunks(rows):
                self.connection.execute(sa.insert(into), rows_part)

    def _update(self, table: sa.Table, key: sa.Column[Any], groups: Iterable[tuple[dict[str, Any], list[str]]]) -> None:
        """One statement for all rows that get the same values."""
        for values, keys in groups:
            for part in chunks(keys):
                self.connection.execute(sa.update(table).where(key.in_(part)).values(**values))

    def _new_device(self, name: str, serial: str | None) -> dict[str, Any]:
        row = dict.fromkeys(column.name for column in self._schema.devices.columns)
        return {**row, "name": name, "serial": serial, "created_at": self.now, "generation": 0, "history": 0}


def _alike(values: Mapping[str, dict[str, Any]]) -> list[tuple[dict[str, Any], list[str]]]:
    """Rows grouped by what they get: (values, keys)."""
    groups: dict[tuple[tuple[str, Any], ...], list[str]] = defaultdict(list)
    for key, row in values.items():
        groups[tuple(sorted(row.items()))].append(key)
    return [(dict(group), keys) for group, keys in groups.items()]
