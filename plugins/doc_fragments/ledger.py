# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options by which everything finds its ledger."""

    DOCUMENTATION = r"""
options:
  ledger_url:
    description:
      - Where the ledger is, as V(sqlite:///path) or V(postgresql+psycopg://user:password@host/database).
      - A relative path starts from the directory in which the first inventory of the run lies, be that a file or a directory. Where it is
        neither, it starts from the working directory. A ledger inside an inventory directory is refused.
      - When it is not given, the variable C(ledger_url) of the host counts, then the environment variable E(KEYTURN_LEDGER_URL).
      - It may hold a database password, so all of it is treated as a secret. In user and password every C(@), C(:), C(/), C(?) and C(#) has
        to be percent-encoded.
    type: str
    default: sqlite:///keyturn-ledger.db
  ledger_passphrase:
    description:
      - What the passwords in the ledger are encrypted with, 8 characters or more. Whoever makes the ledger chooses it; without it no
        password can be read again.
      - When neither this option nor O(ledger_passphrase_file) is given, the variables of the host with these names count, then the
        environment variable E(KEYTURN_LEDGER_PASSPHRASE).
    type: str
  ledger_passphrase_file:
    description:
      - A file whose first line is the passphrase, instead of O(ledger_passphrase).
    type: path
requirements:
  - SQLAlchemy >= 2.0.25
  - cryptography >= 42.0
  - psycopg >= 3.1.18 (for a ledger on PostgreSQL)
"""
