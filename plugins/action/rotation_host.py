# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one host says and hears of a run: that it takes part, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ansible_collections.keyturn.devices.plugins.module_utils._module import ModuleFailure
from ansible_collections.keyturn.devices.plugins.plugin_utils._controller import Context, ControllerAction
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.hosts import is_in_step, token_of

_SUMMARY = "_rotation_summary"
#: Groups of the inventory that are named to who misspelt one.
_MOST_GROUPS = 10


class ActionModule(ControllerAction):
    """See the documentation of the module of the same name."""

    _supports_diff = False
    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "state": {"type": "str", "choices": ["matched", "joined", "reported"], "required": True},
        "pattern": {"type": "str"},
        "groups": {"type": "list", "elements": "str", "default": []},
    }
    RULES: ClassVar[dict[str, Any]] = {"required_if": [("state", "matched", ("pattern",))]}

    def work(self, options: dict[str, Any], context: Context) -> dict[str, Any]:
        if options["state"] == "joined":
            return {"changed": False, "token": token_of(self._task), "in_step": is_in_step(self._task)}
        if options["state"] == "matched":
            return self._matched(options["pattern"], options["groups"], context)
        return self._reported(context)

    def _matched(self, pattern: str, groups: list[str], context: Context) -> dict[str, Any]:
        """A run for nobody is no success: a group that is misspelt or empty would be green every night."""
        hosts = context.variables["hostvars"]._inventory.get_hosts(pattern)
        if groups:
            hosts = [host for host in hosts if any(group.name in groups for group in host.get_groups())]
        if not hosts:
            who = f"No host of {' or '.join(groups)}" if groups else "No host"
            present = sorted(set(context.variables["groups"]) - {"all", "ungrouped"})
            raise ModuleFailure(
                f"{who} matches '{pattern}', so there is nothing to do. The inventory has {_as_text(present)}. "
                "Check the inventory (-i), target and --limit.",
                reason="not_found",
            )
        return {"changed": False, "hosts": len(hosts)}

    def _reported(self, context: Context) -> dict[str, Any]:
        registered = context.variables.get(_SUMMARY)
        summary: Mapping[str, Any] = registered if isinstance(registered, Mapping) else {}
        outcomes = summary.get("outcomes", {})
        outcome = outcomes.get(context.variables["inventory_hostname"])
        if outcome is None:
            return {"changed": False, "msg": "Not due.", "status": "not_due", "reason": "", "what_to_do": ""}
        told = {name: outcome[name] for name in ("msg", "status", "reason", "what_to_do")}
        context.unmasked.update(
            told,
            changed=outcome["changed"],
            failed=outcome["red"] and not outcome["unreachable"],
            **({"unreachable": True} if outcome["unreachable"] else {}),
            run_id=summary["summary"]["run_id"],
        )
        return {}


def _as_text(groups: Sequence[str]) -> str:
    if not groups:
        return "no group"
    more = f" and {len(groups) - _MOST_GROUPS} more" if len(groups) > _MOST_GROUPS else ""
    return f"the group{'s'[: len(groups) > 1]} {', '.join(groups[:_MOST_GROUPS])}{more}"
