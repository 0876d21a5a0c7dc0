# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The devices of an inventory: of which kind each is, and what its owner wants of its password. Asks no device, service or source."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.keyturn.devices.plugins.module_utils._passwords.floors import floor_for, least_floor_for
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import PasswordPolicy, PolicyError
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.variables import FIRMWARE, ROLES, UnreadVariables
from ansible_collections.keyturn.devices.plugins.plugin_utils._products.all import NAMES, product_named
from ansible_collections.keyturn.devices.plugins.plugin_utils._recovery.servers import KINDS
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.inventory import (
    VariableReader,
    duplicate_serials,
    file_beside_inventory,
    read_devices,
    read_source,
)
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import Device, Problem, Product, Sighting, Source
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.variables import HostVariables

GROUPS = tuple(ROLES)

_SOURCE = "device_password_source"
_POLICY = "device_password_policy"


@dataclass(frozen=True)
class Listed:
    """One device as the inventory has it.

    C(policy): the user's and the product's; C(None) where its variables cannot be used. C(source): the kind, empty where it is broken.
    C(offline_days): how long it may be offline; C(None) where nobody looks. C(file): the inventory file that names it, as it was given.
    """

    name: str
    group: str
    serial: str = ""
    source: str = ""
    policy: PasswordPolicy | None = None
    offline_days: float | None = None
    file: str = ""


@dataclass(frozen=True)
class Inventory:
    """C(problems): what is wrong with variables. C(sources): what is wrong with the source of each device, by name."""

    devices: Sequence[Listed] = ()
    problems: Sequence[Problem] = ()
    sources: Mapping[str, Sequence[str]] = field(default_factory=dict)
    remarks: Sequence[str] = ()


class ImpossiblePolicy(Exception):
    """A policy is wrong, or no password meets it and the product: C(problems) tell where and why, and of how many devices."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = list(problems)


@dataclass
class _Found:
    """C(policies): what each device's owner asks for, and the floors that join it."""

    devices: dict[str, Device] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    offline_days: Mapping[str, float] = field(default_factory=dict)
    floors: Callable[[Device, Sighting], Iterable[tuple[str, str | None]]] = lambda _device, _sighting: ()


def read_inventory(members: Mapping[str, Sequence[str]], variables: UnreadVariables) -> Inventory:
    """Every device. C(members): the names of each group. Raises ImpossiblePolicy."""
    devices: list[Listed] = []
    problems: list[Problem] = []
    remarks: list[str] = []
    sources: dict[str, list[str]] = {}
    impossible: dict[str, list[str]] = {}
    policies = _Policies()
    for group, names in members.items():
        found = _read_product(names, variables, product_named(group)) if group in NAMES else _read_servers(names, variables)
        remarks += found.remarks
        for problem in found.problems:
            if problem.device and problem.field.startswith(_SOURCE):
                sources.setdefault(problem.device, []).append(f"{problem.field} {problem.message}")
            else:
                problems.append(problem)
        for name in names:
            noted, device = variables.noted(name), found.devices.get(name)
            policy = None
            try:
                policy = policies.of(device, found, _text(noted[FIRMWARE])) if device else None
            except PolicyError as error:
                impossible.setdefault("; ".join(f"{part}: {message}" for part, message in error.problems), []).append(name)
            if device and name not in sources and device.source.kind == "csv":
                sources.update(_file_problem(device, file_beside_inventory(device.source.path, noted)))
            devices.append(
                Listed(
                    name,
                    group,
                    device.serial if device else variables.serial_of(name),
                    "" if name in sources or not device else device.source.kind,
                    policy,
                    found.offline_days.get(name),
                    _text(noted["inventory_file"]),
                )
            )
    if impossible:
        raise ImpossiblePolicy([f"{_POLICY} of {_some(names)}: {why}" for why, names in impossible.items()])
    return Inventory(devices, [*problems, *_in_two_groups(members)], sources, remarks)


def _read_product(names: Sequence[str], variables: HostVariables, product: Product) -> _Found:
    found = read_devices(names, variables, product)
    devices = {device.name: device for device in found.devices}
    # A device whose source alone is broken is looked at all the same.
    left = {problem.device for problem in found.problems if problem.device.strip()} - devices.keys()
    without = read_devices([name for name in names if name in left], variables, product, sources=False) if left else None
    if without:
        devices.update((device.name, device) for device in without.devices)
    offline_days = {**found.offline_days, **(without.offline_days if without else {})}
    return _Found(devices, found.problems, found.remarks, offline_days, product.policies)


def _read_servers(names: Sequence[str], variables: HostVariables) -> _Found:
    """Building servers have no rotation, so only what a recovery of one reads is read."""
    found = _Found()
    for name in names:
        reader = VariableReader(name, variables.of(name), variables)
        kind = reader.text("device_server_kind")
        if kind not in KINDS:
            reader.problem("device_server_kind", f"'{kind}' is none of {', '.join(KINDS)}" if kind else "is missing")
        serial, host = reader.text("device_serial"), reader.text("device_host")
        policy = reader.mapping(_POLICY, reader.mapping("bms_recovery_policy", {}))
        before = len(reader.problems)
        source = read_source(reader, reader.mapping("bms_recovery_source", {"kind": "generate"}))
        if not reader.problems[:before]:
            found.devices[name] = Device(name, serial, source if len(reader.problems) == before else Source("generate"), policy, host)
        found.problems += reader.problems
    found.problems += duplicate_serials(found.devices.values())
    return found


class _Policies:
    """What a password has to meet that is there already. Joined once for all alike."""

    def __init__(self) -> None:
        self._joined: dict[tuple[object, ...], PasswordPolicy | PolicyError] = {}

    def of(self, device: Device, found: _Found, firmware: str) -> PasswordPolicy:
        """Raises PolicyError. Where nobody knows the firmware of a device, what every one of them demands."""
        floors = tuple(found.floors(device, Sighting(firmware=firmware or None)))
        key = (repr(sorted(device.policy.items(), key=str)), floors)
        if key not in self._joined:
            self._joined[key] = _joined(device.policy, floors)
        known = self._joined[key]
        if isinstance(known, PolicyError):
            raise known
        return known


def _joined(wanted: Mapping[str, object], floors: Iterable[tuple[str, str | None]]) -> PasswordPolicy | PolicyError:
    try:
        policy = PasswordPolicy.from_mapping(wanted, where=_POLICY)
        for product, firmware in floors:
            policy = policy.with_floor(floor_for(product, firmware) if firmware else least_floor_for(product))
    except PolicyError as error:
        return error
    return policy


def _file_problem(device: Device, path: str) -> Iterable[tuple[str, list[str]]]:
    """That it is there; its rows are passwords, and not for whoever looks at a fleet."""
    if not os.path.isfile(path):
        yield device.name, [f"{_SOURCE}.path: there is no file {path}"]


def _in_two_groups(members: Mapping[str, Sequence[str]]) -> Iterable[Problem]:
    first: dict[str, str] = {}
    for group, names in members.items():
        for name in names:
            other = first.setdefault(name, group)
            if other != group:
                yield Problem(name, "groups", f"it is in {other} and in {group}; a device is of one kind")


def _text(value: object) -> str:
    return value if isinstance(value, str) and "{{" not in value else ""


def _some(names: Sequence[str], shown: int = 3) -> str:
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")
