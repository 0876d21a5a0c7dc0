# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of hosts as a task of the play sees them, also for a task that runs once for all of them.

Ansible tells such a task only the variables of one host. Those of the others are worked out here by Ansible's own code; for a fleet, once
for all hosts that can differ in nothing but the variables that the inventory gives each of them.
"""

from __future__ import annotations

import typing as t
from collections.abc import Collection, Mapping

from ansible import constants
from ansible.errors import AnsibleError
from ansible.inventory.host import Host
from ansible.module_utils.common.text.converters import to_text
from ansible.vars.plugins import get_vars_from_inventory_sources, get_vars_from_path

# A host of this name has no variables of its own anywhere.
_NOBODY = "keyturn.devices nobody"
_MARK = "keyturn.devices mark"
# What Ansible itself sets for every host.
_MAGIC = ("inventory_hostname", "inventory_hostname_short", "group_names")


class VariableError(Exception):
    """A variable could not be resolved, for example because its lookup failed."""


def _is_plain(value: object) -> bool:
    """Whether there is no template in it, nor anything that only Ansible can read."""
    if isinstance(value, str):
        return "{{" not in value and "{%" not in value and "{#" not in value and not is_encrypted(value)
    if isinstance(value, Mapping):
        return all(_is_plain(part) for part in value.values())
    if isinstance(value, (list, tuple)):
        return all(_is_plain(part) for part in value)
    return value is None or isinstance(value, (bool, int, float))


def is_encrypted(value: object) -> bool:
    """Whether it is a vaulted value, which only Ansible can read."""
    # Up to ansible-core 2.18 a vaulted variable comes as an object that is no string but becomes one.
    return bool(getattr(type(value), "__ENCRYPTED__", False)) or type(value).__name__ == "EncryptedString"


def _plain(value: object) -> t.Any:
    """A copy in Python's own types: since ansible-core 2.19 a container resolves its templates only when it is read."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, str) or is_encrypted(value):
        return "".join(str(value))
    return value


def _first_line(error: Exception) -> str:
    """What a lookup or a template says of itself, without the excerpt of the inventory that may follow."""
    return str(to_text(error)).strip().splitlines()[0][:300]


class Layer:
    """The variables that hosts of the same groups share.

    C(above): by name, whether the play, a role or the command line sets it for all hosts, so that the inventory's word does not count.
    """

    def __init__(self, shared: Mapping[str, t.Any]) -> None:
        self.shared = shared
        self.above: dict[str, bool] = dict.fromkeys(_MAGIC, False)


class Raw(dict[str, t.Any]):
    """The variables of one host, their templates not resolved. C(own): the names in which it differs from the others of its layer."""

    layer: Layer | None = None
    own: Collection[str] = ()


class HostVariables:
    """The variables of hosts, play variables, C(vars_files), role and extra variables included."""

    def __init__(self, task_vars: Mapping[str, t.Any], task: t.Any, templar: t.Any) -> None:
        hostvars = task_vars["hostvars"]
        self._manager = hostvars._variable_manager
        self._inventory = hostvars._inventory
        self._loader = hostvars._loader
        self._task = task
        self._play = task.get_play()
        self._templar = templar
        self._layers: dict[tuple[str, ...], Layer] = {}
        self._may_share = constants.DEFAULT_HASH_BEHAVIOUR == "replace" and _is_plain(self._play.get_vars_files())

    def of(self, name: str) -> Raw:
        """All variables of a host."""
        host = self._inventory.get_host(name)
        if not self._may_share or self._has_more(host):
            return Raw(self._all_of(host))
        layer = self._layer_of(host)
        own = host.get_vars()
        unknown = [key for key in own if key not in layer.above]
        if unknown:
            marked = self._all_of(_like(host, dict.fromkeys(unknown, _MARK)))
            layer.above.update((key, marked.get(key) != _MARK) for key in unknown)
        own = {key: value for key, value in own.items() if not layer.above[key]}
        raw = Raw(layer.shared)
        raw.update(own)
        raw.layer, raw.own = layer, own.keys()
        return raw

    def _all_of(self, host: t.Any) -> dict[str, t.Any]:
        variables: dict[str, t.Any] = self._manager.get_vars(
            play=self._play, host=host, task=self._task, _hosts=[host.name], _hosts_all=[host.name]
        )
        return variables

    def _has_more(self, host: t.Any) -> bool:
        """Whether a host has variables that come neither from its groups nor from the inventory's own words on it."""
        manager = self._manager
        if any(host.name in cache and cache[host.name] for cache in (manager._vars_cache, manager._nonpersistent_fact_cache)):
            return True
        try:
            if manager._fact_cache.get(host.name):
                return True
        except KeyError:
            pass
        if get_vars_from_inventory_sources(self._loader, self._inventory._sources, [host], "task"):
            return True
        return any(get_vars_from_path(self._loader, path, [host], "task") for path in self._task.get_search_path())

    def _layer_of(self, host: t.Any) -> Layer:
        groups = tuple(sorted(group.name for group in host.groups))
        if groups not in self._layers:
            self._layers[groups] = Layer(self._all_of(_like(host, {})))
        return self._layers[groups]

    def registered(self, name: str, variable: str) -> t.Any:
        """What a task of this play has registered for a host; None where none has."""
        return self._manager._nonpersistent_fact_cache.get(name, {}).get(variable)

    def serial_of(self, name: str) -> str:
        """The serial number of any host of the inventory, empty where it has none that can be told."""
        raw = self.of(name)
        try:
            return str(self.resolve(raw.get("device_serial"), raw) or "").strip()
        except VariableError:
            return ""

    def knows(self, name: str) -> bool:
        """Whether the inventory has this host."""
        return name in self._inventory.hosts

    def resolve(self, value: object, raw: Mapping[str, t.Any]) -> object:
        """The value with its templates resolved for one host, as plain data. VariableError where that fails."""
        try:
            if _is_plain(value):
                return _plain(value)
            return _plain(self._templar.copy_with_new_env(available_variables=dict(raw)).template(value))
        except AnsibleError as error:
            reason = _first_line(error)
        raise VariableError(reason)


def _like(host: t.Any, variables: dict[str, t.Any]) -> t.Any:
    """A host of the same groups that has these variables and no others."""
    other = Host(_NOBODY)
    other.groups = host.groups
    other.vars = variables
    return other
