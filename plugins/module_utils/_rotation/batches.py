# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Batches: the plan cut into pieces that are staged, applied, verified and committed together.

A batch is plain data, ready to be handed to the modules as it is:

* C(number), C(kind), C(names), C(site) (the inventory host where what speaks to a router runs)
  * C(rms_set), C(rms_generate): through RMS, and where a log-in is possible proven by one
  * C(device): at the router itself, also to finish by SSH what an earlier run began there
  * C(login): open from an earlier run; a log-in tells which password is in force
* C(stage): requests for C(ledger) with C(state=staged); empty for devices that are taken up again, with C(state=resumed) and C(resume)
* C(apply): C(name), C(serial) and what else C(router_password) needs to find the router; never a password
* C(generate), C(generated_csv): for a batch whose passwords RMS makes
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import PasswordPolicy
from ansible_collections.keyturn.devices.plugins.module_utils._rotation.inventory import Device
from ansible_collections.keyturn.devices.plugins.module_utils._rotation.plan import Due, Unsettled

Batch = dict[str, t.Any]
T = t.TypeVar("T")


@dataclass(frozen=True)
class Sizes:
    """C(first): the devices of the first batch of a run, few, so that what is wrong with all shows on a few. C(later): of the others."""

    first: int
    later: int


def cut(entries: Sequence[T], sizes: Sizes, first: bool) -> Iterator[Sequence[T]]:
    """The entries in parts; C(first): whether the first part is the first of the run."""
    start, size = 0, min(sizes.first, sizes.later) if first else sizes.later
    while start < len(entries):
        yield entries[start : start + size]
        start, size = start + size, sizes.later


def batches_of_due(
    due: Sequence[Due],
    records: Mapping[str, Mapping[str, t.Any]],
    routers: Mapping[str, Mapping[str, t.Any]],
    sizes: Sizes,
    generated_csv: str,
) -> list[Batch]:
    """C(generated_csv): where the one-time list of a batch goes, with C({number}) for the batch's number."""
    groups: dict[tuple[str, str, int, bool], list[Due]] = {}
    for entry in due:
        kind = _kind(entry.device, generates=entry.device.source.kind == "rms")
        # RMS makes passwords of one length and kind per request.
        length, special = (min(entry.policy.length, 32), entry.policy.special) if kind == "rms_generate" else (0, False)
        groups.setdefault((kind, entry.device.site, length, special), []).append(entry)
    batches: list[Batch] = []
    for (kind, _site, length, special), entries in groups.items():
        for part in cut(entries, sizes, first=not batches):
            number = len(batches) + 1
            batch = _batch(number, kind, [entry.device for entry in part], routers)
            if kind == "rms_generate":
                batch["generate"] = {"length": length, "special": special}
                batch["generated_csv"] = generated_csv.format(number=number)
            batch["stage"] = [_stage_request(entry, records.get(entry.device.name, {}), routers, batch) for entry in part]
            batches.append(batch)
    return batches


def batches_of_unsettled(unsettled: Sequence[Unsettled], routers: Mapping[str, Mapping[str, t.Any]], sizes: Sizes) -> list[Batch]:
    """Those whose password only RMS knows come first, a batch per list: it must be fetched before it can be tried."""
    lists: dict[str, list[Unsettled]] = {}
    groups: dict[tuple[str, str], list[Device]] = {}
    for entry in unsettled:
        if entry.awaiting:
            lists.setdefault(entry.generated_csv, []).append(entry)
        else:
            groups.setdefault((_kind_of_unsettled(entry.device), entry.device.site), []).append(entry.device)
    batches: list[Batch] = []
    for path, entries in lists.items():
        batch = _batch(len(batches) + 1, "rms_generate", [entry.device for entry in entries], routers)
        batches.append({**batch, "generate": {"collect": True}, "generated_csv": path})
    for (kind, _site), devices in groups.items():
        for part in cut(devices, sizes, first=not batches):
            batch = _batch(len(batches) + 1, kind, part, routers)
            if kind == "device":
                batch["apply"] = [{**request, "try_first": "new"} for request in batch["apply"]]
            batches.append(batch)
    return batches


def _kind_of_unsettled(device: Device) -> str:
    if not device.can_log_in:
        return "rms_set"
    # By SSH root and the web user change one after the other: who finds root's old password knows nothing of the other's.
    return "device" if device.protocol == "ssh" and not device.uses_rms else "login"


def _kind(device: Device, generates: bool) -> str:
    if not device.uses_rms:
        return "device"
    return "rms_generate" if generates else "rms_set"


def _batch(number: int, kind: str, devices: Sequence[Device], routers: Mapping[str, Mapping[str, t.Any]]) -> Batch:
    apply = []
    for device in devices:
        request: dict[str, t.Any] = {"name": device.name, "serial": device.serial, "via": device.via}
        if device.uses_rms:
            request["id"] = routers[device.serial]["id"]
        if device.can_log_in:
            request.update(host=device.host, username=device.username, protocol=device.protocol)
            if device.fingerprint:
                request["fingerprint"] = device.fingerprint
        apply.append(request)
    return {
        "number": number,
        "kind": kind,
        "names": [device.name for device in devices],
        "site": devices[0].site,
        "verify": any(device.via == "rms_then_verify" for device in devices),
        "resume": [{"name": device.name} for device in devices],
        "apply": apply,
        "collect": [{"name": device.name, "identifiers": _identifiers(device, routers)} for device in devices]
        if kind == "rms_generate"
        else [],
        "generate": None,
        "generated_csv": None,
        "stage": [],
    }


def _identifiers(device: Device, routers: Mapping[str, Mapping[str, t.Any]]) -> list[str]:
    """By what the one-time list may name this router, the surest first. Its columns are not published."""
    router = routers.get(device.serial, {})
    return [device.serial, *(str(router[name]) for name in ("mac", "name") if router.get(name))]


def _stage_request(entry: Due, record: Mapping[str, t.Any], routers: Mapping[str, Mapping[str, t.Any]], batch: Batch) -> dict[str, t.Any]:
    request: dict[str, t.Any] = {
        "name": entry.device.name,
        "serial": entry.device.serial,
        "source": entry.device.source.kind,
        "supersede": entry.supersede,
        "expected_current": (record.get("current") or {}).get("id", ""),
    }
    if entry.password:
        request["password"] = entry.password
    elif batch["kind"] == "rms_generate":
        request["generated_csv"] = batch["generated_csv"]
    else:
        request["policy"] = policy_mapping(entry.policy)
    return request


def policy_mapping(policy: PasswordPolicy) -> dict[str, object]:
    """The joined policy as the shortest mapping that could have been written for it. It goes along with every device of a batch."""
    usual = asdict(PasswordPolicy())
    given = {name: value for name, value in asdict(policy).items() if value is not None and value != usual[name] and name != "max_age_days"}
    return {**given, "length": policy.length, "min_length": policy.min_length}
