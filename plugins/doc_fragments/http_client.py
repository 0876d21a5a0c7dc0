# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options of everything that speaks HTTP."""

    DOCUMENTATION = r"""
options:
  validate_certs:
    description:
      - Whether the server's certificate must be valid and trusted.
      - Without it, anybody between you and the server can read the token and every password.
    type: bool
    default: true
  ca_path:
    description:
      - A file (or a directory prepared with C(openssl rehash)) of certificates to trust instead of those of the system.
    type: path
  timeout:
    description:
      - Seconds to wait for a connection, and for each piece of a reply.
    type: int
    default: 30
requirements:
  - requests >= 2.31.0
  - urllib3 >= 2.2.0
"""
