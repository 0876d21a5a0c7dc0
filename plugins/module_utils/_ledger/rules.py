# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How one attempt is settled. Pure: what is known goes in, what to do with the staged password comes out.

The rule under all of them: a password goes to the history only when something says that it is not in force, and nothing that may be in
force is ever deleted here.
"""

from __future__ import annotations

from dataclasses import dataclass

OUTCOMES = ("changed", "unchanged", "failed", "unknown")
PROOFS = ("none", "vendor", "login")
LIVE = ("staged", "current", "neither")

COMMITTED = "committed"
DROPPED = "dropped"
KEPT = "kept"
ORPHANED = "orphaned"

TOO_MANY_ATTEMPTS = "too_many_attempts"
DEFAULT_MAX_ATTEMPTS = 5


@dataclass(frozen=True)
class Outcome:
    """What became of one device.

    C(outcome): how the attempt ended, one of OUTCOMES. C(reason): the typed reason that came with it. C(proof): what vouches for it.
    C(live): which password a log-in proved to be in force, or C(neither) when both were tried and refused; C(None) when nobody tried.
    """

    name: str
    outcome: str
    reason: str = ""
    proof: str = "none"
    live: str | None = None


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


def decide(outcome: Outcome, attempt: Attempt, max_attempts: int) -> Verdict:
    """What a log-in proved goes before what was said about the attempt."""
    if outcome.live == "neither":
        return Verdict(ORPHANED, outcome.reason or "neither_logs_in")
    if outcome.live == "current":
        return Verdict(DROPPED, outcome.reason or "current_logs_in")
    if outcome.live == "staged" or outcome.outcome in ("changed", "unchanged"):
        if attempt.has_password:
            return Verdict(COMMITTED, outcome.reason)
        # The vendor made it and nobody has it yet. The one-time list may still bring it.
        return _kept(outcome, attempt, max_attempts, "password_not_collected")
    if outcome.outcome == "failed" and attempt.attempts == 1:
        return Verdict(DROPPED, outcome.reason)
    # Unknown, or refused after an earlier attempt of which nobody knows how it ended: this very password may be in force.
    return _kept(outcome, attempt, max_attempts, outcome.reason)


def is_exhausted(attempts: int, excused: int, max_attempts: int) -> bool:
    """No further attempt is made after this many that counted."""
    return attempts - excused >= max_attempts


def _kept(outcome: Outcome, attempt: Attempt, max_attempts: int, reason: str) -> Verdict:
    if outcome.reason == "offline":
        return Verdict(KEPT, reason, excused=True)
    if is_exhausted(attempt.attempts, attempt.excused, max_attempts):
        return Verdict(ORPHANED, TOO_MANY_ATTEMPTS)
    return Verdict(KEPT, reason)
