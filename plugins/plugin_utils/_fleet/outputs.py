# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What compliance says, in the forms that people and pipelines read: text, JSON, JUnit XML, SARIF 2.1.0, Prometheus text."""

from __future__ import annotations

import hashlib
import json
import os
import re
import typing as t
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote
from xml.etree import ElementTree

from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.checks import (
    CHECKS,
    IGNORE,
    SEVERITIES,
    Comparison,
    Finding,
    Rules,
    fails,
)
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.inventory import GROUPS
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.picture import STATES, Picture

#: Of the JSON form. It counts up when a field goes or changes its meaning.
JSON_VERSION = 1

# What XML 1.0 cannot hold in any form.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TOKEN = re.compile(r"[\w.:-]+")


@dataclass(frozen=True)
class Verdict:
    """What compliance came to. C(comparison): with an earlier run, where there was one to compare with."""

    picture: Picture
    findings: Sequence[Finding]
    rules: Rules
    fail_on: str
    comparison: Comparison | None = None

    @property
    def failing(self) -> list[Finding]:
        """Those that keep the gate closed."""
        return [finding for finding in self.findings if fails(finding, self.fail_on)]

    @property
    def passed(self) -> bool:
        return not self.failing

    @property
    def severities(self) -> dict[str, int]:
        counted = Counter(finding.severity for finding in self.findings)
        return {severity: counted[severity] for severity in SEVERITIES}

    @property
    def checks(self) -> dict[str, int]:
        """How many findings of each check that has any."""
        counted = Counter(finding.check for finding in self.findings)
        return {check: counted[check] for check in CHECKS if counted[check]}

    def sentence(self) -> str:
        """All in one line."""
        counts = ", ".join(_counted(count, severity) for severity, count in self.severities.items() if count) or "no finding"
        devices = len({finding.device for finding in self.failing if finding.device})
        total = _counted(len(self.picture.devices), "device")
        gate = "passed" if self.passed else f"failed, because of {_counted(devices, 'device') if devices else 'the inventory'}"
        return f"{total}, {counts}: {gate}"


def text(verdict: Verdict, limit: int) -> list[str]:
    """For people, a line each. C(limit): so many findings are named one by one."""
    states = Counter(device.state for device in verdict.picture.devices)
    lines = [f"{', '.join(f'{states[state]} {state}' for state in STATES if states[state])} ({verdict.picture.ledger})"]
    lines += [finding.line() for finding in verdict.findings[:limit]]
    left = len(verdict.findings) - limit
    if left > 0:
        lines.append(f"{left} more are in the files, but not shown here")
    if verdict.comparison is not None:
        lines += [f"new: {device or 'inventory'}: {check}" for check, device in verdict.comparison.new[:limit]]
        lines += [f"gone: {device or 'inventory'}: {check}" for check, device in verdict.comparison.gone[:limit]]
        lines.append(f"compared with the earlier run: {len(verdict.comparison.new)} new, {len(verdict.comparison.gone)} gone")
    return [*lines, *(f"{check}: {count}, {CHECKS[check].title}" for check, count in verdict.checks.items()), verdict.sentence()]


def as_json(verdict: Verdict) -> str:
    """Also what a later run compares with. C(devices): each with its state and age."""
    picture = verdict.picture
    compared = verdict.comparison
    return _dumped(
        {
            "version": JSON_VERSION,
            "generated_at": _iso(picture),
            "ledger": picture.ledger,
            "passed": verdict.passed,
            "fail_on": verdict.fail_on,
            "summary": {"devices": len(picture.devices), "severities": verdict.severities, "checks": verdict.checks},
            "findings": [finding.data() for finding in verdict.findings],
            "comparison": None if compared is None else {"new": _pairs(compared.new), "gone": _pairs(compared.gone)},
            "devices": [
                {
                    "name": device.name,
                    "group": device.listed.group,
                    "state": device.state,
                    "age_days": None if (age := device.age_days(picture.now)) is None else round(age, 1),
                    "max_age_days": device.listed.policy.max_age_days if device.listed.policy else None,
                }
                for device in picture.devices
            ],
        }
    )


def as_junit(verdict: Verdict) -> str:
    """A test suite for each group, a test case for each device; it fails by what keeps the gate closed, the rest is its output."""
    of_device: dict[str, list[Finding]] = {}
    for finding in verdict.findings:
        of_device.setdefault(finding.device, []).append(finding)
    cases: dict[str, list[str]] = {group: [] for group in GROUPS}
    for device in verdict.picture.devices:
        cases[device.listed.group].append(device.name)
    known = {device.name for device in verdict.picture.devices}
    cases["others"] = [name for name in of_device if name not in known]
    root = ElementTree.Element("testsuites", name="keyturn.devices compliance")
    for group, names in cases.items():
        if not names:
            continue
        failed = sum(any(fails(finding, verdict.fail_on) for finding in of_device.get(name, ())) for name in names)
        suite = ElementTree.SubElement(
            root, "testsuite", name=group, tests=str(len(names)), failures=str(failed), errors="0", timestamp=_iso(verdict.picture)
        )
        for name in names:
            case = ElementTree.SubElement(suite, "testcase", classname=f"keyturn.devices.{group}", name=_xml(name or "inventory"), time="0")
            found = of_device.get(name, [])
            failing = [finding for finding in found if fails(finding, verdict.fail_on)]
            if failing:
                message = ", ".join(finding.check for finding in failing)
                failure = ElementTree.SubElement(case, "failure", type=failing[0].check, message=message)
                failure.text = _xml("\n".join(finding.line() for finding in failing))
            told = [finding for finding in found if finding not in failing]
            if told:
                ElementTree.SubElement(case, "system-out").text = _xml("\n".join(finding.line() for finding in told))
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def as_sarif(verdict: Verdict) -> str:
    """Each finding at the line of the inventory that names its device."""
    rules = [check for check in CHECKS if verdict.rules.severity(check) != IGNORE]
    places = _Places()
    new = None if verdict.comparison is None else set(verdict.comparison.new)
    results: list[dict[str, t.Any]] = []
    for finding in verdict.findings:
        result = {
            "ruleId": finding.check,
            "ruleIndex": rules.index(finding.check),
            "level": finding.severity,
            "message": {"text": f"{finding.device or 'The inventory'}: {finding.message}. {finding.what_to_do}"},
            "locations": [_location(finding, places)],
            "partialFingerprints": {"keyturn/v1": _fingerprint(finding.key)},
        }
        if new is not None:
            result["baselineState"] = "new" if finding.key in new else "unchanged"
        results.append(result)
    if verdict.comparison is not None:
        known = [key for key in verdict.comparison.gone if key[0] in rules]
        results += [
            {
                "ruleId": check,
                "ruleIndex": rules.index(check),
                "level": "none",
                "message": {"text": f"{device or 'The inventory'}: {CHECKS[check].title}: no more."},
                "partialFingerprints": {"keyturn/v1": _fingerprint((check, device))},
                "baselineState": "absent",
            }
            for check, device in known
        ]
    driver = {
        "name": "keyturn.devices compliance",
        "rules": [
            {
                "id": check,
                "shortDescription": {"text": CHECKS[check].title},
                "help": {"text": CHECKS[check].what_to_do},
                "defaultConfiguration": {"level": verdict.rules.severity(check)},
            }
            for check in rules
        ],
    }
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return _dumped({"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]})


def as_prometheus(verdict: Verdict) -> str:
    """For the textfile collector of a node exporter."""
    picture = verdict.picture
    states = Counter((device.listed.group, device.state) for device in picture.devices)
    findings = Counter((finding.check, finding.severity) for finding in verdict.findings)
    oldest: dict[str, float] = {}
    for device in picture.devices:
        age = device.age_days(picture.now)
        if age is not None:
            oldest[device.listed.group] = max(oldest.get(device.listed.group, 0.0), age * 86400)
    groups = [group for group in GROUPS if any(device.listed.group == group for device in picture.devices)]
    checks = [(check, verdict.rules.severity(check)) for check in CHECKS if verdict.rules.severity(check) != IGNORE]
    named = dict.fromkeys((finding.device, finding.group, finding.check, finding.severity) for finding in verdict.findings)
    metrics: list[tuple[str, str, Iterator[tuple[Mapping[str, str], float]]]] = [
        (
            "keyturn_devices",
            "Devices by group and state of their password.",
            (({"group": group, "state": state}, states[group, state]) for group in groups for state in STATES),
        ),
        (
            "keyturn_compliance_findings",
            "Findings by check and severity.",
            (({"check": check, "severity": severity}, findings[check, severity]) for check, severity in checks),
        ),
        (
            "keyturn_compliance_finding",
            "1 for each device that a check finds.",
            (({"device": name, "group": group, "check": check, "severity": severity}, 1) for name, group, check, severity in named),
        ),
        (
            "keyturn_password_oldest_seconds",
            "Age of the oldest current password of a group.",
            (({"group": group}, round(age)) for group, age in oldest.items()),
        ),
        ("keyturn_compliance_passed", "1 if the gate is open.", iter([({}, int(verdict.passed))])),
        ("keyturn_compliance_timestamp_seconds", "When this was found out.", iter([({}, round(picture.now.timestamp()))])),
    ]
    lines = []
    for name, described, samples in metrics:
        lines += [f"# HELP {name} {described}", f"# TYPE {name} gauge"]
        lines += [f"{name}{_labels(labels)} {value:g}" if value < 1e5 else f"{name}{_labels(labels)} {value}" for labels, value in samples]
    return "\n".join([*lines, ""])


class _Places:
    """Where in an inventory file a device is named."""

    def __init__(self) -> None:
        self._lines: dict[str, dict[str, int]] = {}

    def line(self, file: str, device: str) -> int:
        """1 where that cannot be told."""
        if file not in self._lines:
            lines: dict[str, int] = {}
            try:
                with open(file, encoding="utf-8", errors="replace") as opened:
                    for number, line in enumerate(opened, start=1):
                        for token in _TOKEN.findall(line):
                            lines.setdefault(token.rstrip(":"), number)
            except OSError:
                lines = {}
            self._lines[file] = lines
        return self._lines[file].get(device, 1)


def _location(finding: Finding, places: _Places) -> dict[str, t.Any]:
    location: dict[str, t.Any] = {}
    if finding.device:
        location["logicalLocations"] = [
            {"name": finding.device, "fullyQualifiedName": f"{finding.group}/{finding.device}", "kind": "object"}
        ]
    file = finding.file
    relative = os.path.relpath(file) if file else ""
    uri = "inventory" if not file or relative.startswith(os.pardir) else relative.replace(os.sep, "/")
    region = {"startLine": places.line(file, finding.device) if file else 1}
    location["physicalLocation"] = {"artifactLocation": {"uri": _uri(uri)}, "region": region}
    return location


def _uri(path: str) -> str:
    return quote(os.fsencode(path))


def _fingerprint(key: tuple[str, str]) -> str:
    return hashlib.sha256("\0".join(key).encode("utf-8", "surrogateescape")).hexdigest()


def _labels(labels: Mapping[str, str]) -> str:
    shown = ",".join(f'{name}="{_label(value)}"' for name, value in labels.items())
    return f"{{{shown}}}" if shown else ""


def _label(value: str) -> str:
    text = value.encode("utf-8", "replace").decode()
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _xml(value: str) -> str:
    return _NOT_XML.sub("\ufffd", value)


def _pairs(keys: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"check": check, "device": device} for check, device in keys]


def _dumped(data: object) -> str:
    return json.dumps(data, indent=1) + "\n"


def _iso(picture: Picture) -> str:
    return picture.now.strftime("%Y-%m-%dT%H:%M:%SZ")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
