# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keeps the record of a recovery, in this process."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.keyturn.devices.plugins.module_utils._ledger import cases, describing
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import CaseChange, Result
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run
from ansible_collections.keyturn.devices.plugins.plugin_utils._controller import Context, ControllerAction

_SECRETS = ("session_id", "temporary_password")


class ActionModule(ControllerAction):
    """See the documentation of the module of the same name."""

    _supports_diff = False
    WORDS: ClassVar[dict[str, frozenset[str]]] = {**describing.WORDS, "state": frozenset(("open", "closed", "abandoned"))}
    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "name": {"type": "str", "required": True},
        "serial": {"type": "str"},
        "state": {"type": "str", "choices": ["opened", "step_done", "closed", "abandoned"], "required": True},
        "kind": {"type": "str"},
        "step": {"type": "str"},
        "deadline": {"type": "str"},
        "session_id": {"type": "str", "no_log": True},
        "temporary_password": {"type": "str", "no_log": True},
        "reason": {"type": "str"},
        "run_id": {"type": "str", "default": "by hand"},
    }
    RULES: ClassVar[dict[str, Any]] = {"required_if": [("state", "opened", ("kind",)), ("state", "step_done", ("step",))]}

    def work(self, options: dict[str, Any], context: Context) -> dict[str, Any]:
        run = Run(options["run_id"])
        name, serial = options["name"], options["serial"]
        given = [option for option in (*_SECRETS, "deadline") if options[option]]
        if given and options["state"] != "step_done":
            raise LedgerError("input", f"{name}: {given[0]} comes with a step that was done. Nothing was changed.")
        deadline = _moment(name, options["deadline"])
        with self.open_ledger(options, context) as ledger:
            if options["state"] == "opened":
                result = cases.open_case(ledger, name, serial, options["kind"], run)
            else:
                result = cases.change_case(ledger, name, serial, _change(options, deadline, ledger), run)
            case = _case_of(result)
            # In check mode nothing was written, and what was described is what would be.
            known = None if context.check_mode else cases.read_case(ledger, name, serial)
        return {"changed": result.changed, "case": known or {**case, "events": []}}


def _change(options: Mapping[str, Any], deadline: float | None, ledger: Ledger) -> CaseChange:
    if options["state"] != "step_done":
        return CaseChange(options["reason"] or options["state"], state=options["state"])
    return CaseChange(
        options["reason"] or "done",
        step=options["step"],
        armed_at=None if deadline is None else ledger.now(),
        deadline=deadline,
        secrets={name: options[name] for name in _SECRETS if options[name]},
    )


def _case_of(result: Result) -> Mapping[str, Any]:
    if result.status == "no_case":
        raise LedgerError("no_case", f"{result.name} has no open recovery case. Nothing was changed.")
    if result.status == "busy":
        raise LedgerError(
            "busy", f"Another run is at the recovery of {result.name}. Nothing was changed. Run again when that one has ended."
        )
    case: Mapping[str, Any] = result.details["case"]
    return case


def _moment(name: str, text: str | None) -> float | None:
    if not text:
        return None
    try:
        moment = datetime.datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise LedgerError("input", f"{name}: deadline is no date and time of ISO 8601 with its offset from UTC. Nothing was changed.")
    return moment.timestamp()
