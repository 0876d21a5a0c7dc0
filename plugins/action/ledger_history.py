# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tells what happened by run and date, and who waits, from the ledger alone."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from ansible_collections.keyturn.devices.plugins.module_utils._files import write_secret_file
from ansible_collections.keyturn.devices.plugins.module_utils._ledger import history
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.plugin_utils._controller import Context, ControllerAction
from ansible_collections.keyturn.devices.plugins.plugin_utils._products.all import NAMES, product_named
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.due import parse_time
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.variables import HostVariables, VariableError

_DAY = 86400.0


class ActionModule(ControllerAction):
    """See the documentation of the module of the same name."""

    _supports_diff = False
    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "run": {"type": "str", "default": ""},
        "since": {"type": "str", "default": ""},
        "devices": {"type": "list", "elements": "str"},
        "max_age_days": {"type": "int", "default": 90},
        "path": {"type": "path"},
    }

    def work(self, options: dict[str, Any], context: Context) -> dict[str, Any]:
        with self.open_ledger(options, context, dry_run=True) as ledger:
            now = ledger.now()
            since = _since(options, now)
            events = history.read_history(ledger, since, options["run"])
            if options["run"] and not events:
                raise LedgerError("input", f"The ledger knows no run {options['run']}.")
            devices = ledger.devices(options["devices"])
            told: dict[str, Any] = {
                "ledger": ledger.label,
                "run": options["run"],
                "since": None if since is None else history.moment(since),
            }
        named = set(devices)
        mine = [event for event in events if options["devices"] is None or event["name"] in named]
        told["runs"] = history.runs_of(mine)
        told["ended_badly"] = history.ended_badly(mine)
        ages = dict(self._greatest_ages(devices, options["max_age_days"], context))
        told.update(history.waiting(devices, ages, now, lambda text: parse_time(text).timestamp()))
        if options["path"]:
            # In check mode too: it is what was asked for, and nothing but a report.
            write_secret_file(options["path"], json.dumps(told, indent=2).encode("utf-8", "surrogateescape"), overwrite=True)
        context.unmasked.update(told, lines=history.as_text(told))
        return {"changed": False}

    def _greatest_ages(self, names: Iterable[str], usual: int, context: Context) -> Iterable[tuple[str, int]]:
        """By the policy of each device that the inventory knows; C(usual): of rotated devices that set none."""
        variables = HostVariables(context.variables, self._task, self._templar)
        groups: Mapping[str, Any] = context.variables.get("groups") or {}
        products = [product_named(name) for name in NAMES]
        rotated = {host: product for product in products for host in groups.get(product.name, ())}
        for name in names:
            if not variables.knows(name):
                continue
            raw = variables.of(name)
            product = rotated.get(name)
            wanted = raw.get("device_password_policy", raw.get(f"{product.prefix}policy") if product else None)
            try:
                policy = variables.resolve(wanted, raw)
            except VariableError as problem:
                context.warn(f"{name}: device_password_policy cannot be resolved: {problem}")
                continue
            if isinstance(policy, Mapping) and isinstance(policy.get("max_age_days"), int):
                yield name, int(policy["max_age_days"])
            elif product and not policy:
                yield name, usual


def _since(options: Mapping[str, Any], now: float) -> float | None:
    """From when on events count, in seconds since the epoch; None for all of them."""
    if not options["since"]:
        return None if options["run"] else now - _DAY
    try:
        moment = parse_time(options["since"])
    except ValueError:
        moment = None
    if moment is None:
        raise LedgerError("input", "since must be a date or a time such as 2026-11-20 or 2026-11-20T22:00:00+01:00.")
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)).timestamp()
