# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role says of its variables is what the plan reads: the same names, the same types, a default for each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ansible_collections.keyturn.devices.plugins.plugin_utils._products.routers import ROUTERS
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.inventory import SETTINGS

ROLE = Path(__file__).resolve().parents[3] / "roles" / "router_rotation"
READ = {f"{ROUTERS.prefix}{name}": setting for name, setting in {**SETTINGS, **ROUTERS.settings}.items()}


def documented() -> dict[str, Any]:
    options: dict[str, Any] = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]["rotate"]["options"]
    return options


def test_every_variable_of_the_role_is_read_and_documented_and_has_a_default() -> None:
    assert set(documented()) == set(READ) == set(yaml.safe_load((ROLE / "defaults" / "main.yml").read_text()))


def test_types_and_choices_are_the_documented_ones() -> None:
    # A secret, or a path that may be empty, is documented and read as text.
    read = {name: (setting.type, list(setting.choices)) for name, setting in READ.items()}
    assert {name: (option["type"], option.get("choices", [])) for name, option in documented().items()} == read
