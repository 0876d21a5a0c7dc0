#!/usr/bin/python
# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rotation_plan
short_description: Decide which devices are due for a new password, and why
version_added: 0.1.0
description:
  - The first step of a rotation. Reads what the inventory says of each device, what the ledger knows of it and, where a device is
    reached through Teltonika RMS, what RMS knows of it, and decides who gets a new password, from which source and in which batch.
  - Everything that can be wrong with the input (inventory variables, policies, CSV files, passwords that a source gives) is found
    here, all of it at once, before any device is touched.
  - It runs on the controller, once for all hosts of the play, and changes nothing. It is the step on which the role
    C(keyturn.devices.router_rotation) builds; on its own it answers who would be rotated tonight.
  - "The result holds the passwords that sources of kind V(csv) and V(value) give: use C(no_log: true) on the task."
author:
  - Keyturn developers (@keyturn)
extends_documentation_fragment:
  - keyturn.devices.ledger
  - keyturn.devices.rms
  - keyturn.devices.http_client
  - keyturn.devices.attributes
  - keyturn.devices.attributes.action_group_ledger
attributes:
  check_mode:
    support: full
    details: Changes nothing in any mode.
  diff_mode:
    support: none
    details: Nothing is changed, so there is nothing to compare.
  idempotent:
    support: full
options:
  hosts:
    description:
      - Inventory names of the devices to look at.
      - By default all hosts of the play that have not failed.
    type: list
    elements: str
  force:
    description: Also take devices that are not due.
    type: bool
    default: false
  via:
    description: How a device is reached whose inventory does not set C(device_via).
    type: str
    choices: [rms, device, rms_then_verify]
    default: rms
  source:
    description: Where the password of a device comes from whose inventory does not set C(device_password_source).
    type: dict
    default: {kind: generate}
  policy:
    description: The policy of a device whose inventory does not set C(device_password_policy).
    type: dict
    default: {length: 20, special: true, max_age_days: 90}
  batch_size:
    description: How many devices are staged, changed and committed together.
    type: int
    default: 2500
  first_batch_size:
    description: How many devices are in the first batch, so that what is wrong with all of them shows on a few.
    type: int
    default: 50
  generated_folder:
    description: Where the one-time lists of RMS are written for devices whose source is of kind V(rms).
    type: path
    default: .
  run_id:
    description: Identifies the run in the ledger. Made anew when not given.
    type: str
  again:
    description: >-
      Plan for the second time in a run. Of the unsettled devices only those are returned whose password came to light in this run.
    type: bool
    default: false
  open_only:
    description: Of the due devices only those that an earlier run left open and that can be settled by a new password alone.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Who would be rotated tonight, and why?
  hosts: routers
  gather_facts: false
  tasks:
    - name: Plan
      keyturn.devices.rotation_plan:
      register: plan
      no_log: true

    - name: Show
      ansible.builtin.debug:
        msg: "{{ plan.due }}"
      run_once: true
"""

RETURN = r"""
run_id:
  description: Identifies the run in the ledger.
  type: str
  returned: success
  sample: 0d9f4c6be2a44f10b8a6a2b1c3d4e5f6
run_holder:
  description: Which process holds the leases of this run.
  type: str
  returned: success
due:
  description: The devices that are to get a new password.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: Inventory name.
      type: str
    reasons:
      description: >-
        Why it is due, one or more of V(forced), V(no_password), V(never_verified), V(too_old), V(breaks_policy), V(source_differs),
        V(serial_changed), V(unsettled_refused), V(unsettled_without_password).
      type: list
      elements: str
    details:
      description: The same in words.
      type: list
      elements: str
    source:
      description: Kind of the source.
      type: str
unsettled:
  description: Inventory names of devices whose last rotation ended without a proven outcome. They are reconciled before anything else.
  type: list
  elements: str
  returned: success
orphaned:
  description: Inventory names of devices of which no password is known to work. A person has to look at them.
  type: list
  elements: str
  returned: success
offline:
  description: Inventory names of devices that need something and that RMS lists as offline. They are not asked.
  type: list
  elements: str
  returned: success
without_password:
  description: Inventory names of devices that are asked themselves and whose present password the ledger does not know.
  type: list
  elements: str
  returned: success
fenced_seconds:
  description: >-
    How long, in seconds, a request of a run that was killed may still reach one of the due devices. Until then the ledger stages
    no new password for it.
  type: int
  returned: success
missing:
  description: Inventory names of devices that RMS does not know.
  type: list
  elements: str
  returned: success
not_due:
  description: How many devices need nothing.
  type: int
  returned: success
batches:
  description: The due devices, cut into batches. Holds secrets.
  type: list
  elements: dict
  returned: success
unsettled_batches:
  description: The unsettled devices, cut into batches.
  type: list
  elements: dict
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
"""
