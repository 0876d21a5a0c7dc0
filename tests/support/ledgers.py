# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tests of the ledger share: a clock they can move, ledgers with a cheap key, requests in one line."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from ansible_collections.keyturn.devices.plugins.module_utils._ledger import crypto
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.crypto import Cost
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.rules import Settlement
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger, Result, StageRequest
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run

PASSPHRASE = "a passphrase of tests"
CHEAP = Cost(n=2, r=1, p=1)
START = 1_800_000_000.0
LEASE = 900

# No process of this host: such a holder never counts as dead.
ELSEWHERE = "00000000-0000-0000-0000-000000000000/1/1/1"


_NUMBERS = itertools.count()


class Clock:
    """The ledger's time, in seconds since the epoch."""

    def __init__(self) -> None:
        self.moment = START

    def __call__(self) -> float:
        return self.moment

    def advance(self, seconds: float) -> None:
        self.moment += seconds


def cheap_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever opens or makes a ledger by its options does so with a key that costs nothing."""
    monkeypatch.setattr(crypto, "LEAST_COST", CHEAP)


def opened(url: str, clock: Callable[[], float] | None = None, *, make: bool = True, **options: Any) -> Ledger:
    """A ledger whose key costs nothing; C(make): made first where there is none."""
    passphrase = options.pop("passphrase", PASSPHRASE)
    if make and not options.get("dry_run"):
        made, _new = Ledger.create(url, passphrase, clock=clock, cost=CHEAP)
        if made is not None:
            made.close()
    return Ledger.open(url, passphrase, clock=clock, cost=CHEAP, **options)


def run_of(name: str, holder: str = ELSEWHERE) -> Run:
    return Run(name, holder)


def request(name: str, password: str | None, **more: Any) -> StageRequest:
    """To stage this password; C(None): the vendor makes it."""
    source = "rms" if password is None else "value"
    return StageRequest(**{"name": name, "serial": None, "source": source, "make": password and (lambda _former: password), **more})


def staged(ledger: Ledger, run: Run, passwords: Mapping[str, str | None], **more: Any) -> dict[str, str]:
    """What became of each device."""
    return statuses(ledger.stage([request(name, password, **more) for name, password in passwords.items()], run, LEASE))


def settled(ledger: Ledger, run: Run, name: str, outcome: str = "unknown", **more: Any) -> str:
    claim = more.pop("claim", False)
    max_attempts = more.pop("max_attempts", 5)
    return ledger.settle([Settlement(name, outcome, **more)], run, max_attempts, claim=claim)[0].status


def committed(ledger: Ledger, name: str, *passwords: str, proof: str = "login") -> None:
    """One after the other, each proven."""
    for password in passwords:
        run = Run(f"earlier run {next(_NUMBERS)}")
        assert staged(ledger, run, {name: password}) == {name: "staged"}
        assert settled(ledger, run, name, "changed", proof=proof) == "committed"


def statuses(results: Sequence[Result]) -> dict[str, str]:
    return {result.name: result.status for result in results}


def record(ledger: Ledger, name: str) -> dict[str, Any]:
    return ledger.devices([name], include_secrets=True)[name]


def kept(ledger: Ledger, name: str) -> dict[str, list[str | None]]:
    """The passwords of a device by where they stand."""
    known = record(ledger, name)
    found: dict[str, list[str | None]] = {}
    for slot in ("staged", "current"):
        if known[slot]:
            found[slot] = [known[slot]["password"]]
    for former in known["previous"]:
        found.setdefault(former["mark"], []).append(former["password"])
    return found
