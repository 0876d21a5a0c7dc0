# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.keyturn.devices.plugins.module_utils._passwords.floors import PRODUCTS, demanded_policy, floor_for
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.generator import generate
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import PasswordPolicy, PolicyError, violations


def policy_of(**mapping: Any) -> PasswordPolicy:
    return PasswordPolicy.from_mapping(mapping)


def only(characters: str, **mapping: Any) -> PasswordPolicy:
    """A policy that leaves few characters: the digits and lowercase letters named."""
    everything = "abcdefghijklmnopqrstuvwxyz0123456789"
    return policy_of(
        upper=False,
        lower=any(character.isalpha() for character in characters),
        digits=any(character.isdigit() for character in characters),
        forbidden_characters="".join(sorted(set(everything) - set(characters))),
        **mapping,
    )


def all_of(policy: PasswordPolicy, former: tuple[str, ...] = ()) -> set[str]:
    """Everything the policy leaves, found by trying all there is."""
    alphabet = "".join(policy.alphabets().values())
    texts = ("".join(characters) for characters in itertools.product(alphabet, repeat=policy.length))
    return {text for text in texts if not violations(text, policy, former)}


class EveryNumber:
    """A random source that gives each number once; what comes out of it is everything the generator can make, and how often."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.next = 0

    def __call__(self, below: int) -> int:
        self.asked.append(below)
        return self.next


class OneAfterTheOther:
    """A random source that gives the numbers it was given."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self.numbers = iter(numbers)

    def __call__(self, below: int) -> int:
        return next(self.numbers)


def made_by_every_number(policy: PasswordPolicy) -> Iterator[str]:
    source = EveryNumber()
    while True:
        yield generate(policy, (), source)
        source.next += 1
        if source.next == source.asked[0]:
            return


SMALL_POLICIES = [
    only("ab12", length=4),
    only("ab12", length=2),
    only("0123", length=4, max_digit_run=1),
    only("0123", length=5, max_digit_run=2),
    only("0123456789", length=4, max_digit_run=1),
    only("0123456789", length=4, max_digit_run=2),
    only("0123456789", length=4, max_digit_run=3),
    only("a789", length=5, max_digit_run=2),
    only("1", length=6, max_digit_run=1),
    policy_of(length=3, upper=False, special=True, allowed_specials="!", forbidden_characters="abcdefghijklmnopqrstuvw"),
]


@pytest.mark.parametrize("policy", SMALL_POLICIES, ids=str)
def test_each_number_makes_another_password_and_together_they_are_all_the_policy_leaves(policy: PasswordPolicy) -> None:
    made = list(made_by_every_number(policy))
    assert len(made) == len(set(made))
    assert set(made) == all_of(policy)


@given(
    digits=st.text("0123456789", min_size=1, max_size=4),
    letters=st.text("abc", max_size=2),
    length=st.integers(2, 5),
    limit=st.one_of(st.none(), st.integers(1, 5)),
)
def test_any_small_policy_is_counted_exactly(digits: str, letters: str, length: int, limit: int | None) -> None:
    policy = only(digits + letters, length=length, max_digit_run=limit)
    source = EveryNumber()
    generate(policy, (), source)
    assert source.asked[0] == len(all_of(policy))


@st.composite
def policies(draw: st.DrawFn) -> dict[str, Any]:
    length = draw(st.integers(4, 40))
    return {
        "length": length,
        "min_length": draw(st.integers(1, length)),
        "max_length": draw(st.integers(length, 64)),
        "upper": draw(st.booleans()),
        "lower": draw(st.booleans()),
        "digits": draw(st.booleans()),
        "special": draw(st.booleans()),
        "allowed_specials": draw(st.one_of(st.none(), st.text("!#$%,;\"'", max_size=4))),
        "forbidden_characters": draw(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=90)),
        "max_digit_run": draw(st.one_of(st.none(), st.integers(1, 12))),
        "history": draw(st.one_of(st.none(), st.integers(0, 3))),
    }


@given(policies(), st.sampled_from([None, *PRODUCTS]), st.sampled_from([None, "RUT9_R_00.07.06.20", "RUTX_R_00.07.13.2"]))
def test_what_is_made_complies_and_what_cannot_be_made_is_an_error(
    mapping: dict[str, Any], product: str | None, firmware: str | None
) -> None:
    try:
        password = generate(demanded_policy(mapping, product, firmware))
    except PolicyError:
        return
    policy = demanded_policy(mapping, product, firmware)
    assert violations(password, policy) == []
    assert len(password) == policy.length
    if not policy.special:
        assert password.isalnum()


@pytest.mark.parametrize("product", PRODUCTS)
def test_every_product_accepts_what_is_made_for_it(product: str) -> None:
    policy = demanded_policy({"length": 20, "special": True}, product)
    for _attempt in range(200):
        password = generate(policy)
        assert violations(password, floor_for(product).policy) == []
        assert not set(password) & set(",\"; \t'`\\")


def test_a_class_that_is_not_required_is_not_made() -> None:
    assert all(generate(policy_of(length=40)).isalnum() for _attempt in range(50))


# Former passwords


@pytest.mark.parametrize("how_many", range(8))
def test_former_passwords_are_left_out_and_all_others_keep_the_same_chance(how_many: int) -> None:
    policy = only("ab12", length=2)
    everything = list(made_by_every_number(policy))
    former = random.Random(how_many).sample(everything, k=how_many)
    rest = len(everything) - how_many
    # Every pair of numbers that the first draw and, where it hits a former password, the second can give: all have the same chance.
    made: Counter[str] = Counter()
    for pair in itertools.product(range(len(everything)), range(rest)):
        made[generate(policy, former, OneAfterTheOther(pair))] += 1
    assert set(made) == set(everything) - set(former)
    assert set(made.values()) == {len(everything)}


def test_the_last_password_that_is_left_is_found() -> None:
    policy = only("0123456789", length=3)
    everything = [f"{number:03}" for number in range(1000)]
    for left in ("000", "537", "999"):
        assert generate(policy, [text for text in everything if text != left]) == left


def test_former_passwords_that_the_policy_would_not_make_change_nothing() -> None:
    former = ["", "aa", "abc", "1é", "\ud800", "a1a1"]
    assert generate(only("ab12", length=2), former) in {"a1", "a2", "b1", "b2", "1a", "1b", "2a", "2b"}


def test_no_password_left_is_an_error_without_any_of_them() -> None:
    policy = only("a1", length=2)
    with pytest.raises(PolicyError) as caught:
        generate(policy, ["a1", "1a"])
    assert [field for field, _message in caught.value.problems] == ["history"]
    assert "a1" not in str(caught.value)


def test_history_limits_how_many_former_ones_are_left_out() -> None:
    policy = only("a1", length=2, history=1)
    assert {generate(policy, ["a1", "1a"]) for _attempt in range(5)} == {"1a"}


# Impossible policies


def test_a_policy_that_names_no_class_can_make_nothing() -> None:
    with pytest.raises(PolicyError, match="nothing is left to make a password of"):
        generate(policy_of(upper=False, lower=False, digits=False))


# Chance, speed, secrecy


def test_places_and_characters_are_even_under_a_seeded_source() -> None:
    policy = only("ab123", length=6, max_digit_run=2)
    everything = all_of(policy)
    source = random.Random(20260101)
    draws = 20 * len(everything)
    counts = Counter(generate(policy, (), source.randrange) for _draw in range(draws))
    expected = draws / len(everything)
    chi_square = sum((counts[text] - expected) ** 2 / expected for text in everything)
    degrees = len(everything) - 1
    # Within four standard deviations of a chi-square's mean; the source is seeded, so the outcome never changes.
    assert abs(chi_square - degrees) < 4 * (2 * degrees) ** 0.5


def test_no_password_comes_twice() -> None:
    policy = policy_of(length=20)
    assert len({generate(policy) for _attempt in range(2000)}) == 2000


@pytest.mark.parametrize("mapping", [{"length": 20, "special": True}, {"length": 20, "special": True, "max_digit_run": 2}], ids=str)
def test_ten_thousand_passwords_take_well_under_three_seconds(mapping: dict[str, Any]) -> None:
    policy = policy_of(**mapping)
    former = ["Vexing-42-Harbour-99"] * 5
    started = time.process_time()
    for _device in range(10_000):
        generate(policy, former)
    assert time.process_time() - started < 2


@pytest.mark.parametrize("limit", [None, 1, 2, 5, 9])
def test_the_longest_passwords_are_made_quickly_too(limit: int | None) -> None:
    started = time.process_time()
    policy = policy_of(length=256, special=True, max_digit_run=limit)
    assert violations(generate(policy), policy) == []
    assert time.process_time() - started < 2


def test_no_password_begins_like_a_formula_of_a_spreadsheet() -> None:
    policy = PasswordPolicy(length=3, min_length=3, upper=False, lower=False, digits=True, special=True, allowed_specials="=+-@!")
    totals: list[int] = []
    generate(policy, (), lambda total: totals.append(total) or 0)  # type: ignore[func-returns-value]
    made = {generate(policy, (), lambda _total, rank=rank: rank) for rank in range(totals[0])}  # type: ignore[misc]
    wanted = {
        text
        for text in map("".join, itertools.product("0123456789=+-@!", repeat=3))
        if text[0] not in "=+-@" and any(each.isdigit() for each in text) and any(not each.isdigit() for each in text)
    }
    assert made == wanted


def test_a_policy_that_leaves_nothing_to_begin_with_is_told() -> None:
    policy = PasswordPolicy(upper=False, lower=False, digits=False, special=True, allowed_specials="=+")
    with pytest.raises(PolicyError, match="begin"):
        generate(policy)
