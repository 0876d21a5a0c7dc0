# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A process that is told to end: a key pressed, a job cancelled, a terminal gone.

Ending at once would leave a session open on every router that is being spoken to, and nobody would know what became of them.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ending:
    """Remembers that the process was told to end, while C(heeded)."""

    def __init__(self) -> None:
        self.is_asked_for = False

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Instead of ending the process, only remember. Signals come to the main thread alone; in another one nothing is done."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        # One that is ignored stays so: who starts a run with nohup wants it to outlive the terminal.
        heeded = [number for number in _SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]
        before = {number: signal.signal(number, self._remember) for number in heeded}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _remember(self, _number: int, _frame: FrameType | None) -> None:
        self.is_asked_for = True
