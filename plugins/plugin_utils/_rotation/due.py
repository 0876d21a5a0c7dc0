# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is due for a new password, and why: the first step of a rotation.

Pure: it is given the inventory's devices, the ledger's records and what a listing says, and asks nobody anything.
"""

from __future__ import annotations

import datetime
import hashlib
import typing as t
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.keyturn.devices.plugins.module_utils._passwords.floors import floor_for
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import PasswordPolicy, PolicyError, violations
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import Device, Problem, Product, Sighting

Record = Mapping[str, t.Any]

# Why a device is due. The names are returned to playbooks.
FORCED = "forced"
NO_PASSWORD = "no_password"
NEVER_VERIFIED = "never_verified"
TOO_OLD = "too_old"
BREAKS_POLICY = "breaks_policy"
SOURCE_DIFFERS = "source_differs"
UNSETTLED_REFUSED = "unsettled_refused"
UNSETTLED_WITHOUT_PASSWORD = "unsettled_without_password"


@dataclass(frozen=True)
class Due:
    """One device that is to get a new password, with all that the steps after this one need. C(reasons): name -> the same for people.

    C(wanted): what its source gives. C(supersede): a password in doubt is left behind. C(unsettled_first): it is due only if what an
    earlier run left open ends with the old password, so it is decided again once that is settled.
    """

    device: Device
    sighting: Sighting
    reasons: Mapping[str, str]
    policy: PasswordPolicy
    wanted: str = field(default="", repr=False)
    supersede: bool = False
    unsettled_first: bool = False
    failed_before: bool = False


@dataclass(frozen=True)
class Unsettled:
    """One device whose last rotation ended without a proven outcome."""

    device: Device
    sighting: Sighting
    awaiting: bool
    list_id: str


@dataclass(frozen=True)
class Refused:
    """One device that no batch will hold, and what is told of it: a C(result) of C(tally), a reason and a message."""

    name: str
    result: str
    reason: str = ""
    message: str = ""


@dataclass
class Plan:
    """What is to be done with each device of a run."""

    due: list[Due] = field(default_factory=list)
    unsettled: list[Unsettled] = field(default_factory=list)
    #: Whose passwords a login can prove, where nothing is to be changed.
    verifiable: list[Device] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    not_due: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True)
class Rules:
    """What decides: who is forced, how far due dates are spread (percent of the greatest age, by name), the time (timezone-aware).

    C(open_only): of the due ones only those that an earlier run left open and that cannot be settled in any other way.
    """

    now: datetime.datetime
    force: Collection[str] = ()
    spread: Mapping[str, int] = field(default_factory=dict)
    open_only: bool = False


class Policies:
    """The policy in force for a device: the user's, joined with the floors of its product. Joined once for all alike."""

    def __init__(self, product: Product) -> None:
        self._product = product
        self._joined: dict[tuple[str, tuple[tuple[str, str | None], ...]], PasswordPolicy | PolicyError] = {}

    def of(self, device: Device, sighting: Sighting) -> PasswordPolicy:
        """Raises PolicyError when the user's policy is wrong, or when nothing could satisfy it and the product."""
        floors = tuple(self._product.policies(device, sighting))
        key = (repr(sorted(device.policy.items(), key=str)), floors)
        if key not in self._joined:
            try:
                policy = PasswordPolicy.from_mapping(device.policy, where="device_password_policy")
                for product, firmware in floors:
                    policy = policy.with_floor(floor_for(product, firmware))
                self._joined[key] = policy
            except PolicyError as error:
                self._joined[key] = error
        known = self._joined[key]
        if isinstance(known, PolicyError):
            raise known
        return known


def make_plan(
    product: Product,
    devices: Sequence[Device],
    records: Mapping[str, Record],
    sightings: Mapping[str, Sighting],
    wanted: Mapping[str, str],
    rules: Rules,
) -> Plan:
    """Decide for every device. C(records): the ledger's devices with their secrets, by name. C(wanted): what sources of kind csv or value
    give, by name.
    """
    plan = Plan()
    policies = Policies(product)
    for device in devices:
        sighting = sightings.get(device.name, Sighting())
        try:
            policy = policies.of(device, sighting)
        except PolicyError as error:
            plan.problems += [Problem(device.name, f"device_password_policy.{name}", message) for name, message in error.problems]
            continue
        if sighting.reason:
            plan.refused.append(Refused(device.name, "refused", sighting.reason, sighting.message))
            continue
        _place(plan, product, device, sighting, policy, records.get(device.name, {}), wanted.get(device.name, ""), rules)
    if rules.open_only:
        plan.due = [due for due in plan.due if due.supersede or (due.unsettled_first and product.can_replace(due.device))]
    # Those that failed before go last, so that a few stubborn ones do not keep a fleet from its turn.
    plan.due.sort(key=lambda due: due.failed_before)
    return plan


def _place(
    plan: Plan,
    product: Product,
    device: Device,
    sighting: Sighting,
    policy: PasswordPolicy,
    record: Record,
    wanted: str,
    rules: Rules,
) -> None:
    current = (record.get("current") or {}).get("password")
    if wanted and wanted != current and not rules.open_only:
        broken = violations(wanted, policy, former_passwords(record))
        plan.problems += [Problem(device.name, f"device_password_source ({device.source.kind})", each.message) for each in broken]
        if broken:
            return
    if record.get("orphaned"):
        plan.refused.append(Refused(device.name, "orphaned", str(record.get("orphaned_reason") or "")))
        return
    staged = record.get("staged")
    supersede = ""
    if staged:
        # While another run has it, dead or alive, it is taken over first: from then on the ledger knows how long a request of that run may
        # still be on its way.
        supersede = "" if record.get("lease") else why_superseded(product, device, staged)
        if not supersede and sighting.online is False and not product.kind_of_unsettled(device, False).proves:
            plan.refused.append(Refused(device.name, "offline_unsettled", "offline"))
            return
        if not supersede:
            plan.unsettled.append(Unsettled(device, sighting, bool(staged.get("awaiting")), str(staged.get("list_id") or "")))
    reasons = due_reasons(device, policy, record, wanted, rules)
    if supersede:
        reasons = {supersede: "the staged password cannot be settled, and a new one can be set without the old one", **reasons}
    due = Due(
        device,
        sighting,
        reasons,
        policy,
        wanted=wanted,
        supersede=bool(supersede),
        unsettled_first=bool(staged) and not supersede,
        failed_before=bool(record.get("failures")),
    )
    if due.unsettled_first:
        plan.due.append(due)
    elif not reasons:
        plan.not_due.append(device.name)
    elif sighting.online is False:
        plan.refused.append(Refused(device.name, "offline", "offline"))
    elif product.needs_current(device) and not current:
        plan.refused.append(Refused(device.name, "without_password", "no_current_password"))
    else:
        plan.due.append(due)


def former_passwords(record: Record) -> list[str]:
    """The current one first, then newest first."""
    return [slot["password"] for slot in (record.get("current"), *record.get("previous", ())) if slot and slot.get("password")]


def why_superseded(product: Product, device: Device, staged: Mapping[str, t.Any]) -> str:
    """A password in doubt is left behind only where a new one can be set without knowing the old, and only after it was tried.

    A vendor that says of it that the device has it already proves nothing; of a new one it cannot say so.
    """
    if not product.can_replace(device) or staged.get("attempts", 1) < 2:
        return ""
    if staged.get("awaiting"):
        return UNSETTLED_WITHOUT_PASSWORD
    return UNSETTLED_REFUSED if staged.get("last_reason") in ("rejected_by_policy", "same_password") else ""


def due_reasons(device: Device, policy: PasswordPolicy, record: Record, wanted: str, rules: Rules) -> dict[str, str]:
    """Why a device is due, by name; empty when it is not."""
    return dict(_due_reasons(device, policy, record, wanted, rules))


def _due_reasons(device: Device, policy: PasswordPolicy, record: Record, wanted: str, rules: Rules) -> Iterable[tuple[str, str]]:
    if device.name in rules.force:
        yield FORCED, "asked for by force"
    current = record.get("current") or {}
    password = current.get("password")
    if not password:
        yield NO_PASSWORD, "the ledger holds no password of it"
        return
    if not record.get("last_verified"):
        yield NEVER_VERIFIED, "its password was never proven"
    if wanted:
        # A given password is the wanted state; its age is for its giver to care about.
        if wanted != password:
            yield SOURCE_DIFFERS, "the source gives another password than the one in force"
        return
    if policy.max_age_days is not None:
        age = rules.now - parse_time(str(current["committed_at"]))
        allowed = policy.max_age_days * (1 - rules.spread.get(device.name, 0) / 100 * _share(device))
        if age > datetime.timedelta(days=allowed):
            earlier = f", and it is asked for from {allowed:.1f} days on" if age.days < policy.max_age_days else ""
            yield TOO_OLD, f"{age.days} days old, the policy allows {policy.max_age_days}{earlier}"
    broken = violations(password, policy)
    if broken:
        yield BREAKS_POLICY, "; ".join(violation.message for violation in broken)


def _share(device: Device) -> float:
    """Between 0 and 1, always the same for a device: how much of the spread is its own, so that one fleet is not due on one day."""
    digest = hashlib.sha256((device.serial or device.name).encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:4], "big") / 2**32


def parse_time(text: str) -> datetime.datetime:
    """ISO 8601 with Z or an offset, as the ledger writes it. Python 3.10 does not know the Z."""
    return datetime.datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
