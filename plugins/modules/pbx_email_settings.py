#!/usr/bin/python
# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pbx_email_settings
short_description: Read, set and test the e-mail settings of a Yeastar PBX
version_added: 1.0.0
description:
  - Sets the e-mail account of a Yeastar S-Series, K2 or legacy Cloud PBX and the address that is bound to its administrator, which are what
    the PBX needs to recover a lost password. Without O(email) and O(bound_email) it reads them.
  - Reads first, writes only what differs, saves and applies, reads back, and has the PBX test its account.
  - The test of the PBX covers sending by SMTP and receiving by POP3.
author:
  - Keyturn developers (@keyturn)
extends_documentation_fragment:
  - keyturn.devices.pbxs
  - keyturn.devices.attributes
  - keyturn.devices.attributes.action_group_pbxs
attributes:
  check_mode:
    support: full
    details:
      - Logs in and reads. The PBX's test is not run, because it sends a mail.
      - A failure on the PBX does not fail the task.
  diff_mode:
    support: full
    details:
      - Without the password of the account.
  idempotent:
    support: partial
    details:
      - The password of the account cannot be read, so with O(email.password) it is only with O(update_password=on_create).
options:
  password:
    description: The password of O(username) on the PBX.
    type: str
    required: true
  email:
    description: The e-mail account of the PBX. What is not given stays as it is.
    type: dict
    suboptions:
      address:
        description: The address, which is the user name too.
        type: str
      password:
        description: The password of the account. The PBX refuses the characters C(& " ' \ < > `).
        type: str
      sender_name:
        description: The name shown as the sender.
        type: str
      smtp_host:
        description: The server that mail is sent by.
        type: str
      smtp_port:
        description: Its port.
        type: int
      pop3_host:
        description: The server that mail is received from.
        type: str
      pop3_port:
        description: Its port.
        type: int
      tls:
        description: Whether TLS is used.
        type: bool
  update_password:
    description:
      - V(always) sets O(email.password) each time. V(on_create) sets it only together with another O(email.address).
    type: str
    choices: [always, on_create]
    default: always
  bound_email:
    description: The address bound to O(username), to which the PBX sends the mail that recovers its password.
    type: str
  test:
    description: Whether the PBX tests its account. It sends a mail.
    type: bool
    default: true
notes:
  - Whether the PBX tests what is saved or what is typed is not known, so both are made the same first.
  - A PBX whose firewall drops everything needs rules for the mail servers, and a working DNS.
seealso:
  - module: keyturn.devices.pbx_password
"""

EXAMPLES = r"""
- name: Prepare a PBX for the night its password is lost
  keyturn.devices.pbx_email_settings:
    url: https://192.0.2.5:8088
    fingerprint: "{{ office_pbx_fingerprint }}"
    password: "{{ lookup('keyturn.devices.password', 'office-pbx') }}"
    email:
      address: pbx@example.com
      password: "{{ vault_pbx_mail }}"
      smtp_host: mail.example.com
      smtp_port: 587
      pop3_host: mail.example.com
      pop3_port: 995
      tls: true
    update_password: on_create
    bound_email: recovery@example.com
  delegate_to: localhost

- name: Would a recovery work tonight, and does the next login force another password?
  keyturn.devices.pbx_email_settings:
    url: https://192.0.2.5:8088
    fingerprint: "{{ office_pbx_fingerprint }}"
    password: "{{ lookup('keyturn.devices.password', 'office-pbx') }}"
  delegate_to: localhost
  register: settings
"""

RETURN = r"""
status:
  description:
    - V(changed), V(unchanged), V(failed) or V(unknown). V(failed) also when the test failed; RV(ignore:changed) says whether something
      was written.
  returned: when the PBX was asked
  type: str
  sample: unchanged
email:
  description: The account as it is now, without its password; C(null) when it could not be read.
  returned: when the PBX was asked
  type: dict
  sample:
    address: pbx@example.com
    sender_name: Office PBX
    smtp_host: mail.example.com
    smtp_port: 587
    pop3_host: mail.example.com
    pop3_port: 995
    tls: true
bound_email:
  description: The address bound to O(username) now, empty for none; C(null) when it could not be read.
  returned: when the PBX was asked
  type: str
  sample: recovery@example.com
test:
  description: How the PBX's test ended, C(smtp) and C(pop3) each V(ok), V(failed) or V(not_run).
  returned: when the PBX was asked
  type: dict
  sample: {smtp: ok, pop3: ok}
weak_password_allowed:
  description: Whether the PBX allows weak passwords; C(null) when the page that tells was not found.
  returned: when the PBX was asked
  type: bool
  sample: false
password_is_weak:
  description:
    - Whether O(password) breaks the strong rule. Where weak passwords are not allowed, a login with one forces a change. This is what
      people take for an expired password.
  returned: when the PBX was asked
  type: bool
  sample: false
reason:
  description:
    - Why the status is not simply good; empty otherwise.
    - "One of: V(unauthorized), V(locked_out), V(forced_change_required), V(unreachable), V(certificate), V(timeout),
      V(interrupted), V(protocol), V(profile_unknown), V(browser_missing),
      V(rejected), V(bad_input), V(smtp_failed),
      V(pop3_failed), V(test_failed), V(email_password_refused), V(would_change)."
  returned: always
  type: str
  sample: ""
message:
  description: The same for people.
  returned: always
  type: str
  sample: The settings are as they should be.
retryable:
  description: Whether the same task may succeed later.
  returned: when the PBX was asked
  type: bool
  sample: false
steps:
  description: What was done, in order.
  returned: when the PBX was asked
  type: list
  elements: dict
  contains:
    name:
      description: Always V(checked).
      type: str
      returned: always
      sample: proven
    status:
      description: V(done) or V(failed).
      type: str
      returned: always
      sample: done
    at:
      description: When, in UTC.
      type: str
      returned: always
      sample: "2026-01-31T10:15:00Z"
wrong_logins:
  description: How many logins the PBX refused.
  returned: when the PBX was asked
  type: int
  sample: 0
logged_out:
  description:
    - Whether the session was ended on the page; C(null) when there was none. Where the way out is not found, the session ends when the
      PBX's own time of idleness is over.
  returned: when the PBX was asked
  type: bool
  sample: true
profile:
  description: The profile that was used.
  returned: when the PBX was asked
  type: str
  sample: s-series
screenshot:
  description: The picture of the page on which the module stopped, on the host where it ran.
  returned: when O(screenshots) is set and one was made
  type: str
  sample: /var/tmp/pictures/192.0.2.5-20260131T101500Z-4711.png
"""

from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._module import run_module
from ansible_collections.keyturn.devices.plugins.module_utils._spec import Spec
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.email_settings import set_email as work
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.visit import pbx_spec

EMAIL: dict[str, Any] = {
    "address": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "sender_name": {"type": "str"},
    "smtp_host": {"type": "str"},
    "smtp_port": {"type": "int"},
    "pop3_host": {"type": "str"},
    "pop3_port": {"type": "int"},
    "tls": {"type": "bool"},
}

SPEC = pbx_spec() + Spec(
    {
        "password": {"type": "str", "required": True, "no_log": True},
        "email": {"type": "dict", "options": EMAIL},
        "update_password": {"type": "str", "choices": ["always", "on_create"], "default": "always", "no_log": False},
        "bound_email": {"type": "str"},
        "test": {"type": "bool", "default": True},
    }
)


def main() -> None:
    run_module(SPEC, work)


if __name__ == "__main__":
    main()
