# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The work of C(mail_link), from the options of a task to its result."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from ansible_collections.keyturn.devices.plugins.module_utils._mail.connection import Limits, MailFault
from ansible_collections.keyturn.devices.plugins.module_utils._mail.judging import Rejected
from ansible_collections.keyturn.devices.plugins.module_utils._mail.options import missing_library, read_access, read_search, read_start
from ansible_collections.keyturn.devices.plugins.module_utils._mail.search import NotFound, find_link, mark_mailbox
from ansible_collections.keyturn.devices.plugins.module_utils._module import Context, ModuleFailure
from ansible_collections.keyturn.devices.plugins.module_utils._outcomes import REASONS
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Revealed

T = TypeVar("T")


def mark_or_find(options: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """The result, or ModuleFailure with a C(reason) and what was rejected. The link is the one secret in the result."""
    missing = missing_library(options["mailbox"]["protocol"])
    if missing is not None:
        raise ModuleFailure(missing, reason="library", retryable=False)
    problems = [f"{name} must be 1 or more" for name in ("deadline", "timeout") if options[name] < 1]
    access = _read(problems, lambda: read_access(options["mailbox"]))
    search = _read(problems, lambda: read_search(options["allowed_hosts"], options["subjects"], options["sender"], options["recipient"]))
    start = None
    if options["state"] == "found" and access is not None:
        start = _read(problems, lambda: read_start(options["marker"], options["since"], access))
    if problems or access is None or search is None:
        raise ModuleFailure("; ".join(problems) + ".", reason="bad_input", retryable=False)
    limits = Limits(options["timeout"], time.monotonic() + options["deadline"])
    try:
        if start is None:
            return {"changed": False, "marker": mark_mailbox(access, search, limits, context.redactor).as_data()}
        found = find_link(access, search, start, limits, context.redactor, wait=not context.check_mode)
    except MailFault as fault:
        failure = ModuleFailure(fault.message, reason=fault.reason, retryable=REASONS[fault.reason], rejected=[])
    except NotFound as problem:
        if context.check_mode:  # Nothing was asked for, so nothing need have come.
            return {"changed": False, "link": None, "message_id": None, "received_at": None, "rejected": _rejected(problem.rejected)}
        failure = ModuleFailure(
            problem.message, reason=problem.reason, retryable=REASONS[problem.reason], rejected=_rejected(problem.rejected)
        )
    else:
        return {
            "changed": False,
            "link": Revealed(found.link),
            "message_id": found.message_id,
            "received_at": _utc(found.received_at),
            "rejected": _rejected(found.rejected),
        }
    raise failure


def _read(problems: list[str], read: Callable[[], T]) -> T | None:
    try:
        return read()
    except ValueError as problem:
        problems.append(str(problem))
        return None


def _rejected(rejected: Sequence[Rejected]) -> list[dict[str, str]]:
    return [{"message_id": each.message_id, "reason": each.reason, "message": each.message} for each in rejected]


def _utc(moment: datetime.datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
