# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report: what there is to say of a fleet, and the same as a page, as CSV and as JSON. No password is in any of it."""

from __future__ import annotations

import base64
import csv
import datetime
import hashlib
import io
import json
import os
import typing as t
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import jinja2
from markupsafe import Markup

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.transfer import no_formula
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.checks import CHECKS, ERROR, SEVERITIES, Finding
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.inventory import GROUPS
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.picture import STATES, Picture, Pictured
from ansible_collections.keyturn.devices.plugins.plugin_utils._recovery import steps

#: Of the JSON form. It counts up when a field goes or changes its meaning.
JSON_VERSION = 1

#: So many devices are a plain table, for whoever has no script: all of a small fleet, of a large one those that need attention.
PLAIN_ROWS = 300

_HERE = os.path.dirname(os.path.abspath(__file__))

TITLES: Mapping[str, str] = {"routers": "Routers", "pbxs": "PBXs", "bms_servers": "Building servers"}
STATE_TITLES: Mapping[str, str] = {
    "current": "Proven",
    "never_verified": "Never proven",
    "unsettled": "Unsettled",
    "in_recovery": "In recovery",
    "no_password": "No password",
    "orphaned": "Orphaned",
    "retired": "Put away",
}
COLUMNS = (
    *("name", "group", "serial", "state", "source", "age_days", "max_age_days", "due", "last_verified", "verified_by", "offline_since"),
    *("severity", "checks", "messages"),
)
# Bins of the age of a password as a share of what its policy allows, in percent.
_BINS = ((0, 25), (25, 50), (50, 75), (75, 100), (100, 150), (150, None))

_AWAITED = {
    steps.RESET_MODE: "to be put in password reset mode",
    steps.SESSION_ID: "the session ID",
    steps.REQUEST_SENT: "the request to be sent",
    steps.TEMPORARY_PASSWORD: "the temporary password",
    steps.NEW_PASSWORD: "the new password to be set",
    steps.VERIFIED: "a logon with the new password",
}


@dataclass(frozen=True)
class Row:
    """One device. C(findings): its own, the gravest first. C(severity): of the gravest, empty for none."""

    device: Pictured
    findings: Sequence[Finding]
    age: float | None

    @property
    def severity(self) -> str:
        return self.findings[0].severity if self.findings else ""

    @property
    def checks(self) -> list[str]:
        return list(dict.fromkeys(finding.check for finding in self.findings))


@dataclass(frozen=True)
class Bar:
    """One bar of a chart. Places and lengths are in the chart's own units."""

    label: str
    count: int
    kind: str
    x: float = 0
    width: float = 0
    y: float = 0
    height: float = 0


@dataclass(frozen=True)
class Waiting:
    """Something that people or a later run have to do. C(until): ISO 8601, empty where nothing ends."""

    device: str
    group: str
    what: str
    who: str
    until: str = ""
    expired: bool = False


@dataclass(frozen=True)
class Report:
    """All that the page shows. C(others): findings of no device of the inventory."""

    title: str
    picture: Picture
    rows: Sequence[Row]
    findings: Sequence[Finding]
    others: Sequence[Finding] = field(default_factory=tuple)

    @property
    def attention(self) -> list[Row]:
        return sorted((row for row in self.rows if row.findings), key=lambda row: (SEVERITIES.index(row.severity), row.device.name))


def make_report(picture: Picture, findings: Sequence[Finding], title: str) -> Report:
    """Sort what is known by device."""
    of_device: dict[str, list[Finding]] = {}
    for finding in findings:
        of_device.setdefault(finding.device, []).append(finding)
    rows = [Row(device, of_device.get(device.name, ()), device.age_days(picture.now)) for device in picture.devices]
    known = {device.name for device in picture.devices}
    return Report(title, picture, rows, findings, [finding for finding in findings if finding.device not in known])


def waiting(report: Report) -> list[Waiting]:
    """What waits for whom, what ends first at the top."""
    found = [entry for row in report.rows if (entry := _waiting(row.device))]
    return sorted(found, key=lambda entry: (not entry.expired, entry.until or "9999", entry.device))


def _waiting(device: Pictured) -> Waiting | None:
    name, group = device.name, device.listed.group
    if device.case is not None:
        case = device.case
        if case["expired"]:
            return Waiting(name, group, "to be put in password reset mode again", "operator", case["deadline"], expired=True)
        done = case["step"]
        place = steps.STEPS.index(done) + 1 if done in steps.STEPS else 0
        at = steps.STEPS[min(place, len(steps.STEPS) - 1)]
        who = "support team of the vendor" if at == steps.TEMPORARY_PASSWORD else "operator"
        return Waiting(name, group, _AWAITED[at], who, case["deadline"] or "")
    if device.state == "orphaned":
        return Waiting(name, group, "its password to be found out, or a recovery", "operator")
    if device.state == "unsettled":
        job = "reconcile or recover_pbx" if group == "pbxs" else "reconcile"
        return Waiting(name, group, "what a run left open to be settled", f"the next run ({job})")
    return None


def ages(report: Report) -> list[Bar]:
    """How many passwords are how old, as a share of what their policies allow."""
    counts = [0] * len(_BINS)
    unknown = 0
    for row in report.rows:
        policy = row.device.listed.policy
        if row.age is None or policy is None or policy.max_age_days is None:
            unknown += 1
            continue
        share = row.age / policy.max_age_days * 100
        counts[next(place for place, (_least, most) in enumerate(_BINS) if most is None or share <= most)] += 1
    named = [
        (f"{least}-{most} %" if most else f"over {least} %", count, "over" if least >= 100 else "under")
        for (least, most), count in zip(_BINS, counts, strict=True)
    ]
    bars = [*named, ("no limit or no password", unknown, "unknown")]
    most = max(1, *(count for _label, count, _kind in bars))
    return [
        Bar(label, count, kind, x=place * 80 + 11, width=58, y=170 - 140 * count / most, height=140 * count / most)
        for place, (label, count, kind) in enumerate(bars)
    ]


def states(report: Report) -> dict[str, list[Bar]]:
    """How many devices of each group are in which state."""
    counted = Counter((row.device.listed.group, row.device.state) for row in report.rows)
    charts: dict[str, list[Bar]] = {}
    for group in GROUPS:
        total = sum(counted[group, state] for state in STATES)
        x = 0.0
        for state, title in STATE_TITLES.items():
            count = counted[group, state]
            if count:
                width = 700 * count / total
                charts.setdefault(group, []).append(Bar(title, count, state, x=x, width=width))
                x += width
    return charts


def as_page(report: Report) -> str:
    """One page that needs nothing else. Everything that is not ours is escaped; nothing but its own script and style may run."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style, script = (_shipped(name) for name in ("page.css", "page.js"))
    needed = report.attention
    plain = list(report.rows) if len(report.rows) <= PLAIN_ROWS else needed[:PLAIN_ROWS]
    groups = [group for group in GROUPS if any(row.device.listed.group == group for row in report.rows)]
    return environment.get_template("page.html.j2").render(
        report=report,
        now=report.picture.now,
        tiles=_tiles(report),
        ages=ages(report),
        states=states(report),
        waiting=waiting(report),
        checks=[(check, CHECKS[check], count) for check, count in _checks(report.findings)],
        runs=report.picture.runs,
        plain=plain,
        left_out=len(report.rows) - len(plain),
        needed=len(needed),
        groups={group: TITLES[group] for group in groups},
        titles=TITLES,
        state_titles=STATE_TITLES,
        state_meanings=STATES,
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
        data=Markup(_in_script(_data(report))),
        shown=_shown,
        passed_over=_duration,
    )


def _tiles(report: Report) -> list[tuple[str, str, str, str]]:
    """Number, title, remark and kind of each."""
    now, total = report.picture.now, len(report.rows)
    in_order = sum(row.device.state == "current" and not row.findings for row in report.rows)
    errors = sum(row.severity == ERROR for row in report.rows)
    soon = sum(
        row.device.due is not None and now <= row.device.due <= now + datetime.timedelta(days=30) and row.device.state == "current"
        for row in report.rows
    )
    waits = waiting(report)
    expired = sum(entry.expired for entry in waits)
    # Nine hundred and ninety-nine of a thousand are not all of them.
    percent = 100 * in_order // total if total else 0
    return [
        (f"{total:,}", "devices", ", ".join(f"{count:,} {TITLES[group]}" for group, count in _groups(report)), ""),
        (f"{percent} %", "in order", f"{in_order:,} devices have no finding", "good" if in_order == total else ""),
        (f"{errors:,}", "need attention now", f"{len(report.attention) - errors:,} with warnings alone", "bad" if errors else "good"),
        (f"{len(waits):,}", "wait for somebody", f"{expired:,} past their deadline", "bad" if expired else ""),
        (f"{soon:,}", "due within 30 days", "by the policy of each", ""),
    ]


def _groups(report: Report) -> list[tuple[str, int]]:
    counted = Counter(row.device.listed.group for row in report.rows)
    return [(group, counted[group]) for group in GROUPS if counted[group]]


def _checks(findings: Iterable[Finding]) -> list[tuple[str, int]]:
    counted = Counter(finding.check for finding in findings)
    return [(check, counted[check]) for check in CHECKS if counted[check]]


def _data(report: Report) -> dict[str, t.Any]:
    """The devices as the page's script takes them. Every text that comes again stands once, in C(texts), and is named by its place."""
    texts: dict[str, int] = {}

    def place(text: str) -> int:
        return texts.setdefault(text, len(texts))

    epoch = int(report.picture.now.timestamp())

    def moment(text: str | None) -> int | None:
        """Minutes before the report."""
        return None if not text else (epoch - int(_parsed(text).timestamp())) // 60

    rows = []
    for row in report.rows:
        device = row.device
        history: list[int | None] = []
        for event in device.events:
            change = " to ".join(part for part in (event["from"], event["to"]) if part) if event["from"] != event["to"] else event["to"]
            history += [moment(event["at"]), place(change), place(event["reason"]), place(event["run_id"][:12])]
        rows.append(
            [
                device.name,
                list(TITLES).index(device.listed.group),
                list(STATE_TITLES).index(device.state),
                None if row.age is None else round(row.age, 1),
                device.listed.policy.max_age_days if device.listed.policy else None,
                None if device.due is None else -((epoch - int(device.due.timestamp())) // 60),
                moment(device.record.get("last_verified")),
                SEVERITIES.index(row.severity) if row.findings else len(SEVERITIES),
                [value for finding in row.findings for value in (place(finding.check), place(finding.message), place(finding.what_to_do))],
                history,
            ]
        )
    return {
        "now": epoch,
        "groups": list(TITLES.values()),
        "states": list(STATE_TITLES.values()),
        "severities": [*SEVERITIES, ""],
        "texts": list(texts),
        "rows": rows,
    }


def _in_script(data: object) -> str:
    """JSON in which nothing can end the element that it stands in."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _shipped(name: str) -> str:
    with open(os.path.join(_HERE, name), encoding="utf-8") as file:
        return file.read()


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def as_csv(report: Report) -> str:
    """A row for each device, none of whose cells a spreadsheet takes for a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for entry in _devices(report):
        cells = {**entry, "checks": " ".join(entry["checks"]), "messages": "; ".join(each["message"] for each in entry["findings"])}
        writer.writerow([no_formula("" if cells[name] is None else str(cells[name])) for name in COLUMNS])
    return text.getvalue()


def as_json(report: Report) -> str:
    """All that the page shows."""
    picture = report.picture
    told = {
        "version": JSON_VERSION,
        "generated_at": _stamp(picture.now),
        "ledger": picture.ledger,
        "summary": {
            "devices": len(report.rows),
            "states": {group: {column.kind: column.count for column in bars} for group, bars in states(report).items()},
            "ages": {column.label: column.count for column in ages(report)},
            "checks": dict(_checks(report.findings)),
        },
        "waiting": [vars(entry) for entry in waiting(report)],
        "runs": list(picture.runs),
        "devices": [{**entry, "events": list(row.device.events)} for entry, row in zip(_devices(report), report.rows, strict=True)],
        "others": [finding.data() for finding in report.others],
    }
    return json.dumps(told, separators=(",", ":")) + "\n"


def _devices(report: Report) -> list[dict[str, t.Any]]:
    return [
        {
            "name": row.device.name,
            "group": row.device.listed.group,
            "serial": row.device.listed.serial or row.device.record.get("serial") or "",
            "state": row.device.state,
            "source": row.device.listed.source,
            "age_days": None if row.age is None else round(row.age, 1),
            "max_age_days": row.device.listed.policy.max_age_days if row.device.listed.policy else None,
            "due": _stamp(row.device.due),
            "last_verified": row.device.record.get("last_verified"),
            "verified_by": row.device.record.get("verified_by"),
            "offline_since": row.device.record.get("offline_since"),
            "severity": row.severity,
            "checks": row.checks,
            "findings": [finding.data() for finding in row.findings],
        }
        for row in report.rows
    ]


def _stamp(moment: datetime.datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _parsed(text: str) -> datetime.datetime:
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)


def _shown(moment: datetime.datetime | str | None) -> str:
    """For people."""
    if not moment:
        return ""
    known = _parsed(moment) if isinstance(moment, str) else moment
    return known.strftime("%Y-%m-%d %H:%M")


def _duration(run: Mapping[str, t.Any]) -> str:
    seconds = int((_parsed(run["ended"]) - _parsed(run["began"])).total_seconds())
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
