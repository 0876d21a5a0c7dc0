# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of a recovery as a table: where a case stands and what is brought, and where it stands then."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.keyturn.devices.plugins.plugin_utils._recovery.steps import (
    STEPS,
    Brought,
    Progress,
    Refused,
    Terms,
    armed,
    awaited,
    disproved,
    next_act,
    take_up,
)

BY_HAND, BY_SOFTWARE, PROVING = Terms(by_hand=True), Terms(by_hand=False), Terms(by_hand=True, proves=True)

ARMING = Progress(arming=True)
ARMED = Progress(done="reset_mode")
ASKED = Progress(done="session_id", session_id="ID-1")
WRITTEN = Progress(done="session_id", session_id="ID-1", request="written")
SENT = Progress(done="request_sent", session_id="ID-1", request="mailed")
ISSUED = Progress(done="temporary_password", session_id="ID-1", temporary_password="T-1", request="mailed")
HANDED_OUT = Progress(done="temporary_password", session_id="ID-1", temporary_password="T-1", request="mailed", handed_out=True)
TYPED = Progress(done="new_password", session_id="ID-1", temporary_password="T-1", request="mailed", handed_out=True)


def over(progress: Progress) -> Progress:
    return Progress(**{**vars(progress), "expired": True})


def brought(**given: Any) -> Brought:
    return Brought(**{**given, "confirmed": frozenset(given.get("confirmed", ()))})


@pytest.mark.parametrize(
    ("before", "given", "terms", "at", "act", "waiting_for", "who"),
    [
        # Nothing begins by itself.
        (None, {}, BY_HAND, None, "", "bms_arm", "operator"),
        (None, {"arm": True}, BY_HAND, "reset_mode", "reset_mode", "reset_mode", "operator"),
        (None, {"arm": True}, BY_SOFTWARE, "reset_mode", "reset_mode", "", ""),
        (
            None,
            {"arm": True, "confirmed": ["reset_mode"], "session_id": "ID-1"},
            BY_HAND,
            "reset_mode",
            "reset_mode",
            "reset_mode",
            "operator",
        ),
        # An open case goes on without being named, and is not armed twice for being named.
        (ARMING, {}, BY_SOFTWARE, "reset_mode", "reset_mode", "", ""),
        (ARMED, {"arm": True}, BY_SOFTWARE, "session_id", "", "session_id", "operator"),
        (ARMED, {"confirmed": ["reset_mode"]}, BY_SOFTWARE, "session_id", "", "session_id", "operator"),
        # The session ID brings the request.
        (ARMED, {"session_id": "ID-1"}, BY_HAND, "request_sent", "request", "request_sent", "operator"),
        (ASKED, {}, BY_HAND, "request_sent", "request", "request_sent", "operator"),
        (WRITTEN, {}, BY_HAND, "request_sent", "", "request_sent", "operator"),
        (WRITTEN, {"session_id": "ID-1"}, BY_HAND, "request_sent", "", "request_sent", "operator"),
        (WRITTEN, {"confirmed": ["request_sent"]}, BY_HAND, "temporary_password", "", "temporary_password", "support"),
        (SENT, {"confirmed": ["request_sent"]}, BY_HAND, "temporary_password", "", "temporary_password", "support"),
        # Who has the answer has asked.
        (WRITTEN, {"temporary_password": "T-1"}, BY_HAND, "new_password", "stage", "new_password", "operator"),
        (SENT, {"temporary_password": "T-1"}, BY_HAND, "new_password", "stage", "new_password", "operator"),
        (ARMED, {"session_id": "ID-1", "temporary_password": "T-1"}, BY_HAND, "new_password", "stage", "new_password", "operator"),
        (HANDED_OUT, {}, BY_HAND, "new_password", "", "new_password", "operator"),
        (HANDED_OUT, {"temporary_password": "T-1"}, BY_HAND, "new_password", "", "new_password", "operator"),
        (HANDED_OUT, {"temporary_password": "T-2"}, BY_HAND, "new_password", "", "new_password", "operator"),
        # WorkStation was closed: another session ID voids the one before and its temporary password, not the new password.
        (SENT, {"session_id": "ID-2"}, BY_HAND, "request_sent", "request", "request_sent", "operator"),
        (HANDED_OUT, {"session_id": "ID-2"}, BY_HAND, "request_sent", "request", "request_sent", "operator"),
        (HANDED_OUT, {"session_id": "ID-2", "temporary_password": "T-2"}, BY_HAND, "new_password", "", "new_password", "operator"),
        # A person's word ends it, or begins the proof.
        (HANDED_OUT, {"confirmed": ["new_password"]}, BY_HAND, "verified", "close", "", ""),
        (HANDED_OUT, {"confirmed": ["new_password"]}, PROVING, "verified", "logon", "", ""),
        (TYPED, {"session_id": "ID-1", "temporary_password": "T-1", "confirmed": ["new_password"]}, PROVING, "verified", "logon", "", ""),
        # The hours have passed.
        *((over(stand), {}, BY_SOFTWARE, stand.at, "", "bms_arm", "operator") for stand in (ARMED, ASKED, SENT, HANDED_OUT)),
        (over(SENT), {"arm": True}, BY_SOFTWARE, "reset_mode", "reset_mode", "", ""),
        (over(HANDED_OUT), {"confirmed": ["new_password"]}, BY_HAND, "verified", "close", "", ""),
        (over(TYPED), {}, PROVING, "verified", "logon", "", ""),
    ],
)
def test_what_is_brought_takes_a_case_on(
    before: Progress | None, given: dict[str, Any], terms: Terms, at: str | None, act: str, waiting_for: str, who: str
) -> None:
    after = take_up(before, brought(**given), terms).progress
    assert (after.at if after else None, next_act(after, terms), *awaited(after, terms)) == (at, act, waiting_for, who)


@pytest.mark.parametrize(
    ("before", "given", "terms", "option"),
    [
        (None, {"session_id": "x"}, BY_HAND, "bms_session_id"),
        (None, {"temporary_password": "x"}, BY_HAND, "bms_temporary_password"),
        (None, {"confirmed": ["reset_mode"]}, BY_HAND, "bms_confirmed"),
        (None, {"arm": True, "session_id": "x"}, BY_SOFTWARE, "bms_session_id"),
        (None, {"arm": True, "session_id": "x"}, BY_HAND, "bms_session_id"),
        (None, {"arm": True, "confirmed": ["reset_mode"], "temporary_password": "x"}, BY_HAND, "bms_temporary_password"),
        (ARMING, {"confirmed": ["reset_mode"]}, BY_SOFTWARE, "bms_confirmed"),
        (ARMING, {"confirmed": ["new_password"]}, BY_HAND, "bms_confirmed"),
        (ARMED, {"temporary_password": "x"}, BY_HAND, "bms_temporary_password"),
        (ARMED, {"confirmed": ["request_sent"]}, BY_HAND, "bms_confirmed"),
        (SENT, {"confirmed": ["new_password"]}, BY_HAND, "bms_confirmed"),
        (SENT, {"temporary_password": "T-1", "confirmed": ["new_password"]}, BY_HAND, "bms_confirmed"),
        (ISSUED, {"confirmed": ["new_password"]}, BY_HAND, "bms_confirmed"),
        (HANDED_OUT, {"session_id": "ID-2", "temporary_password": "T-1"}, BY_HAND, "bms_temporary_password"),
        (HANDED_OUT, {"session_id": "ID-2", "confirmed": ["new_password"]}, BY_HAND, "bms_confirmed"),
        (TYPED, {"session_id": "ID-2"}, BY_HAND, "bms_session_id"),
        (TYPED, {"temporary_password": "T-2"}, BY_HAND, "bms_temporary_password"),
        (over(SENT), {"temporary_password": "x"}, BY_HAND, "bms_temporary_password"),
        (over(ARMED), {"session_id": "x"}, BY_HAND, "bms_session_id"),
        (over(SENT), {"confirmed": ["new_password"]}, BY_HAND, "bms_confirmed"),
    ],
)
def test_what_is_not_awaited_is_refused(before: Progress | None, given: dict[str, Any], terms: Terms, option: str) -> None:
    with pytest.raises(Refused) as caught:
        take_up(before, brought(**given), terms)
    assert caught.value.option == option
    assert str(caught.value).startswith(f"{option}: ")
    assert not {"ID-2", "T-1", "T-2"} & set(str(caught.value).split())


def test_a_new_attempt_keeps_only_the_password_that_was_handed_out() -> None:
    assert armed(over(HANDED_OUT)) == Progress(done="reset_mode", handed_out=True)
    assert disproved(TYPED).at == "new_password"
    assert Progress(done=STEPS[-1]).at == "done"
    assert "ID-1" not in repr(HANDED_OUT)
    assert "T-1" not in repr(HANDED_OUT)
