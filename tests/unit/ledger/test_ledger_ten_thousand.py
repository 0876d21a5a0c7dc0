# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ten thousand devices at once: in one transaction, on either database."""

from __future__ import annotations

from support.ledgers import run_of, staged, statuses

from ansible_collections.keyturn.devices.plugins.module_utils._ledger import people
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import ImportRow
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger

RUN = run_of("follower")


def test_ten_thousand_devices_in_one_call_are_one_transaction(ledger: Ledger) -> None:
    names = [f"r{number}" for number in range(10_000)]
    assert set(staged(ledger, run_of("a"), dict.fromkeys(names, "password")).values()) == {"staged"}
    assert set(ledger.passwords(names, "staged").values()) == {"password"}


def test_ten_thousand_names_are_followed_in_one_transaction(ledger: Ledger) -> None:
    names = {f"r{number}": str(number) for number in range(10_000)}
    people.import_passwords(ledger, [ImportRow(name, "password", serial) for name, serial in names.items()], RUN)
    generation = ledger.generation
    assert set(statuses(ledger.follow({f"new {name}": serial for name, serial in names.items()}, RUN)).values()) == {"renamed"}
    assert ledger.generation == generation + 1
    assert set(statuses(ledger.follow({f"new {name}": serial for name, serial in names.items()}, RUN)).values()) == {"unchanged"}
    assert ledger.generation == generation + 1
