# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which outcome follows from which answer and which proof: one table, a row per case.

A login proves; what a vendor says of a device does not, where a login says something else. Whatever is in no row is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import CURRENT, NEITHER, STAGED, Answer, Proof

#: Reasons that an outcome adds to those of the answers.
OLD_PASSWORD = "old_password_in_force"
NO_ANSWER = "no_answer"
NEW_PASSWORD_REFUSED = "new_password_refused"

_ANY = "*"


@dataclass(frozen=True)
class Case:
    """C(asked): C(itself) (the device was asked and proved it itself), C(vendor) (somebody was asked to tell the device), C(nobody).

    C(said): the status of the answer. C(final): the vendor is through with the device. C(before) and C(after): what logins before and after
    the asking proved; C(refused): the staged password alone was tried, and refused. Empty: nothing was proven.
    """

    asked: str
    said: str = ""
    final: bool = False
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Outcome:
    """What the ledger is told of a device. C(proof): C(login), C(vendor) or C(none). C(live): what a login proved. C(reason): empty for the
    answer's own.
    """

    status: str
    proof: str = "none"
    live: str | None = None
    reason: str = ""


@dataclass(frozen=True)
class _Row:
    asked: str
    said: str
    final: bool | None
    before: str
    after: str
    outcome: Outcome

    def holds(self, case: Case) -> bool:
        return (
            self.asked in (_ANY, case.asked)
            and self.said in (_ANY, case.said)
            and self.final in (None, case.final)
            and self.before in (_ANY, case.before)
            and self.after in (_ANY, case.after)
        )


_STAGED_PROVEN = Outcome("changed", "login", STAGED)
_CURRENT_PROVEN = Outcome("failed", "login", CURRENT)
_NEITHER = Outcome("unknown", "login", NEITHER, "unauthorized")
_OPEN = Outcome("unknown")

#: The first row that holds counts. asked, said, final, before, after -> outcome
TABLE = (
    # A login with the new password: it is in force, whatever was said.
    _Row(_ANY, _ANY, None, _ANY, STAGED, _STAGED_PROVEN),
    _Row(_ANY, "", None, STAGED, "", _STAGED_PROVEN),
    # Both passwords are refused: nothing more is tried, a person has to look.
    _Row(_ANY, _ANY, None, _ANY, NEITHER, _NEITHER),
    _Row(_ANY, "", None, NEITHER, "", _NEITHER),
    # Who was asked itself, and logged in with the old password after that: it is in force.
    _Row("itself", _ANY, None, _ANY, CURRENT, _CURRENT_PROVEN),
    _Row("itself", "failed", None, _ANY, "", Outcome("failed")),
    # Only looked at: the old password is in force, and nothing is on its way.
    _Row("nobody", "", None, CURRENT, "", Outcome("failed", "login", CURRENT, OLD_PASSWORD)),
    # The vendor said that it set the new password, and the old one logs in: it never came.
    _Row("vendor", "changed", None, "", CURRENT, Outcome("failed", "login", CURRENT, OLD_PASSWORD)),
    # The vendor ended with words that leave it open, and the old password logs in: it never came.
    _Row("vendor", "unknown", True, "", CURRENT, _CURRENT_PROVEN),
    # The vendor said that it set the new password, and that one is refused: something of it came, perhaps only a part.
    _Row("vendor", "changed", None, _ANY, "refused", Outcome("unknown", reason=NEW_PASSWORD_REFUSED)),
    # The vendor said that it set the new password, and no login is possible: its word on this device counts.
    _Row("vendor", "changed", None, _ANY, "", Outcome("changed", "vendor")),
    # Asked once more for what an earlier run had asked for. The old password was in force before, and the vendor is through: it stays.
    _Row("vendor", "failed", True, CURRENT, "", Outcome("failed", "login", CURRENT, OLD_PASSWORD)),
    # The vendor is not through: what the earlier run asked for may still come, although the old password logs in now.
    _Row("vendor", "failed", False, CURRENT, "", _OPEN),
    # The vendor said that the device kept the old password, in words that are known to mean it.
    _Row("vendor", "failed", None, "", _ANY, Outcome("failed")),
)


def outcome_of(asked: str, answer: Answer | None, before: Proof | None, after: Proof | None) -> Outcome:
    """The outcome of one device. C(answer): None where nothing was asked; C(before) and C(after): None where no login was tried."""
    if answer is None and before is None and after is None:
        return Outcome("unknown", reason=NO_ANSWER)
    case = Case(
        "nobody" if answer is None else asked,
        answer.status if answer else "",
        answer.final if answer else False,
        _word(before),
        # A device that was asked itself tells in its answer what its login proved.
        (answer.live or "") if answer is not None and asked == "itself" else _word(after),
    )
    return next((row.outcome for row in TABLE if row.holds(case)), _OPEN)


def _word(proof: Proof | None) -> str:
    if proof is None:
        return ""
    return proof.live or ("refused" if proof.refused else "")
