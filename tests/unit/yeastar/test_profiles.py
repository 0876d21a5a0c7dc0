# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Profiles: what may stand in one, and what their texts match."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.pages import _as_pattern, _result
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.profiles import GRADES, ProfileError, read_profile

ABOUT = "format: 1\nname: mine\nfirmware: '30'\nrecorded: '2026-11-01'\nsource: a device\nproducts: [S50]\n"


def test_the_shipped_profile_grades_everything() -> None:
    profile = read_profile(None)
    assert profile.name == "s-series"
    for ways in profile.elements.values():
        assert all(way.grade in GRADES for way in ways)
    assert all(text.grade in GRADES for text in (*profile.labels.values(), *profile.messages.values()))


def test_an_owner_corrects_one_id_without_touching_code(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(ABOUT + "extends: s-series\nelements:\n  login_button: {id: other-btn, grade: observed}\n")
    profile = read_profile(str(path))
    assert (profile.name, profile.elements["login_button"][0].value) == ("mine", "other-btn")
    assert profile.elements["login_username"] == read_profile(None).elements["login_username"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[]", "no mapping"),
        ("a: [", "no YAML"),
        ("format: 2", "format: must be 1"),
        ("extends: other", "extends"),
        (ABOUT, "elements.login_username: is missing"),
        (ABOUT + "extends: s-series\nnonsense: 1", "nonsense: is no part of a profile"),
        (ABOUT + "extends: s-series\nelements: {login_button: {id: x}}", "login_button: grade"),
        (ABOUT + "extends: s-series\nelements: {login_button: {id: x, css: y, grade: observed}}", "exactly one of id, css and text"),
        (ABOUT + "extends: s-series\nelements: {login_button: {text: nolabel, grade: observed}}", "text names no label"),
        (ABOUT + "extends: s-series\nelements: {other: {id: x, grade: observed}}", "elements.other: is not known"),
        (ABOUT + "extends: s-series\nelements: {login_button: {id: x, inside: nowhere, grade: observed}}", "inside names no element"),
        (ABOUT + "extends: s-series\nmessages: {rule: {patterns: ['('], grade: observed}}", "no regular expression"),
        (ABOUT + "extends: s-series\nlabels: {save: {keys: [], words: [], grade: observed}}", "names no text"),
        (ABOUT + "extends: s-series\nresults: {login: {refused: [-1], grade: observed}}", "codes in quotes"),
    ],
)
def test_a_profile_that_does_not_fit_says_where(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(text)
    with pytest.raises(ProfileError, match=problem.replace("(", r"\(")):
        read_profile(str(path))


def test_a_profile_that_is_no_file_names_the_shipped_ones() -> None:
    with pytest.raises(ProfileError, match="s-series"):
        read_profile("/nonexistent.yml")


def test_a_text_with_a_placeholder_matches_what_stands_there() -> None:
    pattern = _as_pattern("Try again<br>in {n} minutes.")
    assert pattern.search("Try again in 10 minutes.")
    assert not pattern.search("Try again in 10 hours.")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("<?xml version='1.0'?><r><result> -1 </result></r>", "-1"),
        ('{"result": -2}', "-2"),
        ('{"result": "1"}', "1"),
        ('{"result": "ok"}', None),
        ("[1]", None),
        ("<html>", None),
    ],
)
def test_result_codes_are_read_in_xml_and_json(text: str, code: str | None) -> None:
    assert _result(text) == code
