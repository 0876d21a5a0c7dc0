# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A simulator's clock: runs with the real one, and a test can move it forward."""

from __future__ import annotations

import time


class Clock:
    """Seconds since the epoch that never run backwards, plus what a test has skipped."""

    def __init__(self) -> None:
        self._base = time.time() - time.monotonic()

    def now(self) -> float:
        return self._base + time.monotonic()

    def advance(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError("the clock only goes forward")
        self._base += seconds


def stamp(moment: float | None) -> str | None:
    """C(Y-m-d H:i:s) in UTC, the form most vendors use; None stays None."""
    return None if moment is None else time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(moment))
