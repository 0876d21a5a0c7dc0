# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Batches of generated passwords and the list that can be downloaded once."""

from __future__ import annotations

import csv
import dataclasses
import io
from typing import Any

from ..kit.clock import stamp
from .channel import Track
from .fleet import Router
from .switches import SEPARATORS, Switches


@dataclasses.dataclass
class Member:
    """A router in a batch with the password made for it."""

    router: Router
    track: Track
    password: str = dataclasses.field(repr=False)

    def state(self, now: float) -> str:
        """C(completed), C(failed) or C(running)."""
        outcome = self.track.outcome(now)
        return "running" if outcome is None else "completed" if outcome == "completed" else "failed"


@dataclasses.dataclass
class Batch:
    """One generate call."""

    id: str
    owner: str
    company: dict[str, Any]
    created: float
    members: list[Member]
    downloaded: float | None = None

    def item(self, now: float) -> dict[str, Any]:
        return {
            "id": self.id,
            "company_id": self.company["id"],
            "company_name": self.company["name"],
            "created_at": stamp(self.created),
            "updated_at": stamp(max([self.created, *(at for member in self.members for at, _event in member.track.events if at <= now)])),
            "deleted_at": stamp(self.downloaded),
            "completed": sum(member.state(now) == "completed" for member in self.members),
            "total": len(self.members),
        }

    def devices(self, now: float, switches: Switches) -> list[dict[str, Any]]:
        words = {"completed": switches.task_success_word, "failed": "failed", "running": switches.task_running_word}
        return [
            {
                "id": member.router.id,
                "name": member.router.name,
                "description": f"s/n {member.router.serial}",
                "serial": member.router.serial,
                "mac": member.router.mac,
                "status": words[member.state(now)],
                "created_at": stamp(self.created),
            }
            for member in self.members
            if switches.task_failed_devices == "present" or member.state(now) != "failed"
        ]

    def csv(self, now: float, switches: Switches) -> bytes:
        """The one-time list, in the form the switches ask for."""
        text = io.StringIO()
        writer = csv.writer(
            text,
            delimiter=SEPARATORS[switches.csv_separator],
            quoting=csv.QUOTE_ALL if switches.csv_quotes == "all" else csv.QUOTE_MINIMAL,
            lineterminator="\r\n" if switches.csv_newline == "crlf" else "\n",
        )
        columns = [column.strip() for column in switches.csv_columns.split(",")]
        if switches.csv_header:
            writer.writerow(columns)
        for member in self.members:
            state = member.state(now)
            if (state == "failed" and switches.csv_failed_rows == "absent") or (
                state == "running" and switches.csv_running_rows == "absent"
            ):
                continue
            router = member.router
            values = {
                "serial": router.serial,
                "password": member.password,
                "name": router.name,
                "mac": router.mac,
                "id": router.id,
                "model": router.model,
                "status": state,
                "date": stamp(self.created),
                "reference": "R" + "".join(reversed(member.password))[1:],
            }
            writer.writerow([values.get(column.lower(), "") for column in columns])
        return (b"\xef\xbb\xbf" if switches.csv_bom else b"") + text.getvalue().encode()
