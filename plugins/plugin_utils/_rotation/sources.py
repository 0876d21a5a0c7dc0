# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The passwords that sources give: a value, or a row of a CSV file."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.inventory import file_beside_inventory
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import Device, Problem
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.variables import HostVariables


def given_passwords(devices: Sequence[Device], variables: HostVariables, everybody: Sequence[str]) -> tuple[dict[str, str], list[Problem]]:
    """By device name. A CSV file is read once, and is right only if every row of it is: a broken one stops everything.

    C(everybody): the hosts of the inventory. A file may hold more devices than a run is limited to, but none that it does not know.
    """
    wanted = {device.name: device.source.password for device in devices if device.source.kind == "value"}
    from_files = [device for device in devices if device.source.kind == "csv"]
    if not from_files:
        return wanted, []
    # Only here, because Ansible compiles it anew in every run and most have no such source; of a run only the plan reads files.
    from ansible_collections.keyturn.devices.plugins.module_utils._passwords.csv_file import CsvError, read_password_csv

    problems: list[Problem] = []
    files: dict[str, dict[str, str] | None] = {}
    for device in from_files:
        path = file_beside_inventory(device.source.path, variables.of(device.name))
        if path not in files:
            try:
                rows = read_password_csv(path, known_serials={variables.serial_of(name) for name in everybody})
                files[path] = {row.serial: row.password for row in rows}
            except CsvError as error:
                files[path] = None
                whose = f"(source of {device.name})"
                problems += [Problem("", "device_password_source.path", f"{problem} {whose}") for problem in error.problems]
        rows_of_file = files[path]
        if rows_of_file is not None and device.serial in rows_of_file:
            wanted[device.name] = rows_of_file[device.serial]
        elif rows_of_file is not None:
            problems.append(Problem(device.name, "device_password_source.path", f"{path} has no row for serial '{device.serial}'"))
    return wanted, problems
