# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options of everything that connects to routers directly."""

    DOCUMENTATION = r"""
options:
  parallel:
    description:
      - How many routers to connect to at once. There is never more than one connection to the same router.
    type: int
    default: 16
  fingerprint:
    description:
      - SHA-256 fingerprint of the certificate (for SSH, of the host key) of every router, for routers that share one.
        O(devices[].fingerprint) takes precedence.
    type: str
  known_hosts:
    description:
      - For routers reached by SSH, the file with their host keys, in the format of OpenSSH. Defaults to C(~/.ssh/known_hosts).
      - Keys marked C(@revoked) are refused. Other lines that cannot be used, such as those marked C(@cert-authority), are ignored.
      - A host key that is neither in this file nor pinned by a fingerprint is never accepted.
    type: path
notes:
  - "A router locks out an address after ten wrong logins, or fewer if its owner has configured so. At most two are made per router and
    call. A lockout is reported as V(locked_out), and nothing more is sent to that router."
  - "Every session that is opened on a router is ended, even when the task fails, because each one left open occupies memory there."
requirements:
  - paramiko >= 3.4 (for routers reached by SSH)
"""
