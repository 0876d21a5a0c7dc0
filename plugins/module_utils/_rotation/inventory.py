# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the inventory says of a device, read and checked before anything is done with it.

The variables are those of a device in an Ansible inventory: C(device_serial), C(device_host), C(device_username), C(device_via),
C(device_password_source), C(device_password_policy), C(device_protocol), C(device_fingerprint), C(device_site). All problems of all
devices are collected, so that one run shows every one.
"""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

WAYS = ("rms", "device", "rms_then_verify")
PROTOCOLS = ("api", "ssh")
SOURCE_KINDS = ("generate", "csv", "value", "rms")

# What each kind of source may say besides its kind; the first tuple must be there.
_SOURCE_FIELDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "generate": ((), ()),
    "csv": (("path",), ()),
    "value": (("password",), ()),
    "rms": ((), ()),
}


@dataclass(frozen=True)
class Problem:
    """One thing wrong with the input: where it stands and why it cannot be used. Never holds a secret."""

    device: str
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.device}: {self.field}: {self.message}" if self.device else f"{self.field}: {self.message}"


@dataclass(frozen=True)
class Source:
    """Where a device's next password comes from."""

    kind: str
    path: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True)
class Device:
    """One device of the inventory. C(policy) is the user's own mapping, not yet joined with any product's floor."""

    name: str
    serial: str
    via: str
    source: Source
    policy: Mapping[str, object]
    host: str = ""
    username: str = "admin"
    #: How the router itself is spoken to.
    protocol: str = "api"
    #: Pinned certificate or host key of the router, SHA-256.
    fingerprint: str = ""
    #: The inventory host on whose network the router is; what speaks to the router runs there.
    site: str = "localhost"

    @property
    def uses_rms(self) -> bool:
        return self.via in ("rms", "rms_then_verify")

    @property
    def can_log_in(self) -> bool:
        return self.via in ("device", "rms_then_verify")


@dataclass(frozen=True)
class Defaults:
    """What holds for a device whose inventory says nothing."""

    via: str
    source: Mapping[str, object]
    policy: Mapping[str, object]


class VariableError(Exception):
    """A variable of the inventory could not be resolved, for example because its lookup failed."""


class _Reader:
    """Reads one device's variables and remembers what was wrong."""

    def __init__(self, name: str, variable: Callable[[str], object]) -> None:
        self.name = name
        self.problems: list[Problem] = []
        self._variable = variable

    def problem(self, where: str, message: str) -> None:
        self.problems.append(Problem(self.name, where, message))

    def value(self, variable: str) -> object:
        try:
            return self._variable(variable)
        except VariableError as error:
            self.problem(variable, f"cannot be resolved: {error}")
            return None

    def text(self, variable: str, default: str = "") -> str:
        value = self.value(variable)
        if value is None:
            return default
        # An INI inventory turns a serial of digits into a number.
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            self.problem(variable, f"must be text, not {_kind_of(value)}")
            return default
        return str(value).strip()

    def mapping(self, variable: str, default: Mapping[str, object]) -> Mapping[str, object]:
        value = self.value(variable)
        if value is None:
            return default
        if not isinstance(value, Mapping):
            self.problem(variable, f"must be a mapping, not {_kind_of(value)}")
            return default
        return t.cast("Mapping[str, object]", value)


def _kind_of(value: object) -> str:
    for kinds, name in (
        ((bool,), "a boolean"),
        ((int, float), "a number"),
        ((str,), "text"),
        ((list, tuple), "a list"),
        ((Mapping,), "a mapping"),
    ):
        if isinstance(value, kinds):
            return name
    return "nothing" if value is None else type(value).__name__


def read_device(name: str, variable: Callable[[str], object], defaults: Defaults) -> tuple[Device | None, list[Problem]]:
    """Read one device.

    C(variable) gives the value of an inventory variable of this device, C(None) where it is not set, and raises VariableError where it
    cannot be resolved. Returns the device, or C(None) and what is wrong.
    """
    reader = _Reader(name, variable)
    serial = reader.text("device_serial")
    if not serial and not reader.problems:
        reader.problem("device_serial", "is missing; the serial number says which router is meant")
    via = reader.text("device_via", defaults.via)
    if via not in WAYS:
        reader.problem("device_via", f"'{via}' is none of {', '.join(WAYS)}")
    host = reader.text("device_host")
    if via in ("device", "rms_then_verify") and not host:
        reader.problem("device_host", f"is missing; with device_via '{via}' the router itself is asked")
    username = reader.text("device_username", "admin")
    protocol = reader.text("device_protocol", "api")
    if protocol not in PROTOCOLS:
        reader.problem("device_protocol", f"'{protocol}' is none of {', '.join(PROTOCOLS)}")
    fingerprint = reader.text("device_fingerprint")
    site = reader.text("device_site", "localhost")
    policy = reader.mapping("device_password_policy", defaults.policy)
    source = _read_source(reader, reader.mapping("device_password_source", defaults.source))
    if via == "device" and source.kind == "rms":
        reader.problem("device_password_source.kind", "'rms' needs device_via 'rms' or 'rms_then_verify'")
    if reader.problems:
        return None, reader.problems
    device = Device(
        name=name,
        serial=serial,
        via=via,
        source=source,
        policy=policy,
        host=host,
        username=username,
        protocol=protocol,
        fingerprint=fingerprint,
        site=site,
    )
    return device, []


def _read_source(reader: _Reader, source: Mapping[str, object]) -> Source:
    where = "device_password_source"
    kind = source.get("kind")
    if kind not in SOURCE_KINDS:
        shown = f"'{kind}' is none of" if isinstance(kind, str) else "must be one of"
        reader.problem(f"{where}.kind", f"{shown} {', '.join(SOURCE_KINDS)}")
        return Source(kind="generate")
    kind = str(kind)
    required, optional = _SOURCE_FIELDS[kind]
    for unknown in sorted(set(map(str, source)) - {"kind", *required, *optional}):
        reader.problem(f"{where}.{unknown}", f"is not a field of a source of kind '{kind}'")
    values = {}
    for name in required:
        value = source.get(name)
        if not isinstance(value, str):
            reader.problem(f"{where}.{name}", f"must be text, not {_kind_of(value)}" if name in source else "is missing")
        elif not value:
            reader.problem(f"{where}.{name}", "is empty")
        else:
            values[name] = str(value)
    return Source(kind=kind, **values)


def duplicate_serials(devices: list[Device]) -> list[Problem]:
    """Two names for one box would rotate it twice with two different passwords."""
    first: dict[str, str] = {}
    problems = []
    for device in devices:
        other = first.setdefault(device.serial, device.name)
        if other != device.name:
            problems.append(Problem(device.name, "device_serial", f"'{device.serial}' is also the serial of {other}"))
    return problems
