# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Batches: the plan cut into pieces that are staged, asked, proven and settled together.

A batch travels from the plan to the task that works it as one sealed text: no variable holds a password or a token in between.
"""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import PasswordPolicy
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.due import Due, Record, Rules, Unsettled, parse_time
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import Device, Kind, Member, Product, Sighting, Source

_VERIFY = Kind("verify", asks=False, verifies=True)

# What a batch is sealed for; a text sealed for something else does not open as one.
_PURPOSE = "batch of a rotation"

T = t.TypeVar("T")


@dataclass(frozen=True)
class Wish:
    """The new password that a device of a batch is to get. C(wanted): what its source gives, empty where it is made by the policy."""

    policy: PasswordPolicy
    wanted: str = field(default="", repr=False)
    supersede: bool = False
    #: The id of the current password that the plan was made with; empty for none, None where an earlier run is settled first.
    expected_current: str | None = None


@dataclass(frozen=True)
class Batch:
    """C(wishes): by name; empty for devices that are taken up again with the password that is staged already.

    C(list_id): where the ledger keeps the list that their passwords come in.
    """

    number: int
    kind: Kind
    members: tuple[Member, ...]
    wishes: Mapping[str, Wish]
    list_id: str = ""

    @property
    def stages(self) -> bool:
        return bool(self.wishes)

    @property
    def site(self) -> str:
        return self.members[0].device.site

    @property
    def terms(self) -> Mapping[str, t.Any]:
        """The settings that all its devices share."""
        return self.members[0].device.terms


@dataclass(frozen=True)
class Order:
    """One batch with all that its run has in common. C(batches) and C(devices): of the whole run. C(settings): those of the run."""

    run_id: str
    product: str
    batches: int
    devices: int
    settings: Mapping[str, t.Any]
    rules: Rules
    batch: Batch

    def text(self) -> str:
        """All of it, in clear: to be sealed."""
        batch = self.batch
        return json.dumps(
            {
                "run_id": self.run_id,
                "product": self.product,
                "batches": self.batches,
                "devices": self.devices,
                "settings": dict(self.settings),
                "now": self.rules.now.isoformat(),
                "open_only": self.rules.open_only,
                "force": [name for name in batch.wishes if name in self.rules.force],
                "spread": {name: self.rules.spread[name] for name in batch.wishes if name in self.rules.spread},
                "number": batch.number,
                "kind": asdict(batch.kind),
                "terms": dict(batch.terms),
                "list_id": batch.list_id,
                "members": [_member_data(member) for member in batch.members],
                "wishes": {name: {**asdict(wish), "policy": _policy_data(wish.policy)} for name, wish in batch.wishes.items()},
            }
        )

    @classmethod
    def read(cls, text: str) -> Order:
        """What C(text) wrote."""
        data = json.loads(text)
        batch = Batch(
            number=data["number"],
            kind=Kind(**data["kind"]),
            members=tuple(_read_member(member, data["terms"]) for member in data["members"]),
            wishes={name: Wish(**{**wish, "policy": PasswordPolicy(**wish["policy"])}) for name, wish in data["wishes"].items()},
            list_id=data["list_id"],
        )
        return cls(
            run_id=data["run_id"],
            product=data["product"],
            batches=data["batches"],
            devices=data["devices"],
            settings=data["settings"],
            rules=Rules(parse_time(data["now"]), frozenset(data["force"]), data["spread"], data["open_only"]),
            batch=batch,
        )


def sealed(ledger: Ledger, order: Order) -> str:
    """The order as it travels. Which ledger it belongs to, and how far that had come, stands before it in clear."""
    return f"{ledger.identity} {ledger.generation} {ledger.seal_text(_PURPOSE, order.text())}"


def expected_ledger(text: str) -> tuple[str, int]:
    """Identity and generation of the ledger that a sealed order belongs to."""
    identity, generation, _rest = text.split(" ", 2)
    return identity, int(generation)


def unsealed(ledger: Ledger, text: str) -> Order:
    """The order, opened with the ledger that sealed it."""
    return Order.read(ledger.open_text(_PURPOSE, text.split(" ", 2)[2]))


def _member_data(member: Member) -> dict[str, t.Any]:
    device = member.device
    return {
        "device": {name: value for name, value in vars(device).items() if name not in ("source", "policy", "terms")},
        "source": device.source.kind,
        "sighting": vars(member.sighting),
        "made": dict(member.made),
        "failed_before": member.failed_before,
    }


def _read_member(data: Mapping[str, t.Any], terms: Mapping[str, t.Any]) -> Member:
    # Its source and policy are in its wish by now.
    device = Device(**data["device"], source=Source(data["source"]), policy={}, terms=terms)
    return Member(device, Sighting(**data["sighting"]), data["made"], data["failed_before"])


def _policy_data(policy: PasswordPolicy) -> dict[str, t.Any]:
    """The policy without what is usual: it goes along with every device of a batch."""
    usual = asdict(PasswordPolicy())
    return {name: value for name, value in asdict(policy).items() if value != usual[name]}


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


def list_id_of(run_id: str, number: int, made: Mapping[str, t.Any]) -> str:
    """Names the list of a batch, so that it tells what was asked for to whoever reads it in a later run."""
    return f"{run_id}-{number}-{made['length']}{'s' if made['special'] else ''}"


def _made_of(list_id: str) -> dict[str, t.Any]:
    length = list_id.rpartition("-")[2]
    return {"length": int(length.rstrip("s")), "special": length.endswith("s")} if list_id else {}


def batches_of_unsettled(product: Product, unsettled: Sequence[Unsettled], sizes: Sizes) -> list[Batch]:
    """What earlier runs left open goes first. Of passwords that only the vendor knows there is a batch per list: it must be fetched."""
    groups: dict[tuple[t.Any, ...], list[Unsettled]] = {}
    for entry in unsettled:
        kind = product.kind_of_unsettled(entry.device, entry.awaiting)
        groups.setdefault((kind, entry.device.site, id(entry.device.terms), entry.list_id if kind.collects else ""), []).append(entry)
    batches: list[Batch] = []
    for (kind, _site, _terms, list_id), entries in groups.items():
        for part in [entries] if list_id else cut(entries, sizes, first=not batches):
            members = tuple(Member(entry.device, entry.sighting, _made_of(list_id), failed_before=True) for entry in part)
            batches.append(Batch(len(batches) + 1, kind, members, {}, list_id))
    return batches


def batches_of_due(
    product: Product, due: Sequence[Due], records: Mapping[str, Record], sizes: Sizes, before: int, run_id: str
) -> list[Batch]:
    """C(before): how many batches go before them."""
    groups: dict[tuple[t.Any, ...], list[Due]] = {}
    for entry in due:
        device = entry.device
        kind = product.kind_of_due(device)
        # A vendor makes passwords of one length and kind per request.
        made = (min(entry.policy.length, 32), entry.policy.special) if kind.collects else None
        # Those that failed before stay behind: they have batches of their own, at the end.
        groups.setdefault((entry.failed_before, kind, device.site, id(device.terms), made), []).append(entry)
    batches: list[Batch] = []
    for (_failed, kind, _site, _terms, made), entries in sorted(groups.items(), key=lambda item: item[0][0]):
        for part in cut(entries, sizes, first=not batches and not before):
            number = before + len(batches) + 1
            length, special = made or (0, False)
            how = {"length": length, "special": special} if made else {}
            members = tuple(Member(entry.device, entry.sighting, how, entry.failed_before) for entry in part)
            wishes = {entry.device.name: _wish(entry, records.get(entry.device.name, {})) for entry in part}
            batches.append(Batch(number, kind, members, wishes, list_id_of(run_id, number, how) if kind.collects else ""))
    return batches


def batches_of_verification(devices: Sequence[Device], sizes: Sizes) -> list[Batch]:
    """Devices of one site and the same settings together."""
    groups: dict[tuple[str, int], list[Device]] = {}
    for device in devices:
        groups.setdefault((device.site, id(device.terms)), []).append(device)
    batches: list[Batch] = []
    for group in groups.values():
        for part in cut(group, sizes, first=not batches):
            batches.append(Batch(len(batches) + 1, _VERIFY, tuple(Member(device, Sighting()) for device in part), {}))
    return batches


def _wish(due: Due, record: Record) -> Wish:
    expected = None if due.unsettled_first else str((record.get("current") or {}).get("id", ""))
    return Wish(due.policy, due.wanted, due.supersede, expected)
