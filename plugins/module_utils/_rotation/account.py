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
    "kept": "unknown",
    "lost_lease": "unknown",
    "orphaned": "orphaned",
}
# What the ledger says of a device that this run was not given. None of it was sent anything.
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
) -> dict[str, t.Any]:
    """The run with one batch more.

    C(taken), C(applied), C(settled): what C(ledger), C(router_password) and C(ledger) returned for this batch; empty where it did not come
    so far.
    C(stop): why the batch broke off, if it did. Returns C(results), C(counts), C(tried), C(failures), C(due_done), C(stop), C(progress).
    """
    results = _results(batch, taken, applied, settled)
    counts = dict(run.get("counts") or {})
    failures = 0
    for result in results:
        status = STATUS.get(result["result"], "left_alone")
        counts[status] = counts.get(status, 0) + 1
        failures += status not in ("changed", "left_alone") and result["reason"] != "offline"
    tried = run.get("tried", 0) + len(ours(taken))
    failures += run.get("failures", 0)
    # With failures of single routers only reported, it has a message just when the whole call failed.
    if not stop and applied.get("msg"):
        stop = str(applied["msg"])
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


def _results(
    batch: Mapping[str, t.Any], taken: Mapping[str, t.Any], applied: Mapping[str, t.Any], settled: Mapping[str, t.Any]
) -> list[dict[str, str]]:
    said = {entry["serial"]: entry for entry in applied.get("devices") or ()}
    serials = {entry["name"]: entry["serial"] for entry in batch["apply"]}
    final = {entry["name"]: entry for entry in settled.get("devices") or ()}
    mine = ours(taken)
    results = []
    for entry in taken.get("devices") or ():
        name = entry["name"]
        vendor = said.get(serials[name], {})
        if name not in mine:
            results.append({"name": name, "result": entry["status"], "reason": entry.get("reason") or "", "message": ""})
        elif name in final:
            reason = final[name].get("reason") or vendor.get("reason") or ""
            results.append({"name": name, "result": final[name]["status"], "reason": reason, "message": vendor.get("message") or ""})
        else:
            results.append({"name": name, "result": "kept", "reason": "ledger_unavailable", "message": ""})
    return results


def requests_for_routers(
    batch: Mapping[str, t.Any], taken: Mapping[str, t.Any], passwords: Mapping[str, str] | None = None
) -> list[dict[str, t.Any]]:
    """What C(router_password) is to be asked: only the devices that the ledger gave to this run, each with its staged password.

    No C(passwords): those that RMS makes.
    """
    mine = ours(taken)
    requests = []
    for entry in batch["apply"]:
        if entry["name"] in mine:
            request = {name: value for name, value in entry.items() if name not in ("name", "via")}
            if passwords is not None:
                request["password"] = passwords[entry["name"]]
            requests.append(request)
    return requests


def outcomes_for_ledger(batch: Mapping[str, t.Any], taken: Mapping[str, t.Any], applied: Mapping[str, t.Any]) -> list[dict[str, str]]:
    """What the ledger is to be told of every device this run holds.

    A device that C(router_password) does not mention (the module died) may have been changed, so its outcome is C(unknown).
    """
    mine = ours(taken)
    said: Mapping[str, Mapping[str, t.Any]] = {entry["serial"]: entry for entry in applied.get("devices") or ()}
    outcomes = []
    for entry in batch["apply"]:
        if entry["name"] in mine:
            result = said.get(entry["serial"], {"status": "unknown", "reason": "no_answer"})
            proof = "vendor" if result["status"] in ("changed", "unchanged") else "none"
            outcomes.append(
                {"name": entry["name"], "outcome": str(result["status"]), "reason": str(result.get("reason") or ""), "proof": proof}
            )
    return outcomes
