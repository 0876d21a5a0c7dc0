# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of Teltonika's cloud (RMS) for a batch of routers: passwords to set, or to make and hand out in a one-time list."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ansible_collections.keyturn.devices.plugins.module_utils._passwords.one_time_list import Made
from ansible_collections.keyturn.devices.plugins.module_utils._rms.client import RmsClient
from ansible_collections.keyturn.devices.plugins.module_utils._rms.deposit import BYTES_PER_ROUTER, CUT_MARK, DepositError
from ansible_collections.keyturn.devices.plugins.module_utils._rms.generated import collect_passwords, generate_passwords
from ansible_collections.keyturn.devices.plugins.module_utils._rms.outcomes import Target
from ansible_collections.keyturn.devices.plugins.module_utils._rms.passwords import SET, set_passwords
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import Answer, Fault, Field, Lists, NotKept, Taken

# A listing has 1,000 routers on a page, a request for passwords so many at most.
_PER_REQUEST = 2500

# RMS has ended with a router, in words that leave open what became of it.
_ENDED = ("rejected", "same_password", "warning")


def ask(client: RmsClient, batch: Sequence[Taken], field: Field) -> list[Answer]:
    """Set the staged passwords; as C(Product.ask)."""
    targets = [_target(taken, taken.staged) for taken in batch]
    fault = set_passwords(client, targets, SET, _PER_REQUEST)
    field.stop = field.stop or (fault.message if fault is not None else "")
    return [_answer(target) for target in targets]


def collect(client: RmsClient, batch: Sequence[Taken], field: Field, *, again: bool) -> tuple[list[Answer], list[str]]:
    """Have RMS make the passwords, and read its list; as C(Product.collect)."""
    targets = [_target(taken, None) for taken in batch]
    deposit = _Deposit(field.lists)
    made = Made(**batch[0].member.made)
    try:
        if again:
            asked = [[target.id for target in targets if target.id is not None]]
            generated = collect_passwords(client, targets, made, deposit, asked)
        else:
            generated = generate_passwords(client, targets, made, len(targets), deposit)
    except DepositError as problem:
        raise Fault("bad_input", str(problem)) from None
    field.stop = field.stop or (generated.fault.message if generated.fault is not None else "")
    return [_answer(target) for target in targets], [generated.passwords.get(target.id or 0, "") for target in targets]


def _target(taken: Taken, password: str | None) -> Target:
    sighting = taken.member.sighting
    details = sighting.details
    return Target(taken.member.device.serial, password, details["id"], firmware=sighting.firmware, mac=details["mac"], name=details["name"])


def _answer(target: Target) -> Answer:
    outcome = target.outcome
    if outcome is None:
        return Answer("unknown", "protocol", "Nothing was told of this router.", late=target.sent_late)
    has_ended = outcome.reason in _ENDED if outcome.status == "unknown" else outcome.status == "failed" and not outcome.retryable
    return Answer(outcome.status, outcome.reason, outcome.message, final=has_ended, late=target.sent_late)


class _Deposit:
    """The list of a batch goes into the ledger, piece by piece, before anybody reads it."""

    def __init__(self, lists: Lists) -> None:
        self._lists = lists
        self._part = b""
        # What has to stand before the next piece: the mark of a line that an earlier download left cut.
        self._before = b""

    def reserve(self, routers: int) -> None:
        self._part = b""
        self._keep(lambda: self._lists.reserve(routers * BYTES_PER_ROUTER))

    def write(self, piece: bytes) -> None:
        whole = self._before + piece
        self._keep(lambda: self._lists.append(whole))
        self._before = b""
        self._part += piece

    def part(self, offset: int = 0) -> bytes:
        return self._part[offset:]

    def finish(self, whole: bool) -> None:
        if self._part and not self._part.endswith((b"\n", b"\r")):
            self._before = b"\n" if whole else CUT_MARK

    def discard(self) -> None:
        self._part = b""

    def carry_on(self) -> bytes:
        kept: list[bytes] = []
        self._keep(lambda: kept.append(self._lists.content()))
        if kept[0] and not kept[0].endswith((b"\n", b"\r")):
            self._before = CUT_MARK
        return kept[0]

    @staticmethod
    def _keep(do: Callable[[], None]) -> None:
        try:
            do()
        except NotKept as problem:
            message = str(problem)
        else:
            return
        raise DepositError(message)
