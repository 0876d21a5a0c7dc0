#!/usr/bin/python
# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rotation_batch
short_description: Work one batch of a rotation from stage to settle
version_added: 1.0.0
description:
  - Holds the new passwords of a batch in the ledger, asks its devices to take them, has that proven, and tells the ledger how it ended. The
    order never changes, so that a run may be killed at any moment without losing a password.
  - It works on the controller, the ledger and RMS included. What speaks to a device runs where the task runs, so C(delegate_to) the site of
    the batch (C(site) in the plan) where that is not the controller. Passwords go there on standard input only; a site where pipelining is
    off is refused before anything is staged.
  - Meant to be looped over the batches of a plan in one task. Then the batches share one process, and once too many devices have failed, or
    RMS refuses its token, the batches after that one are left alone.
author:
  - Keyturn developers (@keyturn)
extends_documentation_fragment:
  - keyturn.devices.ledger
  - keyturn.devices.attributes
  - keyturn.devices.attributes.action_group_ledger
attributes:
  check_mode:
    support: none
    details: It is skipped; what it would do is in the plan.
  diff_mode:
    support: none
    details: Passwords are changed, and never shown.
  idempotent:
    support: none
    details: A batch is for one run. Make a new plan to see what is left to do.
options:
  sealed:
    description: >-
      The batch, as RV(keyturn.devices.rotation_plan#module:batches) holds it. It opens only with the passphrase of the same ledger.
    type: str
    required: true
seealso:
  - module: keyturn.devices.rotation_plan
  - module: keyturn.devices.rotation_summary
"""

EXAMPLES = r"""
- name: Rotate batch by batch
  keyturn.devices.rotation_batch:
    sealed: "{{ plan.batches[number].sealed }}"
  loop: "{{ range(plan.batches | length) }}"
  loop_control:
    loop_var: number
  run_once: true
"""

RETURN = r"""
number:
  description: The number of the batch.
  type: int
  returned: success
worked:
  description: Whether it was worked. V(false) when the run had ended before.
  type: bool
  returned: success
told:
  description: What became of each device.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: Inventory name.
      type: str
    result:
      description: >-
        Such as V(committed), V(dropped), V(kept), V(orphaned), V(settled), V(offline), V(busy), V(lost_lease), V(reopened), V(not_staged).
      type: str
    reason:
      description: Why, as the modules name it.
      type: str
    message:
      description: The same for people.
      type: str
stop:
  description: Why the run ends here; empty when it goes on.
  type: str
  returned: success
run_id:
  description: The id of the run.
  type: str
  returned: success
tally:
  description: C(tried), C(failures), C(counts) by status and C(stop) of the run so far.
  type: dict
  returned: success
requests:
  description: HTTP requests sent for this batch.
  type: int
  returned: success
reason:
  description: A word for what failed before anything was asked, such as V(locked), V(full), V(replaced).
  type: str
  returned: failure
"""
