# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signals as a process at a terminal has them, also where the tests themselves run with nohup or in the background."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def as_at_a_terminal() -> Iterator[None]:
    """No signal is ignored, neither here nor in the processes that are started meanwhile: an ignored one would be inherited."""
    positions = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL, signal.SIGTERM: signal.SIG_DFL}
    before = {number: signal.signal(number, position) for number, position in positions.items()}
    try:
        yield
    finally:
        for number, position in before.items():
            signal.signal(number, position)
