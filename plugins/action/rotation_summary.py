# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sums a run up: what happened to each device, and what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.keyturn.devices.plugins.module_utils._module import ModuleFailure
from ansible_collections.keyturn.devices.plugins.plugin_utils._controller import Context, ControllerAction
from ansible_collections.keyturn.devices.plugins.plugin_utils._products.all import product_named
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.summary import Planned, summarise, write_summary
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.tally import Told

# What the tasks before have registered. Read as it is: thousands of devices would be templated otherwise.
_PLAN = "_rotation_plan"
_BATCHES = (("here", "_rotation_batches"), ("elsewhere", "_rotation_site_batches"))


class ActionModule(ControllerAction):
    """See the documentation of the module of the same name."""

    _supports_diff = False
    ARGUMENTS: ClassVar[dict[str, Any]] = {"summary_file": {"type": "path"}}

    def work(self, options: dict[str, Any], context: Context) -> dict[str, Any]:
        plan = context.variables.get(_PLAN)
        if not isinstance(plan, Mapping) or "run_id" not in plan:
            raise ModuleFailure("There is no plan to sum up: rotation_plan comes first.", reason="bad_input")
        planned = Planned.read(plan)
        batches = [_batch(entry, planned, place) for place, entry in sorted(_results(plan, context.variables).items())]
        worked = [batch for batch in batches if batch["worked"]]
        stop = next((batch["stop"] for batch in batches if batch["stop"]), "")
        # In check mode, and where the tag of the batches was left out.
        preview = context.check_mode or not batches
        told = summarise(planned, product_named(plan["product"]), worked, stop, check_mode=preview)
        told["requests"] += plan["requests"]
        outcomes = told.pop("outcomes")
        if not context.check_mode and preview:
            outcomes = {name: {**outcome, "changed": False} for name, outcome in outcomes.items()}
        if options["summary_file"]:
            write_summary(options["summary_file"], json.dumps(told, indent=2))
        context.unmasked.update(
            summary=told, outcomes=outcomes, fleet=planned.devices > planned.recap_limit, _ansible_verbose_override=True
        )
        return {"changed": False}


def _results(plan: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[int, Mapping[str, Any]]:
    """Of every batch that was begun, by its place in the plan. The loops are skipped in check mode, and where there is no batch."""
    results: dict[int, Mapping[str, Any]] = {}
    for where, name in _BATCHES:
        registered = variables.get(name)
        entries = registered.get("results") or [] if isinstance(registered, Mapping) else []
        # What an earlier run has left in that variable is of another run.
        ours = [entry for entry in entries if not entry.get("skipped") and entry.get("run_id", plan["run_id"]) == plan["run_id"]]
        results.update(zip(plan[where], ours, strict=False))
    return results


def _batch(entry: Mapping[str, Any], planned: Planned, place: int) -> Mapping[str, Any]:
    """The result of a batch. One that ended before it could tell anything had not begun."""
    if "told" in entry:
        return {**entry, "place": place}
    why = str(entry.get("msg") or "the task ended without a word")
    told = [Told(name, "not_staged", "not_sent", why).data() for name in planned.batches[place]]
    stop = "" if entry.get("unreachable") else why
    return {"told": told, "worked": True, "stop": stop, "requests": 0, "place": place}
