#!/usr/bin/python
# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pbx_password
short_description: Change the administrator password of a Yeastar PBX
version_added: 1.0.0
description:
  - Changes a known password of a Yeastar S-Series, K2 or legacy Cloud PBX on its page My Settings, and proves the new one by another login.
    Where the PBX forces a change because the current password is weak, it is changed in the window of that.
  - The outcome is V(changed), V(unchanged), V(failed) (the PBX certainly kept its password) or V(unknown) (nobody knows, for instance
    because the connection broke after the new password was sent). A password with the outcome V(unknown) may be in force and must be
    kept, together with the one before. Nothing that changes a password is repeated on its own.
  - "In order: check the new password against the rule of the PBX; log in with the current one; change it; log out; log in with the new one;
    log out."
  - On its own this module does not remember any password.
notes:
  - "The new password must always meet the strong rule (at least 10 characters, upper case, lower case and digits, no three digits in
    order, none of C(; & \" ' \\ < > ` |) nor a space), also where the PBX allows weak ones: it would force another change once that is
    switched off."
  - One wrong login at most is made in a run, provided that one of the two passwords is in force.
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
      - Logs in with the current password, looks whether the fields for a change are there, and logs out.
      - A failure on the PBX does not fail the task.
  diff_mode:
    support: none
    details:
      - Passwords are secrets, so there is no difference to show.
  idempotent:
    support: partial
    details:
      - With O(try_first=new) it is. Otherwise a second run finds O(current_password) refused and stops, because
        trying the other one for no better reason could lock out whoever does.
options:
  current_password:
    description:
      - The password that should be in force now. Without it, O(new_password) can only be proven.
    type: str
  new_password:
    description: The new password.
    type: str
    required: true
  try_first:
    description:
      - The password that should be in force, which is tried first. V(new) after a change that was left in doubt, when one of the two must
        be right; where O(new_password) is refused then, O(current_password) is tried and the change is made.
      - With V(current), a refused O(current_password) ends the run, so that it costs one wrong login.
    type: str
    choices: [current, new]
    default: current
  run_holder:
    description:
      - The process that ends with the run, as M(keyturn.devices.rotation_plan) returns it. No password is changed once that process is
        gone, because another run may have taken over by then. A process on another host counts as alive.
    type: str
  not_after:
    description:
      - The moment from which nothing that changes the PBX is sent; what was not sent by then ends as V(failed) with reason V(not_sent).
      - A date and time of ISO 8601 with its offset from UTC, such as V(2026-01-31T10:15:00Z), or a moment as
        M(keyturn.devices.rotation_plan) returns it.
    type: str
seealso:
  - module: keyturn.devices.pbx_login
"""

EXAMPLES = r"""
- name: Change the password of a PBX
  keyturn.devices.pbx_password:
    url: https://192.0.2.5:8088
    fingerprint: "{{ office_pbx_fingerprint }}"
    current_password: "{{ vault_office_pbx_before }}"
    new_password: "{{ vault_office_pbx }}"
  delegate_to: localhost

- name: The run before was interrupted; finish it
  keyturn.devices.pbx_password:
    url: https://192.0.2.5:8088
    fingerprint: "{{ office_pbx_fingerprint }}"
    current_password: "{{ vault_office_pbx_before }}"
    new_password: "{{ vault_office_pbx }}"
    try_first: new
  delegate_to: localhost
"""

RETURN = r"""
status:
  description: V(changed), V(unchanged), V(failed) or V(unknown).
  returned: when the PBX was asked
  type: str
  sample: changed
live:
  description:
    - Which password a login proved to be in force, V(new) or V(current), V(neither) when both were refused, C(null) when no login proved
      anything.
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
    - "One of: V(unauthorized), V(locked_out), V(forced_change_required), V(unreachable), V(certificate), V(timeout),
      V(interrupted), V(protocol), V(profile_unknown), V(browser_missing), V(rejected), V(policy), V(bad_input),
      V(same_password), V(new_password_refused) (the PBX said that it took the password, and then refused it), V(not_sent),
      V(would_change)."
  returned: always
  type: str
  sample: ""
message:
  description: The same for people.
  returned: always
  type: str
  sample: The PBX has this password already.
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
      description: V(checked), V(password_set) or V(proven).
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

from ansible_collections.keyturn.devices.plugins.module_utils._module import Context, ModuleFailure, run_module
from ansible_collections.keyturn.devices.plugins.module_utils._run import may_change
from ansible_collections.keyturn.devices.plugins.module_utils._spec import Spec
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.passwords import change
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.visit import pbx_spec

SPEC = pbx_spec() + Spec(
    {
        "current_password": {"type": "str", "no_log": True},
        "new_password": {"type": "str", "required": True, "no_log": True},
        "try_first": {"type": "str", "choices": ["current", "new"], "default": "current"},
        "run_holder": {"type": "str"},
        "not_after": {"type": "str"},
    }
)


def work(options: Mapping[str, Any], context: Context) -> dict[str, Any]:
    try:
        goes_on = may_change(options["run_holder"], options["not_after"])
    except ValueError as problem:
        raise ModuleFailure(f"not_after {problem}.", reason="bad_input") from None
    return change(options, context, goes_on)


def main() -> None:
    run_module(SPEC, work)


if __name__ == "__main__":
    main()
