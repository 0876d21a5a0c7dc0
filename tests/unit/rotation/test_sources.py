# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The passwords that sources give, and what stops everything: a CSV file of which a single row is wrong."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest
from support.rotation import FakeVariables, device

from ansible_collections.keyturn.devices.plugins.module_utils._passwords import csv_file
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.csv_file import PasswordRow, read_password_csv
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation import sources
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import Device, Problem, Source


def given(*devices: Device, everybody: str = "abc", inventory_dir: str = "") -> tuple[dict[str, str], list[Problem]]:
    """Serials of hosts are their names in upper case."""
    variables = FakeVariables({name: {"device_serial": name.upper(), "inventory_dir": inventory_dir} for name in everybody})
    return sources.given_passwords(devices, variables, list(everybody))


def by_csv(name: str, path: object) -> Device:
    return device(name, given=Source("csv", path=str(path)))


def test_a_value_and_a_row_are_given_and_a_password_that_is_made_is_not(tmp_path: Path) -> None:
    path = tmp_path / "handover.csv"
    path.write_text("serial,password\nB,Password-of-b\n")
    devices = (device("a", given=Source("value", password="Password-of-a")), by_csv("b", path), device("c"))
    assert given(*devices) == ({"a": "Password-of-a", "b": "Password-of-b"}, [])


def test_a_file_is_read_once_however_many_devices_name_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "handover.csv"
    path.write_text("A,Password-of-a\nB,Password-of-b\nC,Password-of-c\n")
    calls: list[str] = []

    def read(path: str, known_serials: Collection[str]) -> list[PasswordRow]:
        calls.append(path)
        return read_password_csv(path, known_serials)

    monkeypatch.setattr(csv_file, "read_password_csv", read)
    wanted, problems = given(*(by_csv(name, path) for name in "abc"))
    assert (calls, list(wanted), problems) == ([str(path)], ["a", "b", "c"], [])


def test_a_file_is_found_beside_the_inventory(tmp_path: Path) -> None:
    (tmp_path / "handover.csv").write_text("A,Password-of-a\n")
    assert given(by_csv("a", "handover.csv"), inventory_dir=str(tmp_path))[0] == {"a": "Password-of-a"}


def test_a_file_may_hold_more_devices_than_a_run_is_limited_to(tmp_path: Path) -> None:
    path = tmp_path / "handover.csv"
    path.write_text("A,Password-of-a\nB,Password-of-b\n")
    assert given(by_csv("a", path)) == ({"a": "Password-of-a"}, [])


def test_a_device_without_a_row_fails_alone(tmp_path: Path) -> None:
    path = tmp_path / "handover.csv"
    path.write_text("A,Password-of-a\n")
    wanted, (problem,) = given(by_csv("a", path), by_csv("b", path))
    assert wanted == {"a": "Password-of-a"}
    assert str(problem) == f"b: device_password_source.path: {path} has no row for serial 'B'"


@pytest.mark.parametrize(
    "content",
    ["A,Password-of-a\nZ,Password-of-a-stranger\n", "A,Password-of-a\nA,Password-of-a-twin\n", "A,Password-of-a\nB\n"],
    ids=["a serial that no host has", "a serial twice", "a row without a password"],
)
def test_a_file_with_one_bad_row_stops_everything_and_names_line_and_reason_but_no_password(tmp_path: Path, content: str) -> None:
    path = tmp_path / "handover.csv"
    path.write_text(content)
    wanted, (problem,) = given(by_csv("a", path), by_csv("b", path))
    assert (wanted, problem.device) == ({}, "")
    assert f"{path}, line 2: " in str(problem)
    assert str(problem).endswith("(source of a)")
    assert "Password-of" not in str(problem)


def test_a_file_that_is_not_there_stops_everything_and_its_message_ends_in_something(tmp_path: Path) -> None:
    _wanted, (problem,) = given(by_csv("a", tmp_path / "absent.csv"))
    assert problem.device == ""
    assert f"{tmp_path}/absent.csv" in str(problem)
    assert not str(problem).rstrip().endswith(":")
