# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose password can be verified by a login: in the place of C(due) where a run only logs in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.due import Plan, Record, Refused, Rules
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import Device, Product, Sighting


def plan_verification(
    product: Product,
    devices: Sequence[Device],
    records: Mapping[str, Record],
    _sightings: Mapping[str, Sighting],
    _wanted: Mapping[str, str],
    _rules: Rules,
) -> Plan:
    """As C(due.make_plan): who is logged in to, and why the others are not."""
    plan = Plan()
    for device in devices:
        why = why_not(product, device, records.get(device.name, {}))
        if why:
            plan.refused.append(Refused(device.name, *why))
        else:
            plan.verifiable.append(device)
    return plan


def why_not(product: Product, device: Device, record: Record) -> tuple[str, str] | None:
    """A result of C(tally) and a reason; None for a device that can be asked."""
    if record.get("orphaned"):
        return "orphaned", str(record.get("orphaned_reason") or "")
    if record.get("staged"):
        return "left_to_reconcile", ""
    if record.get("lease"):
        return "busy", "leased"
    if not product.can_prove(device):
        return "not_provable", ""
    return None if record.get("current") else ("unknown_password", "no_current_password")
