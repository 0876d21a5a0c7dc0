#!/usr/bin/python
# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: router_info
short_description: Tell which Teltonika routers RMS knows
version_added: 0.1.0
description:
  - Returns the routers of an RMS account, or some of them, with what matters for their passwords.
  - A fleet of ten thousand routers takes about ten requests; one or two routers take one each.
author:
  - Keyturn developers (@keyturn)
extends_documentation_fragment:
  - keyturn.devices.rms
  - keyturn.devices.http
  - keyturn.devices.attributes
  - keyturn.devices.attributes.info_module
  - keyturn.devices.attributes.action_group_rms
options:
  serials:
    description:
      - Only the routers with these serial numbers, compared exactly. Write them in quotes, so that leading zeros are kept.
      - A serial number that RMS does not know is in RV(missing); one that it has more than once gives several routers.
    type: list
    elements: str
  limit:
    description:
      - How many routers RMS is asked for in one request. It may give fewer at once; the listing goes on until it has all.
    type: int
    default: 1000
seealso:
  - module: keyturn.devices.router_password
  - plugin: keyturn.devices.rms
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: Which routers are there?
  keyturn.devices.router_info:
    rms_token: "{{ vault_rms_token }}"
  delegate_to: localhost
  register: fleet

- name: Show those that are offline
  ansible.builtin.debug:
    msg: "{{ fleet.routers | rejectattr('online') | map(attribute='name') }}"

- name: Is this one there?
  keyturn.devices.router_info:
    serials: ["0012345678"]
  delegate_to: localhost
"""

RETURN = r"""
routers:
  description: The routers, in the order in which RMS lists them, or in that of O(serials).
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The id in RMS.
      type: int
      returned: always
      sample: 70810
    serial:
      description: The serial number.
      type: str
      returned: always
      sample: "1100000007"
    name:
      description: The name in RMS.
      type: str
      returned: always
      sample: depot-07
    model:
      description: The model.
      type: str
      returned: always
      sample: RUTX11
    firmware:
      description: The firmware, as RMS writes it.
      type: str
      returned: always
      sample: RUTX_R_00.07.13.2
    status:
      description: V(online), V(offline), V(pending), or V(unknown) where RMS does not tell.
      type: str
      returned: always
      sample: online
    online:
      description: Whether the status is V(online).
      type: bool
      returned: always
      sample: true
    mac:
      description: The MAC address.
      type: str
      returned: always
      sample: 00:1E:42:00:00:07
    tags:
      description: Names of the tags.
      type: list
      elements: str
      returned: always
      sample: [north]
    company:
      description: Name of the company that the router belongs to.
      type: str
      returned: always
      sample: Company
    policy:
      description:
        - The rule that a password must meet to be set through RMS, as far as it can be told from the firmware. The router's owner can
          change its own rule on firmware 07.11 and later, which RMS does not tell.
      type: dict
      returned: always
      contains:
        min_length:
          description: The least number of characters.
          type: int
          returned: always
        max_length:
          description: The greatest number of characters.
          type: int
          returned: always
        upper:
          description: Whether an upper-case letter is demanded.
          type: bool
          returned: always
        lower:
          description: Whether a lower-case letter is demanded.
          type: bool
          returned: always
        digits:
          description: Whether a digit is demanded.
          type: bool
          returned: always
        special:
          description: Whether a special character is demanded.
          type: bool
          returned: always
        evidence:
          description: How the rule is known, V(documented) by the vendor, V(observed) or V(assumed).
          type: str
          returned: always
      sample: {min_length: 8, max_length: 32, upper: true, lower: true, digits: true, special: true, evidence: documented}
missing:
  description: The serial numbers of O(serials) that RMS does not know.
  returned: success
  type: list
  elements: str
  sample: []
requests:
  description: How many HTTP requests were sent.
  returned: success
  type: int
  sample: 10
reason:
  description: Why RMS could not be read.
  returned: failure
  type: str
  sample: unauthorized
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.keyturn.devices.plugins.module_utils._http import http_argument_spec
from ansible_collections.keyturn.devices.plugins.module_utils._redact import ModuleFailure, QuietModule, Redactor, run_module
from ansible_collections.keyturn.devices.plugins.module_utils._rms.client import RmsFault
from ansible_collections.keyturn.devices.plugins.module_utils._rms.devices import find_routers, list_routers
from ansible_collections.keyturn.devices.plugins.module_utils._rms.info import Descriptions
from ansible_collections.keyturn.devices.plugins.module_utils._rms.options import rms_argument_spec, rms_client


def work(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    serials, limit = module.params["serials"], module.params["limit"]
    if limit < 1:
        raise ModuleFailure("limit must be 1 or more.", reason="bad_input")
    try:
        client = rms_client(module.params, redactor)
        if serials is None:
            routers, missing = list_routers(client, page=limit), []
        else:
            found = find_routers(client, serials, page=limit)
            routers = [router for bearers in found.values() for router in bearers]
            missing = [serial for serial, bearers in found.items() if not bearers]
    except RmsFault as fault:
        raise ModuleFailure(fault.message, reason=fault.reason) from None
    describe = Descriptions()
    return {"routers": [describe(router) for router in routers], "missing": missing, "requests": client.request_count}


def main() -> None:
    module = QuietModule(
        argument_spec={
            "serials": {"type": "list", "elements": "str"},
            "limit": {"type": "int", "default": 1000},
            **rms_argument_spec(),
            **http_argument_spec(),
        },
        supports_check_mode=True,
    )
    run_module(module, work)


if __name__ == "__main__":
    main()
