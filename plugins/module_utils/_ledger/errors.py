# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong with a ledger, as data a playbook can act on."""

from __future__ import annotations

from collections.abc import Sequence

_MOST_NAMED = 20


class LedgerError(Exception):
    """The ledger could not do what it was asked; nothing was changed.

    C(reason) is one word for programs: C(no_passphrase), C(weak_passphrase), C(wrong_passphrase), C(rekeyed), C(invalid_url), C(absent),
    C(replaced), C(behind), C(tampered), C(no_directory), C(permission), C(read_only), C(full), C(locked), C(unreachable), C(refused),
    C(corrupt), C(not_a_ledger), C(schema), C(library), C(input), C(policy), C(file_exists), C(file) or C(database). The message says what
    to do next. Neither it nor a problem ever holds a secret, an SQL parameter or a URL.

    C(problems): pairs of a place (a device's name, a line number) and what is wrong there.
    """

    def __init__(self, reason: str, message: str, problems: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.problems = list(problems)


class PasswordRefused(Exception):
    """Raised by a request's C(make) when it cannot give a password that the policy allows. The text never holds a password."""


def raise_all(reason: str, problems: Sequence[tuple[str, str]]) -> None:
    """One LedgerError for all problems, if there are any."""
    if problems:
        text = "; ".join(f"{place}: {message}" for place, message in problems[:_MOST_NAMED])
        more = f"; and {len(problems) - _MOST_NAMED} more" if len(problems) > _MOST_NAMED else ""
        raise LedgerError(reason, f"Nothing was changed, because of {len(problems)} problem(s): {text}{more}", problems)


def named(names: Sequence[str]) -> str:
    """Names for a message, the first of many."""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
