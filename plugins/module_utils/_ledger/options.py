# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options by which a module, a lookup or an action finds its ledger."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from ansible.module_utils.basic import missing_required_lib

from ansible_collections.keyturn.devices.plugins.module_utils._files import FileProblem
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.crypto import HAS_CRYPTOGRAPHY
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.database import Database, password_of_url
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.schema import HAS_SQLALCHEMY
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._module import ModuleFailure
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor

URL_VARIABLE = "KEYTURN_LEDGER_URL"
PASSPHRASE_VARIABLE = "KEYTURN_LEDGER_PASSPHRASE"
DEFAULT_URL = "sqlite:///keyturn-ledger.db"
_LONGEST_PASSPHRASE_FILE = 64 * 1024


def ledger_argument_spec() -> dict[str, Any]:
    """Of everything that finds a ledger. The URL may hold a database password, so all of it is a secret.

    Neither defaults nor the environment are here: what is not given comes from where C(ledger_options) looks, in its order.
    """
    return {
        "ledger_url": {"type": "str", "no_log": True},
        "ledger_passphrase": {"type": "str", "no_log": True},
        "ledger_passphrase_file": {"type": "path", "no_log": False},
    }


def open_ledger(
    options: Mapping[str, Any],
    *,
    dry_run: bool = False,
    expects: tuple[str, int] | None = None,
    redactor: Redactor | None = None,
) -> Ledger:
    """Open the ledger that the options name; a context manager. Raises LedgerError, C(absent) when there is none.

    C(dry_run), C(expects): as for C(Ledger.open). C(redactor): is told every secret found on the way.
    """
    return Ledger.open(*way_in(options, redactor), dry_run=dry_run, expects=expects)


def create_ledger(options: Mapping[str, Any], *, dry_run: bool, redactor: Redactor) -> tuple[Ledger | None, bool]:
    """Make the ledger that the options name, unless it is there. As C(Ledger.create)."""
    return Ledger.create(*way_in(options, redactor), dry_run=dry_run)


def place(options: Mapping[str, Any]) -> str:
    """Where the ledger of the options is or would be, without user information. Raises LedgerError C(invalid_url)."""
    with closing(Database(options.get("ledger_url") or DEFAULT_URL)) as database:
        return database.label


def way_in(options: Mapping[str, Any], redactor: Redactor | None) -> tuple[str, str]:
    """The URL and the passphrase. LedgerError C(library) where one is missing that a ledger needs."""
    for name, present in (("SQLAlchemy", HAS_SQLALCHEMY), ("cryptography", HAS_CRYPTOGRAPHY)):
        if not present:
            raise LedgerError("library", missing_required_lib(name))
    url = options.get("ledger_url") or DEFAULT_URL
    if redactor is not None:
        redactor.add(*password_of_url(url))
    passphrase = ledger_passphrase(options)
    if redactor is not None:
        redactor.add(passphrase)
    return url, passphrase


def ledger_passphrase(options: Mapping[str, Any]) -> str:
    """From the option, else from the file, else from the environment; empty when none of them has one."""
    given, path = options.get("ledger_passphrase"), options.get("ledger_passphrase_file")
    if given and path:
        raise LedgerError("input", "Give ledger_passphrase or ledger_passphrase_file, not both.")
    if path:
        return read_passphrase_file(str(path))
    return str(given or os.environ.get(PASSPHRASE_VARIABLE, ""))


@contextmanager
def reported() -> Iterator[None]:
    """What goes wrong with the ledger, or with a file for it, becomes a module's failure."""
    failure: ModuleFailure | None = None
    try:
        yield
    except LedgerError as error:
        problems = [{"where": place, "message": message} for place, message in error.problems]
        failure = ModuleFailure(error.message, reason=error.reason, problems=problems)
    except FileProblem as error:
        failure = ModuleFailure(error.message, reason=error.reason, problems=[])
    if failure:
        raise failure


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
