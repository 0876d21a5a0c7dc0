# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the roles and the guide say of settings and checks is what there is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from support.guides import documentation

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.options import ledger_argument_spec
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.checks import CHECKS

CHECKOUT = Path(__file__).resolve().parents[3]
ROLES = ("password_compliance", "password_report")


def part(role: str, name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((CHECKOUT / "roles" / role / name / "main.yml").read_text())
    return content


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_what_its_module_has(role: str) -> None:
    specs = yaml.safe_load((CHECKOUT / "roles" / role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    (spec,) = specs.values()
    wanted = {f"{role}_{name}" for name in (*documentation("modules", role), *ledger_argument_spec())}
    assert set(spec["options"]) == set(part(role, "defaults")) == wanted
    defaults = {name: option["default"] for name, option in spec["options"].items() if "default" in option}
    assert {name: part(role, "defaults")[name] for name in defaults} == defaults
    text = (CHECKOUT / "roles" / role / "README.md").read_text()
    assert [name for name in wanted if f"`{name}`" not in text] == []


@pytest.mark.parametrize(
    "path", ["roles/password_compliance/README.md", "docs/docsite/rst/compliance.rst", "plugins/modules/password_compliance.py"]
)
def test_every_check_is_documented(path: str) -> None:
    text = (CHECKOUT / path).read_text()
    assert [check for check in CHECKS if f"`{check}`" not in text and f"V({check})" not in text] == []
