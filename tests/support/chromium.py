# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a browser leaves behind, and an origin that nothing must reach."""

from __future__ import annotations

import contextlib
import glob
import os
import socket
import threading


def browser_traces(directory: str) -> list[str]:
    """Directories and processes of browsers that our modules started with this directory for temporary files."""
    mark = os.path.join(directory, "keyturn-browser-")
    found = glob.glob(f"{mark}*")
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError), open(f"/proc/{entry}/cmdline", "rb") as file:
            if mark.encode() in file.read():
                found.append(f"process {entry}")
    return found


class Listener:
    """Takes every TCP connection and keeps the first bytes of each."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _peer = self._socket.accept()
                with connection:
                    connection.settimeout(1)
                    self.heard.append(b"")
                    with contextlib.suppress(OSError):
                        self.heard[-1] = connection.recv(4096)

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_exception: object) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
