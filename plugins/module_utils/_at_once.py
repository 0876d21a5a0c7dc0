# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many devices at once: a slow or dead one holds no other up, and none is begun after the deadline."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

# After the deadline nothing is begun; what is on its way then, and the end of sessions, may take this long.
_GRACE = 45.0


def at_once(
    items: Sequence[T],
    work: Callable[[T], R],
    not_begun: Callable[[T], R],
    not_finished: Callable[[T], R],
    *,
    parallel: int,
    deadline: float,
    grace: float = _GRACE,
    clock: Callable[[], float] = time.monotonic,
    may_begin: Callable[[], bool] = lambda: True,
) -> list[R]:
    """C(work) for every item, C(parallel) at a time, in the order of the items. C(work) must not raise, and must itself heed the deadline.

    C(deadline): a time of C(clock). C(grace): seconds after it in which what was begun may end.

    C(may_begin): asked before each item; once it says no, those that are under way come to their end and no other is begun.

    The threads are no executor's: one that hangs all the same, in a name look-up for instance, must not keep the process from ending.
    """
    results: dict[int, R] = {}
    begun: set[int] = set()
    waiting = deque(range(len(items)))

    def serve() -> None:
        while waiting and clock() < deadline and may_begin():
            try:
                number = waiting.popleft()
            except IndexError:
                return
            begun.add(number)
            results[number] = work(items[number])

    threads = [threading.Thread(target=serve, daemon=True) for _unused in range(min(parallel, len(items)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline + grace - clock()))
    # Copied at once, so that a thread that ends late changes nothing any more.
    finished = dict(results)
    return [
        finished[number] if number in finished else (not_finished if number in begun else not_begun)(item)
        for number, item in enumerate(items)
    ]
