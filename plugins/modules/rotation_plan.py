#!/usr/bin/python
# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rotation_plan
short_description: Decide which devices are due for a new password, and why
version_added: 1.0.0
description:
  - The first step of a rotation. Reads the variables of each device with Ansible's full precedence, what the ledger knows of it and, where
    it is reached through Teltonika RMS, what RMS knows of it, and decides who gets a new password, from which source and in which batch.
  - What can be wrong with the input (variables, policies, CSV files, passwords that a source gives, addresses, fingerprints) is found here,
    all of it at once, before any device is touched.
  - It works on the controller, once for all hosts that have joined (M(keyturn.devices.rotation_host)), and changes nothing on any device.
    In the ledger it notes which devices are offline, and follows a serial number whose inventory name has changed.
  - The roles C(keyturn.devices.router_rotation) and C(keyturn.devices.pbx_rotation) are built on it. The settings of the role are read as
    variables of each host.
  - No part of the result is a secret; a batch holds its passwords sealed with the key of the ledger.
author:
  - Keyturn developers (@keyturn)
extends_documentation_fragment:
  - keyturn.devices.ledger
  - keyturn.devices.attributes
  - keyturn.devices.attributes.action_group_ledger
attributes:
  check_mode:
    support: full
    details: Notes nothing in the ledger, and fails where the ledger could not be written.
  diff_mode:
    support: none
    details: It decides; what will be changed is in the plan.
  idempotent:
    support: full
options:
  product:
    description: The kind of device.
    type: str
    choices: [routers, pbxs]
    default: routers
  whole_play:
    description: Plan for all hosts of the play (of the current batch of C(serial)), whether they have joined or not.
    type: bool
    default: false
  job:
    description:
      - V(rotate) settles what earlier runs left open, and sets new passwords where they are due.
      - V(reconcile) only settles what earlier runs left open. No source is read, and only what cannot be settled in any other way gets a
        new password.
      - V(verify) changes no device. Each one that can be logged in to is logged in to once, with the password of the ledger.
    type: str
    choices: [rotate, reconcile, verify]
    default: rotate
  summary_file:
    description: Where a plan that fails says so, as JSON, for whoever reads the summary of a run.
    type: path
seealso:
  - module: keyturn.devices.rotation_batch
  - module: keyturn.devices.rotation_summary
"""

EXAMPLES = r"""
- name: See who would be rotated tonight
  keyturn.devices.rotation_plan:
    whole_play: true
  run_once: true
  check_mode: true
  register: plan

- name: Show who is due and why
  ansible.builtin.debug:
    msg: "{{ plan.announcement }}"
  run_once: true
"""

RETURN = r"""
run_id:
  description: The id of this run; events of the ledger carry it.
  type: str
  returned: success
product:
  description: The kind of device.
  type: str
  returned: success
job:
  description: What the run is for.
  type: str
  returned: success
ledger:
  description: Which ledger is used, without any secret.
  type: str
  returned: success
  sample: the ledger file /srv/keyturn/keyturn-ledger.db
devices:
  description: How many devices were looked at.
  type: int
  returned: success
due:
  description: Who is due, in order. Devices that failed before are at the end.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: Inventory name.
      type: str
    reasons:
      description: >-
        Why, one or more of V(forced), V(no_password), V(never_verified), V(too_old), V(breaks_policy), V(source_differs),
        V(unsettled_refused), V(unsettled_without_password).
      type: list
      elements: str
    details:
      description: The same for people.
      type: list
      elements: str
    source:
      description: Kind of the source.
      type: str
unsettled:
  description: Names of devices whose last rotation ended without a proven outcome. They are settled before anything else.
  type: list
  elements: str
  returned: success
verifiable:
  description: Names of the devices that are logged in to, where O(job=verify).
  type: list
  elements: str
  returned: success
refused:
  description: Devices that no batch holds although something is due, or wrong.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: Inventory name.
      type: str
    result:
      description: >-
        One of V(bad_input), V(refused) (RMS does not know it or lists it twice), V(orphaned), V(offline), V(without_password); for
        O(job=verify) V(not_provable), V(left_to_reconcile), V(busy) or V(unknown_password) too.
      type: str
    reason:
      description: Why, as the modules name it.
      type: str
    message:
      description: The same for people.
      type: str
not_due:
  description: How many devices need nothing.
  type: int
  returned: success
batches:
  description: >-
    The batches in their order, each with C(number), C(kind), C(site), C(names), and sealed for M(keyturn.devices.rotation_batch).
  type: list
  elements: dict
  returned: success
announcement:
  description: Who is due and why, a line each.
  type: list
  elements: str
  returned: success
requests:
  description: HTTP requests sent to RMS.
  type: int
  returned: success
problems:
  description: What is wrong with the input, each naming where it stands and why.
  type: list
  elements: str
  returned: failure
reason:
  description: A word for what failed, such as V(bad_input), V(absent), V(unauthorized).
  type: str
  returned: failure
"""
