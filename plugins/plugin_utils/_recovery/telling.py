# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a recovery stands and what a person does next, in sentences. What people do in WorkStation is documented by the vendor."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.keyturn.devices.plugins.plugin_utils._recovery import steps
from ansible_collections.keyturn.devices.plugins.plugin_utils._recovery.work import EXPIRED, FAILED, FINISHED, WAITING, Told

_AWAITED: Mapping[str, tuple[str, ...]] = {
    steps.RESET_MODE: ("When the server is in password reset mode, run again with -e bms_confirmed=reset_mode",),
    steps.SESSION_ID: (
        "In the logon window of WorkStation enter the address of the server and the user name admin. Shift-click the green part of the "
        "Schneider logo, and press Copy in the dialog that shows the session ID.",
        "Keep this WorkStation open until the password is reset. Closing it voids the session ID and the temporary password for it.",
        "Then run again with bms_session_id, best from a file (-e @FILE) that ansible-vault has encrypted.",
    ),
    steps.REQUEST_SENT: ("When the request was sent, run again with -e bms_confirmed=request_sent",),
    steps.TEMPORARY_PASSWORD: ("When the support team has answered, run again with bms_temporary_password, best from an encrypted file.",),
    steps.NEW_PASSWORD: (
        "In the WorkStation that is still open log on as admin with the temporary password. In the dialog Change Password the old "
        "password is the temporary one again; enter the new password twice.",
        "Then run again with -e bms_confirmed=new_password",
    ),
}
_PEOPLE = {steps.OPERATOR: "the operator", steps.SUPPORT: "the vendor's support team"}


def verdict(told: Told) -> str:
    """In one sentence."""
    if told.status == FINISHED:
        return "done"
    if told.status == EXPIRED:
        return f"expired at {told.until}"
    if told.status == FAILED:
        return f"failed at {told.step} ({told.reason})"
    if not told.waiting_for:
        return f"at {told.step}"
    until = f", until {told.until}" if told.until else ""
    return f"waiting for {told.waiting_for} from {_PEOPLE[told.who]}{until}"


def instructions(told: Told) -> tuple[str, ...]:
    """What the person who is awaited does."""
    return _AWAITED.get(told.waiting_for, ()) if told.status == WAITING and not told.act else ()
