#!/usr/bin/python
# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bms_logon
short_description: Prove a password on the WebStation of an EcoStruxure Building Operation server
version_added: 1.0.0
description:
  - Logs on once to the WebStation of an EcoStruxure Building Operation server, to find out whether a password is in force. It never tries
    twice, because nobody publishes after how many wrong passwords an account is locked.
  - The vendor publishes nothing of this logon. It is observed in public clients of other people, on release 6.0.4.90. What a server answers
    in any other way is never taken for a proof.
  - No request that logs off is publicly known. The session of a logon that succeeds, and the client licence it takes, stay until the server
    ends the session itself. The result says so.
  - Whether the temporary password of a password reset works on WebStation is unknown. Prove the new one.
author:
  - Keyturn developers (@keyturn)
extends_documentation_fragment:
  - keyturn.devices.http_client
  - keyturn.devices.attributes
  - keyturn.devices.attributes.action_group_bms
attributes:
  check_mode:
    support: partial
    details:
      - Checks its options and does not log on, because a logon takes a client licence. RV(status) is V(unknown) then.
  diff_mode:
    support: N/A
    details:
      - This module changes nothing.
  idempotent:
    support: N/A
    details:
      - No setting is changed, but every logon leaves a session until the server ends it.
options:
  url:
    description:
      - The server, as a name, an address or a URL, with its port where it is not the usual one. HTTPS unless the URL says C(http://).
      - Over plain HTTP the password itself is not sent, only a digest of it; anybody who listens can try passwords on that.
    type: str
    required: true
  username:
    description: The user to log on as.
    type: str
    default: admin
  password:
    description: The password to prove.
    type: str
    required: true
  domain:
    description: The domain of the user. Empty for the server's own.
    type: str
    default: ""
  fingerprint:
    description:
      - SHA-256 fingerprint of the server's certificate, in hexadecimal digits, with or without colons. It is the way to trust a
        self-signed certificate; O(validate_certs) and O(ca_path) do not count then.
    type: str
seealso:
  - module: keyturn.devices.bms_reset_mode
  - module: keyturn.devices.recovery_step
"""

EXAMPLES = r"""
- name: Is the password in the ledger the one in force?
  keyturn.devices.bms_logon:
    url: https://headquarters.example.com
    password: "{{ lookup('keyturn.devices.password', 'headquarters') }}"
    fingerprint: "{{ headquarters_fingerprint }}"
  delegate_to: localhost
"""

RETURN = r"""
status:
  description:
    - V(proven), the password works. V(refused), the server clearly refused it. V(failed), the server could not be asked, or could not say.
      V(unknown), it was asked, and the answer was lost or is none that is known.
    - The task fails with every status but V(proven).
  returned: always
  type: str
  sample: proven
reason:
  description:
    - Why the status is not V(proven); empty otherwise.
    - "One of: V(unauthorized), V(expired), V(already_logged_on), V(no_licence), V(unreachable), V(certificate), V(timeout),
      V(interrupted), V(protocol), V(not_sent), V(library), V(bad_input)."
  returned: always
  type: str
  sample: ""
message:
  description: The same for people.
  returned: always
  type: str
retryable:
  description: Whether the same task may succeed later.
  returned: always
  type: bool
  sample: false
logged_off:
  description: Whether the session was ended. Always V(false), because no request that does it is known.
  returned: always
  type: bool
  sample: false
session_left:
  description: Whether the server may hold a session, and a client licence, because of this task.
  returned: always
  type: bool
  sample: true
evidence:
  description: How the logon is known. Always V(observed).
  returned: always
  type: str
  sample: observed
wrong_logins:
  description: How many logons the server refused, 0 or 1.
  returned: always
  type: int
  sample: 0
requests:
  description: How many HTTP requests were sent.
  returned: always
  type: int
  sample: 4
"""

from ansible_collections.keyturn.devices.plugins.module_utils._ebo.logon import logon_spec, prove
from ansible_collections.keyturn.devices.plugins.module_utils._module import run_module

SPEC = logon_spec()


def main() -> None:
    run_module(SPEC, prove)


if __name__ == "__main__":
    main()
