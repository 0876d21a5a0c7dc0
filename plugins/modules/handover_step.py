#!/usr/bin/python
# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: handover_step
short_description: Know which other stores have the current password of a device
version_added: 1.0.0
description:
  - The part of the role C(keyturn.devices.password_handover) that the ledger has to know of, namely who owes which store a password, and
    what became of handing it over. No password goes through this module; the tasks of a store read it from the ledger with the lookup
    P(keyturn.devices.password#lookup).
  - A store is owed the current password of a device until it was handed over, whatever failed in between and however many runs ago. Only
    passwords that are proven are owed.
  - It runs on the controller, in Ansible's own process, whatever the connection to the host is.
author:
  - Keyturn developers (@keyturn)
extends_documentation_fragment:
  - keyturn.devices.ledger
  - keyturn.devices.attributes
  - keyturn.devices.attributes.action_group_ledger
attributes:
  check_mode:
    support: full
    details: Records nothing. O(state=reported) says what would be handed over.
  diff_mode:
    support: none
    details: It records what other tasks have done.
  idempotent:
    support: partial
    details: With O(state=owed) and O(state=reported), which change nothing. The others record what happened.
options:
  state:
    description:
      - V(owed) tells which of O(stores) have not got the current password of the device.
      - V(ready) fails where O(store) is a shipped one that needs a collection which is not installed.
      - V(done) records that O(store) has got the password O(password_id).
      - V(failed) records that it has not.
      - V(reported) fails while one of O(stores) is owed the password.
    type: str
    choices: [owed, ready, done, failed, reported]
    required: true
  stores:
    description: The stores that every password is handed over to, for O(state=owed) and O(state=reported).
    type: list
    elements: str
    default: []
  names:
    description: For O(state=owed), the devices to tell about in RV(names). By default the host of the task.
    type: list
    elements: str
  store:
    description: The store that this is about.
    type: str
  password_id:
    description: The password that was handed over, as RV(owed) told it. Where another one is current by now, it is still owed.
    type: str
  task:
    description: For O(state=failed), the name of the task that failed.
    type: str
    default: ""
  run_id:
    description: Identifies the run in the events of the ledger, as RV(run_id) told it.
    type: str
seealso:
  - plugin: keyturn.devices.password
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Who owes a store a password?
  keyturn.devices.handover_step:
    state: owed
    stores: [passwordstore]
    names: "{{ groups['routers'] }}"
  register: owing
  run_once: true
"""

RETURN = r"""
owed:
  description: The stores that are owed the password of this host, each with C(store) and C(password_id).
  type: list
  elements: dict
  returned: O(state=owed)
names:
  description: The devices whose password is owed to a store.
  type: list
  elements: str
  returned: O(state=owed)
run_id:
  description: Identifies the run.
  type: str
  returned: O(state=owed)
status:
  description: >-
    V(handed_over), V(changed_meanwhile) (another password is current by now, and owed), V(no_current), V(still_owed) or V(not_in_ledger).
  type: str
  returned: O(state=done) and O(state=failed)
store:
  description: The store that this is about.
  type: str
  returned: O(state=done) and O(state=failed)
reason:
  description: A word for what failed, such as V(absent).
  type: str
  returned: failure
"""
