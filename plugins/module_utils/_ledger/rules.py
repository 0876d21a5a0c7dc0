# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How one attempt is settled. Pure: what is known goes in, what to do with the staged password comes out.

The rule under all of them: a password goes to the history only when something says that it is not in force, and nothing that may be in
force is ever deleted here.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.schema import DROPPED

OUTCOMES = ("changed", "unchanged", "failed", "unknown")
PROOFS = ("none", "vendor", "login")
LIVE = ("staged", "current", "neither")

COMMITTED = "committed"
KEPT = "kept"
ORPHANED = "orphaned"

TOO_MANY_ATTEMPTS = "too_many_attempts"
DEFAULT_MAX_ATTEMPTS = 5


@dataclass(frozen=True)
class Settlement:
    """What became of one device.

    C(outcome): how the attempt ended, one of OUTCOMES. C(reason): the typed reason that came with it. C(proof): what vouches for it.
    C(live): which password a login proved to be in force, or C(neither) when both were tried and refused; C(None) when nobody tried.
    C(password_id): the password that was tried, as staging or resuming told it. C(late): it was sent when the lease was over already.
    """

    name: str
    outcome: str
    reason: str = ""
    proof: str = "none"
    live: str | None = None
    password_id: str = ""
    late: bool = False

    @property
    def is_proven(self) -> bool:
        """Whether the staged password is in force for all that is known.

        A vendor's C(unchanged) is no proof: what refuses a password because it is the current one may mean the old one, which the new
        one is not.
        """
        return (self.outcome == "changed" and self.proof != "none") or (self.outcome == "unchanged" and self.proof == "login")


@dataclass(frozen=True)
class Attempt:
    """What the ledger knows of the staged password. C(attempts): begun with it, this one included. C(excused): met an offline device."""

    attempts: int
    excused: int
    has_password: bool


@dataclass(frozen=True)
class Verdict:
    """C(status): COMMITTED, DROPPED, KEPT or ORPHANED. C(excused): this attempt does not count towards the most allowed."""

    status: str
    reason: str
    excused: bool = False


def decide(settlement: Settlement, attempt: Attempt, max_attempts: int) -> Verdict:
    """What a login proved goes before what was said about the attempt."""
    if settlement.live == "neither":
        return Verdict(ORPHANED, settlement.reason or "neither_logs_in")
    if settlement.live == "current":
        return Verdict(DROPPED, settlement.reason or "current_logs_in")
    if settlement.live == "staged" or settlement.is_proven:
        if attempt.has_password:
            return Verdict(COMMITTED, settlement.reason)
        # The vendor made it and nobody has it yet. The one-time list may still bring it.
        return _kept(settlement, attempt, max_attempts, "password_not_collected")
    if settlement.outcome in ("changed", "unchanged"):
        return _kept(settlement, attempt, max_attempts, settlement.reason or "unproven")
    if settlement.outcome == "failed" and attempt.attempts == 1:
        return Verdict(DROPPED, settlement.reason)
    # Unknown, or refused after an earlier attempt of which nobody knows how it ended: this very password may be in force.
    return _kept(settlement, attempt, max_attempts, settlement.reason)


def is_exhausted(attempts: int, excused: int, max_attempts: int) -> bool:
    """No further attempt is made after this many that counted."""
    return attempts - excused >= max_attempts


def _kept(settlement: Settlement, attempt: Attempt, max_attempts: int, reason: str) -> Verdict:
    if settlement.reason == "offline":
        return Verdict(KEPT, reason, excused=True)
    if is_exhausted(attempt.attempts, attempt.excused, max_attempts):
        return Verdict(ORPHANED, TOO_MANY_ATTEMPTS)
    return Verdict(KEPT, reason)
