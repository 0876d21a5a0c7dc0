# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How attempts ended: what becomes current, what goes to the history, and which doubts stay or come back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.change import Change
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.leases import HELD, MINE, Leases
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import Device, Password, Passwords, Result
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.rules import COMMITTED, ORPHANED, Attempt, Settlement, Verdict, decide
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.schema import CURRENT, DROPPED, PREVIOUS, STAGED, schema
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.staging import orphan

with suppress(ImportError):  # schema.HAS_SQLALCHEMY tells
    import sqlalchemy as sa

REOPENED = "reopened"
SENT_LATE = "sent_late"
#: What the event of a refused login says.
DISPROVED = "disproved by login"

# So many former passwords of a device stay whatever its policy says: a restored backup of a device may bring one back.
KEPT_FORMER = 10


def settle(change: Change, settlements: Sequence[Settlement], max_attempts: int, claim: bool) -> list[Result]:
    """See C(Ledger.settle)."""
    wanted = {settlement.name: settlement for settlement in settlements}
    leases = Leases(change)
    results: dict[str, Result] = {}
    doubted: set[str] = set()
    for device, passwords in change.known(change.devices(wanted), doubted):
        settlement = wanted[device.name]
        if device.id in doubted:
            # What it says of itself is not believed, and that must not cost what is known of the others.
            change.event(device, "", "", f"tampered; {_said(settlement)}")
            results[device.name] = Result(device.name, "lost_lease", "tampered")
            continue
        staged, lease = passwords.staged, leases.of(device)
        if staged is not None and (lease == MINE or (claim and lease != HELD)):
            verdict = decide(settlement, Attempt(staged.attempts, staged.excused, staged.secret is not None), max_attempts)
            _apply(change, device, passwords, staged, settlement, verdict, claim)
            _keep_books(change, device, settlement, verdict)
            leases.release(device)
            _stage_what_was_sent_late(change, device, passwords)
            results[device.name] = Result(device.name, verdict.status, verdict.reason, changed=True)
        elif claim:
            results[device.name] = Result(device.name, "busy", "leased") if lease == HELD else Result(device.name, "nothing_staged")
        else:
            results[device.name] = _lost(change, leases, device, passwords, settlement)
    for settlement in settlements:
        if settlement.name not in results:
            if not claim:
                change.event(None, "", "", _said(settlement), name=settlement.name)
            results[settlement.name] = Result(settlement.name, *(("nothing_staged",) if claim else ("lost_lease", "not_in_ledger")))
    return [results[settlement.name] for settlement in settlements]


def _apply(
    change: Change, device: Device, passwords: Passwords, staged: Password, settlement: Settlement, verdict: Verdict, claim: bool
) -> None:
    settled = {"settled_run": change.run.id, "settled_as": verdict.status, "settled_reason": verdict.reason}
    if verdict.status == COMMITTED:
        if passwords.current:
            change.move(device, passwords.current, PREVIOUS, "replaced")
            passwords.history.append(passwords.current)
        change.move(device, staged, CURRENT, verdict.reason or settlement.outcome, **settled)
        passwords.current, passwords.staged = staged, None
        proven = settlement.proof != "none"
        change.update_device(
            device,
            verified_at=change.now if proven else None,
            verified_by=settlement.proof if proven else None,
            orphaned=None,
            orphaned_at=None,
        )
        if proven:
            change.delete(_prunable(passwords.history, device, settlement.proof == "login", change.now))
    elif verdict.status == DROPPED:
        change.move(device, staged, DROPPED, verdict.reason or settlement.outcome, **settled)
        passwords.staged = None
        passwords.history.append(staged)
        # A recovery that failed leaves the device as it was: no password of it is known to work.
        if claim or settlement.live == "current":
            change.update_device(device, orphaned=None, orphaned_at=None)
        if settlement.live == "current" and settlement.proof == "login":
            change.update_device(device, verified_at=change.now, verified_by="login")
    else:
        change.update_password(staged, excused=staged.excused + verdict.excused, **settled)
        if verdict.status == ORPHANED:
            orphan(change, device, verdict.reason)
        else:
            change.event(device, STAGED, STAGED, f"kept: {verdict.reason or settlement.outcome}")


def _keep_books(change: Change, device: Device, settlement: Settlement, verdict: Verdict) -> None:
    """How often it failed in a row, and since when it is offline."""
    by_login = settlement.live in ("staged", "current") and settlement.proof == "login"
    if verdict.status == COMMITTED or by_login:
        change.update_device(device, failures=0, last_failure=None)
    else:
        change.update_device(device, failures=device.failures + 1, last_failure=settlement.reason or verdict.reason or settlement.outcome)
    if settlement.reason == "offline" and device.offline_since is None:
        change.update_device(device, offline_since=change.now)
    if device.offline_since is not None and (by_login or (verdict.status == COMMITTED and settlement.proof != "none")):
        change.update_device(device, offline_since=None)


def _lost(change: Change, leases: Leases, device: Device, passwords: Passwords, settlement: Settlement) -> Result:
    """What a run says of a device that it does not hold (any more)."""
    lease = leases.of(device)
    earlier = next((each for each in passwords.all() if each.settled_run == change.run.id), None)
    if earlier and lease not in (HELD, MINE) and not settlement.late:
        return Result(device.name, str(earlier.settled_as), str(earlier.settled_reason or ""))
    if lease == MINE:
        leases.release(device)
    was_broken = device.broken_run == change.run.id and settlement.outcome != "failed"
    if settlement.late or was_broken:
        return _reopen(change, device, passwords, settlement)
    change.event(device, "", "", f"lost lease; {_said(settlement)}")
    for each in passwords.history:
        if each.run_id == change.run.id and each.settled_run is None:
            change.update_password(each, settled_run=change.run.id, settled_as="lost_lease")  # It has said all it had to say.
    return Result(device.name, "lost_lease")


def _reopen(change: Change, device: Device, passwords: Passwords, settlement: Settlement) -> Result:
    """Something was sent when another run may have looked already: whatever that one has settled is in doubt again."""
    name, current, staged = device.name, passwords.current, passwords.staged
    if current is not None and current.id == settlement.password_id:
        change.event(device, CURRENT, CURRENT, f"{SENT_LATE}; {_said(settlement)}")
        return Result(name, "lost_lease", SENT_LATE)
    change.event(device, "", "", f"{SENT_LATE}; {_said(settlement)}")
    change.unverify(device)
    target = next((each for each in passwords.all() if each.id == settlement.password_id), None)
    if target is None:
        return Result(name, REOPENED, "not_in_ledger", changed=True)
    if staged is None:
        _stage_again(change, device, target)
    elif staged.id != target.id:
        change.update_device(device, sent_late=target.id)
    return Result(name, REOPENED, changed=True)


def _stage_what_was_sent_late(change: Change, device: Device, passwords: Passwords) -> None:
    """It had to wait for another staged one to be settled, which now is, by what was known before it was sent."""
    if device.sent_late is None or passwords.staged is not None:
        return
    target = next((each for each in passwords.history if each.id == device.sent_late), None)
    change.update_device(device, sent_late=None)
    if target is not None:
        change.unverify(device)
        _stage_again(change, device, target)


def _stage_again(change: Change, device: Device, password: Password) -> None:
    unsettled = {"settled_run": None, "settled_as": None, "settled_reason": None}
    change.move(device, password, STAGED, SENT_LATE, attempts=1, excused=0, **unsettled)


def verified(change: Change, names: Sequence[str], proof: str, tried: Mapping[str, str]) -> list[Result]:
    """See C(Ledger.verified)."""

    def verify(device: Device) -> str:
        change.update_device(device, verified_at=change.now, verified_by=proof, offline_since=None)
        change.event(device, CURRENT, CURRENT, f"verified by {proof}")
        return "verified"

    return _on_current(change, names, tried, verify)


def disproved(change: Change, tried: Mapping[str, str]) -> list[Result]:
    """See C(Ledger.disproved)."""

    def disprove(device: Device) -> str:
        change.unverify(device)
        change.update_device(device, offline_since=None)
        change.event(device, CURRENT, CURRENT, DISPROVED)
        return "disproved"

    return _on_current(change, list(tried), tried, disprove)


def _on_current(change: Change, names: Sequence[str], tried: Mapping[str, str], do: Callable[[Device], str]) -> list[Result]:
    """What a login showed counts for the password that was tried, and only while nobody else is at the device."""
    leases = Leases(change)
    results = {name: Result(name, "no_current") for name in names}
    for device, passwords in change.known(change.devices(names)):
        if passwords.current is None:
            continue
        if leases.of(device) == HELD:
            results[device.name] = Result(device.name, "busy", "leased")
        elif tried.get(device.name, passwords.current.id) != passwords.current.id:
            results[device.name] = Result(device.name, "changed_meanwhile")
        else:
            results[device.name] = Result(device.name, do(device), changed=True)
    return list(results.values())


def take_back_every_proof(change: Change, told_as: str = "ledger was restored from an older copy") -> None:
    """The ledger is an older copy: what was proven since is not in it, and what it calls proven may be long replaced."""
    tables = schema()
    told = sa.select(
        *(sa.literal(value) for value in (change.now, change.who, change.run.id)),
        tables.devices.c.id,
        tables.devices.c.name,
        *(sa.literal(value) for value in ("", "", told_as)),
    )
    change.execute(
        sa.insert(tables.events).from_select(["at", "who", "run_id", "device", "name", "from_state", "to_state", "reason"], told)
    )
    change.execute(sa.update(tables.devices).values(verified_at=None, verified_by=None))
    change.event(None, "", "", told_as)


def _said(settlement: Settlement) -> str:
    return f"said to be {settlement.outcome}" + (f", live {settlement.live}" if settlement.live else "")


def _prunable(history: Sequence[Password], device: Device, by_login: bool, now: float) -> list[Password]:
    """What may be forgotten after a proven change.

    Of the former passwords the newest KEPT_FORMER stay, more when the policy looks further back. Those that were dropped or superseded
    stay until a login, because a vendor's word can be wrong; then only what the policy needs. One that the device may still be told to
    take stays in any case, and the newest of those whose makers have not said yet how it ended: they may still wake up.
    """
    newest = sorted(history, key=lambda password: password.generation, reverse=True)
    former = [password for password in newest if password.slot == PREVIOUS]
    doubtful = [password for password in newest if password.slot != PREVIOUS] if by_login else []
    abandoned = [password for password in doubtful if password.run_id != password.settled_run]
    needed = {device.sent_late, *(password.id for password in [*newest[: device.history], *abandoned[:KEPT_FORMER]])}
    candidates = [*former[max(KEPT_FORMER, device.history) :], *doubtful]
    return [password for password in candidates if password.id not in needed and (password.arrives_until or 0) <= now]
