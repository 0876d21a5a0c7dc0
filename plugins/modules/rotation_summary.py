#!/usr/bin/python
# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rotation_summary
short_description: Sum a rotation up
version_added: 1.0.0
description:
  - Says what happened to each device and what to do, from the plan and the batches that the tasks before it have registered as
    C(_rotation_plan) and C(_rotation_batches).
  - It works on the controller and asks nobody anything.
author:
  - Keyturn developers (@keyturn)
extends_documentation_fragment:
  - keyturn.devices.ledger
  - keyturn.devices.attributes
  - keyturn.devices.attributes.action_group_ledger
attributes:
  check_mode:
    support: full
    details: Says what would happen. The summary file is written in check mode too.
  diff_mode:
    support: none
    details: Nothing is changed, so there is nothing to compare.
  idempotent:
    support: full
options:
  summary_file:
    description: A file that the summary is written to as JSON, readable for its owner alone.
    type: path
seealso:
  - module: keyturn.devices.rotation_plan
  - module: keyturn.devices.rotation_host
"""

EXAMPLES = r"""
- name: Sum the run up
  keyturn.devices.rotation_summary:
    summary_file: /var/log/keyturn/last-run.json
  run_once: true
  register: _rotation_summary
"""

RETURN = r"""
summary:
  description: What happened.
  type: dict
  returned: success
  contains:
    run_id:
      description: The id of the run.
      type: str
    ledger:
      description: Which ledger was used.
      type: str
    counts:
      description: How many devices ended in each status.
      type: dict
    not_due:
      description: How many devices needed nothing.
      type: int
    not_reached:
      description: How many devices were due and not reached.
      type: int
    devices:
      description: >-
        The devices with C(name), C(status), C(reason), C(message), C(state) and C(what_to_do). In a large fleet only those with a problem.
      type: list
      elements: dict
    lines:
      description: The same, a line each.
      type: list
      elements: str
    verdict:
      description: All in one line.
      type: str
    good:
      description: Whether no device needs attention.
      type: bool
    stop:
      description: Why the run ended early; empty when it did not.
      type: str
    requests:
      description: HTTP requests sent in the run.
      type: int
outcomes:
  description: What M(keyturn.devices.rotation_host) reports of each device, by name.
  type: dict
  returned: success
fleet:
  description: Whether there are more devices than the recap names one by one.
  type: bool
  returned: success
"""
