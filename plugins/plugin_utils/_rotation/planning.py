# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of a run, from the variables of its hosts to sealed batches: the first step of a rotation."""

from __future__ import annotations

import datetime
import os
import typing as t
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._module import ModuleFailure
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run, runner_identity
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.batch import (
    Batch,
    Order,
    Sizes,
    batches_of_due,
    batches_of_unsettled,
    batches_of_verification,
    sealed,
)
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.due import Plan, Record, Rules, make_plan, parse_time
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.inventory import Found, read_devices
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import CONTROLLER, Device, Fault, Problem, Product, Sighting
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.sources import given_passwords
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.summary import ROTATE, VERIFY, Planned, announce, unmasked_told
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.tally import Told
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.variables import HostVariables
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.verifiable import plan_verification


class Planning:
    """One run being planned. C(names): its hosts. C(job): what it is for; only to rotate are sources read."""

    def __init__(self, product: Product, names: Sequence[str], variables: HostVariables, redactor: Redactor, *, job: str = ROTATE) -> None:
        self._product = product
        self._names = names
        self._variables = variables
        self._redactor = redactor
        self._job = job
        self._open_only = job != ROTATE
        self._now = datetime.datetime.now(datetime.timezone.utc)
        self._run_id = uuid.uuid4().hex
        self._found: Found | None = None
        self._wanted: Mapping[str, str] = {}
        self._bad: dict[str, list[str]] = {}
        self.remarks: list[str] = []
        self._requests = 0

    def read(self, everybody: Sequence[str]) -> None:
        """The devices and their sources. ModuleFailure with every problem, where one of them stops the run."""
        if not self._names:
            raise ModuleFailure(f"The run has no {self._product.nouns[1]}.", reason="not_found", problems=[])
        found = read_devices(self._names, self._variables, self._product, sources=not self._open_only)
        wanted, problems = ({}, []) if self._open_only else given_passwords(found.devices, self._variables, everybody)
        self._redactor.add(*wanted.values())
        for device in found.devices:
            self._redactor.add(*self._product.secrets(device))
        self._found, self._wanted = found, wanted
        self.remarks += found.remarks
        self._note([*found.problems, *problems])

    @property
    def found(self) -> Found:
        if self._found is None:
            raise AssertionError("read() comes first")
        return self._found

    def _note(self, problems: Iterable[Problem]) -> None:
        """A device with bad input fails alone, unless the run is to stop for it; what is wrong with no single device stops the run."""
        told = list(problems)
        if any(not problem.device for problem in told) or (told and self.found.run.get("bad_input") == "stop"):
            texts = [self._redactor.text(str(problem)) for problem in told]
            noun = "problem" if len(texts) == 1 else "problems"
            raise ModuleFailure(
                f"{len(texts)} {noun} in the input; no device was touched: {'; '.join(texts)}", reason="bad_input", problems=texts
            )
        for problem in told:
            self._bad.setdefault(problem.device, []).append(self._redactor.text(f"{problem.field}: {problem.message}"))

    def _devices(self) -> list[Device]:
        return [device for device in self.found.devices if device.name not in self._bad]

    def plan(self, ledger: Ledger) -> dict[str, t.Any]:
        """The result of the plan. Nothing of it is a secret but what is sealed."""
        return self._result(ledger, *self.decide(ledger, plan_verification if self._job == VERIFY else make_plan))

    def decide(self, ledger: Ledger, decide: Callable[..., Plan] = make_plan) -> tuple[Plan, Mapping[str, Record], list[Order]]:
        """What is to be done with each device, what the ledger knows of them, and the batches. C(decide): as C(make_plan)."""
        if ledger.dry_run:
            ledger.check_writable()
        run = Run(self._run_id, runner_identity(os.getppid()))
        sightings = self._look_up()
        names = self._follow(ledger, run)
        known = {device.name: device.serial for device in self._devices() if device.serial}
        online = {name for name, sighting in sightings.items() if sighting.online}
        offline = {name for name, sighting in sightings.items() if sighting.online is False}
        ledger.observe(run, offline=offline, online=online, serials=known)
        records = _renamed(ledger.devices(list(names.values()), include_secrets=True), names)
        rules = Rules(self._now, self.found.force, self.found.spread, self._open_only)
        plan = decide(self._product, self._devices(), records, sightings, self._wanted, rules)
        self._note(plan.problems)
        batches = self._batches(plan, records)
        settings = self.found.run
        public = {name: setting for name, setting in settings.items() if not name.startswith("ledger_")}
        orders = [Order(self._run_id, self._product.name, len(batches), len(self._names), public, rules, batch) for batch in batches]
        return plan, records, orders

    def refused(self, plan: Plan) -> list[Told]:
        """Whom no batch holds: those with bad input, and those that the plan refuses."""
        bad = [Told(name, "bad_input", "bad_input", "; ".join(texts)) for name, texts in self._bad.items()]
        return [*bad, *(Told(entry.name, entry.result, entry.reason, entry.message) for entry in plan.refused)]

    def _look_up(self) -> dict[str, Sighting]:
        """One look-up for all devices that share their settings."""
        groups: dict[int, list[Device]] = {}
        for device in self._devices():
            groups.setdefault(id(device.terms), []).append(device)
        sightings: dict[str, Sighting] = {}
        failure: Fault | None = None
        try:
            # What a listing says of a device, a login tells better.
            for group in groups.values() if self._job != VERIFY else ():
                found, requests = self._product.look_up(group, self._redactor)
                sightings.update(found)
                self._requests += requests
        except Fault as fault:
            failure = fault
        if failure is not None:
            text = f"{failure.message.rstrip('.')}. No device was touched."
            raise ModuleFailure(self._redactor.text(text), reason=failure.reason, problems=[])
        return sightings

    def _follow(self, ledger: Ledger, run: Run) -> dict[str, str]:
        """name -> what the ledger calls it by now. Records go by the serial; the name in the inventory may have changed."""
        devices = self._devices()
        names = {device.name: device.name for device in devices}
        self._note(self._twins(ledger.names_by_serial(), devices))
        for result in ledger.follow({device.name: device.serial for device in devices if device.serial}, run):
            if result.status == "renamed":
                old = str(result.details["old_name"])
                self.remarks.append(f"{result.name} was called {old} until now; its passwords follow its serial number")
                if ledger.dry_run:
                    names[result.name] = old
            elif result.status == "exchanged":
                self.remarks.append(
                    f"{result.name} has another serial number than before and so is another box; the passwords of the other one "
                    f"{'would be' if ledger.dry_run else 'are'} put away in the ledger, and come back with its serial number"
                )
                if ledger.dry_run:
                    del names[result.name]
        return names

    def _twins(self, known: Mapping[str, str], devices: Sequence[Device]) -> Iterator[Problem]:
        """Another host of the inventory, in this run or not, whose passwords are recorded under the same serial number."""
        for device in devices:
            other = known.get(device.serial, device.name)
            if other != device.name and self._variables.knows(other) and self._variables.serial_of(other) == device.serial:
                yield Problem("", "device_serial", f"{device.name}: its serial is also that of {other}, another host of the inventory")

    def _batches(self, plan: Plan, records: Mapping[str, Record]) -> list[Batch]:
        sizes = Sizes(self.found.run["first_batch_size"], self.found.run["batch_size"])
        if plan.verifiable:
            return batches_of_verification(plan.verifiable, sizes)
        unsettled = batches_of_unsettled(self._product, plan.unsettled, sizes)
        due = batches_of_due(self._product, plan.due, records, sizes, len(unsettled), self._run_id)
        return [*unsettled, *due]

    def _result(self, ledger: Ledger, plan: Plan, records: Mapping[str, Record], orders: Sequence[Order]) -> dict[str, t.Any]:
        result = {
            "run_id": self._run_id,
            "product": self._product.name,
            "job": self._job,
            "ledger": ledger.label,
            "devices": len(self._names),
            "due": [
                {
                    "name": due.device.name,
                    "reasons": list(due.reasons),
                    "details": list(due.reasons.values()),
                    "source": due.device.source.kind,
                }
                for due in plan.due
                if not due.unsettled_first
            ],
            "unsettled": [entry.device.name for entry in plan.unsettled],
            "verifiable": [device.name for device in plan.verifiable],
            "not_due": len(plan.not_due),
            "refused": unmasked_told(self.refused(plan), self._redactor.text),
            "long_offline": self._long_offline(records),
            "summary_limit": self.found.run["summary_limit"],
            "recap_limit": self.found.run["recap_limit"],
            "requests": self._requests,
            "here": [place for place, order in enumerate(orders) if order.batch.site == CONTROLLER],
            "elsewhere": [place for place, order in enumerate(orders) if order.batch.site != CONTROLLER],
            "batches": [
                {
                    "number": order.batch.number,
                    "kind": order.batch.kind.name,
                    "stages": order.batch.stages,
                    "site": order.batch.site,
                    "names": [member.device.name for member in order.batch.members],
                    "sealed": sealed(ledger, order),
                }
                for order in orders
            ],
        }
        everyone = ledger.dry_run
        return {**result, "announcement": announce(Planned.read(result), self._product, everyone)}

    def _long_offline(self, records: Mapping[str, Record]) -> list[str]:
        """Whom being offline makes red: those that have been for longer than they may."""

        def days(name: str) -> float:
            since = records.get(name, {}).get("offline_since")
            # Noted a moment ago, it may lie after the beginning of the plan.
            return max(0.0, (self._now - parse_time(since)).total_seconds() / 86400) if since else 0.0

        return [device.name for device in self._devices() if days(device.name) >= self.found.offline_days[device.name]]


def _renamed(records: Mapping[str, Record], names: Mapping[str, str]) -> dict[str, Record]:
    return {name: records[known] for name, known in names.items() if known in records}
