# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kinds of devices there are, by name."""

from __future__ import annotations

from ansible_collections.keyturn.devices.plugins.plugin_utils._products.routers import ROUTERS
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import Product

NAMES = ("routers", "pbxs")


def product_named(name: str) -> Product:
    """One of C(NAMES). What routers need is imported with this file, before Ansible forks its processes; the rest is when it is used."""
    if name == "pbxs":
        from ansible_collections.keyturn.devices.plugins.plugin_utils._products.pbxs import PBXS

        return PBXS
    return ROUTERS
