# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts a run is for: those that reached it, and no others.

A task that runs once is told nothing of the hosts it runs for. So each host joins first, and leaves a token that only this very inclusion
of the role has: what an earlier inclusion, play or batch of C(serial) left behind does not count.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.variables import HostVariables

#: The variable that the joining task registers.
JOINED = "_rotation_joined"


def token_of(task: t.Any) -> str:
    """What the tasks of one inclusion have above them, whatever the host: blocks and inclusions, innermost first."""
    return " ".join(_above(task._parent))


def _above(parent: t.Any) -> t.Iterator[str]:
    while parent is not None:
        yield str(parent._uuid)
        parent = parent._parent


def is_in_step(task: t.Any) -> bool:
    """Whether all hosts of the play are at the same task. Where each goes on by itself, each is a run of its own."""
    strategy = str(task.get_play().strategy).rpartition(".")[2]
    return strategy not in ("free", "host_pinned")


def hosts_of_run(task: t.Any, task_vars: Mapping[str, t.Any], variables: HostVariables, whole_play: bool) -> list[str]:
    """The hosts of the current batch of the play that have joined, or all of them where the play is ours as a whole."""
    if not is_in_step(task):
        return [str(task_vars["inventory_hostname"])]
    batch = [str(name) for name in task_vars["ansible_play_batch"]]
    if whole_play:
        return batch
    token = token_of(task)
    return [name for name in batch if _joined(variables, name, token)]


def _joined(variables: HostVariables, name: str, token: str) -> bool:
    """The plan may lie deeper than the joining task, never beside it."""
    joined = str((variables.registered(name, JOINED) or {}).get("token") or "")
    return bool(joined) and token.endswith(joined)
