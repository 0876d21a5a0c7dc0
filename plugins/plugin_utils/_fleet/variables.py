# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of a fleet, for looking at it: as its rotations see them, without anything that gives a secret.

The settings that the roles of each kind of device begin with are under all others, as in a play of that role. A password that a source
gives, a token and what opens the ledger are not resolved: whoever looks at a fleet needs none of them, and may be allowed none.
"""

from __future__ import annotations

import os
import typing as t
from collections.abc import Mapping
from functools import cached_property

from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.variables import HostVariables, Raw, is_encrypted

#: The roles whose settings describe the devices of a group.
ROLES: Mapping[str, str] = {"routers": "router_rotation", "pbxs": "pbx_rotation", "bms_servers": "bms_recovery"}

#: Where the inventory plugin keyturn.devices.rms has put the firmware of a router.
FIRMWARE = "device_rms_firmware"
#: Variables that are asked for once more when a host has been read.
NOTED = (FIRMWARE, "inventory_file", "inventory_dir")

#: Stands for a password that was not read.
NOT_READ = "not read"

_HERE = os.path.dirname(os.path.abspath(__file__))
_ROLES_DIRECTORY = os.path.join(_HERE, *[os.pardir] * 3, "roles")
_SOURCES = ("device_password_source", *(f"{role}_source" for role in ROLES.values()))
_SECRET = ("rms_token", "ledger_url", "ledger_passphrase", "ledger_passphrase_file", "smtp_password")
_SECRETS = frozenset(f"{role}_{name}" for role in ROLES.values() for name in _SECRET)


class UnreadVariables(HostVariables):
    """Those of hosts, without what gives a secret. C(NOTED) is remembered of each host, because all of them cost more."""

    @cached_property
    def _noted(self) -> dict[str, Mapping[str, t.Any]]:
        return {}

    def of(self, name: str) -> Raw:
        raw = super().of(name)
        # What hosts share, and all variables of a host that shares none, were looked through before.
        raw.update(unread({variable: raw[variable] for variable in raw.own}))
        self._noted[name] = {variable: raw.get(variable) for variable in NOTED}
        return raw

    def noted(self, name: str) -> Mapping[str, t.Any]:
        """C(NOTED) of a host."""
        if name not in self._noted:
            self.of(name)
        return self._noted[name]


class FleetVariables(UnreadVariables):
    """The same, with the settings of the roles below all others."""

    def __init__(self, task_vars: Mapping[str, t.Any], task: t.Any, templar: t.Any) -> None:
        super().__init__(task_vars, task, templar)
        self._defaults: dict[str, t.Any] = {}
        for role in ROLES.values():
            self._defaults.update(_settings_of(self._loader, role))

    def _all_of(self, host: t.Any) -> dict[str, t.Any]:
        variables = {**self._defaults, **super()._all_of(host)}
        return {**variables, **unread(variables)}


def unread(variables: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Those that hold a secret, with something that is none in its place."""
    hidden: dict[str, t.Any] = dict.fromkeys(_SECRETS & variables.keys(), "")
    for name in _SOURCES:
        source = variables.get(name)
        if isinstance(source, Mapping) and _is_text(source.get("password")):
            hidden[name] = {**source, "password": NOT_READ}
    return hidden


def _is_text(value: object) -> bool:
    return bool(isinstance(value, str) and value) or is_encrypted(value)


def _settings_of(loader: t.Any, role: str) -> dict[str, t.Any]:
    """The defaults of a role, whose templates are as good as those of a playbook."""
    path = os.path.join(_ROLES_DIRECTORY, role, "defaults", "main.yml")
    try:
        settings = loader.load_from_file(path, trusted_as_template=True)
    except TypeError:  # before ansible-core 2.19 every template is trusted
        settings = loader.load_from_file(path)
    return dict(settings)
