# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ansible_collections.keyturn.devices.plugins.module_utils._at_once import at_once


def run(items: list[int], work: Callable[[int], str], parallel: int = 4, deadline: float = 60.0, grace: float = 45.0) -> list[str]:
    return at_once(
        items,
        work,
        not_begun=lambda item: f"not begun {item}",
        not_finished=lambda item: f"not finished {item}",
        parallel=parallel,
        deadline=time.monotonic() + deadline,
        grace=grace,
    )


def test_results_are_in_the_order_of_the_items() -> None:
    gate = threading.Event()

    def work(item: int) -> str:
        if item == 0:
            gate.wait(10)
        if item == 7:
            gate.set()
        return str(item)

    assert run(list(range(8)), work) == [str(item) for item in range(8)]


def test_no_more_than_asked_for_run_at_once() -> None:
    running: list[int] = []
    most: list[int] = []

    def work(item: int) -> str:
        running.append(item)
        most.append(len(running))
        time.sleep(0.002)
        running.remove(item)
        return ""

    run(list(range(60)), work, parallel=3)
    assert max(most) <= 3


def test_nothing_is_begun_after_the_deadline() -> None:
    def work(item: int) -> str:
        time.sleep(0.3)
        return "done"

    assert run([1, 2, 3], work, parallel=1, deadline=0.1) == ["done", "not begun 2", "not begun 3"]
    assert run([1], work, deadline=0.0) == ["not begun 1"]


def test_one_that_hangs_is_given_up() -> None:
    release = threading.Event()

    def work(item: int) -> str:
        if item == 2:
            release.wait(30)
        return "done"

    started = time.monotonic()
    assert run([1, 2, 3], work, deadline=0.2, grace=0.2) == ["done", "not finished 2", "done"]
    assert time.monotonic() - started < 10
    release.set()


def test_no_items_take_no_time() -> None:
    assert run([], lambda item: "") == []


def test_once_told_to_those_under_way_come_to_their_end_and_no_other_is_begun() -> None:
    goes_on = [True]

    def work(item: int) -> str:
        goes_on[0] = item != 2
        return "done"

    outcomes = at_once(
        [1, 2, 3],
        work,
        not_begun=lambda item: f"not begun {item}",
        not_finished=lambda item: f"not finished {item}",
        parallel=1,
        deadline=time.monotonic() + 60,
        may_begin=lambda: goes_on[0],
    )
    assert outcomes == ["done", "done", "not begun 3"]
