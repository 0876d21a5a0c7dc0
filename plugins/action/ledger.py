# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes the ledger, in this process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.options import (
    new_passphrase,
    open_ledger,
)
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.requests import (
    SOURCES,
    collected_passwords,
    import_rows,
    stage_requests,
)
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.rules import LIVE, OUTCOMES, PROOFS, Outcome
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger, Result
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.transfer import SLOTS, export_csv, read_import, write_secret_file
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.floors import PRODUCTS
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run
from ansible_collections.keyturn.devices.plugins.plugin_utils._controller import Context, ControllerAction

DEVICE_OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "serial": {"type": "str"},
    "source": {"type": "str", "choices": list(SOURCES), "default": "generate"},
    "password": {"type": "str", "no_log": True},
    "policy": {"type": "dict"},
    "product": {"type": "str", "choices": list(PRODUCTS)},
    "firmware": {"type": "str"},
    "supersede": {"type": "bool", "default": False},
    "expected_current": {"type": "str"},
    "generated_csv": {"type": "path"},
    "identifiers": {"type": "list", "elements": "str"},
    "outcome": {"type": "str", "choices": list(OUTCOMES)},
    "reason": {"type": "str"},
    "proof": {"type": "str", "choices": list(PROOFS)},
    "live": {"type": "str", "choices": list(LIVE)},
}


def settle(ledger: Ledger, run: Run, options: Mapping[str, Any]) -> Sequence[Result]:
    state, devices = options["state"], options["devices"] or []
    if state == "settled":
        missing = [device["name"] for device in devices if device["outcome"] is None and device["live"] is None]
        if missing:
            raise LedgerError("input", f"Device {missing[0]!r}: an outcome is needed, or which password is live.")
        outcomes = [
            Outcome(device["name"], device["outcome"] or "unknown", device["reason"] or "", device["proof"] or "none", device["live"])
            for device in devices
        ]
        return ledger.settle(outcomes, run, options["max_attempts"])
    live = "staged" if state == "committed" else "current"
    outcomes = [Outcome(device["name"], "unknown", device["reason"] or "decided", device["proof"] or "none", live) for device in devices]
    return ledger.settle(outcomes, run, options["max_attempts"], claim=True)


def collect(ledger: Ledger, run: Run, options: Mapping[str, Any], redactor: Redactor) -> Sequence[Result]:
    passwords, missing = collected_passwords(options["devices"], options["generated_csv"], options["list_complete"], redactor)
    results = {result.name: result for result in ledger.collect(run, passwords)}
    results.update((name, Result(name, "not_in_list")) for name in missing)
    return [results[device["name"]] for device in options["devices"]]


def change_devices(ledger: Ledger, run: Run, options: Mapping[str, Any], redactor: Redactor) -> Sequence[Result]:
    """The states that say something about devices."""
    state, devices = options["state"], options["devices"] or []
    names = [device["name"] for device in devices]
    if state == "staged":
        return ledger.stage(stage_requests(devices, redactor), run, options["lease_seconds"])
    if state == "collected":
        return collect(ledger, run, options, redactor)
    if state == "resumed":
        return ledger.resume(names, run, options["lease_seconds"], options["max_attempts"])
    if state == "verified":
        proofs = {device["proof"] or "login" for device in devices}
        if len(proofs) > 1:
            raise LedgerError("input", "One call records one kind of proof.")
        return ledger.verified(names, run, *proofs)
    if state == "imported":
        rows = read_import(options["path"], ledger.names_by_serial()) if options["path"] else import_rows(devices)
        redactor.add(*(row.password for row in rows))
        return ledger.import_passwords(rows, run)
    return settle(ledger, run, options)


class ActionModule(ControllerAction):
    """See the documentation of the module of the same name."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "state": {
            "type": "str",
            "required": True,
            "choices": [
                *("staged", "collected", "resumed", "settled", "committed", "dropped"),
                *("verified", "imported", "exported", "rekeyed"),
            ],
        },
        "devices": {"type": "list", "elements": "dict", "options": DEVICE_OPTIONS},
        "run_id": {"type": "str"},
        "run_holder": {"type": "str"},
        "lease_seconds": {"type": "int", "default": 900},
        "max_attempts": {"type": "int", "default": 5},
        "generated_csv": {"type": "path"},
        "list_complete": {"type": "bool", "default": False},
        "path": {"type": "path"},
        "slots": {"type": "list", "elements": "str", "choices": list(SLOTS), "default": ["current"]},
        "overwrite": {"type": "bool", "default": False},
        "new_passphrase": {"type": "str", "no_log": True},
        "new_passphrase_file": {"type": "path", "no_log": False},
    }
    RULES: ClassVar[dict[str, Any]] = {
        "required_if": [
            ("state", "staged", ("devices", "run_id")),
            ("state", "collected", ("devices", "run_id")),
            ("state", "resumed", ("devices", "run_id")),
            ("state", "settled", ("devices", "run_id")),
            ("state", "committed", ("devices",)),
            ("state", "dropped", ("devices",)),
            ("state", "verified", ("devices",)),
            ("state", "imported", ("devices", "path"), True),
            ("state", "exported", ("path",)),
            ("state", "rekeyed", ("new_passphrase", "new_passphrase_file"), True),
        ],
        "mutually_exclusive": [("new_passphrase", "new_passphrase_file")],
    }

    def work(self, options: dict[str, Any], context: Context) -> dict[str, Any]:
        run = Run(options["run_id"] or "by hand", options["run_holder"] or "")
        if options["state"] == "rekeyed":
            return new_passphrase(options, run, context.redactor, dry_run=context.check_mode)
        absent = "empty" if context.check_mode else "create" if options["state"] in ("staged", "imported") else "fail"
        with open_ledger(options, absent=absent, dry_run=context.check_mode, redactor=context.redactor) as ledger:
            if options["state"] == "exported":
                content, count = export_csv(ledger.devices(include_secrets=True), options["slots"])
                changed = write_secret_file(options["path"], content, options["overwrite"], dry_run=context.check_mode)
                return {"changed": changed, "path": options["path"], "passwords": count}
            results = change_devices(ledger, run, options, context.redactor)
        exchanged = [result.name for result in results if "serial_changed" in result.warnings]
        if exchanged:
            context.warn(f"The serial number of {len(exchanged)} device(s) changed, and their passwords stay: {', '.join(exchanged[:10])}")
        changed_lines = [f"{result.name}: {result.status}\n" for result in results if result.changed]
        return {
            "changed": bool(changed_lines),
            "devices": [
                {
                    "name": result.name,
                    "status": result.status,
                    "reason": result.reason,
                    "changed": result.changed,
                    "warnings": list(result.warnings),
                    **result.details,
                }
                for result in results
            ],
            "summary": dict(Counter(result.status for result in results)),
            **({"diff": {"before": "", "after": "".join(changed_lines)}} if context.diff else {}),
        }
