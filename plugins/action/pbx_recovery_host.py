# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recovers the password of one PBX on the controller: stage, ask, prove, settle, as every rotation does."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.options import open_ledger
from ansible_collections.keyturn.devices.plugins.module_utils._module import ModuleFailure
from ansible_collections.keyturn.devices.plugins.plugin_utils._controller import Context
from ansible_collections.keyturn.devices.plugins.plugin_utils._near_action import NearAction, without_pipelining
from ansible_collections.keyturn.devices.plugins.plugin_utils._products.pbx_recovery import PbxRecovery
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.batch import Order
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.planning import Planning
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.recovering import plan_recovery
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.steps import work_batch
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.tally import Told
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.variables import HostVariables


class ActionModule(NearAction):
    """See the documentation of the module of the same name."""

    _supports_diff = False
    ARGUMENTS: ClassVar[dict[str, Any]] = {}

    def work(self, options: dict[str, Any], context: Context) -> dict[str, Any]:
        name = str(context.variables["inventory_hostname"])
        product = PbxRecovery()
        told = self._told(name, product, options, context)
        outcome = product.outcome(told)
        # All else is this collection's own words.
        outcome = {**outcome, "message": context.redactor.text(outcome["message"]), "name": name}
        context.unmasked.update(
            changed=outcome["status"] == "changed",
            failed=outcome["status"] in ("failed", "unknown"),
            msg=_line(name, outcome, context.check_mode),
            result=outcome,
            status=outcome["status"],
            reason=outcome["reason"],
        )
        return {}

    def _told(self, name: str, product: PbxRecovery, options: dict[str, Any], context: Context) -> Told:
        """What became of it. Before anything was sent, whatever is wrong is its outcome."""
        try:
            return self._recover(name, product, options, context)
        except ModuleFailure as problem:
            return Told(name, "not_staged", str(problem.result.get("reason") or "error"), problem.msg)
        except LedgerError as problem:
            return Told(name, "not_staged", problem.reason, problem.message)

    def _recover(self, name: str, product: PbxRecovery, options: dict[str, Any], context: Context) -> Told:
        variables = HostVariables(context.variables, self._task, self._templar)
        planning = Planning(product, [name], variables, context.redactor)
        planning.read(context.variables["groups"]["all"])
        for remark in planning.remarks:
            context.warn(remark)
        with open_ledger(options, dry_run=context.check_mode, redactor=context.redactor) as ledger:
            plan, _records, orders = planning.decide(ledger, plan_recovery)
            refused = planning.refused(plan)
            if refused:
                return refused[0]
            if context.check_mode:
                return Told(name, "would_change", "would_change")
            order = orders[0]
            site = order.batch.site
            if not self.keeps_secrets(site):
                return Told(name, "not_staged", "pipelining", without_pipelining(site))
            self._announce(order)
            return work_batch(order, self.surroundings(ledger, product, site, context)).told[0]

    def _announce(self, order: Order) -> None:
        name = order.batch.members[0].device.name
        what = "recovering it" if order.batch.stages else "carrying on what an earlier run began"
        self._display.display(f"{name}: {what}; waiting for the mail may take {order.batch.terms['deadline']} s")


def _line(name: str, outcome: dict[str, Any], check_mode: bool) -> str:
    if check_mode and outcome["status"] == "changed":
        return f"{name}: its password would be recovered."
    words = {"changed": "recovered", "unchanged": "not lost", "failed": "not recovered", "unknown": "not known whether it was recovered"}
    reason = f" ({outcome['reason']})" if outcome["reason"] else ""
    parts = [f"{name}: {words[outcome['status']]}{reason}.", outcome["message"]]
    if outcome["open"]:
        parts.append("The new password stays staged in the ledger.")
    if outcome["link_lives_until"]:
        parts.append(f"The link that was asked for lives until {outcome['link_lives_until']}.")
    return " ".join(part for part in (*parts, outcome["what_to_do"]) if part)
