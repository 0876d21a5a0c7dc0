# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From RMS to the router: what becomes of one password on its way, by the router's fate."""

from __future__ import annotations

import dataclasses
import heapq
import itertools
import random
from collections.abc import Callable

from .channel import Track
from .fleet import Router
from .rutos_policy import refusal
from .switches import Switches

# The first is the vendor's wording; all other texts and all numbers are illustrations (1.4).
CHANGED = "Device password was changed successfully."
OFFLINE, REFUSED, SAME, FAILED, WARNED, UNAUTHENTICATED, NO_CREDIT = -1, -103, -6, -97, -98, -2, -3


@dataclasses.dataclass
class Order:
    """One router is to take one password. C(request) is the number of the HTTP request that asked for it."""

    router: Router
    password: str = dataclasses.field(repr=False)
    kind: str
    request: int
    show_password: bool = False


class Delivery:
    """Decides outcomes, and changes routers when their moment has come."""

    def __init__(self, switches: Switches, source: random.Random) -> None:
        self._switches = switches
        self._source = source
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def tick(self, now: float) -> None:
        """Let happen what is due."""
        while self._due and self._due[0][0] <= now:
            heapq.heappop(self._due)[2]()

    def send(self, order: Order, now: float) -> Track:
        """Hand an order to its router; the track tells how it goes."""
        track = Track(order.router.id, now)
        order.router.track = track
        entry: dict[str, object] = {
            "request": order.request,
            "at": now,
            "kind": order.kind,
            "password": order.password,
            "show_password": order.show_password,
            "outcome": "pending",
        }
        order.router.asked.append(entry)
        if not order.router.online and self._switches.offline_handling == "queued":
            track.add(now, self._switches.running_word, "The device is offline, waiting for its reconnect.")
            order.router.queue.append((order, track, entry))
        else:
            self._carry_out(order, track, entry, now)
        return track

    def reconnect(self, router: Router, now: float) -> None:
        """The router is back: what waited for it is delivered, oldest first."""
        waiting, router.queue = router.queue, []
        for order, track, entry in waiting:
            self._carry_out(order, track, entry, now)

    def refuse(self, order_device: int, text: str, now: float) -> Track:
        """An error event for an item that never gets to a router."""
        track = Track(order_device, now)
        track.add(now, "error", text, FAILED)
        return track

    def _carry_out(self, order: Order, track: Track, entry: dict[str, object], now: float) -> None:
        switches = self._switches
        at = now + switches.device_seconds
        if switches.device_jitter_seconds:
            at += self._source.random() * switches.device_jitter_seconds
        if order.router.fate == "slow":
            at += switches.slow_seconds
        track.add(now, switches.running_word, "Sending...")

        def arrive() -> None:
            entry["outcome"] = self._arrive(order, track, at)

        if at <= now:
            arrive()
        else:
            heapq.heappush(self._due, (at, next(self._numbers), arrive))

    def _arrive(self, order: Order, track: Track, at: float) -> str:
        """The moment the router is reached. Says in the audit's words what became of it."""
        router, password, fate = order.router, order.password, order.router.fate
        echo = f" ({password})" if self._switches.echo_passwords else ""

        def taken(kept: str | None = None) -> None:
            router.take(password if kept is None else kept, at, order.request, order.kind)

        def ended(status: str, text: str, code: int | None = None) -> str:
            track.add(at, status, text, code)
            return status

        if not router.online:
            return ended("error", "Device is offline.", OFFLINE)
        if fate == "not_authenticated":
            return ended("error", "Device is not authenticated.", UNAUTHENTICATED)
        if fate == "no_credit":
            return ended("error", "Device has no active service.", NO_CREDIT)
        if fate == "goes_offline_midway":
            return "never told, not changed"
        if fate == "error":
            return ended("error", f"{self._switches.error_text}{echo}", FAILED)
        if fate == "warning":
            return ended("warning", f"The device answered with a warning.{echo}", WARNED)
        reason = "its own rule" if fate == "rejected_by_policy" else None
        if not reason and self._switches.device_policy_enforced:
            reason = refusal(password, router.firmware, self._switches.odd_symbols_refused)
        if reason:
            return ended("error", f"The device refused the password: {reason}.{echo}", REFUSED)
        if fate == "completed_without_change":
            return ended("completed", CHANGED) + ", not changed"
        if fate == "same_password" and router.password != password:
            router.take(password, at, None, "elsewhere")
        if router.password == password:
            if self._switches.same_password == "error":
                return ended("error", f"{self._switches.same_password_text}{echo}", SAME)
            return ended("completed", CHANGED)
        if fate == "truncates":
            taken(password[: self._switches.truncate_to])
            return ended("completed", CHANGED) + ", truncated"
        taken()
        if fate in ("goes_silent_after_change", "never_reported"):
            track.hidden = fate == "never_reported"
            return "never told, changed"
        if fate == "error_after_change":
            return ended("error", f"{self._switches.error_text}{echo}", FAILED) + ", changed"
        if fate == "warning_after_change":
            return ended("warning", f"The device answered with a warning.{echo}", WARNED) + ", changed"
        return ended("completed", f"{CHANGED} New password: {password}" if order.show_password else CHANGED)
