# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which outcome follows from what was said and what logins showed: every case, by name."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.rules import LIVE, OUTCOMES, PROOFS, Attempt, Settlement, decide
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.outcomes import TABLE, Case, Outcome, outcome_of
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import CURRENT, NEITHER, STAGED, Answer, Proof

SILENT = Proof(None, "timeout", "It did not answer.")
REFUSED = Proof(None, "", "It refused the password.", refused=True)
IN_FORCE = {word: Proof(word) for word in (STAGED, CURRENT, NEITHER)}

COMMITTED = Outcome("changed", "login", STAGED)
OLD_IS_PROVEN = Outcome("failed", "login", CURRENT)
OLD_IN_FORCE = Outcome("failed", "login", CURRENT, "old_password_in_force")
ORPHANED = Outcome("unknown", "login", NEITHER, "unauthorized")
FAILED = Outcome("failed")
OPEN = Outcome("unknown")
BY_ITS_WORD = Outcome("changed", "vendor")
REFUSED_NEW = Outcome("unknown", reason="new_password_refused")
NO_ANSWER = Outcome("unknown", reason="no_answer")


def said(status: str, live: str | None = None, *, final: bool = False) -> Answer:
    return Answer(status, live=live, final=final)


# name: who was asked, what was said, what logins before and after showed -> the outcome
ITSELF = {
    "changed, and it proved the new password": ("itself", said("changed", STAGED), None, None, COMMITTED),
    "changed without a proof": ("itself", said("changed"), None, None, OPEN),
    "unchanged, and it proved the new password": ("itself", said("unchanged", STAGED), None, None, COMMITTED),
    "unchanged without a proof": ("itself", said("unchanged"), None, None, OPEN),
    "failed, and it proved the old password": ("itself", said("failed", CURRENT), None, None, OLD_IS_PROVEN),
    "failed, but it proved the new password": ("itself", said("failed", STAGED), None, None, COMMITTED),
    "failed, and it refused both passwords": ("itself", said("failed", NEITHER), None, None, ORPHANED),
    "failed before a login": ("itself", said("failed"), None, None, FAILED),
    "unknown, but it proved the new password": ("itself", said("unknown", STAGED), None, None, COMMITTED),
    "unknown, but it proved the old password": ("itself", said("unknown", CURRENT), None, None, OLD_IS_PROVEN),
    "unknown, and it refused both passwords": ("itself", said("unknown", NEITHER), None, None, ORPHANED),
    "unknown without a login": ("itself", said("unknown"), None, None, OPEN),
}
NOBODY = {
    "nothing was tried": ("nobody", None, None, None, NO_ANSWER),
    "the new password logs in": ("nobody", None, IN_FORCE[STAGED], None, COMMITTED),
    "the old password logs in": ("nobody", None, IN_FORCE[CURRENT], None, OLD_IN_FORCE),
    "neither logs in": ("nobody", None, IN_FORCE[NEITHER], None, ORPHANED),
    "it is silent": ("nobody", None, SILENT, None, OPEN),
    "it refuses the one password that is known": ("nobody", None, REFUSED, None, OPEN),
}
VENDOR = {
    "changed, no login possible": ("vendor", said("changed"), None, None, BY_ITS_WORD),
    "changed, it is silent": ("vendor", said("changed"), None, SILENT, BY_ITS_WORD),
    "changed, the new password logs in": ("vendor", said("changed"), None, IN_FORCE[STAGED], COMMITTED),
    "changed, the old password logs in": ("vendor", said("changed"), None, IN_FORCE[CURRENT], OLD_IN_FORCE),
    "ended in open words, the old password logs in": (
        "vendor",
        said("unknown", final=True),
        None,
        IN_FORCE[CURRENT],
        Outcome("failed", "login", CURRENT),
    ),
    "changed, neither logs in": ("vendor", said("changed"), None, IN_FORCE[NEITHER], ORPHANED),
    "changed, the new password is refused": ("vendor", said("changed"), None, REFUSED, REFUSED_NEW),
    "unchanged, no login possible": ("vendor", said("unchanged"), None, None, OPEN),
    "unchanged, it is silent": ("vendor", said("unchanged"), None, SILENT, OPEN),
    "unchanged, the new password logs in": ("vendor", said("unchanged"), None, IN_FORCE[STAGED], COMMITTED),
    "unchanged, the old password logs in": ("vendor", said("unchanged"), None, IN_FORCE[CURRENT], OPEN),
    "unchanged, neither logs in": ("vendor", said("unchanged"), None, IN_FORCE[NEITHER], ORPHANED),
    "failed, no login possible": ("vendor", said("failed"), None, None, FAILED),
    "failed for good, no login possible": ("vendor", said("failed", final=True), None, None, FAILED),
    "failed, it is silent": ("vendor", said("failed"), None, SILENT, FAILED),
    "failed, but the new password logs in": ("vendor", said("failed"), None, IN_FORCE[STAGED], COMMITTED),
    "failed, and the old password logs in": ("vendor", said("failed"), None, IN_FORCE[CURRENT], FAILED),
    "failed, neither logs in": ("vendor", said("failed"), None, IN_FORCE[NEITHER], ORPHANED),
    "unknown, no login possible": ("vendor", said("unknown"), None, None, OPEN),
    "unknown, it is silent": ("vendor", said("unknown"), None, SILENT, OPEN),
    "unknown, the new password logs in": ("vendor", said("unknown"), None, IN_FORCE[STAGED], COMMITTED),
    "unknown, the old password logs in": ("vendor", said("unknown"), None, IN_FORCE[CURRENT], OPEN),
    "unknown, neither logs in": ("vendor", said("unknown"), None, IN_FORCE[NEITHER], ORPHANED),
}
# What an earlier run left open, asked for once more after a login found the old password in force.
AGAIN = {
    "changed, the new password logs in": ("vendor", said("changed"), IN_FORCE[CURRENT], IN_FORCE[STAGED], COMMITTED),
    "changed, the new password is refused": ("vendor", said("changed"), IN_FORCE[CURRENT], REFUSED, REFUSED_NEW),
    "changed, then it is silent": ("vendor", said("changed"), IN_FORCE[CURRENT], SILENT, BY_ITS_WORD),
    "changed, no login after it": ("vendor", said("changed"), IN_FORCE[CURRENT], None, BY_ITS_WORD),
    "unchanged": ("vendor", said("unchanged"), IN_FORCE[CURRENT], None, OPEN),
    "failed for good": ("vendor", said("failed", final=True), IN_FORCE[CURRENT], None, OLD_IN_FORCE),
    "failed, to be tried again": ("vendor", said("failed"), IN_FORCE[CURRENT], None, OPEN),
    "unknown": ("vendor", said("unknown"), IN_FORCE[CURRENT], None, OPEN),
    "unknown, but the new password logs in": ("vendor", said("unknown"), IN_FORCE[CURRENT], IN_FORCE[STAGED], COMMITTED),
}
# The same after a login that proved nothing.
AGAIN_AFTER_SILENCE = {
    "changed, the new password logs in": ("vendor", said("changed"), SILENT, IN_FORCE[STAGED], COMMITTED),
    "changed, the new password is refused": ("vendor", said("changed"), SILENT, REFUSED, REFUSED_NEW),
    "changed, it stays silent": ("vendor", said("changed"), SILENT, SILENT, BY_ITS_WORD),
    "failed": ("vendor", said("failed"), SILENT, None, FAILED),
    "unknown": ("vendor", said("unknown"), SILENT, None, OPEN),
    "changed, after it refused the one password that is known": ("vendor", said("changed"), REFUSED, IN_FORCE[STAGED], COMMITTED),
    "failed, after it refused the one password that is known": ("vendor", said("failed"), REFUSED, None, OPEN),
}
EVERY = {
    f"{who}: {name}": case
    for who, cases in (
        ("itself", ITSELF),
        ("nobody", NOBODY),
        ("vendor", VENDOR),
        ("once more", AGAIN),
        ("once more, not known before", AGAIN_AFTER_SILENCE),
    )
    for name, case in cases.items()
}


@pytest.mark.parametrize("name", EVERY)
def test_which_outcome_follows(name: str) -> None:
    asked, answer, before, after, expected = EVERY[name]
    assert outcome_of(asked, answer, before, after) == expected


def test_every_row_of_the_table_decides_a_named_case() -> None:
    used = set()
    for asked, answer, before, after, _expected in EVERY.values():
        shown = (answer.live if answer and asked == "itself" else None) or _word(after)
        case = Case(
            "nobody" if answer is None else asked, answer.status if answer else "", bool(answer and answer.final), _word(before), shown
        )
        used.add(next((number for number, row in enumerate(TABLE) if row.holds(case)), None))
    assert used >= set(range(len(TABLE)))


def _word(proof: Proof | None) -> str:
    return "" if proof is None else proof.live or ("refused" if proof.refused else "")


ANSWERS = [None, *(said(status, final=final) for status in OUTCOMES for final in (False, True)), said("no word of ours")]
PROOFS_SHOWN = [None, SILENT, REFUSED, *IN_FORCE.values()]
ALL = list(itertools.product(("itself", "vendor"), ANSWERS, PROOFS_SHOWN, PROOFS_SHOWN))


def ledger_does(outcome: Outcome, attempts: int = 1) -> str:
    settlement = Settlement("a", outcome.status, outcome.reason, outcome.proof, outcome.live)
    return decide(settlement, Attempt(attempts, 0, has_password=True), max_attempts=5).status


def test_every_outcome_is_in_the_words_of_the_ledger() -> None:
    outcomes = [outcome_of(*case) for case in ALL]
    assert {outcome.status for outcome in outcomes} <= set(OUTCOMES)
    assert {outcome.proof for outcome in outcomes} <= set(PROOFS)
    assert {outcome.live for outcome in outcomes} <= {None, *LIVE}


def test_a_new_password_becomes_current_only_by_a_login_or_by_the_vendors_word_that_it_was_set() -> None:
    for asked, answer, before, after in ALL:
        outcome = outcome_of(asked, answer, before, after)
        if ledger_does(outcome) == "committed":
            by_login = STAGED in (_word(before), _word(after), (answer.live or "") if answer else "")
            by_word = asked == "vendor" and answer is not None and answer.status == "changed" and outcome.proof == "vendor"
            assert by_login or by_word


def test_a_refusal_because_the_password_is_the_same_never_makes_it_current() -> None:
    for asked, answer, before, after in ALL:
        if answer is not None and answer.status == "unchanged" and STAGED not in (_word(before), _word(after)):
            assert ledger_does(outcome_of(asked, answer, before, after)) != "committed"


def test_an_unknown_outcome_is_dropped_by_no_login_while_the_vendor_may_still_carry_it_out() -> None:
    for answer, before, after in itertools.product([said("unknown"), said("unchanged")], PROOFS_SHOWN, PROOFS_SHOWN):
        assert ledger_does(outcome_of("vendor", answer, before, after)) != "dropped"


def test_after_an_earlier_run_a_password_is_dropped_only_where_a_login_proved_the_old_one() -> None:
    for asked, answer, before, after in ALL:
        if ledger_does(outcome_of(asked, answer, before, after), attempts=2) == "dropped":
            assert CURRENT in (_word(before), _word(after))


def test_a_status_that_nobody_foresaw_is_unknown() -> None:
    assert outcome_of("vendor", said("partly"), None, None) == OPEN
    assert outcome_of("itself", said("partly"), None, None) == OPEN
