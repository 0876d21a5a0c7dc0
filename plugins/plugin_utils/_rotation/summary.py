# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said to a person: before a run who is due and why, after it what happened to each device and what to do."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.keyturn.devices.plugins.module_utils._files import FileProblem, write_secret_file
from ansible_collections.keyturn.devices.plugins.module_utils._module import ModuleFailure
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import Product
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.tally import Told, told_of

#: What a run is for.
ROTATE, RECONCILE, VERIFY = JOBS = ("rotate", "reconcile", "verify")

_STATE = {
    "committed": "changed; the new password is in force and in the ledger",
    "would_change": "would be changed",
    "dropped": "failed; the old password is in force",
    "settled": "settled; a login proved that the old password is in force, and the ledger says so",
    "kept": "unknown; the old or the staged password is in force, the ledger keeps both",
    "reopened": "unknown; the request left after this run had lost its lease, the ledger keeps every password it may have",
    "orphaned": "orphaned; no password is known to work, the ledger keeps all of them",
    "refused": "failed; nothing was sent and the old password is in force",
    "bad_input": "failed; nothing was sent and the old password is in force",
    "not_staged": "failed; nothing was staged or sent, and the old password is in force",
    "without_password": "failed; nothing was sent, because a new password can only be set by who knows the present one",
    "not_reached": "not reached; nothing was sent and the old password is in force",
    "offline": "offline; nothing was changed",
    "offline_unsettled": "offline; an earlier run left it open, the ledger keeps both passwords",
    "fenced": "unknown; a request of a run that was killed may still reach it, so no new password is set yet",
    "busy": "left to another run, which holds it at this moment",
    "in_recovery": "left to its open recovery case",
    "lost_lease": "unknown; another run took it over and settles it",
    "already_staged": "left alone; an earlier rotation of it is not settled",
    "changed_meanwhile": "left alone; another run has just rotated it",
    "nothing_staged": "settled by another run",
    "verified": "proven; a login with the password of the ledger succeeded",
    "would_verify": "would be logged in to",
    "disproved": "failed; it refuses the password that the ledger calls current, which stays there and counts as proven no more",
    "unproven": "failed; no login could be finished, and nothing was changed",
    "unknown_password": "failed; the ledger does not know its password",
    "not_provable": (
        "cannot be proven; there is no way to log in to it (device_host and device_via name one), so that only its next rotation can tell"
    ),
    "left_to_reconcile": "left to the reconcile playbook; an earlier run left it open",
    "not_due": "not due",
    "unsettled": "open from an earlier run; it would be settled first",
}
_ADVICE = {
    "offline": "It is tried again on the next run; see that it has power and a connection.",
    "new_password_refused": "It took the new password and refuses it, as if it kept only a part; look at it before the next run.",
    "certificate": "Check ca_path, or the certificate of the device.",
    "not_sent": "Nothing was sent to it; it is tried again on the next run.",
    "no_current_password": "The ledger does not know its present password; import it with keyturn.devices.ledger (state=imported).",
    "old_password_in_force": "A login proved the old password, whatever was said before. It is tried again on the next run.",
    "disproved": (
        "Find out its password and import it with keyturn.devices.ledger (state=imported). Where a new one can be set without the old one, "
        "the next rotation does that."
    ),
    "ledger_unavailable": "The staged password is in the ledger. Bring the ledger back, then run the reconcile playbook.",
    "bad_input": "Correct its variables in the inventory and run again.",
}
_ADVICE_BY_STATUS = {
    "failed": "It is tried again on the next run.",
    "not_reached": "It is tried again on the next run.",
    "offline": _ADVICE["offline"],
    "unknown": "Run the reconcile playbook.",
    "orphaned": "Nothing is tried any more. Find out its password, then import it with keyturn.devices.ledger (state=imported).",
}
_WORDS = (
    ("changed", "changed"),
    ("failed", "failed"),
    ("unknown", "unknown"),
    ("orphaned", "orphaned"),
    ("settled", "settled"),
    ("offline", "offline"),
    ("left_alone", "left alone"),
)
_WORDS_OF_CHECK_MODE = (("changed", "would be changed"), *_WORDS[1:])
_WORDS_OF_VERIFICATION = (
    ("verified", "proven"),
    ("failed", "failed"),
    ("orphaned", "orphaned"),
    ("offline", "offline"),
    ("left_alone", "left alone"),
)
_BAD = ("failed", "unknown", "orphaned")


@dataclass(frozen=True)
class Planned:
    """What the plan told: C(devices) of the run, C(not_due) how many. C(batches): the names of each. C(refused): whom no batch holds.

    C(long_offline): whom being offline makes red by now. C(job): what the run is for. C(verifiable): who is logged in to.
    """

    run_id: str
    ledger: str
    devices: int
    not_due: int
    due: Sequence[Mapping[str, t.Any]]
    unsettled: Sequence[str]
    refused: Sequence[Told]
    batches: Sequence[Sequence[str]]
    long_offline: frozenset[str]
    summary_limit: int
    recap_limit: int
    job: str = ROTATE
    verifiable: Sequence[str] = ()

    def words(self, check_mode: bool) -> Sequence[tuple[str, str]]:
        """The statuses that a tally counts, and what they are called. A run for nobody is summed up as in check mode, and is none."""
        if self.job == VERIFY:
            return _WORDS_OF_VERIFICATION
        return _WORDS_OF_CHECK_MODE if check_mode and self.due else _WORDS

    @classmethod
    def read(cls, plan: Mapping[str, t.Any]) -> Planned:
        """From the result of the plan."""
        return cls(
            run_id=plan["run_id"],
            ledger=plan["ledger"],
            devices=plan["devices"],
            not_due=plan["not_due"],
            due=plan["due"],
            unsettled=plan["unsettled"],
            refused=told_of(plan["refused"]),
            batches=[batch["names"] for batch in plan["batches"]],
            long_offline=frozenset(plan["long_offline"]),
            summary_limit=plan["summary_limit"],
            recap_limit=plan["recap_limit"],
            job=plan["job"],
            verifiable=plan["verifiable"],
        )


def announce(planned: Planned, product: Product, everyone: bool) -> list[str]:
    """Who is due and why. Beyond the summary's limit only how many, unless C(everyone) is asked for."""
    due, refused = planned.due, planned.refused
    if planned.job == VERIFY:
        return _announce_verification(planned, product)
    counts = {result: sum(told.result == result for told in refused) for result in ("orphaned", "offline", "bad_input", "refused")}
    offline = counts["offline"] + sum(told.result == "offline_unsettled" for told in refused)
    text = [
        f"{len(due)} of {planned.devices} {product.nouns[1]} are due, {planned.not_due} need nothing, "
        f"{len(planned.unsettled)} are open from an earlier run, {counts['orphaned']} are orphaned, {offline} are offline, "
        f"{counts['refused']} cannot be asked, {counts['bad_input']} have bad input. Run {planned.run_id}, {planned.ledger}"
    ]
    if everyone or len(due) <= planned.summary_limit:
        text += [
            f"{entry['name']}: due ({', '.join(entry['reasons'])}): {'; '.join(entry['details'])}; source {entry['source']}"
            for entry in due
        ]
        text += [f"{name}: open from an earlier run; it is settled first" for name in planned.unsettled]
    return text + [_line(entry) for entry in (_described(told, product) for told in refused)]


def _announce_verification(planned: Planned, product: Product) -> list[str]:
    names = planned.verifiable if len(planned.verifiable) <= planned.summary_limit else ()
    return [
        f"{len(planned.verifiable)} of {planned.devices} {product.nouns[1]} are to be logged in to, once each; nothing is changed on any. "
        f"Run {planned.run_id}, {planned.ledger}",
        *(f"{name}: is to be logged in to with the password of the ledger" for name in names),
        *(_line(_described(told, product)) for told in planned.refused),
    ]


def summarise(
    planned: Planned, product: Product, batches: Sequence[Mapping[str, t.Any]], stop: str, *, check_mode: bool
) -> dict[str, t.Any]:
    """The end of a run. C(batches): the results of those that were worked. C(stop): why the run ended early, if it did.

    Returns C(counts), C(devices) with what to do, C(lines) to print, C(verdict), whether all is C(good), and C(outcomes): by name, what the
    recap is to say of each device; only of those that need attention when there are more than its limit.
    """
    told = {entry.name: entry for entry in planned.refused}
    for batch in batches:
        told.update((entry.name, entry) for entry in told_of(batch["told"]))
    if check_mode:
        told.update((name, Told(name, "unsettled")) for name in planned.unsettled)
        told.update((entry["name"], Told(entry["name"], "would_change")) for entry in planned.due)
        told.update((name, Told(name, "would_verify")) for name in planned.verifiable)
    worked = {batch["place"] for batch in batches}
    reached = {name for place in worked for name in planned.batches[place]}
    unreached = [name for names in planned.batches for name in names if name not in told and name not in reached]
    if not check_mode:
        told.update((name, Told(name, "not_reached", "not_sent", stop)) for name in dict.fromkeys(unreached))
    described = [_described(entry, product) for entry in told.values()]
    words = planned.words(check_mode)
    counts = {status: sum(entry["status"] == status for entry in described) for status, _word in words}
    not_reached = sum(entry["status"] == "not_reached" for entry in described)
    lines = [
        _line(entry)
        for entry in described
        if entry["status"] != "not_reached" and (entry["what_to_do"] or len(described) <= planned.summary_limit)
    ]
    if not_reached:
        lines.append(f"{not_reached} {product.nouns[1]} were not reached; their passwords are unchanged and nothing was sent to them")
    if stop:
        lines.append(f"The run stopped early: {stop}")
    tally = ", ".join(f"{counts[status]} {word}" for status, word in words)
    lines.append(f"{tally}, {planned.not_due} not due" if planned.not_due else tally)
    outcomes = {entry["name"]: _recap(entry, entry["name"] in planned.long_offline) for entry in described}
    bad = sum(outcome["red"] for outcome in outcomes.values()) - not_reached
    return {
        "run_id": planned.run_id,
        "ledger": planned.ledger,
        "counts": counts,
        "not_due": planned.not_due,
        "not_reached": not_reached,
        "stop": stop,
        "requests": sum(batch["requests"] for batch in batches),
        "devices": [entry for entry in described if entry["what_to_do"] or len(described) <= planned.summary_limit],
        "lines": lines,
        "verdict": _verdict(bad, product, tally, stop),
        "good": not bad and not stop and not not_reached,
        "outcomes": _of_recap(outcomes, planned),
    }


def _verdict(bad: int, product: Product, tally: str, stop: str) -> str:
    attention = f"{bad} {product.nouns[bad != 1]} need{'s' if bad == 1 else ''} attention ({tally})" if bad else ""
    return ". ".join(text for text in (attention, f"The run stopped early: {stop}" if stop else "") if text) or tally


def _of_recap(outcomes: Mapping[str, Mapping[str, t.Any]], planned: Planned) -> dict[str, Mapping[str, t.Any]]:
    if planned.devices <= planned.recap_limit:
        return dict(outcomes)
    red = [(name, outcome) for name, outcome in outcomes.items() if outcome["red"]]
    return dict(red[: planned.recap_limit])


def _recap(entry: Mapping[str, str], long_offline: bool) -> dict[str, t.Any]:
    """What the line of one device says: C(red) makes it failed, or unreachable where it was offline."""
    offline = entry["status"] == "offline"
    return {
        "status": entry["status"],
        "reason": entry["reason"],
        "what_to_do": entry["what_to_do"],
        "msg": _line(entry),
        "changed": entry["status"] == "changed",
        "red": entry["status"] in (*_BAD, "not_reached") or (offline and long_offline),
        "unreachable": offline and long_offline,
    }


def _described(told: Told, product: Product) -> dict[str, str]:
    status = told.status
    advice = {**_ADVICE, **product.advice}
    needs_something = status in _ADVICE_BY_STATUS
    reason = status if status == "orphaned" else "disproved" if told.result == "disproved" else told.reason
    what_to_do = advice.get(reason, _ADVICE_BY_STATUS[status]) if needs_something else ""
    return {
        "name": told.name,
        "status": status,
        "reason": told.reason,
        "message": told.message,
        "state": _STATE.get(told.result, told.result),
        "what_to_do": what_to_do,
    }


def _line(entry: Mapping[str, str]) -> str:
    why = ": ".join(text for text in (entry["reason"], entry["message"]) if text) if entry["what_to_do"] else ""
    done = f". {entry['what_to_do']}" if entry["what_to_do"] else ""
    return f"{entry['name']}: {entry['state']}" + (f" ({why.rstrip('.')})" if why else "") + done


def unmasked_told(told: Iterable[Told], clean: t.Callable[[str], str]) -> list[dict[str, str]]:
    """As results hold it: messages without secrets; names and words as they are, because others match by them."""
    return [{**entry.data(), "message": clean(entry.message)} for entry in told]


def summary_of_failure(message: str) -> dict[str, t.Any]:
    """The summary of a run that ended before there was a plan, for whoever reads summaries from a file."""
    return {"counts": {}, "devices": [], "lines": [message], "verdict": message, "good": False, "stop": message, "requests": 0}


def write_summary(path: str, content: str) -> None:
    """Whole or not at all. ModuleFailure where it cannot be written."""
    try:
        write_secret_file(path, content.encode("utf-8", "surrogateescape"), overwrite=True)
    except FileProblem as problem:
        failure = problem
    else:
        return
    raise ModuleFailure(failure.message, reason=failure.reason)
