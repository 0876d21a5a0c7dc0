# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks whether one PBX could be recovered if its password were lost tonight."""

from __future__ import annotations

import os
import uuid
from typing import Any, ClassVar

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.fleet import note_readiness
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.options import open_ledger
from ansible_collections.keyturn.devices.plugins.module_utils._module import ModuleFailure
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run, runner_identity
from ansible_collections.keyturn.devices.plugins.plugin_utils._controller import Context
from ansible_collections.keyturn.devices.plugins.plugin_utils._near_action import NearAction, without_pipelining
from ansible_collections.keyturn.devices.plugins.plugin_utils._products.pbx_readiness import (
    Looked,
    PbxReadiness,
    checks,
    failed_checks,
)
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.due import Plan
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.planning import Planning
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import Device
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.summary import RECONCILE
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.variables import HostVariables


class ActionModule(NearAction):
    """See the documentation of the module of the same name."""

    _supports_diff = False
    ARGUMENTS: ClassVar[dict[str, Any]] = {}

    def work(self, options: dict[str, Any], context: Context) -> dict[str, Any]:
        name = str(context.variables["inventory_hostname"])
        clean = context.redactor.text
        found = [{**check, "what_to_do": clean(check["what_to_do"])} for check in self._checks(name, options, context)]
        wrong = [f"{check['name']} ({check['reason']}): {check['what_to_do']}" for check in found if not check["ok"]]
        ready = not wrong
        line = f"{name}: ready to be recovered." if ready else f"{name}: could not be recovered tonight. {' '.join(wrong)}"
        context.unmasked.update(failed=not ready, msg=line, ready=ready, checks=found)
        return {"changed": False}

    def _checks(self, name: str, options: dict[str, Any], context: Context) -> list[dict[str, Any]]:
        run = Run(uuid.uuid4().hex, runner_identity(os.getppid()))
        try:
            device = self._device(name, context)
            with open_ledger(options, dry_run=context.check_mode, redactor=context.redactor) as ledger:
                record = ledger.devices([name]).get(name, {})
                current = ledger.passwords([name])[name] or ""
                context.redactor.add(*([current] if current else []))
                looked = self._look(device, current, _why_unknown(record, current), context)
                if looked.logged_in and not context.check_mode:
                    ledger.verified([name], run)
                found = checks(looked, device, may_test=not context.check_mode)
                if not context.check_mode:
                    # What compliance tells in the morning of the night's look.
                    note_readiness(ledger, name, [check["name"] for check in found if not check["ok"]], run)
        except ModuleFailure as problem:
            return failed_checks(str(problem.result.get("reason") or "error"), problem.msg)
        except LedgerError as problem:
            return failed_checks(problem.reason, problem.message)
        return found

    def _device(self, name: str, context: Context) -> Device:
        """ModuleFailure where not even its page can be asked for."""
        variables = HostVariables(context.variables, self._task, self._templar)
        planning = Planning(PbxReadiness(), [name], variables, context.redactor, job=RECONCILE)
        planning.read(context.variables["groups"]["all"])
        for remark in planning.remarks:
            context.warn(remark)
        refused = planning.refused(Plan())
        if refused:
            raise ModuleFailure(refused[0].message, reason=refused[0].reason)
        device = planning.found.devices[0]
        if not self.keeps_secrets(device.site):
            raise ModuleFailure(f"{without_pipelining(device.site)}.", reason="pipelining")
        return device

    def _look(self, device: Device, current: str, why_unknown: str, context: Context) -> Looked:
        def call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
            return self.call_with_browser(device.site, name, arguments, context)

        return PbxReadiness().look(device, current, why_unknown, call, may_test=not context.check_mode)


def _why_unknown(record: dict[str, Any], current: str) -> str:
    """Why the ledger's password is not tried; empty where it is."""
    if record.get("orphaned"):
        return "orphaned"
    if record.get("lease"):
        return "conflict"
    return "" if current else "no_current_password"
