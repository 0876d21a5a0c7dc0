# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts a run is for: those that reached this very inclusion of the role, and no others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from support.rotation import FakeVariables

from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.hosts import JOINED, hosts_of_run, is_in_step, token_of

BATCH = ["a", "b", "c"]


def task(*above: str, strategy: str = "linear") -> Any:
    """A task below these blocks and inclusions, the innermost first."""
    parent = None
    for uuid in reversed(above):
        parent = SimpleNamespace(_uuid=uuid, _parent=parent)
    return SimpleNamespace(_parent=parent, get_play=lambda: SimpleNamespace(strategy=strategy))


def hosts(planning: Any, *, whole_play: bool = False, batch: list[str] | None = None, **joined: str) -> list[str]:
    """C(joined): by host, the token that it left behind."""
    known = {(name, JOINED): {"token": token} for name, token in joined.items()}
    variables = FakeVariables({name: {} for name in BATCH}, known)
    return hosts_of_run(
        planning, {"inventory_hostname": "b", "ansible_play_batch": BATCH if batch is None else batch}, variables, whole_play
    )


def test_hosts_that_joined_this_inclusion_are_in_the_run_and_those_a_condition_left_out_are_not() -> None:
    joining = token_of(task("role", "play"))
    assert hosts(task("role", "play"), a=joining, c=joining) == ["a", "c"]


def test_the_plan_may_lie_deeper_than_the_joining_task() -> None:
    assert hosts(task("run.yml", "block", "role", "play"), a=token_of(task("role", "play"))) == ["a"]


@pytest.mark.parametrize("left_behind", ["other role play", "role", "play-before", ""])
def test_what_another_inclusion_play_or_batch_left_behind_does_not_count(left_behind: str) -> None:
    assert hosts(task("role-2", "play-2"), a=left_behind) == []


def test_a_host_that_joined_and_has_failed_since_or_is_in_another_batch_of_the_play_is_not_in_the_run() -> None:
    joining = token_of(task("role", "play"))
    assert hosts(task("role", "play"), batch=["a"], a=joining, b=joining) == ["a"]


def test_in_a_play_of_its_own_every_host_of_the_batch_is_in_the_run() -> None:
    assert hosts(task("role", "play"), whole_play=True) == BATCH


@pytest.mark.parametrize(
    ("strategy", "in_step"),
    [
        ("linear", True),
        ("ansible.builtin.linear", True),
        ("debug", True),
        ("free", False),
        ("ansible.builtin.free", False),
        ("host_pinned", False),
        ("ansible.builtin.host_pinned", False),
    ],
)
def test_where_hosts_go_on_by_themselves_each_is_a_run_of_its_own(strategy: str, in_step: bool) -> None:
    planning = task("role", "play", strategy=strategy)
    assert is_in_step(planning) is in_step
    joining = token_of(planning)
    expected = BATCH if in_step else ["b"]
    assert hosts(planning, a=joining, b=joining, c=joining) == expected
    assert hosts(planning, whole_play=True) == expected
