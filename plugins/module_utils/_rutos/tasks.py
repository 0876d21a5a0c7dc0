# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one module call does at many routers at once, and what becomes of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._at_once import at_once
from ansible_collections.keyturn.devices.plugins.module_utils._module import ModuleFailure
from ansible_collections.keyturn.devices.plugins.module_utils._outcomes import summary
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.ending import Ending
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.options import Ways, check_libraries
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.places import BadInput, Place, Problem, read_places
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.visit import Finding, Way

Element = Mapping[str, Any]

# What a result repeats of an element.
_TOLD = ("serial", "id", "host")
_NOT_SENT = Finding("failed", "not_sent", "Nothing was sent to this router: the task cannot be carried out as it is written.")
_NOT_BEGUN = Finding("failed", "timeout", "Nothing was sent to this router: the deadline passed before its turn came.")
_TOLD_TO_END = Finding("failed", "not_sent", "Nothing was sent to this router: the task was told to end.")
_NOT_FINISHED = Finding("unknown", "timeout", "The router was asked, and there was no outcome at the deadline.")


@dataclass(frozen=True)
class Task:
    """What is done at each router, an element of the option C(devices).

    C(good) and C(bad): the statuses it can end in. C(secrets): the passwords in an element. C(problems): what is wrong with the elements.
    C(in_doubt): whether a visit that broke off unexpectedly may have done at the router what it was for. C(failure): how a message begins
    when some ended badly. C(also_returned): what is returned of a finding besides. C(may_change): asked right before a change is sent.
    C(ending): whether the process is told to end; no further router is visited then.
    """

    visit: Callable[[Way, Element], Finding]
    secrets: Callable[[Element], Sequence[str]]
    problems: Callable[[Sequence[Element]], list[Problem]]
    in_doubt: Callable[[Way], bool]
    good: tuple[str, ...]
    bad: tuple[str, ...]
    failure: str
    also_returned: Callable[[Finding], dict[str, Any]] = lambda _finding: {}
    may_change: Callable[[], bool] = lambda: True
    ending: Ending = field(default_factory=Ending)


@dataclass(frozen=True)
class Visits:
    """What became of all routers. C(requests): HTTP requests that went out. C(problem): why none was asked."""

    elements: Sequence[Element]
    findings: Sequence[Finding]
    requests: int = 0
    problem: str = ""

    def result(self, task: Task) -> dict[str, Any]:
        """What a module returns: a result per element, in their order."""
        devices = [
            {**{name: element[name] for name in _TOLD if name in element}, **finding.as_result(), **task.also_returned(finding)}
            for element, finding in zip(self.elements, self.findings, strict=True)
        ]
        counts = summary(devices, (*task.good, *task.bad))
        return {"changed": counts.get("changed", 0) > 0, "devices": devices, "summary": counts, "requests": self.requests}


def visit_routers(
    task: Task, options: Mapping[str, Any], forgiving: bool, also: Callable[[Visits], dict[str, Any]] = lambda _visits: {}
) -> dict[str, Any]:
    """Visit every router of the option C(devices), and give the result of the module. C(also): what it holds besides.

    ModuleFailure, with the same result in it, for bad input and, unless C(forgiving), when a router ended badly.
    """
    visits = _visit(task, options)
    result = {**visits.result(task), **also(visits)}
    if visits.problem:
        raise ModuleFailure(visits.problem, reason="bad_input", **result)
    bad = [device for device in result["devices"] if device["status"] in task.bad]
    if bad and not forgiving:
        counts = ", ".join(f"{count} {status}" for status, count in result["summary"].items() if count)
        first = f"{bad[0]['host']}, {bad[0]['reason']}: {bad[0]['message']}"
        raise ModuleFailure(f"{task.failure} {len(bad)} of {len(result['devices'])} routers ({counts}). The first: {first}", **result)
    return result


def _visit(task: Task, options: Mapping[str, Any]) -> Visits:
    elements: Sequence[Element] = options["devices"] or ()
    try:
        problems = task.problems(elements)
        if problems:
            raise BadInput(problems)
        places = read_places(elements, options)
        check_libraries(places)
        ways = Ways(options, places, task.may_change)
    except BadInput as problem:
        return Visits(elements, [_NOT_SENT] * len(elements), problem=str(problem))
    return _visit_all(task, elements, places, ways, options["parallel"])


def _visit_all(task: Task, elements: Sequence[Element], places: Sequence[Place], ways: Ways, parallel: int) -> Visits:
    visited: dict[int, Way] = {}

    def work(number: int) -> Finding:
        redactor = Redactor(task.secrets(elements[number]))
        try:
            way = visited[number] = ways.to(places[number], redactor)
            return task.visit(way, elements[number])
        except Exception as problem:  # What nobody foresaw at one router must not take the findings of the others along.
            is_open = number in visited and task.in_doubt(visited[number])
            message = f"Unexpected {type(problem).__name__}: {redactor.shown(problem)}"
            return Finding("unknown" if is_open else "failed", "error", message, sent_late=number in visited and visited[number].sent_late)

    with task.ending.heeded():
        findings = at_once(
            range(len(elements)),
            work,
            not_begun=lambda _number: _TOLD_TO_END if task.ending.is_asked_for else _NOT_BEGUN,
            not_finished=lambda number: replace(_NOT_FINISHED, sent_late=number in visited and visited[number].sent_late),
            parallel=parallel,
            deadline=ways.deadline,
            clock=ways.clock,
            may_begin=lambda: not task.ending.is_asked_for,
        )
    return Visits(elements, findings, sum(way.request_count for way in list(visited.values())))
