# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The account of a run, batch after batch: what happened to each device, and whether the run should go on."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import dataclass

# The status a result of the ledger has for a person. What is not here was left alone, for a reason that is no failure.
STATUS = {
    "committed": "changed",
    "dropped": "failed",
    "missing": "failed",
    "not_asked": "failed",
    "fenced": "unknown",
    "kept": "unknown",
    "lost_lease": "unknown",
    "orphaned": "orphaned",
}
# What the ledger says of a device that this run was not given. None of it was sent anything.
# What router_login needs to know of a router; router_password through RMS needs none of it.
_LOG_IN = ("host", "username", "protocol", "fingerprint")
# Which password is in force, as router_password and router_login name it, in the words of the ledger.
_LIVE = {"new": "staged", "staged": "staged", "current": "current", "neither": "neither"}
_OURS = ("staged", "resumed", "awaiting")


@dataclass(frozen=True)
class Settings:
    """When a run stops (percent of the devices tried), and up to how many devices every single one is remembered."""

    failure_limit_percent: int
    summary_limit: int
    devices: int


def ours(taken: Mapping[str, t.Any]) -> set[str]:
    """The devices of a batch that the ledger gave to this run."""
    return {entry["name"] for entry in taken.get("devices") or () if entry["status"] in _OURS}


def account(
    run: Mapping[str, t.Any],
    batch: Mapping[str, t.Any],
    taken: Mapping[str, t.Any],
    applied: Mapping[str, t.Any],
    settled: Mapping[str, t.Any],
    settings: Settings,
    stop: str = "",
    proven: Mapping[str, t.Any] | None = None,
) -> dict[str, t.Any]:
    """The run with one batch more.

    C(taken), C(applied), C(settled): what C(ledger), C(router_password) and C(ledger) returned for this batch, C(proven): what
    C(router_login) did; empty where it did not come so far. C(stop): why the batch broke off, if it did.
    Returns C(results), C(counts), C(tried), C(failures), C(due_done), C(stop), C(progress).
    """
    results = _results(batch, taken, _all_said(applied, proven or {}), settled)
    counts = dict(run.get("counts") or {})
    failures = 0
    for result in results:
        status = STATUS.get(result["result"], "left_alone")
        counts[status] = counts.get(status, 0) + 1
        failures += status not in ("changed", "left_alone") and result["reason"] != "offline"
    tried = run.get("tried", 0) + len(ours(taken))
    failures += run.get("failures", 0)
    # With failures of single routers only reported, it has a message just when the whole call failed.
    if not stop:
        stop = str(applied.get("msg") or (proven or {}).get("msg") or "")
    if not stop and tried and failures * 100 > settings.failure_limit_percent * tried:
        stop = f"{failures} of {tried} routers failed, the limit is {settings.failure_limit_percent} percent"
    remembered = [result for result in results if settings.devices <= settings.summary_limit or result["result"] != "committed"]
    return {
        "results": [*(run.get("results") or ()), *remembered],
        "counts": counts,
        "tried": tried,
        "failures": failures,
        "due_done": run.get("due_done", 0) + (len(batch["names"]) if batch["stage"] else 0),
        "stop": stop,
        "progress": ", ".join(f"{number} {status.replace('_', ' ')}" for status, number in sorted(counts.items())) + " so far"
        if counts
        else "nothing done",
    }


def _all_said(applied: Mapping[str, t.Any], proven: Mapping[str, t.Any]) -> dict[str, Mapping[str, t.Any]]:
    """The last word on each router, by serial. A log-in that was not possible does not take the place of what was said before."""
    said = {entry["serial"]: entry for entry in applied.get("devices") or ()}
    for entry in proven.get("devices") or ():
        if entry["live"] or entry["serial"] not in said:
            said[entry["serial"]] = entry
    return said


def _results(
    batch: Mapping[str, t.Any], taken: Mapping[str, t.Any], said: Mapping[str, t.Any], settled: Mapping[str, t.Any]
) -> list[dict[str, str]]:
    serials = {entry["name"]: entry["serial"] for entry in batch["apply"]}
    final = {entry["name"]: entry for entry in settled.get("devices") or ()}
    mine = ours(taken)
    results = []
    for entry in taken.get("devices") or ():
        name = entry["name"]
        vendor = said.get(serials[name], {})
        if name not in mine:
            result = "fenced" if entry.get("reason") == "fenced" else entry["status"]
            results.append({"name": name, "result": result, "reason": entry.get("reason") or "", "message": ""})
        elif name in final:
            reason = final[name].get("reason") or vendor.get("reason") or ""
            results.append({"name": name, "result": final[name]["status"], "reason": reason, "message": vendor.get("message") or ""})
        else:
            results.append({"name": name, "result": "kept", "reason": "ledger_unavailable", "message": ""})
    return results


def requests_for_routers(
    batch: Mapping[str, t.Any],
    taken: Mapping[str, t.Any],
    passwords: Mapping[str, str] | None = None,
    current: Mapping[str, str] | None = None,
    proven: Mapping[str, t.Any] | None = None,
) -> list[dict[str, t.Any]]:
    """What C(router_password) is to be asked: only the devices that the ledger gave to this run, each with its staged password.

    No C(passwords): those that RMS makes. C(current): the passwords in force, for the routers that are asked themselves. C(proven): what
    C(router_login) said before; then only what RMS can do for those of which it proved nothing.
    """
    mine = ours(taken)
    settled = {entry["serial"] for entry in (proven or {}).get("devices") or () if entry["live"]}
    requests = []
    for entry in batch["apply"]:
        if entry["name"] not in mine or entry["serial"] in settled or (proven is not None and "id" not in entry):
            continue
        unwanted = ("name", "via", "id") if current is not None else ("name", "via", *_LOG_IN)
        request = {name: value for name, value in entry.items() if name not in unwanted}
        if passwords is not None:
            request["password"] = passwords[entry["name"]]
        if current is not None and current.get(entry["name"]):
            request["current_password"] = current[entry["name"]]
        requests.append(request)
    return requests


def log_ins_for_routers(
    batch: Mapping[str, t.Any],
    taken: Mapping[str, t.Any],
    staged: Mapping[str, str],
    current: Mapping[str, str],
    applied: Mapping[str, t.Any] | None = None,
) -> list[dict[str, t.Any]]:
    """What C(router_login) is to be asked: which of the two passwords is in force, the staged one first.

    C(applied): what RMS said before; a router of which it said that it kept its password is not asked.
    """
    mine = ours(taken)
    kept = {entry["serial"] for entry in (applied or {}).get("devices") or () if entry["status"] == "failed"}
    requests = []
    for entry in batch["apply"]:
        if entry["name"] not in mine or "host" not in entry or entry["serial"] in kept or not staged.get(entry["name"]):
            continue
        candidates = [{"name": "staged", "password": staged[entry["name"]]}]
        if current.get(entry["name"]) and current[entry["name"]] != staged[entry["name"]]:
            candidates.append({"name": "current", "password": current[entry["name"]]})
        request = {name: entry[name] for name in ("serial", *_LOG_IN) if name in entry}
        requests.append({**request, "candidates": candidates})
    return requests


def outcomes_for_ledger(
    batch: Mapping[str, t.Any],
    taken: Mapping[str, t.Any],
    applied: Mapping[str, t.Any],
    proven: Mapping[str, t.Any] | None = None,
) -> list[dict[str, str]]:
    """What the ledger is to be told of every device this run holds.

    C(proven): what C(router_login) said of it. A device that C(router_password) does not mention (the module died) may have been
    changed, so its outcome is C(unknown).
    """
    mine = ours(taken)
    said: Mapping[str, Mapping[str, t.Any]] = {entry["serial"]: entry for entry in applied.get("devices") or ()}
    logged_in: Mapping[str, Mapping[str, t.Any]] = {entry["serial"]: entry for entry in (proven or {}).get("devices") or ()}
    return [
        {"name": entry["name"], **_outcome(batch["kind"], said.get(entry["serial"]), logged_in.get(entry["serial"]))}
        for entry in batch["apply"]
        if entry["name"] in mine
    ]


def _outcome(kind: str, said: Mapping[str, t.Any] | None, logged_in: Mapping[str, t.Any] | None) -> dict[str, str]:
    if said is None and logged_in is None:
        return {"outcome": "unknown", "reason": "no_answer", "proof": "none"}
    result = said or {"status": "unknown", "reason": (logged_in or {}).get("reason")}
    outcome = {"outcome": str(result["status"]), "reason": str(result.get("reason") or ""), "proof": "none"}
    # A router that was asked itself has been logged in to; where RMS was asked, its word stands until a log-in says more.
    live = _LIVE.get(str((logged_in or {}).get("live") or (result.get("live") if kind == "device" else "")))
    if live:
        outcome.update(live=live, proof="login")
        if logged_in and live != "staged":
            outcome["reason"] = "unauthorized" if live == "neither" else "old_password_in_force"
    elif outcome["outcome"] in ("changed", "unchanged"):
        outcome["proof"] = "login" if kind == "device" else "vendor"
    return outcome
