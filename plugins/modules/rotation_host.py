#!/usr/bin/python
# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rotation_host
short_description: Let a host take part in a rotation, and report its outcome
version_added: 1.0.0
description:
  - A rotation works many devices in one task, which Ansible shows as the task of one host. This module is the part of each host of its own.
  - With O(state=joined) a host says that it takes part. Only hosts that reach that task are touched.
  - With O(state=reported) the outcome of the host becomes the result of its own task. It is ok, changed, failed with the reason and what to
    do, or unreachable, so that the host has its own line in the recap, and C(rescue), C(--limit @retry) and relaunching on failed hosts do
    what they do everywhere.
  - With O(state=matched) it fails when no host of the run matches a pattern.
  - It works on the controller, however the host is connected.
author:
  - Keyturn developers (@keyturn)
extends_documentation_fragment:
  - keyturn.devices.ledger
  - keyturn.devices.attributes
  - keyturn.devices.attributes.action_group_ledger
attributes:
  check_mode:
    support: full
    details: Reports V(changed) for a device that would be changed.
  diff_mode:
    support: none
    details: Nothing is changed, so there is nothing to compare.
  idempotent:
    support: full
options:
  state:
    description: What the host does.
    type: str
    choices: [matched, joined, reported]
    required: true
  pattern:
    description: The pattern of hosts for O(state=matched).
    type: str
  groups:
    description: For O(state=matched), the groups of which a host counts. By default every host does.
    type: list
    elements: str
    default: []
seealso:
  - module: keyturn.devices.rotation_plan
  - module: keyturn.devices.rotation_summary
"""

EXAMPLES = r"""
- name: Join the run
  keyturn.devices.rotation_host:
    state: joined
  register: _rotation_joined
"""

RETURN = r"""
token:
  description: What tells this inclusion of the role from every other.
  type: str
  returned: O(state=joined)
in_step:
  description: Whether all hosts of the play are at the same task, as with the strategy linear.
  type: bool
  returned: O(state=joined)
hosts:
  description: How many hosts match.
  type: int
  returned: O(state=matched)
status:
  description: >-
    V(changed), V(failed), V(unknown), V(orphaned), V(settled), V(offline), V(left_alone), V(not_reached) or V(not_due).
  type: str
  returned: O(state=reported)
reason:
  description: Why, as the modules name it.
  type: str
  returned: O(state=reported)
what_to_do:
  description: For the person who reads it; empty when there is nothing to do.
  type: str
  returned: O(state=reported)
run_id:
  description: The id of the run.
  type: str
  returned: O(state=reported)
"""
