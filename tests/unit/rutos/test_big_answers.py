# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routers that answer far more than there is to say: what the process that asks them needs for it."""

from __future__ import annotations

import gzip
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ansible_collections.keyturn.devices.plugins.module_utils._rutos.options import MOST_BYTES

ROUTERS = 16
LENGTH = 64 * 1024 * 1024
#: Megabytes that the process may grow by for each router that is asked at once.
MOST_EACH = 6

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
LOGIN = b'{"success": true, "data": {"token": "0123456789abcdef0123456789abcdef", "expires": 299}}'

# Asks every router given as argument, and says how many kilobytes the process grew by at most.
CHILD = """
import json, re, sys
from pathlib import Path
from support.routers import NEW, WRONG, set_passwords
def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])
def ask(hosts):
    devices = [{"serial": str(number), "host": host, "password": NEW, "current_password": WRONG} for number, host in enumerate(hosts)]
    return set_passwords(devices, timeout=60, deadline=120, parallel=len(hosts))["devices"]
ask(["http://127.0.0.1:9"])  # Whatever is imported and made only once is there now.
before = peak()
outcomes = ask(sys.argv[1:])
print(json.dumps({"kilobytes": peak() - before, "outcomes": [[one["status"], one["reason"]] for one in outcomes]}))
"""


def serve_one(connection: socket.socket, kind: str) -> None:
    """C(lists): the longest answer that is read to its end, of what takes most memory once it is read."""
    with connection:
        request = b""
        while b"\r\n\r\n" not in request:
            arrived = connection.recv(65536)
            if not arrived:
                return
            request += arrived
        try:
            if request.startswith(b"POST /api/login"):
                connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(LOGIN) + LOGIN)
            elif kind == "gzip":
                bomb = gzip.compress(b'"' + b"x" * LENGTH)
                connection.sendall(HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb)
            elif kind == "headers":
                connection.sendall(HEAD + b"X-Long: ")
                for _number in range(LENGTH // 65536):
                    connection.sendall(b"x" * 65536)
            elif kind == "lists":
                body = b"[" + b"[]," * ((MOST_BYTES - 4) // 3) + b"[]]"
                connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            else:
                connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % LENGTH)
                for _number in range(LENGTH // 65536):
                    connection.sendall(b"x" * 65536)
        except OSError:
            pass  # The client has heard enough.


@contextmanager
def talkative_routers(kind: str) -> Iterator[list[str]]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _number in range(ROUTERS)]

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _peer = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve_one, args=(connection, kind), daemon=True).start()

    for listener in listeners:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
    try:
        yield [f"http://127.0.0.1:{listener.getsockname()[1]}" for listener in listeners]
    finally:
        for listener in listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()


@pytest.mark.parametrize("kind", ["text", "lists", "gzip", "headers"])
def test_sixteen_routers_at_once_that_answer_64_megabytes_take_a_few_megabytes_each(kind: str) -> None:
    with talkative_routers(kind) as hosts:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        done = subprocess.run(
            [sys.executable, "-c", CHILD, *hosts], env=environment, capture_output=True, text=True, timeout=120, check=False
        )
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    assert {status for status, _reason in measured["outcomes"]} == {"failed"}
    assert measured["kilobytes"] < ROUTERS * MOST_EACH * 1024
