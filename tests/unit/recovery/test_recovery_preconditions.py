# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a Windows host says of the preconditions, as people read it."""

from __future__ import annotations

import json

import pytest

from ansible_collections.keyturn.devices.plugins.plugin_utils._recovery.preconditions import windows_lines

SERVICE = "Building Operation 6.0 Enterprise Server"


@pytest.mark.parametrize(
    ("found", "met"),
    [
        ({"services": [{"name": SERVICE, "status": "Running"}], "device_administrator": ["Device Administrator 6.0"], "elevated": True}, 3),
        ({"services": {"name": SERVICE, "status": "Running"}, "device_administrator": "Device Administrator 6.0", "elevated": False}, 2),
        ({"services": {"name": SERVICE, "status": "Stopped"}, "device_administrator": None, "elevated": True}, 1),
        ({}, 0),
    ],
)
def test_every_precondition_has_its_line(found: dict[str, object], met: int) -> None:
    lines = windows_lines(f"#< CLIXML\r\n{json.dumps(found)}\r\n")
    assert len(lines) == 3
    assert sum(line.startswith("Checked: ") for line in lines) == met
    assert sum(line.startswith("Not met: ") for line in lines) == 3 - met


def test_what_cannot_be_read_is_left_to_a_person() -> None:
    assert windows_lines(" \n") == []
    for output in ("access is denied", "{not json}", "}{"):
        assert windows_lines(output) == ["The Windows host could not be asked for preconditions; check them yourself."]
