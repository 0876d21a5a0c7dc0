# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a look at a fleet begins: whom it is for, what is known of them, and which files come of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._module import ModuleFailure
from ansible_collections.keyturn.devices.plugins.plugin_utils._controller import Context
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.checks import CHECKS, IGNORE, SEVERITIES, Finding, Rules, find
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.inventory import GROUPS, ImpossiblePolicy, Inventory, read_inventory
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.picture import Picture, take_picture
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.variables import FleetVariables

#: Options that both looks have.
ARGUMENTS: Mapping[str, Any] = {
    "target": {"type": "str", "default": "all"},
    "severities": {"type": "dict", "default": {}},
    "readiness_days": {"type": "float", "default": 7.0},
}


def rules_of(options: Mapping[str, Any]) -> Rules:
    """ModuleFailure where they name what there is not."""
    allowed = (*SEVERITIES, IGNORE)
    problems = [f"severities.{check} is no check; there are {', '.join(CHECKS)}" for check in options["severities"] if check not in CHECKS]
    problems += [
        f"severities.{check} must be one of {', '.join(allowed)}"
        for check, severity in options["severities"].items()
        if check in CHECKS and severity not in allowed
    ]
    if options["readiness_days"] < 0:
        problems.append("readiness_days must not be negative")
    if problems:
        raise ModuleFailure(f"Nothing was looked at: {'; '.join(problems)}.", reason="bad_input", problems=problems)
    return Rules(options["severities"], options["readiness_days"])


def read_fleet(options: Mapping[str, Any], context: Context, task: Any, templar: Any) -> tuple[Inventory, bool]:
    """The devices of the run, and whether they are all that the inventory has. ModuleFailure, before the ledger is opened."""
    inventory = context.variables["hostvars"]._inventory
    groups: Mapping[str, Sequence[str]] = context.variables["groups"]
    everybody = {group: [str(name) for name in groups.get(group, ())] for group in GROUPS}
    # Whatever the hosts of the play are, but within --limit.
    wanted = {host.name for host in inventory.get_hosts(options["target"], ignore_restrictions=True)}
    members = {group: [name for name in names if name in wanted] for group, names in everybody.items()}
    if not any(members.values()):
        raise ModuleFailure(
            f"No host of {', '.join(GROUPS[:-1])} or {GROUPS[-1]} matches '{options['target']}', so there is nothing to look at. Check the "
            "inventory, target and --limit.",
            reason="not_found",
        )
    variables = FleetVariables(context.variables, task, templar)
    problems: list[str] = []
    try:
        found = read_inventory({group: names for group, names in members.items() if names}, variables)
    except ImpossiblePolicy as problem:
        problems = [context.redactor.text(text) for text in problem.problems]
    if problems:
        raise ModuleFailure(
            f"No password can meet what is asked for, so nothing was looked at or written: {'; '.join(problems)}.",
            reason="bad_input",
            problems=problems,
        )
    return found, members == everybody


def look(
    inventory: Inventory, whole: bool, ledger: Ledger, rules: Rules, context: Context, *, events: int = 0, runs: int = 0
) -> tuple[Picture, list[Finding]]:
    """The fleet, and what breaks policy."""
    for remark in inventory.remarks:
        context.warn(remark)
    picture = take_picture(inventory, ledger, whole=whole, events=events, runs=runs)
    return picture, find(picture, rules, context.redactor.text)
