# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What breaks policy: each check by its name, what it finds in a picture of the fleet, and what to do about it."""

from __future__ import annotations

import datetime
import typing as t
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.picture import Picture, Pictured
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.due import parse_time

ERROR, WARNING, NOTE, IGNORE = "error", "warning", "note", "ignore"
#: From the gravest on. What is ignored is not found at all.
SEVERITIES = (ERROR, WARNING, NOTE)
NEVER = "never"


@dataclass(frozen=True)
class Check:
    """C(severity): unless the user says otherwise. C(title): what it finds, in a few words."""

    severity: str
    title: str
    what_to_do: str


_RECONCILE = "Run the playbook reconcile."
_READINESS = "Run the playbook pbx_readiness."

CHECKS: Mapping[str, Check] = {
    "too_old": Check(ERROR, "the password is older than its policy allows", "Rotate it."),
    "weak": Check(ERROR, "the password breaks its policy", "Rotate it."),
    "shared": Check(ERROR, "several devices have the same password", "Rotate them, each with a password of its own."),
    "never_verified": Check(WARNING, "the password was never proven", "Rotate it, or run the playbook verify, which proves it by a login."),
    "unsettled": Check(WARNING, "a run ended without knowing which password works", _RECONCILE),
    "orphaned": Check(
        ERROR,
        "no password is known to work",
        "Recover it, or find out its password and import it with keyturn.devices.ledger (state=imported).",
    ),
    "case_past_deadline": Check(
        ERROR, "an open recovery is past its deadline", "Begin it again (recover_bms with bms_arm), or abandon the case."
    ),
    "not_recoverable": Check(ERROR, "the PBX could not be recovered if its password were lost", f"Mend what failed. {_READINESS}"),
    "readiness_too_old": Check(WARNING, "nobody has looked lately whether the PBX could be recovered", _READINESS),
    "readiness_unknown": Check(WARNING, "nobody has ever looked whether the PBX could be recovered", _READINESS),
    "no_source": Check(ERROR, "no new password can come for it", "Correct device_password_source in the inventory."),
    "not_in_ledger": Check(
        WARNING,
        "the ledger holds no password of it",
        "Rotate it, or import its password with keyturn.devices.ledger (state=imported).",
    ),
    "not_in_inventory": Check(
        WARNING,
        "the ledger keeps passwords of a device that the inventory does not know",
        "Put it back into the inventory, or put its record away with keyturn.devices.ledger (state=retired).",
    ),
    "retired": Check(WARNING, "the ledger has put the device away", "Rotate it, which takes it up again, or take it out of the inventory."),
    "offline": Check(WARNING, "the device was offline for longer than it may be", "See that it has power and a connection."),
    "tampered": Check(
        ERROR,
        "somebody has written to the ledger past keyturn.devices",
        "Restore the ledger from a backup, or find out which password works and import it.",
    ),
    "bad_input": Check(ERROR, "the variables of the device cannot be used", "Correct them in the inventory."),
}


@dataclass(frozen=True)
class Finding:
    """C(device): empty for what is wrong with no single one. C(file): the inventory file that names the device. Never holds a secret."""

    check: str
    severity: str
    device: str
    group: str
    message: str
    what_to_do: str
    file: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What makes it the same finding in another run."""
        return self.check, self.device

    def data(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in ("check", "severity", "device", "group", "message", "what_to_do")}

    def line(self) -> str:
        return f"{self.severity}: {self.device or 'inventory'}: {self.check}: {self.message}. {self.what_to_do}"


@dataclass(frozen=True)
class Rules:
    """C(severities): by check, where the user wants another. C(readiness_days): for how long a look at a PBX counts."""

    severities: Mapping[str, str]
    readiness_days: float = 7

    def severity(self, check: str) -> str:
        return self.severities.get(check, CHECKS[check].severity)


def find(picture: Picture, rules: Rules, clean: Callable[[str], str] = str) -> list[Finding]:
    """Everything that breaks policy, the gravest first. C(clean): takes secrets out of what an inventory says."""
    found: list[Finding] = []
    files = {device.name: (device.listed.group, device.listed.file) for device in picture.devices}

    def add(check: str, device: str, message: str) -> None:
        severity = rules.severity(check)
        if severity != IGNORE:
            group, file = files.get(device, ("", ""))
            found.append(Finding(check, severity, device, group, message, CHECKS[check].what_to_do, file))

    wrong: dict[str, list[str]] = {}
    for problem in picture.problems:
        wrong.setdefault(problem.device, []).append(f"{problem.field}: {problem.message}")
    for name, texts in wrong.items():
        add("bad_input", name, clean("; ".join(texts)))
    for name, broken in picture.sources.items():
        add("no_source", name, clean("; ".join(broken)))
    for device in picture.devices:
        for check, message in _of_device(device, picture.now, rules):
            add(check, device.name, message)
    for name, record in picture.forgotten.items():
        orphan = ", orphaned" if record["orphaned"] else ""
        add("not_in_inventory", name, f"the ledger keeps its passwords{orphan}; its serial number there is {record['serial'] or 'unknown'}")
    return sorted(found, key=lambda finding: (SEVERITIES.index(finding.severity), list(CHECKS).index(finding.check), finding.device))


def _of_device(device: Pictured, now: datetime.datetime, rules: Rules) -> Iterator[tuple[str, str]]:
    record = device.record
    if record.get("tampered"):
        yield "tampered", "the ledger's record of it is not as keyturn.devices wrote it"
    if device.state == "retired":
        yield "retired", "the ledger has put it away, with all its passwords"
        return
    if device.state == "in_recovery" and device.case and device.case["expired"]:
        yield "case_past_deadline", f"its recovery ({device.case['step'] or 'not begun'}) was to end by {device.case['deadline']}"
    if device.state == "orphaned":
        yield "orphaned", f"since {record['orphaned_at']} ({record['orphaned_reason']})"
    if device.state == "unsettled":
        staged = record["staged"]
        why = f", {staged['last_reason']}" if staged["last_reason"] else ""
        yield "unsettled", f"staged since {staged['staged_at']}, attempts: {staged['attempts']}{why}"
    if device.state == "no_password":
        box = "the ledger's record of that name is of a box with another serial number" if device.another_box else ""
        yield "not_in_ledger", box or ("the ledger knows it, and no password of it" if record else "the ledger does not know it")
    if device.state in ("never_verified", "current"):
        yield from _of_password(device, now)
    yield from _offline(device, now)
    if device.listed.group == "pbxs":
        yield from _readiness(device, now, rules.readiness_days)


def _of_password(device: Pictured, now: datetime.datetime) -> Iterator[tuple[str, str]]:
    if device.state == "never_verified":
        yield "never_verified", f"in the ledger since {_said(device.since)}, and no login or vendor has confirmed it"
    age, policy = device.age_days(now), device.listed.policy
    if device.due is not None and device.due < now and policy is not None and age is not None:
        yield "too_old", f"{int(age)} days old, the policy allows {policy.max_age_days}"
    if device.weak:
        yield "weak", f"{', '.join(each.reason for each in device.weak)}: {'; '.join(each.message for each in device.weak)}"
    if device.alike:
        yield "shared", f"{some(device.alike)} {'has' if len(device.alike) == 1 else 'have'} the same password"


def _offline(device: Pictured, now: datetime.datetime) -> Iterator[tuple[str, str]]:
    since, allowed = device.record.get("offline_since"), device.listed.offline_days
    if since and allowed is not None and (now - parse_time(since)).total_seconds() > allowed * 86400:
        yield "offline", f"offline since {since}, and {allowed:g} days are allowed"


def _readiness(device: Pictured, now: datetime.datetime, days: float) -> Iterator[tuple[str, str]]:
    look = device.readiness
    if look is None:
        yield "readiness_unknown", "nobody has ever looked whether it could be recovered"
    elif not look["ready"]:
        yield "not_recoverable", f"on {look['at']} it could not have been recovered: {', '.join(look['failed'])}"
    elif (age := (now - parse_time(look["at"])).total_seconds() / 86400) > days:
        yield "readiness_too_old", f"last looked at {look['at']}, {int(age)} days ago; {days:g} are allowed"


@dataclass(frozen=True)
class Comparison:
    """What is other than in an earlier run: C(new) and C(gone), as (check, device)."""

    new: Sequence[tuple[str, str]]
    gone: Sequence[tuple[str, str]]


def compare(earlier: Iterable[Mapping[str, t.Any]], findings: Sequence[Finding]) -> Comparison:
    """C(earlier): the findings of a JSON report."""
    before = dict.fromkeys((str(entry["check"]), str(entry["device"])) for entry in earlier)
    now = dict.fromkeys(finding.key for finding in findings)
    return Comparison([key for key in now if key not in before], [key for key in before if key not in now])


def fails(finding: Finding, fail_on: str) -> bool:
    """Whether a finding keeps the gate closed. C(fail_on): the least severity that does, or C(never)."""
    return fail_on != NEVER and SEVERITIES.index(finding.severity) <= SEVERITIES.index(fail_on)


def some(names: Sequence[str], shown: int = 3) -> str:
    """The first few of many names."""
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")


def _said(moment: datetime.datetime | None) -> str:
    return "an unknown time" if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")
