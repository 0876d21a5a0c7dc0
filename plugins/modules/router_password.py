#!/usr/bin/python
# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: router_password
short_description: Set the administrator passwords of Teltonika routers, many at once
version_added: 1.0.0
description:
  - Sets the administrator passwords of Teltonika routers through Teltonika's Remote Management System (RMS), with one request for
    many routers, or on the routers directly, and returns what became of each router.
  - For each router the outcome is V(changed), V(unchanged), V(failed) (the router certainly kept its password) or V(unknown) (nobody
    knows, for instance because the connection broke after the request was sent). A password with the outcome V(unknown) may be in
    force and must be kept, together with the one before. Requests that change passwords are never repeated on their own.
  - "With O(via=device), for each router: log in with the current password, and only if that is refused with the new one (V(unchanged) if
    it works); compare the serial number; check the new password against the router's own rule; change it; prove it by another login; end
    every session. If the connection breaks after the request was sent, logins find out which password is in force."
  - "This module does not store any password. The role C(keyturn.devices.router_rotation) does: it writes each password into a ledger before
    it is sent to the router."
notes:
  - "Keep the passwords: RMS asks for the current password of a router when the router is added again."
  - "SMS rules that are authorised by the router's administrator password, which is their default, change their key with it."
  - RMS delivers a password only to routers that are online (assumed). A router that RMS lists as offline is not asked for and ends as
    V(failed) with reason V(offline).
  - "The vendor documents the calls, but not these points, which are assumed here and handled whichever way they turn out: the texts
    and codes of errors, the name of the scope that a token needs, whether a token needs a confirmation by two-factor authentication,
    the columns of the list of generated passwords, what a second download of it answers, and how a request is tied to its list."
  - Passwords are never sent with the option of RMS to show them in its summary, and never through its command, task or configurator calls.
author:
  - Keyturn developers (@keyturn)
extends_documentation_fragment:
  - keyturn.devices.rms
  - keyturn.devices.routers
  - keyturn.devices.http_client
  - keyturn.devices.attributes
  - keyturn.devices.attributes.action_group_rms
attributes:
  check_mode:
    support: full
    details:
      - Looks the routers up in RMS and checks the passwords, and returns for each router what would be asked.
      - Device failures do not fail the task.
  diff_mode:
    support: none
    details:
      - Passwords are secrets, so there is no difference to show.
  idempotent:
    support: partial
    details:
      - With O(via=device) it is. RMS cannot tell which password a router has, so with O(via=rms) each run sets it again.
options:
  via:
    description:
      - How to reach the routers.
      - V(rms) is Teltonika's cloud. It needs O(rms_token).
      - V(device) connects to the routers directly. It needs O(devices), with O(devices[].host) and O(devices[].password).
    type: str
    choices: [rms, device]
    default: rms
  devices:
    description:
      - The routers, and the password of each unless O(generate) is used.
      - A serial number that RMS does not know is reported as V(not_found), and the others go on.
      - With O(via=device), a router at O(devices[].host) with another serial number is reported as V(wrong_device) and not changed.
    type: list
    elements: dict
    suboptions:
      serial:
        description:
          - Serial number, compared exactly. Write it in quotes, so that leading zeros are kept.
        type: str
        required: true
      password:
        description:
          - The new password. RMS takes 8 to 32 characters with at least one upper-case letter, one lower-case letter and one digit, and a
            special character where the router's firmware is known to be 07.13 or later. With O(via=device) the router's own rule holds.
        type: str
      current_password:
        description:
          - For O(via=device), the password that should be in force now. Without it, O(devices[].password) can only be proven.
        type: str
      try_first:
        description:
          - For O(via=device), the password that should be in force, which is tried first. Use V(new) after a change whose outcome was
            unknown, so that no wrong login is made on a router that has O(devices[].password) already. A router that does not have it is
            changed.
        type: str
        choices: [current, new]
        default: current
      id:
        description:
          - The id of the router in RMS, as P(keyturn.devices.router_info#module) returned it just before. It saves looking the
            router up, and with it the check whether the router is online.
        type: int
      host:
        description:
          - Name or address of the router, with a port where it is not the usual one, or its URL. HTTPS unless the URL says C(http://).
            With O(devices[].protocol=ssh), it may begin with C(ssh://).
          - Plain HTTP that redirects to HTTPS on the same host is followed before anything secret is sent.
          - With O(via=rms) it is only returned.
        type: str
      username:
        description:
          - For O(via=device), the web user. The password of a user of group C(root), such as C(admin), is the router's SSH password too.
        type: str
        default: admin
      protocol:
        description:
          - For O(via=device), how to talk to the router. V(api) is its HTTP API, available since RutOS 07.03.
          - V(ssh) is for routers without it. C(root) logs in, C(passwd) changes O(devices[].username) and then C(root), so that both
            keep the same password. The commands that return the serial number and the firmware there are assumed.
        type: str
        choices: [api, ssh]
        default: api
      fingerprint:
        description:
          - For O(via=device), SHA-256 fingerprint of the router's certificate, in hexadecimal digits, with or without colons. It is the way
            to trust a self-signed certificate; O(validate_certs) and O(ca_path) do not count then.
          - With O(devices[].protocol=ssh) it is that of the host key, also as OpenSSH writes it (C(SHA256:...)).
        type: str
  csv:
    description:
      - A file with the serial number in the first column and the password in the second, with or without a header, separated by commas
        or semicolons.
      - One bad row, or one serial number that RMS does not know, stops the task before anything is changed; the message names the line.
    type: path
  generate:
    description:
      - Have RMS make the passwords. Needs O(generated_csv); O(devices) then give no passwords.
    type: dict
    suboptions:
      length:
        description: Length of the passwords, 8 to 32.
        type: int
        default: 20
      special:
        description: Whether the passwords hold special characters. Firmware 07.13 and later demands one.
        type: bool
        default: true
      collect:
        description:
          - Do not ask for new passwords, but fetch the lists of an earlier request that was interrupted, for the newest request that
            each router was part of. This is the way to carry on when a task ended before its list was in O(generated_csv).
          - What is in O(generated_csv) already is kept, as is what a killed process left beside it, and the lists are added.
          - A list counts only where its routers are exactly those of one request, because fetching somebody else's would spend it. So
            give the same O(devices) and O(batch_size) as for the request that was interrupted.
          - A router for which RMS has no such list ends as V(unknown) with reason V(list_gone).
        type: bool
        default: false
  generated_csv:
    description:
      - Where the list of generated passwords goes, which RMS gives out only once. It is written with mode 0600 and is on the disk before
        anything is read from it, also when the download breaks off. That the directory can be written to is checked before RMS is asked.
      - A file with content that is already there is renamed first, see RV(backup_file); never overwritten.
      - "Do not take a row of this file for the truth alone: only the routers that end as V(changed) are known to have the password in it."
      - With more than one batch, the lists stand one after the other, as RMS gave them.
    type: path
  rms_method:
    description:
      - Which call of RMS sets the passwords. V(set) sends them as data. V(upload) sends a CSV file, whose exact form the vendor does
        not publish.
    type: str
    choices: [set, upload]
    default: set
  batch_size:
    description: How many routers one request to RMS is for. The vendor does not publish a limit.
    type: int
    default: 500
  deadline:
    description:
      - Seconds to wait for the outcomes of all routers. A router without one by then ends as V(unknown).
    type: int
    default: 300
  run_holder:
    description:
      - The process that ends with the run, as M(keyturn.devices.rotation_plan) tells it. No password is changed once that process is gone,
        because another run may have taken over by then. A process on another host counts as alive.
    type: str
  not_after:
    description:
      - The moment from which nothing that changes a router is sent. What was not sent by then ends as V(failed) with reason V(not_sent).
      - A date and time of ISO 8601 with its offset from UTC, such as V(2026-01-31T10:15:00Z), or a moment as
        M(keyturn.devices.rotation_plan) tells it, which on the same host is measured by a clock that counts suspended time.
    type: str
  on_device_failure:
    description:
      - Whether the task fails when any router ends as V(failed) or V(unknown) (V(fail)), or only reports it (V(report)).
      - A fault of the whole call, such as bad input, a refused token or a spent quota, fails the task either way, with the same
        return values.
    type: str
    choices: [fail, report]
    default: fail
seealso:
  - module: keyturn.devices.router_info
  - module: keyturn.devices.router_login
"""

EXAMPLES = r"""
- name: Set the passwords of two routers
  keyturn.devices.router_password:
    devices:
      - serial: "1100000007"
        password: "{{ vault_depot_07 }}"
      - serial: "0012345678"
        password: "{{ vault_depot_08 }}"
    rms_token: "{{ vault_rms_token }}"
  delegate_to: localhost
  no_log: true

- name: Set the passwords that a handover list gives, and go on whatever becomes of single routers
  keyturn.devices.router_password:
    csv: handover.csv
    on_device_failure: report
  delegate_to: localhost
  register: handover

- name: Set the password of a router that RMS does not know, by connecting to it directly
  keyturn.devices.router_password:
    via: device
    devices:
      - serial: "1100000007"
        host: depot-07.example.com
        current_password: "{{ vault_depot_07_before }}"
        password: "{{ vault_depot_07 }}"
        fingerprint: "{{ depot_07_fingerprint }}"
  delegate_to: localhost
  no_log: true

- name: Have RMS make passwords
  keyturn.devices.router_password:
    devices:
      - serial: "1100000007"
      - serial: "1100000009"
    generate:
      length: 24
    generated_csv: /srv/passwords/2026-01.csv
  delegate_to: localhost

- name: The task before was interrupted; fetch its list
  keyturn.devices.router_password:
    devices:
      - serial: "1100000007"
      - serial: "1100000009"
    generate:
      collect: true
    generated_csv: /srv/passwords/2026-01.csv
  delegate_to: localhost
"""

RETURN = r"""
devices:
  description: What became of each router, in the order of the input. Also returned when the task fails.
  returned: always
  type: list
  elements: dict
  contains:
    serial:
      description: The serial number as it was given.
      type: str
      returned: always
      sample: "1100000007"
    id:
      description: The id in RMS; C(null) when the router was not found. As it was given with O(via=device).
      type: int
      returned: always
      sample: 70810
    host:
      description: The host as it was given; C(null) when none was.
      type: str
      returned: always
    status:
      description: V(changed), V(unchanged), V(failed) or V(unknown).
      type: str
      returned: always
      sample: changed
    reason:
      description:
        - Why the status is not simply V(changed); empty otherwise.
        - "One of: V(offline), V(rejected_by_policy), V(not_found), V(unauthorized), V(same_password), V(timeout), V(interrupted),
          V(certificate), V(unreachable), V(quota), V(conflict), V(protocol), V(warning), V(rejected), V(bad_input), V(not_sent),
          V(would_change),
          V(list_missing), V(list_incomplete), V(list_unreadable), V(list_gone), V(unconfirmed)."
        - "V(not_sent): another router or the whole call stopped the task before anything was sent to this one. V(list_incomplete) and
          V(list_missing): the password was changed, and the list does not tell it. V(list_unreadable): neither does the list, because more
          than one of its columns, or none, can be the passwords'. V(same_password): RMS claims that the router has this password, which
          only a login can prove. V(unconfirmed): an earlier list holds a password
          that RMS does not confirm."
        - "With O(via=device) also: V(wrong_device), V(not_identified) (the router gives no serial number), V(locked_out), V(no_api),
          V(new_password_refused) (the router confirmed the change and then refused the new password), V(error)."
      type: str
      returned: always
      sample: ""
    message:
      description: The same for people. The vendor's own words where it gave some.
      type: str
      returned: always
      sample: Device password was changed successfully.
    retryable:
      description: Whether the same request may succeed later.
      type: bool
      returned: always
      sample: false
    sent_late:
      description:
        - Whether the request that changes the password left at or after O(not_after), or after the run had ended. Another run may have
          changed the router by then, so what is known of it is in doubt.
      type: bool
      returned: always
      sample: false
    live:
      description:
        - Which password a login proved to be in force, V(new) or V(current). V(neither) when both were refused, C(null) when no login
          proved anything.
      type: str
      returned: with O(via=device)
      sample: new
    wrong_logins:
      description: How many logins the router refused.
      type: int
      returned: with O(via=device)
      sample: 0
    violations:
      description: In what respects the password does not meet the router's rule, where that was found before it was sent.
      type: list
      elements: dict
      returned: with O(via=device)
      contains:
        reason:
          description: Such as V(too_short), V(no_upper), V(no_lower), V(no_digit), V(no_special).
          type: str
          returned: always
        message:
          description: The same for people.
          type: str
          returned: always
      sample: []
summary:
  description: How many routers ended in each status.
  returned: always
  type: dict
  sample: {changed: 498, unchanged: 0, failed: 1, unknown: 1}
requests:
  description: How many HTTP requests were sent.
  returned: always
  type: int
  sample: 5
reason:
  description: The reason of a fault of the whole call.
  returned: when the whole call failed
  type: str
  sample: quota
backup_file:
  description: Where the file went that was at O(generated_csv) before.
  returned: when there was one, outside check mode
  type: str
  sample: /srv/passwords/2026-01.csv.20260131T101500Z~
list_complete:
  description: Whether every list that was fetched came to its end.
  returned: when O(generate) was used, outside check mode
  type: bool
  sample: true
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._http import http_spec
from ansible_collections.keyturn.devices.plugins.module_utils._module import Context, ModuleFailure, run_module
from ansible_collections.keyturn.devices.plugins.module_utils._rms.job import set_by_rms
from ansible_collections.keyturn.devices.plugins.module_utils._rms.options import rms_spec
from ansible_collections.keyturn.devices.plugins.module_utils._run import may_change
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.job import set_on_routers
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.options import router_arguments, routers_spec
from ansible_collections.keyturn.devices.plugins.module_utils._spec import Spec

DEVICE: dict[str, Any] = {
    "serial": {"type": "str", "required": True},
    "password": {"type": "str", "no_log": True},
    "id": {"type": "int"},
    "host": {"type": "str"},
    "current_password": {"type": "str", "no_log": True},
    "try_first": {"type": "str", "choices": ["current", "new"], "default": "current"},
    **router_arguments(),
}
GENERATE: dict[str, Any] = {
    "length": {"type": "int", "default": 20},
    "special": {"type": "bool", "default": True},
    "collect": {"type": "bool", "default": False},
}

SPEC = (
    Spec(
        {
            "via": {"type": "str", "choices": ["rms", "device"], "default": "rms"},
            "devices": {"type": "list", "elements": "dict", "options": DEVICE},
            "csv": {"type": "path"},
            "generate": {"type": "dict", "options": GENERATE},
            "generated_csv": {"type": "path"},
            "rms_method": {"type": "str", "choices": ["set", "upload"], "default": "set"},
            "batch_size": {"type": "int", "default": 500},
            "deadline": {"type": "int", "default": 300},
            "run_holder": {"type": "str"},
            "not_after": {"type": "str"},
            "on_device_failure": {"type": "str", "choices": ["fail", "report"], "default": "fail"},
        },
        {
            "mutually_exclusive": [("devices", "csv"), ("csv", "generate")],
            "required_one_of": [("devices", "csv")],
            "required_together": [("generate", "generated_csv")],
        },
    )
    + rms_spec()
    + routers_spec()
    + http_spec()
)


def work(options: Mapping[str, Any], context: Context) -> dict[str, Any]:
    try:
        goes_on = may_change(options["run_holder"], options["not_after"])
    except ValueError as problem:
        raise ModuleFailure(f"not_after {problem}.", reason="bad_input") from None
    set_passwords = set_on_routers if options["via"] == "device" else set_by_rms
    return set_passwords(options, context, goes_on)


def main() -> None:
    run_module(SPEC, work)


if __name__ == "__main__":
    main()
