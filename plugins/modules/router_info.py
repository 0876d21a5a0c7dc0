#!/usr/bin/python
# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: router_info
short_description: List Teltonika routers
version_added: 1.0.0
description:
  - Returns the routers of an account of RMS, Teltonika's Remote Management System, or some of them, with what matters for their passwords.
    A fleet of ten thousand routers takes about ten requests; one or two routers take one each.
  - With O(via=device), connects to the routers directly and logs in to them.
author:
  - Keyturn developers (@keyturn)
extends_documentation_fragment:
  - keyturn.devices.rms
  - keyturn.devices.routers
  - keyturn.devices.http_client
  - keyturn.devices.attributes
  - keyturn.devices.attributes.info_module
  - keyturn.devices.attributes.action_group_rms
options:
  via:
    description:
      - How to reach the routers.
      - V(rms) is Teltonika's cloud. It needs O(rms_token).
      - V(device) connects to the routers directly. It needs O(devices).
    type: str
    choices: [rms, device]
    default: rms
  devices:
    description: For O(via=device), the routers to ask.
    type: list
    elements: dict
    suboptions:
      serial:
        description:
          - Serial number. A router with another one is reported as V(wrong_device). Without this option, any router is described.
        type: str
      host:
        description:
          - Name or address of the router, with a port where it is not the usual one, or its URL. HTTPS unless the URL says C(http://).
            With O(devices[].protocol=ssh), it may begin with C(ssh://).
          - Plain HTTP that redirects to HTTPS on the same host is followed before anything secret is sent.
        type: str
        required: true
      username:
        description: The web user. By SSH it is always C(root) who logs in.
        type: str
        default: admin
      password:
        description: Its password.
        type: str
        required: true
      protocol:
        description:
          - V(api) is the router's HTTP API, available since RutOS 07.03. V(ssh) is for routers without it, and finds out less.
        type: str
        choices: [api, ssh]
        default: api
      fingerprint:
        description:
          - SHA-256 fingerprint of the router's certificate, in hexadecimal digits, with or without colons. It is the way to trust a
            self-signed certificate; O(validate_certs) and O(ca_path) do not count then.
          - With O(devices[].protocol=ssh) it is that of the host key, also as OpenSSH writes it (C(SHA256:...)).
        type: str
  deadline:
    description:
      - For O(via=device), seconds until all routers must have answered. No further router is asked after that.
    type: int
    default: 300
  on_device_failure:
    description:
      - For O(via=device), whether the task fails when any router cannot be asked (V(fail)), or only reports it in RV(devices) (V(report)).
    type: str
    choices: [fail, report]
    default: fail
  serials:
    description:
      - For O(via=rms), only the routers with these serial numbers, compared exactly. Write them in quotes, so that leading zeros are kept.
      - A serial number that RMS does not know is in RV(missing); one that it has more than once gives several routers.
    type: list
    elements: str
  limit:
    description:
      - For O(via=rms), how many routers RMS is asked for in one request. It may give fewer at once; the listing goes on until it has all.
    type: int
    default: 1000
seealso:
  - module: keyturn.devices.router_login
  - module: keyturn.devices.router_password
  - plugin: keyturn.devices.rms
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: List all routers of the account
  keyturn.devices.router_info:
    rms_token: "{{ vault_rms_token }}"
  delegate_to: localhost
  register: fleet

- name: Show those that are offline
  ansible.builtin.debug:
    msg: "{{ fleet.routers | rejectattr('online') | map(attribute='name') }}"

- name: Read the password rule of one router from the router itself
  keyturn.devices.router_info:
    via: device
    devices:
      - host: depot-07.example.com
        password: "{{ lookup('keyturn.devices.password', 'depot-07') }}"
    ca_path: /etc/ssl/routers.pem
  delegate_to: localhost

- name: Is this one there?
  keyturn.devices.router_info:
    serials: ["0012345678"]
  delegate_to: localhost
"""

RETURN = r"""
routers:
  description: The routers, in the order of RMS's list, or of O(serials) or O(devices). Routers that could not be asked are left out.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The id in RMS; C(null) with O(via=device).
      type: int
      returned: always
      sample: 70810
    serial:
      description: The serial number.
      type: str
      returned: always
      sample: "1100000007"
    host:
      description: The host as it was given.
      type: str
      returned: with O(via=device)
      sample: depot-07.example.com
    name:
      description: The name in RMS, or that of the router itself.
      type: str
      returned: always
      sample: depot-07
    model:
      description: The model.
      type: str
      returned: always
      sample: RUTX11
    firmware:
      description: The firmware, as RMS or the router writes it.
      type: str
      returned: always
      sample: RUTX_R_00.07.13.2
    status:
      description: V(online), V(offline), V(pending), or V(unknown) where RMS does not say.
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
        - The rule that a password must meet to be set through RMS, as far as the firmware implies it. On firmware 07.11 and later the
          router's owner can change the router's own rule, which RMS does not show.
        - With O(via=device) it is the rule of the router itself, which can be read from firmware 07.11 on.
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
        max_age_days:
          description: After how many days a password expires; C(null) for never.
          type: int
          returned: with O(via=device)
        evidence:
          description: How the rule is known. Read from the V(router), V(documented) by the vendor, V(observed) or V(assumed).
          type: str
          returned: always
      sample: {min_length: 8, max_length: 32, upper: true, lower: true, digits: true, special: true, evidence: documented}
missing:
  description: The serial numbers of O(serials) that RMS does not know.
  returned: success
  type: list
  elements: str
  sample: []
devices:
  description: What became of each router of O(devices), in their order. Also returned when the task fails.
  returned: with O(via=device)
  type: list
  elements: dict
  contains:
    serial:
      description: The serial number as it was given.
      type: str
      returned: always
    host:
      description: The host as it was given.
      type: str
      returned: always
      sample: depot-07.example.com
    status:
      description: V(proven), the router answered. V(refused), it refused the password. V(failed) or V(unknown), it could not be asked.
      type: str
      returned: always
      sample: proven
    reason:
      description: Why it did not answer, as in M(keyturn.devices.router_login); empty otherwise.
      type: str
      returned: always
      sample: ""
    message:
      description: An explanation of the reason.
      type: str
      returned: always
      sample: ""
    retryable:
      description: Whether the same task may succeed later.
      type: bool
      returned: always
      sample: false
    live:
      description: Always C(null).
      type: str
      returned: always
    wrong_logins:
      description: How many logins the router refused.
      type: int
      returned: always
      sample: 0
summary:
  description: How many routers of O(devices) ended in each status.
  returned: with O(via=device)
  type: dict
  sample: {proven: 1, refused: 0, failed: 0, unknown: 0}
requests:
  description: How many HTTP requests were sent.
  returned: success
  type: int
  sample: 10
reason:
  description: Why RMS could not be read, or V(bad_input).
  returned: failure
  type: str
  sample: unauthorized
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._http import http_spec
from ansible_collections.keyturn.devices.plugins.module_utils._module import Context, ModuleFailure, run_module
from ansible_collections.keyturn.devices.plugins.module_utils._rms.client import RmsFault
from ansible_collections.keyturn.devices.plugins.module_utils._rms.devices import find_routers, list_routers
from ansible_collections.keyturn.devices.plugins.module_utils._rms.info import Descriptions
from ansible_collections.keyturn.devices.plugins.module_utils._rms.options import rms_client, rms_spec
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.job import look_at_routers
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.options import router_arguments, routers_spec
from ansible_collections.keyturn.devices.plugins.module_utils._spec import Spec

DEVICE: dict[str, Any] = {
    "serial": {"type": "str"},
    "host": {"type": "str", "required": True},
    "password": {"type": "str", "required": True, "no_log": True},
    **router_arguments(),
}

SPEC = (
    Spec(
        {
            "via": {"type": "str", "choices": ["rms", "device"], "default": "rms"},
            "devices": {"type": "list", "elements": "dict", "options": DEVICE},
            "deadline": {"type": "int", "default": 300},
            "on_device_failure": {"type": "str", "choices": ["fail", "report"], "default": "fail"},
            "serials": {"type": "list", "elements": "str"},
            "limit": {"type": "int", "default": 1000},
        },
        {"required_if": [("via", "device", ["devices"])]},
    )
    + rms_spec()
    + routers_spec()
    + http_spec()
)


def ask_rms(options: Mapping[str, Any], context: Context) -> dict[str, Any]:
    serials, limit = options["serials"], options["limit"]
    if limit < 1:
        raise ModuleFailure("limit must be 1 or more.", reason="bad_input")
    try:
        client = rms_client(options, context.redactor)
        if client.warning:
            context.warn(client.warning)
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


def work(options: Mapping[str, Any], context: Context) -> dict[str, Any]:
    return look_at_routers(options) if options["via"] == "device" else ask_rms(options, context)


def main() -> None:
    run_module(SPEC, work)


if __name__ == "__main__":
    main()
