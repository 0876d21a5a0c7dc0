#!/usr/bin/python
# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: router_login
short_description: Prove which password is in force on Teltonika routers
version_added: 1.0.0
description:
  - Logs in to many Teltonika routers at once, through their HTTP API or by SSH, to find out which of one or two passwords is in force.
    Nothing is changed, and every session is ended.
  - The candidates are tried in the given order, up to the first one that works. Put the password first that should work, so that no wrong
    login is made on a router that is as it should be.
  - A login proves a password only on the right router, so the serial number is compared afterwards.
  - The role C(keyturn.devices.router_rotation) uses this module to verify passwords and to settle those that an interrupted run left open.
author:
  - Keyturn developers (@keyturn)
extends_documentation_fragment:
  - keyturn.devices.routers
  - keyturn.devices.http_client
  - keyturn.devices.attributes
  - keyturn.devices.attributes.info_module
  - keyturn.devices.attributes.action_group_routers
options:
  devices:
    description: The routers.
    type: list
    elements: dict
    required: true
    suboptions:
      serial:
        description:
          - Serial number, compared exactly. Write it in quotes, so that leading zeros are kept.
        type: str
        required: true
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
      protocol:
        description:
          - V(api) is the router's HTTP API, available since RutOS 07.03. V(ssh) is for routers without it.
        type: str
        choices: [api, ssh]
        default: api
      fingerprint:
        description:
          - SHA-256 fingerprint of the router's certificate, in hexadecimal digits, with or without colons. It is the way to trust a
            self-signed certificate; O(validate_certs) and O(ca_path) do not count then.
          - With O(devices[].protocol=ssh) it is that of the host key, also as OpenSSH writes it (C(SHA256:...)).
        type: str
      candidates:
        description: One or two passwords to try, in this order.
        type: list
        elements: dict
        required: true
        suboptions:
          name:
            description: A name for the password, which is returned in RV(devices[].live). Any name but V(neither).
            type: str
            required: true
          password:
            description: The password.
            type: str
            required: true
  deadline:
    description:
      - Seconds until all routers must have answered. No further router is asked after that.
    type: int
    default: 300
  on_device_failure:
    description:
      - Whether the task fails when any router ends in another status than V(proven) (V(fail)), or only reports it (V(report)). Bad input
        fails the task either way.
    type: str
    choices: [fail, report]
    default: fail
seealso:
  - module: keyturn.devices.router_password
"""

EXAMPLES = r"""
- name: Is the password in the ledger the one in force?
  keyturn.devices.router_login:
    devices:
      - serial: "1100000007"
        host: depot-07.example.com
        candidates:
          - name: current
            password: "{{ lookup('keyturn.devices.password', 'depot-07') }}"
    ca_path: /etc/ssl/routers.pem
  delegate_to: localhost

- name: Which of two passwords does a router have after an interrupted change?
  keyturn.devices.router_login:
    devices:
      - serial: "0012345678"
        host: 192.0.2.8
        fingerprint: "{{ depot_08_fingerprint }}"
        candidates:
          - name: staged
            password: "{{ lookup('keyturn.devices.password', 'depot-08', slot='staged') }}"
          - name: current
            password: "{{ lookup('keyturn.devices.password', 'depot-08') }}"
    on_device_failure: report
  delegate_to: localhost
  register: login

- name: Show it
  ansible.builtin.debug:
    msg: "{{ login.devices[0].live }}"
"""

RETURN = r"""
devices:
  description: What became of each router, in the order of the input. Also returned when the task fails.
  returned: always
  type: list
  elements: dict
  contains:
    serial:
      description: The serial number as it was given.
      type: str
      returned: always
      sample: "1100000007"
    host:
      description: The host as it was given.
      type: str
      returned: always
      sample: depot-07.example.com
    status:
      description:
        - V(proven), one of the passwords works on this router. V(refused), the router clearly refused all of them. V(failed), it could not
          be asked. V(unknown), it was asked and the answer was lost.
      type: str
      returned: always
      sample: proven
    live:
      description: Name of the candidate in force, V(neither) when all were refused, C(null) when no login proved anything.
      type: str
      returned: always
      sample: current
    reason:
      description:
        - Why the status is not V(proven); empty otherwise.
        - "One of: V(unauthorized), V(locked_out), V(wrong_device), V(not_identified) (the router gives no serial number), V(offline),
          V(timeout), V(interrupted), V(certificate), V(no_api), V(protocol), V(not_sent), V(error)."
      type: str
      returned: always
      sample: ""
    message:
      description: An explanation of the reason.
      type: str
      returned: always
      sample: The router refused both passwords.
    retryable:
      description: Whether the same task may succeed later.
      type: bool
      returned: always
      sample: false
    wrong_logins:
      description: How many logins the router refused.
      type: int
      returned: always
      sample: 0
summary:
  description: How many routers ended in each status.
  returned: always
  type: dict
  sample: {proven: 499, refused: 0, failed: 1, unknown: 0}
requests:
  description: How many HTTP requests were sent.
  returned: always
  type: int
  sample: 1500
reason:
  description: V(bad_input) when the task cannot be carried out as it is written.
  returned: when nothing was asked
  type: str
  sample: bad_input
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._http import http_spec
from ansible_collections.keyturn.devices.plugins.module_utils._module import Context, run_module
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.job import prove_on_routers
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.options import router_arguments, routers_spec
from ansible_collections.keyturn.devices.plugins.module_utils._spec import Spec

CANDIDATE: dict[str, Any] = {"name": {"type": "str", "required": True}, "password": {"type": "str", "required": True, "no_log": True}}
DEVICE: dict[str, Any] = {
    "serial": {"type": "str", "required": True},
    "host": {"type": "str", "required": True},
    "candidates": {"type": "list", "elements": "dict", "required": True, "options": CANDIDATE},
    **router_arguments(),
}

SPEC = (
    Spec(
        {
            "devices": {"type": "list", "elements": "dict", "required": True, "options": DEVICE},
            "deadline": {"type": "int", "default": 300},
            "on_device_failure": {"type": "str", "choices": ["fail", "report"], "default": "fail"},
        }
    )
    + routers_spec()
    + http_spec()
)


def work(options: Mapping[str, Any], context: Context) -> dict[str, Any]:
    return prove_on_routers(options)


def main() -> None:
    run_module(SPEC, work)


if __name__ == "__main__":
    main()
