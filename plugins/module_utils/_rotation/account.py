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
    "settled": "settled",
    "fenced": "unknown",
    "kept": "unknown",
    "lost_lease": "unknown",
    "orphaned": "orphaned",
}
# The statuses that are no failure.
GOOD = ("changed", "settled", "left_alone")
# What router_login needs to know of a router; router_password through RMS needs none of it.
_LOG_IN = ("host", "username", "protocol", "fingerprint")
# Why RMS did nothing at a router, so that its password is surely the old one.
_NEVER_ASKED = ("offline", "not_found", "not_sent", "quota", "conflict", "unauthorized")
# Which password is in force, as router_password and router_login name it, in the words of the ledger.
_LIVE = {"new": "staged", "staged": "staged", "current": "current", "neither": "neither"}
# How the ledger says that a device is given to this run.
_OURS = ("staged", "resumed", "awaiting")
# Why a staged password was dropped: a log-in proved the one before it.
OLD_PASSWORD = "old_password_in_force"


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
    results = _results(batch, taken, _all_said(applied, proven or {}), _unheard(applied, proven or {}), settled)
    counts = dict(run.get("counts") or {})
    failures = 0
    for result in results:
        status = STATUS.get(result["result"], "left_alone")
        counts[status] = counts.get(status, 0) + 1
        failures += status not in GOOD and result["reason"] != "offline"
    tried = run.get("tried", 0) + len(ours(taken))
    failures += run.get("failures", 0)
    # With failures of single routers only reported, it has a message just when the whole call failed.
    if not stop:
        stop = _fault(applied) or _fault(proven or {})
    if not stop and tried and failures * 100 > settings.failure_limit_percent * tried:
        stop = f"{failures} of {tried} routers failed, the limit is {settings.failure_limit_percent} percent"
    remembered = [result for result in results if settings.devices <= settings.summary_limit or result["result"] != "committed"]
    now_told = {result["name"] for result in results}
    earlier = [result for result in run.get("results") or () if result["name"] not in now_told]
    return {
        "results": [*earlier, *remembered],
        "counts": counts,
        "tried": tried,
        "failures": failures,
        "due_done": run.get("due_done", 0) + (len(batch["names"]) if batch["stage"] else 0),
        "stop": stop,
        "progress": ", ".join(f"{number} {status.replace('_', ' ')}" for status, number in sorted(counts.items())) + " so far"
        if counts
        else "nothing done",
    }


def _fault(answer: Mapping[str, t.Any]) -> str:
    """Why a whole call failed. A site that cannot be reached is no reason to leave the others alone."""
    return "" if answer.get("unreachable") else str(answer.get("msg") or "")


def _all_said(applied: Mapping[str, t.Any], proven: Mapping[str, t.Any]) -> dict[str, dict[str, str]]:
    """The reason and the message for each router, by serial: what was said when it was asked, and what a log-in showed besides."""
    said: dict[str, dict[str, str]] = {}
    for entry in (*(applied.get("devices") or ()), *(proven.get("devices") or ())):
        before = said.get(entry["serial"], {"reason": "", "message": ""})
        words = [text for text in (before["message"], entry.get("message")) if text]
        said[entry["serial"]] = {"reason": entry.get("reason") or before["reason"], "message": " ".join(words)}
    return said


def _unheard(*answers: Mapping[str, t.Any]) -> dict[str, str]:
    """The same for a router of which nothing was said."""
    away = [f"The host at its site cannot be reached: {answer.get('msg')}" for answer in answers if answer.get("unreachable")]
    return {"message": away[0]} if away else {}


def _results(
    batch: Mapping[str, t.Any],
    taken: Mapping[str, t.Any],
    said: Mapping[str, Mapping[str, str]],
    unheard: Mapping[str, str],
    settled: Mapping[str, t.Any],
) -> list[dict[str, str]]:
    serials = {entry["name"]: entry["serial"] for entry in batch["apply"]}
    final = {entry["name"]: entry for entry in settled.get("devices") or ()}
    mine = ours(taken)
    results = []
    for entry in taken.get("devices") or ():
        name = entry["name"]
        heard = said.get(serials[name], unheard)
        if name not in mine:
            result = "fenced" if entry.get("reason") == "fenced" else entry["status"]
            results.append({"name": name, "result": result, "reason": entry.get("reason") or "", "message": ""})
        elif name in final:
            reason = final[name].get("reason") or heard.get("reason") or ""
            # What an earlier run left open ends well, too, when the old password is proven.
            back = final[name]["status"] == "dropped" and not batch["stage"] and reason == OLD_PASSWORD
            result = "settled" if back else final[name]["status"]
            results.append({"name": name, "result": result, "reason": reason, "message": heard.get("message") or ""})
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
    C(router_login) said before; then only those that RMS can be asked for and that neither have the staged password nor refused both.
    A router that has its old password is among them: what an earlier run asked RMS for may still be on its way.
    """
    mine = ours(taken)
    done = {serial for serial, entry in _by_serial(proven).items() if entry["live"] in ("staged", "neither")}
    requests = []
    for entry in batch["apply"]:
        if entry["name"] not in mine or entry["serial"] in done or (proven is not None and "id" not in entry):
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
    before: Mapping[str, t.Any] | None = None,
) -> list[dict[str, t.Any]]:
    """What C(router_login) is to be asked: which of the two passwords is in force, the one first that should be.

    C(applied): what RMS said before; the staged password goes first, unless RMS says that the router kept its own. C(before): what an
    earlier log-in of this batch said; then the staged password is tried once more, and only where the old one was in force until RMS said
    that it set the staged one.
    """
    mine = ours(taken)
    said, looked = _by_serial(applied), _by_serial(before)
    requests = []
    for entry in batch["apply"]:
        serial, name = entry["serial"], entry["name"]
        if name not in mine or "host" not in entry or not staged.get(name):
            continue
        word = said.get(serial)
        candidates = [{"name": "staged", "password": staged[name]}]
        if looked:
            wanted = _was_set(looked.get(serial), word)
        else:
            wanted = _may_tell_more(word)
            if current.get(name) and current[name] != staged[name]:
                candidates.append({"name": "current", "password": current[name]})
            if word and word["status"] == "failed":
                candidates.reverse()
                wanted = wanted and len(candidates) == 2
        if wanted:
            request = {option: entry[option] for option in ("serial", *_LOG_IN) if option in entry}
            requests.append({**request, "candidates": candidates})
    return requests


def _may_tell_more(said: Mapping[str, t.Any] | None) -> bool:
    """Not of a router that RMS was never asked for, nor of one whose list came to light: that is looked at in a batch of its own."""
    return said is None or said.get("reason") not in (*_NEVER_ASKED, "unconfirmed")


def _was_set(looked: Mapping[str, t.Any] | None, said: Mapping[str, t.Any] | None) -> bool:
    return looked is not None and looked["live"] == "current" and said is not None and said["status"] in ("changed", "unchanged")


def outcomes_for_ledger(
    batch: Mapping[str, t.Any],
    taken: Mapping[str, t.Any],
    applied: Mapping[str, t.Any],
    proven: Mapping[str, t.Any] | None = None,
    before: Mapping[str, t.Any] | None = None,
) -> list[dict[str, str]]:
    """What the ledger is to be told of every device this run holds.

    C(proven): what C(router_login) said of it, C(before): what it said first where it was asked twice. A device that C(router_password)
    does not mention (the module died) may have been changed, so its outcome is C(unknown).
    """
    mine = ours(taken)
    said = _by_serial(applied)
    first, second = (_by_serial(before), _by_serial(proven)) if _by_serial(before) else (_by_serial(proven), {})
    away = {"status": "unknown", "reason": "offline"} if (before or proven or applied).get("unreachable") else None
    outcomes = []
    for entry in batch["apply"]:
        if entry["name"] in mine:
            serial = entry["serial"]
            word = said.get(serial) or (away if serial not in first else None)
            if second.get(serial, {}).get("live") == "neither":
                word = {"status": "unknown", "reason": "new_password_refused"}
            live = _live(batch["kind"], entry, word, first.get(serial), second.get(serial))
            outcomes.append({"name": entry["name"], **_outcome(batch["kind"], word, first.get(serial), live)})
    return outcomes


def _by_serial(answer: Mapping[str, t.Any] | None) -> dict[str, Mapping[str, t.Any]]:
    return {entry["serial"]: entry for entry in (answer or {}).get("devices") or ()}


def _live(
    kind: str,
    entry: Mapping[str, t.Any],
    said: Mapping[str, t.Any] | None,
    first: Mapping[str, t.Any] | None,
    second: Mapping[str, t.Any] | None,
) -> str | None:
    """Which password is in force for good. None where nothing proves that."""
    if kind == "device":
        return _LIVE.get(str((said or {}).get("live")))
    live = _LIVE.get(str((first or {}).get("live")))
    status = said["status"] if said else "unknown"
    if kind != "login" and status == "failed":
        # RMS can be wrong about that, and needs no old password to set a new one.
        return live if live == "staged" else None
    if live != "current" or "id" not in entry:
        return live
    # RMS was asked. Until RMS is through with the router, the staged password may still come, and the old one is not in force for good.
    if kind != "login":
        return live if status in ("changed", "unchanged") else None
    if second is not None:
        return "staged" if second["live"] == "staged" else None
    return live if status == "failed" and not (said or {}).get("retryable") else None


def _outcome(kind: str, said: Mapping[str, t.Any] | None, first: Mapping[str, t.Any] | None, live: str | None) -> dict[str, str]:
    """C(live): what a log-in proved, which goes before the word of RMS; where it proved nothing, that stands."""
    if said is None and first is None:
        return {"outcome": "unknown", "reason": "no_answer", "proof": "none"}
    result = said or {"status": "unknown", "reason": (first or {}).get("reason")}
    outcome = {"outcome": str(result["status"]), "reason": str(result.get("reason") or ""), "proof": "none"}
    if live:
        outcome.update(live=live, proof="login")
        if kind != "device" and live != "staged":
            outcome["reason"] = "unauthorized" if live == "neither" else OLD_PASSWORD
    elif outcome["outcome"] in ("changed", "unchanged"):
        outcome["proof"] = "login" if kind == "device" else "vendor"
    return outcome
