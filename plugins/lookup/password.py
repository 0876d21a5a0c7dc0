# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: password
short_description: The password of a device, from the ledger
version_added: 1.0.0
description:
  - Returns one password of each device named, in the order named. Meant for C(ansible_password) and for any option that needs the
    password of a device.
  - The key of the ledger is derived from its passphrase once per process, which takes about 0.3 s, and all devices named in one call are
    read at once.
author:
  - Keyturn developers (@keyturn)
options:
  _terms:
    description: Names of devices, as the ledger knows them.
    type: list
    elements: str
    required: true
  slot:
    description:
      - Which password. V(current) is the one in force, which an orphaned device does not have, V(staged) that of a rotation which is not
        settled, V(previous) the last before the current one.
    type: str
    choices: [current, staged, previous]
    default: current
  default:
    description:
      - What to return for a device that has no such password. Without it that is an error. An absent ledger is one in any case.
    type: raw
  ledger_url:
    description:
      - Where the ledger is, as V(sqlite:///path) or V(postgresql+psycopg://user:password@host/database).
      - A relative path starts from the directory in which the first inventory of the run lies.
      - When it is not given, the variable C(ledger_url) counts, its templates resolved, then the environment variable
        E(KEYTURN_LEDGER_URL), else V(sqlite:///keyturn-ledger.db).
    type: str
  ledger_passphrase:
    description:
      - The passphrase of the ledger. When neither this option nor O(ledger_passphrase_file) is given, the variables with these names
        count, then the environment variable E(KEYTURN_LEDGER_PASSPHRASE).
    type: str
  ledger_passphrase_file:
    description: A file whose first line is the passphrase.
    type: path
seealso:
  - module: keyturn.devices.ledger
  - module: keyturn.devices.ledger_info
"""

EXAMPLES = r"""
- name: Log in with what the ledger holds
  ansible.builtin.uri:
    url: "https://{{ device_host }}/api/login"
    method: POST
    body_format: json
    body:
      username: admin
      password: "{{ lookup('keyturn.devices.password', inventory_hostname) }}"
  no_log: true

# In the inventory
# routers:
#   vars:
#     ansible_password: "{{ lookup('keyturn.devices.password', inventory_hostname, default='admin01') }}"
"""

RETURN = r"""
_raw:
  description: The passwords, in the order of the names.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError, named
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.options import open_ledger
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.plugin_utils._ledger_url import ledger_options


class LookupModule(LookupBase):
    """Reads the ledger; every error leaves redacted and without a cause that could hold more."""

    def run(self, terms: list[Any], variables: Mapping[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        self.set_options(direct=kwargs)
        names = [str(term) for term in terms]
        slot, default = self.get_option("slot"), self.get_option("default")
        known = variables or {}
        redactor = Redactor()
        failure = ""
        try:
            options = ledger_options(kwargs, known, self._template(known))
            redactor.add(options["ledger_passphrase"])
            with open_ledger(options, dry_run=True, redactor=redactor) as ledger:
                for warning in ledger.warnings:
                    self._display.warning(redactor.text(warning))
                found = ledger.passwords(names, slot)
                missing = [name for name in names if found[name] is None]
                orphaned = [name for name, device in ledger.devices(missing).items() if device["orphaned"]] if missing else []
        except LedgerError as error:
            failure = redactor.text(error.message)
        except AnsibleError as error:  # A variable that names the ledger could not be resolved.
            failure = redactor.text(str(error).strip().splitlines()[0])
        if failure:
            raise AnsibleLookupError(f"keyturn.devices.password: {failure}")
        if missing and default is None:
            why = f"; orphaned, so that no password is known to work: {named(orphaned)}" if orphaned and slot == "current" else ""
            raise AnsibleLookupError(f"keyturn.devices.password: the ledger holds no {slot} password of {named(missing)}{why}")
        return [default if found[name] is None else found[name] for name in names]

    def _template(self, variables: Mapping[str, Any]) -> Callable[[Any], Any]:
        """What a variable of the host means, its templates resolved."""

        def resolve(value: Any) -> Any:
            return self._templar.copy_with_new_env(available_variables=variables).template(value)

        return resolve
