# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules that run near a device: right here where the controller is near enough, else on the connection of the task.

Right here no process is started and no interpreter is needed, and a password goes nowhere. The result is the one the module would give.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.keyturn.devices.plugins.module_utils._module import Context, carry_out, secret_parameters
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.plugin_utils._controller import ControllerAction
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import CONTROLLER

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


class NearAction(ControllerAction):
    """An action that has modules run near devices: on the controller, or at the site that its task is delegated to."""

    def call_near(self, site: str, name: str, arguments: dict[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        """The result of a module of this collection; C(unreachable) where the site is away."""
        if site == CONTROLLER:
            return call_here(name, arguments)
        try:
            answer: dict[str, Any] = self._execute_module(
                module_name=f"keyturn.devices.{name}", module_args=arguments, task_vars=variables
            )
        except AnsibleConnectionFailure as problem:
            return {"unreachable": True, "msg": str(problem)}
        return answer

    def keeps_secrets(self, site: str) -> bool:
        """Whether what runs there gets its passwords on standard input, and never in a file."""
        return site == CONTROLLER or bool(self._is_pipelining_enabled("new"))


def without_pipelining(site: str) -> str:
    """Why nothing is done at a site that would not keep secrets."""
    return f"pipelining is off at {site}, so that passwords would lie in temporary files there"
