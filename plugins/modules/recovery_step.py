#!/usr/bin/python
# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_step
short_description: Take the recovery of a building server as far as it goes in this run
version_added: 1.0.0
description:
  - Takes what people bring to a run into the recovery case of the server this task is for, does what software can do, and tells what is
    awaited, from whom and until when. It is what the role C(keyturn.devices.bms_recovery) consists of; use the role.
  - It works on the controller, however the host is connected, and never speaks to the server. For that the role uses
    M(keyturn.devices.bms_reset_mode) and M(keyturn.devices.bms_logon), and gives this module their results.
  - It renders the request to the support team, mails it or writes it to a file, and has the new password in the ledger before anybody types
    it. The source of the new password is what the variable C(device_password_source) of the host says, else C(bms_recovery_source).
  - No secret is ever part of a result. A temporary password is never computed.
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
      - Reads only, and tells what would be done.
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - What was brought before changes nothing when it is brought again.
options:
  state:
    description:
      - V(taken_up) begins a run. V(armed) goes on with what M(keyturn.devices.bms_reset_mode) returned, V(proven) with what
        M(keyturn.devices.bms_logon) returned.
    type: str
    choices: [taken_up, armed, proven]
    default: taken_up
  server_kind:
    description: The kind of server.
    type: str
    choices: [enterprise_server, enterprise_central, automation_server, edge_server, pct_server, fdp_server]
    required: true
  transport:
    description: How the server is put in reset mode, as M(keyturn.devices.bms_reset_mode) takes it; by default by its kind.
    type: str
    choices: [container, kubernetes, serial, guided]
  serial:
    description: Serial number of the server, by which the ledger knows it whatever it is called.
    type: str
  host:
    description: Its address, for the request.
    type: str
  site:
    description: The site, for the request.
    type: str
  version:
    description: Its version, for the request.
    type: str
  contact:
    description: Whom the support team can call, for the request.
    type: str
  policy:
    description: The policy of the new password.
    type: dict
  arm:
    description: Names of the servers whose recovery is to begin, in a list or with commas. Nothing begins by itself.
    type: list
    elements: str
  session_id:
    description: The session ID that WorkStation shows. Another one than before voids that one and the temporary password issued for it.
    type: str
  temporary_password:
    description: The temporary password that the support team issued.
    type: str
  confirmed:
    description: Steps that a person says are done, in a list or with commas. V(reset_mode), V(request_sent) and V(new_password).
    type: list
    elements: str
  result:
    description: What M(keyturn.devices.bms_reset_mode) or M(keyturn.devices.bms_logon) returned.
    type: dict
  windows:
    description: What the role's look at a Windows host printed.
    type: str
  proves:
    description: Whether a logon is to prove the new password. Without it the operator's word ends the case, and the password counts as
      never verified.
    type: bool
    default: false
  reveal:
    description: Whether the new password is written to a file, readable by its owner alone, for the person who types it.
    type: bool
    default: false
  deadline:
    description: Seconds that putting the server in reset mode may take. The server is held for this run a little longer.
    type: int
    default: 600
  directory:
    description: Where requests and revealed passwords are written. A relative path starts where a relative ledger does.
    type: path
    default: keyturn-recovery
  support_address:
    description: The support team's mail address.
    type: str
  smtp_host:
    description: The mail server for requests. Without it, or without O(support_address), the request is written to a file.
    type: str
  smtp_port:
    description: Its port, V(0) for the usual one.
    type: int
    default: 0
  smtp_tls:
    description: How the connection to it is encrypted.
    type: str
    choices: [starttls, implicit, none]
    default: starttls
  smtp_user:
    description: The user there, if any.
    type: str
  smtp_password:
    description: The user's password.
    type: str
  smtp_sender:
    description: Whom the mail is from. By default O(smtp_user).
    type: str
  validate_certs:
    description: Whether the mail server's certificate must be valid and trusted.
    type: bool
    default: true
  ca_path:
    description: A file of certificates to trust instead of those of the system.
    type: path
  run_id:
    description: The run, as RV(run_id) of the first step told it.
    type: str
seealso:
  - module: keyturn.devices.recovery_case
  - module: keyturn.devices.bms_reset_mode
  - module: keyturn.devices.bms_logon
"""

EXAMPLES = r"""
- name: Where does the recovery of this server stand?
  keyturn.devices.recovery_step:
    server_kind: "{{ device_server_kind }}"
  check_mode: true
"""

RETURN = r"""
case:
  description: Where the recovery stands.
  returned: always, but for options that cannot be used at all
  type: dict
  contains:
    step:
      description: The step at hand. V(reset_mode), V(session_id), V(request_sent), V(temporary_password), V(new_password), V(verified) or
        V(done).
      type: str
      sample: session_id
    waiting_for:
      description: What a person has to bring or confirm, a step or V(bms_arm); empty when nobody is awaited.
      type: str
      sample: session_id
    who:
      description: From whom, V(operator) or V(support).
      type: str
      sample: operator
    until:
      description: Until when, ISO 8601 in UTC; empty without a limit.
      type: str
      sample: "2026-02-01T10:15:00Z"
    status:
      description: V(waiting), V(done), V(expired) or V(failed). The task fails with the last two.
      type: str
      sample: waiting
    reason:
      description: Why it failed or expired; empty otherwise.
      type: str
      sample: ""
act:
  description: What the role does next, V(reset_mode), V(logon) or nothing.
  returned: as RV(case)
  type: str
  sample: ""
confirmed:
  description: Whether a person says that the server is in reset mode, for M(keyturn.devices.bms_reset_mode).
  returned: as RV(case)
  type: bool
lines:
  description: What happened and what to do, for people.
  returned: as RV(case)
  type: list
  elements: str
run_id:
  description: The run.
  returned: as RV(case)
  type: str
"""
