#!/usr/bin/python
# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_case
short_description: Keep the record of a recovery that waits for people or mail
version_added: 1.0.0
description:
  - A recovery case is the durable record of a recovery that takes longer than a run of a playbook. It is kept in the ledger, its session ID
    and temporary password encrypted, with every step and who recorded it.
  - A device has at most one open case. While it is open no rotation touches the device, and what is staged for it belongs to the case.
  - The role C(keyturn.devices.bms_recovery) works the cases of building servers. This module is for a person who abandons one, and for
    recoveries of your own.
  - No secret is ever part of a result.
author:
  - Keyturn developers (@keyturn)
extends_documentation_fragment:
  - keyturn.devices.ledger
  - keyturn.devices.attributes
  - keyturn.devices.attributes.action_group_ledger
attributes:
  check_mode:
    support: full
    details:
      - Reads only, and tells what would become of the case.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - V(opened) and V(step_done) are, V(step_done) without O(deadline). A case that has ended cannot be ended again.
options:
  name:
    description: The device's name in the inventory.
    type: str
    required: true
  serial:
    description: Its serial number, by which its record is found whatever it is called.
    type: str
  state:
    description:
      - V(opened) opens a case, unless one of the same O(kind) is open. One of another kind is an error.
      - V(step_done) records that a step was done, and what came of it.
      - V(closed) ends the case as it should end. V(abandoned) gives it up; a password that is staged for it stays staged.
    type: str
    choices: [opened, step_done, closed, abandoned]
    required: true
  kind:
    description: What is recovered, for O(state=opened).
    type: str
  step:
    description: The step that was done, for O(state=step_done).
    type: str
  deadline:
    description:
      - Until when the device lets itself be recovered, as ISO 8601 with an offset from UTC, for the O(step) that makes it do so. That
        begins now.
    type: str
  session_id:
    description: The session ID that came of the O(step).
    type: str
  temporary_password:
    description: The temporary password that came of the O(step).
    type: str
  reason:
    description: What to say of it in the record. No secret.
    type: str
  run_id:
    description: Identifies the run, in events.
    type: str
    default: by hand
seealso:
  - module: keyturn.devices.ledger
  - module: keyturn.devices.recovery_step
"""

EXAMPLES = r"""
- name: The server was replaced, and nobody needs its password any more
  keyturn.devices.recovery_case:
    name: headquarters
    state: abandoned
    reason: replaced
"""

RETURN = r"""
case:
  description: The case.
  returned: success
  type: dict
  contains:
    id:
      description: Identifies it.
      type: str
    name:
      description: The device.
      type: str
    kind:
      description: What is recovered.
      type: str
    step:
      description: The last step that was done, empty for none.
      type: str
      sample: session_id
    state:
      description: V(open), V(closed) or V(abandoned).
      type: str
      sample: open
    opened_at:
      description: When it was opened, ISO 8601 in UTC, as all times here.
      type: str
    armed_at:
      description: Since when the device lets itself be recovered; C(null) when it does not.
      type: str
    deadline:
      description: Until when.
      type: str
    closed_at:
      description: When it ended.
      type: str
    expired:
      description: Whether it is open and past its deadline.
      type: bool
    facts:
      description: What else is on record, without secrets.
      type: dict
    holds:
      description: Names of the secrets it has.
      type: list
      elements: str
      sample: [session_id]
    events:
      description: What happened, oldest first.
      type: list
      elements: dict
      contains:
        at:
          description: When.
          type: str
        who:
          description: The user and host that recorded it.
          type: str
        run_id:
          description: The run.
          type: str
        name:
          description: What the device was called.
          type: str
        from:
          description: The step before.
          type: str
        to:
          description: The step after.
          type: str
        reason:
          description: Why.
          type: str
reason:
  description:
    - Why it could not be done. V(no_case), V(busy) (another run is at it), V(input), or as M(keyturn.devices.ledger) has it.
  returned: failure
  type: str
"""
