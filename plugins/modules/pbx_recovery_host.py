#!/usr/bin/python
# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pbx_recovery_host
short_description: Recover the lost password of one PBX, the ledger included
version_added: 1.0.0
description:
  - The work of the role P(keyturn.devices.pbx_recovery#role) for one host. It reads the host's variables, holds a new password in the
    ledger
    before the PBX hears of anything, recovers the PBX with M(keyturn.devices.pbx_email_recovery), and tells the ledger how it ended.
  - What an earlier run has left open is carried on. The staged password is tried by one login, the mail that was asked for is looked for,
    and
    another one is asked for only when its link cannot live any more.
  - It works on the controller, the ledger included. What works the pages and reads the mailbox runs where the task runs, so
    C(delegate_to) the
    site of the PBX (C(device_site)) where that is not the controller. Passwords go there on standard input only.
author:
  - Keyturn developers (@keyturn)
extends_documentation_fragment:
  - keyturn.devices.ledger
  - keyturn.devices.attributes
  - keyturn.devices.attributes.action_group_ledger
attributes:
  check_mode:
    support: full
    details: Variables, source and ledger are looked at; nothing is sent to anybody.
  diff_mode:
    support: none
    details: Passwords are changed, and never shown.
  idempotent:
    support: full
    details:
      - The ledger's current password is tried first, and nothing is changed when the PBX takes it. With C(pbx_recovery_force=true) it is
        not
        tried, and each run sets a new password.
seealso:
  - module: keyturn.devices.pbx_email_recovery
  - module: keyturn.devices.pbx_readiness_host
"""

EXAMPLES = r"""
- name: Recover the password
  keyturn.devices.pbx_recovery_host:
  register: recovery
  delegate_to: "{{ device_site | default('localhost', true) }}"
"""

RETURN = r"""
result:
  description: What became of it, without secrets. The role leaves it behind as C(pbx_recovery_result).
  type: dict
  returned: always
  contains:
    name:
      description: The host.
      type: str
      returned: always
    status:
      description: >-
        V(changed), V(unchanged) (the ledger's current password logs in), V(failed) (the PBX certainly kept its password) or V(unknown).
      type: str
      returned: always
    reason:
      description: >-
        Why, as M(keyturn.devices.pbx_email_recovery), the mailbox or the ledger tells it; empty when there is nothing to explain.
      type: str
      returned: always
    message:
      description: The same for people.
      type: str
      returned: always
    what_to_do:
      description: For the person who reads it; empty when there is nothing to do.
      type: str
      returned: always
    steps:
      description: What was done, as RV(keyturn.devices.pbx_email_recovery#module:steps).
      type: list
      elements: dict
      returned: always
    open:
      description: Whether the new password stays staged in the ledger, so that the next run carries on.
      type: bool
      returned: always
    link_lives_until:
      description: Until when the link lives that was asked for, in UTC, while the recovery is open; C(null) when none was asked for.
      type: str
      returned: always
status:
  description: As in RV(result).
  type: str
  returned: always
reason:
  description: As in RV(result).
  type: str
  returned: always
"""
