# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who owes which store a password is known from the ledger, whatever failed and whoever came in between."""

from __future__ import annotations

from support.ledgers import committed, kept, record, run_of

from ansible_collections.keyturn.devices.plugins.module_utils._ledger import handovers, history, people
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import ImportRow
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger

STORES = ["vault", "pass"]


def owed(ledger: Ledger) -> dict[str, list[str]]:
    return {name: list(stores) for name, stores in handovers.owed(ledger, ["a", "b", "unknown"], STORES).items()}


def hand_over(ledger: Ledger, name: str, store: str) -> str:
    return handovers.handed_over(ledger, name, record(ledger, name)["current"]["id"], store, run_of("hand-over")).status


def test_a_store_is_owed_every_proven_password_until_it_has_it(ledger: Ledger) -> None:
    assert owed(ledger) == {}
    committed(ledger, "a", "CANARY-1")
    people.import_passwords(ledger, [ImportRow("b", "CANARY-b", None)], run_of("import"))
    # What nobody has proven may be older than what a store has.
    assert owed(ledger) == {"a": STORES}
    ledger.verified(["b"], run_of("verify"))
    assert owed(ledger) == {"a": STORES, "b": STORES}
    before = kept(ledger, "a")
    assert handovers.failed(ledger, "a", "vault", "task 'Write' failed", run_of("hand-over")).status == "still_owed"
    assert (hand_over(ledger, "a", "pass"), kept(ledger, "a")) == ("handed_over", before)
    assert owed(ledger) == {"a": ["vault"], "b": STORES}
    assert [(each["name"], each["outcome"], each["reason"]) for each in history.ended_badly(history.read_history(ledger))] == [
        ("a", "not_handed_over", "vault: task 'Write' failed")
    ]
    # Made up for by whichever run comes next; a login in between makes no difference.
    ledger.verified(["a"], run_of("verify"))
    assert hand_over(ledger, "a", "vault") == "handed_over"
    assert owed(ledger) == {"b": STORES}
    assert history.ended_badly(history.read_history(ledger)) == []
    committed(ledger, "a", "CANARY-2")
    assert owed(ledger) == {"a": STORES, "b": STORES}


def test_a_password_that_was_replaced_while_it_was_handed_over_is_owed(ledger: Ledger) -> None:
    committed(ledger, "a", "CANARY-1")
    handed = handovers.owed(ledger, ["a"], ["vault"])["a"]["vault"]
    committed(ledger, "a", "CANARY-2")
    assert handovers.handed_over(ledger, "a", handed, "vault", run_of("hand-over")).status == "changed_meanwhile"
    assert handovers.handed_over(ledger, "unknown", handed, "vault", run_of("hand-over")).status == "no_current"
    assert owed(ledger) == {"a": STORES}
