# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTTP side every simulator shares: one dispatcher, faults on the wire, the log, and the control paths under /__simulator__.

A simulator brings a C(handle) function from Call to Answer that knows nothing of HTTP libraries, and a table of control paths of its own.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import ssl
import time
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import unquote

from aiohttp import web
from aiohttp.web_request import FileField

from .faults import AFTER_CHANGE, BEFORE_CHANGE, BEFORE_READING, SHAPES, Fault, FaultError, FaultPlan
from .request_log import RequestLog
from .switches import SwitchError, change

CONTROL = "/__simulator__"
BODY_LIMIT = 64 * 1024 * 1024
HTML = b"<!DOCTYPE html>\n<html><head><title>Sorry</title></head><body><h1>We will be back soon</h1></body></html>\n"


@dataclasses.dataclass
class Call:
    """One request as a simulator sees it. C(note) goes into the log beside what every entry has."""

    number: int
    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    raw: bytes = b""
    form: dict[str, str | bytes] | None = None
    peer: str = ""  #: address of the client
    note: dict[str, Any] = dataclasses.field(default_factory=dict)

    def json(self) -> Any:
        """The body as JSON; ValueError when it is none."""
        return json.loads(self.raw)


@dataclasses.dataclass
class Answer:
    """One answer. C(body) is sent as it is when it is bytes, else as JSON."""

    status: int
    body: Any
    content_type: str = "application/json"
    headers: dict[str, str] = dataclasses.field(default_factory=dict)

    def encoded(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode()


class Simulator(Protocol):
    """What the server asks of a simulator."""

    @property
    def switches(self) -> Any:
        """A dataclass of switches, with C(latency_ms), C(log_bodies) and C(faults) among them."""

    def handle(self, call: Call) -> Answer:
        """The vendor's paths."""

    def control(self, call: Call) -> Answer | None:
        """Control paths of the simulator's own (C(call.path) without the prefix); None for those it does not have."""

    def switches_changed(self, changes: Mapping[str, Any]) -> None:
        """Called after switches were changed at run time."""

    def error_body(self, status: int) -> Any:
        """The vendor's error envelope, for injected errors."""

    def busy_with(self, call: Call) -> Answer | None:
        """An answer that comes before the request is looked at, such as one for a spent quota."""


class SimulatorServer:
    """Serves one simulator on one port."""

    def __init__(self, simulator: Simulator, log: RequestLog) -> None:
        self.simulator = simulator
        self.log = log
        self.requests = 0
        self.plan = FaultPlan(simulator.switches.faults)
        self._application = web.Application(client_max_size=BODY_LIMIT)
        self._application.router.add_route("*", "/{path:.*}", self._serve)

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen, and give back the port (which one, when 0 was asked)."""
        self._runner = web.AppRunner(self._application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, ssl_context=tls, backlog=1024)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        call = Call(0, request.method, unquote(request.path), dict(request.query), request.headers, peer=request.remote or "")
        if call.path.startswith(CONTROL):
            call.raw = await request.read()
            return _response(self._control(call))
        self.requests += 1
        call.number = self.requests
        fault = self.plan.pick(call.method, call.path)
        entry: dict[str, Any] = {
            "number": call.number,
            "at": time.time(),
            "method": call.method,
            "path": call.path,
            "query": call.query,
            "fault": fault.kind if fault else None,
            "when": fault.when if fault else None,
            "status": None,
        }
        answer: Answer | None = None
        try:
            if self.simulator.switches.latency_ms:
                await asyncio.sleep(self.simulator.switches.latency_ms / 1000)
            if fault and fault.when == BEFORE_READING:
                return await self._strike(fault, request, call, None, entry)
            await _read(request, call)
            if fault and fault.when == BEFORE_CHANGE and fault.kind != "slow":
                return await self._strike(fault, request, call, None, entry)
            if fault and fault.kind == "slow":
                await asyncio.sleep(fault.seconds)
            answer = self.simulator.busy_with(call) or self.simulator.handle(call)
            entry["status"] = answer.status
            if fault and fault.when == AFTER_CHANGE and fault.kind != "slow":
                return await self._strike(fault, request, call, answer, entry)
            return _response(answer)
        finally:
            entry.update(call.note)
            if self.simulator.switches.log_bodies:
                entry["content_type"] = request.content_type
                entry["body"] = call.raw.decode("utf-8", "replace")
                entry["form"] = {name: _text(value) for name, value in call.form.items()} if call.form is not None else None
                entry["answer"] = _text(answer.encoded()) if answer else None
                entry["answer_type"] = answer.content_type if answer else None
            self.log.add(entry)

    async def _strike(
        self, fault: Fault, request: web.Request, call: Call, answer: Answer | None, entry: dict[str, Any]
    ) -> web.StreamResponse:
        """Carry out a fault. C(answer) is what would have been said, when the request was already carried out."""
        if fault.kind == "hang":
            await _wait_for_client(request, fault.seconds)
            return _cut(request, "close")
        if fault.kind == "cut":
            return _cut(request, fault.how)
        if fault.kind == "cut_body" and answer:
            entry["cut_after"] = fault.bytes
            return _cut_body(request, answer, fault)
        if fault.kind == "trickle" and answer:
            return await _trickle(request, answer, fault)
        if fault.kind == "wrong_shape" and answer and not isinstance(answer.body, bytes):
            return _response(Answer(answer.status, SHAPES[fault.shape](answer.body)))
        spoiled = self._instead(fault)
        entry["status"] = spoiled.status
        return _response(spoiled)

    def _instead(self, fault: Fault) -> Answer:
        headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
        if fault.kind == "not_json":
            return Answer(fault.status or 200, HTML, "text/html", headers)
        if fault.kind == "empty":
            return Answer(fault.status or 200, b"", headers=headers)
        if fault.kind == "redirect":
            return Answer(fault.status or 307, b"", headers={"Location": fault.location})
        status = 200 if fault.kind == "success_false" else fault.status or 503
        return Answer(status, self.simulator.error_body(status), headers=headers)

    def _control(self, call: Call) -> Answer:
        name = call.path[len(CONTROL) :].strip("/")
        own = self.simulator.control(dataclasses.replace(call, path=name))
        if own:
            return own
        if name == "log":
            if call.method == "DELETE":
                self.log.clear()
            return Answer(200, self.log.entries)
        if name == "faults":
            return Answer(200, [dataclasses.asdict(fault) for fault in self.plan.faults])
        if name == "switches":
            if call.method in ("POST", "PUT", "PATCH"):
                try:
                    self._change(call.json())
                except (SwitchError, FaultError, ValueError) as error:
                    return Answer(400, {"error": str(error)})
            return Answer(200, dataclasses.asdict(self.simulator.switches))
        return Answer(404, {"error": f"no control path {name!r}"})

    def _change(self, changes: Any) -> None:
        if not isinstance(changes, dict):
            raise SwitchError("a JSON object of switches is wanted")
        plan = FaultPlan(changes["faults"]) if isinstance(changes.get("faults"), list) else None
        before = dict(vars(self.simulator.switches))
        change(self.simulator.switches, changes)
        try:
            self.simulator.switches_changed(changes)
        except SwitchError:
            vars(self.simulator.switches).update(before)
            raise
        self.plan = plan or self.plan


def _text(content: str | bytes | bytearray) -> str:
    return content if isinstance(content, str) else content.decode("utf-8", "replace")


async def _read(request: web.Request, call: Call) -> None:
    if request.content_type == "multipart/form-data":
        fields = await request.post()
        call.form = {name: value.file.read() if isinstance(value, FileField) else _text(value) for name, value in fields.items()}
    else:
        call.raw = await request.read()


def _response(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, body=answer.encoded(), content_type=answer.content_type, headers=answer.headers)


async def _wait_for_client(request: web.Request, seconds: float) -> None:
    """Keep the connection open until the client gives up or the time is over."""
    deadline = asyncio.get_running_loop().time() + seconds
    while request.transport is not None and not request.transport.is_closing() and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.05)


def _cut(request: web.Request, how: str) -> web.Response:
    if request.transport is not None:
        if how == "reset":
            request.transport.abort()
        else:
            request.transport.close()
    return web.Response(status=500)


def _cut_body(request: web.Request, answer: Answer, fault: Fault) -> web.Response:
    """Write an answer by hand and close before its end: an HTTP library would not do it wrong."""
    body = answer.encoded()
    head = [f"HTTP/1.1 {answer.status} Cut", f"Content-Type: {answer.content_type}", "Connection: close"]
    part = body[: fault.bytes]
    if fault.framing == "length":
        head.append(f"Content-Length: {len(body)}")
    elif fault.framing == "chunked":
        head.append("Transfer-Encoding: chunked")
        part = b"%x\r\n%s" % (len(body), part)
    if request.transport is not None:
        request.transport.write("\r\n".join(head).encode() + b"\r\n\r\n" + part)
        request.transport.close()
    return web.Response(status=500)


def tls_context(certificate: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


async def _trickle(request: web.Request, answer: Answer, fault: Fault) -> web.Response:
    """Write an answer by hand, a byte at a time, for as long as somebody listens."""
    body = answer.encoded()
    head = (
        f"HTTP/1.1 {answer.status} Slow\r\nContent-Type: {answer.content_type}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    for byte in head.encode() + body:
        if request.transport is None or request.transport.is_closing():
            break
        request.transport.write(bytes([byte]))
        await asyncio.sleep(fault.seconds)
    return _cut(request, "close")
