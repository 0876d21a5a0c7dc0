# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules that run near a device, run right here where the controller is near enough.

No process is started and no interpreter is needed, and a password goes nowhere. The result is the one the module would give.
"""

from __future__ import annotations

import importlib
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.keyturn.devices.plugins.module_utils._module import Context, carry_out, secret_parameters
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor

_MODULES = "ansible_collections.keyturn.devices.plugins.modules"


def call_here(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The result of a module of this collection, with C(failed) where it failed."""
    module = importlib.import_module(f"{_MODULES}.{name}")
    validated = ArgumentSpecValidator(dict(module.SPEC.arguments), **module.SPEC.rules).validate(arguments)
    options = validated.validated_parameters
    redactor = Redactor(secret_parameters(module.SPEC.arguments, options))
    if validated.error_messages:
        return {"failed": True, "msg": redactor.text("; ".join(validated.error_messages))}
    context = Context(check_mode=False, diff=False, redactor=redactor, warn=lambda _text: None)
    result, failed = carry_out(lambda: dict(module.work(options, context)), redactor)
    return {**result, "failed": failed}
