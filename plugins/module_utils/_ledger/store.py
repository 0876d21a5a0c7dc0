# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger: every password of every device, from before a device hears of it until a newer one is proven.

All that a rotation needs is here, each as one transaction for a whole batch. What happens in them stands in a file of its own for each
story: C(staging), C(settling), C(following), C(lists); the rules of settling in C(rules), the tables in C(schema).

What a rotation does not need is told in files that nothing here imports, because Ansible compiles whatever an action imports anew in every
run: C(cases), C(people), C(handovers), C(fleet), C(history), C(backups). Their functions take an open ledger, and each is one transaction
of C(Ledger.change) or C(Ledger.look) that raises LedgerError having changed nothing, as the methods here do.
"""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ansible_collections.keyturn.devices.plugins.module_utils._ledger import crypto, following, lists, settling, staging
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.change import Change
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.checks import check_names, check_password, check_serials, check_text
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.crypto import Cost, SecretBox, check_passphrase
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.database import Database
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.describing import describe, read_events
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError, named
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.leases import check_run
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.opening import (
    Meta,
    Witness,
    advance,
    behind,
    check_meta,
    create,
    read_meta,
    replaced,
    unlock,
)
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.reading import (
    chunks,
    is_tampered,
    read_devices,
    read_heads,
    read_passwords,
    refuse_tampered,
)
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import Device, Password, Result, StageRequest
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.rules import DEFAULT_MAX_ATTEMPTS, LIVE, OUTCOMES, PROOFS, Settlement
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.schema import CURRENT, STAGED, schema
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run

with suppress(ImportError):  # schema.HAS_SQLALCHEMY tells
    import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

__all__ = ["Ledger", "Result", "Settlement", "StageRequest"]

_NOBODY = Run("opened")


class Ledger:
    """An open ledger. Every method is one transaction, and raises LedgerError having changed nothing.

    C(identity) and C(generation) tell which ledger this is and how far it has come: a later step of the same run gives them as C(expects).
    C(restored): an older copy was put back since the last run; nothing in it counts as proven any more. C(warnings): what a person should
    know of how it was opened. C(label): where it is, without user information.
    """

    def __init__(self, database: Database, box: SecretBox, meta: Meta, dry_run: bool) -> None:
        self._database = database
        self._box = box
        self._meta = meta
        self._witness = Witness(database.path)
        self.dry_run = dry_run
        self.label = database.label
        self.restored = False
        self.warnings: list[str] = []

    @classmethod
    def open(
        cls,
        url: str,
        passphrase: str,
        *,
        dry_run: bool = False,
        expects: tuple[str, int] | None = None,
        clock: Callable[[], float] | None = None,
        cost: Cost | None = None,
    ) -> Ledger:
        """Open an existing ledger with its passphrase; LedgerError C(absent) when there is none.

        C(dry_run): tell what would change, change nothing. C(expects): identity and generation as an earlier step saw them; LedgerError
        C(replaced) for another ledger, C(behind) for an older copy of it. C(cost): the least that its key may cost.
        """
        if not passphrase:
            check_passphrase(passphrase)
        database = Database(url, clock)
        try:
            unlocked = unlock(database, passphrase, cost or crypto.LEAST_COST, expects[0] if expects else None)
            if unlocked is None:
                raise database.absent()
            if expects is not None and unlocked[1].generation < expects[1]:
                raise behind(database.label)
            ledger = cls(database, *unlocked, dry_run)
            ledger._look_around()
        except BaseException:
            database.close()
            raise
        return ledger

    @classmethod
    def create(
        cls,
        url: str,
        passphrase: str,
        *,
        dry_run: bool = False,
        clock: Callable[[], float] | None = None,
        cost: Cost | None = None,
    ) -> tuple[Ledger | None, bool]:
        """Make a ledger where there is none, on purpose. Returns it, and whether it was made.

        C(dry_run): no ledger, but what would keep it from being made is raised. C(cost): what its key is to cost.
        """
        try:
            return cls.open(url, passphrase, dry_run=dry_run, clock=clock, cost=cost), False
        except LedgerError as error:
            if error.reason != "absent":
                raise
        check_passphrase(passphrase)
        database = Database(url, clock)
        try:
            if dry_run:
                database.check_makeable()
                database.close()
                return None, True
            box, meta, made = create(database, passphrase, cost or crypto.LEAST_COST)
            ledger = cls(database, box, meta, dry_run)
            ledger._witness.tell(meta.identity, meta.generation)
        except BaseException:
            database.close()
            raise
        return ledger, made

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_unused: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Ledger({self.label})"

    def close(self) -> None:
        """Give back every connection."""
        self._database.close()

    @property
    def identity(self) -> str:
        """Which ledger this is, whatever its file or its passphrase is called."""
        return self._meta.identity

    @property
    def generation(self) -> int:
        """How many transactions had written to it, as of the last one here."""
        return self._meta.generation

    def check_writable(self) -> None:
        """Raises what a write would raise now, such as LedgerError C(read_only) or C(permission), and changes nothing."""
        with suppress(_Undone), self._database.begin(write=True) as connection:
            meta = self._checked_meta(connection, lock=True)
            advance(connection, self._box, meta)
            raise _Undone

    # -- a rotation ---------------------------------------------------------------------------------------------------------------

    def stage(self, requests: Sequence[StageRequest], run: Run, lease_seconds: float) -> list[Result]:
        """Make new passwords durable before any device hears of them, and take the lease of those devices.

        A request with a serial number is followed first, as by C(follow). Per device C(staged), C(already_staged) (an unsettled one is
        there and stays), C(busy) (C(leased) by a run that lives, or C(fenced): something a dead run asked for may still arrive),
        C(changed_meanwhile) or C(orphaned). The details tell C(password_id) and C(lease_until) (seconds since the epoch). When the password
        of any device is refused, LedgerError C(policy) names them all and nothing is staged.
        """
        check_run(run, lease_seconds)
        check_names(request.name for request in requests)
        check_serials({request.name: request.serial for request in requests})
        for request in requests:
            check_text(request.name, request.source, request.list_id)
        failure: LedgerError
        try:
            with self.change(run) as change:
                return staging.stage(change, requests, lease_seconds)
        except LedgerError as error:
            failure = error
        if not failure.problems:
            names = [request.name for request in requests]
            message = f"{failure.message} Not staged, and not reached: {named(names)}."
            failure = LedgerError(failure.reason, message, [(name, "was not staged") for name in names])
        raise failure

    def collect(self, run: Run, passwords: Mapping[str, str]) -> list[Result]:
        """Fill in the passwords that the vendor made, from its one-time list.

        Per device C(collected), C(unchanged) (that one is there already), C(nothing_awaited) or C(lost_lease). Knowledge is never refused
        for want of a lease to the run that asked the vendor: without it nobody may ever log in again.
        """
        check_names(passwords)
        for name, password in passwords.items():
            check_password(name, password)
        with self.change(run) as change:
            return staging.collect(change, passwords)

    def resume(
        self,
        names: Sequence[str],
        run: Run,
        lease_seconds: float,
        max_attempts: int = DEFAULT_MAX_ATTEMPTS,
        recovers: bool = False,
    ) -> list[Result]:
        """Take (over) the lease of devices whose rotation was not settled, for one more attempt with the same password.

        Per device C(resumed), C(awaiting) (leased too, but its password has still to be collected), C(busy), C(nothing_staged) or
        C(orphaned), which a device becomes when it has had its attempts. The details tell C(password_id), C(lease_until), C(attempts),
        C(source), C(serial), C(list_id) and C(note). C(recovers): orphaned devices too.
        """
        check_run(run, lease_seconds)
        check_names(names)
        with self.change(run) as change:
            return staging.resume(change, names, lease_seconds, max_attempts, recovers)

    def note(self, name: str, run: Run, text: str) -> Result:
        """Keep a text, no secret, with the staged password of a device that this run holds, for whoever resumes: C(noted) or
        C(lost_lease).
        """
        check_text(name, text)
        with self.change(run) as change:
            return staging.note(change, name, text)

    def settle(
        self, settlements: Sequence[Settlement], run: Run, max_attempts: int = DEFAULT_MAX_ATTEMPTS, claim: bool = False
    ) -> list[Result]:
        """Record how the attempts ended, by the rules of C(rules), and give the leases back.

        Per device C(committed), C(dropped), C(kept), C(orphaned), or C(lost_lease): then another run has taken over, and only an event
        is written. What this run has settled already is said again, unchanged. One that was sent late brings C(reopened) where the lease
        was lost: what was sent is staged again, as soon as nothing else is, and nothing counts as proven. C(claim): a person decides; no
        lease is needed, only that nobody else holds it; C(nothing_staged) or C(busy) where there is nothing to decide.
        """
        check_names(settlement.name for settlement in settlements)
        for settlement in settlements:
            if settlement.outcome not in OUTCOMES or settlement.proof not in PROOFS or settlement.live not in (None, *LIVE):
                raise LedgerError("input", f"Device {settlement.name!r}: not an outcome, a proof or a live password that the ledger knows.")
            check_text(settlement.name, settlement.reason, settlement.password_id)
        with self.change(run) as change:
            results = settling.settle(change, settlements, max_attempts, claim)
            lists.remove_needless(change)
            return results

    def verified(self, names: Sequence[str], run: Run, proof: str = "login", tried: Mapping[str, str] | None = None) -> list[Result]:
        """Record that the current password was proven. Per device C(verified), C(busy) (another run is at it), C(no_current) or
        C(changed_meanwhile). C(tried): the id of the password that was tried, by name, where it may be another one by now.
        """
        check_names(names)
        if proof not in PROOFS[1:]:
            raise LedgerError("input", "A proof is vendor or login.")
        with self.change(run) as change:
            results = settling.verified(change, names, proof, tried or {})
            lists.remove_needless(change)
            return results

    def disproved(self, tried: Mapping[str, str], run: Run) -> list[Result]:
        """Record that a login with the current password was refused: it counts as proven no more, and stays. Per device C(disproved), else
        as C(verified). C(tried): the id of the password that was tried, by name.
        """
        check_names(tried)
        with self.change(run) as change:
            return settling.disproved(change, tried)

    # -- which device is which ----------------------------------------------------------------------------------------------------

    def follow(self, serials: Mapping[str, str], run: Run) -> list[Result]:
        """The names of the inventory follow their serial numbers.

        Per device C(unchanged), C(new) (there is no record of it yet, and none is made), C(learned) (its record had no serial number yet),
        C(renamed) (details: C(old_name)), C(exchanged) (its record was that of another box, which is put away; details: C(old_serial),
        C(put_away_as)), C(returned) (it had been put away), or C(busy) (a run holds what would have to be renamed).
        """
        check_names(serials)
        check_serials(serials)
        with self.change(run) as change:
            results = following.follow(change, serials).results
        return [results[name] for name in serials]

    def observe(self, run: Run, offline: Collection[str], online: Collection[str], serials: Mapping[str, str]) -> None:
        """Note what a listing says. What is offline gets a record where there is none, so that it is known since when."""
        check_names([*offline, *online])
        check_serials(serials)
        with self.change(run) as change:
            following.observe(change, offline, online, serials)

    def retire(self, names: Sequence[str], run: Run) -> list[Result]:
        """Put devices away, with all their passwords. Per device C(retired), C(unchanged), C(busy) or C(not_in_ledger)."""
        check_names(names)
        with self.change(run) as change:
            return list(following.retire(change, names).values())

    # -- one-time lists -----------------------------------------------------------------------------------------------------------

    def reserve_list(self, list_id: str, run: Run, size: int) -> None:
        """Take real room for so many bytes of a one-time list, so that a full disk is found before the vendor is asked."""
        if not list_id or not list_id.isprintable():
            raise LedgerError("input", "A one-time list needs an id without unprintable characters.")
        for make_room in (lists.reserve, lists.reserve_journal):
            with self.change(run, keep_journal=True) as change:
                make_room(change, list_id, size)

    def append_list(self, list_id: str, piece: bytes, run: Run = _NOBODY) -> None:
        """Add what came; it is encrypted and on the disk when this returns, in the room that was reserved."""
        with self.change(run, keep_journal=True) as change:
            lists.append(change, list_id, piece)

    def list_content(self, list_id: str) -> bytes | None:
        """All that came, C(None) for a list of which nothing is there."""
        with self.look() as (connection, _now):
            return lists.content(connection, self._box, list_id)

    # -- what is known ------------------------------------------------------------------------------------------------------------

    def devices(
        self,
        names: Sequence[str] | None = None,
        include_secrets: bool = False,
        include_events: int = 0,
        include_retired: bool = False,
    ) -> dict[str, dict[str, Any]]:
        """All the ledger knows, by device name; C(names): C(None) for all. C(include_events): the newest so many of each device.

        With secrets LedgerError C(tampered) when anything of these devices was changed past keyturn.devices; without, it is told.
        """
        described: dict[str, dict[str, Any]] = {}
        with self.look() as (connection, now):
            devices = [device for device in read_devices(connection, names) if include_retired or device.retired_at is None]
            if include_secrets:
                refuse_tampered(self._box, devices, read_heads(connection, devices))
            # Piece by piece: a fleet's whole history would be in memory twice.
            for part in chunks(devices):
                passwords = read_passwords(connection, part)
                events = read_events(connection, part, include_events) if include_events else {}
                for device in part:
                    known = passwords[device.id]
                    secret_of = self._secrets_of(device) if include_secrets else None
                    described[device.name] = describe(device, known, now, secret_of, is_tampered(self._box, device, known.heads()))
                    if include_events:
                        described[device.name]["events"] = events.get(device.id, [])
        return described

    def passwords(self, names: Sequence[str], slot: str = CURRENT) -> dict[str, str | None]:
        """One password per name; C(None) for a device that has none in that slot, and for the current one of an orphaned device, which
        is known not to work. C(slot): C(current), C(staged), or C(previous) for the last before the current one.
        """
        found: dict[str, str | None] = dict.fromkeys(names)
        with self.look() as (connection, _now):
            devices = read_devices(connection, list(found))
            known = read_passwords(connection, devices, slots=[CURRENT, STAGED, *({slot} - {CURRENT, STAGED})])
        refuse_tampered(self._box, devices, {device.id: known[device.id].heads() for device in devices})
        for device in devices:
            entry = known[device.id]
            password = {CURRENT: entry.current, STAGED: entry.staged}.get(slot, entry.history[0] if entry.history else None)
            if password is not None and not (slot == CURRENT and device.orphaned):
                found[device.name] = self._secrets_of(device)(password)
        return found

    def names_by_serial(self) -> dict[str, str]:
        """Which device has which serial number."""
        table = schema().devices
        with self.look() as (connection, _now):
            return {row.serial: row.name for row in connection.execute(sa.select(table).where(table.c.serial.is_not(None)))}

    def now(self) -> float:
        """What time it is for the ledger, in seconds since the epoch."""
        with self.look() as (_connection, now):
            return now

    # -- from one process of a run to another -------------------------------------------------------------------------------------

    def seal_text(self, purpose: str, text: str) -> str:
        """Base64 that only C(open_text) of the same ledger and purpose understands."""
        return self._box.seal_text(purpose, text)

    def open_text(self, purpose: str, sealed: str) -> str:
        """What C(seal_text) was given; LedgerError C(corrupt) for anything else."""
        return self._box.open_text(purpose, sealed)

    # -- for the files of other stories -------------------------------------------------------------------------------------------

    @property
    def meta(self) -> Meta:
        """What C(identity) and C(generation) are of."""
        return self._meta

    @property
    def box(self) -> SecretBox:
        """What seals and opens its secrets."""
        return self._box

    @property
    def database(self) -> Database:
        """Where its rows are."""
        return self._database

    @contextmanager
    def change(self, run: Run, past: int = 0, keep_journal: bool = False) -> Iterator[Change]:
        """A transaction that writes; everything collected is written at its end. C(past): a generation that it has to go beyond.

        C(keep_journal): as C(Database.begin).
        """
        with self._database.begin(write=not self.dry_run, keep_journal=keep_journal) as connection:
            self._meta = self._checked_meta(connection, lock=not self.dry_run)
            change = Change(connection, self._box, self._database.now(connection), who(), run, self.dry_run)
            yield change
            change.write()
            advanced = advance(connection, change.box, self._meta, past) if change.wrote else self._meta
        if advanced is not self._meta:
            self._box, self._meta = change.box, advanced
            self._witness.tell(advanced.identity, advanced.generation)

    @contextmanager
    def look(self) -> Iterator[tuple[Connection, float]]:
        """A transaction that reads, and what time it is for the ledger."""
        with self._database.begin(write=False) as connection:
            self._meta = self._checked_meta(connection, lock=False)
            yield connection, self._database.now(connection)

    # -- inside -------------------------------------------------------------------------------------------------------------------

    def _secrets_of(self, device: Device) -> Callable[[Password], str | None]:
        """Opens its passwords; C(None) while only the vendor knows one."""

        def secret_of(password: Password) -> str | None:
            return self._box.open(password.device, password.id, password.secret, device.name) if password.secret else None

        return secret_of

    def _look_around(self) -> None:
        """Who else can read the file, and whether an older copy was put back."""
        warning = self._database.narrow(touch=not self.dry_run)
        if warning:
            self.warnings.append(warning)
        seen = self._witness.generation(self.identity)
        if seen > self.generation:
            with self.look():
                pass  # Another run may have written between opening and now; the witness hears of it after the ledger has it.
        self.restored = seen > self.generation
        if not self.restored:
            return
        self.warnings.append(f"{self.label} is an older copy than the one that was used last: nothing in it counts as proven any more.")
        if not self.dry_run:
            with self.change(_NOBODY, past=seen) as change:
                settling.take_back_every_proof(change)

    def _checked_meta(self, connection: Connection, lock: bool) -> Meta:
        """Between opening and now somebody may have put another ledger here, an older copy, or changed the passphrase: what would be sealed
        with the old key could never be opened.
        """
        meta = read_meta(connection, lock)
        if meta is None:
            raise self._database.absent()
        if meta.identity != self._meta.identity:
            raise replaced(self.label)
        if meta.key != self._box.record:
            raise LedgerError("rekeyed", "The ledger's passphrase was changed meanwhile. Nothing was changed. Run again with the new one.")
        check_meta(self._box, meta)
        if meta.generation < self._meta.generation:
            raise behind(self.label)
        return meta


class _Undone(Exception):
    """Rolls a transaction back."""


def who() -> str:
    """The operating system's user and this host's name: names alone would not tell runners apart."""
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = str(os.geteuid())
    return f"{user}@{socket.gethostname()}"
