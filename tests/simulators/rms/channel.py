# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The status channel: what each router of one call has said so far."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

from .switches import Switches

TERMINAL = ("completed", "error", "warning")


@dataclasses.dataclass
class Track:
    """One router's events in one call, each with the moment from which it can be seen."""

    device: int
    started: float
    events: list[tuple[float, dict[str, Any]]] = dataclasses.field(default_factory=list)
    hidden: bool = False
    hidden_polls: int = 0

    def add(self, at: float, status: str, value: str, code: int | None = None) -> None:
        event: dict[str, Any] = {"status": status, "type": "text", "value": value}
        if code is not None:
            event["code"] = code
        self.events.append((at, event))

    def outcome(self, now: float) -> str | None:
        """The terminal status reached, or None."""
        for at, event in reversed(self.events):
            if at <= now and event["status"] in TERMINAL:
                return str(event["status"])
        return None

    def seen(self, now: float, polls: int, code_key: str) -> list[dict[str, Any]]:
        """The events a poll sees."""
        return [
            {code_key if key == "code" else key: value for key, value in event.items()}
            for at, event in self.events
            if at <= now and (polls > self.hidden_polls or event["status"] not in TERMINAL)
        ]


class Channel:
    """One channel; its name is the secret part of its address."""

    def __init__(self, name: str, owner: str, created: float, tracks: list[Track], switches: Switches, source: random.Random) -> None:
        self.name = name
        self.owner = owner
        self.created = created
        self.tracks = tracks
        self.polls = 0
        self.good_polls = 0
        if switches.channel_out_of_order:
            source.shuffle(self.tracks)
        for track in self.tracks:
            track.hidden_polls = source.randint(0, switches.pending_polls) if switches.channel_out_of_order else switches.pending_polls
        if self.tracks and switches.pending_polls:
            self.tracks[-1].hidden_polls = switches.pending_polls

    def poll(self, now: float, switches: Switches) -> dict[str, Any] | None:
        """The answer to one poll, or None for CHANNEL_NOT_FOUND."""
        self.polls += 1
        if self.polls <= switches.channel_not_found_polls or now - self.created > switches.channel_expires_seconds:
            return None
        self.good_polls += 1
        data: dict[str, Any] = {}
        for index, track in enumerate(self.tracks):
            if track.hidden or (self.good_polls <= switches.channel_missing_polls and index % 2):
                continue
            events = track.seen(now, self.good_polls, switches.event_code_key)
            if events:
                data[str(track.device)] = events if switches.channel_shape == "list" else events[-1]
        return {"event": "status", "data": data} if switches.channel_shape == "wrapped" else {"data": data}
