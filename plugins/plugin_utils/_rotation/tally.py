# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The account of a run, batch after batch: what happened to each device, and whether the run should go on."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

#: The status that a result has for a person. What is not here was left alone, for a reason that is no failure.
STATUS = {
    "committed": "changed",
    "would_change": "changed",
    "dropped": "failed",
    "refused": "failed",
    "bad_input": "failed",
    "not_staged": "failed",
    "without_password": "failed",
    "not_reached": "not_reached",
    "settled": "settled",
    "verified": "verified",
    "disproved": "failed",
    "unproven": "failed",
    "unknown_password": "failed",
    "fenced": "unknown",
    "kept": "unknown",
    "lost_lease": "unknown",
    "reopened": "unknown",
    "orphaned": "orphaned",
    "offline": "offline",
    "offline_unsettled": "offline",
}
#: The statuses that are no failure of their own.
GOOD = ("changed", "settled", "verified", "left_alone", "offline", "not_due")


@dataclass(frozen=True)
class Told:
    """What became of one device: a result (what the ledger or the plan says), a typed reason, and the same for people."""

    name: str
    result: str
    reason: str = ""
    message: str = ""

    @property
    def status(self) -> str:
        return STATUS.get(self.result, "left_alone")

    def data(self) -> dict[str, str]:
        return asdict(self)


@dataclass
class Tally:
    """C(failed_before): devices that failed in earlier runs; they do not count towards the limit. C(limit_percent): of those tried."""

    limit_percent: int
    nouns: tuple[str, str]
    tried: int = 0
    failures: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    stop: str = ""

    def add(self, told: Iterable[Told], tried: int, failed_before: Iterable[str] = (), stop: str = "") -> None:
        """One batch more. C(stop): why the run should end here."""
        excused = set(failed_before)
        for entry in told:
            self.counts[entry.status] = self.counts.get(entry.status, 0) + 1
            self.failures += entry.status not in GOOD and entry.reason != "offline" and entry.name not in excused
        self.tried += tried
        self.stop = self.stop or stop
        if not self.stop and self.tried and self.failures * 100 > self.limit_percent * self.tried:
            self.stop = f"{self.failures} of {self.tried} {self.nouns[1]} failed, the limit is {self.limit_percent} percent"

    @property
    def progress(self) -> str:
        """How far the run is, for people."""
        counted = ", ".join(f"{number} {status.replace('_', ' ')}" for status, number in sorted(self.counts.items()))
        return f"{counted} so far" if counted else "nothing done"


def told_of(data: Iterable[Mapping[str, t.Any]]) -> list[Told]:
    """What C(Told.data) wrote."""
    return [Told(entry["name"], entry["result"], entry["reason"], entry["message"]) for entry in data]
