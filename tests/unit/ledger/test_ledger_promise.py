# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The promise, against a model: whatever runs do, die of and are told, a device's working password is among those the ledger keeps,
and after a proven log-in it is the current one."""

from __future__ import annotations

import itertools
import os
import tempfile
from dataclasses import dataclass, field
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test
from support.ledgers import LEASE, Clock, opened, request, statuses
from support.postgresql import PostgresqlServer

from ansible_collections.keyturn.devices.plugins.module_utils._ledger import leases, people
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import ImportRow
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.rules import Settlement
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run

NAMES = ("r1", "r2")

# What may become of a request: (the device takes it, what the run is told, the truth or a lie).
FATES = {
    "taken": (True, "changed"),
    "refused": (False, "failed"),
    "answer lost after": (True, "unknown"),
    "answer lost before": (False, "unknown"),
    "on its way": (None, "unknown"),
    "taken, said to be refused": (True, "failed"),
    "refused, said to be taken": (False, "changed"),
}
# The ledger keeps ten former passwords against a vendor whose word is wrong; nobody could keep all of them.
MOST_LIES = 5


@dataclass
class Device:
    """A box. C(on_its_way): requests that were sent and may still arrive, with the moment after which they no longer do.

    C(deceived): something happened that only a log-in can find out: a lie, or an arrival after the attempt was settled.
    C(unreported): runs that have sent something after their lease, and have not said so yet.
    """

    password: str = "factory"
    on_its_way: list[tuple[float, str]] = field(default_factory=list)
    deceived: bool = False
    lies: int = 0
    unreported: set[int] = field(default_factory=set)


@dataclass
class Attempt:
    """What a run believes it holds."""

    password: str
    until: float
    id: str
    said: str = "failed"
    sent: bool = False
    late: bool = False


@dataclass(eq=False)
class Runner:
    """One run of a playbook, until it is killed."""

    run: Run
    holds: dict[str, Attempt] = field(default_factory=dict)


class Promise(RuleBasedStateMachine):
    """Two or more runs at once, on two devices."""

    directory: tempfile.TemporaryDirectory[str] | None = None

    runners: Bundle[Runner] = Bundle("runners")

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.dead: set[str] = set()
        self.patch = mock.patch.object(leases, "lives", lambda holder: False if holder in self.dead else None)
        self.patch.start()
        self.ledger = self.open_ledger()
        self.devices = {name: Device() for name in NAMES}
        self.living: list[Runner] = []
        self.numbers = itertools.count()
        people.import_passwords(self.ledger, [ImportRow(name, "factory") for name in NAMES], Run("import"))

    def open_ledger(self) -> Ledger:
        self.directory = tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
        return opened(f"sqlite:///{self.directory.name}/ledger.db", self.clock)

    def teardown(self) -> None:
        self.ledger.close()
        if self.directory is not None:
            self.directory.cleanup()
        self.patch.stop()

    @rule(target=runners)
    def start(self) -> Runner:
        return self.new_runner()

    def new_runner(self) -> Runner:
        number = next(self.numbers)
        self.living.append(Runner(Run(f"run-{number}", f"holder-{number}")))
        return self.living[-1]

    @rule(runner=consumes(runners))
    def kill(self, runner: Runner) -> None:
        self.dead.add(runner.run.holder)
        self.living.remove(runner)

    @rule(runner=consumes(runners))
    def lose_sight_of(self, runner: Runner) -> None:
        """Its host went away: nobody here can know whether it still lives."""

    @rule(runner=runners, name=st.sampled_from(NAMES), supersede=st.booleans())
    def stage(self, runner: Runner, name: str, supersede: bool) -> None:
        password = f"password-{next(self.numbers)}"
        result = self.ledger.stage([request(name, password, supersede=supersede)], runner.run, LEASE)[0]
        if result.status == "staged":
            self.held(runner, name, password, result.details["password_id"])

    @rule(runner=runners, name=st.sampled_from(NAMES))
    def resume(self, runner: Runner, name: str) -> None:
        result = self.ledger.resume([name], runner.run, LEASE, max_attempts=4)[0]
        if result.status == "resumed":
            password = self.ledger.passwords([name], "staged")[name]
            assert password
            self.held(runner, name, password, result.details["password_id"])

    def held(self, runner: Runner, name: str, password: str, password_id: str) -> None:
        """No other run that lives may hold this device now: it would be asked twice at once."""
        for other in self.living:
            assert other is runner or name not in other.holds or other.holds[name].until <= self.clock()
        if name not in runner.holds:
            runner.holds[name] = Attempt(password, self.clock() + LEASE, password_id)

    @rule(runner=runners, name=st.sampled_from(NAMES), fate=st.sampled_from(sorted(FATES)))
    def apply(self, runner: Runner, name: str, fate: str) -> None:
        """A run asks within its lease only, and all it asks for has arrived or is lost when the lease ends."""
        attempt = runner.holds.get(name)
        if attempt is None or attempt.sent or self.clock() >= attempt.until:
            return
        device = self.devices[name]
        takes, said = FATES[fate]
        lie = (takes, said) in ((True, "failed"), (False, "changed"))
        if lie and device.lies == MOST_LIES:
            return
        attempt.sent, attempt.said = True, said
        device.lies += lie
        device.deceived |= lie
        if takes:
            device.password = attempt.password
        elif takes is None:
            device.on_its_way.append((attempt.until, attempt.password))

    @rule(runner=runners, name=st.sampled_from(NAMES), takes=st.booleans())
    def wake_up_and_send(self, runner: Runner, name: str, takes: bool) -> None:
        """A run was paused for longer than its lease, just before it sent."""
        attempt = runner.holds.get(name)
        if attempt is None or attempt.sent or self.clock() < attempt.until:
            return
        attempt.sent, attempt.said, attempt.late = True, "changed" if takes else "unknown", True
        if takes:
            self.devices[name].password = attempt.password
            self.devices[name].unreported.add(id(runner))

    @rule(
        name=st.sampled_from(NAMES),
        fate=st.sampled_from(sorted(FATES)),
        by_log_in=st.booleans(),
        supersede=st.booleans(),
    )
    def rotate(self, name: str, fate: str, by_log_in: bool, supersede: bool) -> None:
        """All steps of a run in one, so that many of them fit into one story."""
        runner = self.new_runner()
        self.stage(runner, name, supersede)
        self.apply(runner, name, fate)
        (self.settle_by_log_in if by_log_in else self.settle_by_word)(runner, name)
        self.living.remove(runner)

    @rule(name=st.sampled_from(NAMES), arrives=st.booleans())
    def land(self, name: str, arrives: bool) -> None:
        device = self.devices[name]
        if device.on_its_way:
            _until, password = device.on_its_way.pop(0)
            if arrives:
                device.password = password
                device.deceived = True

    @rule(runner=runners, name=st.sampled_from(NAMES))
    def settle_by_word(self, runner: Runner, name: str) -> None:
        attempt = runner.holds.pop(name, None)
        if attempt is not None:
            proof = "vendor" if attempt.said == "changed" else "none"
            said = Settlement(name, attempt.said, proof=proof, password_id=attempt.id, late=attempt.late)
            self.ledger.settle([said], runner.run, max_attempts=4)
            self.devices[name].unreported.discard(id(runner))

    @rule(runner=runners, name=st.sampled_from(NAMES))
    def settle_by_log_in(self, runner: Runner, name: str) -> None:
        attempt = runner.holds.pop(name, None)
        if attempt is None:
            return
        works = self.devices[name].password
        current = self.ledger.passwords([name])[name]
        live = "staged" if works == attempt.password else "current" if works == current else "neither"
        proof = "none" if live == "neither" else "login"
        said = Settlement(name, attempt.said, proof=proof, live=live, password_id=attempt.id, late=attempt.late)
        status = statuses(self.ledger.settle([said], runner.run))[name]
        self.devices[name].unreported.discard(id(runner))
        if status in ("committed", "dropped"):
            reopened = self.ledger.passwords([name], "staged")[name]
            assert reopened or self.ledger.passwords([name])[name] == works
            self.undeceived(name)
        elif live != "neither":
            assert status in ("lost_lease", "reopened")

    @rule(name=st.sampled_from(NAMES))
    def a_person_looks(self, name: str) -> None:
        if self.ledger.devices([name])[name]["orphaned"]:
            people.import_passwords(self.ledger, [ImportRow(name, self.devices[name].password)], Run("by hand"))
            assert self.ledger.passwords([name])[name] == self.devices[name].password
            self.undeceived(name)

    def undeceived(self, name: str) -> None:
        self.devices[name].deceived = False
        self.devices[name].lies = 0

    @rule(seconds=st.sampled_from([1, LEASE // 2, LEASE + 1]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        for device in self.devices.values():
            device.on_its_way = [(until, password) for until, password in device.on_its_way if until > self.clock()]

    @rule(target=runners, name=st.sampled_from(NAMES))
    def reconcile(self, name: str) -> Runner:
        """The next run, after all others: it leaves the working password as the current one, or a person is told."""
        for device in self.devices.values():
            device.on_its_way.clear()
        self.clock.advance(2 * LEASE)
        runner = self.new_runner()
        self.resume(runner, name)
        self.settle_by_log_in(runner, name)
        known = self.ledger.devices([name])[name]
        if not known["orphaned"]:
            # What was sent late while another was staged is staged again, and open.
            assert known["staged"] is None or known["last_verified"] is None
            device = self.devices[name]
            doubt = known["staged"] is not None or device.deceived or device.unreported
            assert doubt or self.ledger.passwords([name])[name] == device.password
        return runner

    @invariant()
    def the_working_password_is_kept_and_no_device_is_held_by_two_runs(self) -> None:
        """Both from one look: it is taken after every step."""
        for name, known in self.ledger.devices(include_secrets=True).items():
            slots = (known["staged"], known["current"], *known["previous"])
            assert self.devices[name].password in [slot["password"] for slot in slots if slot]
            assert known["lease"] is None or known["staged"]


def test_the_promise_holds_on_sqlite() -> None:
    run_state_machine_as_test(Promise, settings=settings(max_examples=80, stateful_step_count=40, deadline=None, print_blob=True))


@pytest.fixture
def on_postgresql(postgresql: PostgresqlServer) -> type[Promise]:
    url = postgresql.new_database()
    tables = "keyturn_events, keyturn_cases, keyturn_passwords, keyturn_devices"

    class OnPostgresql(Promise):
        def open_ledger(self) -> Ledger:
            opened(url, self.clock).close()
            postgresql.execute(url, f"TRUNCATE {tables}")
            return opened(url, self.clock)

    return OnPostgresql


def test_the_promise_holds_on_postgresql(on_postgresql: type[Promise]) -> None:
    # The same machine; its statements take longer there.
    checks = [HealthCheck.too_slow]
    few = settings(max_examples=10, stateful_step_count=25, deadline=None, suppress_health_check=checks, print_blob=True)
    run_state_machine_as_test(on_postgresql, settings=few)
