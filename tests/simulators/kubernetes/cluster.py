# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One EboServer, the operator that looks after it (as its published code does), and the API server in front of them."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from ..kit.clock import Clock
from ..kit.server import Answer, Call
from .switches import Switches

GROUP = "apis/digbld.em.se.com/v1alpha6"
SHORT, LONG = 15.0, 60.0


class FastClock(Clock):
    """Runs at the speed of the switch."""

    def __init__(self, switches: Switches) -> None:
        super().__init__()
        self._switches = switches
        self._started = super().now()
        self._skipped = 0.0

    def now(self) -> float:
        return self._started + (super().now() - self._started) * self._switches.speed + self._skipped

    def advance(self, seconds: float) -> None:
        self._skipped += seconds


def stamped(moment: float) -> str:
    """As the operator's language prints a time: nine digits, and the offset."""
    return datetime.datetime.fromtimestamp(moment, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f") + "123+00:00"


@dataclass
class World:
    """What there is. Moments are those of the operator's clock; None for what is not there."""

    phase: str = "Ready"
    asked: str = ""
    last: str = ""
    version: int = 1
    pod_ready_at: float | None = 0.0
    pod_gone_at: float | None = None
    job_done_at: float | None = None
    markers: int = 0
    restarts: int = 0
    wiped: bool = False
    other_fields: list[str] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)


class Cluster:
    """Implements the kit's Simulator."""

    def __init__(self, switches: Switches, token: str, namespace: str, name: str, clock: Clock | None = None) -> None:
        self.switches = switches
        self.clock = clock or FastClock(switches)
        self.world = World()
        self.token = token
        self.server_path = f"/{GROUP}/namespaces/{namespace}/eboservers/{name}"
        self.events_path = f"/api/v1/namespaces/{namespace}/events"
        self._name = name
        self._next = self._operator_now()

    def _operator_now(self) -> float:
        return self.clock.now() + self.switches.operator_ahead_seconds

    # The operator

    def _reconcile(self) -> None:
        """All the looks the operator took meanwhile."""
        while self._next <= self._operator_now():
            at = self._next
            before = self.world.phase
            if self.switches.stuck_in != before:
                self._step(at)
            self._next = at + (LONG if self.world.phase == before == "Ready" else SHORT)

    def _step(self, at: float) -> None:
        world = self.world
        if world.job_done_at is not None and at > world.job_done_at + self.switches.job_ttl_seconds:
            world.job_done_at = None
        if world.phase == "Ready":
            if world.pod_ready_at is not None and world.pod_ready_at <= at and world.last < world.asked:
                self._publish(at, "PasswordResetInitiated")
                self._move("StoppingForPasswordReset")
        elif world.phase == "StoppingForPasswordReset":
            if world.pod_gone_at is None:
                world.pod_gone_at = at + self.switches.pod_stop_seconds
                world.pod_ready_at = None
                self._publish(at, "PodStopping")
            elif world.pod_gone_at <= at:
                self._publish(at, "PodDeleted")
                self._move("PreparingForPasswordReset")
        elif world.phase == "PreparingForPasswordReset":
            if world.job_done_at is None:
                world.job_done_at = float("inf") if self.switches.job_fails else at + self.switches.job_seconds
                self._publish(at, "PasswordResetJobCreated")
                world.markers += not self.switches.job_fails
            elif world.job_done_at <= at:
                # One that was there already has succeeded too: no marker is made then.
                world.last = stamped(at)
                self._publish(at, "PasswordResetJobSucceeded")
                self._move("Starting")
        elif world.phase == "Starting":
            if world.pod_ready_at is None:
                world.pod_ready_at, world.pod_gone_at = at + self.switches.pod_start_seconds, None
                world.restarts += 1
                self._publish(at, "PodCreated")
            elif world.pod_ready_at <= at:
                self._publish(at, "PodReady")
                self._move("Ready")

    def _move(self, phase: str) -> None:
        self.world.phase = phase
        self.world.version += 1

    def _publish(self, at: float, reason: str) -> None:
        moment = stamped(at)[:26] + "Z"
        if self.switches.events == "series":
            for event in self.world.events:
                if event["reason"] == reason:
                    event["series"] = {"count": event.get("series", {}).get("count", 1) + 1, "lastObservedTime": moment}
                    return
        self.world.events.append(
            {"reason": reason, "eventTime": moment, "lastTimestamp": None, "involvedObject": {"kind": "EboServer", "name": self._name}}
        )

    # The API server

    def switches_changed(self, changes: Mapping[str, Any]) -> None:
        """Nothing keeps a copy of a switch."""

    def error_body(self, status: int) -> Any:
        return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status, "message": f"HTTP {status}"}

    def busy_with(self, call: Call) -> Answer | None:
        return None

    def handle(self, call: Call) -> Answer:
        self._reconcile()
        status, body = self._answer(call)
        self._reconcile()
        headers = {"Date": formatdate(self.clock.now(), usegmt=True)}
        return Answer(status, self.error_body(status) if body is None else body, headers=headers)

    def _answer(self, call: Call) -> tuple[int, Any]:
        forbidden = self.switches.forbidden
        if call.headers.get("Authorization") != f"Bearer {self.token}":
            return 401, None
        if call.path == self.events_path and call.method == "GET":
            if forbidden == "events":
                return 403, None
            return 200, {"kind": "EventList", "items": [] if self.switches.events == "gone" else self.world.events}
        if call.path != self.server_path:
            return 404, None
        if call.method == "GET":
            return (403, None) if forbidden == "read" else (200, self._resource())
        if call.method == "PATCH":
            return (403, None) if forbidden == "patch" else self._patch(call)
        return 405, None

    def _resource(self) -> dict[str, Any]:
        world = self.world
        spec = {"type": "EnterpriseServer", "version": "7.0.0.1", **({"passwordResetMode": world.asked} if world.asked else {})}
        status = {"phase": world.phase, **({"lastPasswordResetMode": world.last} if world.last else {})}
        metadata = {"name": self._name, "resourceVersion": str(world.version)}
        return {"kind": "EboServer", "metadata": metadata, "spec": spec, "status": status}

    def _patch(self, call: Call) -> tuple[int, Any]:
        world = self.world
        if call.headers.get("Content-Type") != "application/merge-patch+json":
            return 415, None
        body = json.loads(call.raw)
        if self.switches.conflicts:
            self.switches.conflicts -= 1
            world.version += 1
        if body.get("metadata", {}).get("resourceVersion", str(world.version)) != str(world.version):
            return 409, None
        spec = body.get("spec", {})
        # The operator deletes the server's data for this one.
        world.wiped = world.wiped or "resetTemporaryPassword" in spec
        world.other_fields += [name for name in (*body, *spec) if name not in ("metadata", "spec", "passwordResetMode")]
        if "passwordResetMode" in spec:
            world.asked = spec["passwordResetMode"]
        world.version += 1
        self._next = self._operator_now()  # The operator watches the resource.
        return 200, self._resource()

    def control(self, call: Call) -> Answer | None:
        if call.path == "truth":
            self._reconcile()
            return Answer(200, vars(self.world) | {"now": self.clock.now()})
        if call.path == "clock":
            self.clock.advance(float((json.loads(call.raw) if call.raw else {}).get("advance", 0)))
            return Answer(200, {"now": self.clock.now()})
        if call.path == "world" and call.method == "POST":
            vars(self.world).update(json.loads(call.raw))
            return Answer(200, vars(self.world))
        return None
