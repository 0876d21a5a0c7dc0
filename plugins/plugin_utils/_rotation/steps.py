# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One batch from stage to settle: the promise, written once.

The order never changes: nothing is asked of a device that the ledger does not hold, and whatever was asked is told to the ledger, however
it ended.
"""

from __future__ import annotations

import os
import time
import typing as t
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ansible_collections.keyturn.devices.plugins.module_utils._files import FileProblem, write_secret_file
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError, PasswordRefused
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import Result, StageRequest
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.rules import Settlement
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.transfer import export_csv
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.generator import generate
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import PolicyError, violations
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run, Until, is_dead
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.batch import Batch, Order, Wish
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.due import due_reasons, why_superseded
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.outcomes import NO_ANSWER, OLD_PASSWORD, outcome_of
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import (
    CONTROLLER,
    CURRENT,
    STAGED,
    Answer,
    Fault,
    Field,
    NotKept,
    Product,
    Proof,
    Taken,
)
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.tally import Told

T = t.TypeVar("T")

# Besides the deadline: what a batch may take for staging, logins and settling while it holds its devices.
LEASE_MARGIN = 600
# Nothing is sent in the last part of a lease: a request takes its time to arrive.
_QUIET_END = 60
# The devices have changed by then: a ledger that is away for a moment gets so many seconds before the run gives up.
_LEDGER_PATIENCE = 30.0
_LEDGER_PAUSE = 3.0

_OURS = ("staged", "resumed", "awaiting")
# Why a ledger will not come back by itself: what the run holds is not in it.
_LOST = ("absent", "replaced", "behind", "not_a_ledger", "corrupt", "tampered", "wrong_passphrase", "rekeyed")
# A refusal for one of these reasons came before the device heard of anything, so that a login has nothing to tell.
_NEVER_ASKED = ("offline", "not_found", "not_sent", "quota", "conflict", "unauthorized", "bad_input")


@dataclass
class Surroundings:
    """What a batch is worked in. C(call) and C(call_apart): run a module near the devices, see C(Field). C(holder): the process whose end
    is the end of the run.
    """

    ledger: Ledger
    product: Product
    redactor: Redactor
    holder: str
    call: Callable[[str, dict[str, t.Any]], dict[str, t.Any]]
    call_apart: Callable[[str, dict[str, t.Any], float], dict[str, t.Any]] | None = None
    sleep: Callable[[float], None] = time.sleep


@dataclass
class Worked:
    """What became of a batch. C(tried): devices that this run held. C(stop): why the run should end here."""

    told: list[Told] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    stop: str = ""
    requests: int = 0


@dataclass
class _Case:
    """One device on its way through a batch."""

    taken: Taken
    password_id: str
    awaiting: bool
    #: Somebody was asked to change it; until there is an answer, nobody knows whether it comes.
    asked: bool = False
    before: Proof | None = None
    answer: Answer | None = None
    after: Proof | None = None

    @property
    def said(self) -> Answer | None:
        return self.answer or (Answer("unknown", NO_ANSWER) if self.asked else None)


class _LedgerLists:
    """Keeps the list of a batch in the ledger."""

    def __init__(self, ledger: Ledger, list_id: str, run: Run) -> None:
        self._ledger, self._list_id, self._run = ledger, list_id, run

    def reserve(self, size: int) -> None:
        _kept(lambda: self._ledger.reserve_list(self._list_id, self._run, size))

    def append(self, piece: bytes) -> None:
        _kept(lambda: self._ledger.append_list(self._list_id, piece, self._run))

    def content(self) -> bytes:
        return _kept(lambda: self._ledger.list_content(self._list_id)) or b""


def _kept(do: Callable[[], T]) -> T:
    try:
        return do()
    except LedgerError as error:
        message = error.message
    raise NotKept(message)


def work_batch(order: Order, around: Surroundings) -> Worked:
    """Stage (or take up again), ask, prove, settle. A LedgerError before anything was asked is raised; afterwards everything is told."""
    return _Work(order, around).run()


class _Work:
    def __init__(self, order: Order, around: Surroundings) -> None:
        self.order, self.around = order, around
        self.batch: Batch = order.batch
        self.kind = order.batch.kind
        self.ledger = around.ledger
        # What a module does at a site outlives a run that is killed here: such a lease can only expire.
        elsewhere = self.batch.site != CONTROLLER and self.kind.proves_itself
        self.run_ = Run(order.run_id, "" if elsewhere else around.holder)
        self.lease_seconds = float(self.batch.terms["deadline"] + LEASE_MARGIN)
        self.members = {member.device.name: member for member in self.batch.members}
        self.worked = Worked()
        self.field = self._field()

    def _field(self) -> Field:
        until = Until.after(self.lease_seconds - _QUIET_END)
        return Field(
            redactor=self.around.redactor,
            until=until,
            run_holder=self.around.holder,
            call=self.around.call,
            lists=_LedgerLists(self.ledger, self.batch.list_id, self.run_),
            note=self._note,
            may_change=lambda: not until.passed() and not is_dead(self.around.holder),
            call_apart=self.around.call_apart,
        )

    def _note(self, name: str, text: str) -> None:
        if _kept(lambda: self.ledger.note(name, self.run_, text)).status != "noted":
            raise NotKept("another run has taken the device over")

    def run(self) -> Worked:
        cases = self._take()
        self.worked.tried = [case.taken.name for case in cases]
        if cases:
            try:
                self._ask(cases)
            except Fault as fault:
                self.worked.stop = fault.message
                for case in cases:
                    if case.asked and case.answer is None:
                        case.answer = Answer("failed", "not_sent", f"Nothing was sent to it: {fault.message}")
            except LedgerError as error:
                self.worked.stop = error.message
            except Exception as problem:  # What nobody foresaw must not keep the ledger from hearing what is known by now.
                self.worked.stop = f"Unexpected {type(problem).__name__}: {self.around.redactor.shown(problem)}"
            self._settle(cases)
        self.worked.stop = self.worked.stop or self.field.stop
        self.worked.requests = self.field.requests
        return self.worked

    # -- stage --------------------------------------------------------------------------------------------------------------------

    def _take(self) -> list[_Case]:
        wishes = self._wishes() if self.batch.stages else {}
        names = list(wishes) if self.batch.stages else list(self.members)
        if not names:
            return []
        # Counted from before the ledger is asked, so that it is over before the lease is.
        self.field = self._field()
        results = self._stage(wishes) if self.batch.stages else self._resume(names)
        ours = [result for result in results if result.status in _OURS]
        for result in results:
            if result.status not in _OURS:
                word = result.reason if result.reason in ("fenced", "in_recovery") else result.status
                self.worked.told.append(Told(result.name, word, result.reason))
        taken = [result.name for result in ours]
        staged, current = self.ledger.passwords(taken, STAGED), self.ledger.passwords(taken, CURRENT)
        self.around.redactor.add(*staged.values(), *current.values())
        return [
            _Case(
                Taken(
                    self.members[result.name],
                    staged[result.name] or "",
                    current[result.name] or "",
                    str(result.details.get("note") or ""),
                ),
                str(result.details.get("password_id", "")),
                awaiting=result.status == "awaiting" or staged[result.name] is None,
            )
            for result in ours
        ]

    def _wishes(self) -> dict[str, Wish]:
        """Those that are due. What an earlier run had left open was settled in between, and may not be due any more."""
        late = [name for name, wish in self.batch.wishes.items() if wish.expected_current is None]
        if not late:
            return dict(self.batch.wishes)
        records = self.ledger.devices(late, include_secrets=True)
        wishes = dict(self.batch.wishes)
        for name in late:
            record = records.get(name, {})
            staged = record.get("staged")
            supersede = staged is not None and not record.get("lease") and self._is_denied(name, staged)
            if record.get("orphaned") or (staged and not supersede) or not self._is_due(name, record, supersede):
                del wishes[name]
            else:
                current = str((record.get("current") or {}).get("id", ""))
                wishes[name] = replace(wishes[name], expected_current=current, supersede=supersede)
        return wishes

    def _is_denied(self, name: str, staged: Mapping[str, t.Any]) -> bool:
        """Whether the vendor says of a password in doubt that the device has it already, which only a new one can settle."""
        denied = staged.get("last_reason") == "same_password"
        return denied and bool(why_superseded(self.around.product, self.members[name].device, staged))

    def _is_due(self, name: str, record: Mapping[str, t.Any], supersede: bool) -> bool:
        wish, member = self.batch.wishes[name], self.members[name]
        if member.sighting.online is False:
            return False
        if self.around.product.needs_current(member.device) and not record.get("current"):
            return False
        if supersede:
            return True
        return not self.order.rules.open_only and bool(due_reasons(member.device, wish.policy, record, wish.wanted, self.order.rules))

    def _stage(self, wishes: dict[str, Wish]) -> list[Result]:
        requests = {name: self._request(name, wish) for name, wish in wishes.items()}
        results = {result.name: result for result in self.ledger.stage(list(requests.values()), self.run_, self.lease_seconds)}
        fenced = [name for name, result in results.items() if result.reason == "fenced"]
        seconds = max((float(results[name].details.get("seconds", 0)) for name in fenced), default=0.0)
        if fenced and seconds <= self.order.settings["patience"]:
            # What a killed run asked for may still arrive until then.
            self.around.sleep(seconds + 1)
            self.field = self._field()
            again = self.ledger.stage([requests[name] for name in fenced], self.run_, self.lease_seconds)
            results.update((result.name, result) for result in again)
        return [results[name] for name in requests]

    def _request(self, name: str, wish: Wish) -> StageRequest:
        member = self.members[name]
        return StageRequest(
            name=name,
            serial=member.device.serial or None,
            source=member.device.source.kind,
            make=None if self.kind.collects else self._given(wish) if wish.wanted else self._made(wish),
            supersede=wish.supersede,
            list_id=self.batch.list_id or None,
            history=wish.policy.history or 0,
            expected_current=wish.expected_current,
            recovers=self.kind.recovers,
        )

    def _made(self, wish: Wish) -> Callable[[list[str]], str]:
        def make(former: list[str]) -> str:
            refusal = ""
            try:
                return generate(wish.policy, former)
            except PolicyError as error:
                refusal = str(error)
            raise PasswordRefused(refusal)

        return make

    def _given(self, wish: Wish) -> Callable[[list[str]], str]:
        def make(former: list[str]) -> str:
            # To set again what is in force brings nothing back.
            broken = violations(wish.wanted, wish.policy, former if wish.wanted not in former[:1] else ())
            if broken:
                raise PasswordRefused("; ".join(violation.message for violation in broken))
            return wish.wanted

        return make

    def _resume(self, names: Sequence[str]) -> list[Result]:
        return self.ledger.resume(names, self.run_, self.lease_seconds, self.order.settings["max_attempts"], self.kind.recovers)

    # -- ask and prove ------------------------------------------------------------------------------------------------------------

    def _ask(self, cases: Sequence[_Case]) -> None:
        if self.kind.collects:
            self._collect(cases)
        elif self.kind.looks_first:
            self._look_then_ask(cases)
        else:
            self._ask_for([case for case in cases if not case.awaiting], again=not self.batch.stages)
            self._prove(cases)

    def _ask_for(self, cases: Sequence[_Case], *, again: bool) -> None:
        for case in cases:
            case.asked = True
        if cases:
            answers = self.around.product.ask(self.kind, [case.taken for case in cases], self.field, again=again)
            for case, answer in zip(cases, answers, strict=True):
                case.answer = answer

    def _collect(self, cases: Sequence[_Case]) -> None:
        """The vendor makes the passwords; they are in the ledger before anybody is told of a change."""
        again = not self.batch.stages
        for case in cases:
            case.asked = True
        answers, passwords = self.around.product.collect(self.kind, [case.taken for case in cases], self.field, again=again)
        for case, answer in zip(cases, answers, strict=True):
            case.answer = answer
        fetched = {case.taken.name: password for case, password in zip(cases, passwords, strict=True) if password}
        self.around.redactor.add(*fetched.values())
        # Before the ledger is told: if it is lost by now, they are in no other place.
        for case in cases:
            if case.taken.name in fetched:
                case.taken = replace(case.taken, staged=fetched[case.taken.name])
        if fetched:
            self._insist(lambda: self.ledger.collect(self.run_, fetched))
        # A list of an earlier run does not tell whether its passwords are in force. Setting them once more settles it.
        unconfirmed = [case for case in cases if case.taken.staged and case.answer and case.answer.reason == "unconfirmed"]
        self._ask_for(unconfirmed, again=True)
        self._prove(cases)

    def _look_then_ask(self, cases: Sequence[_Case]) -> None:
        """Open from an earlier run: a login tells most. What it leaves open is asked for once more, where somebody can be asked."""
        for case, proof in zip(cases, self._proofs([(case, self._candidates(case)) for case in cases]), strict=True):
            case.before = proof
        if not self.kind.asks:
            return
        # Also those whose old password is in force: what the earlier run asked for may still be on its way.
        left = [case for case in cases if case.before is None or case.before.live in (None, CURRENT)]
        self._ask_for(left, again=True)
        changed = [case for case in left if case.answer and case.answer.status == "changed"]
        for case, proof in zip(changed, self._proofs([(case, (STAGED,)) for case in changed]), strict=True):
            case.after = proof

    def _prove(self, cases: Sequence[_Case]) -> None:
        if not self.kind.proves:
            return
        wanted = [(case, self._candidates(case)) for case in cases if self._may_tell_more(case)]
        for (case, _candidates), proof in zip(wanted, self._proofs(wanted), strict=True):
            case.after = proof

    def _may_tell_more(self, case: _Case) -> bool:
        """Not of a device that nobody asked, nor where only one password is known and it was surely not set."""
        answer = case.answer
        if not case.taken.staged or (answer is not None and answer.reason in _NEVER_ASKED):
            return False
        return answer is None or answer.status != "failed" or len(self._candidates(case)) == 2

    @staticmethod
    def _candidates(case: _Case) -> tuple[str, ...]:
        """The password first that should work: wrong logins are rationed."""
        taken = case.taken
        known = (STAGED, CURRENT) if taken.current and taken.current != taken.staged else (STAGED,)
        return known[::-1] if case.answer is not None and case.answer.status == "failed" else known

    def _proofs(self, wanted: Sequence[tuple[_Case, Sequence[str]]]) -> list[Proof]:
        if not wanted:
            return []
        return self.around.product.prove([(case.taken, candidates) for case, candidates in wanted], self.field)

    # -- settle -------------------------------------------------------------------------------------------------------------------

    def _settle(self, cases: Sequence[_Case]) -> None:
        asked = "itself" if self.kind.proves_itself else "vendor"
        outcomes = {case.taken.name: outcome_of(asked, case.said, case.before, case.after) for case in cases}
        settlements = [
            Settlement(
                name=case.taken.name,
                outcome=outcomes[case.taken.name].status,
                reason=outcomes[case.taken.name].reason or _reason(case),
                proof=outcomes[case.taken.name].proof,
                live=outcomes[case.taken.name].live,
                password_id=case.password_id,
                late=bool(case.answer and case.answer.late),
            )
            for case in cases
        ]
        final: dict[str, Result] = {}
        try:
            results = self._insist(lambda: self.ledger.settle(settlements, self.run_, self.order.settings["max_attempts"]))
            final = {result.name: result for result in results}
        except LedgerError as error:
            self.worked.stop = f"{error.message}{self._rescue(cases, error)}"
        for case in cases:
            self.worked.told.append(self._told(case, final.get(case.taken.name)))

    def _told(self, case: _Case, result: Result | None) -> Told:
        name, message = case.taken.name, _message(case)
        if result is None:
            return Told(name, "kept", "ledger_unavailable", message)
        reason = result.reason or _reason(case)
        if result.status == "dropped" and reason == "offline":
            return Told(name, "offline", reason, message)
        # What an earlier run left open ends well, too, when the old password is proven.
        if result.status == "dropped" and not self.batch.stages and reason == OLD_PASSWORD:
            return Told(name, "settled", reason, message)
        return Told(name, result.status, reason if result.status != "committed" else "", message)

    def _insist(self, tell: Callable[[], list[Result]]) -> list[Result]:
        """Tell the ledger what must not be lost, a few times where it is away."""
        started = time.monotonic()
        while True:
            try:
                return tell()
            except LedgerError:
                if time.monotonic() - started >= _LEDGER_PATIENCE:
                    raise
            self.around.sleep(_LEDGER_PAUSE)

    def _rescue(self, cases: Sequence[_Case], error: LedgerError) -> str:
        """The ledger that held the passwords is gone: what this process still knows goes to a file of its own. Returns what to say."""
        if error.reason not in _LOST:
            return ""
        known = [case for case in cases if case.taken.staged]
        entries: dict[str, dict[str, t.Any]] = {
            case.taken.name: {
                "last_verified": None,
                "current": _slot(case, case.taken.current),
                "staged": _slot(case, case.taken.staged),
                "previous": [],
            }
            for case in known
        }
        path = os.path.join(os.getcwd(), f"keyturn-emergency-{self.order.run_id}-{self.batch.number}.csv")
        content, _count = export_csv(entries, ("staged", "current"))
        try:
            write_secret_file(path, content, overwrite=True)
        except FileProblem as problem:
            return f" The passwords of {len(known)} {self.around.product.nouns[1]} could not be written to {path} either: {problem.message}"
        return (
            f" The passwords that {len(known)} {self.around.product.nouns[1]} may have by now are in {path} (staged), with those they had "
            "before (current). Bring the ledger back or import them into a new one, then delete the file."
        )


def _slot(case: _Case, password: str) -> dict[str, t.Any] | None:
    if not password:
        return None
    serial = case.taken.member.device.serial
    return {"password": password, "serial": serial, "source": "emergency", "committed_at": "", "staged_at": ""}


def _reason(case: _Case) -> str:
    """The last reason that was given."""
    given = [part.reason for part in (case.before, case.said, case.after) if part is not None and part.reason]
    return given[-1] if given else ""


def _message(case: _Case) -> str:
    return " ".join(part.message for part in (case.before, case.answer, case.after) if part is not None and part.message)
