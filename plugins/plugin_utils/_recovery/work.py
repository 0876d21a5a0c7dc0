# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One server's turn in a run: what a person brings goes into the ledger, all that can be done here is done, and what is awaited is told."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._ebo.kinds import RESET_SECONDS
from ansible_collections.keyturn.devices.plugins.module_utils._ledger import cases
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import CaseChange, StageRequest
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.requests import stage_requests
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.rules import Settlement
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run
from ansible_collections.keyturn.devices.plugins.plugin_utils._recovery import request, steps
from ansible_collections.keyturn.devices.plugins.plugin_utils._recovery.request import Desk, NotMailed
from ansible_collections.keyturn.devices.plugins.plugin_utils._recovery.servers import Server
from ansible_collections.keyturn.devices.plugins.plugin_utils._recovery.steps import Brought, Progress, Refused, Terms

WAITING, FINISHED, EXPIRED, FAILED = STATUSES = ("waiting", "done", "expired", "failed")

#: Why a server was certainly left as it was, so that a case that was opened for this is none.
_NOTHING_DONE = ("bad_input", "not_found", "library", "engine_missing", "port_unavailable", "unauthorized", "certificate")
#: A person has to do it.
_HANDED_OVER = "operator_awaited"
_LEASE_MARGIN = 300.0
_STAGE_SECONDS = 900.0


@dataclass
class Told:
    """How a turn ended. C(act): what the role does next, empty for nothing. C(failure): why it failed, C(reason) the same in a word."""

    status: str
    step: str
    waiting_for: str = ""
    who: str = ""
    until: str = ""
    act: str = ""
    reason: str = ""
    failure: str = ""
    changed: bool = False
    lines: list[str] = field(default_factory=list)

    def case(self) -> dict[str, str]:
        """The fact that a run leaves behind."""
        return {
            "step": self.step,
            "waiting_for": self.waiting_for,
            "who": self.who,
            "until": self.until,
            "status": self.status,
            "reason": self.reason,
        }


class Turn:
    """C(wanted): gives what the source of the new password says, as an entry of C(stage_requests); asked only when one is staged.

    C(seconds): how long putting the server in reset mode may take. C(reveal): the new password is written into a file for the person who
    types it. C(dry_run): of the ledger, which then tells what would be so; no file is written and no mail sent.
    """

    def __init__(
        self,
        server: Server,
        desk: Desk,
        ledger: Ledger,
        run: Run,
        wanted: Callable[[], Mapping[str, Any]],
        redactor: Redactor,
        *,
        proves: bool = False,
        reveal: bool = False,
        seconds: float = 600,
    ) -> None:
        self._server, self._desk, self._ledger, self._run = server, desk, ledger, run
        self._wanted, self._redactor = wanted, redactor
        self._terms = Terms(server.by_hand, proves)
        self._reveal = reveal
        self._lease = seconds + _LEASE_MARGIN
        self._case: Mapping[str, Any] | None = None
        self._progress: Progress | None = None
        self._lines: list[str] = []
        self._changed = False
        self._read()

    # -- what the role asks for ---------------------------------------------------------------------------------------------------

    def take_up(self, brought: Brought) -> Told:
        """The beginning of a run. Raises Refused; then nothing was changed."""
        before = self._progress
        if before is None and self._was_closed and not (brought.arm or brought.session_id or brought.temporary_password):
            brought = Brought()  # Saying once more what is done already changes nothing.
        turn = steps.take_up(before, brought, self._terms)
        if before is None and turn.progress is not None:
            self._open()
            self._progress = turn.progress
        elif turn.progress is not None and turn.progress != before:
            self._put(turn.progress, "; ".join(turn.said))
        return self._go_on()

    def armed(self, result: Mapping[str, Any], brought: Brought) -> Told:
        """What came of putting the server in reset mode. C(brought): what could not be taken in before."""
        if self._progress is None and self._ledger.dry_run:
            self._progress = Progress(arming=True)  # As the step before would have left it.
        progress = self._known()
        if not result.get("armed"):
            return self._not_armed(progress, result)
        armed_at = self._armed_at(result)
        change = CaseChange(
            f"in password reset mode, by {self._server.transport}; {result.get('evidence') or 'assumed'}",
            step=steps.RESET_MODE,
            armed_at=armed_at,
            deadline=armed_at + _duration(result),
            facts={"arming": "", "request": ""},
            restart=True,
        )
        self._write(change)
        self._lines += [*_seen(result), f"In password reset mode until {self._until}."]
        if result.get("reason"):
            told = self._told(FAILED, reason=str(result.get("reason") or "error"))
            told.failure = str(result.get("msg") or result.get("message") or "The server may not run as it should.")
            return told
        return self.take_up(replace(brought, arm=False, confirmed=brought.confirmed - {steps.RESET_MODE}))

    def proven(self, result: Mapping[str, Any]) -> Told:
        """What came of the logon with the new password."""
        progress = self._known()
        status = str(result.get("status") or "unknown")
        message = str(result.get("message") or result.get("msg") or "")
        if self._ledger.dry_run:
            self._lines.append(message)
            return self._told(WAITING)
        if status == "proven":
            self._lines += ["A logon has proven the new password.", *([message] if message else [])]
            return self._close("login")
        if status == "refused":
            self._put(steps.disproved(progress), "the server refuses the new password")
            told = self._told(FAILED, reason="unauthorized")
            told.failure = (
                "The server refuses the new password, so it was not set as it is in the ledger. It stays staged. Set it, and confirm "
                "new_password again; every confirmation costs one logon."
            )
            return told
        told = self._told(FAILED, reason=str(result.get("reason") or "error"))
        told.failure = f"The new password could not be proven; it stays staged, and the next run tries once more. {message}"
        return told

    def let_go(self) -> None:
        """After a failure: the next run need not wait for this one."""
        with suppress(LedgerError, Refused):
            self._hold(0)

    # -- inside -------------------------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        """The case as the ledger has it, and what of it this release knows."""
        self._case = case = cases.read_case(self._ledger, self._server.name, self._server.serial or None, include_secrets=True)
        self._progress = None
        if case is None:
            return
        self._redactor.add(*case["secrets"].values())
        if case["state"] == "open":
            facts, secrets = case["facts"], case["secrets"]
            self._progress = Progress(
                done=case["step"],
                arming=bool(facts.get("arming")),
                expired=case["expired"],
                session_id=secrets.get("session_id", ""),
                temporary_password=secrets.get("temporary_password", ""),
                request=facts.get("request", ""),
                handed_out=bool(facts.get("password_id")),
            )

    @property
    def _was_closed(self) -> bool:
        return self._case is not None and self._case["state"] == "closed"

    @property
    def _until(self) -> str:
        return str((self._case or {}).get("deadline") or "")

    def _known(self) -> Progress:
        if self._progress is None:
            raise LedgerError("input", f"{self._server.name} has no open recovery case any more. Nothing was changed.")
        return self._progress

    def _open(self) -> None:
        server = self._server
        self._staging()  # What is wrong with source or policy is found before anything is done.
        facts = {"arming": "yes"}
        result = cases.open_case(
            self._ledger, server.name, server.serial or None, server.kind, self._run, facts=facts, lease_seconds=self._lease
        )
        if result.status == "busy":
            raise _busy()
        self._case = result.details["case"]
        self._changed = True

    def _put(self, progress: Progress, reason: str) -> None:
        """Write what became of the case by what was brought."""
        change = CaseChange(
            reason,
            step=progress.done,
            facts={"arming": "yes" if progress.arming else "", "request": progress.request},
            secrets={"session_id": progress.session_id, "temporary_password": progress.temporary_password},
        )
        self._write(change, self._lease)
        self._progress = progress

    def _write(self, change: CaseChange, lease_seconds: float | None = None) -> None:
        server = self._server
        result = cases.change_case(self._ledger, server.name, server.serial or None, change, self._run, lease_seconds=lease_seconds)
        if result.status == "busy":
            raise _busy()
        if result.status == "no_case":
            self._known_or_dry()
            return
        self._changed = self._changed or result.changed
        if self._ledger.dry_run:
            self._case = {**(self._case or {}), **result.details["case"]}
        else:
            self._read()

    def _known_or_dry(self) -> None:
        """In check mode a case that would have been opened is not there."""
        if not self._ledger.dry_run:
            raise LedgerError("input", f"{self._server.name} has no open recovery case any more. Nothing was changed.")

    def _go_on(self) -> Told:
        """Everything that can be done here, until the role or a person is needed."""
        while True:
            act = steps.next_act(self._progress, self._terms)
            if act in (steps.ARM, steps.PROVE):
                self._hold(self._lease)
                return self._told(WAITING, act=act)
            if act == steps.CLOSE:
                return self._close("")
            if act == steps.STAGE:
                self._stage()
            elif act == steps.REQUEST:
                told = self._send_request()
                if told is not None:
                    return told
            else:
                break
            if self._ledger.dry_run:
                break
        return self._wait()

    def _wait(self) -> Told:
        progress = self._progress
        if progress is None:
            if self._was_closed:
                return self._told(FINISHED)
            self._lines.append(f"No recovery is open. To begin one, which restarts a server in a container: -e bms_arm={self._server.name}")
            return self._told(WAITING)
        if progress.is_over:
            told = self._told(EXPIRED, reason="expired")
            told.failure = (
                f"The hours of password reset mode have passed ({self._until}). What belongs to them is void; a new password that was "
                f"handed out is kept. To begin again at step one: -e bms_arm={self._server.name}"
            )
            return told
        if progress.at == steps.NEW_PASSWORD:
            self._hand_out()
        return self._told(WAITING)

    def _told(self, status: str, act: str = "", reason: str = "") -> Told:
        """C(act): the role goes on, so the run holds the server; else it gives it back."""
        waiting_for, who = ("", "") if status == FINISHED else steps.awaited(self._progress, self._terms)
        step = steps.DONE if status == FINISHED else steps.RESET_MODE
        if self._progress is not None and not self._progress.is_over:
            step = self._progress.at
        if not act:
            self._hold(0)
        until = self._until if status == EXPIRED or (self._progress is not None and step != steps.RESET_MODE) else ""
        return Told(status, step, waiting_for, who, until, act, reason, changed=self._changed, lines=self._lines)

    def _hold(self, seconds: float) -> None:
        if self._progress is not None:
            self._write(CaseChange("held"), seconds)

    # -- reset mode

    def _not_armed(self, progress: Progress, result: Mapping[str, Any]) -> Told:
        """Handed to a person, or failed. Where certainly nothing was done, the case is as if nobody had asked."""
        reason = str(result.get("reason") or "")
        self._lines += _seen(result)
        if reason == _HANDED_OVER or (self._ledger.dry_run and "armed" in result and not reason):
            self._lines += [str(line) for line in result.get("handed_to_operator") or [result.get("message")]]
            return self._told(WAITING)
        if reason in _NOTHING_DONE and not result.get("changed"):
            new = progress.done == ""
            change = CaseChange(f"not armed: {reason}", facts={"arming": ""}, state="abandoned" if new else None)
            self._write(change, 0)
            if new:
                self._progress = None
        told = self._told(FAILED, reason=reason or "error")
        told.step = steps.RESET_MODE
        told.failure = str(result.get("msg") or result.get("message") or "The server could not be put in password reset mode.")
        return told

    def _armed_at(self, result: Mapping[str, Any]) -> float:
        """When the module says, unless that cannot be: the clock of the host it ran on may be wrong."""
        now = self._ledger.now()
        moment = _seconds(result.get("armed_at"))
        return min(moment, now) if moment is not None and moment > now - RESET_SECONDS else now

    # -- the request

    def _path(self, what: str) -> str:
        return os.path.join(self._desk.directory, f"{what}-{self._server.file_name}.txt")

    def _send_request(self) -> Told | None:
        progress = self._known()
        path = self._path("request")
        case = self._case or {}
        content = request.text(self._server, progress.session_id, str(case.get("armed_at") or ""), self._until)
        if self._ledger.dry_run:
            self._lines.append(f"The request would be {'mailed to ' + self._desk.to if self._desk.mails else 'written to ' + path}.")
            return None
        failure = ""
        if self._desk.mails:
            try:
                request.mail(self._desk, self._server, content, self._redactor)
            except NotMailed as problem:
                failure = str(problem)
            else:
                self._put(replace(progress, request="mailed", done=steps.REQUEST_SENT), f"request mailed to {self._desk.to}")
                self._lines.append(f"The request was mailed to {self._desk.to}.")
                return None
        request.write(path, content)
        if failure:
            told = self._told(FAILED, reason="mail")
            told.failure = (
                f"The request could not be mailed: {failure} It is in {path}: send it yourself and confirm request_sent, or run again."
            )
            return told
        self._put(replace(progress, request="written"), "request written")
        self._lines.append(f"The request is in {path}. Send it to the local Schneider Electric Buildings support team.")
        return None

    # -- the new password

    def _staging(self) -> StageRequest:
        server = self._server
        entry = {**self._wanted(), "name": server.name, "serial": server.serial or None, "policy": dict(server.policy)}
        [wanted] = stage_requests([entry], self._redactor)
        return wanted

    def _stage(self) -> None:
        staging = self._staging()
        if self._ledger.dry_run:
            self._lines.append("A new password would be staged.")
            return
        [result] = self._ledger.stage([replace(staging, case_id=str((self._case or {})["id"]))], self._run, _STAGE_SECONDS)
        if result.status not in ("staged", "already_staged"):
            raise LedgerError("input", f"The new password cannot be staged: {result.status} {result.reason}. Nothing was changed.")
        self._write(CaseChange("new password staged", facts={"password_id": str(result.details["password_id"])}), self._lease)

    def _hand_out(self) -> None:
        """For the person who types it, into a file and only when asked."""
        if not self._reveal:
            self._lines.append("The new password is in the ledger. To have it written into a file for typing: -e bms_recovery_reveal=true")
            return
        path = self._path("new-password")
        if self._ledger.dry_run:
            self._lines.append(f"The new password would be written to {path}.")
            return
        password = self._ledger.passwords([self._server.name], "staged")[self._server.name]
        if not password:
            raise LedgerError(
                "input", "The staged password is not in the ledger any more. Nothing was changed. Abandon the case and begin again."
            )
        self._redactor.add(password)
        request.write(path, f"{password}\n")
        self._lines.append(f"The new password is in {path}, readable by its owner alone. It is removed when the case is done.")

    def _close(self, proof: str) -> Told:
        """Staged becomes current; only a logon makes it proven."""
        facts = (self._case or {}).get("facts", {})
        if not self._ledger.dry_run:
            password_id = facts.get("password_id", "")
            current = (self._ledger.devices([self._server.name])[self._server.name]["current"] or {}).get("id")
            if current != password_id:
                settlement = Settlement(self._server.name, "changed", proof=proof or "none", live="staged", password_id=password_id)
                [result] = self._ledger.settle([settlement], self._run, claim=True)
                if result.status != "committed":
                    raise LedgerError("input", f"The new password cannot be committed: {result.status} {result.reason}. It stays staged.")
            for what in ("request", "new-password"):
                with suppress(FileNotFoundError):
                    os.unlink(self._path(what))
        self._write(CaseChange("proven by a logon" if proof else "done, by the operator's word", step=steps.VERIFIED, state="closed"), 0)
        self._progress = None
        if not proof:
            self._lines.append("The operator says that the new password is set. Nothing has proven it, so it counts as never verified.")
        return self._told(FINISHED)


def _busy() -> Refused:
    return Refused("bms_servers", "another run is at this server's recovery. Nothing was changed; run again when that one has ended.")


def _seconds(text: object) -> float | None:
    """Of a date and time of ISO 8601 with its offset; C(None) for anything else."""
    with suppress(ValueError, TypeError):
        moment = datetime.datetime.fromisoformat(str(text).replace("Z", "+00:00"))
        return moment.timestamp() if moment.tzinfo is not None else None
    return None


def _seen(result: Mapping[str, Any]) -> list[str]:
    """What was looked at beforehand, and what was done."""
    looked = [(each.get("ok"), each.get("message")) for each in result.get("preconditions") or () if isinstance(each, Mapping)]
    return [*(f"{'Checked' if ok else 'Not met'}: {message}" for ok, message in looked), *map(str, result.get("done") or ())]


def _duration(result: Mapping[str, Any]) -> float:
    """How long reset mode lasts, as the module says it; never longer than is documented."""
    begin, end = _seconds(result.get("armed_at")), _seconds(result.get("reset_deadline"))
    return min(RESET_SECONDS, end - begin) if begin is not None and end is not None and end > begin else float(RESET_SECONDS)
