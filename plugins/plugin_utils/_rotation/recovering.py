# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is to be done with devices whose password is lost: the first step of a recovery, in the place of C(due).

Whoever is named gets a new password, orphaned devices too. One that an earlier run has staged is taken up again: it may be in force.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import PolicyError, violations
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.due import (
    Due,
    Plan,
    Policies,
    Record,
    Rules,
    Unsettled,
    former_passwords,
)
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import Device, Problem, Product, Sighting

LOST = "lost"


def plan_recovery(
    product: Product,
    devices: Sequence[Device],
    records: Mapping[str, Record],
    sightings: Mapping[str, Sighting],
    wanted: Mapping[str, str],
    _rules: Rules,
) -> Plan:
    """As C(due.make_plan)."""
    plan = Plan()
    policies = Policies(product)
    for device in devices:
        record, sighting = records.get(device.name, {}), sightings.get(device.name, Sighting())
        given = wanted.get(device.name, "")
        try:
            policy = policies.of(device, sighting)
        except PolicyError as error:
            plan.problems += [Problem(device.name, f"device_password_policy.{name}", message) for name, message in error.problems]
            continue
        staged = record.get("staged")
        if staged and not _is_given_up(record, staged):
            plan.unsettled.append(Unsettled(device, sighting, awaiting=False, list_id=""))
            continue
        former = former_passwords(record)
        # To set again what is in force brings nothing back.
        broken = violations(given, policy, former if given not in former[:1] else ()) if given else []
        plan.problems += [Problem(device.name, f"device_password_source ({device.source.kind})", each.message) for each in broken]
        if not broken:
            plan.due.append(Due(device, sighting, {LOST: "its password is lost"}, policy, wanted=given, supersede=bool(staged)))
    return plan


def _is_given_up(record: Record, staged: Mapping[str, object]) -> bool:
    """Whether it was tried until nothing more was to be tried; what a recovery has staged since then was not."""
    return bool(record.get("orphaned")) and str(record.get("orphaned_at")) >= str(staged.get("staged_at"))
