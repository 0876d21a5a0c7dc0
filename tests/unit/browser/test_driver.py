# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is left when the browser's driver has ended: nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

from ansible_collections.keyturn.devices.plugins.module_utils._browser.browser import Driver

# Writes for as long as it lives, as a browser does that takes its time to end.
WRITER = """
import contextlib, pathlib, sys, time
home = pathlib.Path(sys.argv[1].partition("=")[2])
while True:
    with contextlib.suppress(FileNotFoundError):
        home.mkdir(parents=True, exist_ok=True)
        (home / str(time.monotonic_ns())).touch()
    print(flush=True)
"""


def test_a_browser_that_writes_on_is_ended_and_its_directory_removed() -> None:
    driver = Driver()
    with driver:
        process = subprocess.Popen([sys.executable, "-c", WRITER, f"--user-data-dir={driver.directory}/home"], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        drain = threading.Thread(target=process.stdout.read)
        drain.start()
    drain.join()
    assert process.wait() == -signal.SIGKILL
    assert not Path(driver.directory).exists()
