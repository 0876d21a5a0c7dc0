# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An HTTP proxy that asks for a password and knows hosts that nobody else knows."""

from __future__ import annotations

import base64
import contextlib
import select
import socket
import threading
from collections.abc import Mapping
from types import TracebackType


class Tunnel:
    """C(places): what is asked for (C(host:port)) -> the port on loopback where it is. C(opened): what was asked for, in order."""

    def __init__(self, places: Mapping[str, int], credentials: str) -> None:
        self.opened: list[str] = []
        self._places = places
        self._proof = f"Basic {base64.b64encode(credentials.encode()).decode()}"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://{credentials}@127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Tunnel:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            asked = head.split()[1].decode()
            if self._proof.encode() not in head or asked not in self._places:
                client.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")
                return
            self.opened.append(asked)
            with socket.create_connection(("127.0.0.1", self._places[asked])) as target:
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                while True:
                    for side in select.select([client, target], [], [])[0]:
                        piece = side.recv(65536)
                        if not piece:
                            return
                        (target if side is client else client).sendall(piece)
