# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guide "When it goes wrong" has every reason and every status that the code has, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from support.reasons import given_reasons

from ansible_collections.keyturn.devices.plugins.module_utils._ledger import database
from ansible_collections.keyturn.devices.plugins.module_utils._outcomes import CHANGE_STATUSES, LOGIN_STATUSES, REASONS
from ansible_collections.keyturn.devices.plugins.plugin_utils._products import pbx_readiness
from ansible_collections.keyturn.devices.plugins.plugin_utils._products.all import NAMES, product_named
from ansible_collections.keyturn.devices.plugins.plugin_utils._products.pbx_recovery import PbxRecovery
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation import due, summary, tally

GUIDE = Path(__file__).parents[3] / "docs" / "docsite" / "rst" / "when_it_goes_wrong.rst"

# Of the maps of advice: what is no reason, but a status or the name of a check.
_NO_REASONS = {"orphaned", "mailbox"}


def reasons_of_the_code() -> set[str]:
    """The closed vocabulary, everything there is advice for, why devices are due, and every word that is passed on as a reason."""
    advised = {reason for name in NAMES for reason in product_named(name).advice} | set(PbxRecovery.advice) | set(summary._ADVICE)
    checked = {reason for _check, reason in pbx_readiness._ADVICE}
    dues = {value for name, value in vars(due).items() if name.isupper() and isinstance(value, str)}
    return set(REASONS) | advised | checked | set(database._ADVICE) | dues | given_reasons()


def first_cells(mark: str) -> list[str]:
    """The words so marked in the first cell of every row of the guide."""
    cells = re.findall(r"^   \* - (.*)$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    return [word for cell in cells for word in re.findall(rf"(?<![`*]){re.escape(mark)}([a-z0-9_]+){re.escape(mark)}", cell)]


def test_the_guide_has_every_reason_and_no_other() -> None:
    told = first_cells("``")
    known = reasons_of_the_code() - _NO_REASONS
    assert (sorted(known - set(told)), sorted(set(told) - known)) == ([], [])
    assert len(told) == len(set(told)), "each reason has one row"


def test_the_guide_has_every_status_and_no_other() -> None:
    known = {*CHANGE_STATUSES, *LOGIN_STATUSES, *tally.STATUS.values(), *tally.GOOD}
    assert sorted(first_cells("*")) == sorted(known)


def test_what_is_passed_on_as_a_reason_is_found() -> None:
    """One of each way in which the code gives one: an exception, a field, an entry, a variable, a constant, a loop."""
    found = given_reasons()
    assert {"absent", "neither_logs_in", "mail", "busy", "locked_out", "too_many_attempts", "no_upper", "no_case"} <= found
