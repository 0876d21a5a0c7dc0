# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options of everything that reaches routers themselves."""

    DOCUMENTATION = r"""
options:
  parallel:
    description:
      - How many routers are asked at once. One router is never asked by two connections at once.
    type: int
    default: 16
  fingerprint:
    description:
      - SHA-256 fingerprint of the certificate that every router shows (for SSH, of its host key), for routers that share one.
        O(devices[].fingerprint) goes before it.
    type: str
  known_hosts:
    description:
      - For routers reached by SSH, the file that knows their host keys. By default the user's own.
      - A host key that is neither there nor pinned by a fingerprint is never accepted.
    type: path
notes:
  - "A router locks out an address after ten wrong log-ins (fewer where its owner says so). At most two are made per router and call, and
    a lock-out is told as V(locked_out), after which nothing more is sent to that router."
  - "Every session that is opened on a router is ended, also when the task fails; a router keeps memory for each that is left open."
requirements:
  - paramiko >= 3.4 (for routers reached by SSH)
"""
