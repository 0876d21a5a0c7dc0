# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sockets: many routers on one event loop, each behind a door of its own, with the faults of the wire."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from typing import Any

from aiohttp import web

from simulators.kit.clock import Clock
from simulators.kit.faults import AFTER_CHANGE, BEFORE_CHANGE, BEFORE_READING, SHAPES, Fault, FaultPlan
from simulators.kit.request_log import RequestLog
from simulators.kit.server import Answer, Call

from . import api
from .model import Router, stamp
from .switches import Switchboard

BACKLOG = 128
#: How often (seconds) doors and held connections look whether a block has ended.
LOOK_AGAIN = 0.25
HTML = api.page(200, "Please wait")


class Door:
    """A listening socket whose accepts can be stopped so thoroughly that clients see a connect time-out.

    That is done with a full accept queue: the kernel then drops new connection requests, as a router's firewall does.
    """

    def __init__(self, server: web.Server, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self._server = server
        self._tls = tls
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.setblocking(False)
        self._socket.bind((host, port))
        self.port: int = self._socket.getsockname()[1]
        self._fillers: list[socket.socket] = []
        self._held: list[socket.socket] = []
        self._accepting: asyncio.Task[None] | None = None
        self._handshakes: set[asyncio.Task[None]] = set()
        self.position = ""

    def set(self, position: str) -> None:
        """yes, or one of the ways to be away."""
        if position == self.position:
            return
        self._shut()
        self.position = position
        if position == "connect_timeout":
            self._socket.listen(0)
            for _unused in range(2):
                filler = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                filler.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    filler.connect(self._socket.getsockname())
                self._fillers.append(filler)
        else:
            self._socket.listen(BACKLOG)
            self._accepting = asyncio.get_running_loop().create_task(self._accept())

    def _shut(self) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
            self._accepting = None
        for one in (*self._fillers, *self._held):
            one.close()
        self._fillers.clear()
        self._held.clear()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _peer = await loop.sock_accept(self._socket)
            if self.position == "hold":
                self._held.append(connection)
            elif self.position == "abort":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                connection.close()
            else:
                # In a task of its own: a client that dawdles in the handshake must not keep the next one waiting.
                task = loop.create_task(self._greet(connection))
                self._handshakes.add(task)
                task.add_done_callback(self._handshakes.discard)

    async def _greet(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().connect_accepted_socket(self._server, connection, ssl=self._tls)


class RouterServer:
    """One router on the wire."""

    def __init__(self, router: Router, log: RequestLog) -> None:
        self.router = router
        self._log = log
        self.plan = FaultPlan([])
        self.doors: list[Door] = []
        self.secure_port: int | None = None

    def listen(self, host: str, port: int, tls: ssl.SSLContext | None, redirects: bool = False) -> int:
        """Open a door on `port` (0: a free one) and return its port. `redirects`: the plain door beside an HTTPS one."""

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            return await self._handle(request, redirects)

        door = Door(web.Server(handle, access_log=None, keepalive_timeout=60), host, port, tls)
        self.doors.append(door)
        if tls is not None:
            self.secure_port = door.port
        door.set("yes")
        return door.port

    def look_at_doors(self) -> None:
        """Bring the doors in line with the switches and the block.

        A block is per source address, but on loopback there is only one: it shuts the whole router.
        """
        position = self.router.switches.reachable
        if position == "yes" and self._drops():
            position = self.router.switches.lockout
        for door in self.doors:
            door.set(position)

    def _drops(self) -> bool:
        return self.router.switches.lockout != "refuse" and self.router.blocked_until() is not None

    async def _handle(self, request: web.BaseRequest, redirects: bool) -> web.StreamResponse:
        router = self.router
        began = time.monotonic()
        router.requests += 1
        peer = request.transport.get_extra_info("peername") if request.transport else None
        authorization = request.headers.get("Authorization", "")
        token = authorization[7:].strip() if authorization.startswith("Bearer ") else None
        caller = api.Caller(peer[0] if peer else "", token)
        call = Call(router.requests, request.method, request.path, dict(request.query), request.headers)
        fault = self.plan.pick(call.method, call.path)
        entry: dict[str, Any] = {
            "at": stamp(router.clock.now()),
            "serial": router.serial,
            "number": call.number,
            "method": call.method,
            "path": call.path,
            "source": caller.source,
            "status": None,
            "user": None,
            "fault": fault.kind if fault else None,
            "body": None,
            "seconds": None,
        }
        # Listed from the start and filled in later, so that a request whose answer still trickles or hangs is there too, in its place.
        self._log.add(entry)
        try:
            if fault and fault.when == BEFORE_READING:
                return await self._strike(fault, request, None, entry)
            call.raw = await read_body(request)
            entry["body"] = call.raw.decode("utf-8", "replace")
            await asyncio.sleep(router.switches.latency_ms / 1000)
            if self._drops() and router.is_blocked(caller.source):
                await self._stay_silent(request)
                return cut(request)
            if fault and fault.when == BEFORE_CHANGE and fault.kind != "slow":
                return await self._strike(fault, request, None, entry)
            if fault and fault.kind == "slow":
                await asyncio.sleep(fault.seconds)
            answer = self._redirection(request) if redirects and router.switches.redirect_https else await api.answer(router, call, caller)
            entry |= {"status": answer.status, **call.note}
            if self._drops():
                self.look_at_doors()
            if fault and fault.when == AFTER_CHANGE and fault.kind != "slow":
                return await self._strike(fault, request, answer, entry)
            if router.switches.slow_answer > 0:
                return await trickle(request, answer, router.switches.slow_answer, len(answer.encoded()))
            return response_of(answer)
        finally:
            entry["seconds"] = round(time.monotonic() - began, 4)

    def _redirection(self, request: web.BaseRequest) -> Answer:
        answer = api.page(self.router.switches.redirect_status, "Moved")
        answer.headers["Location"] = f"https://{request.host.rsplit(':', 1)[0]}:{self.secure_port}{request.path_qs}"
        return answer

    async def _strike(self, fault: Fault, request: web.BaseRequest, answer: Answer | None, entry: dict[str, Any]) -> web.StreamResponse:
        """Carry out a fault. `answer` is what would have been said, where the request was carried out already."""
        entry["status"] = None
        if fault.kind == "hang":
            end = time.monotonic() + fault.seconds
            while is_open(request) and time.monotonic() < end and fault in self.plan.faults:
                await asyncio.sleep(LOOK_AGAIN)
        if fault.kind in ("hang", "cut"):
            return cut(request, fault.how == "reset")
        if fault.kind == "cut_body" and answer is not None:
            return await trickle(request, answer, 0, fault.bytes)
        if fault.kind == "wrong_shape" and answer is not None and not isinstance(answer.body, bytes):
            spoiled = Answer(answer.status, SHAPES[fault.shape](answer.body))
        elif fault.kind == "not_json":
            spoiled = Answer(fault.status or 200, HTML.body, HTML.content_type)
        elif fault.kind == "redirect":
            spoiled = Answer(fault.status or 307, b"", headers={"Location": fault.location})
        elif fault.kind == "empty":
            spoiled = Answer(fault.status or 200, b"")
        else:
            status = 200 if fault.kind == "success_false" else fault.status or 503
            spoiled = Answer(status, {"success": False, "errors": [api.error(999, "Code error", "Request")]})
        entry["status"] = spoiled.status
        return response_of(spoiled)

    async def _stay_silent(self, request: web.BaseRequest) -> None:
        """What a connection from before the block meets: no answer until the client gives up or the block ends."""
        while is_open(request) and self._drops():
            await asyncio.sleep(LOOK_AGAIN)


async def read_body(request: web.BaseRequest) -> bytes:
    """At most one byte more than the API takes: enough to tell that it is too much."""
    body = bytearray()
    async for piece in request.content.iter_chunked(16384):
        if len(body) <= api.BIGGEST_BODY:
            body += piece
    return bytes(body)


def response_of(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, body=answer.encoded(), content_type=answer.content_type, headers=answer.headers)


def is_open(request: web.BaseRequest) -> bool:
    return request.transport is not None and not request.transport.is_closing()


def cut(request: web.BaseRequest, reset: bool = True) -> web.Response:
    if request.transport is not None:
        if reset:
            request.transport.abort()
        else:
            request.transport.close()
    return web.Response(status=500)


async def trickle(request: web.BaseRequest, answer: Answer, seconds: float, end: int) -> web.StreamResponse:
    """Send an answer in ten pieces over `seconds`, as Boa-like servers do, and no more of it than `end` bytes."""
    body = answer.encoded()
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.content_type = answer.content_type
    response.content_length = len(body)
    response.force_close()
    await response.prepare(request)
    size = max(1, end // 10)
    with contextlib.suppress(ConnectionError):
        for start in range(0, end, size):
            await response.write(body[start : min(end, start + size)])
            await asyncio.sleep(seconds / 10)
    if end < len(body) and request.transport is not None:
        request.transport.close()
    return response


class Fleet:
    """All routers, their clock, their switches."""

    def __init__(self, routers: list[Router], clock: Clock, switchboard: Switchboard) -> None:
        self.clock = clock
        self.switchboard = switchboard
        self.log = RequestLog()
        self.servers = {router.serial: RouterServer(router, self.log) for router in routers}
        self.apply_switches(restart_faults=True)

    def apply_switches(self, serial: str | None = None, restart_faults: bool = False) -> None:
        """`restart_faults`: the faults of that router, or of all, count their requests from now on."""
        for one, server in self.servers.items():
            if serial in (None, one):
                server.router.switches = self.switchboard.of(one)
                if restart_faults:
                    server.plan = FaultPlan(server.router.switches.faults)
                server.look_at_doors()

    def look_at_doors(self) -> None:
        for server in self.servers.values():
            server.look_at_doors()

    async def watch(self) -> None:
        """Blocks end by the clock: open the doors again in time."""
        while True:
            await asyncio.sleep(LOOK_AGAIN)
            self.look_at_doors()
