# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans a rotation on the controller: who is due, from which source, in which batches."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.options import open_ledger
from ansible_collections.keyturn.devices.plugins.module_utils._module import ModuleFailure
from ansible_collections.keyturn.devices.plugins.plugin_utils._controller import Context, ControllerAction
from ansible_collections.keyturn.devices.plugins.plugin_utils._products.all import NAMES, product_named
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.hosts import hosts_of_run
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.planning import Planning
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.summary import JOBS, ROTATE, summary_of_failure, write_summary
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.variables import HostVariables


class ActionModule(ControllerAction):
    """See the documentation of the module of the same name."""

    _supports_diff = False
    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "product": {"type": "str", "choices": list(NAMES), "default": "routers"},
        "whole_play": {"type": "bool", "default": False},
        "job": {"type": "str", "choices": list(JOBS), "default": ROTATE},
        "summary_file": {"type": "path"},
    }

    def work(self, options: dict[str, Any], context: Context) -> dict[str, Any]:
        try:
            context.unmasked.update(self._plan(options, context))
        except (ModuleFailure, LedgerError) as problem:
            failure = str(problem)
            if options["summary_file"]:
                write_summary(options["summary_file"], json.dumps(summary_of_failure(context.redactor.text(failure)), indent=2))
            raise
        return {"changed": False}

    def _plan(self, options: dict[str, Any], context: Context) -> dict[str, Any]:
        variables = HostVariables(context.variables, self._task, self._templar)
        names = hosts_of_run(self._task, context.variables, variables, options["whole_play"])
        planning = Planning(product_named(options["product"]), names, variables, context.redactor, job=options["job"])
        planning.read(context.variables["groups"]["all"])
        with open_ledger(options, dry_run=context.check_mode, redactor=context.redactor) as ledger:
            planned = planning.plan(ledger)
        for remark in planning.remarks:
            context.warn(remark)
        # Sealed batches are long, and tell nobody anything.
        return {**planned, "_ansible_verbose_override": True}
