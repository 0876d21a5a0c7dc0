# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads the ledger, in this process."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.keyturn.devices.plugins.module_utils._ledger import describing, lists
from ansible_collections.keyturn.devices.plugins.plugin_utils._controller import Context, ControllerAction


class ActionModule(ControllerAction):
    """See the documentation of the module of the same name."""

    WORDS: ClassVar[dict[str, frozenset[str]]] = describing.WORDS
    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "devices": {"type": "list", "elements": "str"},
        "include_secrets": {"type": "bool", "default": False, "no_log": False},
        "include_events": {"type": "int", "default": 0},
        "include_retired": {"type": "bool", "default": False},
    }

    def work(self, options: dict[str, Any], context: Context) -> dict[str, Any]:
        with self.open_ledger(options, context, dry_run=True) as ledger:
            # What was asked for is not told to the redactor: everything else is still masked.
            devices = ledger.devices(options["devices"], options["include_secrets"], options["include_events"], options["include_retired"])
            return {
                "changed": False,
                "ledger": ledger.label,
                "identity": ledger.identity,
                "generation": ledger.generation,
                "restored": ledger.restored,
                "devices": devices,
                "lists": lists.describe_lists(ledger),
            }
