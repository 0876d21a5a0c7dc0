# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger: every password of every device, from before a device hears of it until a newer one is proven.

All that a rotation needs is here, each as one transaction for a whole batch: stage, collect, resume, settle. See the rules of settling in
C(rules), the tables in C(schema).
"""

from __future__ import annotations

import os
import pwd
import socket
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.change import (
    DEAD,
    HELD,
    MINE,
    Change,
    Device,
    Password,
    Passwords,
    chunks,
    read_devices,
    read_passwords,
)
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.crypto import Cost, SecretBox, check_passphrase
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.database import Database
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.describing import describe, read_events
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError, PasswordRefused, raise_all
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.opening import create, key_columns, read_key, unlock
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.rules import (
    COMMITTED,
    DEFAULT_MAX_ATTEMPTS,
    DROPPED,
    LIVE,
    ORPHANED,
    OUTCOMES,
    PROOFS,
    TOO_MANY_ATTEMPTS,
    Attempt,
    Outcome,
    Verdict,
    decide,
    is_exhausted,
)
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.schema import (
    CURRENT,
    PREVIOUS,
    STAGED,
    SUPERSEDED,
    schema,
)
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run

with suppress(ImportError):  # schema.HAS_SQLALCHEMY tells
    import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

# So many former passwords of a device stay whatever its policy says: a restored backup of a device may bring one back.
KEPT_FORMER = 10
_CHEAP = Cost(n=2, r=1, p=1)


@dataclass(frozen=True)
class StageRequest:
    """A new password wanted for one device.

    C(make): given the former passwords (the current one first, then newest first) it returns the new one, or raises PasswordRefused;
    C(None) when the vendor makes it, then it is collected later from the one-time list at C(generated_csv).
    C(supersede): an unsettled staged password of an earlier run goes to the history, instead of keeping this one out.
    C(history): how many former passwords the policy looks back on. C(expected_current): the id of the current password this was planned
    with, empty for none; C(None) to not ask.
    """

    name: str
    serial: str | None
    source: str
    make: Callable[[list[str]], str] | None
    supersede: bool = False
    generated_csv: str | None = None
    history: int = 0
    expected_current: str | None = None


@dataclass(frozen=True)
class ImportRow:
    """A password that a person says is in force."""

    name: str
    password: str = field(repr=False)
    serial: str | None = None


@dataclass(frozen=True)
class Result:
    """What became of one device: a word, why, whether the ledger was changed, and what a person should know."""

    name: str
    status: str
    reason: str = ""
    changed: bool = False
    warnings: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


class Ledger:
    """An open ledger. Every method is one transaction, and raises LedgerError having changed nothing."""

    def __init__(self, database: Database, box: SecretBox, dry_run: bool) -> None:
        self._database = database
        self._box = box
        self.dry_run = dry_run
        self.label = database.label

    @classmethod
    def open(
        cls,
        url: str,
        passphrase: str,
        *,
        absent: str = "create",
        dry_run: bool = False,
        clock: Callable[[], float] | None = None,
        cost: Cost | None = None,
    ) -> Ledger:
        """Open a ledger with its passphrase.

        C(absent): what to do when there is none: C(create) it, C(fail) with reason C(absent), or act as if it were C(empty).
        C(dry_run): tell what would change, change nothing.
        """
        if not passphrase:
            check_passphrase(passphrase)
        database = Database(url, clock)
        try:
            box = unlock(database, passphrase, touch=not dry_run)
            if box is None:
                if absent == "fail":
                    raise LedgerError("absent", f"There is no {database.label}. Check ledger_url; staging or importing makes one.")
                check_passphrase(passphrase)
                if absent == "empty" or dry_run:
                    database.close()
                    database = Database(None, clock)
                    cost = _CHEAP
                box = create(database, passphrase, cost or Cost())
        except BaseException:
            database.close()
            raise
        return cls(database, box, dry_run)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_unused: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Ledger({self.label})"

    def close(self) -> None:
        """Give back every connection."""
        self._database.close()

    # -- a rotation ---------------------------------------------------------------------------------------------------------------

    def stage(self, requests: Sequence[StageRequest], run: Run, lease_seconds: float) -> list[Result]:
        """Make new passwords durable before any device hears of them, and take the lease of those devices.

        Per device C(staged), C(already_staged) (an unsettled one is there and stays), C(busy) (C(leased) by a run that lives, or C(fenced):
        something a dead run asked for may still arrive), C(changed_meanwhile) or C(orphaned). When the password of any device is refused,
        LedgerError C(policy) names them all and nothing is staged.
        """
        _check_run(run, lease_seconds)
        wanted = {request.name: request for request in requests}
        _check_names([request.name for request in requests])
        for request in requests:
            _check_text(request.name, request.serial, request.source, request.generated_csv)
        results: dict[str, Result] = {}
        refused: list[tuple[str, str]] = []
        with self._change(run) as change:
            devices = change.lock(wanted, create={request.name: request.serial for request in requests})
            for part in chunks(sorted(wanted)):
                for name, passwords in change.passwords(part).items():
                    try:
                        results[name] = self._stage(change, devices[name], passwords, wanted[name], lease_seconds)
                    except PasswordRefused as error:
                        refused.append((name, str(error)))
            raise_all("policy", refused)
        return [results[request.name] for request in requests]

    def _stage(self, change: Change, device: Device, passwords: Passwords, request: StageRequest, lease_seconds: float) -> Result:
        name, staged, current = device.name, passwords.staged, passwords.current
        if device.orphaned:
            return Result(name, ORPHANED, device.orphaned)
        lease = change.lease(device)
        if lease == HELD:
            return Result(name, "busy", "leased")
        already = Result(name, "already_staged", "unsettled")
        # A made password of this very run: asked for again, it is the one that is there.
        repeated = staged and (staged.run_id, staged.source) == (change.run.id, request.source) and request.source in ("generate", "rms")
        if staged and (repeated or not request.supersede):
            return already
        if request.expected_current is not None and request.expected_current != (current.id if current else ""):
            return Result(name, "changed_meanwhile")
        if lease == DEAD or (device.fence_until or 0) > change.now:
            return Result(name, "busy", "fenced")
        secret = None
        if request.make is not None:
            former = [known for password in (current, *passwords.history) if password and (known := self._secret(password))]
            doubtful = [known] if staged and (known := self._secret(staged)) else []
            secret = request.make(former + doubtful if current else doubtful + former)
            if staged and doubtful == [secret]:
                return already
        warnings = self._note_serial(change, device, request.serial)
        if staged:
            change.move(staged, SUPERSEDED, "superseded")
        record_id = uuid.uuid4().hex
        change.add_password(
            device,
            id=record_id,
            slot=STAGED,
            secret=None if secret is None else self._box.seal(name, record_id, secret),
            source=request.source,
            made_by_vendor=request.make is None,
            generated_csv=request.generated_csv,
            attempts=1,
            arrives_until=change.take_lease(device, lease_seconds),
        )
        change.event(name, "", STAGED, request.source)
        change.update_device(device, history=request.history)
        return Result(name, STAGED, changed=True, warnings=warnings)

    def collect(self, run: Run, passwords: Mapping[str, str]) -> list[Result]:
        """Fill in the passwords that the vendor made, from its one-time list.

        Per device C(collected), C(unchanged) (that one is there already), C(nothing_awaited) or C(lost_lease). Knowledge is never refused
        for want of a lease to the run that asked the vendor: without it nobody may ever log in again.
        """
        _check_names(passwords)
        for name, password in passwords.items():
            _check_password(name, password)
        results: dict[str, Result] = {}
        with self._change(run) as change:
            devices = change.lock(passwords)
            for part in chunks(sorted(passwords)):
                for name, known in change.passwords(part).items():
                    device = devices.get(name)
                    if device is None:
                        results[name] = Result(name, "nothing_awaited", "not_in_ledger")
                    else:
                        results[name] = self._collect(change, device, known, passwords[name])
        return [results[name] for name in passwords]

    def _collect(self, change: Change, device: Device, known: Passwords, password: str) -> Result:
        made_by_vendor = [each for each in known.all() if each.made_by_vendor]
        mine = change.lease(device) == MINE
        # One of this run's, wherever it stands by now; else the staged one, when this run has taken it over.
        candidates = [each for each in made_by_vendor if each.run_id == change.run.id or (mine and each.slot == STAGED)]
        if not candidates:
            return Result(device.name, "lost_lease" if made_by_vendor and not made_by_vendor[0].secret else "nothing_awaited")
        target = candidates[0]
        if target.secret is None:
            change.update_password(target, secret=self._box.seal(device.name, target.id, password))
            change.event(device.name, target.slot, target.slot, "collected")
            return Result(device.name, "collected", "" if target.slot == STAGED else target.slot, changed=True)
        if any(self._secret(each) == password for each in made_by_vendor):
            return Result(device.name, "unchanged")
        # The vendor was asked twice and made two. Which one is in force is for the next step to find out; neither may be lost.
        if target.slot != STAGED:
            return Result(device.name, "nothing_awaited", "another_was_collected")
        change.move(target, SUPERSEDED, "another_was_collected")
        record_id = uuid.uuid4().hex
        change.add_password(
            device,
            id=record_id,
            slot=STAGED,
            secret=self._box.seal(device.name, record_id, password),
            source=target.source,
            made_by_vendor=True,
            generated_csv=target.generated_csv,
            attempts=target.attempts,
            excused=target.excused,
            arrives_until=target.arrives_until,
        )
        change.event(device.name, "", STAGED, "collected")
        return Result(device.name, "collected", "another_was_collected", changed=True)

    def resume(self, names: Sequence[str], run: Run, lease_seconds: float, max_attempts: int = DEFAULT_MAX_ATTEMPTS) -> list[Result]:
        """Take (over) the lease of devices whose rotation was not settled, for one more attempt with the same password.

        Per device C(resumed), C(awaiting) (leased too, but its password has still to be collected), C(busy), C(nothing_staged) or
        C(orphaned), which a device becomes when it has had its attempts. The details tell C(attempts), C(source), C(serial) and
        C(generated_csv).
        """
        _check_run(run, lease_seconds)
        _check_names(names)
        results: dict[str, Result] = {}
        with self._change(run) as change:
            devices = change.lock(names)
            for part in chunks(sorted(names)):
                for name, passwords in change.passwords(part).items():
                    device = devices.get(name)
                    if device is None or passwords.staged is None:
                        results[name] = Result(name, "nothing_staged")
                    else:
                        results[name] = self._resume(change, device, passwords.staged, lease_seconds, max_attempts)
        return [results[name] for name in names]

    def _resume(self, change: Change, device: Device, staged: Password, lease_seconds: float, max_attempts: int) -> Result:
        name, lease = device.name, change.lease(device)
        if device.orphaned:
            return Result(name, ORPHANED, device.orphaned)
        if lease == HELD:
            return Result(name, "busy", "leased")
        if lease != MINE:
            if is_exhausted(staged.attempts, staged.excused, max_attempts):
                change.release_lease(device)
                self._orphan(change, device, TOO_MANY_ATTEMPTS)
                return Result(name, ORPHANED, TOO_MANY_ATTEMPTS, changed=True)
            change.update_password(staged, attempts=staged.attempts + 1)
            taken_over = f", taken over from run {device.lease_run}" if device.lease_run else ""
            change.event(name, STAGED, STAGED, f"attempt {staged.attempts}{taken_over}")
        renewed = lease != MINE or (device.lease_until or 0) - change.now < lease_seconds / 2
        if renewed:
            change.update_password(staged, arrives_until=change.take_lease(device, lease_seconds))
        details = {"attempts": staged.attempts, "source": staged.source, "serial": device.serial, "generated_csv": staged.generated_csv}
        return Result(name, "resumed" if staged.secret else "awaiting", changed=renewed, details=details)

    def settle(self, outcomes: Sequence[Outcome], run: Run, max_attempts: int = DEFAULT_MAX_ATTEMPTS, claim: bool = False) -> list[Result]:
        """Record how the attempts ended, by the rules of C(rules), and give the leases back.

        Per device C(committed), C(dropped), C(kept), C(orphaned), or C(lost_lease): then another run has taken over, and only an event
        is written. What this run has settled already is said again, unchanged. C(claim): a person decides; no lease is needed, only that
        nobody else holds it; C(nothing_staged) or C(busy) where there is nothing to decide.
        """
        _check_names([outcome.name for outcome in outcomes])
        for outcome in outcomes:
            if outcome.outcome not in OUTCOMES or outcome.proof not in PROOFS or outcome.live not in (None, *LIVE):
                raise LedgerError("input", f"Device {outcome.name!r}: not an outcome, a proof or a live password that the ledger knows.")
            _check_text(outcome.name, outcome.reason)
        wanted = {outcome.name: outcome for outcome in outcomes}
        results: dict[str, Result] = {}
        with self._change(run) as change:
            devices = change.lock(wanted)
            for part in chunks(sorted(wanted)):
                for name, passwords in change.passwords(part).items():
                    results[name] = self._settle(change, devices.get(name), passwords, wanted[name], max_attempts, claim)
        return [results[outcome.name] for outcome in outcomes]

    def _settle(
        self, change: Change, device: Device | None, passwords: Passwords, outcome: Outcome, max_attempts: int, claim: bool
    ) -> Result:
        name, staged = outcome.name, passwords.staged
        lease = change.lease(device) if device else HELD
        if device is None or not (lease == MINE or (claim and lease != HELD)) or staged is None:
            earlier = next((each for each in passwords.all() if each.settled_run == change.run.id), None)
            if earlier and device and lease not in (HELD, MINE):
                return Result(name, str(earlier.settled_as), str(earlier.settled_reason or ""))
            if claim:
                return Result(name, "busy", "leased") if device and lease == HELD else Result(name, "nothing_staged")
            if device and lease == MINE:
                change.release_lease(device)
            change.event(name, "", "", f"lost lease; said to be {outcome.outcome}" + (f", live {outcome.live}" if outcome.live else ""))
            return Result(name, "lost_lease", "" if device else "not_in_ledger")
        attempt = Attempt(staged.attempts, staged.excused, staged.secret is not None)
        verdict = decide(outcome, attempt, max_attempts)
        self._apply(change, device, passwords, staged, outcome, verdict)
        change.release_lease(device)
        return Result(name, verdict.status, verdict.reason, changed=True)

    def _apply(self, change: Change, device: Device, passwords: Passwords, staged: Password, outcome: Outcome, verdict: Verdict) -> None:
        settled = {"settled_run": change.run.id, "settled_as": verdict.status, "settled_reason": verdict.reason}
        if verdict.status == COMMITTED:
            if passwords.current:
                change.move(passwords.current, PREVIOUS, "replaced")
                passwords.history.append(passwords.current)
            change.move(staged, CURRENT, verdict.reason or outcome.outcome, **settled)
            proven = outcome.proof != "none"
            change.update_device(
                device,
                verified_at=change.now if proven else None,
                verified_by=outcome.proof if proven else None,
                orphaned=None,
                orphaned_at=None,
            )
            if proven:
                change.delete(_prunable(passwords.history, device.history, outcome.proof == "login", change.now))
        elif verdict.status == DROPPED:
            change.move(staged, DROPPED, verdict.reason or outcome.outcome, **settled)
            change.update_device(device, orphaned=None, orphaned_at=None)
            if outcome.live == "current" and outcome.proof == "login":
                change.update_device(device, verified_at=change.now, verified_by="login")
        else:
            change.update_password(staged, excused=staged.excused + verdict.excused, **settled)
            if verdict.status == ORPHANED:
                self._orphan(change, device, verdict.reason)
            else:
                change.event(device.name, STAGED, STAGED, f"kept: {verdict.reason or outcome.outcome}")

    def verified(self, names: Sequence[str], run: Run, proof: str = "login") -> list[Result]:
        """Record that the current password was proven. Per device C(verified), C(busy) (another run is at it) or C(no_current)."""
        _check_names(names)
        if proof not in PROOFS[1:]:
            raise LedgerError("input", "A proof is vendor or login.")
        results: dict[str, Result] = {}
        with self._change(run) as change:
            devices = change.lock(names)
            for part in chunks(sorted(names)):
                for name, passwords in change.passwords(part).items():
                    device = devices.get(name)
                    if device is None or passwords.current is None:
                        results[name] = Result(name, "no_current")
                    elif change.lease(device) == HELD:
                        results[name] = Result(name, "busy", "leased")
                    else:
                        change.update_device(device, verified_at=change.now, verified_by=proof)
                        change.event(name, CURRENT, CURRENT, f"verified by {proof}")
                        results[name] = Result(name, "verified", changed=True)
        return [results[name] for name in names]

    # -- what people do -----------------------------------------------------------------------------------------------------------

    def import_passwords(self, rows: Sequence[ImportRow], run: Run) -> list[Result]:
        """Passwords that a person says are in force become current, not verified. What was current or staged goes to the history; an
        orphaned device is one no more. Per device C(imported), C(unchanged) or C(busy) (a run is at it).
        """
        _check_names([row.name for row in rows])
        wanted = {row.name: row for row in rows}
        for row in rows:
            _check_text(row.name, row.serial)
            _check_password(row.name, row.password)
        results: dict[str, Result] = {}
        with self._change(run) as change:
            devices = change.lock(wanted, create={row.name: row.serial for row in rows})
            for part in chunks(sorted(wanted)):
                for name, passwords in change.passwords(part).items():
                    results[name] = self._import(change, devices[name], passwords, wanted[name])
        return [results[row.name] for row in rows]

    def _import(self, change: Change, device: Device, passwords: Passwords, row: ImportRow) -> Result:
        staged, current = passwords.staged, passwords.current
        if change.lease(device) == HELD:
            return Result(row.name, "busy", "leased")
        same = current is not None and self._secret(current) == row.password
        was_orphaned = device.orphaned is not None
        warnings = self._note_serial(change, device, row.serial)
        if same and not was_orphaned:
            return Result(row.name, "unchanged", changed=bool(warnings), warnings=warnings)
        if was_orphaned:
            change.event(row.name, ORPHANED, "", "imported")
            change.update_device(device, orphaned=None, orphaned_at=None)
        change.release_lease(device)
        is_staged = staged is not None and self._secret(staged) == row.password
        if staged and not is_staged:
            change.move(staged, SUPERSEDED, "imported")
        if same:
            return Result(row.name, "imported", changed=True, warnings=warnings)
        if current:
            change.move(current, PREVIOUS, "imported")
        if staged and is_staged:
            change.move(staged, CURRENT, "imported")
        else:
            record_id = uuid.uuid4().hex
            sealed = self._box.seal(row.name, record_id, row.password)
            change.add_password(device, id=record_id, slot=CURRENT, secret=sealed, source="import")
            change.event(row.name, "", CURRENT, "imported")
        change.update_device(device, verified_at=None, verified_by=None)
        return Result(row.name, "imported", changed=True, warnings=warnings)

    def rekey(self, new_passphrase: str, run: Run, cost: Cost | None = None) -> int:
        """Seal every secret with a key from another passphrase. Processes that have the ledger open with the old one are refused from then
        on. Returns the number of secrets.
        """
        box = SecretBox.create(new_passphrase, cost or self._box.record.cost)
        tables = schema()
        table = tables.passwords
        with self._change(run, whole=True) as change:
            connection = change.connection
            ids = list(connection.execute(sa.select(table.c.id).where(table.c.secret.is_not(None)).order_by(table.c.id)).scalars())
            query = sa.select(table.c.id, table.c.device, table.c.secret)
            update = sa.update(table).where(table.c.id == sa.bindparam("record")).values(secret=sa.bindparam("sealed"))
            for part in chunks(ids):
                rows = [
                    {"record": row.id, "sealed": box.seal(row.device, row.id, self._box.open(row.device, row.id, row.secret))}
                    for row in connection.execute(query.where(table.c.id.in_(part)))
                ]
                if not self.dry_run:
                    connection.execute(update, rows)
            if not self.dry_run:
                connection.execute(sa.update(tables.meta).values(**key_columns(box.record), rekeyed_at=change.now))
            change.event("", "", "", "rekeyed")
        if not self.dry_run:
            self._box = box
        return len(ids)

    # -- what is known ------------------------------------------------------------------------------------------------------------

    def devices(
        self, names: Sequence[str] | None = None, include_secrets: bool = False, include_events: int = 0
    ) -> dict[str, dict[str, Any]]:
        """All the ledger knows, by device name; C(names): C(None) for all. C(include_events): the newest so many of each device."""
        described: dict[str, dict[str, Any]] = {}
        with self._look() as (connection, now):
            devices = read_devices(connection, names)
            # Piece by piece: a fleet's whole history would be in memory twice.
            for part in chunks(list(devices)):
                passwords = read_passwords(connection, part)
                events = read_events(connection, part, include_events) if include_events else {}
                for name in part:
                    known = passwords.get(name) or Passwords(None, None, [])
                    described[name] = describe(devices[name], known, now, self._secret if include_secrets else None)
                    if include_events:
                        described[name]["events"] = events.get(name, [])
        return described

    def passwords(self, names: Sequence[str], slot: str = CURRENT) -> dict[str, str | None]:
        """One password per name; C(None) for a device that has none in that slot. C(slot): C(current), C(staged), or C(previous) for the
        last before the current one.
        """
        with self._look() as (connection, _now):
            known = read_passwords(connection, sorted(set(names)), slots=[slot])
        found: dict[str, str | None] = {}
        for name in names:
            entry = known.get(name) or Passwords(None, None, [])
            password = next(iter(entry.all()), None)
            found[name] = self._secret(password) if password else None
        return found

    def names_by_serial(self) -> dict[str, list[str]]:
        """Which devices have which serial number."""
        table = schema().devices
        found: dict[str, list[str]] = {}
        with self._look() as (connection, _now):
            for name, serial in connection.execute(sa.select(table.c.name, table.c.serial).where(table.c.serial.is_not(None))):
                found.setdefault(serial, []).append(name)
        return found

    # -- inside -------------------------------------------------------------------------------------------------------------------

    def _secret(self, password: Password) -> str | None:
        """None while only the vendor knows it."""
        return self._box.open(password.device, password.id, password.secret) if password.secret else None

    def _orphan(self, change: Change, device: Device, reason: str) -> None:
        change.update_device(device, orphaned=reason, orphaned_at=change.now)
        change.event(device.name, STAGED, ORPHANED, reason)

    def _note_serial(self, change: Change, device: Device, serial: str | None) -> tuple[str, ...]:
        """A box was exchanged, or an inventory was corrected: the passwords stay, and a person is told."""
        if not serial or serial == device.serial:
            return ()
        before = device.serial
        change.update_device(device, serial=serial)
        if before is None:
            return ()
        change.event(device.name, "", "", f"serial changed from {before} to {serial}")
        return ("serial_changed",)

    @contextmanager
    def _change(self, run: Run, whole: bool = False) -> Iterator[Change]:
        """A writing transaction; everything collected is written at its end. C(whole): nobody else may write meanwhile."""
        with self._database.begin(write=not self.dry_run) as connection:
            self._check_key(connection, "" if self.dry_run else "update" if whole else "share")
            change = Change(connection, self._database.now(connection), _who(), run, self.dry_run)
            yield change
            change.write()

    @contextmanager
    def _look(self) -> Iterator[tuple[Connection, float]]:
        with self._database.begin(write=False) as connection:
            self._check_key(connection, "")
            yield connection, self._database.now(connection)

    def _check_key(self, connection: Connection, lock: str) -> None:
        """Between opening and now somebody may have changed the passphrase; what would be sealed with the old key could never be opened."""
        record = read_key(connection, lock)
        if record != self._box.record:
            raise LedgerError("rekeyed", "The ledger's passphrase was changed meanwhile. Nothing was changed. Run again with the new one.")


def _prunable(history: Sequence[Password], policy_history: int, by_login: bool, now: float) -> list[Password]:
    """What may be forgotten after a proven change.

    Of the former passwords the newest KEPT_FORMER stay, more when the policy looks further back. Of those that were dropped or superseded
    as many stay when only the vendor vouches for the change, because its word can be wrong; after a log-in only what the policy needs.
    One that the device may still be told to take stays in any case.
    """
    newest = sorted(history, key=lambda password: password.generation, reverse=True)
    kept = max(KEPT_FORMER, policy_history)
    former = [password for password in newest if password.slot == PREVIOUS]
    doubtful = [password for password in newest if password.slot != PREVIOUS]
    needed = {password.id for password in newest[:policy_history]}
    candidates = [*former[kept:], *doubtful[0 if by_login else kept :]]
    return [password for password in candidates if password.id not in needed and (password.arrives_until or 0) <= now]


def _check_names(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if not name or not name.isprintable():
            raise LedgerError("input", "A device's name must have at least one character, and none that cannot be printed.")
        if name in seen:
            raise LedgerError("input", f"Device {name!r} is named twice.")
        seen.add(name)


def _check_text(name: str, *texts: str | None) -> None:
    """What a database could not store, or a person not read."""
    if not all(text is None or text.isprintable() for text in texts):
        raise LedgerError("input", f"Device {name!r}: a serial number, source, reason or path holds what cannot be printed.")


def _check_password(name: str, password: str) -> None:
    if not password or not password.isprintable():
        raise LedgerError("input", f"Device {name!r}: the password is empty or holds what cannot be typed.")


def _check_run(run: Run, lease_seconds: float) -> None:
    if not run.id or not run.id.isprintable():
        raise LedgerError("input", "A run needs an id that can be printed.")
    if lease_seconds <= 0:
        raise LedgerError("input", "A lease must last longer than no time at all.")


def _who() -> str:
    """The operating system's user and this host's name: names alone would not tell runners apart."""
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = str(os.geteuid())
    return f"{user}@{socket.gethostname()}"
