# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The work of the modules that reach routers themselves, from the options of a task to its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._module import Context
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.change import Candidate, change_password, look_at, prove_password
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.ending import Ending
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.logins import MOST_WRONG
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.places import Problem
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.tasks import Element, Task, Visits, visit_routers
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.visit import Finding, Way

# What a result says when every candidate was refused.
_NEITHER = "neither"

_POLICY = ("min_length", "max_length", "upper", "lower", "digits", "special", "max_age_days")


def _without_password(devices: Sequence[Element]) -> list[Problem]:
    return [(f"devices[{number}].password", "is missing") for number, device in enumerate(devices) if not device["password"]]


def set_on_routers(options: Mapping[str, Any], context: Context, may_change: Callable[[], bool]) -> dict[str, Any]:
    """The work of C(router_password) with C(via: device): its result, or ModuleFailure with all that is known in it.

    C(may_change): asked before a router is logged in to and right before its change; when it says no, nothing is sent.
    """
    ending = Ending()

    def problems(devices: Sequence[Element]) -> list[Problem]:
        found = [
            (name, "belongs to via=rms; for via=device, devices gives every password and host")
            for name in ("csv", "generate", "generated_csv")
            if options[name] is not None
        ]
        return found + _without_password(devices)

    def visit(way: Way, device: Element) -> Finding:
        return change_password(
            way,
            device["serial"],
            device["current_password"] or None,
            device["password"],
            new_first=device["try_first"] == "new",
            check_mode=context.check_mode,
            may_change=lambda: not ending.is_asked_for and may_change(),
        )

    task = Task(
        visit=visit,
        secrets=lambda device: [password for password in (device["password"], device["current_password"]) if password],
        problems=problems,
        in_doubt=lambda way: way.has_sent_change,
        good=("changed", "unchanged"),
        bad=("failed", "unknown"),
        failure="The password is not set, or not known to be, on",
        also_returned=lambda finding: {
            "violations": [{"reason": violation.reason, "message": violation.message} for violation in finding.violations],
            "sent_late": finding.sent_late,
        },
        may_change=may_change,
        ending=ending,
    )
    return visit_routers(task, options, context.check_mode or options["on_device_failure"] == "report")


def prove_on_routers(options: Mapping[str, Any]) -> dict[str, Any]:
    """The work of C(router_login): its result, or ModuleFailure with all that is known in it."""

    def problems(devices: Sequence[Element]) -> list[Problem]:
        found: list[Problem] = []
        for number, device in enumerate(devices):
            field, candidates = f"devices[{number}].candidates", device["candidates"]
            if not 1 <= len(candidates) <= MOST_WRONG:
                found.append((field, "must be one or two: a router locks out whoever tries many passwords"))
            if any(not candidate["password"] for candidate in candidates):
                found.append((field, "has an empty password"))
            names = [candidate["name"] for candidate in candidates]
            if len(set(names)) < len(names) or _NEITHER in names:
                found.append((field, f"must have different names, and none may be {_NEITHER}"))
        return found

    def candidates(device: Element) -> list[Candidate]:
        return [Candidate(candidate["name"], candidate["password"]) for candidate in device["candidates"]]

    task = Task(
        visit=lambda way, device: prove_password(way, device["serial"], candidates(device)),
        secrets=lambda device: [candidate["password"] for candidate in device["candidates"]],
        problems=problems,
        in_doubt=lambda way: way.has_sent_login,
        good=("proven",),
        bad=("refused", "failed", "unknown"),
        failure="No password is proven on",
    )
    return visit_routers(task, options, options["on_device_failure"] == "report")


def look_at_routers(options: Mapping[str, Any]) -> dict[str, Any]:
    """The work of C(router_info) with C(via: device): its result, or ModuleFailure with all that is known in it."""
    task = Task(
        visit=lambda way, device: look_at(way, device["serial"], device["password"]),
        secrets=lambda device: [device["password"]],
        problems=_without_password,
        in_doubt=lambda way: way.has_sent_login,
        good=("proven",),
        bad=("refused", "failed", "unknown"),
        failure="Nothing can be told of",
    )

    def also(visits: Visits) -> dict[str, Any]:
        told = zip(visits.elements, visits.findings, strict=True)
        return {"routers": [router for element, finding in told if (router := _described(element, finding)) is not None], "missing": []}

    return visit_routers(task, options, options["on_device_failure"] == "report", also)


def _described(element: Element, finding: Finding) -> dict[str, Any] | None:
    """A router as RMS's are described, as far as it knows itself; None for one that could not be asked."""
    identity, rule = finding.identity, finding.rule
    if identity is None or rule is None:
        return None
    policy = {name: getattr(rule.policy, name) for name in _POLICY}
    return {
        "id": None,
        "serial": identity.serial,
        "host": element["host"],
        "name": identity.name,
        "model": identity.model,
        "firmware": identity.firmware,
        "status": "online",
        "online": True,
        "mac": identity.mac,
        "tags": [],
        "company": "",
        "policy": {**policy, "evidence": rule.evidence},
    }
