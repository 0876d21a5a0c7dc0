#!/usr/bin/python
# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pbx_readiness_host
short_description: Whether the password of one PBX could be recovered tonight
version_added: 1.0.0
description:
  - The work of the role P(keyturn.devices.pbx_recovery#role) with C(tasks_from=readiness) for one host. It reads the host's variables and
    the ledger, marks the mailbox, opens the Find Password dialog without asking for anything, logs in with the ledger's current password,
    reads the e-mail settings, and lets the PBX test them, which sends a mail.
  - Nothing on the PBX is changed. A login that succeeds is noted in the ledger as a proof of the password, and so is what came of the look,
    for M(keyturn.devices.password_compliance).
  - It fails when a check is not ok.
  - It works on the controller, the ledger included. What works the pages and reads the mailbox runs where the task runs, so C(delegate_to)
    the site of the PBX (C(device_site)) where that is not the controller. Passwords go there on standard input only.
author:
  - Keyturn developers (@keyturn)
extends_documentation_fragment:
  - keyturn.devices.ledger
  - keyturn.devices.attributes
  - keyturn.devices.attributes.action_group_ledger
attributes:
  check_mode:
    support: full
    details: >-
      The PBX's own test is left out, because it sends a mail, so that the check C(test) is not ok, with the reason V(not_run). Nothing
      is noted in the ledger.
  diff_mode:
    support: none
    details: Nothing is changed, so there is nothing to compare.
  idempotent:
    support: full
seealso:
  - module: keyturn.devices.pbx_email_settings
  - module: keyturn.devices.pbx_recovery_host
"""

EXAMPLES = r"""
- name: Look whether the password could be recovered
  keyturn.devices.pbx_readiness_host:
  delegate_to: "{{ device_site | default('localhost', true) }}"
"""

RETURN = r"""
ready:
  description: Whether every check is ok.
  type: bool
  returned: always
checks:
  description: What was looked at. The role leaves both behind as C(pbx_recovery_readiness).
  type: list
  elements: dict
  returned: always
  contains:
    name:
      description: V(settings), V(test), V(bound_email), V(mailbox), V(password_known), V(password_strong) or V(profile).
      type: str
      returned: always
    ok:
      description: Whether it is as it has to be.
      type: bool
      returned: always
    reason:
      description: Why it is not; empty when it is. Where it could not be looked at, the reason of what has to be right first.
      type: str
      returned: always
    what_to_do:
      description: For the person who reads it; empty when there is nothing to do.
      type: str
      returned: always
"""
