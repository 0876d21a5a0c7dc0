# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An SMTP server on loopback that hands every mail to a function."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from aiosmtpd.smtp import SMTP


class SmtpServer:
    """C(with SmtpServer(deliver) as smtp). C(refusal): what to answer to a mail instead of taking it, empty for nothing."""

    def __init__(self, deliver: Callable[[bytes], object], refusal: str = "") -> None:
        self.deliver = deliver
        self.refusal = refusal
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = 0

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.refusal:
            return self.refusal
        self.deliver(bytes(envelope.content))
        return "250 Taken"

    def __enter__(self) -> SmtpServer:
        self._thread.start()
        serve = self._loop.create_server(lambda: SMTP(self, loop=self._loop, hostname="mail.example.com"), "127.0.0.1", 0)
        # The controller of the library wants to know the port beforehand.
        self._server = asyncio.run_coroutine_threadsafe(serve, self._loop).result(10)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_exception: object) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
