# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory of devices: what is read from it, and how each mistake is named."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.keyturn.devices.plugins.module_utils._rotation.inventory import (
    Defaults,
    Device,
    Source,
    VariableError,
    duplicate_serials,
    read_device,
)

DEFAULTS = Defaults(via="rms", source={"kind": "generate"}, policy={"length": 20})


def read(**variables: Any) -> tuple[Device | None, list[str]]:
    device, problems = read_device("depot-07", variables.get, DEFAULTS)
    return device, [str(problem) for problem in problems]


def test_a_device_needs_no_more_than_its_serial() -> None:
    assert read(device_serial="0100000007") == (Device("depot-07", "0100000007", "rms", Source("generate"), {"length": 20}), [])


def test_a_serial_that_the_inventory_made_a_number_is_read_as_its_digits() -> None:
    device, _problems = read(device_serial=1100000007)
    assert device is not None
    assert device.serial == "1100000007"


@pytest.mark.parametrize(
    ("variables", "where", "why"),
    [
        ({}, "device_serial", "is missing"),
        ({"device_serial": ""}, "device_serial", "is missing"),
        ({"device_serial": ["1"]}, "device_serial", "not a list"),
        ({"device_serial": True}, "device_serial", "not a boolean"),
        ({"device_serial": "1", "device_via": "telnet"}, "device_via", "'telnet' is none of"),
        ({"device_serial": "1", "device_via": "device"}, "device_host", "is missing"),
        ({"device_serial": "1", "device_via": "rms_then_verify"}, "device_host", "is missing"),
        ({"device_serial": "1", "device_password_policy": "strong"}, "device_password_policy", "must be a mapping, not text"),
        ({"device_serial": "1", "device_password_source": "generate"}, "device_password_source", "must be a mapping, not text"),
        ({"device_serial": "1", "device_password_source": {}}, "device_password_source.kind", "must be one of"),
        ({"device_serial": "1", "device_password_source": {"kind": "oracle"}}, "device_password_source.kind", "'oracle' is none of"),
        ({"device_serial": "1", "device_password_source": {"kind": "csv"}}, "device_password_source.path", "is missing"),
        ({"device_serial": "1", "device_password_source": {"kind": "csv", "path": 7}}, "device_password_source.path", "not a number"),
        ({"device_serial": "1", "device_password_source": {"kind": "value"}}, "device_password_source.password", "is missing"),
        (
            {"device_serial": "1", "device_password_source": {"kind": "value", "password": ""}},
            "device_password_source.password",
            "is empty",
        ),
        (
            {"device_serial": "1", "device_password_source": {"kind": "value", "password": 12345678}},
            "device_password_source.password",
            "not a number",
        ),
        (
            {"device_serial": "1", "device_password_source": {"kind": "generate", "length": 20}},
            "device_password_source.length",
            "is not a field",
        ),
        (
            {"device_serial": "1", "device_via": "device", "device_host": "h", "device_password_source": {"kind": "rms"}},
            "device_password_source.kind",
            "needs device_via",
        ),
    ],
)
def test_a_mistake_is_named_with_device_variable_and_reason(variables: dict[str, Any], where: str, why: str) -> None:
    device, problems = read(**variables)
    assert device is None
    assert [problem.startswith(f"depot-07: {where}: ") and why in problem for problem in problems] == [True]


def test_a_password_given_as_a_number_is_never_shown() -> None:
    _device, problems = read(device_serial="1", device_password_source={"kind": "value", "password": 87654321})
    assert "87654321" not in "".join(problems)
    assert "S3cret" not in repr(Source("value", password="S3cret-x"))


def test_a_variable_that_cannot_be_resolved_is_a_problem_of_its_device() -> None:
    def variable(name: str) -> object:
        if name == "device_password_source":
            raise VariableError("the vault is sealed")
        return {"device_serial": "1"}.get(name)

    device, problems = read_device("depot-07", variable, DEFAULTS)
    assert device is None
    assert [str(problem) for problem in problems] == ["depot-07: device_password_source: cannot be resolved: the vault is sealed"]


def test_all_mistakes_of_a_device_are_told_at_once() -> None:
    _device, problems = read(device_via="device", device_password_source={"kind": "csv"})
    assert len(problems) == 3


def test_two_names_for_one_serial_are_refused() -> None:
    devices = [Device(name, serial, "rms", Source("generate"), {}) for name, serial in (("a", "1"), ("b", "2"), ("c", "1"))]
    assert [str(problem) for problem in duplicate_serials(devices)] == ["c: device_serial: '1' is also the serial of a"]
