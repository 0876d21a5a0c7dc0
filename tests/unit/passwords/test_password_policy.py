# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.keyturn.devices.plugins.module_utils._passwords.floors import Floor
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import (
    PREFERRED_SPECIALS,
    PasswordPolicy,
    PolicyError,
    longest_digit_run,
    violations,
)

ANYTHING = PasswordPolicy.from_mapping({"min_length": 1, "upper": False, "lower": False, "digits": False})


def reasons(password: str, former: tuple[str, ...] = (), **policy: Any) -> list[str]:
    return [violation.reason for violation in violations(password, PasswordPolicy.from_mapping(policy), former)]


def problems_of(mapping: Any) -> list[tuple[str, str]]:
    with pytest.raises(PolicyError) as caught:
        PasswordPolicy.from_mapping(mapping)
    return caught.value.problems


def floor(**policy: Any) -> Floor:
    return Floor("a product", None, PasswordPolicy(**policy), "assumed", "")


# What breaks a policy


@pytest.mark.parametrize(
    ("password", "policy", "expected"),
    [
        ("Vexing42", {}, []),
        ("Vexin42", {}, ["too_short"]),
        ("Vexing42", {"length": 9}, ["too_short"]),
        ("Vexing42", {"length": 20, "min_length": 8}, []),
        ("Vexing-42", {"max_length": 8}, ["too_long"]),
        ("vexing42", {}, ["no_upper"]),
        ("VEXING42", {}, ["no_lower"]),
        ("VexingHarbour", {}, ["no_digit"]),
        ("Vexing42", {"special": True}, ["no_special"]),
        ("Vexing 42", {"special": True}, ["no_special"]),
        ("Véxing42É", {"special": True}, ["no_special"]),
        ("ÉÀÇ-vexing42", {}, ["no_upper"]),
        ("Vexing\u0664\u0662-", {}, ["no_digit"]),
        ("Vexing-42", {"special": False}, []),
        ("Vexing-42", {"allowed_specials": "!#"}, ["special_not_allowed"]),
        ("Vexing 42", {"allowed_specials": "!#"}, ["special_not_allowed"]),
        ("Vexingé42", {"allowed_specials": "!#"}, ["special_not_allowed"]),
        ("Vexing!42", {"allowed_specials": "!#", "special": True}, []),
        ("Vexing-42", {"allowed_specials": ""}, ["special_not_allowed"]),
        ("Vexing;42", {"forbidden_characters": ";"}, ["forbidden_character"]),
        ("Vexing\n42", {}, ["unprintable_character"]),
        ("Vexing\t42", {}, ["unprintable_character"]),
        ("Vexing\x0042", {}, ["unprintable_character"]),
        ("Vexing\ud80042", {}, ["unprintable_character"]),
        ("Vexing123", {"max_digit_run": 3}, []),
        ("Vexing1234", {"max_digit_run": 3}, ["digit_run"]),
        ("Vexing4321", {"max_digit_run": 3}, ["digit_run"]),
        ("Vexing1243", {"max_digit_run": 2}, []),
        ("Vexing1111", {"max_digit_run": 1}, []),
        ("Vexing12", {"max_digit_run": 1}, ["digit_run"]),
        ("", {}, ["too_short", "no_upper", "no_lower", "no_digit"]),
    ],
)
def test_every_rule_is_told_by_its_reason(password: str, policy: dict[str, Any], expected: list[str]) -> None:
    assert reasons(password, **policy) == expected


def test_a_class_that_is_not_required_is_no_fault_in_either_case() -> None:
    for password in ("x", "X", "7", "-", "xX7-", "é", " "):
        assert violations(password, ANYTHING) == []


@pytest.mark.parametrize(("history", "expected"), [(0, []), (1, []), (2, ["reused"]), (99, ["reused"])])
def test_history_counts_from_the_newest(history: int, expected: list[str]) -> None:
    assert reasons("Vexing42", former=("Newest-1", "Vexing42", "Oldest-1"), history=history) == expected


def test_without_history_a_former_password_may_come_back() -> None:
    assert reasons("Vexing42", former=("Vexing42",)) == []


def test_all_faults_are_told_at_once() -> None:
    found = reasons("1;1234\t", length=8, special=True, allowed_specials="!", forbidden_characters=";", max_digit_run=2)
    assert found == [
        "too_short",
        "no_upper",
        "no_lower",
        "special_not_allowed",
        "forbidden_character",
        "unprintable_character",
        "digit_run",
    ]


@given(st.text("ABCxyz0123456789-;\t é", max_size=38).map("Qx".__add__))
def test_no_message_holds_the_password(password: str) -> None:
    strict = {"length": 41, "special": True, "allowed_specials": "!", "forbidden_characters": password, "max_digit_run": 1, "history": 1}
    try:
        policy = PasswordPolicy.from_mapping(strict)
    except PolicyError:
        policy = PasswordPolicy.from_mapping({**strict, "forbidden_characters": ";"})
    found = violations(password, policy, [password])
    assert {"too_short", "reused"} <= {violation.reason for violation in found}
    assert not [violation for violation in found if password in violation.message]


@given(st.text(alphabet="0123456789x", max_size=12))
def test_the_longest_digit_run_is_that_of_a_plain_search(text: str) -> None:
    def in_order(part: str) -> bool:
        digits = [int(character) for character in part]
        steps = {after - before for before, after in itertools.pairwise(digits)}
        return steps in ({1}, {-1}, set())

    parts = {text[start:end] for start in range(len(text)) for end in range(start + 1, len(text) + 1)}
    assert longest_digit_run(text) == max((len(part) for part in parts if part.isdigit() and in_order(part)), default=0)


# Reading a user's policy


def test_length_is_the_length_to_make_and_the_least() -> None:
    policy = PasswordPolicy.from_mapping({"length": 24})
    assert (policy.length, policy.min_length) == (24, 24)


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        ({}, (8, 20, 256)),
        ({"min_length": 24}, (24, 24, 256)),
        ({"max_length": 12}, (8, 12, 12)),
        ({"max_length": 6}, (6, 6, 6)),
        ({"length": 6}, (6, 6, 256)),
        ({"length": 16, "min_length": 12}, (12, 16, 256)),
    ],
)
def test_lengths_that_are_not_given_follow_from_those_that_are(mapping: dict[str, Any], expected: tuple[int, int, int]) -> None:
    policy = PasswordPolicy.from_mapping(mapping)
    assert (policy.min_length, policy.length, policy.max_length) == expected


def test_templated_strings_are_read_as_numbers_and_truths() -> None:
    policy = PasswordPolicy.from_mapping({"length": " 16 ", "special": "yes", "upper": "False", "max_age_days": "90", "digits": 1})
    assert (policy.length, policy.special, policy.upper, policy.max_age_days, policy.digits) == (16, True, False, 90, True)


def test_none_means_not_given() -> None:
    assert PasswordPolicy.from_mapping({"length": None, "special": None, "max_digit_run": None}) == PasswordPolicy()


@pytest.mark.parametrize("mapping", [None, "length: 20", ["length"], 20])
def test_a_policy_that_is_no_mapping_is_refused(mapping: Any) -> None:
    assert problems_of(mapping)[0][0] == "policy"


@pytest.mark.parametrize(
    ("mapping", "field"),
    [
        ({"length": "long"}, "length"),
        ({"length": 0}, "length"),
        ({"length": 257}, "length"),
        ({"length": True}, "length"),
        ({"length": 20.0}, "length"),
        ({"length": [20]}, "length"),
        ({"length": "9" * 5000}, "length"),
        ({"min_length": -1}, "min_length"),
        ({"special": "perhaps"}, "special"),
        ({"upper": 2}, "upper"),
        ({"allowed_specials": 5}, "allowed_specials"),
        ({"allowed_specials": "!a"}, "allowed_specials"),
        ({"allowed_specials": "! "}, "allowed_specials"),
        ({"forbidden_characters": ["a"]}, "forbidden_characters"),
        ({"max_digit_run": 0}, "max_digit_run"),
        ({"history": -1}, "history"),
        ({"max_age_days": 0}, "max_age_days"),
        ({"max_age_days": "3 months"}, "max_age_days"),
        ({"lenght": 20}, "lenght"),
        ({"lenght": None}, "lenght"),
        ({5: 20}, "5"),
        # Contradictions
        ({"min_length": 12, "max_length": 10}, "min_length"),
        ({"length": 20, "max_length": 16}, "length"),
        ({"length": 8, "min_length": 12}, "length"),
        ({"length": 3, "special": True}, "length"),
        ({"special": True, "allowed_specials": ""}, "special"),
        ({"special": True, "allowed_specials": "!;", "forbidden_characters": "!;"}, "special"),
        ({"forbidden_characters": "0123456789"}, "digits"),
        ({"forbidden_characters": "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}, "upper"),
        ({"forbidden_characters": "abcdefghijklmnopqrstuvwxyz"}, "lower"),
    ],
)
def test_a_wrong_setting_is_named(mapping: dict[Any, Any], field: str) -> None:
    assert [name for name, _message in problems_of(mapping)] == [field]


def test_every_wrong_setting_is_told_at_once_without_its_value() -> None:
    with pytest.raises(PolicyError) as caught:
        PasswordPolicy.from_mapping({"length": "canary-1", "special": "canary-2", "wrong": "canary-3"}, where="depot-07: policy")
    assert [name for name, _message in caught.value.problems] == ["length", "special", "wrong"]
    assert str(caught.value).startswith("depot-07: policy: length: ")
    assert "canary" not in str(caught.value)


def test_a_misspelt_setting_gets_a_hint() -> None:
    assert "max_age_days" in problems_of({"max_age_day": 90})[0][1]


# Floors


def test_a_floor_makes_a_policy_stricter_in_every_point() -> None:
    policy = PasswordPolicy.from_mapping({"length": 6, "upper": False, "forbidden_characters": "lO", "max_digit_run": 3})
    joined = policy.with_floor(floor(min_length=10, max_length=32, special=True, forbidden_characters="O;", max_digit_run=2, history=3))
    assert joined == PasswordPolicy(
        min_length=10, max_length=32, length=10, special=True, forbidden_characters="lO;", max_digit_run=2, history=3
    )


def test_a_floor_never_makes_a_policy_weaker() -> None:
    policy = PasswordPolicy.from_mapping(
        {"length": 24, "max_length": 30, "special": True, "max_digit_run": 1, "history": 5, "max_age_days": 30, "allowed_specials": "!#"}
    )
    weak = floor(min_length=1, upper=False, lower=False, digits=False, max_digit_run=9, history=1, max_age_days=365)
    assert policy.with_floor(weak) == policy


def test_only_specials_that_both_allow_are_left() -> None:
    policy = PasswordPolicy.from_mapping({"special": True, "allowed_specials": "!#$"})
    assert policy.with_floor(floor(allowed_specials="$#%")).allowed_specials == "#$"


def test_the_length_to_make_moves_into_what_both_allow() -> None:
    policy = PasswordPolicy.from_mapping({"length": 40, "min_length": 12})
    assert policy.with_floor(floor(max_length=32)).length == 32


@pytest.mark.parametrize(
    ("mapping", "floor_policy", "field"),
    [
        ({"length": 40}, {"max_length": 32}, "min_length"),
        ({"max_length": 8}, {"min_length": 10}, "min_length"),
        ({"allowed_specials": "!"}, {"special": True, "allowed_specials": "#"}, "special"),
        ({"allowed_specials": ";", "special": True}, {"forbidden_characters": ";"}, "special"),
        ({"length": 2, "max_length": 2, "upper": False, "lower": False}, {"min_length": 2, "length": 5}, "length"),
    ],
)
def test_what_nothing_can_satisfy_is_refused(mapping: dict[str, Any], floor_policy: dict[str, Any], field: str) -> None:
    with pytest.raises(PolicyError) as caught:
        PasswordPolicy.from_mapping(mapping).with_floor(floor(**floor_policy))
    assert [name for name, _message in caught.value.problems] == [field]
    assert "a product" in str(caught.value)


def test_specials_are_made_of_the_preferred_ones_unless_the_policy_names_some() -> None:
    def specials(**policy: Any) -> str:
        return PasswordPolicy.from_mapping({"special": True, **policy}).alphabets()["special"]

    assert set(specials()) == set(PREFERRED_SPECIALS)
    assert set(specials(forbidden_characters="!#")) == set(PREFERRED_SPECIALS) - set("!#")
    assert set(specials(allowed_specials="!$")) == set("!$")
    assert set(specials(allowed_specials="!$", forbidden_characters="!")) == {"$"}


def test_where_all_preferred_specials_are_forbidden_any_other_will_do() -> None:
    policy = PasswordPolicy.from_mapping({"special": True, "forbidden_characters": PREFERRED_SPECIALS})
    assert set(policy.alphabets()["special"]) == set("\"$&'()*,/;<>?[\\]^`{|}~")
