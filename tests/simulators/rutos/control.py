# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The control plane: what a test may know and do that no client of a router can. Plain HTTP on its own port, all JSON."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from aiohttp import web

from simulators.kit.server import CONTROL

from .model import Router, stamp
from .server import Fleet


class Control:
    def __init__(self, fleet: Fleet, listing: list[dict[str, Any]]) -> None:
        self._fleet = fleet
        self._listing = listing

    def application(self) -> web.Application:
        application = web.Application(middlewares=[explain])
        application.add_routes(
            [
                web.get(f"{CONTROL}/routers", self.routers),
                web.get(f"{CONTROL}/truth", self.truth),
                web.get(f"{CONTROL}/log", self.log),
                web.delete(f"{CONTROL}/log", self.forget_log),
                web.get(f"{CONTROL}/switches", self.switches),
                web.post(f"{CONTROL}/switches", self.set_switches),
                web.get(f"{CONTROL}/clock", self.clock),
                web.post(f"{CONTROL}/clock", self.move_clock),
                web.post(f"{CONTROL}/router", self.set_router),
            ]
        )
        return application

    def _chosen(self, serial: str | None) -> list[Router]:
        if serial is None:
            return [server.router for server in self._fleet.servers.values()]
        if serial not in self._fleet.servers:
            raise ValueError(f"there is no router {serial}")
        return [self._fleet.servers[serial].router]

    async def routers(self, _request: web.Request) -> web.Response:
        return web.json_response(self._listing)

    async def truth(self, request: web.Request) -> web.Response:
        return web.json_response({router.serial: router.truth() for router in self._chosen(request.query.get("serial"))})

    async def log(self, request: web.Request) -> web.Response:
        serial = request.query.get("serial")
        return web.json_response([entry for entry in self._fleet.log.entries if serial in (None, entry["serial"])])

    async def forget_log(self, _request: web.Request) -> web.Response:
        self._fleet.log.clear()
        return web.json_response({})

    async def switches(self, _request: web.Request) -> web.Response:
        board = self._fleet.switchboard
        return web.json_response({"everywhere": dataclasses.asdict(board.of()), "routers": board.single})

    async def set_switches(self, request: web.Request) -> web.Response:
        body = await request.json()
        serial = body.get("serial")
        self._chosen(serial)
        self._fleet.switchboard.set(body["switches"], serial)
        self._fleet.apply_switches(serial, restart_faults="faults" in body["switches"])
        return await self.switches(request)

    async def clock(self, _request: web.Request) -> web.Response:
        return web.json_response({"now": stamp(self._fleet.clock.now())})

    async def move_clock(self, request: web.Request) -> web.Response:
        self._fleet.clock.advance(float((await request.json())["advance"]))
        self._fleet.look_at_doors()
        return await self.clock(request)

    async def set_router(self, request: web.Request) -> web.Response:
        body = await request.json()
        routers = self._chosen(body.get("serial"))
        for router in routers:
            router.set_state(body)
        self._fleet.look_at_doors()
        return web.json_response({router.serial: router.truth() for router in routers})


@web.middleware
async def explain(request: web.Request, handler: Any) -> web.StreamResponse:
    """A mistake of the test's author gets a 400 that says what is wrong."""
    try:
        response: web.StreamResponse = await handler(request)
        return response
    except (ValueError, KeyError, TypeError, json.JSONDecodeError) as problem:
        return web.json_response({"error": f"{type(problem).__name__}: {problem}"}, status=400)
