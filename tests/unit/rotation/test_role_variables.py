# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a role says of its variables is what the plan reads: the same names, the same types, a default for each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.keyturn.devices.plugins.plugin_utils._products.all import NAMES, product_named
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.inventory import SETTINGS
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import Product, Setting

ROLES = Path(__file__).resolve().parents[3] / "roles"

pytestmark = pytest.mark.parametrize("product", [product_named(name) for name in NAMES], ids=NAMES)


def role(product: Product) -> Path:
    return ROLES / product.prefix.rstrip("_")


def documented(product: Product) -> dict[str, Any]:
    text = (role(product) / "meta" / "argument_specs.yml").read_text()
    options: dict[str, Any] = yaml.safe_load(text)["argument_specs"]["rotate"]["options"]
    return options


def read(product: Product) -> dict[str, Setting]:
    return {f"{product.prefix}{name}": setting for name, setting in {**SETTINGS, **product.settings}.items()}


def test_every_variable_of_the_role_is_read_and_documented_and_has_a_default(product: Product) -> None:
    defaults = yaml.safe_load((role(product) / "defaults" / "main.yml").read_text())
    assert set(documented(product)) == set(read(product)) == set(defaults)


def test_types_and_choices_are_the_documented_ones(product: Product) -> None:
    # A secret, or a path that may be empty, is documented and read as text.
    told = {name: (setting.type, list(setting.choices)) for name, setting in read(product).items()}
    assert {name: (option["type"], option.get("choices", [])) for name, option in documented(product).items()} == told


def test_every_variable_is_in_the_readme(product: Product) -> None:
    text = (role(product) / "README.md").read_text()
    assert [name for name in read(product) if f"`{name}`" not in text] == []
