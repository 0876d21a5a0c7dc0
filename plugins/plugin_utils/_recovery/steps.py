# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of a building server's recovery: where a case stands and what a person brings go in, where it stands then comes out.

Pure: it asks nobody anything and knows no clock. The order of the steps is the vendor's (documented). A step that a person does is done
when that person says so, or brings what only comes of it; never before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

RESET_MODE = "reset_mode"
SESSION_ID = "session_id"
REQUEST_SENT = "request_sent"
TEMPORARY_PASSWORD = "temporary_password"
NEW_PASSWORD = "new_password"
VERIFIED = "verified"
STEPS = (RESET_MODE, SESSION_ID, REQUEST_SENT, TEMPORARY_PASSWORD, NEW_PASSWORD, VERIFIED)
DONE = "done"

#: What a person can say that it is done. Everything else is brought, or done here.
CONFIRMABLE = (RESET_MODE, REQUEST_SENT, NEW_PASSWORD)

OPERATOR, SUPPORT = "operator", "support"

# What is done next here, after everything that was brought has been taken in.
NOTHING, ARM, REQUEST, STAGE, PROVE, CLOSE = "", "reset_mode", "request", "stage", "logon", "close"

ARM_OPTION, SESSION_OPTION, TEMPORARY_OPTION, CONFIRMED_OPTION = "bms_arm", "bms_session_id", "bms_temporary_password", "bms_confirmed"


class Refused(Exception):
    """What was brought cannot be used. Nothing was changed. C(option): the variable that brought it."""

    def __init__(self, option: str, message: str) -> None:
        super().__init__(f"{option}: {message}")
        self.option = option


@dataclass(frozen=True)
class Progress:
    """Where an open case stands.

    C(done): the last step that was done, empty for none. C(arming): the server is to be put in reset mode, for the first time or again
    after its hours had passed; what an earlier attempt left stays until that has happened. C(expired): those hours have passed.
    C(request): how the request left, C(written) or C(mailed), empty while it has not. C(handed_out): the new password is in the ledger.
    """

    done: str = ""
    arming: bool = False
    expired: bool = False
    session_id: str = field(default="", repr=False)
    temporary_password: str = field(default="", repr=False)
    request: str = ""
    handed_out: bool = False

    @property
    def at(self) -> str:
        """The step at hand, C(DONE) after the last."""
        if self.arming or not self.done:
            return RESET_MODE
        place = STEPS.index(self.done) + 1
        return STEPS[place] if place < len(STEPS) else DONE

    @property
    def is_over(self) -> bool:
        """Whether the time to finish the step at hand has passed. A password that was typed works whatever the clock says."""
        return self.expired and self.at in STEPS[1:5]


@dataclass(frozen=True)
class Brought:
    """What a person brings to a run. C(arm): the server is named as one to be recovered."""

    arm: bool = False
    session_id: str = field(default="", repr=False)
    temporary_password: str = field(default="", repr=False)
    confirmed: frozenset[str] = frozenset()

    @property
    def options(self) -> tuple[str, ...]:
        """The variables that bring something for one server."""
        given: Mapping[str, object] = {
            SESSION_OPTION: self.session_id,
            TEMPORARY_OPTION: self.temporary_password,
            CONFIRMED_OPTION: self.confirmed,
        }
        return tuple(name for name, value in given.items() if value)


@dataclass(frozen=True)
class Terms:
    """How this server is recovered. C(by_hand): a person puts it in reset mode. C(proves): a logon is to prove the new password."""

    by_hand: bool
    proves: bool = False


@dataclass(frozen=True)
class Turn:
    """C(progress): where the case stands now, C(None) without an open one. C(said): what happened, for the record."""

    progress: Progress | None
    said: tuple[str, ...] = ()


def take_up(progress: Progress | None, brought: Brought, terms: Terms) -> Turn:
    """Take in what was brought. Raises Refused where any of it cannot be used, and then nothing of it is."""
    said: list[str] = []
    if progress is None or progress.is_over:
        progress = _begun(progress, brought, said)
    if progress is None or (progress.is_over and NEW_PASSWORD not in brought.confirmed):
        return Turn(progress, tuple(said))
    if progress.at != RESET_MODE:
        return _taken(progress, brought, said)
    if RESET_MODE in brought.confirmed and not terms.by_hand:
        raise Refused(
            CONFIRMED_OPTION, "reset_mode is not a person's step with this transport; where a person does it, set device_transport: guided."
        )
    if RESET_MODE in brought.confirmed:
        # The rest is taken in once that is on record; what could not be is refused before.
        _taken(armed(progress), brought, [])
    elif brought.options:
        raise Refused(brought.options[0], "it is not awaited: the server is not in reset mode yet, and what comes before that is void.")
    return Turn(progress, tuple(said))


def _begun(progress: Progress | None, brought: Brought, said: list[str]) -> Progress | None:
    """A new case, or a new attempt of one whose hours have passed; C(None) or the case as it is where nobody asks for that."""
    if progress is not None and progress.at == NEW_PASSWORD and progress.handed_out and NEW_PASSWORD in brought.confirmed:
        return progress
    if brought.arm:
        said.append("to be armed again: its hours had passed" if progress else "to be armed")
        return replace(progress, arming=True) if progress else Progress(arming=True)
    if brought.options:
        why = "the case is past its deadline, so nothing of it is good any more" if progress else "no recovery of this server is open"
        raise Refused(brought.options[0], f"it is not awaited: {why}. Name the server in {ARM_OPTION} to begin at step one.")
    return progress


def armed(progress: Progress) -> Progress:
    """The server is in reset mode: all that belongs to an earlier attempt is void, but for the password that is handed out."""
    return Progress(done=RESET_MODE, handed_out=progress.handed_out)


def disproved(progress: Progress) -> Progress:
    """The server refuses the new password, so it was not set: a person has to look again."""
    return replace(progress, done=TEMPORARY_PASSWORD)


def next_act(progress: Progress | None, terms: Terms) -> str:
    """What is to be done here before people are waited for."""
    if progress is None or progress.is_over:
        return NOTHING
    at = progress.at
    if at == REQUEST_SENT and progress.request:
        return NOTHING
    if at == NEW_PASSWORD and progress.handed_out:
        return NOTHING
    if at == VERIFIED:
        return PROVE if terms.proves else CLOSE
    return {RESET_MODE: ARM, REQUEST_SENT: REQUEST, NEW_PASSWORD: STAGE}.get(at, NOTHING)


def awaited(progress: Progress | None, terms: Terms) -> tuple[str, str]:
    """What is awaited and from whom; both empty where the next run goes on by itself."""
    if progress is None or progress.is_over:
        return ARM_OPTION, OPERATOR
    people = {
        SESSION_ID: OPERATOR,
        REQUEST_SENT: OPERATOR,
        TEMPORARY_PASSWORD: SUPPORT,
        NEW_PASSWORD: OPERATOR,
        **({RESET_MODE: OPERATOR} if terms.by_hand else {}),
    }
    return (progress.at, people[progress.at]) if progress.at in people else ("", "")


def _taken(progress: Progress, brought: Brought, said: list[str]) -> Turn:
    takes: tuple[Callable[[Progress, Brought, list[str]], Progress], ...] = (_session, _request, _temporary, _new)
    for take in takes:
        progress = take(progress, brought, said)
    return Turn(progress, tuple(said))


def _session(progress: Progress, brought: Brought, said: list[str]) -> Progress:
    given = brought.session_id
    if not given or given == progress.session_id:
        return progress
    if progress.at == SESSION_ID:
        said.append("session ID brought")
    elif progress.at in (REQUEST_SENT, TEMPORARY_PASSWORD, NEW_PASSWORD):
        if brought.temporary_password and brought.temporary_password == progress.temporary_password:
            raise Refused(
                TEMPORARY_OPTION, "it was issued for the session ID before; with a new one the support team has to issue another."
            )
        said.append("another session ID brought; the one before and its temporary password are void")
    else:
        raise Refused(SESSION_OPTION, "no session ID is awaited: the new password is set already.")
    return replace(progress, done=SESSION_ID, session_id=given, temporary_password="", request="")


def _request(progress: Progress, brought: Brought, said: list[str]) -> Progress:
    if REQUEST_SENT not in brought.confirmed or progress.at in STEPS[3:]:
        return progress
    if progress.at != REQUEST_SENT:
        raise Refused(CONFIRMED_OPTION, "request_sent cannot be confirmed: there is no request without a session ID.")
    said.append("the operator says that the request was sent")
    return replace(progress, done=REQUEST_SENT)


def _temporary(progress: Progress, brought: Brought, said: list[str]) -> Progress:
    given = brought.temporary_password
    if not given or given == progress.temporary_password:
        return progress
    if progress.at == VERIFIED:
        raise Refused(TEMPORARY_OPTION, "no temporary password is awaited: the new password is set already.")
    if progress.at == SESSION_ID:
        raise Refused(TEMPORARY_OPTION, "no temporary password is awaited: one is good for one session ID only, and none was brought yet.")
    # It is the answer to the request, whoever sent that.
    said.append("temporary password brought" if progress.at != NEW_PASSWORD else "another temporary password brought")
    return replace(progress, done=TEMPORARY_PASSWORD, temporary_password=given)


def _new(progress: Progress, brought: Brought, said: list[str]) -> Progress:
    if NEW_PASSWORD not in brought.confirmed or progress.at == VERIFIED:
        return progress
    if progress.at != NEW_PASSWORD or not progress.handed_out:
        raise Refused(CONFIRMED_OPTION, "new_password cannot be confirmed: no new password has been handed out for this session yet.")
    said.append("the operator says that the new password was set")
    return replace(progress, done=NEW_PASSWORD)
