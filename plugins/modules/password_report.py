#!/usr/bin/python
# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: password_report
short_description: Write a page about the passwords of a fleet, from inventory and ledger alone
version_added: 1.0.0
description:
  - Writes one page that needs neither a network nor a script to be read - the fleet by state, the age of passwords against policy, what
    waits for whom and until when, what breaks policy, how the last runs ended, and every device with its history; and the same as CSV and
    JSON.
  - It touches no device and asks no service. It looks at the same as M(keyturn.devices.password_compliance), by the same checks.
  - It works on the controller, once for the whole inventory, whatever the hosts of the play are. Use C(run_once) where there are several.
  - No file holds a password or anything made of one. What comes from the inventory or a vendor is escaped, and a cell of the CSV is never a
    formula.
author:
  - Keyturn developers (@keyturn)
extends_documentation_fragment:
  - keyturn.devices.fleet
  - keyturn.devices.ledger
  - keyturn.devices.attributes
  - keyturn.devices.attributes.action_group_ledger
attributes:
  check_mode:
    support: full
    details: Looks as always, and writes no file.
  diff_mode:
    support: none
    details: It changes nothing but its own files.
  idempotent:
    support: full
options:
  html:
    description: >-
      Where the page is written. Every file is written beside its place and renamed, readable for everybody. At least one of O(html), O(csv)
      and O(json) is needed.
    type: path
  csv:
    description: Where a table of all devices is written.
    type: path
  json:
    description: Where all that the page shows is written as JSON.
    type: path
  title:
    description: The title of the page.
    type: str
    default: Administrator passwords of field devices
  history:
    description: How many events of each device are told, the newest first.
    type: int
    default: 10
  runs:
    description: How many of the last runs are told.
    type: int
    default: 20
seealso:
  - module: keyturn.devices.password_compliance
  - module: keyturn.devices.ledger_info
"""

EXAMPLES = r"""
- name: Write the report of the morning
  keyturn.devices.password_report:
    html: /srv/www/passwords.html
    csv: /srv/www/passwords.csv
    title: Passwords of the depots
  run_once: true
"""

RETURN = r"""
devices:
  description: How many devices are in the report.
  type: int
  returned: success
attention:
  description: How many of them have a finding.
  type: int
  returned: success
waiting:
  description: How many wait for somebody.
  type: int
  returned: success
files:
  description: The files that were written, or in check mode would be.
  type: list
  elements: str
  returned: success
lines:
  description: The same for people.
  type: list
  elements: str
  returned: success
problems:
  description: What is wrong with options or policies, or which files cannot be written. Then nothing was written.
  type: list
  elements: str
  returned: failure
reason:
  description: A word for what failed, such as V(bad_input), V(not_found) (no device), V(not_writable), V(absent), V(schema).
  type: str
  returned: failure
"""
