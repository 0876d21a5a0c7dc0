# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the passwords of the ledger are in force: one login per device, with its current password and no other. No device is changed.

In the place of C(steps): what came of it. Who can be asked, in the place of C(due), is in C(verifiable), which a plan needs without this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import Result
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run, Until, is_dead
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.batch import Order
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import (
    CURRENT,
    Field,
    NotKept,
    Proof,
    Taken,
)
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.steps import Surroundings, Worked
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.tally import Told
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.verifiable import why_not

# A device that is away says nothing of its password.
_AWAY = ("offline", "unreachable")


class _NoLists:
    """Nothing is fetched."""

    def reserve(self, size: int) -> None:
        raise NotKept("nothing is fetched")

    def append(self, piece: bytes) -> None:
        raise NotKept("nothing is fetched")

    def content(self) -> bytes:
        return b""


def verify_batch(order: Order, around: Surroundings) -> Worked:
    """Log in to each device once, and tell the ledger what that showed. Raises LedgerError."""
    ledger, worked = around.ledger, Worked()
    members = {member.device.name: member for member in order.batch.members}
    # Since the plan was made another run may have come.
    records = ledger.devices(list(members))
    here = [member for name, member in members.items() if not why_not(around.product, member.device, records.get(name, {}))]
    tried = {member.device.name: str(records[member.device.name]["current"]["id"]) for member in here}
    passwords = ledger.passwords(list(tried))
    around.redactor.add(*passwords.values())
    for name in members.keys() - tried.keys():
        result, reason = why_not(around.product, members[name].device, records.get(name, {})) or ("", "")
        worked.told.append(Told(name, result, reason))
    batch = [Taken(member, "", passwords[member.device.name] or "") for member in here]
    worked.tried = [taken.name for taken in batch]
    if batch:
        field = _field(order, around)
        proofs = around.product.prove([(taken, (CURRENT,)) for taken in batch], field)
        worked.requests, worked.stop = field.requests, field.stop
        worked.told += _told(order, around, tried, {taken.name: proof for taken, proof in zip(batch, proofs, strict=True)})
    return worked


def _field(order: Order, around: Surroundings) -> Field:
    until = Until.after(float(order.batch.terms["deadline"]))
    return Field(
        redactor=around.redactor,
        until=until,
        run_holder=around.holder,
        call=around.call,
        lists=_NoLists(),
        may_change=lambda: not until.passed() and not is_dead(around.holder),
        call_apart=around.call_apart,
    )


def _told(order: Order, around: Surroundings, tried: Mapping[str, str], proofs: Mapping[str, Proof]) -> Iterable[Told]:
    run = Run(order.run_id, around.holder)
    proven = [name for name, proof in proofs.items() if proof.live == CURRENT]
    refused = [name for name, proof in proofs.items() if proof.refused]
    results: dict[str, Result] = {}
    for recorded in (
        around.ledger.verified(proven, run, tried={name: tried[name] for name in proven}) if proven else [],
        around.ledger.disproved({name: tried[name] for name in refused}, run) if refused else [],
    ):
        results.update((result.name, result) for result in recorded)
    for name, proof in proofs.items():
        if name in results:
            result = results[name]
            # What another run has changed meanwhile was bound to be refused.
            reason = "unauthorized" if result.status == "disproved" else result.reason
            yield Told(name, result.status, reason, proof.message if result.status == "disproved" else "")
        elif proof.reason in _AWAY:
            yield Told(name, "offline", "offline", proof.message)
        else:
            yield Told(name, "unproven", proof.reason or "error", proof.message)
