# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes the report on a fleet, from inventory and ledger alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ansible_collections.keyturn.devices.plugins.plugin_utils._controller import Context, ControllerAction
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.files import checked_paths, write_files
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.looking import ARGUMENTS, look, read_fleet, rules_of
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.report import Report, as_csv, as_json, as_page, make_report, waiting

_FORMS: Mapping[str, Callable[[Report], str]] = {"html": as_page, "csv": as_csv, "json": as_json}


class ActionModule(ControllerAction):
    """See the documentation of the module of the same name."""

    _supports_diff = False
    ARGUMENTS: ClassVar[dict[str, Any]] = {
        **ARGUMENTS,
        **{form: {"type": "path"} for form in _FORMS},
        "title": {"type": "str", "default": "Administrator passwords of field devices"},
        "history": {"type": "int", "default": 10},
        "runs": {"type": "int", "default": 20},
    }
    RULES: ClassVar[dict[str, Any]] = {"required_one_of": [tuple(_FORMS)]}

    def work(self, options: dict[str, Any], context: Context) -> dict[str, Any]:
        rules = rules_of(options)
        paths = checked_paths({form: options[form] for form in _FORMS})
        inventory, whole = read_fleet(options, context, self._task, self._templar)
        with self.open_ledger(options, context, dry_run=True) as ledger:
            events, runs = max(0, options["history"]), max(0, options["runs"])
            picture, findings = look(inventory, whole, ledger, rules, context, events=events, runs=runs)
        report = make_report(picture, findings, options["title"])
        contents = [(path, _FORMS[form](report)) for form, path in paths.items()]
        if not context.check_mode:
            write_files(contents)
        what = "would be written" if context.check_mode else "written"
        context.unmasked.update(
            devices=len(report.rows),
            attention=len(report.attention),
            waiting=len(waiting(report)),
            files=list(paths.values()),
            lines=[
                f"{len(report.rows)} devices, {len(report.attention)} with findings, {len(waiting(report))} wait for somebody",
                *(f"{what}: {path}" for path in paths.values()),
            ],
        )
        return {"changed": False}
