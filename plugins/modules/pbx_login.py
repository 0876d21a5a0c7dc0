#!/usr/bin/python
# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pbx_login
short_description: Prove which password a Yeastar PBX has
version_added: 1.0.0
description:
  - Logs in to the web page of a Yeastar S-Series, K2 or legacy Cloud PBX, to find out which of one or two passwords is in force. Nothing is
    changed, and the session is ended.
  - The candidates are tried in their order, and no further one after the first that works. Put the password first that should work.
  - Give two only where one of them must be right, such as after a change that was left in doubt. Then a run costs one wrong login at most;
    some firmware locks out after three. A second candidate is tried only after the first was clearly refused.
author:
  - Keyturn developers (@keyturn)
extends_documentation_fragment:
  - keyturn.devices.pbxs
  - keyturn.devices.attributes
  - keyturn.devices.attributes.info_module
  - keyturn.devices.attributes.action_group_pbxs
options:
  candidates:
    description: One or two passwords to try, in this order.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: A name for the password, which is returned in RV(live). Any but V(neither).
        type: str
        required: true
      password:
        description: The password.
        type: str
        required: true
seealso:
  - module: keyturn.devices.pbx_password
"""

EXAMPLES = r"""
- name: Is the password in the ledger the one in force?
  keyturn.devices.pbx_login:
    url: https://192.0.2.5:8088
    fingerprint: "{{ office_pbx_fingerprint }}"
    candidates:
      - name: current
        password: "{{ lookup('keyturn.devices.password', 'office-pbx') }}"
  delegate_to: localhost

- name: Which of two passwords does a PBX behind a jump host have after an interrupted change?
  keyturn.devices.pbx_login:
    url: https://192.168.5.150:8088
    proxy: socks5://127.0.0.1:1080
    fingerprint: "{{ office_pbx_fingerprint }}"
    candidates:
      - name: staged
        password: "{{ lookup('keyturn.devices.password', 'office-pbx', slot='staged') }}"
      - name: current
        password: "{{ lookup('keyturn.devices.password', 'office-pbx') }}"
    on_device_failure: report
  delegate_to: localhost
  register: login
"""

RETURN = r"""
status:
  description:
    - V(proven), one of the passwords works. V(refused), the PBX clearly refused all of them. V(failed), it could not be asked.
      V(unknown), it was asked and the answer was lost.
  returned: when the PBX was asked
  type: str
  sample: proven
live:
  description: Name of the candidate in force, V(neither) when all were refused, C(null) when nothing was proven.
  returned: when the PBX was asked
  type: str
  sample: current
reason:
  description:
    - Why the status is not V(proven); empty otherwise. With V(proven) it may be V(forced_change_required), when the password is in force,
      but weak, so that the PBX lets nothing else happen before it is changed.
    - "One of: V(unauthorized), V(locked_out), V(forced_change_required), V(unreachable), V(certificate), V(timeout),
      V(interrupted), V(protocol), V(profile_unknown), V(browser_missing), V(rejected), V(policy), V(bad_input)."
  returned: always
  type: str
  sample: ""
message:
  description: The same for people.
  returned: always
  type: str
  sample: The password is in force.
retryable:
  description: Whether the same task may succeed later.
  returned: when the PBX was asked
  type: bool
  sample: false
steps:
  description: What was done, in order.
  returned: when the PBX was asked
  type: list
  elements: dict
  contains:
    name:
      description: Always V(proven).
      type: str
      returned: always
      sample: proven
    status:
      description: V(done) or V(failed).
      type: str
      returned: always
      sample: done
    at:
      description: When, in UTC.
      type: str
      returned: always
      sample: "2026-01-31T10:15:00Z"
wrong_logins:
  description: How many logins the PBX refused.
  returned: when the PBX was asked
  type: int
  sample: 0
logged_out:
  description:
    - Whether the session was ended on the page; C(null) when there was none. Where the way out is not found, the session ends when the
      PBX's own time of idleness is over.
  returned: when the PBX was asked
  type: bool
  sample: true
profile:
  description: The profile that was used.
  returned: when the PBX was asked
  type: str
  sample: s-series
screenshot:
  description: The picture of the page on which the module stopped, on the host where it ran.
  returned: when O(screenshots) is set and one was made
  type: str
  sample: /var/tmp/pictures/192.0.2.5-20260131T101500Z-4711.png
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._module import Context, run_module
from ansible_collections.keyturn.devices.plugins.module_utils._spec import Spec
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.passwords import prove
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.visit import pbx_spec

CANDIDATE: dict[str, Any] = {"name": {"type": "str", "required": True}, "password": {"type": "str", "required": True, "no_log": True}}

SPEC = pbx_spec() + Spec({"candidates": {"type": "list", "elements": "dict", "required": True, "options": CANDIDATE}})


def work(options: Mapping[str, Any], context: Context) -> dict[str, Any]:
    return prove(options, context)


def main() -> None:
    run_module(SPEC, work)


if __name__ == "__main__":
    main()
