# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is due, why, and in which batches: step 1 of a rotation.

Pure: it is given the inventory's devices, the ledger's records and what RMS knows, and asks nobody anything.
"""

from __future__ import annotations

import datetime
import math
import typing as t
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.keyturn.devices.plugins.module_utils._passwords.floors import floor_for
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import PasswordPolicy, PolicyError, violations
from ansible_collections.keyturn.devices.plugins.module_utils._rotation.inventory import Device, Problem

# Why a device is due. The names are returned to playbooks.
FORCED = "forced"
NO_PASSWORD = "no_password"
NEVER_VERIFIED = "never_verified"
TOO_OLD = "too_old"
BREAKS_POLICY = "breaks_policy"
SOURCE_DIFFERS = "source_differs"
SERIAL_CHANGED = "serial_changed"
UNSETTLED_REFUSED = "unsettled_refused"
UNSETTLED_WITHOUT_PASSWORD = "unsettled_without_password"


@dataclass(frozen=True)
class Due:
    """One device that is to get a new password, with all that the steps after this one need."""

    device: Device
    reasons: tuple[str, ...]
    details: tuple[str, ...]
    policy: PasswordPolicy
    password: str = field(default="", repr=False)
    supersede: bool = False


@dataclass(frozen=True)
class Unsettled:
    """One device whose last rotation ended without a proven outcome."""

    device: Device
    awaiting: bool
    generated_csv: str
    #: RMS made its password, which is known now, and does not say whether it is in force: setting it once more settles it.
    came_to_light: bool


@dataclass
class Plan:
    due: list[Due] = field(default_factory=list)
    unsettled: list[Unsettled] = field(default_factory=list)
    orphaned: list[str] = field(default_factory=list)
    missing: list[Device] = field(default_factory=list)
    offline: list[str] = field(default_factory=list)
    without_password: list[str] = field(default_factory=list)
    not_due: list[str] = field(default_factory=list)
    #: Seconds until nothing that a killed run asked for can still reach a due device.
    fenced_seconds: int = 0
    problems: list[Problem] = field(default_factory=list)


class Policies:
    """The policy in force for a device: the user's, joined with the floors of its products. Joined once for all alike."""

    def __init__(self) -> None:
        self._joined: dict[tuple[str, bool, str | None], PasswordPolicy] = {}

    def of(self, device: Device, firmware: str | None) -> PasswordPolicy:
        """Raises PolicyError when the user's policy is wrong, or when nothing could satisfy it and the product."""
        key = (repr(sorted(device.policy.items(), key=str)), device.uses_rms, firmware)
        if key not in self._joined:
            policy = PasswordPolicy.from_mapping(device.policy, where="device_password_policy")
            if device.uses_rms:
                policy = policy.with_floor(floor_for("rms", firmware))
            self._joined[key] = policy.with_floor(floor_for("rutos", firmware))
        return self._joined[key]


def make_plan(
    devices: Sequence[Device],
    records: Mapping[str, Mapping[str, t.Any]],
    routers: Mapping[str, Mapping[str, t.Any]] | None,
    wanted: Mapping[str, str],
    force: bool,
    now: datetime.datetime,
    open_only: bool = False,
    again: bool = False,
) -> Plan:
    """Decide for every device.

    C(open_only): of the due ones only those that an earlier run left open and that cannot be settled in any other way.
    C(again): of the unsettled devices only those whose password came to light since the first plan of this run.

    C(records): the ledger's devices with their secrets, by name. C(routers): what RMS knows, by serial; C(None) when RMS was not asked.
    C(wanted): the password a source of kind csv or value gives, by device name. C(now): timezone-aware.
    """
    plan = Plan()
    policies = Policies()
    for device in devices:
        router: Mapping[str, t.Any] = {}
        if device.uses_rms and routers is not None:
            if device.serial not in routers:
                plan.missing.append(device)
                continue
            router = routers[device.serial]
        try:
            policy = policies.of(device, router.get("firmware"))
        except PolicyError as error:
            plan.problems += [Problem(device.name, f"device_password_policy.{name}", message) for name, message in error.problems]
            continue
        # RMS lists a router that it cannot reach: asking for it would only be refused, or, worse, be carried out later.
        offline = device.uses_rms and router.get("online") is False
        _place(plan, device, policy, records.get(device.name, {}), wanted.get(device.name, ""), force, now, offline)
    if open_only:
        plan.due = [due for due in plan.due if due.supersede]
    if again:
        plan.unsettled = [entry for entry in plan.unsettled if entry.came_to_light]
    fences = [str(records[due.device.name]["fence_until"]) for due in plan.due if records.get(due.device.name, {}).get("fence_until")]
    plan.fenced_seconds = max((math.ceil((parse_time(fence) - now).total_seconds()) + 1 for fence in fences), default=0)
    return plan


def _place(
    plan: Plan,
    device: Device,
    policy: PasswordPolicy,
    record: Mapping[str, t.Any],
    wanted: str,
    force: bool,
    now: datetime.datetime,
    offline: bool,
) -> None:
    former = [slot["password"] for slot in (record.get("current"), *record.get("previous", ())) if slot and slot.get("password")]
    current = record.get("current") or {}
    if wanted and wanted != current.get("password"):
        for violation in violations(wanted, policy, former):
            plan.problems.append(Problem(device.name, f"device_password_source ({device.source.kind})", violation.message))
    if record.get("orphaned"):
        plan.orphaned.append(device.name)
        return
    staged = record.get("staged")
    supersede = ""
    if staged:
        # While another run has it, dead or alive, it is taken over first: from then on the ledger knows how long a request of that run may
        # still be on its way.
        supersede = "" if record.get("lease") else _why_superseded(device, staged)
        if not supersede and offline and not device.can_log_in:
            plan.offline.append(device.name)
            return
        if not supersede:
            awaiting = bool(staged.get("awaiting"))
            came_to_light = not awaiting and staged.get("last_reason") == "unconfirmed"
            plan.unsettled.append(Unsettled(device, awaiting, str(staged.get("generated_csv") or ""), came_to_light))
            return
    reasons = dict(_due_reasons(device, policy, current, record, wanted, force, now))
    if supersede:
        reasons = {supersede: "the staged password cannot be settled and RMS needs no old password to set a new one", **reasons}
    if not reasons:
        plan.not_due.append(device.name)
        return
    if offline:
        plan.offline.append(device.name)
        return
    if not device.uses_rms and not current.get("password"):
        plan.without_password.append(device.name)
        return
    plan.due.append(Due(device, tuple(reasons), tuple(reasons.values()), policy, password=wanted, supersede=bool(supersede)))


def _why_superseded(device: Device, staged: Mapping[str, t.Any]) -> str:
    """A password in doubt is left behind only where a new one can be set without knowing the old, and only after it was tried."""
    if not device.uses_rms or staged.get("attempts", 1) < 2:
        return ""
    if staged.get("awaiting"):
        return UNSETTLED_WITHOUT_PASSWORD
    return UNSETTLED_REFUSED if staged.get("last_reason") == "rejected_by_policy" else ""


def _due_reasons(
    device: Device,
    policy: PasswordPolicy,
    current: Mapping[str, t.Any],
    record: Mapping[str, t.Any],
    wanted: str,
    force: bool,
    now: datetime.datetime,
) -> Iterable[tuple[str, str]]:
    if force:
        yield FORCED, "asked for by force"
    password = current.get("password")
    if not password:
        yield NO_PASSWORD, "the ledger holds no password of it"
        return
    if record.get("serial") not in (None, device.serial):
        yield SERIAL_CHANGED, "it is another box than the one whose password the ledger holds"
    if not record.get("last_verified"):
        yield NEVER_VERIFIED, "its password was never proven"
    if wanted:
        # A given password is the wanted state; its age is for its giver to care about.
        if wanted != password:
            yield SOURCE_DIFFERS, "the source gives another password than the one in force"
        return
    if policy.max_age_days is not None:
        age = now - parse_time(str(current["committed_at"]))
        if age > datetime.timedelta(days=policy.max_age_days):
            yield TOO_OLD, f"{age.days} days old, the policy allows {policy.max_age_days}"
    broken = violations(password, policy)
    if broken:
        yield BREAKS_POLICY, "; ".join(violation.message for violation in broken)


def parse_time(text: str) -> datetime.datetime:
    """ISO 8601 with Z or an offset, as the ledger writes it. Python 3.10 does not know the Z."""
    return datetime.datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
