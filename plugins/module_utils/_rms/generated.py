# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Passwords that RMS makes: asking for them, finding the list they are in, and fetching it, which can be done once.

The answer to the request does not tell which list it led to (facts: Teltonika 1.3). It is found by comparing the tasks before and after,
and by its devices: they must be exactly the ones asked for, so that somebody else's list is never fetched, which would spend it, even
if routers of ours are in it (assumed).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._http import HttpFault, Reply
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.one_time_list import Made, read_one_time_list
from ansible_collections.keyturn.devices.plugins.module_utils._rms.channel import watch
from ansible_collections.keyturn.devices.plugins.module_utils._rms.client import Pages, RmsClient, RmsFault, whole_number
from ansible_collections.keyturn.devices.plugins.module_utils._rms.deposit import CUT_MARK, Deposit, DepositError
from ansible_collections.keyturn.devices.plugins.module_utils._rms.outcomes import Target
from ansible_collections.keyturn.devices.plugins.module_utils._rms.passwords import batches, generate_request, not_sent, outcome_open, send

_TASKS = ("devices", "passwords", "generated", "tasks")
_TASK_PAGE = 1000

# Seconds: how long a list may take to appear after its request, and how long fetching it may go on past the deadline.
_APPEARS_WITHIN = 30.0
_OVERTIME = 120.0
_FIRST_PAUSE = 0.5
_PAUSE_GROWTH = 1.6
_LONGEST_PAUSE = 8.0
_DOWNLOAD_TRIES = 3
_LIST_TYPES = "application/csv, application/json;q=0.5, */*;q=0.1"

# Looking for earlier lists costs a request for each; older ones than these are not looked at.
_MOST_TASKS = 50

# The one documented value is "failed"; what stands for success is not published (assumed).
_TASK_SUCCESS = frozenset(("completed", "complete", "success", "successful", "succeeded", "done", "finished", "changed", "ok"))
_TASK_FAILURE = frozenset(("failed", "error"))


@dataclass(frozen=True)
class _TaskDevice:
    """What a task says of one router: how it ended, and what a list may call it."""

    word: str
    mac: str
    name: str


@dataclass
class _List:
    """One generated batch: the id of its task, and what the task says of each of our targets, by id as text.

    C(trouble): what was wrong with the download, empty when the list came to its end. C(unreadable): why it tells no password though it
    holds our routers.
    """

    task: str
    devices: Mapping[str, _TaskDevice]
    finished: bool = True
    passwords: dict[str, str] = field(default_factory=dict, repr=False)
    trouble: str = ""
    unreadable: str = ""


@dataclass(frozen=True)
class _Body:
    """What one attempt to download a list brought."""

    content: bytes = field(repr=False)
    whole: bool


@dataclass(frozen=True)
class Generated:
    """C(fault) ended it early. C(whole): every list that was found came to its end.

    C(passwords): id of a router -> its password in the list, whatever became of the router; only C(changed) says that it is in force.
    """

    fault: RmsFault | None
    whole: bool
    passwords: Mapping[int, str] = field(repr=False)


def generate_passwords(client: RmsClient, targets: Sequence[Target], made: Made, batch_size: int, deposit: Deposit) -> Generated:
    """Have RMS make a password for every target, and put the lists into the deposit, one batch after the other.

    Every target has an outcome in the end; C(changed) only where RMS says so and the list holds a whole row. DepositError, before
    anything is asked for, when there is no room for the first list.
    """
    fault: RmsFault | None = None
    lists: list[_List] = []
    known: set[str] | None = None
    for batch in batches(targets, batch_size):
        try:
            if known is None:
                known = {str(task["id"]) for task in Pages(client, _TASKS, _TASK_PAGE)}
            deposit.reserve(len(batch))
        except RmsFault as problem:
            fault = problem
            break
        except DepositError as problem:
            if all(target.outcome is None for target in targets):
                raise
            fault = RmsFault("bad_input", str(problem))
            break
        try:
            fault, found = _generate_batch(client, batch, made, known, deposit)
        finally:
            deposit.discard()
        lists += found
        if fault is not None:
            break
    if fault is not None:
        not_sent(targets, fault)
    return _generated(fault, lists)


def _generated(fault: RmsFault | None, lists: Sequence[_List]) -> Generated:
    passwords = {int(identifier): password for found in lists for identifier, password in found.passwords.items()}
    return Generated(fault, all(not found.trouble for found in lists), passwords)


def _generate_batch(
    client: RmsClient, batch: Sequence[Target], made: Made, known: set[str], deposit: Deposit
) -> tuple[RmsFault | None, list[_List]]:
    sent = send(client, batch, generate_request(made))
    if sent.channel is None and not sent.lost:
        return sent.fault, []
    fault = sent.fault
    if sent.channel is not None:
        asked = list(sent.channel.targets.values())
        fault = watch(client, [sent.channel]) or fault
        untold = sent.channel.waiting
        outcome_open(untold, fault, sent.channel.expired)
    else:
        asked = untold = [target for target in batch if target.outcome is not None and target.outcome.status == "unknown"]
    by_task = {id(target) for target in untold}
    with client.overtime(_OVERTIME):
        lists, list_fault = _new_lists(client, asked, known, wait_for_end=sent.lost)
        list_fault = _fetch_all(client, lists, asked, made, deposit) or list_fault
    for target in asked:
        _settle(target, lists, list_fault, by_task=id(target) in by_task)
    if sent.lost and fault is None:
        fault = RmsFault("unreachable", "RMS gave no usable answer to a request for passwords.")
    return fault or list_fault, lists


def collect_passwords(
    client: RmsClient, targets: Sequence[Target], made: Made, deposit: Deposit, asked: Sequence[Collection[int]]
) -> Generated:
    """Fetch the lists of earlier requests that were interrupted, for the newest request that each target was part of.

    C(asked): the ids of the routers of each request. A list is ours where its routers are exactly those of one of them, and no other is
    fetched. What is in the deposit already is kept. Nothing is changed on any router. Every target has an outcome in the end.
    """
    requests = {frozenset(map(str, identifiers)) for identifiers in asked}
    kept = deposit.carry_on()
    left = {str(target.id): target for target in targets}
    lists: list[_List] = []
    fault: RmsFault | None = None
    with client.overtime(_OVERTIME):
        try:
            tasks = sorted(Pages(client, _TASKS, _TASK_PAGE), key=lambda task: str(task.get("created_at") or ""), reverse=True)
            for task in tasks[:_MOST_TASKS]:
                if not left:
                    break
                devices = _devices_of(client, task)
                if requests.intersection([frozenset(devices)]) and left.keys() & devices.keys():
                    mine = {identifier: device for identifier, device in devices.items() if identifier in left}
                    lists.append(_List(str(task["id"]), mine))
                    left = {identifier: target for identifier, target in left.items() if identifier not in devices}
        except RmsFault as problem:
            fault = problem
        wanted = [found for found in lists if any(device.word not in _TASK_FAILURE for device in found.devices.values())]
        deposit.reserve(len(targets))
        try:
            fault = _fetch_all(client, wanted, targets, made, deposit) or fault
        finally:
            deposit.discard()
    earlier = read_one_time_list(kept, _identifiers(targets), complete=False, asked=made).passwords
    client.redactor.add(*earlier.values())
    for target in targets:
        identifier = str(target.id)
        if identifier not in left:
            target.end("unknown", "timeout", "RMS does not say whether the router took the password.")
        elif fault is None:
            target.end(
                "unknown",
                "list_gone",
                "RMS has no list of generated passwords for exactly the routers of the request that this router was part of.",
            )
        else:
            target.end("unknown", fault.reason, f"The lists of generated passwords could not be looked through: {fault.message}")
        _settle(target, lists, fault, by_task=True)
        if target.outcome is not None and target.outcome.status == "unknown" and identifier in earlier:
            target.end(
                "unknown",
                "unconfirmed",
                "A list that was fetched before holds a password for this router; RMS does not confirm that it is the one in force.",
            )
    return _generated(fault, lists)


def _devices_of(client: RmsClient, task: Mapping[str, Any]) -> dict[str, _TaskDevice]:
    """The devices of a task by id as text. A task that was removed in the meantime has none."""
    try:
        devices = client.get("tasks", str(task["id"]), "devices").get("data")
    except RmsFault as fault:
        if fault.reason in ("unauthorized", "protocol") and task.get("deleted_at"):
            return {}
        raise
    return {
        str(whole_number(device.get("id"))): _TaskDevice(
            str(device.get("status") or "").strip().lower(), str(device.get("mac") or ""), str(device.get("name") or "")
        )
        for device in (devices if isinstance(devices, list) else [])
        if isinstance(device, Mapping)
    }


def _new_lists(client: RmsClient, asked: Sequence[Target], known: set[str], *, wait_for_end: bool) -> tuple[list[_List], RmsFault | None]:
    """The lists that were not there before and are ours. C(known) learns what is there now.

    C(wait_for_end): no channel told when the routers were done, so wait until the tasks say so.
    """
    if all(target.outcome is not None and target.outcome.status == "failed" for target in asked):
        return [], None
    ours = frozenset(str(target.id) for target in asked)
    exactly = _request_sets(asked)
    foreign: set[str] = set()
    started = client.clock()
    until = started + client.remaining - _APPEARS_WITHIN
    pause = _FIRST_PAUSE
    while True:
        found: list[_List] = []
        try:
            for task in Pages(client, _TASKS, _TASK_PAGE):
                identifier = str(task["id"])
                if identifier in known or identifier in foreign:
                    continue
                devices = _devices_of(client, task)
                if frozenset(devices) in exactly:
                    found.append(_List(identifier, devices, _is_finished(task, devices)))
                elif not ours.issuperset(devices):
                    foreign.add(identifier)
        except RmsFault as fault:
            return found, fault
        is_there = bool(found) and (not wait_for_end or all(one.finished for one in found))
        patience = until if found else started + _APPEARS_WITHIN
        if is_there or client.clock() + pause >= patience:
            known.update(foreign, (one.task for one in found))
            return found, None
        client.sleep(pause)
        pause = min(_LONGEST_PAUSE, pause * _PAUSE_GROWTH)


def _request_sets(asked: Sequence[Target]) -> set[frozenset[str]]:
    """What the routers of our list may be: all that RMS took, or without those that it then refused (which it is, is not published)."""
    statuses = {str(target.id): target.outcome.status if target.outcome is not None else "" for target in asked}
    without_failed = frozenset(identifier for identifier, status in statuses.items() if status != "failed")
    only_changed = frozenset(identifier for identifier, status in statuses.items() if status == "changed")
    return {frozenset(statuses), without_failed, only_changed} - {frozenset()}


def _is_finished(task: Mapping[str, Any], devices: Mapping[str, _TaskDevice]) -> bool:
    done, total = whole_number(task.get("completed")), whole_number(task.get("total"))
    counted = done is not None and total is not None and done >= total
    return counted or all(device.word in _TASK_FAILURE | _TASK_SUCCESS for device in devices.values())


def _fetch_all(client: RmsClient, lists: Sequence[_List], targets: Collection[Target], made: Made, deposit: Deposit) -> RmsFault | None:
    """Download lists into the open part of the deposit, end the part, and only then read what it holds."""
    fault: RmsFault | None = None
    bodies: list[tuple[_List, list[_Body]]] = []
    for found in lists:
        if fault is None:
            fetched, fault = _fetch(client, found, deposit, whole_before=all(not earlier.trouble for earlier, _bodies in bodies))
            bodies.append((found, fetched))
        else:
            found.trouble = fault.message.rstrip(".")
    try:
        deposit.finish(whole=all(not found.trouble for found in lists))
    except DepositError as problem:
        for found in lists:
            found.trouble = str(problem).rstrip(".")
        return RmsFault("bad_input", str(problem))
    names = {identifier: device for found in lists for identifier, device in found.devices.items()}
    for target in targets:
        device = names.get(str(target.id))
        if device is not None:
            target.mac, target.name = target.mac or device.mac, target.name or device.name
    identifiers = _identifiers(targets)
    for found, fetched in bodies:
        for body in fetched:
            read = read_one_time_list(body.content, identifiers, complete=body.whole, asked=made)
            found.passwords.update(read.passwords)
            found.unreadable = read.trouble
        client.redactor.add(*found.passwords.values())
    return fault


def _fetch(client: RmsClient, found: _List, deposit: Deposit, *, whole_before: bool) -> tuple[list[_Body], RmsFault | None]:
    """Download one list into the open part of the deposit; every attempt that brought something is a body.

    A connection that breaks may have used up the one download, or not (assumed): it is asked for again, after what arrived.
    """
    bodies: list[_Body] = []
    begins: list[int] = []  # where in the part this attempt's body begins, once it does
    pause = _FIRST_PAUSE

    def keep(piece: bytes) -> None:
        if not begins:
            before = deposit.part()
            if before and not before.endswith((b"\n", b"\r")):
                deposit.write(b"\n" if whole_before and not bodies else CUT_MARK)
            begins.append(len(deposit.part()))
        deposit.write(piece)

    for attempt in range(_DOWNLOAD_TRIES):
        if attempt:
            client.sleep(pause)
            pause *= _PAUSE_GROWTH
        begins.clear()
        reply: Reply | None = None
        trouble, disk_failed = "", False
        try:
            reply = client.http.download(client.url("tasks", found.task, "download", "passwords"), _LIST_TYPES, keep)
        except HttpFault as problem:
            trouble = problem.message
        except (OSError, DepositError) as problem:
            what = problem.strerror if isinstance(problem, OSError) else str(problem).rstrip(".")
            trouble, disk_failed = f"it could not be written: {what}", True
        if begins:
            bodies.append(_Body(deposit.part(begins[0]), whole=not trouble))
            if trouble:
                found.trouble = f"the list broke off after {len(bodies[-1].content)} bytes: {trouble}"
        if reply is None:
            found.trouble = found.trouble or f"the list cannot be fetched: {trouble}"
            if disk_failed:
                break
            continue
        if reply.status == 200:
            found.trouble = ""
            break
        found.trouble = found.trouble or f"RMS does not give the list (HTTP {reply.status}{client.words(reply)})"
        if reply.status in (401, 403) or (reply.status == 429 and not client.pause(reply)):
            return bodies, client.refusal(reply)
        if 300 <= reply.status < 500 and reply.status != 429:
            break
    return bodies, None


def _identifiers(targets: Collection[Target]) -> dict[str, tuple[str, str, str]]:
    return {str(target.id): (target.serial, target.mac, target.name) for target in targets}


def _settle(target: Target, lists: Sequence[_List], fault: RmsFault | None, *, by_task: bool) -> None:
    """What became of a router, from the channel's word (or the task's, C(by_task)) and the list. Either alone proves nothing."""
    outcome = target.outcome
    if outcome is None or outcome.status == "failed":
        return
    identifier = str(target.id)
    mine = [found for found in lists if identifier in found.devices]
    word = mine[0].devices[identifier].word if mine else ""
    if len(mine) > 1:
        target.end("unknown", "conflict", "RMS made several lists with this router in it, so which password is in force is not known.")
    elif word in _TASK_FAILURE:
        if outcome.status == "changed":
            target.end("unknown", "conflict", "RMS reported that the password was changed, and its list says that it was not.")
        elif by_task:
            # The one word that is documented, and not what it means for the password in force.
            told = f"Its list says {word}, which does not tell whether the password was changed."
            target.end("unknown", "rejected", told)
    elif outcome.status == "changed" or (by_task and word in _TASK_SUCCESS):
        if mine and identifier in mine[0].passwords:
            target.end("changed", "", "RMS reports that the password was changed; it is in the list.")
        else:
            reason, why = _why_not_in_a_list(mine, fault)
            target.end("unknown", reason, f"RMS changed the password, and nobody knows it: {why}.")


def _why_not_in_a_list(mine: Sequence[_List], fault: RmsFault | None) -> tuple[str, str]:
    if mine and mine[0].trouble:
        return "list_incomplete", mine[0].trouble
    if mine and mine[0].unreadable:
        return "list_unreadable", mine[0].unreadable
    if mine:
        return "list_incomplete", "the list does not hold a whole row for this router"
    return "list_missing", fault.message.rstrip(".") if fault is not None else "no new list with this router in it appeared in RMS"
