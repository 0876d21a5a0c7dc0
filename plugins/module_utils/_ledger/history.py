# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What happened, by run and date: the events of the ledger, and who failed, changed and waits according to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.describing import described_event, iso
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.handovers import DONE, NOT_DONE
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.rules import ORPHANED
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.schema import CURRENT, DROPPED, STAGED, schema
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.settling import DISPROVED

with suppress(ImportError):  # schema.HAS_SQLALCHEMY tells
    import sqlalchemy as sa

if TYPE_CHECKING:
    from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger

Event = Mapping[str, Any]
#: What a device ended as, in the events of a time.
CHANGED, FAILED, UNKNOWN, REFUSED, VERIFIED = "changed", "failed", "unknown", "refused", "verified"
HANDED_OVER, NOT_HANDED_OVER = "handed_over", "not_handed_over"
BAD = (FAILED, UNKNOWN, REFUSED, ORPHANED, NOT_HANDED_OVER)

_DAY = 86400.0
_KEPT = "kept: "
_LOST = ("lost lease", "tampered")


def read_history(ledger: Ledger, since: float | None = None, run_id: str = "") -> list[dict[str, Any]]:
    """Events, oldest first. C(since): seconds since the epoch, none for all; C(run_id): the beginning of the id of a run, empty for all."""
    table = schema().events
    query = sa.select(table).order_by(table.c.id)
    if since is not None:
        query = query.where(table.c.at >= since)
    if run_id:
        query = query.where(table.c.run_id.startswith(run_id, autoescape=True))
    with ledger.look() as (connection, _now):
        return [{**described_event(row), "case": row.case_id is not None} for row in connection.execute(query)]


def outcome_of(event: Event) -> tuple[str, str] | None:
    """What an event says of the end of an attempt, and its reason; None for one that ends none."""
    before, after, reason = event["from"], event["to"], event["reason"]
    if event["case"] or not event["name"]:
        return None
    if after == CURRENT and before == STAGED:
        return CHANGED, ""
    if after == ORPHANED:
        return ORPHANED, reason
    if after == DROPPED:
        return FAILED, reason
    if before == after == STAGED and reason.startswith(_KEPT):
        return UNKNOWN, reason[len(_KEPT) :]
    if before == after == CURRENT and reason == DISPROVED:
        return REFUSED, "unauthorized"
    if before == after == CURRENT and reason.startswith(NOT_DONE):
        return NOT_HANDED_OVER, reason[len(NOT_DONE) :]
    if before == after == CURRENT and reason.startswith(DONE):
        return HANDED_OVER, reason[len(DONE) :]
    if before == after == CURRENT and reason.startswith("verified by"):
        return VERIFIED, ""
    return (UNKNOWN, reason) if reason.startswith(_LOST) else None


def _about(event: Event, outcome: tuple[str, str]) -> tuple[str, str]:
    """What an outcome is about: a device, or a device and a store."""
    about_store = outcome[0] in (HANDED_OVER, NOT_HANDED_OVER)
    return event["name"], outcome[1].partition(":")[0] if about_store else ""


def runs_of(events: Sequence[Event]) -> list[dict[str, Any]]:
    """The runs that ended attempts, in the order in which they began: C(run_id), C(who), C(began), C(ended), and how many devices ended as
    what (C(counts)).
    """
    runs: dict[str, dict[str, Any]] = {}
    outcomes: dict[str, dict[tuple[str, str], str]] = {}
    for event in events:
        found = outcome_of(event)
        run = runs.setdefault(event["run_id"], {"run_id": event["run_id"], "who": event["who"], "began": event["at"], "ended": event["at"]})
        run["ended"] = event["at"]
        if found:
            outcomes.setdefault(event["run_id"], {})[_about(event, found)] = found[0]
    for run_id, ended in outcomes.items():
        runs[run_id]["counts"] = {outcome: list(ended.values()).count(outcome) for outcome in dict.fromkeys(ended.values())}
    return [run for run in runs.values() if "counts" in run]


def ended_badly(events: Sequence[Event]) -> list[dict[str, str]]:
    """Devices whose last attempt ended badly: C(name), C(outcome), C(reason), C(at), C(run_id)."""
    last: dict[tuple[str, str], dict[str, str]] = {}
    for event in events:
        found = outcome_of(event)
        if found:
            last[_about(event, found)] = {
                "name": event["name"],
                "outcome": found[0],
                "reason": found[1],
                "at": event["at"],
                "run_id": event["run_id"],
            }
    return sorted((entry for entry in last.values() if entry["outcome"] in BAD), key=lambda entry: entry["name"])


def waiting(devices: Mapping[str, Mapping[str, Any]], greatest_age: Mapping[str, int], now: float, parse: Any) -> dict[str, list[Any]]:
    """How things stand now, by what a person asks for.

    C(devices): as C(Ledger.devices) tells them. C(greatest_age): days, of those that have one. C(parse): the seconds of a moment of the
    ledger. C(overdue), C(never_proven), C(without_password), C(failing), C(offline), C(unsettled), C(orphaned).
    """
    found: dict[str, list[Any]] = {
        name: [] for name in ("overdue", "never_proven", "without_password", "failing", "offline", "unsettled", "orphaned")
    }
    for name, device in devices.items():
        for what, entry in _states(device, greatest_age.get(name), now, parse):
            found[what].append({"name": name, **entry})
    found["failing"].sort(key=lambda entry: (-entry["times"], entry["name"]))
    found["overdue"].sort(key=lambda entry: (-entry["days"], entry["name"]))
    found["offline"].sort(key=lambda entry: (entry["since"], entry["name"]))
    return found


def _states(device: Mapping[str, Any], most_days: int | None, now: float, parse: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    current, staged = device["current"], device["staged"]
    if current:
        days = (now - parse(current["committed_at"])) / _DAY
        if most_days is not None and days > most_days:
            yield "overdue", {"days": int(days), "allowed": most_days}
        if not device["last_verified"]:
            yield "never_proven", {"since": current["committed_at"]}
    elif not staged:
        yield "without_password", {}
    if device["failures"]:
        yield "failing", {"times": device["failures"], "reason": device["last_failure"] or ""}
    if device["offline_since"]:
        yield "offline", {"since": device["offline_since"]}
    if device["orphaned"]:
        yield "orphaned", {"since": device["orphaned_at"], "reason": device["orphaned_reason"] or ""}
    elif staged:
        yield "unsettled", {"since": staged["staged_at"], "attempts": staged["attempts"], "reason": staged["last_reason"] or ""}


def as_text(told: Mapping[str, Any]) -> list[str]:
    """The same for people, a line each."""
    counts: dict[str, int] = {}
    for run in told["runs"]:
        for outcome, number in run["counts"].items():
            counts[outcome] = counts.get(outcome, 0) + number
    happened = ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items())) or "nothing was settled"
    frame = f"Run {told['run']}" if told["run"] else f"Since {told['since']}"
    runs = f"{len(told['runs'])} run{'' if len(told['runs']) == 1 else 's'}"
    lines = [f"{frame}: {runs}, {happened} ({told['ledger']})"]
    for run in told["runs"]:
        ended = ", ".join(f"{number} {outcome}" for outcome, number in sorted(run["counts"].items()))
        lines.append(f"run {run['run_id']} from {run['began']} to {run['ended']} by {run['who']}: {ended}")
    for entry in told["ended_badly"]:
        why = f" ({entry['reason']})" if entry["reason"] else ""
        lines.append(f"{entry['name']}: {entry['outcome']}{why} at {entry['at']}, run {entry['run_id']}")
    for what, sentence in _SENTENCES.items():
        lines += [f"{entry['name']}: {sentence.format(**entry)}" for entry in told[what]]
    if len(lines) == 1 + len(told["runs"]):
        lines.append("Nobody failed, and nothing waits.")
    return lines


_SENTENCES = {
    "failing": "has failed {times} times in a row, the last time for the reason {reason}",
    "overdue": "overdue, its password is {days} days old and the policy allows {allowed}",
    "never_proven": "its password was never proven, since {since}",
    "without_password": "the ledger holds no password of it",
    "offline": "offline since {since}",
    "unsettled": "left open since {since} after {attempts} attempts",
    "orphaned": "orphaned since {since} ({reason})",
}


def moment(seconds: float) -> str:
    """ISO 8601, UTC, with Z."""
    return str(iso(seconds))
