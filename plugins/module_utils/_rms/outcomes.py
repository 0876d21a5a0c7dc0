# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of one router, and how the vendor's words are read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._outcomes import Outcome


@dataclass
class Target:
    """One router that is to get a password: C(id) as RMS counts, C(firmware) as RMS tells it, if it was asked."""

    serial: str
    password: str | None = field(default=None, repr=False)
    id: int | None = None
    firmware: str | None = None
    mac: str = ""
    name: str = ""
    host: str | None = None
    outcome: Outcome | None = None

    def end(self, status: str, reason: str = "", message: str = "") -> None:
        """Settle what became of it."""
        self.outcome = Outcome(status, reason, message)

    def as_result(self) -> dict[str, Any]:
        """What the module returns of it."""
        outcome = self.outcome or Outcome("failed", "not_sent", "Nothing was sent to this router.")
        return {
            "serial": self.serial,
            "id": self.id,
            "host": self.host,
            "status": outcome.status,
            "reason": outcome.reason,
            "message": outcome.message,
            "retryable": outcome.retryable,
        }


# The vendor publishes neither texts nor codes for password changes (facts: Teltonika 1.4, 1.5), so these are words that a text of
# each kind can hardly do without (assumed). The order matters: what leaves the outcome open is looked for first.
_OPEN = re.compile(
    r"time[d\s-]*out|no (response|answer|reply)|(not|n't|did not|failed to) (respond|answer|reply)"
    r"|connection (was |has been |is )?(lost|closed|broken|interrupted|reset|aborted|dropped)|lost (the )?connection|went offline",
    re.IGNORECASE,
)
_NO_RIGHT = (
    r"credit|licen[cs]e|not activated|inactive|no active|unauthori[sz]ed|not (authori[sz]ed|authenticated|allowed)"
    r"|forbidden|permission|denied"
)
_AGAINST_A_RULE = (
    r"policy|upper-? ?case|lower-? ?case|\bdigits?\b|characters?\b|too (short|long|weak|simple|common)|minimum|length"
    r"|password.*(refused|rejected|invalid|not accepted|must|requires?\b|weak)|(refused|rejected|invalid|weak).*password"
)
_CLOSED = (
    # Only what says that the password asked for is the router's own now; "already used" speaks of its history.
    ("same_password", r"same as (the |its )?(current|existing|present)|password is the same|use a different (new )?password"),
    ("offline", r"off-?line|not (on-?line|connected|reachable)|unreachable"),
    ("not_found", r"not (be )?found|does ?n[o']t exist|unknown device|no such device"),
    ("conflict", r"\bbusy\b|in progress|already running|another (task|action|operation)|conflict|pending task"),
    ("quota", r"quota|rate limit|too many requests"),
    ("unauthorized", _NO_RIGHT),
    ("rejected_by_policy", _AGAINST_A_RULE),
)
_CLOSED_PATTERNS = tuple((reason, re.compile(pattern, re.IGNORECASE)) for reason, pattern in _CLOSED)


def reason_of(text: str) -> str:
    """The reason that a vendor's refusal gives in its own words, or C(rejected)."""
    return next((reason for reason, pattern in _CLOSED_PATTERNS if pattern.search(text)), "rejected")


def outcome_of_error(text: str, shown: str) -> Outcome:
    """What an error that the vendor reports for one router means. C(shown): the text as it may be shown."""
    if _OPEN.search(text):
        return Outcome("unknown", "timeout", f"RMS lost the router while it changed the password: {shown}")
    reason = reason_of(text)
    return Outcome("unchanged" if reason == "same_password" else "failed", reason, shown)
