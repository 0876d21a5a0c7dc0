# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making passwords durable before any device hears of them, and trying again with those that were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.change import Change
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import PasswordRefused, raise_all
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.following import EXCHANGED, RENAMED, follow
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.leases import HELD, MINE, Leases
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.reading import devices_with_case
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import Device, Password, Passwords, Result, StageRequest
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.rules import ORPHANED, TOO_MANY_ATTEMPTS, is_exhausted
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.schema import STAGED, SUPERSEDED

# What following a serial number found, and a person should know.
_TOLD = (RENAMED, EXCHANGED)

# The device has an open recovery case, which its passwords are left to.
IN_RECOVERY = "in_recovery"


def stage(change: Change, requests: Sequence[StageRequest], lease_seconds: float) -> list[Result]:
    """See C(Ledger.stage)."""
    wanted = {request.name: request for request in requests}
    leases = Leases(change)
    followed = follow(change, {request.name: request.serial for request in requests})
    results = {name: result for name, result in followed.results.items() if result.status == "busy"}
    devices = followed.devices
    for request in requests:
        if request.name not in results and request.name not in devices:
            devices[request.name] = change.new_device(request.name, request.serial)
    refused: list[tuple[str, str]] = []
    in_recovery = devices_with_case(change.connection)
    for device, passwords in change.known(list(devices.values())):
        name = device.name
        if device.id in in_recovery and not wanted[name].case_id:
            results[name] = Result(name, "busy", IN_RECOVERY)
            continue
        try:
            result = _stage(change, leases, device, passwords, wanted[name], lease_seconds)
        except PasswordRefused as error:
            refused.append((name, str(error)))
            continue
        told = followed.results[name]
        if told.changed:
            warnings = (*result.warnings, told.status) if told.status in _TOLD else result.warnings
            result = Result(name, result.status, result.reason, True, warnings, {**told.details, **result.details})
        results[name] = result
    raise_all("policy", refused)
    return [results[request.name] for request in requests]


def _stage(change: Change, leases: Leases, device: Device, passwords: Passwords, request: StageRequest, lease_seconds: float) -> Result:
    name, staged, current = device.name, passwords.staged, passwords.current
    warnings = leases.cap(device)
    if device.orphaned and not request.recovers:
        return Result(name, ORPHANED, device.orphaned, bool(warnings), warnings)
    if leases.of(device) == HELD:
        return Result(name, "busy", "leased", bool(warnings), warnings)
    already = Result(name, "already_staged", "unsettled", bool(warnings), warnings, _held(device, staged) if staged else {})
    # A made password of this very run: asked for again, it is the one that is there.
    repeated = staged and (staged.run_id, staged.source) == (change.run.id, request.source) and request.source in ("generate", "rms")
    if staged and (repeated or not request.supersede):
        return already
    if request.expected_current is not None and request.expected_current != (current.id if current else ""):
        return Result(name, "changed_meanwhile", "", bool(warnings), warnings)
    if leases.is_fenced(device):
        seconds = max(0.0, (device.fence_until or 0) - change.now)
        return Result(name, "busy", "fenced", bool(warnings), warnings, {"seconds": seconds})
    secret = None
    if request.make is not None:
        former = [known for password in (current, *passwords.history) if password and (known := change.secret(device, password))]
        doubtful = [known] if staged and (known := change.secret(device, staged)) else []
        secret = request.make(former + doubtful if current else doubtful + former)
        if staged and doubtful == [secret]:
            return already
    if staged:
        change.move(device, staged, SUPERSEDED, "superseded")
        # It may be in force: until the new one is proven, nothing is.
        change.unverify(device)
    until = leases.take(device, lease_seconds)
    password_id = change.add_password(
        device,
        STAGED,
        secret,
        source=request.source,
        made_by_vendor=request.make is None,
        list_id=request.list_id,
        attempts=1,
        arrives_until=until,
    )
    change.event(device, "", STAGED, request.source)
    change.update_device(device, history=request.history)
    return Result(name, STAGED, "", True, warnings, {"password_id": password_id, "lease_until": until})


def _held(device: Device, staged: Password) -> Mapping[str, object]:
    return {"password_id": staged.id, "lease_until": device.lease_until}


def collect(change: Change, passwords: Mapping[str, str]) -> list[Result]:
    """See C(Ledger.collect)."""
    leases = Leases(change)
    results = {name: Result(name, "nothing_awaited", "not_in_ledger") for name in passwords}
    for device, known in change.known(change.devices(passwords)):
        results[device.name] = _collect(change, leases, device, known, passwords[device.name])
    return list(results.values())


def _collect(change: Change, leases: Leases, device: Device, known: Passwords, password: str) -> Result:
    made_by_vendor = [each for each in known.all() if each.made_by_vendor]
    mine = leases.of(device) == MINE
    # One of this run's, wherever it stands by now; else the staged one, when this run has taken it over.
    candidates = [each for each in made_by_vendor if each.run_id == change.run.id or (mine and each.slot == STAGED)]
    if not candidates:
        return Result(device.name, "lost_lease" if made_by_vendor and not made_by_vendor[0].secret else "nothing_awaited")
    target = candidates[0]
    if target.secret is None:
        change.update_password(target, secret=change.seal(device, target.id, password))
        change.event(device, target.slot, target.slot, "collected")
        return Result(device.name, "collected", "" if target.slot == STAGED else target.slot, changed=True)
    if any(change.secret(device, each) == password for each in made_by_vendor):
        return Result(device.name, "unchanged")
    # The vendor was asked twice and made two. Which one is in force is for the next step to find out; neither may be lost.
    if target.slot != STAGED:
        return Result(device.name, "nothing_awaited", "another_was_collected")
    change.move(device, target, SUPERSEDED, "another_was_collected")
    change.add_password(
        device,
        STAGED,
        password,
        source=target.source,
        made_by_vendor=True,
        list_id=target.list_id,
        attempts=target.attempts,
        excused=target.excused,
        arrives_until=target.arrives_until,
    )
    change.event(device, "", STAGED, "collected")
    return Result(device.name, "collected", "another_was_collected", changed=True)


def resume(change: Change, names: Sequence[str], lease_seconds: float, max_attempts: int, recovers: bool) -> list[Result]:
    """See C(Ledger.resume)."""
    leases = Leases(change)
    results = {name: Result(name, "nothing_staged") for name in names}
    in_recovery = devices_with_case(change.connection)
    for device, passwords in change.known(change.devices(names)):
        if device.id in in_recovery:
            results[device.name] = Result(device.name, "busy", IN_RECOVERY)
        elif passwords.staged is not None:
            results[device.name] = _resume(change, leases, device, passwords.staged, lease_seconds, max_attempts, recovers)
    return list(results.values())


def _resume(
    change: Change, leases: Leases, device: Device, staged: Password, lease_seconds: float, max_attempts: int, recovers: bool
) -> Result:
    name = device.name
    warnings = leases.cap(device)
    lease = leases.of(device)
    if device.orphaned and not recovers:
        return Result(name, ORPHANED, device.orphaned, bool(warnings), warnings)
    if lease == HELD:
        return Result(name, "busy", "leased", bool(warnings), warnings)
    if lease != MINE:
        if is_exhausted(staged.attempts, staged.excused, max_attempts):
            leases.release(device)
            orphan(change, device, TOO_MANY_ATTEMPTS)
            return Result(name, ORPHANED, TOO_MANY_ATTEMPTS, True, warnings)
        change.update_password(staged, attempts=staged.attempts + 1)
        taken_over = f", taken over from run {device.lease_run}" if device.lease_run else ""
        change.event(device, STAGED, STAGED, f"attempt {staged.attempts}{taken_over}")
    renewed = lease != MINE or (device.lease_until or 0) - change.now < lease_seconds / 2
    if renewed:
        change.update_password(staged, arrives_until=leases.take(device, lease_seconds))
    details = {
        **_held(device, staged),
        "attempts": staged.attempts,
        "source": staged.source,
        "serial": device.serial,
        "list_id": staged.list_id,
        "note": staged.note,
    }
    return Result(name, "resumed" if staged.secret else "awaiting", "", renewed or bool(warnings), warnings, details)


def note(change: Change, name: str, text: str) -> Result:
    """See C(Ledger.note)."""
    leases = Leases(change)
    for device, passwords in change.known(change.devices([name])):
        if passwords.staged is not None and leases.of(device) == MINE:
            change.update_password(passwords.staged, note=text)
            return Result(name, "noted", changed=True)
    return Result(name, "lost_lease")


def orphan(change: Change, device: Device, reason: str) -> None:
    """Nothing is made or tried for it until a person has looked."""
    change.update_device(device, orphaned=reason, orphaned_at=change.now)
    change.event(device, STAGED, ORPHANED, reason)
