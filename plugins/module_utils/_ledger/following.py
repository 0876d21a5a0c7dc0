# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The serial number is the device, and its name in the inventory follows it.

A record of a serial number that the inventory now calls otherwise is renamed. A name whose record has another serial number belongs to a
box that was exchanged: the record of the old one is put away, with all its passwords, and comes back with its serial number.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.change import Change
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.leases import HELD, Leases
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import Device, Result

UNCHANGED, NEW = "unchanged", "new"
LEARNED, RENAMED, EXCHANGED, RETURNED = "learned", "renamed", "exchanged", "returned"


@dataclass
class Followed:
    """C(devices): the record that each name means now, where there is one. C(results): what was done for it."""

    devices: dict[str, Device] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)


@dataclass
class _Step:
    """What one name asks for. C(box): the record of its serial number. C(here): the record that has its name."""

    name: str
    serial: str | None
    box: Device | None
    here: Device | None

    def __post_init__(self) -> None:
        #: Whether the record here has no serial number yet, and learns this one.
        self.learns = self.serial is not None and self.box is None and self.here is not None and self.here.serial is None
        #: Whether a record has to leave its name for this.
        self.moves = self.serial is not None and self.box is not self.here and not self.learns


def follow(change: Change, serials: Mapping[str, str | None], doubted: set[str] | None = None) -> Followed:
    """For every name, by its serial number where there is one, what its record is from now on; see the module.

    C(unchanged), C(new) (the ledger has no record of that device), C(learned) (the record had no serial number yet), C(renamed),
    C(exchanged), C(returned) (it had been put away), or C(busy): another run holds a record that would have to be renamed.
    C(doubted): as for C(Change.known).
    """
    leases = Leases(change)
    records = change.devices(serials, [serial for serial in serials.values() if serial])
    by_name = {device.name: device for device in records}
    by_serial = {device.serial: device for device in records if device.serial}
    steps = {
        name: _Step(name, serial or None, by_serial.get(serial) if serial else by_name.get(name), by_name.get(name))
        for name, serial in serials.items()
    }
    busy = _busy(steps.values(), leases)
    wanted = {step.serial for step in steps.values() if step.serial and step.name not in busy}
    doing = [step for step in steps.values() if step.name not in busy]
    touched = {device.id: device for step in doing if _touches(step) for device in (step.box, step.here) if device}
    change.rely_on(list(touched.values()), doubted)
    followed = Followed(results={name: Result(name, "busy", "leased") for name in busy})
    taken = {*by_name, *serials}
    for step in doing:  # Those that leave first: their names are what the others are waiting for.
        here = step.here
        if step.moves and here is not None and here.serial not in wanted:
            followed.results[step.name] = _put_away(change, here, step, taken)
    leaving = {step.box.id for step in doing if step.moves and step.box}
    for step in doing:
        device = step.box or (step.here if not step.moves else None)
        if not step.moves and device is not None and device.id in leaving:
            device = None  # Named without a serial number, and its record is the one that another name follows.
        if device is not None:
            followed.devices[step.name] = device
        told = followed.results.get(step.name)
        followed.results[step.name] = _settled(change, step, device, told)
    return followed


def _touches(step: _Step) -> bool:
    return step.moves or step.learns or (step.box is not None and step.box.retired_at is not None)


def _busy(steps: Iterable[_Step], leases: Leases) -> set[str]:
    """Names that cannot be followed now: a record in their way is held, or belongs to a name that cannot be followed."""
    moving = {step.name: step for step in steps if step.moves}
    busy: set[str] = set()
    for name, step in moving.items():
        if any(device is not None and leases.of(device) == HELD for device in (step.box, step.here)):
            busy.add(name)
    spreading = list(busy)
    while spreading:
        # Its record stays where it is, so whoever wants that name waits too.
        box = moving[spreading.pop()].box
        if box is not None and box.name in moving.keys() - busy:
            busy.add(box.name)
            spreading.append(box.name)
    return busy


def _put_away(change: Change, device: Device, step: _Step, taken: set[str]) -> Result:
    """The record of another box gives up its name."""
    serial = device.serial or "no serial number"
    name, number = f"{step.name} ({serial})", 1
    while name in taken or change.devices([name]):
        number += 1
        name = f"{step.name} ({serial}) {number}"
    taken.add(name)
    change.update_device(device, name=name, retired_at=device.retired_at or change.now)
    change.event(device, "", "", f"exchanged for {step.serial}: put away, was {step.name}")
    return Result(step.name, EXCHANGED, changed=True, details={"old_serial": device.serial, "put_away_as": name})


def _settled(change: Change, step: _Step, device: Device | None, exchanged: Result | None) -> Result:
    if device is None:
        return exchanged or Result(step.name, NEW)
    old_name = device.name
    if step.moves:
        change.update_device(device, name=step.name)
        change.event(device, "", "", f"renamed: was {old_name}")
    if step.learns:
        change.update_device(device, serial=step.serial)
        change.event(device, "", "", f"learned its serial number {step.serial}")
    returned = bring_back(change, device)
    if step.moves:
        details = {"old_name": old_name, **(exchanged.details if exchanged else {})}
        return Result(step.name, RENAMED, changed=True, details=details)
    if step.learns:
        return Result(step.name, LEARNED, changed=True)
    return Result(step.name, RETURNED, changed=True) if returned else Result(step.name, UNCHANGED)


def bring_back(change: Change, device: Device) -> bool:
    """A device that had been put away is listed again. Returns whether it had been."""
    if device.retired_at is None:
        return False
    change.update_device(device, retired_at=None)
    change.event(device, "retired", "", "came back")
    return True


def retire(change: Change, names: Sequence[str]) -> dict[str, Result]:
    """C(retired), C(unchanged) (put away already), C(busy) or C(not_in_ledger)."""
    leases = Leases(change)
    results = {name: Result(name, "not_in_ledger") for name in names}
    devices = change.devices(names)
    change.rely_on([device for device in devices if device.retired_at is None])
    for device in devices:
        if device.retired_at is not None:
            results[device.name] = Result(device.name, UNCHANGED)
        elif leases.of(device) == HELD:
            results[device.name] = Result(device.name, "busy", "leased")
        else:
            change.update_device(device, retired_at=change.now)
            change.event(device, "", "retired", "put away")
            results[device.name] = Result(device.name, "retired", changed=True)
    return results


def observe(change: Change, offline: Collection[str], online: Collection[str], serials: Mapping[str, str]) -> None:
    """What a listing says. A record is made only of what is offline and in no record yet, and no record is renamed."""
    names = [*offline, *online]
    records = change.devices(names, [serials[name] for name in names if name in serials])
    by_name = {device.name: device for device in records}
    by_serial = {device.serial: device for device in records if device.serial}
    for name in offline:
        serial = serials.get(name)
        device = (by_serial.get(serial) if serial else None) or by_name.get(name)
        if device is None:
            device = change.new_device(name, serial)
        elif serial and device.serial not in (None, serial):
            continue  # The name is still that of another box: nothing is known of this one.
        if device.offline_since is None:
            change.update_device(device, offline_since=change.now)
            change.event(device, "", "", "offline")
    for name in online:
        serial = serials.get(name)
        device = (by_serial.get(serial) if serial else None) or by_name.get(name)
        if device is not None and device.offline_since is not None and (not serial or device.serial in (None, serial)):
            change.update_device(device, offline_since=None)
            change.event(device, "", "", "online again")
