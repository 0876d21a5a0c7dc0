# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options by which a module, a lookup or an action finds its ledger."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import env_fallback, missing_required_lib

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.crypto import HAS_CRYPTOGRAPHY
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.database import absolute_url, password_of_url
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.schema import HAS_SQLALCHEMY
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor

URL_VARIABLE = "KEYTURN_LEDGER_URL"
PASSPHRASE_VARIABLE = "KEYTURN_LEDGER_PASSPHRASE"
DEFAULT_URL = "sqlite:///keyturn-ledger.db"
_LONGEST_PASSPHRASE_FILE = 64 * 1024


def ledger_argument_spec() -> dict[str, Any]:
    """For an AnsibleModule. The URL may hold a database password, so all of it is a secret.

    The passphrase's environment variable is read in C(open_ledger) and not here, so that a file named by an option goes before it.
    """
    return {
        "ledger_url": {"type": "str", "default": DEFAULT_URL, "fallback": (env_fallback, [URL_VARIABLE]), "no_log": True},
        "ledger_passphrase": {"type": "str", "no_log": True},
        "ledger_passphrase_file": {"type": "path"},
    }


def open_ledger(
    options: Mapping[str, Any],
    *,
    create: bool = True,
    dry_run: bool = False,
    redactor: Redactor | None = None,
    folder: str | None = None,
) -> Ledger:
    """Open the ledger that the options name; a context manager. Raises LedgerError.

    C(create): make it when there is none, otherwise act as if it were empty. C(dry_run): change nothing. C(redactor): is told every secret
    found on the way. C(folder): what a relative SQLite path starts from, by default the working directory.
    """
    for name, present in (("SQLAlchemy", HAS_SQLALCHEMY), ("cryptography", HAS_CRYPTOGRAPHY)):
        if not present:
            raise LedgerError("library", missing_required_lib(name))
    url = options.get("ledger_url") or DEFAULT_URL
    passphrase = ledger_passphrase(options)
    if redactor is not None:
        redactor.add(passphrase, *password_of_url(url))
    if folder is not None:
        url = absolute_url(url, folder)
    return Ledger.open(url, passphrase, absent="create" if create else "empty", dry_run=dry_run)


def ledger_passphrase(options: Mapping[str, Any]) -> str:
    """From the option, else from the file, else from the environment; empty when none of them has one."""
    given, path = options.get("ledger_passphrase"), options.get("ledger_passphrase_file")
    if given and path:
        raise LedgerError("input", "Give ledger_passphrase or ledger_passphrase_file, not both.")
    if path:
        return read_passphrase_file(str(path))
    return str(given or os.environ.get(PASSPHRASE_VARIABLE, ""))


def read_passphrase_file(path: str) -> str:
    """The first line of the file, without its end."""
    failure: LedgerError
    try:
        with open(os.path.expanduser(path), encoding="utf-8", errors="surrogateescape") as file:
            line = file.readline(_LONGEST_PASSPHRASE_FILE).rstrip("\r\n")
    except OSError as error:
        failure = LedgerError("no_passphrase", f"The passphrase file {path} cannot be read: {error.strerror}.")
    else:
        if line:
            return line
        failure = LedgerError("no_passphrase", f"The first line of the passphrase file {path} is empty.")
    raise failure
