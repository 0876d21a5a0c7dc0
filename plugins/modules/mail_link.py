#!/usr/bin/python
# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mail_link
short_description: Wait for a mail, and return the link in it that may be followed
version_added: 1.0.0
description:
  - Waits in a mailbox for a mail that something was asked to send, such as the one by which a forgotten password is set anew, and returns
    its link once it is certain where it leads.
  - Mark the mailbox with O(state=marked) before the mail is asked for, and wait with that O(marker), so that an older mail is never taken
    for the new one, whatever the clocks say. The newest mail that fits wins.
  - No link is ever opened, and so no redirect is followed. A mail counts only when it has exactly one link that could be meant, when that
    is a plain http or https link without a user name, and when it points to one of O(allowed_hosts). Where a link leads counts, not the
    text that is shown for it. Links to a host's front page, as they stand in footers, are not meant, nor are mail addresses.
  - Links rewritten by Microsoft's Safe Links are taken for what is inside them. Those of other scanners cannot be told and are rejected.
author:
  - Keyturn developers (@keyturn)
extends_documentation_fragment:
  - keyturn.devices.mailbox
  - keyturn.devices.attributes
attributes:
  check_mode:
    support: full
    details:
      - This module changes nothing. In check mode it looks once and does not wait, because nothing will have been asked for.
  diff_mode:
    support: N/A
    details:
      - This module changes nothing.
  idempotent:
    support: full
    details:
      - This module changes nothing.
options:
  mailbox:
    required: true
  state:
    description:
      - V(found) waits for the mail and returns its link.
      - V(marked) only returns RV(marker), the mailbox as it is now.
    type: str
    choices: [found, marked]
    default: found
  marker:
    description: For O(state=found), what O(state=marked) returned before the mail was asked for. Mails that came since then count.
    type: dict
  since:
    description:
      - Instead of O(marker), a moment in ISO 8601 with its offset from UTC. Mails that the server received at that moment or later count.
      - The clock is the mail server's. By POP3 it is told by the newest C(Received) header, or by C(Date) where there is none.
    type: str
  subjects:
    description:
      - Parts of the subject, one of which the mail has. Case does not count. By default any subject is meant.
    type: list
    elements: str
  sender:
    description:
      - The address that the mail is from. By default anybody.
      - Anybody can write any sender, so this sorts mails out and proves nothing.
    type: str
  recipient:
    description: An address that the mail is to, where a mailbox has several. By default any.
    type: str
  allowed_hosts:
    description:
      - For O(state=found), where the link may point, names or addresses. With a port (C(192.0.2.10:8088)) only to that one, without to
        any of that host. With C(https://) before it only by HTTPS, and to the usual port where none is given.
      - They are compared as they are written. Whether a name and an address are the same host is not asked of anybody.
    type: list
    elements: str
  deadline:
    description: Seconds to wait for the mail.
    type: int
    default: 300
  timeout:
    description: Seconds to wait for a connection, and for each piece of an answer of the mail server.
    type: int
    default: 30
"""

EXAMPLES = r"""
- name: Mark the mailbox before anything is asked for
  keyturn.devices.mail_link:
    mailbox: &mailbox
      host: imap.example.com
      user: devices@example.com
      password: "{{ vault_mailbox_password }}"
    state: marked
  delegate_to: localhost
  register: before

- name: Here something asks for the mail
  ansible.builtin.pause:
    prompt: Press Forgot Password now

- name: Wait for it
  keyturn.devices.mail_link:
    mailbox: *mailbox
    subjects: [Find Password, 找回密码]
    sender: pbx@example.com
    allowed_hosts: ["192.0.2.10:8088"]
    marker: "{{ before.marker }}"
    deadline: 600
  delegate_to: localhost
  register: mail
  no_log: true

- name: A mailbox at Microsoft 365, by time
  keyturn.devices.mail_link:
    mailbox:
      host: outlook.office365.com
      user: devices@example.com
      oauth_token: "{{ mailbox_token }}"
    subjects: [Reset Password]
    allowed_hosts: [https://portal.example.com]
    since: "2026-11-05T02:00:00Z"
  delegate_to: localhost
  register: mail
  no_log: true
"""

RETURN = r"""
link:
  description:
    - The link that may be followed. Whoever has it can use it, so put C(no_log) on the task and do not print what it registers.
    - V(null) in check mode when there is none yet.
  returned: success and O(state=found)
  type: str
  sample: https://192.0.2.10:8088/reset?token=...
message_id:
  description: The C(Message-ID) of the mail, empty when it has none.
  returned: success and O(state=found)
  type: str
  sample: <20261105020001.1A2B@pbx.example.com>
received_at:
  description: When the mail server received it, in UTC. V(null) where nothing tells it.
  returned: success and O(state=found)
  type: str
  sample: "2026-11-05T02:00:03Z"
rejected:
  description: The mails with such a subject that came and are not the one. Also returned when the task fails.
  returned: O(state=found)
  type: list
  elements: dict
  contains:
    message_id:
      description: The C(Message-ID) of the mail.
      type: str
      returned: always
    reason:
      description:
        - Why it is not the one. V(wrong_sender), V(wrong_recipient), V(link_missing), V(link_foreign_host) (it points elsewhere),
          V(link_unsafe) (no plain link), V(link_ambiguous) (several could be meant), V(mail_unreadable), V(mail_superseded) (there is a
          newer one).
      type: str
      returned: always
      sample: link_foreign_host
    message:
      description: The same for people.
      type: str
      returned: always
      sample: Its link points to 203.0.113.5 port 443, which is not one of allowed_hosts.
marker:
  description: The mailbox as it is now, for O(marker). It holds no secret.
  returned: success and O(state=marked)
  type: dict
  sample:
    mailbox: 5d41402abc4b2a76
    folders: {INBOX: {uid_validity: 1762300800, uid_next: 42}}
    known: []
reason:
  description:
    - Why the task failed.
    - "For the mailbox: V(mailbox_refused) (the login), V(unreachable), V(timeout), V(certificate), V(protocol), V(not_found) (a folder)."
    - "For the mail: V(mail_timeout), no mail came in time; V(link_foreign_host), V(link_unsafe), V(link_ambiguous) or V(link_missing),
      only mails came whose link must not be followed; V(marker_stale), the server has numbered its mails anew since the marker."
    - V(bad_input) or V(library) when nothing was asked.
  returned: failure
  type: str
  sample: mail_timeout
retryable:
  description: Whether the same task may succeed later.
  returned: failure
  type: bool
  sample: true
"""

from ansible_collections.keyturn.devices.plugins.module_utils._mail.job import mark_or_find as work
from ansible_collections.keyturn.devices.plugins.module_utils._mail.options import mailbox_spec, search_spec
from ansible_collections.keyturn.devices.plugins.module_utils._module import run_module
from ansible_collections.keyturn.devices.plugins.module_utils._spec import Spec

SPEC = (
    Spec(
        {
            "state": {"type": "str", "choices": ["found", "marked"], "default": "found"},
            "marker": {"type": "dict"},
            "since": {"type": "str"},
            "recipient": {"type": "str"},
            "allowed_hosts": {"type": "list", "elements": "str"},
            "deadline": {"type": "int", "default": 300},
            "timeout": {"type": "int", "default": 30},
        },
        {
            "mutually_exclusive": [("marker", "since")],
            "required_if": [("state", "found", ("marker", "since"), True), ("state", "found", ("allowed_hosts",))],
        },
    )
    + mailbox_spec()
    + search_spec()
)


def main() -> None:
    run_module(SPEC, work)


if __name__ == "__main__":
    main()
