# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The work of the modules that reach routers themselves: many at once, an outcome for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._redact import ModuleFailure, Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.change import Candidate, change_password, prove_password
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.fleet import at_once
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.logins import MOST_WRONG
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.options import BadInput, Place, Ways, check_libraries, read_places
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.visit import Outcome, Way

Element = Mapping[str, Any]

# What a result says when every candidate was refused.
_NEITHER = "neither"


@dataclass(frozen=True)
class Task:
    """What is done at each router.

    C(good) and C(bad): the statuses it can end in. C(secrets): the passwords in an element of C(devices). C(problems): what is wrong with
    the elements. C(failure): how a message begins when some ended badly.
    """

    visit: Callable[[Way, Element], Outcome]
    secrets: Callable[[Element], Sequence[str]]
    problems: Callable[[Sequence[Element]], list[str]]
    good: tuple[str, ...]
    bad: tuple[str, ...]
    failure: str


@dataclass
class Visits:
    """What became of all routers, as far as it is known. C(requests): HTTP requests that went out, per router."""

    devices: Sequence[Element]
    outcomes: list[Outcome]
    requests: list[int] = field(default_factory=list)

    def result(self, task: Task) -> dict[str, Any]:
        """What a module returns."""
        told = [
            {"serial": device["serial"], "host": device["host"], **outcome.as_result()}
            for device, outcome in zip(self.devices, self.outcomes, strict=True)
        ]
        counts = {status: sum(outcome.status == status for outcome in self.outcomes) for status in (*task.good, *task.bad)}
        return {"changed": counts.get("changed", 0) > 0, "devices": told, "summary": counts, "requests": sum(self.requests)}


def carry_out(task: Task, options: Mapping[str, Any], forgiving: bool) -> dict[str, Any]:
    """Visit every router of the option C(devices). ModuleFailure for bad input, and, unless C(forgiving), when one ended badly."""
    devices: Sequence[Element] = options["devices"] or ()
    try:
        places = _read(task, devices, options)
    except BadInput as problem:
        outcome = Outcome("failed", "not_sent", "Nothing was sent to this router: the task cannot be carried out as it is written.")
        raise ModuleFailure(str(problem), reason="bad_input", **Visits(devices, [outcome] * len(devices)).result(task)) from None
    result = visit_all(task, devices, places, options).result(task)
    bad = [device for device in result["devices"] if device["status"] in task.bad]
    if bad and not forgiving:
        counts = ", ".join(f"{count} {status}" for status, count in result["summary"].items() if count)
        first = f"serial {bad[0]['serial']}, {bad[0]['reason']}: {bad[0]['message']}"
        raise ModuleFailure(f"{task.failure} {len(bad)} of {len(devices)} routers ({counts}). The first: {first}", **result)
    return result


def _read(task: Task, devices: Sequence[Element], options: Mapping[str, Any]) -> list[Place]:
    problems = task.problems(devices)
    if not devices:
        problems.append("devices names no router")
    if problems:
        raise BadInput("; ".join(problems) + ".")
    places = read_places(devices, options)
    check_libraries(places)
    return places


def visit_all(task: Task, devices: Sequence[Element], places: Sequence[Place], options: Mapping[str, Any]) -> Visits:
    """Every router has an outcome in the end."""
    ways = Ways(options)
    requests = [0] * len(devices)

    def work(number: int) -> Outcome:
        redactor = Redactor(task.secrets(devices[number]))
        try:
            way = ways.to(places[number], redactor)
            outcome = task.visit(way, devices[number])
            requests[number] = way.request_count
            return outcome
        except Exception as problem:  # What nobody foresaw at one router must not take the outcomes of the others along.
            return Outcome("unknown", "error", f"Unexpected {type(problem).__name__}: {redactor.shown(problem)}")

    outcomes = at_once(
        range(len(devices)),
        work,
        not_begun=lambda _number: Outcome(
            "failed", "timeout", "Nothing was sent to this router: the deadline passed before its turn came."
        ),
        not_finished=lambda _number: Outcome("unknown", "timeout", "The router was asked, and there was no outcome at the deadline."),
        parallel=options["parallel"],
        deadline=ways.deadline,
        clock=ways.clock,
    )
    return Visits(devices, outcomes, requests)


def set_on_routers(options: Mapping[str, Any], redactor: Redactor, check_mode: bool, warn: Callable[[str], None]) -> dict[str, Any]:
    """The work of C(router_password) with C(via: device): its result, or ModuleFailure with all that is known in it."""

    def problems(devices: Sequence[Element]) -> list[str]:
        found = [
            f"{name} belongs to via=rms; for via=device, devices gives every password and host"
            for name in ("csv", "generate", "generated_csv")
            if options[name] is not None
        ]
        return found + [f"devices[{number}].password is missing" for number, device in enumerate(devices) if not device["password"]]

    task = Task(
        visit=lambda way, device: change_password(
            way, device["serial"], device["current_password"] or None, device["password"], check_mode
        ),
        secrets=lambda device: [password for password in (device["password"], device["current_password"]) if password],
        problems=problems,
        good=("changed", "unchanged"),
        bad=("failed", "unknown"),
        failure="The password is not set, or not known to be, on",
    )
    return carry_out(task, options, check_mode or options["on_device_failure"] == "report")


def prove_on_routers(options: Mapping[str, Any]) -> dict[str, Any]:
    """The work of C(router_login): its result, or ModuleFailure with all that is known in it."""

    def problems(devices: Sequence[Element]) -> list[str]:
        found = []
        for number, device in enumerate(devices):
            candidates = device["candidates"]
            if not 1 <= len(candidates) <= MOST_WRONG:
                found.append(f"devices[{number}].candidates must be one or two: a router locks out whoever tries many passwords")
            if any(not candidate["password"] for candidate in candidates):
                found.append(f"devices[{number}].candidates has an empty password")
            names = [candidate["name"] for candidate in candidates]
            if len(set(names)) < len(names) or _NEITHER in names:
                found.append(f"devices[{number}].candidates must have different names, and none may be {_NEITHER}")
        return found

    def candidates(device: Element) -> list[Candidate]:
        return [Candidate(candidate["name"], candidate["password"]) for candidate in device["candidates"]]

    task = Task(
        visit=lambda way, device: prove_password(way, device["serial"], candidates(device)),
        secrets=lambda device: [candidate["password"] for candidate in device["candidates"]],
        problems=problems,
        good=("proven",),
        bad=("refused", "failed", "unknown"),
        failure="No password is proven on",
    )
    return carry_out(task, options, options["on_device_failure"] == "report")
