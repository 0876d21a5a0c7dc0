#!/usr/bin/python
# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ledger_info
short_description: Tell what the ledger knows of devices
version_added: 1.0.0
description:
  - Reads the ledger and changes nothing. An absent ledger is an error.
  - It runs on the controller, in Ansible's own process, whatever the connection to the host is.
author:
  - Keyturn developers (@keyturn)
extends_documentation_fragment:
  - keyturn.devices.ledger
  - keyturn.devices.attributes
  - keyturn.devices.attributes.info_module
  - keyturn.devices.attributes.action_group_ledger
options:
  devices:
    description: Names of the devices to tell about. By default all of them.
    type: list
    elements: str
  include_secrets:
    description:
      - Whether to return the passwords too. They are returned in clear; use C(no_log) on the task, and do not print what it registers.
      - To give a device's password to another option use the lookup P(keyturn.devices.password#lookup) instead.
    type: bool
    default: false
  include_events:
    description: How many of the newest events to return for each device. An event tells who changed what and when, and never a password.
    type: int
    default: 0
  include_retired:
    description: Whether to tell about devices that were put away too.
    type: bool
    default: false
seealso:
  - module: keyturn.devices.ledger
  - plugin: keyturn.devices.password
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Look at the ledger
  keyturn.devices.ledger_info:
  register: ledger

- name: Whose rotation is not settled?
  ansible.builtin.debug:
    msg: "{{ ledger.devices | dict2items | selectattr('value.staged') | map(attribute='key') }}"

- name: What happened to one router?
  keyturn.devices.ledger_info:
    devices: [depot-07]
    include_events: 20
"""

RETURN = r"""
devices:
  description: What the ledger knows, by device name. Times are ISO 8601, UTC. Devices it does not know are left out.
  returned: success
  type: dict
  contains:
    serial:
      description: Serial number.
      type: str
    current:
      description: The password in force, or null when none was committed or imported yet.
      type: dict
      contains:
        id:
          description: Identifies this password.
          type: str
        source:
          description: Where it came from, V(generate), V(csv), V(value), V(rms) or V(import).
          type: str
        serial:
          description: The serial number that the device had when the password was made.
          type: str
        run_id:
          description: The run that made it.
          type: str
        made_at:
          description: When it came into the ledger.
          type: str
        committed_at:
          description: When it became current.
          type: str
        password:
          description: The password.
          type: str
          returned: O(include_secrets=true)
    staged:
      description: The password of a rotation that is not settled, or null.
      type: dict
      contains:
        id:
          description: Identifies this password.
          type: str
        source:
          description: Where it came from.
          type: str
        serial:
          description: The serial number that the device had when the password was made.
          type: str
        run_id:
          description: The run that made it.
          type: str
        made_at:
          description: When it came into the ledger.
          type: str
        staged_at:
          description: When it was staged.
          type: str
        awaiting:
          description: Whether the vendor made it and it was not collected yet.
          type: bool
        list_id:
          description: Identifies the vendor's one-time list that brings it.
          type: str
        attempts:
          description: Attempts that were begun with it.
          type: int
        last_status:
          description: How the last attempt was settled, V(kept) or V(orphaned), or null.
          type: str
        last_reason:
          description: The typed reason of the last attempt.
          type: str
        password:
          description: The password, or null when it is awaited.
          type: str
          returned: O(include_secrets=true)
    previous:
      description: The history, newest first.
      type: list
      elements: dict
      contains:
        id:
          description: Identifies this password.
          type: str
        mark:
          description: >-
            V(previous) when it was once current, V(dropped) when it was staged and the device was said not to have taken it,
            V(superseded) when it was unsettled and another took its place.
          type: str
        source:
          description: Where it came from.
          type: str
        serial:
          description: The serial number that the device had when the password was made.
          type: str
        run_id:
          description: The run that made it.
          type: str
        made_at:
          description: When it came into the ledger.
          type: str
        moved_at:
          description: When it went to the history.
          type: str
        password:
          description: The password.
          type: str
          returned: O(include_secrets=true)
    last_verified:
      description: When the current password was last proven, or null.
      type: str
    verified_by:
      description: What proved it, V(login) or V(vendor), or null.
      type: str
    attempts:
      description: Attempts with the staged password, 0 without one.
      type: int
    failures:
      description: Rotations in a row that ended failed or unknown. 0 after one that was committed or settled by a login.
      type: int
    last_failure:
      description: The typed reason of the last of them.
      type: str
    offline_since:
      description: Since when a listing or an attempt has found it offline, or null.
      type: str
    retired:
      description: Whether it was put away.
      type: bool
    tampered:
      description: >-
        Whether somebody has written to its record past keyturn.devices, so that none of its passwords is given out. An import of the
        password that works mends it.
      type: bool
    orphaned:
      description: Whether no password is known to work, so that a person has to look.
      type: bool
    orphaned_reason:
      description: Why.
      type: str
    orphaned_at:
      description: Since when.
      type: str
    lease:
      description: The run that holds the device, or null.
      type: dict
      contains:
        run_id:
          description: The run.
          type: str
        until:
          description: When the lease expires.
          type: str
    fence_until:
      description: Until when no new password is staged, because what a dead run asked for may still reach the device, or null.
      type: str
    events:
      description: The newest first.
      returned: O(include_events) greater than 0
      type: list
      elements: dict
      contains:
        at:
          description: When.
          type: str
        who:
          description: User and host.
          type: str
        run_id:
          description: The run.
          type: str
        name:
          description: What the device was called then.
          type: str
        from:
          description: State of the password before, empty for none.
          type: str
        to:
          description: State of the password after.
          type: str
        reason:
          description: Why.
          type: str
lists:
  description: Vendors' one-time lists that are still kept, because a password of them may be needed. Never their content.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Identifies the list.
      type: str
    run_id:
      description: The run that asked for it.
      type: str
    made_at:
      description: When room was made for it.
      type: str
    devices:
      description: Names of the devices that a password of it was staged for.
      type: list
      elements: str
ledger:
  description: Where the ledger is, without user information.
  returned: success
  type: str
identity:
  description: Which ledger it is, whatever its file or its passphrase is called.
  returned: success
  type: str
generation:
  description: How many transactions have written to it.
  returned: success
  type: int
restored:
  description: Whether an older copy was put back since the last run. The next one that writes takes back what counts as proven in it.
  returned: success
  type: bool
reason:
  description: Why the ledger could not be read, as for the module M(keyturn.devices.ledger).
  returned: failure
  type: str
"""
