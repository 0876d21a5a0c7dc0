# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger: every password of every device, from before a device hears of it until a newer one is proven.

All that a rotation needs is here, each as one transaction for a whole batch. What happens in them stands in a file of its own for each
story: C(staging), C(settling), C(following), C(lists), C(cases), C(people); the rules of settling in C(rules), the tables in C(schema).
"""

from __future__ import annotations

import os
import pwd
import socket
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ansible_collections.keyturn.devices.plugins.module_utils._files import FileProblem
from ansible_collections.keyturn.devices.plugins.module_utils._ledger import (
    cases,
    copies,
    crypto,
    fleet,
    following,
    handovers,
    lists,
    people,
    settling,
    staging,
)
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.change import Change
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.checks import check_names, check_password, check_serials, check_text
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.crypto import Cost, SecretBox, check_passphrase
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.database import Database
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.describing import describe, read_events
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError, named
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.history import read_history
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.leases import check_run
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.opening import (
    Meta,
    Witness,
    advance,
    behind,
    check_meta,
    create,
    read_meta,
    renew,
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
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import (
    CaseChange,
    Device,
    ImportRow,
    Password,
    Result,
    StageRequest,
)
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.rules import DEFAULT_MAX_ATTEMPTS, LIVE, OUTCOMES, PROOFS, Settlement
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.schema import CURRENT, STAGED, schema
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run

with suppress(ImportError):  # schema.HAS_SQLALCHEMY tells
    import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

__all__ = ["CaseChange", "ImportRow", "Ledger", "Result", "Settlement", "StageRequest"]

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
            with self._change(run) as change:
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
        with self._change(run) as change:
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
        with self._change(run) as change:
            return staging.resume(change, names, lease_seconds, max_attempts, recovers)

    def note(self, name: str, run: Run, text: str) -> Result:
        """Keep a text, no secret, with the staged password of a device that this run holds, for whoever resumes: C(noted) or
        C(lost_lease).
        """
        check_text(name, text)
        with self._change(run) as change:
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
        with self._change(run) as change:
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
        with self._change(run) as change:
            results = settling.verified(change, names, proof, tried or {})
            lists.remove_needless(change)
            return results

    def disproved(self, tried: Mapping[str, str], run: Run) -> list[Result]:
        """Record that a login with the current password was refused: it counts as proven no more, and stays. Per device C(disproved), else
        as C(verified). C(tried): the id of the password that was tried, by name.
        """
        check_names(tried)
        with self._change(run) as change:
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
        with self._change(run) as change:
            results = following.follow(change, serials).results
        return [results[name] for name in serials]

    def observe(self, run: Run, offline: Collection[str], online: Collection[str], serials: Mapping[str, str]) -> None:
        """Note what a listing says. What is offline gets a record where there is none, so that it is known since when."""
        check_names([*offline, *online])
        check_serials(serials)
        with self._change(run) as change:
            following.observe(change, offline, online, serials)

    def retire(self, names: Sequence[str], run: Run) -> list[Result]:
        """Put devices away, with all their passwords. Per device C(retired), C(unchanged), C(busy) or C(not_in_ledger)."""
        check_names(names)
        with self._change(run) as change:
            return list(following.retire(change, names).values())

    # -- one-time lists -----------------------------------------------------------------------------------------------------------

    def reserve_list(self, list_id: str, run: Run, size: int) -> None:
        """Take real room for so many bytes of a one-time list, so that a full disk is found before the vendor is asked."""
        if not list_id or not list_id.isprintable():
            raise LedgerError("input", "A one-time list needs an id without unprintable characters.")
        for make_room in (lists.reserve, lists.reserve_journal):
            with self._change(run, keep_journal=True) as change:
                make_room(change, list_id, size)

    def append_list(self, list_id: str, piece: bytes, run: Run = _NOBODY) -> None:
        """Add what came; it is encrypted and on the disk when this returns, in the room that was reserved."""
        with self._change(run, keep_journal=True) as change:
            lists.append(change, list_id, piece)

    def list_content(self, list_id: str) -> bytes | None:
        """All that came, C(None) for a list of which nothing is there."""
        with self._look() as (connection, _now):
            return lists.content(connection, self._box, list_id)

    def lists(self) -> list[dict[str, Any]]:
        """Every one-time list that is still kept: C(id), C(run_id), C(made_at), C(devices) (their names)."""
        with self._look() as (connection, _now):
            return lists.describe_lists(connection)

    # -- recovery cases -----------------------------------------------------------------------------------------------------------

    def open_case(
        self,
        name: str,
        serial: str | None,
        kind: str,
        run: Run,
        *,
        facts: Mapping[str, str] | None = None,
        lease_seconds: float | None = None,
    ) -> Result:
        """Open a recovery case of a device, which gets a record where it has none. The details tell C(case), as C(case) does.

        C(opened), C(already_open) (nothing was changed in it) or C(busy) (another run is at it). LedgerError C(input) when one of another
        kind is open. C(lease_seconds): the run takes the device for so long; 0 gives it back; C(None) leaves that as it is.
        """
        self._check_case(name, serial, run, lease_seconds, kind, *(facts or {}).values())
        with self._change(run) as change:
            return cases.open_case(change, name, serial, kind, facts or {}, lease_seconds)

    def change_case(self, name: str, serial: str | None, wanted: CaseChange, run: Run, *, lease_seconds: float | None = None) -> Result:
        """Change the open case of a device. C(changed), C(unchanged), C(no_case) or C(busy). Else as C(open_case)."""
        texts = (wanted.reason, wanted.step, wanted.state, *wanted.facts.values(), *wanted.secrets.values())
        self._check_case(name, serial, run, lease_seconds, *texts)
        if wanted.state not in (None, *cases.ENDS):
            raise LedgerError("input", f"A case ends {' or '.join(cases.ENDS)}.")
        with self._change(run) as change:
            return cases.change_case(change, name, serial, wanted, lease_seconds)

    def case(self, name: str, serial: str | None = None, include_secrets: bool = False) -> dict[str, Any] | None:
        """The open case of a device, else its last one, with its events, oldest first; C(None) where there is none.

        C(id), C(name), C(kind), C(step) (the last that was done), C(state), C(opened_at), C(armed_at), C(deadline), C(closed_at),
        C(expired) (open and past its deadline), C(facts), C(holds) (which secrets it has), C(events); with secrets C(secrets) by name.
        """
        with self._look() as (connection, now):
            return cases.read_case(connection, self._box, now, name, serial, include_secrets)

    def open_cases(self) -> dict[str, dict[str, Any]]:
        """Every open case by the name of its device, as C(case) tells it, without events and secrets. LedgerError C(tampered)."""
        with self._look() as (connection, now):
            return cases.read_open_cases(connection, self._box, now)

    def now(self) -> float:
        """What time it is for the ledger, in seconds since the epoch."""
        with self._look() as (_connection, now):
            return now

    @staticmethod
    def _check_case(name: str, serial: str | None, run: Run, lease_seconds: float | None, *texts: str | None) -> None:
        check_run(run, lease_seconds or None)
        check_names([name])
        check_text(name, serial, *texts)

    # -- what people do -----------------------------------------------------------------------------------------------------------

    def import_passwords(self, rows: Sequence[ImportRow], run: Run) -> list[Result]:
        """Passwords that a person says are in force become current, not verified. What was current or staged goes to the history; an
        orphaned device is one no more, and a lease that a run holds is broken. Per device C(imported) or C(unchanged).
        """
        check_names(row.name for row in rows)
        check_serials({row.name: row.serial for row in rows})
        for row in rows:
            check_password(row.name, row.password)
        with self._change(run) as change:
            results = people.import_passwords(change, rows)
            lists.remove_needless(change)
            return results

    def release(self, names: Sequence[str], run: Run) -> list[Result]:
        """A person breaks leases. Per device C(released) (details: C(run_id)), C(not_leased) or C(not_in_ledger)."""
        check_names(names)
        with self._change(run) as change:
            return people.release(change, names)

    def rekey(self, new_passphrase: str, run: Run, cost: Cost | None = None) -> int:
        """Seal every secret with a key from another passphrase. Processes that have the ledger open with the old one are refused from then
        on. Returns the number of passwords.
        """
        box = SecretBox.create(new_passphrase, cost or self._box.record.cost)
        with self._change(run) as change:
            return people.rekey(change, box)

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
        with self._look() as (connection, now):
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

    def events(self, since: float | None = None, run_id: str = "") -> list[dict[str, Any]]:
        """What happened, oldest first. C(since): seconds since the epoch; C(run_id): the beginning of the id of a run."""
        with self._look() as (connection, _now):
            return read_history(connection, since, run_id)

    def passwords(self, names: Sequence[str], slot: str = CURRENT) -> dict[str, str | None]:
        """One password per name; C(None) for a device that has none in that slot, and for the current one of an orphaned device, which
        is known not to work. C(slot): C(current), C(staged), or C(previous) for the last before the current one.
        """
        found: dict[str, str | None] = dict.fromkeys(names)
        with self._look() as (connection, _now):
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
        with self._look() as (connection, _now):
            return {row.serial: row.name for row in connection.execute(sa.select(table).where(table.c.serial.is_not(None)))}

    # -- the fleet ----------------------------------------------------------------------------------------------------------------

    def note_readiness(self, name: str, failed: Sequence[str], run: Run) -> None:
        """Note whether a device could be recovered. C(failed): the names of the checks that say no; none means that it could."""
        check_names([name])
        check_text(name, *failed)
        with self._change(run) as change:
            fleet.note_readiness(change, name, failed)

    def readiness(self) -> dict[str, dict[str, Any]]:
        """When each device was looked at last, and what came of it: C(ready), C(at) (ISO 8601) and C(failed), by name."""
        with self._look() as (connection, _now):
            return fleet.read_readiness(connection)

    def runs(self, at_most: int) -> list[dict[str, Any]]:
        """The newest runs and where their devices stood at the end: C(run_id), C(who), C(began), C(ended), C(outcomes)."""
        with self._look() as (connection, _now):
            return fleet.read_runs(connection, at_most)

    # -- hand-over to other stores ------------------------------------------------------------------------------------------------

    def owed(self, names: Sequence[str], stores: Sequence[str]) -> dict[str, dict[str, str]]:
        """Which stores have not got the current password of a device yet: the id of that password, by device and store.

        Only of passwords that are proven: what a restored ledger holds may be older than what a store has.
        """
        for store in stores:
            check_text("", store)
        with self._look() as (connection, _now):
            return handovers.owed(connection, read_devices(connection, names), stores)

    def handed_over(self, name: str, password_id: str, store: str, run: Run) -> Result:
        """Record that a store has this password: C(handed_over), C(changed_meanwhile) (another one is current by now, and still owed),
        or C(no_current).
        """
        check_text(name, store)
        with self._change(run) as change:
            return handovers.handed_over(change, name, password_id, store)

    def handover_failed(self, name: str, store: str, reason: str, run: Run) -> Result:
        """Record that a store did not take the password, which stays owed. C(still_owed) or C(not_in_ledger)."""
        check_text(name, store, reason)
        with self._change(run) as change:
            return handovers.failed(change, name, store, reason)

    # -- backups ------------------------------------------------------------------------------------------------------------------

    def back_up(self, path: str, overwrite: bool = False) -> int:
        """Write a backup, which is a ledger in an SQLite file, as encrypted as this one: whole, of one moment, and on the disk when this
        returns. Runs may go on meanwhile. Returns the number of its devices. Raises FileProblem.
        """
        path = os.path.abspath(os.path.expanduser(path))
        if self._database.path is not None and os.path.realpath(path) == os.path.realpath(self._database.path):
            raise LedgerError("input", f"{path} is the ledger itself. Nothing was written. Name another file.")
        if os.path.lexists(path) and not overwrite:
            raise FileProblem("file_exists", f"{path} exists. Nothing was written. Name another, or allow to overwrite.")
        with self._look() as (connection, _now):
            count = int(connection.execute(sa.select(sa.func.count()).select_from(schema().devices)).scalar_one())
            if self.dry_run:
                return count
            with copies.beside(path) as temporary:
                copies.copy_ledger(connection, self._database.is_postgresql, temporary)
                self._check_copy(temporary)
                if overwrite:
                    copies.rename_over(temporary, path)
                else:
                    copies.rename_new(temporary, path)
        return count

    def _check_copy(self, path: str) -> None:
        """A backup that nobody has looked at is none."""
        with closing(Database(copies.url_of(path))) as database, database.begin(write=False) as connection:
            meta = read_meta(connection)
            if meta is None or (meta.identity, meta.generation) != (self.identity, self.generation):
                raise LedgerError("corrupt", "The backup is not what the ledger holds. It was removed.")
            check_meta(self._box, meta)

    @classmethod
    def restore(
        cls,
        path: str,
        url: str,
        passphrase: str,
        run: Run,
        *,
        replace: bool = False,
        dry_run: bool = False,
        clock: Callable[[], float] | None = None,
        cost: Cost | None = None,
    ) -> copies.Restored:
        """Put the backup C(path) where the URL says. Nothing in it counts as proven, and its identity is a new one: a run that is still at
        the ledger it was taken of notices.

        LedgerError C(file_exists) where there is one, unless C(replace): then that is kept, and C(locked) where a run is under way in it.
        """
        path = os.path.abspath(os.path.expanduser(path))
        with closing(Database(url, clock)) as database, cls.open(copies.url_of(path), passphrase, dry_run=True, cost=cost) as backup:
            # All of it is opened: what cannot be read now could not be read later either.
            devices = len(backup.devices(include_secrets=True, include_retired=True))
            there = _what_is_there(database, lambda: cls.open(url, passphrase, dry_run=True, clock=clock, cost=cost), replace)
            if not there:
                database.check_makeable()
            if dry_run:
                return copies.Restored(devices)
            renew_it = backup._renewing(run, clock)
            kept = ""
            with backup._look() as (source, _now):
                if database.path is None:
                    if there:
                        kept = copies.kept_name(path)
                        with copies.beside(kept) as temporary, database.begin(write=False) as connection:
                            copies.copy_ledger(connection, True, temporary)
                            copies.rename_new(temporary, kept)
                    copies.replace_rows(source, database, renew_it, may_replace=there)
                else:
                    with copies.beside(database.path) as temporary:
                        copies.copy_ledger(source, False, temporary)
                        with closing(Database(copies.url_of(temporary))) as copy, copy.begin(write=True) as connection:
                            renewed = renew_it(connection)
                        kept = copies.put_in_place(temporary, database, may_replace=there)
                    Witness(database.path).tell(renewed.identity, renewed.generation)
            return copies.Restored(devices, kept)

    def _renewing(self, run: Run, clock: Callable[[], float] | None) -> Callable[[Connection], Meta]:
        """Makes a copy of this ledger one of its own."""

        def renewed(connection: Connection) -> Meta:
            change = Change(connection, self._box, clock() if clock else time.time(), _who(), run, dry=False)
            settling.take_back_every_proof(change, f"restored from a backup, generation {self.generation}")
            change.write()
            return renew(connection, self._box, self._meta)

        return renewed

    # -- from one process of a run to another -------------------------------------------------------------------------------------

    def seal_text(self, purpose: str, text: str) -> str:
        """Base64 that only C(open_text) of the same ledger and purpose understands."""
        return self._box.seal_text(purpose, text)

    def open_text(self, purpose: str, sealed: str) -> str:
        """What C(seal_text) was given; LedgerError C(corrupt) for anything else."""
        return self._box.open_text(purpose, sealed)

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
            with self._look():
                pass  # Another run may have written between opening and now; the witness hears of it after the ledger has it.
        self.restored = seen > self.generation
        if not self.restored:
            return
        self.warnings.append(f"{self.label} is an older copy than the one that was used last: nothing in it counts as proven any more.")
        if not self.dry_run:
            with self._change(_NOBODY, past=seen) as change:
                settling.take_back_every_proof(change)

    @contextmanager
    def _change(self, run: Run, past: int = 0, keep_journal: bool = False) -> Iterator[Change]:
        """A writing transaction; everything collected is written at its end. C(past): a generation that it has to go beyond."""
        with self._database.begin(write=not self.dry_run, keep_journal=keep_journal) as connection:
            self._meta = self._checked_meta(connection, lock=not self.dry_run)
            change = Change(connection, self._box, self._database.now(connection), _who(), run, self.dry_run)
            yield change
            change.write()
            advanced = advance(connection, change.box, self._meta, past) if change.wrote else self._meta
        if advanced is not self._meta:
            self._box, self._meta = change.box, advanced
            self._witness.tell(advanced.identity, advanced.generation)

    @contextmanager
    def _look(self) -> Iterator[tuple[Connection, float]]:
        with self._database.begin(write=False) as connection:
            self._meta = self._checked_meta(connection, lock=False)
            yield connection, self._database.now(connection)

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


def _what_is_there(database: Database, open_it: Callable[[], Ledger], replace: bool) -> bool:
    """Whether a ledger, or what is left of one, is where a backup is to go."""
    try:
        with open_it() as ledger:
            if not replace:
                raise copies.already_there(database.label)
            copies.refuse_held([name for name, device in ledger.devices().items() if device["lease"]], database.label)
    except LedgerError as error:
        if error.reason == "absent":
            # A file that nothing was written to yet is in nobody's way.
            return database.path is not None and os.path.lexists(database.path)
        if error.reason not in ("wrong_passphrase", "tampered", "corrupt", "not_a_ledger", "database", "schema"):
            raise
        if not replace:
            failure = copies.already_there(database.label)
        elif database.is_postgresql and error.reason not in ("wrong_passphrase", "tampered"):
            raise
        else:
            return True
    else:
        return True
    raise failure


class _Undone(Exception):
    """Rolls a transaction back."""


def _who() -> str:
    """The operating system's user and this host's name: names alone would not tell runners apart."""
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = str(os.geteuid())
    return f"{user}@{socket.gethostname()}"
