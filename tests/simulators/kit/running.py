# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs a simulator in the foreground: prints where it is, stops on a signal or, when asked, with its parent."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import ssl
import sys
import threading
from collections.abc import Callable, Mapping

from .process import READY
from .server import SimulatorServer

Announce = Callable[[str], tuple[list[str], Mapping[str, str]]]


def run(server: SimulatorServer, host: str, port: int, announce: Announce, tls: ssl.SSLContext | None, with_parent: bool) -> None:
    """Serve until stopped. C(announce) gives, for the server's root URL, lines for people and C(NAME=value) pairs for programs."""
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)
    asyncio.run(_run(server, host, port, announce, tls, with_parent))


async def _run(server: SimulatorServer, host: str, port: int, announce: Announce, tls: ssl.SSLContext | None, with_parent: bool) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    parent = os.getppid()
    if with_parent:
        threading.Thread(target=_watch_input, args=(lambda: loop.call_soon_threadsafe(stop.set),), daemon=True).start()
    actual = await server.start(host, port, tls)
    lines, values = announce(f"{'https' if tls else 'http'}://{host}:{actual}")
    print("\n".join([*lines, *(f"{name}={value}" for name, value in values.items()), READY]), flush=True)
    while not stop.is_set():
        try:
            await asyncio.wait_for(stop.wait(), 1.0)
        except asyncio.TimeoutError:
            # A pipe can be kept open by a forked relative; a new parent process cannot be mistaken.
            if with_parent and os.getppid() != parent:
                break
    await server.stop()


def _watch_input(ended: Callable[[], object]) -> None:
    with contextlib.suppress(OSError):
        while os.read(sys.stdin.fileno(), 4096):
            pass
    # The loop may have closed already.
    with contextlib.suppress(RuntimeError):
        ended()
