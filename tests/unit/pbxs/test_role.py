# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role pbx_recovery says of its variables is what is read."""

from __future__ import annotations

from typing import Any

import yaml
from support.recovery import ROLE

from ansible_collections.keyturn.devices.plugins.plugin_utils._products.pbx_recovery import PbxRecovery
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.inventory import SETTINGS

READ = {f"pbx_recovery_{name}": setting for name, setting in {**SETTINGS, **PbxRecovery.settings}.items()}


def part(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROLE / name / "main.yml").read_text())
    return content


def test_every_variable_is_read_documented_and_has_a_default() -> None:
    specs = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    documented = specs["recover"]["options"]
    assert specs["readiness"]["options"] == documented
    fixed = {name for name in part("vars") if "__" not in name}
    assert set(documented) == set(part("defaults"))
    assert set(READ) == set(documented) | fixed
    assert {name: option["type"] for name, option in documented.items()} == {name: READ[name].type for name in documented}
    text = (ROLE / "README.md").read_text()
    assert [name for name in documented if f"`{name}`" not in text] == []
