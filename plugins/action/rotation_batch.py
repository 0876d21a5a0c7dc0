# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Works one batch of a rotation: stage, ask, prove, settle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.options import open_ledger
from ansible_collections.keyturn.devices.plugins.plugin_utils._controller import Context
from ansible_collections.keyturn.devices.plugins.plugin_utils._near_action import NearAction, without_pipelining
from ansible_collections.keyturn.devices.plugins.plugin_utils._products.all import product_named
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.batch import Order, expected_ledger, unsealed
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import Product
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.steps import Worked, work_batch
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.summary import unmasked_told
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.tally import Tally, Told
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.verifying import verify_batch

# A loop over batches runs in one process: what its items have in common stays here from one to the next, by run.
_TALLIES: dict[str, Tally] = {}
# How far a ledger had come, by identity: an older copy that is put back between two batches is noticed.
_SEEN: dict[str, int] = {}


# What the task before this one has registered.
_EARLIER = "_rotation_batches"


class ActionModule(NearAction):
    """See the documentation of the module of the same name."""

    _supports_check_mode = False
    _supports_diff = False
    ARGUMENTS: ClassVar[dict[str, Any]] = {"sealed": {"type": "str", "required": True}}

    def work(self, options: dict[str, Any], context: Context) -> dict[str, Any]:
        identity, generation = expected_ledger(options["sealed"])
        expects = (identity, max(generation, _SEEN.get(identity, 0)))
        with open_ledger(options, redactor=context.redactor, expects=expects) as ledger:
            order = unsealed(ledger, options["sealed"])
            product = product_named(order.product)
            if order.run_id not in _TALLIES:
                _TALLIES[order.run_id] = _tally(order, product, context)
            tally = _TALLIES[order.run_id]
            if tally.stop:
                return self._result(order, None, tally, context)
            context.redactor.add(*{secret for member in order.batch.members for secret in product.secrets(member.device)})
            around = self.surroundings(ledger, product, order.batch.site, context)
            may_work = not order.batch.kind.goes_near or self.keeps_secrets(order.batch.site)
            work = verify_batch if order.batch.kind.verifies else work_batch
            worked = work(order, around) if may_work else _refused(order)
            _SEEN[identity] = ledger.generation
        failed_before = [member.device.name for member in order.batch.members if member.failed_before]
        tally.add(worked.told, len(set(worked.tried) - set(failed_before)), failed_before, worked.stop)
        return self._result(order, worked, tally, context)

    def _result(self, order: Order, worked: Worked | None, tally: Tally, context: Context) -> dict[str, Any]:
        clean = context.redactor.text
        context.unmasked.update(
            run_id=order.run_id,
            number=order.batch.number,
            worked=worked is not None,
            told=unmasked_told(worked.told if worked else (), clean),
            stop=clean(tally.stop),
            requests=worked.requests if worked else 0,
            tally={"tried": tally.tried, "failures": tally.failures, "counts": dict(tally.counts), "stop": clean(tally.stop)},
        )
        if worked is not None:
            word = "Verify, batch" if order.batch.kind.verifies else "Batch" if order.batch.stages else "Reconcile, batch"
            self._display.display(f"{word} {order.batch.number} of {order.batches}: {tally.progress}")
        return {"changed": bool(worked and any(told.status == "changed" for told in worked.told))}


def _tally(order: Order, product: Product, context: Context) -> Tally:
    """A new one, or where another task has worked the first batches of the run, as it left it."""
    # Who only logs in leaves nothing behind at a device that would be a reason to stop.
    tally = Tally(100 if order.batch.kind.verifies else order.settings["failure_limit_percent"], product.nouns)
    earlier = context.variables.get(_EARLIER)
    results = earlier.get("results") or [] if isinstance(earlier, Mapping) else []
    mine = [entry["tally"] for entry in results if entry.get("run_id") == order.run_id]
    if mine:
        tally.tried, tally.failures, tally.stop = mine[-1]["tried"], mine[-1]["failures"], mine[-1]["stop"]
        tally.counts.update(mine[-1]["counts"])
    return tally


def _refused(order: Order) -> Worked:
    message = without_pipelining(order.batch.site)
    return Worked([Told(member.device.name, "not_staged", "pipelining", message) for member in order.batch.members])
