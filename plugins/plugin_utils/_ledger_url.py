# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a relative ledger URL leads on the controller, the same for every plugin and module of a run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible import context
from ansible.plugins.action import ActionBase

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.database import absolute_url
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.options import DEFAULT_URL, URL_VARIABLE


def ledger_url_beside_inventory(url: str | None) -> str:
    """The URL given, else that of the environment, else the default; a relative path starts from the folder of the first inventory.

    Not from C(inventory_dir): with several inventories it differs from host to host, and one run has one ledger.
    """
    return absolute_url(url or os.environ.get(URL_VARIABLE) or DEFAULT_URL, _inventory_folder())


def _inventory_folder() -> str:
    """The working directory where the first inventory is no file, such as a list of hosts."""
    first = next(iter(context.CLIARGS.get("inventory") or ()), "")
    path = os.path.abspath(os.path.expanduser(first))
    if first and os.path.isdir(path):
        return path
    return os.path.dirname(path) if first and os.path.exists(path) else os.getcwd()


class LedgerAction(ActionBase):
    """Runs the module of the same name; on the controller with a URL that does not depend on where the module happens to be run."""

    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if self._connection.transport == "local":
            arguments["ledger_url"] = ledger_url_beside_inventory(arguments.get("ledger_url"))
        result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
        return result
