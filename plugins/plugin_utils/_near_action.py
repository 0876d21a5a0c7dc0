# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Actions that have modules run near devices: on the controller, or at the site that their task is delegated to."""

from __future__ import annotations

import os
from typing import Any

from ansible.errors import AnsibleConnectionFailure

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._run import runner_identity
from ansible_collections.keyturn.devices.plugins.plugin_utils._controller import Context, ControllerAction
from ansible_collections.keyturn.devices.plugins.plugin_utils._near import call_apart, call_here
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import CONTROLLER, Product
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.steps import Surroundings

# A module that works a browser ends long before by itself.
_LONGEST_SECONDS = 3600.0


class NearAction(ControllerAction):
    """See the documentation of this file."""

    def surroundings(self, ledger: Ledger, product: Product, site: str, context: Context) -> Surroundings:
        """What a batch of that site is worked in."""
        return Surroundings(
            ledger=ledger,
            product=product,
            redactor=context.redactor,
            # The worker that runs this ends with the task; the process that ends with the run is its parent.
            holder=runner_identity(os.getppid()),
            call=lambda name, arguments: self.call_near(site, name, arguments, context),
            call_apart=call_apart if site == CONTROLLER else None,
        )

    def call_near(self, site: str, name: str, arguments: dict[str, Any], context: Context) -> dict[str, Any]:
        """The result of a module of this collection; C(unreachable) where the site is away."""
        if site == CONTROLLER:
            return call_here(name, arguments)
        try:
            answer: dict[str, Any] = self._execute_module(
                module_name=f"keyturn.devices.{name}", module_args=arguments, task_vars=context.variables
            )
        except AnsibleConnectionFailure as problem:
            return {"unreachable": True, "msg": str(problem)}
        return answer

    def call_with_browser(self, site: str, name: str, arguments: dict[str, Any], context: Context) -> dict[str, Any]:
        """The same, in a process of its own where that is this host."""
        return call_apart(name, arguments, _LONGEST_SECONDS) if site == CONTROLLER else self.call_near(site, name, arguments, context)

    def keeps_secrets(self, site: str) -> bool:
        """Whether what runs there gets its passwords on standard input, and never in a file."""
        return site == CONTROLLER or bool(self._is_pipelining_enabled("new"))


def without_pipelining(site: str) -> str:
    """Why nothing is done at a site that would not keep secrets."""
    return f"pipelining is off at {site}, so that passwords would lie in temporary files there"
