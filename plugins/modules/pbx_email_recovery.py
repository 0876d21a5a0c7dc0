#!/usr/bin/python
# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pbx_email_recovery
short_description: Recover the lost administrator password of a Yeastar PBX by its Forget Password mail
version_added: 1.0.0
description:
  - Gets back into a Yeastar S-Series, K2 or legacy Cloud PBX whose password is lost, the way the vendor prescribes. The PBX is asked to
    mail a link to the address bound to the user, the mail is awaited, its link checked and opened, a new password set and proven by a
    login.
  - It needs a PBX that was prepared for it, with working e-mail settings and a bound address, see M(keyturn.devices.pbx_email_settings).
  - The new password goes nowhere but to the PBX. The link must lead to one of O(allowed_hosts), and the browser can reach no other origin.
  - The outcome is V(changed), V(unchanged) (O(try_first) logged in, or O(state=ready)), V(failed) (the PBX certainly kept its password)
    or V(unknown) (the new password may be in force and must be kept).
notes:
  - A link lives 30 minutes, and works only in the PBX's own network, other than that of a Cloud PBX. Where the controller is not there,
    give O(proxy), or delegate the task to a host that is.
  - In a run the PBX is asked for one mail, and for one more when the link had expired. One login is made, with the new password; with
    O(try_first) one more, before anything is asked for.
  - "The new password must meet the strong rule (at least 10 characters, upper case, lower case and digits, no three digits in order,
    none of C(; & \" ' \\ < > ` |) nor a space). It is checked before anything is sent."
author:
  - Keyturn developers (@keyturn)
extends_documentation_fragment:
  - keyturn.devices.pbxs
  - keyturn.devices.mailbox
  - keyturn.devices.attributes
  - keyturn.devices.attributes.action_group_pbxs
attributes:
  check_mode:
    support: full
    details:
      - Looks whether the mailbox can be read and the Find Password dialog is there. Nothing is asked for.
      - A failure on the PBX does not fail the task.
  diff_mode:
    support: none
    details:
      - Passwords are secrets, so there is no difference to show.
  idempotent:
    support: none
    details:
      - Each run sets the password anew, unless O(try_first) finds that there is no need to.
options:
  email:
    description: The address bound to O(username). Needed unless O(link) or O(marker) is given.
    type: str
  new_password:
    description: The new password. Needed for O(state=recovered).
    type: str
  try_first:
    description:
      - Which password is tried by one login before anything is asked for. When the PBX takes it, nothing was lost, and the status is
        V(unchanged).
      - V(new) is for carrying on after a run of which nobody knows how it ended, V(current) for a password that may be in force after all.
    type: str
    choices: [none, new, current]
    default: none
  current_password:
    description: The password that O(try_first=current) tries.
    type: str
  mailbox:
    description:
      - The mailbox of O(email). Needed for O(state=recovered) without O(link).
  subjects:
    description:
      - Parts of the mail's subject, one of which it has. Case does not count.
    type: list
    elements: str
    default: [Find Password, 找回密码, Reset Password]
  sender:
    description: The address that the mail is from. By default anybody.
    type: str
  allowed_hosts:
    description:
      - Where the link may point, names or addresses, with or without a port. By default the host of O(url), by HTTPS unless O(url) is
        V(http://).
    type: list
    elements: str
  state:
    description:
      - V(recovered) does all of it. V(requested) only asks for the mail, and returns RV(marker) when O(mailbox) is given.
      - V(ready) only looks whether the Find Password dialog is there and, when it is given, whether O(mailbox) can be read.
    type: str
    choices: [recovered, requested, ready]
    default: recovered
  link:
    description:
      - Carry on with a link that was found elsewhere, such as by M(keyturn.devices.mail_link). The PBX is not asked for a mail then.
    type: str
  marker:
    description:
      - Carry on with the mailbox as it was before the mail was asked for, as RV(marker) tells it. The PBX is not asked for a mail then.
    type: dict
  deadline:
    description: Seconds for the wait for the mail. The link lives 30 minutes.
    type: int
    default: 1500
  run_holder:
    description:
      - The process that ends with the run, as M(keyturn.devices.rotation_plan) returns it. Nothing is sent once that process is gone,
        because another run may have taken over by then. A process on another host counts as alive.
    type: str
  not_after:
    description:
      - The moment from which nothing is sent that changes the PBX or asks it for a mail; what was not sent by then ends as V(failed) with
        reason V(not_sent).
      - A date and time of ISO 8601 with its offset from UTC, such as V(2026-01-31T10:15:00Z), or a moment as
        M(keyturn.devices.rotation_plan) returns it.
    type: str
seealso:
  - module: keyturn.devices.pbx_email_settings
  - module: keyturn.devices.pbx_login
  - module: keyturn.devices.mail_link
"""

EXAMPLES = r"""
- name: Get back into a PBX
  keyturn.devices.pbx_email_recovery:
    url: https://192.0.2.5:8088
    fingerprint: "{{ office_pbx_fingerprint }}"
    email: recovery@example.com
    new_password: "{{ vault_office_pbx }}"
    mailbox:
      host: imap.example.com
      user: recovery@example.com
      password: "{{ vault_mailbox_password }}"
  delegate_to: localhost

- name: Ask for the mail where only the site can be reached
  keyturn.devices.pbx_email_recovery:
    url: https://192.168.5.150:8088
    fingerprint: "{{ office_pbx_fingerprint }}"
    email: recovery@example.com
    state: requested
  delegate_to: site-host

- name: Carry on there with the link that somebody else found
  keyturn.devices.pbx_email_recovery:
    url: https://192.168.5.150:8088
    fingerprint: "{{ office_pbx_fingerprint }}"
    new_password: "{{ vault_office_pbx }}"
    link: "{{ mail.link }}"
  delegate_to: site-host
"""

RETURN = r"""
status:
  description: V(changed), V(unchanged), V(failed) or V(unknown).
  returned: when the PBX was asked, and for a password that breaks the rule
  type: str
  sample: changed
marker:
  description: The mailbox as it was before the mail was asked for, to carry on with; C(null) without O(mailbox).
  returned: when the PBX was asked
  type: dict
requested_at:
  description: When the mail was asked for, in UTC; C(null) when it was not.
  returned: when the PBX was asked
  type: str
  sample: "2026-01-31T10:15:00Z"
link_lives_until:
  description: Until when the link lives that was asked for, in UTC; C(null) when none was.
  returned: when the PBX was asked
  type: str
  sample: "2026-01-31T10:45:00Z"
rejected:
  description: Mails with a fitting subject whose link was not followed, or led nowhere.
  returned: when the PBX was asked
  type: list
  elements: dict
  contains:
    message_id:
      description: The mail's Message-ID.
      type: str
      returned: always
    reason:
      description: Why, as M(keyturn.devices.mail_link) tells it; V(link_unknown) where the PBX did not know the link.
      type: str
      returned: always
      sample: link_foreign_host
  sample: []
live:
  description: Which password a login proved to be in force, V(new) or V(current); C(null) when none did.
  returned: when the PBX was asked
  type: str
  sample: new
sent_late:
  description:
    - Whether the new password left at or after O(not_after), or after the run had ended. Another run may have changed the PBX by then, so
      what is known of it is in doubt.
  returned: when the PBX was asked
  type: bool
  sample: false
reason:
  description:
    - Why the status is not simply V(changed); empty otherwise.
    - "One of: V(no_bound_email), V(unknown_user), V(unknown_user_or_email), V(send_failed), V(locked_out), V(mail_timeout),
      V(mailbox_refused), V(link_not_local), V(link_foreign_host), V(link_unsafe), V(link_ambiguous), V(link_expired), V(link_unknown),
      V(policy), V(forced_change_required), V(unreachable), V(certificate), V(timeout), V(interrupted), V(protocol), V(profile_unknown),
      V(browser_missing), V(library), V(rejected), V(new_password_refused), V(unconfirmed), V(not_sent), V(would_change), V(bad_input), and
      those that M(keyturn.devices.mail_link) tells."
  returned: always
  type: str
  sample: ""
message:
  description: The same for people.
  returned: always
  type: str
  sample: The new password is in force.
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
      description: V(checked), V(requested), V(mail_found), V(link_checked), V(password_set) or V(proven).
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

from collections.abc import Mapping
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._mail.options import mailbox_spec, search_spec
from ansible_collections.keyturn.devices.plugins.module_utils._module import Context, ModuleFailure, run_module
from ansible_collections.keyturn.devices.plugins.module_utils._run import may_change
from ansible_collections.keyturn.devices.plugins.module_utils._spec import Spec
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.recovery import SUBJECTS, recover
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.visit import pbx_spec

SPEC = (
    pbx_spec()
    + mailbox_spec(required=False)
    + search_spec(SUBJECTS)
    + Spec(
        {
            "email": {"type": "str"},
            "new_password": {"type": "str", "no_log": True},
            "try_first": {"type": "str", "choices": ["none", "new", "current"], "default": "none"},
            "current_password": {"type": "str", "no_log": True},
            "allowed_hosts": {"type": "list", "elements": "str"},
            "state": {"type": "str", "choices": ["recovered", "requested", "ready"], "default": "recovered"},
            "link": {"type": "str", "no_log": True},
            "marker": {"type": "dict"},
            "deadline": {"type": "int", "default": 1500},
            "run_holder": {"type": "str"},
            "not_after": {"type": "str"},
        },
        {
            "mutually_exclusive": [("link", "marker")],
            "required_if": [("state", "recovered", ["new_password"]), ("try_first", "current", ["current_password"])],
        },
    )
)


def work(options: Mapping[str, Any], context: Context) -> dict[str, Any]:
    try:
        goes_on = may_change(options["run_holder"], options["not_after"])
    except ValueError as problem:
        raise ModuleFailure(f"not_after {problem}.", reason="bad_input") from None
    return recover(options, context, goes_on)


def main() -> None:
    run_module(SPEC, work)


if __name__ == "__main__":
    main()
