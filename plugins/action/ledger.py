# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes the ledger, in this process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from ansible_collections.keyturn.devices.plugins.module_utils._files import write_secret_file
from ansible_collections.keyturn.devices.plugins.module_utils._ledger import backups, describing, people
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.crypto import check_passphrase
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError, named
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.options import (
    create_ledger,
    ledger_passphrase,
    open_ledger,
    place,
    read_passphrase_file,
    way_in,
)
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import ImportRow, Result
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.requests import (
    SOURCES,
    decisions,
    import_rows,
    settlements,
    stage_requests,
)
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.rules import LIVE, OUTCOMES, PROOFS
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.transfer import SLOTS, export_csv, read_import
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.floors import PRODUCTS
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run
from ansible_collections.keyturn.devices.plugins.plugin_utils._controller import Context, ControllerAction

Options = Mapping[str, Any]

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
    "list_id": {"type": "str"},
    "outcome": {"type": "str", "choices": list(OUTCOMES)},
    "reason": {"type": "str"},
    "proof": {"type": "str", "choices": list(PROOFS)},
    "live": {"type": "str", "choices": list(LIVE)},
    "password_id": {"type": "str", "no_log": False},
    "late": {"type": "bool", "default": False},
}

# What following serial numbers found, and the sentence for it.
_FOLLOWED = {
    "renamed": "The inventory has another name for {count} device(s), which the ledger took over with all their passwords: {names}",
    "exchanged": "The serial number of {count} device(s) is another one: what the ledger knew of the old ones was put away: {names}",
    "lease_capped": "A lease of {count} device(s) ended later than any can, as if a clock had been wrong. It was shortened: {names}",
}


def staged(ledger: Ledger, run: Run, options: Options, redactor: Redactor) -> Sequence[Result]:
    return ledger.stage(stage_requests(options["devices"], redactor), run, options["lease_seconds"])


def resumed(ledger: Ledger, run: Run, options: Options, _redactor: Redactor) -> Sequence[Result]:
    return ledger.resume(_names(options), run, options["lease_seconds"], options["max_attempts"])


def settled(ledger: Ledger, run: Run, options: Options, _redactor: Redactor) -> Sequence[Result]:
    return ledger.settle(settlements(options["devices"]), run, options["max_attempts"])


def committed(ledger: Ledger, run: Run, options: Options, _redactor: Redactor) -> Sequence[Result]:
    return ledger.settle(decisions(options["devices"], "staged"), run, options["max_attempts"], claim=True)


def dropped(ledger: Ledger, run: Run, options: Options, _redactor: Redactor) -> Sequence[Result]:
    return ledger.settle(decisions(options["devices"], "current"), run, options["max_attempts"], claim=True)


def verified(ledger: Ledger, run: Run, options: Options, _redactor: Redactor) -> Sequence[Result]:
    proofs = {device["proof"] or "login" for device in options["devices"]}
    if len(proofs) > 1:
        raise LedgerError("input", "One call records one kind of proof.")
    tried = {device["name"]: device["password_id"] for device in options["devices"] if device["password_id"]}
    return ledger.verified(_names(options), run, proofs.pop() if proofs else "login", tried)


def disproved(ledger: Ledger, run: Run, options: Options, _redactor: Redactor) -> Sequence[Result]:
    without = [device["name"] for device in options["devices"] if not device["password_id"]]
    if without:
        raise LedgerError("input", f"The id of the password that was refused is needed: {named(without)}.")
    return ledger.disproved({device["name"]: device["password_id"] for device in options["devices"]}, run)


def imported(ledger: Ledger, run: Run, options: Options, redactor: Redactor) -> Sequence[Result]:
    given: Mapping[str, Any] = options["serials"] or {}
    serials = {name: str(serial) for name, serial in given.items() if serial}
    if options["path"]:
        known = {serial: name for serial, name in ledger.names_by_serial().items() if name not in serials}
        rows = read_import(options["path"], {**known, **{serial: name for name, serial in serials.items()}})
    else:
        rows = [ImportRow(row.name, row.password, row.serial or serials.get(row.name)) for row in import_rows(options["devices"])]
    redactor.add(*(row.password for row in rows))
    return people.import_passwords(ledger, rows, run)


def followed(ledger: Ledger, run: Run, options: Options, _redactor: Redactor) -> Sequence[Result]:
    without = [device["name"] for device in options["devices"] if not device["serial"]]
    if without:
        raise LedgerError("input", f"A serial number is needed: {named(without)}.")
    return ledger.follow({device["name"]: device["serial"] for device in options["devices"]}, run)


def retired(ledger: Ledger, run: Run, options: Options, _redactor: Redactor) -> Sequence[Result]:
    return ledger.retire(_names(options), run)


def released(ledger: Ledger, run: Run, options: Options, _redactor: Redactor) -> Sequence[Result]:
    return people.release(ledger, _names(options), run)


def _names(options: Options) -> list[str]:
    return [device["name"] for device in options["devices"]]


# The states that say something about devices.
STATES: dict[str, Callable[[Ledger, Run, Options, Redactor], Sequence[Result]]] = {
    each.__name__: each
    for each in (staged, resumed, settled, committed, dropped, verified, disproved, imported, followed, retired, released)
}


class ActionModule(ControllerAction):
    """See the documentation of the module of the same name."""

    WORDS: ClassVar[dict[str, frozenset[str]]] = describing.WORDS
    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "state": {
            "type": "str",
            "required": True,
            "choices": ["created", *STATES, "exported", "list_exported", "backed_up", "restored", "rekeyed"],
        },
        "devices": {"type": "list", "elements": "dict", "options": DEVICE_OPTIONS},
        "run_id": {"type": "str"},
        "run_holder": {"type": "str"},
        "lease_seconds": {"type": "int", "default": 900},
        "max_attempts": {"type": "int", "default": 5},
        "path": {"type": "path"},
        "serials": {"type": "dict"},
        "slots": {"type": "list", "elements": "str", "choices": list(SLOTS), "default": ["current"]},
        "include_retired": {"type": "bool", "default": False},
        "overwrite": {"type": "bool", "default": False},
        "replace": {"type": "bool", "default": False},
        "list_id": {"type": "str"},
        "new_passphrase": {"type": "str", "no_log": True},
        "new_passphrase_file": {"type": "path", "no_log": False},
    }
    RULES: ClassVar[dict[str, Any]] = {
        "required_if": [
            *(("state", state, ("devices", "run_id")) for state in ("staged", "resumed", "settled")),
            *(
                ("state", state, ("devices",))
                for state in ("committed", "dropped", "verified", "disproved", "followed", "retired", "released")
            ),
            ("state", "imported", ("devices", "path"), True),
            *(("state", state, ("path",)) for state in ("exported", "backed_up", "restored")),
            ("state", "list_exported", ("list_id", "path")),
            ("state", "rekeyed", ("new_passphrase", "new_passphrase_file"), True),
        ],
        "mutually_exclusive": [("new_passphrase", "new_passphrase_file")],
    }

    def work(self, options: dict[str, Any], context: Context) -> dict[str, Any]:
        state = options["state"]
        run = Run(options["run_id"] or "by hand", options["run_holder"] or "")
        if state == "created":
            return _created(options, context)
        if state == "rekeyed":
            return _rekeyed(options, run, context.redactor, dry_run=context.check_mode)
        if state == "restored":
            return _restored(options, run, context)
        with self.open_ledger(options, context) as ledger:
            if state == "backed_up":
                return _backed_up(ledger, options)
            if state == "exported":
                return _exported(ledger, options, context)
            if state == "list_exported":
                return _list_exported(ledger, options, context)
            return _told(STATES[state](ledger, run, options, context.redactor), context)


def _created(options: Options, context: Context) -> dict[str, Any]:
    ledger, made = create_ledger(options, dry_run=context.check_mode, redactor=context.redactor)
    if ledger is None:
        return {"changed": made, "ledger": place(options)}
    with ledger:
        for warning in ledger.warnings:
            context.warn(warning)
        return {"changed": made, "ledger": ledger.label, "identity": ledger.identity}


def _exported(ledger: Ledger, options: Options, context: Context) -> dict[str, Any]:
    devices = ledger.devices(include_secrets=True, include_retired=options["include_retired"])
    content, count = export_csv(devices, options["slots"])
    changed = write_secret_file(options["path"], content, options["overwrite"], dry_run=context.check_mode)
    return {"changed": changed, "path": options["path"], "passwords": count}


def _list_exported(ledger: Ledger, options: Options, context: Context) -> dict[str, Any]:
    content = ledger.list_content(options["list_id"])
    if content is None:
        raise LedgerError("input", f"The ledger keeps no one-time list {options['list_id']}, or nothing of it has come.")
    changed = write_secret_file(options["path"], content, options["overwrite"], dry_run=context.check_mode)
    return {"changed": changed, "path": options["path"]}


def _backed_up(ledger: Ledger, options: Options) -> dict[str, Any]:
    count = backups.back_up(ledger, options["path"], options["overwrite"])
    return {
        "changed": True,
        "path": options["path"],
        "ledger": ledger.label,
        "identity": ledger.identity,
        "generation": ledger.generation,
        "count": count,
    }


def _restored(options: Options, run: Run, context: Context) -> dict[str, Any]:
    url, passphrase = way_in(options, context.redactor)
    restored = backups.restore(options["path"], url, passphrase, run, replace=options["replace"], dry_run=context.check_mode)
    kept = {"kept": restored.kept} if restored.kept else {}
    return {"changed": True, "path": options["path"], "ledger": place(options), "count": restored.devices, **kept}


def _rekeyed(options: Options, run: Run, redactor: Redactor, dry_run: bool) -> dict[str, Any]:
    """Change the passphrase to the one the options give, unless the ledger has it already."""
    path = options.get("new_passphrase_file")
    wanted = read_passphrase_file(path) if path else str(options.get("new_passphrase") or "")
    redactor.add(wanted)
    check_passphrase(wanted)
    failure: LedgerError | None = None
    try:
        with open_ledger(options, dry_run=dry_run, redactor=redactor) as ledger:
            if wanted == ledger_passphrase(options):
                return {"changed": False, "passwords": 0}
            return {"changed": True, "passwords": people.rekey(ledger, wanted, run)}
    except LedgerError as error:
        failure = error
    if failure.reason == "wrong_passphrase":
        # A playbook that is run again still gives the old one first.
        with open_ledger({**options, "ledger_passphrase": wanted, "ledger_passphrase_file": None}, dry_run=True):
            return {"changed": False, "passwords": 0}
    raise failure


def _told(results: Sequence[Result], context: Context) -> dict[str, Any]:
    for word, sentence in _FOLLOWED.items():
        names = [result.name for result in results if word in result.warnings or (result.changed and result.status == word)]
        if names:
            context.warn(sentence.format(count=len(names), names=named(names)))
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
