# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes passwords that meet a policy, each of those the policy leaves with the same chance.

All passwords of the policy's length are counted (not listed) by an automaton that remembers which classes were seen and how far a run
of digits has come. One random number below that count then names the password. So it takes the same short time for every policy,
however few passwords it leaves.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import DIGITS, PasswordPolicy, PolicyError

#: A run of digits in order cannot be longer than this, so a limit of this much is none.
_NO_LIMIT = len(DIGITS)

#: A spreadsheet takes what begins so for a formula, and people keep passwords in spreadsheets.
_FORMULA_STARTS = frozenset("=+-@")


class _Run(NamedTuple):
    """The run of digits a text ends with, as far as it can still break the limit."""

    digit: int
    step: int  # 1 ascending, -1 descending, 0 not known yet (one digit)
    length: int


_NO_RUN = _Run(-1, 0, 0)


def generate(policy: PasswordPolicy, former: Sequence[str] = (), randbelow: Callable[[int], int] = secrets.randbelow) -> str:
    """A new password of ``policy.length`` characters, uniform over all that the policy leaves.

    Made of the required classes (policy.alphabets()), each at least once; none of ``former`` (newest first; all of them, or as many as
    policy.history says), and none that begins like a spreadsheet's formula. ``randbelow(n)``: a uniform number from 0 to n - 1. Raises
    PolicyError where no such password is left.
    """
    alphabets = tuple(policy.alphabets().items())
    if not alphabets:
        raise PolicyError([("upper, lower, digits, special", "all are false: nothing is left to make a password of")])
    language = _language(policy.length, alphabets, policy.max_digit_run or _NO_LIMIT)
    if not language.total:
        raise PolicyError([("allowed_specials", "leaves no character to begin with: no password begins with =, +, - or @")])
    password = language.text(randbelow(language.total))
    excluded = frozenset(former if policy.history is None else former[: policy.history])
    if password not in excluded:
        return password
    # Choosing exactly among the rest, instead of trying again, ends even where the former ones are nearly all there are.
    taken = sorted(rank for rank in map(language.rank, excluded) if rank is not None)
    if len(taken) == language.total:
        raise PolicyError([("history", f"all {language.total} passwords that the policy allows were used before")])
    number = randbelow(language.total - len(taken))
    for rank in taken:
        if number >= rank:
            number += 1
    return language.text(number)


class _Language:
    """All texts of one length over some classes, each class at least once, no digit run over the limit; in a fixed order."""

    def __init__(self, length: int, alphabets: tuple[tuple[str, str], ...], limit: int) -> None:
        all_seen = (1 << len(alphabets)) - 1
        # A state is (classes seen as bits, run of digits). Its exits: for each next state the characters that lead there.
        numbers: dict[tuple[int, _Run], int] = {(0, _NO_RUN): 0}
        states = [(0, _NO_RUN)]
        self._exits: list[list[tuple[str, int]]] = []
        while len(self._exits) < len(states):
            seen, run = states[len(self._exits)]
            exits: dict[tuple[int, _Run], str] = {}
            for bit, (name, characters) in enumerate(alphabets):
                for character in characters:
                    if not seen and character in _FORMULA_STARTS:
                        continue
                    following = _run_after(run, int(character), limit) if name == "digits" else _NO_RUN
                    if following is not None:
                        state = (seen | 1 << bit, following)
                        exits[state] = exits.get(state, "") + character
            for state in exits:
                if state not in numbers:
                    numbers[state] = len(states)
                    states.append(state)
            self._exits.append([(characters, numbers[state]) for state, characters in exits.items()])
        # self._counts[n][state]: how many ways n more characters can end well from there.
        self._counts = [[int(seen == all_seen) for seen, _run in states]]
        for _position in range(length):
            row = self._counts[-1]
            self._counts.append([sum(len(characters) * row[state] for characters, state in exits) for exits in self._exits])
        self._length = length

    @property
    def total(self) -> int:
        return self._counts[self._length][0]

    def text(self, rank: int) -> str:
        """The text at a place in the order, 0 to total - 1."""
        text, state = [], 0
        for row in reversed(self._counts[:-1]):
            for characters, following in self._exits[state]:
                count = row[following]
                block = count * len(characters)
                if rank < block:
                    index, rank = divmod(rank, count)
                    text.append(characters[index])
                    state = following
                    break
                rank -= block
        return "".join(text)

    def rank(self, text: str) -> int | None:
        """The place of a text in the order; None when it is not one of these texts."""
        if len(text) != self._length:
            return None
        rank, state = 0, 0
        for character, row in zip(text, reversed(self._counts[:-1]), strict=True):
            for characters, following in self._exits[state]:
                if character in characters:
                    rank += characters.index(character) * row[following]
                    state = following
                    break
                rank += len(characters) * row[following]
            else:
                return None
        return rank if self._counts[0][state] else None


@lru_cache(maxsize=16)
def _language(length: int, alphabets: tuple[tuple[str, str], ...], limit: int) -> _Language:
    return _Language(length, alphabets, limit)


def _run_after(run: _Run, digit: int, limit: int) -> _Run | None:
    """The run after one more digit; None when it breaks the limit.

    Runs that cannot break it any more (too near to 0 or 9) become the same state, which keeps the tables small.
    """
    if run.digit >= 0 and abs(digit - run.digit) == 1:
        step = digit - run.digit
        length = run.length + 1 if step == run.step else 2
    else:
        step, length = 0, 1
    if length > limit:
        return None
    if step and 0 <= digit + step * (limit + 1 - length) <= 9:
        return _Run(digit, step, length)
    if digit + limit <= 9 or digit - limit >= 0:
        return _Run(digit, 0, 1)
    return _NO_RUN
