# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: password
short_description: The password of a device, from the ledger
version_added: 0.1.0
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
      - Which password. V(current) is the one in force, V(staged) that of a rotation which is not settled, V(previous) the last before the
        current one.
    type: str
    choices: [current, staged, previous]
    default: current
  default:
    description:
      - What to return for a device that has no such password. Without it that is an error.
    type: raw
  ledger_url:
    description:
      - Where the ledger is, as V(sqlite:///path) or V(postgresql+psycopg://user:password@host/database).
      - A relative path starts from the folder of the first inventory of the run.
    type: str
    default: sqlite:///keyturn-ledger.db
    env:
      - name: KEYTURN_LEDGER_URL
    vars:
      - name: ledger_url
  ledger_passphrase:
    description:
      - The passphrase of the ledger. The environment variable E(KEYTURN_LEDGER_PASSPHRASE) counts when neither this option nor
        O(ledger_passphrase_file) is given.
    type: str
    vars:
      - name: ledger_passphrase
  ledger_passphrase_file:
    description: A file whose first line is the passphrase.
    type: path
    vars:
      - name: ledger_passphrase_file
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

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.options import open_ledger
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.plugin_utils._ledger_url import ledger_url_beside_inventory


class LookupModule(LookupBase):
    """Reads the ledger; every error leaves redacted and without a cause that could hold more."""

    def run(self, terms: list[Any], variables: Mapping[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        self.set_options(var_options=variables, direct=kwargs)
        names = [str(term) for term in terms]
        slot, default = self.get_option("slot"), self.get_option("default")
        options = {name: self.get_option(name) for name in ("ledger_passphrase", "ledger_passphrase_file")}
        options["ledger_url"] = ledger_url_beside_inventory(self.get_option("ledger_url"))
        redactor = Redactor()
        failure = ""
        try:
            with open_ledger(options, absent="fail" if default is None else "empty", dry_run=True, redactor=redactor) as ledger:
                found = ledger.passwords(names, slot)
        except LedgerError as error:
            failure = redactor.text(error.message)
        if failure:
            raise AnsibleLookupError(f"keyturn.devices.password: {failure}")
        missing = [name for name in names if found[name] is None]
        if missing and default is None:
            named = ", ".join(missing[:10]) + (f" and {len(missing) - 10} more" if len(missing) > 10 else "")
            raise AnsibleLookupError(f"keyturn.devices.password: the ledger holds no {slot} password of {named}")
        return [default if found[name] is None else found[name] for name in names]
