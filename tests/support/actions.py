# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs an action of the controller in this process, on every ansible-core."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.keyturn.devices.plugins.plugin_utils._controller import ControllerAction


class _NoConnection:
    """What a host offers that nobody may speak to: anything but the look every action takes at its shell is an error."""

    _shell = SimpleNamespace(tmpdir=None)

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the connection to the host was used: {name}")


def trusted(value: Any) -> Any:
    """The value as a template that Ansible may resolve: since ansible-core 2.19 it has to come from a trusted place."""
    try:
        from ansible.template import trust_as_template
    except ImportError:  # before ansible-core 2.19
        return value
    return trust_as_template(value)


def run_action(
    action: type[ControllerAction], check: bool = False, diff: bool = False, variables: Mapping[str, Any] | None = None, **options: Any
) -> dict[str, Any]:
    """The task's result, failed or not. Under C(printed) all of it as text, also what Ansible would not show."""
    task = SimpleNamespace(args=options, check_mode=check, diff=diff, async_val=0, action="keyturn.devices.test")
    known = dict(variables or {})
    plugin = action(
        task=task,
        connection=_NoConnection(),
        play_context=None,
        loader=None,
        templar=Templar(loader=DataLoader(), variables=known),
        shared_loader_obj=None,
    )
    result: dict[str, Any] = plugin.run(task_vars=known)
    return {**result, "printed": json.dumps(result)}
