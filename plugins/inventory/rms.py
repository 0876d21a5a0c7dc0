# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: rms
short_description: The Teltonika routers of an RMS account as hosts
version_added: 1.0.0
description:
  - Makes a host of every router that Teltonika's Remote Management System (RMS) knows, with groups by model, status, tag, company and
    firmware. It asks RMS the same way as M(keyturn.devices.router_info).
  - The name of the configuration file must end in C(.rms.yml) or C(.rms.yaml).
  - "What RMS says is never run as a template: a router's name cannot smuggle one into a play."
author:
  - Keyturn developers (@keyturn)
extends_documentation_fragment:
  - keyturn.devices.rms
  - keyturn.devices.http_client
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
options:
  plugin:
    description: Marks the file as one for this plugin.
    type: str
    required: true
    choices: [keyturn.devices.rms]
  rms_url:
    env:
      - name: RMS_URL
  rms_status_url:
    description: Not used by the inventory.
    env:
      - name: RMS_STATUS_URL
  rms_token:
    description:
      - The value may be a template, such as a lookup.
    env:
      - name: RMS_TOKEN
  limit:
    description: How many routers RMS is asked for in one request.
    type: int
    default: 1000
  query:
    description:
      - Query parameters of RMS's own list of devices, so that fewer routers are fetched.
      - "Known are C(status) (V(online), V(offline) or V(not_activated)), C(model), C(firmware), C(mac), C(company_id), C(tag_id),
        C(monitoring_status), C(management_credit_type), C(q), and for the opposite C(ne:status), C(ne:model), C(ne:firmware) and
        C(ne:tag_id)."
    type: dict
    default: {}
  filters:
    description:
      - Which of the fetched routers become hosts. Each element has one key, C(include) or C(exclude), with a Jinja2 condition over the
        host's variables.
      - The first condition that is true decides. A router for which none is true becomes a host.
    type: list
    elements: dict
    default: []
  hostnames:
    description:
      - What a host is called. The first of these that is not empty and not shared with another router; the serial number when none is left.
      - Characters that mean something in host patterns or templates are replaced by an underscore.
    type: list
    elements: str
    choices: [name, serial, id, mac]
    default: [name, serial]
  group:
    description: A group for all routers. The playbooks of this collection act on V(routers). Empty for none.
    type: str
    default: routers
  group_by:
    description:
      - What groups are made by. Their names are these words, an underscore and the value, such as C(model_RUTX11), C(status_online),
        C(tag_north), C(company_Acme) and C(firmware_RUTX_R_00_07_13_2).
    type: list
    elements: str
    choices: [model, status, tag, company, firmware]
    default: [model, status, tag, company, firmware]
notes:
  - "Each host has the variables C(device_serial), C(device_rms_id), C(device_rms_name), C(device_rms_model), C(device_rms_firmware),
    C(device_rms_status), C(device_rms_online), C(device_rms_mac), C(device_rms_tags), C(device_rms_company) and C(device_rms_policy)."
"""

EXAMPLES = r"""
# fleet.rms.yml. With the token in the environment variable RMS_TOKEN this line is enough.
plugin: keyturn.devices.rms

# A part of the fleet, fetched at most once an hour
rms_token: "{{ lookup('ansible.builtin.file', '~/.rms-token') }}"
query:
  company_id: 360
filters:
  - exclude: device_rms_model is match('TSW')
  - include: "'managed' in device_rms_tags"
  - exclude: true
hostnames: [serial]
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: .cache
cache_timeout: 3600
compose:
  device_password_policy: "{'length': 24, 'special': device_rms_policy.special}"
keyed_groups:
  - key: device_rms_firmware.split('_')[0]
    prefix: platform
groups:
  reachable: device_rms_online
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.inventory.group import to_safe_group_name
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.utils.unsafe_proxy import wrap_var

from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._rms.client import RmsFault
from ansible_collections.keyturn.devices.plugins.module_utils._rms.devices import list_routers
from ansible_collections.keyturn.devices.plugins.module_utils._rms.info import Descriptions
from ansible_collections.keyturn.devices.plugins.module_utils._rms.options import rms_client

_CLIENT_OPTIONS = ("rms_url", "rms_status_url", "rms_token", "validate_certs", "ca_path", "timeout")
_QUERY = frozenset(
    (
        *("status", "model", "firmware", "mac", "company_id", "tag_id", "monitoring_status", "management_credit_type", "q"),
        *("ne:status", "ne:model", "ne:firmware", "ne:tag_id"),
    )
)

# A host's name stands in patterns and, before ansible-core 2.19, in templates; neither may be written by who names a router.
_NOT_IN_NAMES = re.compile(r"[^\w.-]")
_LEADING = re.compile(r"^[.-]+")
# A router must not become a host that means the controller, or a group.
_TAKEN_NAMES = frozenset(("localhost", "127.0.0.1", "all", "ungrouped"))


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """Hosts and groups from the listing of RMS."""

    NAME = "keyturn.devices.rms"

    def verify_file(self, path: str) -> bool:
        return bool(super().verify_file(path)) and path.endswith((".rms.yml", ".rms.yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        redactor = Redactor()
        problem: str | None = None
        try:
            self._read_config_data(path)
            self._add_hosts(self._routers(path, cache, redactor))
        except AnsibleError as error:
            problem = str(error)
        except RmsFault as fault:
            problem = fault.message
        except Exception as error:  # Nothing may leave but through the gate, not even what nobody foresaw.
            problem = f"Unexpected {type(error).__name__}: {error}"
        # Raised out here: since ansible-core 2.19 an error is shown with those that were being handled when it was raised.
        if problem is not None:
            raise AnsibleParserError(redactor.text(problem))

    def _routers(self, path: str, cache: bool, redactor: Redactor) -> list[dict[str, Any]]:
        """The routers as C(router_info) describes them, from the cache if it may be used and has them."""
        self.load_cache_plugin()
        key = self.get_cache_key(path)
        use_cache = self.get_option("cache")
        if use_cache and cache and key in self._cache:
            return list(self._cache[key])
        routers = self._fetch(redactor)
        if use_cache:
            self._cache[key] = routers
        return routers

    def _fetch(self, redactor: Redactor) -> list[dict[str, Any]]:
        options = {name: self.get_option(name) for name in _CLIENT_OPTIONS}
        token = options["rms_token"]
        if token is not None:
            options["rms_token"] = str(self.templar.template(token) if self.templar.is_template(token) else token)
            redactor.add(options["rms_token"])
        query = {str(name): str(value) for name, value in self.get_option("query").items()}
        unknown = sorted(set(query) - _QUERY)
        if unknown:
            raise AnsibleParserError(f"query has names that RMS does not know: {', '.join(unknown)}.")
        if self.get_option("limit") < 1:
            raise AnsibleParserError("limit must be 1 or more.")
        client = rms_client(options, redactor)
        if client.warning:
            self.display.warning(client.warning)
        try:
            describe = Descriptions()
            return redactor.data([describe(router) for router in list_routers(client, query, self.get_option("limit"))])
        finally:
            client.http.close()

    def _add_hosts(self, routers: list[dict[str, Any]]) -> None:
        strict = self.get_option("strict")
        group_by = self.get_option("group_by")
        conditions = [_condition(element) for element in self.get_option("filters")]
        group = self.get_option("group")
        if group:
            group = self.inventory.add_group(self._safe(group))
        for name, router in zip(_names(routers, self.get_option("hostnames")), routers, strict=True):
            variables = wrap_var(_variables(router))
            if not self._is_wanted(conditions, variables, strict):
                continue
            host = self.inventory.add_host(name, group=group or None)
            for variable, value in variables.items():
                self.inventory.set_variable(host, variable, value)
            for word in group_by:
                for value in _group_values(router, word):
                    self.inventory.add_child(self.inventory.add_group(self._safe(f"{word}_{value}")), host)
            self._set_composite_vars(self.get_option("compose"), variables, host, strict=strict)
            self._add_host_to_composed_groups(self.get_option("groups"), variables, host, strict=strict)
            self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, host, strict=strict)

    def _is_wanted(self, conditions: Iterable[tuple[bool, Any]], variables: Mapping[str, Any], strict: bool) -> bool:
        for decision, condition in conditions:
            try:
                if condition if isinstance(condition, bool) else boolean(self._compose(condition, variables)):
                    return decision
            except Exception as error:  # A template can fail in any way.
                if strict:
                    raise AnsibleParserError(f"The filter {condition!r} cannot be evaluated: {error}") from None
        return True

    @staticmethod
    def _safe(name: str) -> str:
        return str(to_safe_group_name(name, force=True, silent=True))


def _condition(element: Mapping[str, Any]) -> tuple[bool, Any]:
    """(whether a true condition includes, the condition) of one filter."""
    if set(element) not in ({"include"}, {"exclude"}):
        raise AnsibleParserError("Each of filters must have one key, include or exclude.")
    ((word, condition),) = element.items()
    if not isinstance(condition, (str, bool)):
        raise AnsibleParserError(f"The {word} of a filter must be a condition or a boolean.")
    return word == "include", condition


def _variables(router: Mapping[str, Any]) -> dict[str, Any]:
    return {"device_serial": router["serial"], **{f"device_rms_{name}": value for name, value in router.items() if name != "serial"}}


def _group_values(router: Mapping[str, Any], word: str) -> list[str]:
    values = router["tags"] if word == "tag" else [router[word]]
    return [value for value in values if value]


def _names(routers: list[dict[str, Any]], fields: list[str]) -> list[str]:
    """The host name of each router: usable, and no other's."""
    candidates = {field: [_name(router[field]) for router in routers] for field in {*fields, "serial"}}
    counts = {field: Counter(texts) for field, texts in candidates.items()}
    names: list[str] = []
    given: set[str] = set()
    for number, router in enumerate(routers):
        own = [candidates[field][number] for field in (*fields, "serial") if counts[field][candidates[field][number]] == 1]
        usable = [text for text in own if text and text not in _TAKEN_NAMES and text not in given]
        names.append(usable[0] if usable else f"rms_{router['id']}")
        given.add(names[-1])
    return names


def _name(value: object) -> str:
    return _LEADING.sub("", _NOT_IN_NAMES.sub("_", str(value)))
