# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reset mode through the vendor's Kubernetes operator (observed in its code).

The operator compares C(spec.passwordResetMode) with C(status.lastPasswordResetMode) as text. When the first is greater it stops the
server, lets a job put the marker into the volume, writes the time of its own clock into the status, and starts the server. A time ahead
of that clock would therefore make it restart the server again and again, so the API server's time is what is written.

A finished job stays for 180 seconds. A request meanwhile finds it, takes its success for its own, and makes no marker: that is the run
without an event C(PasswordResetJobCreated).
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._ebo.api import FIELD, Api, ApiFault
from ansible_collections.keyturn.devices.plugins.module_utils._ebo.kinds import RESET_SECONDS
from ansible_collections.keyturn.devices.plugins.module_utils._ebo.transport import Arming, Journal, Plan, ResetModeFault, seconds_of

READY = "Ready"
RESET_PHASES = ("StoppingForPasswordReset", "PreparingForPasswordReset")
INITIATED, CREATED = "PasswordResetInitiated", "PasswordResetJobCreated"

#: Seconds a finished job stays, and what the operator and the cluster need to notice.
JOB_SECONDS = 180
_MARGIN = 20
#: A request for a moment so far ahead of the API server's clock was not made by it.
_AHEAD = 60
_BETWEEN_LOOKS = 2.0
_CONFLICTS = 5


@dataclass(frozen=True)
class Seen:
    """The resource at one moment. C(asked) and C(last): the two texts that the operator compares; C(now): the API server's time."""

    phase: str
    asked: str
    last: str
    version: str
    now: float

    @property
    def pending(self) -> bool:
        """Whether the operator has a request to carry out."""
        return self.asked > self.last or self.phase in RESET_PHASES

    @property
    def last_at(self) -> float | None:
        try:
            return seconds_of(self.last)
        except ValueError:
            return None


class KubernetesTransport:
    """C(connect): gives the API, and may raise ResetModeFault. C(deadline): seconds for everything."""

    def __init__(
        self,
        connect: Callable[[], Api],
        deadline: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        between_looks: float = _BETWEEN_LOOKS,
    ) -> None:
        self.journal = Journal()
        self._connect = connect
        self._clock = clock
        self._sleep = sleep
        self._pause = between_looks
        self._end = clock() + deadline
        self._api_made: Api | None = None
        self._phases: list[str] = []

    @property
    def _api(self) -> Api:
        if self._api_made is None:
            self._api_made = self._connect()
        return self._api_made

    def look(self, check_mode: bool) -> Plan:
        seen = self._see()
        self._refuse_ahead(seen)
        if seen.pending:
            return Plan(would=["Wait for the operator to carry out the request that is there already."])
        if self._is_armed(seen):
            if check_mode or seen.phase == READY:
                return Plan(seen.last_at)
            return Plan(would=["Wait until the operator has started the server."])
        return Plan(would=[f"Set spec.{FIELD}, so that the operator stops the server, makes the marker and starts the server."])

    def arm(self) -> Arming:
        seen = self._wait_until_settled()
        if self._is_armed(seen):
            return self._arming(seen, self._verdict(None))
        before = seen.last_at
        self._ask(seen)
        seen = self._wait_until_settled()
        self._refuse_ahead(seen)
        return self._arming(seen, self._verdict(before))

    # What there is

    def _see(self) -> Seen:
        """Raises ApiFault."""
        told = self._api.server()
        status, spec, metadata = (_mapping(told.content.get(name)) for name in ("status", "spec", "metadata"))
        seen = Seen(
            phase=str(status.get("phase") or ""),
            asked=str(spec.get(FIELD) or ""),
            last=str(status.get("lastPasswordResetMode") or ""),
            version=str(metadata.get("resourceVersion") or ""),
            now=told.now,
        )
        if not self._phases or self._phases[-1] != seen.phase:
            self._phases.append(seen.phase)
        return seen

    def _is_armed(self, seen: Seen) -> bool:
        """Whether the last request is carried out, not older than the mode lasts, and not known to have made no marker."""
        last = seen.last_at
        return not seen.pending and last is not None and seen.now < last + RESET_SECONDS and self._verdict(None) != "skipped"

    def _verdict(self, since: float | None) -> str:
        """C(made), C(skipped), or C(unknown) where the cluster does not tell. C(since): older events are not meant."""
        try:
            events = self._api.events()
        except ApiFault:
            return "unknown"
        return marker_verdict(events, since)

    def _refuse_ahead(self, seen: Seen) -> None:
        """Raises ResetModeFault where the operator restarts the server without an end, or would."""
        for name, text in ((f"spec.{FIELD}", seen.asked), ("status.lastPasswordResetMode", seen.last)):
            try:
                ahead = seconds_of(text) > seen.now + _AHEAD
            except ValueError:
                # Any text is allowed, and one that is greater than every time would never be caught up with.
                ahead = text > _written(seen.now)
            if ahead:
                raise _ahead(name)

    # What is done

    def _ask(self, seen: Seen) -> None:
        """Write the field. Raises ResetModeFault."""
        for _number in range(_CONFLICTS):
            seen = self._wait_for_the_job(seen)
            moment = _written(seen.now)
            if moment <= seen.last:
                raise _ahead("status.lastPasswordResetMode")
            try:
                self._api.ask_for_reset_mode(moment, seen.version)
            except ApiFault as fault:
                if not fault.may_pass:
                    raise
                again = self._wait_until_settled() if fault.reason != "conflict" else self._see()
                if again.asked == moment:  # It had arrived.
                    break
                if fault.reason != "conflict":
                    raise
                seen = again if not again.pending else self._wait_until_settled()
                continue
            break
        else:
            raise ResetModeFault(
                "conflict", f"Something else changed the resource {_CONFLICTS} times at the same moment. Nothing was written."
            )
        self.journal.add(f"Set spec.{FIELD} to {moment}.", changed=True)

    def _wait_for_the_job(self, seen: Seen) -> Seen:
        """Until no finished job of an earlier request is left, and the clock is past the last one. Raises ResetModeFault."""
        last = seen.last_at
        wait = 0.0 if last is None else last + JOB_SECONDS + _MARGIN - seen.now
        if wait > self._end - self._clock():
            raise ResetModeFault(
                "job_kept",
                f"The job of the last request stays for {JOB_SECONDS} s, and another request would take it for its own. "
                f"Nothing was written. Try again in {wait:.0f} s, or with a longer deadline.",
            )
        while last is not None and seen.now < last + JOB_SECONDS + _MARGIN:
            self._rest(seen)
            seen = self._see()
        return seen

    def _wait_until_settled(self) -> Seen:
        """Until the operator has nothing to carry out and the server is ready. Raises ResetModeFault, naming the phase it stuck in."""
        while True:
            try:
                seen = self._see()
            except ApiFault as fault:
                if not fault.may_pass or self._clock() + self._pause >= self._end:
                    raise
                self._sleep(self._pause)
                continue
            if seen.phase == READY and not seen.pending:
                return seen
            self._rest(seen)

    def _rest(self, seen: Seen) -> None:
        if self._clock() + self._pause >= self._end:
            waiting = " with a request it has not taken up" if seen.phase == READY and seen.pending else ""
            raise ResetModeFault("timeout", f"The operator is in the phase {seen.phase or 'unknown'}{waiting} after the deadline.")
        self._sleep(self._pause)

    def _arming(self, seen: Seen, verdict: str) -> Arming:
        self.journal.add(f"Saw the operator's phases {' > '.join(self._phases)}.")
        if verdict == "skipped":
            raise ResetModeFault(
                "job_skipped",
                "The operator took the job of an earlier request for its own and made no marker. The server was restarted and is not "
                f"in reset mode. Try again {JOB_SECONDS + _MARGIN} s later.",
            )
        handed = []
        if verdict == "unknown":
            handed.append(f"Make sure that the operator made the marker: its event {CREATED} could not be read.")
        return Arming(seen.last_at, "The operator made the marker and started the server.", handed)


def _ahead(name: str) -> ResetModeFault:
    return ResetModeFault(
        "clock_ahead",
        f"{name} is ahead of the API server's clock. The operator would restart the server again and again, or take no request. "
        "Put it right by hand first.",
    )


def marker_verdict(events: Iterable[Mapping[str, Any]], since: float | None) -> str:
    """Whether the last reset that the operator began came to a job of its own: C(made), C(skipped) or C(unknown)."""
    latest = {INITIATED: 0.0, CREATED: 0.0}
    for event in events:
        reason = event.get("reason")
        if reason in latest:
            latest[reason] = max(latest[reason], _time_of(event))
    begun = latest[INITIATED]
    if not begun or (since is not None and begun <= since):
        return "unknown"
    return "made" if latest[CREATED] >= begun else "skipped"


def _time_of(event: Mapping[str, Any]) -> float:
    """When it happened last: repeated events are one, with a series."""
    texts = [
        event.get("eventTime"),
        event.get("lastTimestamp"),
        event.get("firstTimestamp"),
        _mapping(event.get("series")).get("lastObservedTime"),
    ]
    moments = [0.0]
    for text in texts:
        try:
            moments.append(seconds_of(str(text or "")))
        except ValueError:
            continue
    return max(moments)


def _written(now: float) -> str:
    """RFC 3339 in UTC, as the operator writes it: with C(Z) a time of the same second would be the greater text."""
    return datetime.datetime.fromtimestamp(now, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
