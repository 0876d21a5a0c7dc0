#!/usr/bin/python
# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ledger_history
short_description: Tell what happened to devices by run and date, and who waits
version_added: 1.0.0
description:
  - Who failed last night, who is overdue, whose password was never proven, who is offline since when, and who fails night after night.
    Reads the events of the ledger and changes nothing; no device is asked.
  - It runs on the controller, in Ansible's own process, whatever the connection to the host is. Nothing of it is a secret.
author:
  - Keyturn developers (@keyturn)
extends_documentation_fragment:
  - keyturn.devices.ledger
  - keyturn.devices.attributes
  - keyturn.devices.attributes.info_module
  - keyturn.devices.attributes.action_group_ledger
options:
  run:
    description: The id of a run, or the beginning of one. Only what happened in it is told, whenever that was.
    type: str
    default: ""
  since:
    description:
      - A date or a time in ISO 8601, UTC where it names no zone. Only what happened from then on is told.
      - By default the last 24 hours, unless O(run) is given.
    type: str
    default: ""
  devices:
    description: Names of the devices to tell about. By default all that the ledger knows.
    type: list
    elements: str
  max_age_days:
    description:
      - How old the password of a router or a PBX may grow whose C(device_password_policy) does not say. Only devices that the inventory
        knows can be overdue.
    type: int
    default: 90
  path:
    description: A file that all of it is written to as JSON, readable for its owner alone. Written in check mode too.
    type: path
seealso:
  - module: keyturn.devices.ledger_info
"""

EXAMPLES = r"""
- name: Who failed last night?
  keyturn.devices.ledger_history:
  register: last_night
  run_once: true

- name: Show it
  ansible.builtin.debug:
    msg: "{{ last_night.lines }}"
  run_once: true

- name: Everything of one run, for a program
  keyturn.devices.ledger_history:
    run: 3f1c
    path: run.json
  run_once: true
"""

RETURN = r"""
ledger:
  description: Where the ledger is, without user information.
  type: str
  returned: success
run:
  description: The run that was asked for.
  type: str
  returned: success
since:
  description: From when on events count; null for all.
  type: str
  returned: success
runs:
  description: >-
    The runs that settled anything, each with C(run_id), C(who), C(began), C(ended), and C(counts), how many devices ended V(changed),
    V(failed), V(unknown), V(orphaned), V(verified) (a login proved the password), V(refused) (one was refused),
    V(handed_over) or V(not_handed_over) (whether another store took the password).
  type: list
  elements: dict
  returned: success
ended_badly:
  description: >-
    Devices whose last attempt in that time ended badly, each with C(name), C(outcome), C(reason), C(at) and C(run_id).
  type: list
  elements: dict
  returned: success
overdue:
  description: Devices whose password is older than their policy allows, with C(name), C(days) and C(allowed). The oldest first.
  type: list
  elements: dict
  returned: success
never_proven:
  description: Devices whose current password was never proven, with C(name) and C(since).
  type: list
  elements: dict
  returned: success
without_password:
  description: Devices of which the ledger holds no password, with C(name).
  type: list
  elements: dict
  returned: success
failing:
  description: Devices that failed in every run since their last proven change, with C(name), C(times) and C(reason). The most often first.
  type: list
  elements: dict
  returned: success
offline:
  description: Devices that are offline, with C(name) and C(since). The longest first.
  type: list
  elements: dict
  returned: success
unsettled:
  description: Devices that an earlier run left open, with C(name), C(since), C(attempts) and C(reason).
  type: list
  elements: dict
  returned: success
orphaned:
  description: Devices of which no password is known to work, with C(name), C(since) and C(reason).
  type: list
  elements: dict
  returned: success
lines:
  description: The same for people, a line each.
  type: list
  elements: str
  returned: success
reason:
  description: A word for what failed, such as V(input) or V(absent).
  type: str
  returned: failure
"""
