# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import signal

from ansible_collections.keyturn.devices.plugins.module_utils._rutos.ending import Ending


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        ending = Ending()
        with ending.heeded():
            os.kill(os.getpid(), signal.SIGHUP)
        assert not ending.is_asked_for
    finally:
        signal.signal(signal.SIGHUP, before)
