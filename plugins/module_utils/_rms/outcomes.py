# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of one router, and how the vendor's words are read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ansible_collections.keyturn.devices.plugins.module_utils._outcomes import Outcome
from ansible_collections.keyturn.devices.plugins.module_utils._redact import MASK


@dataclass
class Target:
    """One router that is to get a password: C(id) as RMS counts, C(firmware) as RMS tells it, if it was asked.

    C(sent_late): the request with it left when the run might not change anything any more, so another run may have been there too.
    """

    serial: str
    password: str | None = field(default=None, repr=False)
    id: int | None = None
    firmware: str | None = None
    mac: str = ""
    name: str = ""
    host: str | None = None
    outcome: Outcome | None = None
    sent_late: bool = False

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
            "sent_late": self.sent_late,
        }


class Refusal(NamedTuple):
    """Words by which a router, or RMS for it, says that it did not take a password: the whole of what is said, not a part of it.

    C(grade): documented, observed or assumed; C(evidence): where the words are from.
    """

    reason: str
    words: str
    grade: str
    evidence: str


_DEVICE = r"(the )?(device|router)"
_ONE_RULE = (
    r"(at least |at most |(a )?minimum (of )?|(a )?maximum (of )?)?(\d+|an?|one|both)"
    r" ((upper|lower)-?case( and (upper|lower)-?case)? )?(special )?(characters?|letters?|digits?|numbers?|symbols?)( long)?"
)
_RULES = rf"{_ONE_RULE}((,| and|, and) {_ONE_RULE})*"

#: All that is read as C(failed): the router certainly kept its password. The vendor publishes neither texts nor codes for what becomes
#: of a password change (facts: Teltonika 1.4), so most rows are assumed. Whatever else is said leaves the outcome open.
REFUSALS = (
    Refusal(
        "offline",
        rf"({_DEVICE} (is|was) )?(currently )?(offline|not online|not connected( to rms)?)",
        "assumed",
        "illustration in facts 1.4",
    ),
    Refusal("not_found", r"not found", "documented", "sample message of the API, facts 1.2"),
    Refusal("not_found", rf"{_DEVICE} (is not|was not|not) found|{_DEVICE} does not exist", "assumed", "the same in a sentence, facts 1.2"),
    Refusal("unauthorized", r"unauthori[sz]ed|forbidden", "documented", "sample messages of the API, facts 1.2"),
    Refusal("unauthorized", rf"{_DEVICE} is not (authenticated|authori[sz]ed)", "assumed", "field is_authenticated, facts 1.5"),
    Refusal(
        "unauthorized",
        rf"{_DEVICE} has no (active )?(service|licen[cs]e|credit)|{_DEVICE} is (not activated|inactive)"
        r"|(no|not enough|insufficient) credits?",
        "assumed",
        "credits and the status not_activated, facts 1.5",
    ),
    Refusal("conflict", r"already in use", "documented", "sample message of the API, facts 1.2"),
    Refusal(
        "conflict",
        rf"{_DEVICE} is busy"
        rf"|(another|a) (password )?(task|change|operation|action) is (already )?(running|in progress|pending)( on {_DEVICE})?",
        "assumed",
        "409 of an upload, facts 5.1",
    ),
    Refusal(
        "quota",
        r"too many requests|(the )?(monthly )?(request )?quota (is |was )?(exceeded|spent|reached)"
        r"|(the )?rate limit (is |was )?(exceeded|reached)",
        "assumed",
        "429, facts 1.5",
    ),
    Refusal(
        "rejected_by_policy",
        rf"an? password of minimum \d+ characters( and maximum \d+ characters)?(, {_RULES})? is accepted",
        "observed",
        "code 103 of RutOS, facts 2.4",
    ),
    Refusal(
        "rejected_by_policy",
        rf"(bad password: )?password is too short(\. minimum length is \d+ characters)?|bad password: [a-z ]*{_RULES}",
        "documented",
        "passwd of RutOS, facts 2.7; its sentences are abridged there",
    ),
    Refusal(
        "rejected_by_policy",
        rf"(the )?(new )?password (field )?(must|has to|should) (be|have|contain|hold|include) {_RULES}"
        r"|(the )?(new )?password is (too )?(short|long|weak|simple|common)"
        r"|(the )?(new )?password does not (meet|match|comply with) the (password )?(policy|rules?|requirements?)",
        "assumed",
        "the rule of the RMS page in a sentence, facts 1.6",
    ),
    Refusal(
        "rejected_by_policy",
        rf"{_DEVICE} (refused|rejected) the (new )?password(: (wanted: )?({_RULES}|its own rule|no unsupported symbol))?",
        "assumed",
        "a policy stricter than RMS's, facts 5.1",
    ),
)

# These only choose the reason of an outcome that is open whatever they say.
_SAME = re.compile(
    r"same as (the |its )?(current|existing|present|old)\b|password is the same|use a different (new )?password", re.IGNORECASE
)
_LOST = re.compile(
    r"time[d\s-]*out|no (response|answer|reply)|(not|n't|failed to) (respond|answer|reply)"
    r"|connection (was |has been |is )?(lost|closed|broken|interrupted|reset|aborted|dropped)|lost (the )?connection|went offline",
    re.IGNORECASE,
)
_KNOWN = tuple((refusal.reason, re.compile(refusal.words, re.IGNORECASE)) for refusal in REFUSALS)

# What may stand behind a statement: the number of an error, as in [Code: -1], or the password it is about.
_APPENDIX = re.compile(rf"\s*(\[(code:? ?)?-?\d+\]|\((code:? ?)?-?\d+\)|\({re.escape(MASK)}\)|:? {re.escape(MASK)})\s*\Z", re.IGNORECASE)


def reason_of(said: str) -> str | None:
    """The reason that a known refusal gives; None for words that are none. C(said): without secrets, on one line."""
    while appendix := _APPENDIX.search(said):
        said = said[: appendix.start()]
    statement = said.strip().rstrip(".!").strip()
    return next((reason for reason, words in _KNOWN if words.fullmatch(statement)), None)


def says_same(said: str) -> bool:
    """Whether the vendor claims that a router has the password already."""
    return _SAME.search(said) is not None


def same_password(shown: str) -> Outcome:
    """C(unchanged) needs proof, and a vendor's word is none: a new password cannot be the one in force."""
    return Outcome(
        "unknown",
        "same_password",
        f"RMS claims that the router has this password already; a login or another rotation must tell whether it is so: {shown}",
    )


def outcome_of_error(shown: str, code: str) -> Outcome:
    """What an error that RMS reports for one router, after it took the request, means. C(shown): its words as they may be shown."""
    told = f"{shown or 'RMS gave no reason'}{f' [{code}]' if code else ''}"
    if says_same(shown):
        return same_password(told)
    reason = reason_of(shown)
    if reason is not None:
        return Outcome("failed", reason, told)
    if _LOST.search(shown):
        return Outcome("unknown", "timeout", f"RMS lost the router while it changed the password: {told}")
    return Outcome("unknown", "rejected", f"RMS reports an error that does not tell whether the password was changed: {told}")
