# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads the ledger, in this process."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.options import open_ledger
from ansible_collections.keyturn.devices.plugins.plugin_utils._controller import Context, ControllerAction


class ActionModule(ControllerAction):
    """See the documentation of the module of the same name."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "devices": {"type": "list", "elements": "str"},
        "include_secrets": {"type": "bool", "default": False, "no_log": False},
        "include_events": {"type": "int", "default": 0},
    }

    def work(self, options: dict[str, Any], context: Context) -> dict[str, Any]:
        with open_ledger(options, absent="empty", dry_run=True, redactor=context.redactor) as ledger:
            # What was asked for is not told to the redactor: everything else is still masked.
            return {"changed": False, "devices": ledger.devices(options["devices"], options["include_secrets"], options["include_events"])}
