#!/usr/bin/python
# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: password_compliance
short_description: Find what breaks password policy, from inventory and ledger alone
version_added: 1.0.0
description:
  - Looks at every device of the groups C(routers), C(pbxs) and C(bms_servers), at what the inventory wants of its password and what the
    ledger knows of it, and names what breaks policy, by checks with fixed names.
  - It touches no device, asks no service and resolves no password of a source. Whether a lookup gives one is found by a rotation in check
    mode.
  - It works on the controller, once for the whole inventory, whatever the hosts of the play are. Use C(run_once) where there are several.
  - Variables count with Ansible's full precedence, the defaults of the roles C(router_rotation), C(pbx_rotation) and C(bms_recovery) below
    all others.
  - A password is judged by the policy of its device and by what the product demands; where the inventory does not know a router's firmware
    (C(device_rms_firmware)), by what every firmware demands.
  - Passwords are compared by a hash whose key is made for the run and goes with it. No part of the result or of any file is made of a
    password.
  - 'Checks that find an error, unless O(severities) says otherwise: V(too_old), V(weak), V(shared) (another device has the same password),
    V(orphaned) (none is known to work), V(case_past_deadline) (of an open recovery), V(not_recoverable) (a PBX that was not ready when the
    playbook C(pbx_readiness) looked last), V(no_source), V(tampered) (somebody wrote to the ledger past this collection), V(bad_input).'
  - 'Those that find a warning: V(never_verified), V(unsettled) (a run ended without knowing which password works), V(readiness_too_old) and
    V(readiness_unknown) (nobody has looked whether a PBX could be recovered, lately or ever), V(not_in_ledger), V(not_in_inventory) (only
    where all of the inventory is looked at), V(retired), V(offline) (for longer than the role allows).'
author:
  - Keyturn developers (@keyturn)
extends_documentation_fragment:
  - keyturn.devices.fleet
  - keyturn.devices.ledger
  - keyturn.devices.attributes
  - keyturn.devices.attributes.action_group_ledger
attributes:
  check_mode:
    support: full
    details: Looks as always, and writes no file.
  diff_mode:
    support: none
    details: It changes nothing. What is new since an earlier run is told by O(baseline).
  idempotent:
    support: full
options:
  fail_on:
    description: The least severity for which RV(passed) is false. With V(never) it is always true.
    type: str
    choices: [error, warning, never]
    default: error
  baseline:
    description: >-
      What O(json) wrote in an earlier run, to compare with. On a change of a policy that tells which devices fall out of it.
    type: path
  json:
    description: Where everything is written as JSON. Every file is written beside its place and renamed, readable for everybody.
    type: path
  junit:
    description: Where JUnit XML is written, with a test case for each device. It fails by what makes RV(passed) false.
    type: path
  sarif:
    description: Where SARIF 2.1.0 is written, each finding at the line of the inventory that names its device.
    type: path
  prometheus:
    description: Where metrics are written for the textfile collector of a node exporter.
    type: path
  limit:
    description: How many findings RV(lines) and RV(findings) name one by one. Files have all of them.
    type: int
    default: 200
seealso:
  - module: keyturn.devices.password_report
  - module: keyturn.devices.rotation_plan
  - module: keyturn.devices.ledger_info
"""

EXAMPLES = r"""
- name: Look what breaks policy
  keyturn.devices.password_compliance:
    json: compliance.json
    sarif: compliance.sarif
    severities:
      not_in_ledger: error
      offline: ignore
  run_once: true
  register: compliance

- name: Show it
  ansible.builtin.debug:
    msg: "{{ compliance.lines }}"
  run_once: true

- name: See which devices fall out of a stricter policy
  keyturn.devices.password_compliance:
    baseline: compliance.json
    fail_on: never
  run_once: true
  register: stricter
"""

RETURN = r"""
passed:
  description: Whether nothing was found that O(fail_on) names.
  type: bool
  returned: success
verdict:
  description: All in one line.
  type: str
  returned: success
  sample: "812 devices, 3 errors, 1 warning: failed, because of 2 devices"
lines:
  description: What was found and what to do, a line each, for people.
  type: list
  elements: str
  returned: success
devices:
  description: How many devices were looked at.
  type: int
  returned: success
severities:
  description: How many findings there are of each severity.
  type: dict
  returned: success
checks:
  description: How many findings there are of each check that has any.
  type: dict
  returned: success
findings:
  description: What breaks policy, the gravest first, as many as O(limit) says.
  type: list
  elements: dict
  returned: success
  contains:
    check:
      description: The name of the check.
      type: str
    severity:
      description: V(error), V(warning) or V(note).
      type: str
    device:
      description: Inventory name, or the name in the ledger of a device that the inventory does not know; empty for the inventory itself.
      type: str
    group:
      description: V(routers), V(pbxs) or V(bms_servers).
      type: str
    message:
      description: What was found.
      type: str
    what_to_do:
      description: What mends it.
      type: str
new:
  description: What O(baseline) does not have, each with C(check) and C(device). Null without one.
  type: list
  elements: dict
  returned: success
gone:
  description: What only O(baseline) has, likewise.
  type: list
  elements: dict
  returned: success
files:
  description: The files that were written, or in check mode would be.
  type: list
  elements: str
  returned: success
problems:
  description: What is wrong with options or policies, or which files cannot be written. Then nothing was written.
  type: list
  elements: str
  returned: failure
reason:
  description: >-
    A word for what failed, such as V(bad_input) (also a policy that no password can meet), V(not_found) (no device), V(not_writable),
    V(absent), V(wrong_passphrase), V(schema).
  type: str
  returned: failure
"""
