# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said to a person: before a run who is due and why, after it what happened to each device and what to do."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.keyturn.devices.plugins.module_utils._rotation.account import GOOD, STATUS

_STATE = {
    "committed": "changed; the new password is in force and in the ledger",
    "dropped": "failed; the old password is in force",
    "settled": "settled; a log-in proved that the old password is in force, and the ledger says so",
    "kept": "unknown; the old or the staged password is in force, the ledger keeps both",
    "orphaned": "orphaned; no password is known to work, the ledger keeps all of them",
    "missing": "failed; RMS does not know this serial, nothing was sent",
    "not_asked": "failed; nothing was sent and the old password is in force",
    "fenced": "unknown; a request of a run that was killed may still reach it, so no new password is set yet",
    "busy": "left to another run, which holds it at this moment",
    "lost_lease": "unknown; another run took it over and settles it",
    "already_staged": "left alone; an earlier rotation of it is not settled",
    "changed_meanwhile": "left alone; another run has just rotated it",
    "nothing_staged": "settled by another run",
}
_LOOK_AT_IT = "Nothing is tried any more. Find out its password, then import it with keyturn.devices.ledger (state=imported)."
_ADVICE = {
    "offline": "It is tried again on the next run; see that it has power and a connection.",
    "rejected_by_policy": "The router's own policy is stricter than device_password_policy; tighten that and run again.",
    "not_found": "Check device_serial (leading zeros need quotes) and that the token's account sees the router.",
    "unauthorized": "Check the token's scopes (device passwords) and the router's RMS service.",
    "locked_out": "Wait until the router's lock-out is over; nothing hammers it meanwhile.",
    "wrong_device": "The address answers for another router; correct device_host or device_serial.",
    "not_identified": "The router does not tell its serial number, so it is not touched; look at its firmware.",
    "no_api": "Its API is off or older than RutOS 07.03; set device_protocol to ssh.",
    "new_password_refused": "It took the new password and refuses it, as if it kept only a part; look at the router before the next run.",
    "certificate": "Check ca_path, or the certificate of the router.",
    "quota": "The quota of RMS requests is spent; run again when it is renewed.",
    "conflict": "RMS was busy with this router; run again later.",
    "list_gone": "RMS no longer has its one-time list; the next run sets a new password.",
    "list_incomplete": "RMS's one-time list broke off before it; run the reconcile playbook, which sets a new password.",
    "list_missing": "RMS's one-time list does not name it; run the reconcile playbook, which sets a new password.",
    "not_sent": "Nothing was sent to it; it is tried again on the next run.",
    "no_current_password": "The ledger does not know its present password; import it with keyturn.devices.ledger (state=imported).",
    "old_password_in_force": "A log-in proved the old password, whatever was said before. It is tried again on the next run.",
    "ledger_unavailable": "The staged password is in the ledger. Bring the ledger back, then run the reconcile playbook.",
}
_ADVICE_BY_STATUS = {
    "failed": "It is tried again on the next run.",
    "unknown": "Run the reconcile playbook.",
    "orphaned": _LOOK_AT_IT,
}
_WORDS = (
    ("changed", "changed"),
    ("failed", "failed"),
    ("unknown", "unknown"),
    ("orphaned", "orphaned"),
    ("settled", "settled"),
    ("left_alone", "left alone"),
)


def announce(plan: Mapping[str, t.Any], limit: int, everyone: bool) -> list[str]:
    """Who is due and why. Beyond C(limit) devices only how many, unless C(everyone) is asked for."""
    due = plan["due"]
    text = [
        f"{len(due)} of {plan['devices']} routers are due, {plan['not_due']} need nothing, "
        f"{len(plan['unsettled'])} are open from an earlier run, {len(plan['orphaned'])} are orphaned, "
        f"{len(plan['offline'])} are offline, {len(plan['missing'])} are not in RMS"
    ]
    if everyone or len(due) <= limit:
        text += [
            f"{entry['name']}: due ({', '.join(entry['reasons'])}): {'; '.join(entry['details'])}; source {entry['source']}"
            for entry in due
        ]
        text += [f"{name}: open from an earlier run; it is settled first" for name in plan["unsettled"]]
    text += [f"{name}: orphaned. {_LOOK_AT_IT}" for name in plan["orphaned"]]
    text += [f"{name}: RMS says that it is offline. {_ADVICE['offline']}" for name in plan["offline"]]
    text += [f"{name}: {_ADVICE['no_current_password']}" for name in plan["without_password"]]
    text += [f"{name}: RMS does not know its serial. {_ADVICE['not_found']}" for name in plan["missing"]]
    return text


def summarise(plan: Mapping[str, t.Any], run: Mapping[str, t.Any], limit: int, rotates: bool = True) -> dict[str, t.Any]:
    """The end of a run: C(counts), C(devices) with what to do, C(lines) to print, C(verdict) and whether all is C(good).

    C(rotates): whether the run meant to rotate the due devices; those it did not come to are told then.
    """
    last = {result["name"]: result for result in run.get("results") or ()}
    for name in plan["missing"]:
        last[name] = {"name": name, "result": "missing", "reason": "not_found", "message": ""}
    for name in plan["without_password"]:
        last[name] = {"name": name, "result": "not_asked", "reason": "no_current_password", "message": ""}
    for name in plan["offline"]:
        last.setdefault(name, {"name": name, "result": "not_asked", "reason": "offline", "message": "RMS lists it as offline"})
    for name in plan["orphaned"]:
        last.setdefault(name, {"name": name, "result": "orphaned", "reason": "", "message": ""})
    devices = [_told(last[name]) for name in sorted(last)]
    counts = {status: sum(device["status"] == status for device in devices) for status, word in _WORDS}
    # Of a large fleet only the devices with a problem are remembered one by one.
    counts["changed"] = max(counts["changed"], (run.get("counts") or {}).get("changed", 0))
    not_reached = len(plan["due"]) - run.get("due_done", 0) if rotates else 0
    stop = run.get("stop") or ""
    text = [_line(device) for device in devices if device["what_to_do"] or len(devices) <= limit]
    if not_reached > 0:
        text.append(f"{not_reached} routers were not reached; their passwords are unchanged and nothing was sent to them")
    tally = ", ".join(f"{counts[status]} {word}" for status, word in _WORDS)
    if stop:
        text.append(f"The run stopped early: {stop}")
    text.append(tally)
    bad = counts["failed"] + counts["unknown"] + counts["orphaned"]
    return {
        "counts": counts,
        "not_reached": max(not_reached, 0),
        "devices": devices,
        "lines": text,
        "verdict": f"{bad} routers need attention ({tally})" + (f". The run stopped early: {stop}" if stop else ""),
        "good": not bad and not stop and not_reached <= 0,
    }


def _told(result: Mapping[str, t.Any]) -> dict[str, str]:
    status = STATUS.get(result["result"], "left_alone")
    needs_nothing = status in GOOD
    return {
        "name": result["name"],
        "status": status,
        "reason": result["reason"],
        "message": result["message"],
        "state": _STATE.get(result["result"], result["result"]),
        "what_to_do": ""
        if needs_nothing
        else _LOOK_AT_IT
        if status == "orphaned"
        else _ADVICE.get(result["reason"], _ADVICE_BY_STATUS[status]),
    }


def _line(device: Mapping[str, str]) -> str:
    why = ": ".join(text for text in (device["reason"], device["message"]) if text) if device["what_to_do"] else ""
    return (
        f"{device['name']}: {device['state']}"
        + (f" ({why})" if why else "")
        + (f". {device['what_to_do']}" if device["what_to_do"] else "")
    )
