# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds what breaks policy, from inventory and ledger alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ansible_collections.keyturn.devices.plugins.plugin_utils._controller import Context, ControllerAction
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.checks import NEVER, compare
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.files import checked_paths, read_earlier, write_files
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.looking import ARGUMENTS, look, read_fleet, rules_of
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.outputs import (
    JSON_VERSION,
    Verdict,
    as_json,
    as_junit,
    as_prometheus,
    as_sarif,
    text,
)

_FORMS: Mapping[str, Callable[[Verdict], str]] = {"json": as_json, "junit": as_junit, "sarif": as_sarif, "prometheus": as_prometheus}


class ActionModule(ControllerAction):
    """See the documentation of the module of the same name."""

    _supports_diff = False
    ARGUMENTS: ClassVar[dict[str, Any]] = {
        **ARGUMENTS,
        "fail_on": {"type": "str", "choices": ["error", "warning", NEVER], "default": "error"},
        "baseline": {"type": "path"},
        **{form: {"type": "path"} for form in _FORMS},
        "limit": {"type": "int", "default": 200},
    }

    def work(self, options: dict[str, Any], context: Context) -> dict[str, Any]:
        rules = rules_of(options)
        earlier = read_earlier(options["baseline"], JSON_VERSION)
        paths = checked_paths({form: options[form] for form in _FORMS})
        inventory, whole = read_fleet(options, context, self._task, self._templar)
        with self.open_ledger(options, context, dry_run=True) as ledger:
            picture, findings = look(inventory, whole, ledger, rules, context)
        comparison = None if earlier is None else compare(earlier, findings)
        verdict = Verdict(picture, findings, rules, options["fail_on"], comparison)
        contents = [(path, _FORMS[form](verdict)) for form, path in paths.items()]
        if not context.check_mode:
            write_files(contents)
        lines = text(verdict, max(0, options["limit"]))
        lines += [f"{'would be written' if context.check_mode else 'written'}: {path}" for path in paths.values()]
        # Names, words and times, of which none is a secret; what an inventory says has been through the redactor.
        context.unmasked.update(
            passed=verdict.passed,
            verdict=verdict.sentence(),
            lines=lines,
            severities=verdict.severities,
            checks=verdict.checks,
            findings=[finding.data() for finding in findings[: max(0, options["limit"])]],
            new=None if comparison is None else [{"check": check, "device": device} for check, device in comparison.new],
            gone=None if comparison is None else [{"check": check, "device": device} for check, device in comparison.gone],
            devices=len(picture.devices),
            files=list(paths.values()),
            _ansible_verbose_override=True,
        )
        return {"changed": False}
