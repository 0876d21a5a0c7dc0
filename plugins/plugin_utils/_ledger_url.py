# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the controller finds its ledger: one answer for every module, action and lookup of a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible import context

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.database import absolute_url, path_of_url
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.options import DEFAULT_URL, URL_VARIABLE

_PASSPHRASE_OPTIONS = ("ledger_passphrase", "ledger_passphrase_file")


def ledger_options(given: Mapping[str, Any], variables: Mapping[str, Any], template: Callable[[Any], Any]) -> dict[str, str | None]:
    """C(ledger_url), C(ledger_passphrase) and C(ledger_passphrase_file) as C(open_ledger) takes them.

    Each from what the task or the lookup gives, else from the Ansible variable of the same name, else from the environment, else the
    default. A passphrase and a file with one count as one option: what is given directly goes before a variable of the other name.
    C(template): resolves a variable. Raises LedgerError C(input) for a ledger inside an inventory directory, and what C(template) raises.
    """

    def of_variable(name: str) -> str | None:
        value = variables.get(name)
        resolved = None if value is None else template(value)
        return None if resolved is None else str(resolved)

    passphrases: dict[str, str | None] = {name: given.get(name) for name in _PASSPHRASE_OPTIONS}
    if not any(passphrases.values()):
        passphrases = {name: of_variable(name) for name in _PASSPHRASE_OPTIONS}
    return {"ledger_url": ledger_url_beside_inventory(given.get("ledger_url") or of_variable("ledger_url")), **passphrases}


def ledger_url_beside_inventory(url: str | None) -> str:
    """The URL given, else that of the environment, else the default; a relative path starts beside the first inventory.

    Not from C(inventory_dir): with several inventories it differs from host to host, and one run has one ledger. Beside an inventory that
    is a directory, because Ansible would read what lies in it as an inventory: there a ledger is refused.
    """
    absolute = absolute_url(url or os.environ.get(URL_VARIABLE) or DEFAULT_URL, beside_inventory())
    path = path_of_url(absolute)
    for directory in _inventory_directories() if path else ():
        if os.path.commonpath((directory, os.path.realpath(str(path)))) == directory:
            raise LedgerError(
                "input",
                f"The ledger file {path} would lie inside the inventory directory {directory}, where Ansible reads every file as an "
                "inventory. Nothing was changed. Keep it beside the directory: set ledger_url or KEYTURN_LEDGER_URL.",
            )
    return absolute


def beside_inventory() -> str:
    """Where lies what is not told where to: beside the first inventory, or in the working directory where that is no path."""
    first = next(_inventory_paths(), "")
    return os.path.dirname(first) if os.path.exists(first) else os.getcwd()


def _inventory_directories() -> Iterator[str]:
    return (os.path.realpath(path) for path in _inventory_paths() if os.path.isdir(path))


def _inventory_paths() -> Iterator[str]:
    for source in context.CLIARGS.get("inventory") or ():
        yield os.path.abspath(os.path.expanduser(source))
