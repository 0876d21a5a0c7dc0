# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for what RMS tells of a request: one status channel per request, all of them asked in turn.

A channel may not be there yet, may forget (the same word, CHANNEL_NOT_FOUND), lists devices late, under ids as strings, with a list
of events that grows; the last event counts (observed). It is asked with growing pauses, because polls may count in the quota.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._http import HttpFault, Reply
from ansible_collections.keyturn.devices.plugins.module_utils._rms.client import RmsClient, RmsFault, read_envelope
from ansible_collections.keyturn.devices.plugins.module_utils._rms.outcomes import Target, outcome_of_error

# Seconds before the first poll: RMS answers a few routers at once, and needs longer for many.
_FIRST_PAUSE = 0.4
_PAUSE_PER_ROUTER = 0.0005
_PAUSE_GROWTH = 1.6
_LONGEST_PAUSE = 8.0

# A channel that had events and is not found this many times in a row has expired.
_EXPIRED_AFTER = 3


@dataclass
class Channel:
    """A channel and the targets it is to tell of, by id as text."""

    name: str
    targets: Mapping[str, Target]
    seen: bool = False
    misses: int = 0
    expired: bool = False

    @property
    def waiting(self) -> list[Target]:
        """The targets without an outcome so far."""
        return [target for target in self.targets.values() if target.outcome is None]

    @property
    def is_open(self) -> bool:
        """Whether there is anything more to learn."""
        return not self.expired and bool(self.waiting)


def watch(client: RmsClient, channels: Sequence[Channel]) -> RmsFault | None:
    """Ask until every target has an outcome or the deadline has come.

    Targets without one stay without: what is known of them is for the caller to say. Returns the fault that made asking useless.
    """
    routers = sum(len(channel.targets) for channel in channels)
    pause = min(_LONGEST_PAUSE, max(_FIRST_PAUSE, _PAUSE_PER_ROUTER * routers))
    while any(channel.is_open for channel in channels) and client.remaining > 0:
        client.sleep(min(pause, client.remaining))
        pause = min(_LONGEST_PAUSE, pause * _PAUSE_GROWTH)
        for channel in channels:
            if channel.is_open:
                fault = _ask(client, channel)
                if fault is not None:
                    return fault
    return None


def _ask(client: RmsClient, channel: Channel) -> RmsFault | None:
    """One poll. What may pass (no connection, 5xx, no JSON) is left to the next one."""
    try:
        reply = client.http.read(client.channel_url(channel.name), retry=False)
    except HttpFault as fault:
        return RmsFault(fault.reason, f"RMS cannot be asked for the outcomes: {fault.message}.") if fault.reason == "certificate" else None
    if reply.status == 429:
        return None if client.pause(reply) else client.refusal(reply)
    if reply.status in (401, 403) and not _is_missing(reply):
        return client.refusal(reply)
    envelope = read_envelope(reply)
    events = envelope.get("data") if envelope is not None and reply.status == 200 else None
    if isinstance(events, Mapping):
        channel.seen, channel.misses = True, 0
        for identifier, told in events.items():
            target = channel.targets.get(str(identifier).strip())
            if target is not None and target.outcome is None:
                _read_event(client, target, told[-1] if isinstance(told, list) and told else told)
    elif reply.status == 404 or _is_missing(reply):
        channel.misses += 1
        channel.expired = channel.seen and channel.misses >= _EXPIRED_AFTER
    return None


def _is_missing(reply: Reply) -> bool:
    return (read_envelope(reply) or {}).get("code") == "CHANNEL_NOT_FOUND"


def _read_event(client: RmsClient, target: Target, event: Any) -> None:
    """Settle the target if the event is a last one: completed, error or warning (observed); anything else is still running."""
    if not isinstance(event, Mapping):
        return
    status = str(event.get("status", "")).strip().lower()
    value = event.get("value")
    shown = "" if value is None else client.shown(value)
    code = event.get("errorCode", event.get("errorcode"))
    if status == "completed":
        target.end("changed", "", shown or "RMS reports that the password was changed.")
    elif status == "error":
        target.outcome = outcome_of_error(shown, "" if code is None else client.shown(code))
    elif status == "warning":
        why = shown or "RMS gave no reason"
        target.end("unknown", "warning", f"RMS ended with a warning, so whether the password was changed is not known: {why}")
