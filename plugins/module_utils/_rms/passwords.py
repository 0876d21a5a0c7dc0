# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sending password requests to RMS: one request for many routers, at most once, and what each answer means for each router."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._http import HttpFault, Reply
from ansible_collections.keyturn.devices.plugins.module_utils._outcomes import Outcome
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.one_time_list import Made
from ansible_collections.keyturn.devices.plugins.module_utils._rms.channel import Channel, watch
from ansible_collections.keyturn.devices.plugins.module_utils._rms.client import (
    RmsClient,
    RmsFault,
    VendorError,
    errors_of,
    read_envelope,
    whole_number,
)
from ansible_collections.keyturn.devices.plugins.module_utils._rms.outcomes import Target, reason_of, same_password, says_same

NOT_SENT = "Nothing was sent to this router"

# Two requests in a row without a usable answer: more of them would only make more routers whose password nobody knows.
_MOST_LOST = 2

# data.3.password or data[3].password, as validators of web frameworks name an element (assumed).
_ELEMENT = re.compile(r"data[.\[](\d+)\b")
_PASSWORD_FIELD = re.compile(r"(.*\.)?password")


@dataclass(frozen=True)
class Request:
    """A way to ask: the path under the API, what is sent for some targets, and whether it tells them by serial or by id."""

    path: tuple[str, ...]
    content: Callable[[Sequence[Target]], dict[str, Any]]
    by_serial: bool = False


def _set(targets: Sequence[Target]) -> dict[str, Any]:
    # show_password is left out: true would put every password into the channel.
    return {
        "json": {"data": [{"id": target.id, "password": target.password, "password_confirmation": target.password} for target in targets]}
    }


def _upload(targets: Sequence[Target]) -> dict[str, Any]:
    # Neither header nor separator of this file are published: the plainest form, serial and password (assumed).
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows((target.serial, target.password) for target in targets)
    return {"files": {"file": ("passwords.csv", text.getvalue().encode("utf-8"), "text/csv")}}


SET = Request(("devices", "passwords", "set"), _set)
UPLOAD = Request(("devices", "passwords", "upload"), _upload, by_serial=True)

# Characters that a CSV reader may take for its own.
RISKY_IN_CSV = frozenset(',;"')


def generate_request(made: Made) -> Request:
    """Have RMS make the passwords."""

    def content(targets: Sequence[Target]) -> dict[str, Any]:
        return {"json": {"data": [{"id": target.id, "length": made.length, "use_special": int(bool(made.special))} for target in targets]}}

    return Request(("devices", "passwords", "generate"), content)


def batches(targets: Sequence[Target], size: int) -> Iterator[list[Target]]:
    """The targets in lists of at most C(size)."""
    for start in range(0, len(targets), size):
        yield list(targets[start : start + size])


def set_passwords(client: RmsClient, targets: Sequence[Target], request: Request, batch_size: int) -> RmsFault | None:
    """Ask RMS to set the password of every target, and wait for what becomes of each.

    All requests go out before the waiting starts. Every target has an outcome in the end. Returns the fault that ended it early.
    """
    channels: list[Channel] = []
    fault: RmsFault | None = None
    lost = 0
    for batch in batches(targets, batch_size):
        sent = send(client, batch, request)
        lost = lost + 1 if sent.lost else 0
        if sent.channel is not None:
            channels.append(sent.channel)
        fault = sent.fault
        if fault is None and lost >= _MOST_LOST:
            fault = RmsFault("unreachable", f"RMS gave no usable answer to {lost} requests in a row.")
        if fault is not None:
            break
    if fault is not None:
        not_sent(targets, fault, {id(target) for channel in channels for target in channel.targets.values()})
    watch_fault = watch(client, channels)
    for channel in channels:
        outcome_open(channel.waiting, watch_fault, channel.expired)
    return fault or watch_fault


def not_sent(targets: Sequence[Target], fault: RmsFault, asked: Collection[int] = ()) -> None:
    """Settle the targets that no request mentioned. C(asked): C(id()) of those that one did."""
    for target in targets:
        if target.outcome is None and id(target) not in asked:
            if fault.reason == "bad_input":
                target.end("failed", "bad_input", f"{NOT_SENT}: the task cannot be carried out as it is written.")
            else:
                target.end("failed", "not_sent", f"{NOT_SENT}: {fault.message}")


def outcome_open(targets: Sequence[Target], fault: RmsFault | None, expired: bool) -> None:
    """Settle the targets that RMS accepted and never told the end of."""
    for target in targets:
        if fault is not None:
            target.end("unknown", fault.reason, f"RMS accepted the request and could not be asked for the outcome: {fault.message}")
        elif expired:
            target.end("unknown", "timeout", "RMS accepted the request and forgot it before it told what became of this router.")
        else:
            target.end("unknown", "timeout", "RMS accepted the request and told no outcome for this router before the deadline.")


@dataclass
class Sent:
    """What a request led to. Its targets without an outcome are those of the channel.

    C(lost): whether RMS may have acted on the request though no usable answer came; then those targets are C(unknown).
    C(fault): set when asking for other targets would end the same way.
    """

    channel: Channel | None = None
    lost: bool = False
    fault: RmsFault | None = None


def send(client: RmsClient, batch: Sequence[Target], request: Request) -> Sent:
    """Send one request for a batch, and once more without the routers that RMS names when it refuses the whole of it."""
    sent = _send_once(client, batch, request)
    left = [target for target in batch if target.outcome is None]
    if sent is None:
        if left:
            sent = _send_once(client, left, request)
        if sent is None:
            sent = Sent()
            for target in left:
                if target.outcome is None:
                    target.end("failed", "rejected", "RMS refused the request, and refused it again without the routers it had named.")
    return sent


def _send_once(client: RmsClient, batch: Sequence[Target], request: Request) -> Sent | None:
    """One request. None when RMS refused all of it for the sake of some, which have their outcome; the others may be asked for again."""
    reply: Reply | None = None
    if client.remaining <= 0:
        return _stopped(batch, RmsFault("timeout", "the deadline passed before the request was sent."))
    client.http.sent_late = False
    try:
        reply = client.change(request.path, request.content(batch))
        if reply.status == 429 and client.pause(reply):
            reply = client.change(request.path, request.content(batch))
    except HttpFault as fault:
        if not fault.sent:
            return _stopped(batch, RmsFault(fault.reason, f"RMS cannot be reached: {fault.message}."))
        return _lost(batch, fault.reason, f"The request was sent and its outcome is not known: {fault.message}.")
    finally:
        for target in batch:
            target.sent_late = target.sent_late or client.http.sent_late
    envelope = read_envelope(reply)
    named = _named(batch, errors_of(envelope), request.by_serial)
    if reply.status in (301, 307, 308, 401, 429) or (reply.status in (403, 404) and not named):
        return _stopped(batch, client.refusal(reply))
    said_no = reply.status == 200 and envelope is not None and envelope.get("success") is False
    if said_no or (400 <= reply.status < 500 and reply.status != 408):
        return _refused(client, batch, reply, named)
    meta = envelope.get("meta") if envelope is not None else None
    name = meta.get("channel") if isinstance(meta, dict) else None
    if reply.status not in (200, 201, 202, 207) or not isinstance(name, str) or not name:
        what = "without a status channel" if envelope is not None and reply.status < 300 else "that cannot be used"
        return _lost(batch, "protocol", f"The request was sent and RMS gave an answer {what} (HTTP {reply.status}{client.words(reply)}).")
    targets = {str(target.id): target for target in batch}
    if reply.status in (201, 207):
        _note_partial(client, envelope or {}, targets, named)
    return Sent(Channel(name, {identifier: target for identifier, target in targets.items() if target.outcome is None}))


def _note_partial(client: RmsClient, envelope: Mapping[str, Any], targets: Mapping[str, Target], named: Mapping[str, VendorError]) -> None:
    """Settle those that RMS did not take: refused by name, or neither taken nor refused. What it took, the channel tells of."""
    data = envelope.get("data")
    taken = {str(whole_number(identifier)) for identifier in data} if isinstance(data, list) else set(targets) - set(named)
    for identifier, target in targets.items():
        if identifier in taken:
            continue
        if identifier in named:
            _refuse(client, target, named[identifier], "rejected")
        else:
            target.end("unknown", "protocol", "RMS took a part of the request and does not say whether this router is in it.")


def _stopped(batch: Sequence[Target], fault: RmsFault) -> Sent:
    """The request certainly changed nothing, and no other will."""
    for target in batch:
        if target.outcome is None:
            target.end("failed", fault.reason, f"{NOT_SENT}: {fault.message}")
    return Sent(fault=fault)


def _lost(batch: Sequence[Target], reason: str, message: str) -> Sent:
    for target in batch:
        if target.outcome is None:
            target.end("unknown", reason, message)
    return Sent(lost=True)


def _refused(client: RmsClient, batch: Sequence[Target], reply: Reply, named: Mapping[str, VendorError]) -> Sent | None:
    """RMS refused the whole request (that it then changed nothing is assumed). Those it names end here; without names, all do."""
    otherwise = "conflict" if reply.status == 409 else "rejected"
    if named:
        targets = {str(target.id): target for target in batch}
        for identifier, error in named.items():
            _refuse(client, targets[identifier], error, otherwise)
        return None
    errors = errors_of(read_envelope(reply))
    told = f"RMS refused the request (HTTP {reply.status}{client.words(reply)})."
    for target in batch:
        target.outcome = _refusal(client, errors, told, otherwise)
    return Sent()


def _refuse(client: RmsClient, target: Target, error: VendorError, otherwise: str) -> None:
    words = client.shown(error.message or error.code) or "no reason given"
    target.outcome = _refusal(client, [error], f"RMS refused this router: {words}", otherwise)


def _refusal(client: RmsClient, errors: Sequence[VendorError], told: str, otherwise: str) -> Outcome:
    """What a refusal by RMS itself means: nothing was changed, whatever its words; a conflict stays one."""
    words = [client.shown(error.message or error.code) for error in errors]
    if any(map(says_same, words)):
        return same_password(told)
    if otherwise == "conflict":
        return Outcome("failed", otherwise, told)
    reasons = [
        reason_of(said) or ("rejected_by_policy" if _is_password(error) else None) for said, error in zip(words, errors, strict=True)
    ]
    return Outcome("failed", next(filter(None, reasons), otherwise), told)


def _is_password(error: VendorError) -> bool:
    """Whether the field that is refused is the password (documented for C(source) of 422)."""
    return _PASSWORD_FIELD.fullmatch(error.source.strip()) is not None


def _named(batch: Sequence[Target], errors: Sequence[VendorError], by_serial: bool) -> dict[str, VendorError]:
    """id of a target -> the first error that names it: by id or serial (documented), or by its place in the request (assumed)."""
    by_id = {str(target.id): str(target.id) for target in batch}
    serials = {target.serial: str(target.id) for target in batch}
    # A serial may look like another router's id; the request said by which of the two it names routers.
    names = by_id | serials if by_serial else serials | by_id
    found: dict[str, VendorError] = {}
    for error in errors:
        source = error.source.strip()
        place = _ELEMENT.match(source)
        if source in names:
            found.setdefault(names[source], error)
        elif place is not None and int(place[1]) < len(batch):
            found.setdefault(str(batch[int(place[1])].id), error)
    return found
