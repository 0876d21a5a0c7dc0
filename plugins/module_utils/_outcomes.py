# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one vocabulary of all modules: how a change or a login ended, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

#: How a change ends. C(failed): the device certainly kept its password. C(unknown): nobody knows.
CHANGE_STATUSES = ("changed", "unchanged", "failed", "unknown")
#: How a login ends. C(refused): the device clearly refused every password. C(failed): it could not be asked.
LOGIN_STATUSES = ("proven", "refused", "failed", "unknown")

#: Why a status is not simply good -> whether the same request, later and unchanged, may well succeed.
REASONS: Mapping[str, bool] = {
    "already_logged_on": True,
    "bad_input": False,
    "browser_missing": False,
    "certificate": False,
    "clock_ahead": False,
    "conflict": True,
    "email_password_refused": False,
    "engine": True,
    "engine_missing": False,
    "error": True,
    "expired": False,
    "forced_change_required": False,
    "interrupted": True,
    "job_kept": True,
    "job_skipped": True,
    "library": False,
    "link_ambiguous": False,
    "link_expired": True,
    "link_foreign_host": False,
    "link_missing": False,
    "link_not_local": False,
    "link_unknown": False,
    "link_unsafe": False,
    "list_gone": False,
    "list_incomplete": True,
    "list_missing": True,
    "list_unreadable": False,
    "locked_out": True,
    "mail_superseded": False,
    "mail_timeout": True,
    "mail_unreadable": False,
    "mailbox_refused": False,
    "marker_stale": False,
    "new_password_refused": True,
    "no_api": False,
    "no_bound_email": False,
    "no_licence": True,
    "not_found": False,
    "not_identified": False,
    "not_restarted": True,
    "not_sent": True,
    "offline": True,
    "operator_awaited": False,
    "policy": False,
    "pop3_failed": True,
    "port_lost": True,
    "port_unavailable": True,
    "profile_unknown": False,
    "protocol": True,
    "quota": True,
    "rejected": True,
    "rejected_by_policy": False,
    "same_password": False,
    "send_failed": True,
    "smtp_failed": True,
    "test_failed": True,
    "timeout": True,
    "unauthorized": False,
    "unconfirmed": False,
    "unknown_user": False,
    "unknown_user_or_email": False,
    "unreachable": True,
    "warning": True,
    "would_change": False,
    "wrong_device": False,
    "wrong_recipient": False,
    "wrong_sender": False,
}


#: Which password a login proved to be in force, as devices are told about them (new, current) and as a ledger holds them.
LIVE = ("new", "current", "staged", "previous", "neither")

#: How a vendor's system is known to do something.
EVIDENCE = ("documented", "observed", "assumed")

#: Field of a result -> the words it is one of. No secret is, whatever it reads like: they are never masked.
CLOSED: Mapping[str, frozenset[str]] = {
    "status": frozenset(CHANGE_STATUSES + LOGIN_STATUSES),
    "reason": frozenset(["", *REASONS]),
    "live": frozenset(LIVE),
    "evidence": frozenset(EVIDENCE),
}


@dataclass(frozen=True)
class Outcome:
    """How one device ended: one of the statuses, a reason (empty when there is nothing to explain), and the same for people."""

    status: str
    reason: str = ""
    message: str = ""

    @property
    def retryable(self) -> bool:
        """Whether the same request, later and unchanged, may well succeed."""
        return self.status in ("failed", "unknown") and REASONS.get(self.reason, False)


def summary(results: Iterable[Mapping[str, Any]], statuses: Iterable[str] = CHANGE_STATUSES) -> dict[str, int]:
    """How many results ended in each status."""
    counts = dict.fromkeys(statuses, 0)
    for result in results:
        counts[result["status"]] += 1
    return counts
