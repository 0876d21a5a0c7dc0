# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.keyturn.devices.plugins.module_utils._passwords.csv_file import (
    CsvError,
    PasswordRow,
    RowProblem,
    read_password_csv,
)
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import PasswordPolicy, PolicyError

KNOWN = ("0110000007", "1100000008", "1100000009")
POLICY = PasswordPolicy.from_mapping({"length": 12, "min_length": 9, "special": True})

Write = Callable[[bytes | str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(content: bytes | str) -> str:
        path = tmp_path / "handover.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write_file


def read(path: str, known: Collection[str] | None = KNOWN) -> dict[str, str]:
    return {row.serial: row.password for row in read_password_csv(path, known, lambda _serial: POLICY)}


def problems_of(path: str, known: Collection[str] | None = KNOWN) -> list[RowProblem]:
    with pytest.raises(CsvError) as caught:
        read(path, known)
    return caught.value.problems


def told(path: str, known: Collection[str] | None = KNOWN) -> list[tuple[int | None, str, str]]:
    return [(problem.line, problem.field, problem.reason) for problem in problems_of(path, known)]


# What is read


@pytest.mark.parametrize(
    "content",
    [
        "0110000007,Vexing-42\n1100000008,Harbour#7\n",
        "0110000007,Vexing-42\n1100000008,Harbour#7",
        "0110000007;Vexing-42\n1100000008;Harbour#7\n",
        "0110000007,Vexing-42\r\n1100000008,Harbour#7\r\n",
        "0110000007,Vexing-42\r1100000008,Harbour#7\r",
        "\ufeff0110000007,Vexing-42\n1100000008,Harbour#7\n",
        "\n\n0110000007,Vexing-42\n   \n,\n1100000008,Harbour#7\n\n",
        '"0110000007","Vexing-42"\n"1100000008","Harbour#7"\n',
        '"0110000007";"Vexing-42"\n1100000008;Harbour#7\n',
        " 0110000007 ,Vexing-42\n1100000008\t,Harbour#7\n",
        "serial,password\n0110000007,Vexing-42\n1100000008,Harbour#7\n",
        "\ufeffSerial Number;New Password\r\n0110000007;Vexing-42\r\n1100000008;Harbour#7\r\n",
        "SN,pass\n0110000007,Vexing-42\n1100000008,Harbour#7\n",
        "S/N,Password for admin\n0110000007,Vexing-42\n1100000008,Harbour#7\n",
        '"Router","Password"\n0110000007,Vexing-42\n1100000008,Harbour#7\n',
        "Seriennummer;Passwort\n0110000007;Vexing-42\n1100000008;Harbour#7\n",
        "serial\n0110000007;Vexing-42\n1100000008;Harbour#7\n",
    ],
)
@pytest.mark.parametrize("known", [KNOWN, None], ids=["known", "any"])
def test_every_way_to_write_the_same_list(write: Write, content: str, known: Collection[str] | None) -> None:
    assert read(write(content), known) == {"0110000007": "Vexing-42", "1100000008": "Harbour#7"}


@pytest.mark.parametrize(
    ("line", "password"),
    [
        ('1100000008,"Harbour,7"', "Harbour,7"),
        ('1100000008;"Harbour;7"', "Harbour;7"),
        ("1100000008,Harbour;7", "Harbour;7"),
        ("1100000008;Harbour,7", "Harbour,7"),
        ('1100000008,"Harbour""7"', 'Harbour"7'),
        ('1100000008,Harbour"7', 'Harbour"7'),
        ("1100000008,Harbour#7é", "Harbour#7é"),
        ("1100000008,=Harbour7", "=Harbour7"),
        ("1100000008,0Harbour#7", "0Harbour#7"),
    ],
)
def test_a_password_is_taken_as_it_stands(write: Write, line: str, password: str) -> None:
    assert read(write(line + "\n")) == {"1100000008": password}


def test_rows_know_their_line_and_hide_their_password(write: Write) -> None:
    rows = read_password_csv(write("serial,password\n\n0110000007,Vexing-42\n"))
    assert [row.line for row in rows] == [3]
    assert "Vexing" not in repr(rows)


def test_serials_that_look_like_header_words_are_rows_when_they_are_known(write: Write) -> None:
    assert read(write("SN,Harbour#7\n"), ["SN"]) == {"SN": "Harbour#7"}


def test_serials_of_other_makes_are_no_damaged_numbers(write: Write) -> None:
    assert read(write("3631E2345,Harbour#7\n"), None) == {"3631E2345": "Harbour#7"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    rows=st.dictionaries(
        st.from_regex(r"[0-9]{10}", fullmatch=True),
        st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40),
        min_size=1,
    ),
    delimiter=st.sampled_from(",;"),
    end=st.sampled_from(["\n", "\r\n"]),
    bom=st.booleans(),
)
def test_what_a_csv_writer_writes_comes_back(tmp_path: Path, rows: dict[str, str], delimiter: str, end: str, bom: bool) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows(rows.items())
    path = tmp_path / "list.csv"
    path.write_bytes(text.getvalue().encode("utf-8-sig" if bom else "utf-8"))
    assert {row.serial: row.password for row in read_password_csv(str(path), rows)} == rows


# What is refused


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("0110000007,Vexing-42\n1100000010,Harbour#7\n", (2, "serial", "unknown_serial")),
        ("0110000007,Vexing-42\n\n0110000007,Harbour#7\n", (3, "serial", "duplicate_serial")),
        ("0110000007,Vexing-42\n0110000007 ,Vexing-42\n", (2, "serial", "duplicate_serial")),
        ("0110000007,Vexing-42\n1100000008\n", (2, "row", "missing_column")),
        ("0110000007\tVexing-42\n", (1, "row", "missing_column")),
        ("0110000007\n", (1, "row", "missing_column")),
        ("serial,mac\n0110000007,Vexing-42\n", (1, "row", "missing_column")),
        ("0110000007,Vexing-42,site A\n", (1, "row", "extra_column")),
        ("0110000007,Vexing-42,\n", (1, "row", "extra_column")),
        ("0110000007,Vexing,42-\n", (1, "row", "extra_column")),
        ("0110000007,Vexing-42\n,Harbour#7\n", (2, "serial", "no_serial")),
        ("0110000007,\n", (1, "password", "empty_password")),
        ('0110000007,""\n', (1, "password", "empty_password")),
        ("0110000007, Vexing-42\n", (1, "password", "surrounding_space")),
        ("0110000007,Vexing-42 \n", (1, "password", "surrounding_space")),
        ("0110000007,Vexing\t-42\n", (1, "password", "unprintable_character")),
        ("0110000007,Vex-42\n", (1, "password", "too_short")),
        ("0110000007,Vexing4242\n", (1, "password", "no_special")),
        ('0110000007,"Vexing-42\n1100000008,Harbour#7\n', (1, "row", "quoting")),
        ('0110000007,"Vexing"-42\n', (1, "row", "quoting")),
        ("password,serial\nVexing-42,0110000007\n", (1, "row", "columns_swapped")),
        ("Vexing-42,0110000007\n", (1, "serial", "unknown_serial")),
        ("1.1E+09,Vexing-42\n", (1, "serial", "damaged_serial")),
        ("1,1E+09;Vexing-42\n", (1, "serial", "damaged_serial")),
        ("1100000008.0,Vexing-42\n", (1, "serial", "damaged_serial")),
        ("'0110000007,Vexing-42\n", (1, "serial", "damaged_serial")),
        ('"=""0110000007""",Vexing-42\n', (1, "serial", "damaged_serial")),
        ("110000007,Vexing-42\n", (1, "serial", "unknown_serial")),
        ("0110000007,Vexing\x00-42\n", (1, "row", "encoding")),
        ("0110000007,Vexing-42\n1100000008;Harbour#7\n", (2, "row", "missing_column")),
        ("depot-07,Vexing-42\n", (1, "serial", "unknown_serial")),
        ("depot,Vexing-42\n", (1, "serial", "unknown_serial")),
        ("9900000001,password\n", (1, "serial", "unknown_serial")),
        ("", (None, "file", "empty_file")),
        (" \n\n", (None, "file", "empty_file")),
        (b"\xef\xbb\xbf", (None, "file", "empty_file")),
        ("serial,password\n", (None, "file", "no_rows")),
        ("serial,password\n,\n", (None, "file", "no_rows")),
        (b"0110000007,Vexing-42\n1100000008,Harbour\xe9#7\n", (2, "file", "encoding")),
        ("0110000007,Vexing-42\n".encode("utf-16"), (None, "file", "encoding")),
    ],
)
def test_a_bad_row_refuses_the_file_and_is_named(write: Write, content: bytes | str, expected: tuple[int | None, str, str]) -> None:
    path = write(content)
    assert told(path)[0] == expected
    text = "".join(map(str, problems_of(path)))
    assert not any(secret in text for secret in ("Vexing", "Harbour"))


def test_all_problems_are_told_at_once_in_the_order_of_lines(write: Write) -> None:
    path = write("serial,password\n110,Vexing-42\n1100000008,short\n1100000008,Harbour#7\n1100000009\n,\n0110000007,a,b\n")
    assert told(path) == [
        (2, "serial", "unknown_serial"),
        (3, "password", "too_short"),
        (3, "password", "no_upper"),
        (3, "password", "no_digit"),
        (3, "password", "no_special"),
        (4, "serial", "duplicate_serial"),
        (5, "row", "missing_column"),
        (7, "row", "extra_column"),
    ]


def test_a_duplicate_names_both_lines(write: Write) -> None:
    (problem,) = problems_of(write("0110000007,Vexing-42\n\n0110000007,Harbour#7\n"))
    assert str(problem).endswith("handover.csv, line 3: the serial stands on line 1 already")


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ("110000007,Vexing-42\n", "0110000007 is, so a spreadsheet may have changed its leading zeros"),
        ("1.1E+09,Vexing-42\n", "turned into a number by a spreadsheet"),
        ("Vexing-42,0110000007\n", "columns look swapped"),
        ("0110000007\tVexing-42\n", "a tab stands in the row, but this file's separator is a comma"),
        ("0110000007,Vexing-42\n1100000008;Harbour#7\n", "a semicolon stands in the row, but this file's separator is a comma"),
        ("Nummer;Wort\n0110000007;Vexing-42\n", "if this line is a header, call its columns serial and password"),
        ("0110000007,Vexing,42-\n", "a password that holds , must be quoted"),
    ],
)
def test_the_likely_cause_is_named(write: Write, content: str, hint: str) -> None:
    assert hint in problems_of(write(content))[0].message


def test_a_first_row_with_an_unknown_serial_is_no_header(write: Write) -> None:
    assert told(write("9900000001,password\n0110000007,Vexing-42\n"))[0] == (1, "serial", "unknown_serial")


def test_without_known_serials_and_policy_only_the_form_is_checked(write: Write) -> None:
    rows = read_password_csv(write("0110000007,x\nA1,y\n"))
    assert [(row.serial, row.password) for row in rows] == [("0110000007", "x"), ("A1", "y")]
    with pytest.raises(CsvError, match="cannot be typed"):
        read_password_csv(write("0110000007,x\x07y\n"))


def test_the_policy_is_that_of_the_rows_own_device(write: Write) -> None:
    policies = {"0110000007": POLICY, "1100000008": PasswordPolicy.from_mapping({"length": 30})}
    with pytest.raises(CsvError) as caught:
        read_password_csv(write("0110000007,Vexing-42\n1100000008,Harbour#7\n"), KNOWN, policies.__getitem__)
    assert [(problem.line, problem.reason) for problem in caught.value.problems] == [(2, "too_short")]


def test_a_broken_policy_is_not_taken_for_a_broken_row(write: Write) -> None:
    def broken(_serial: str) -> PasswordPolicy:
        raise PolicyError([("length", "must be a whole number")])

    with pytest.raises(PolicyError):
        read_password_csv(write("0110000007,Vexing-42\n"), KNOWN, broken)


def test_a_missing_file_a_directory_and_an_unreadable_path_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("0110000007,Vexing-42\n")
    for path, reason in (("missing.csv", "missing_file"), (".", "not_a_file"), ("file/inside.csv", "unreadable"), ("a\0b", "unreadable")):
        assert told(str(tmp_path / path)) == [(None, "file", reason)]


def test_ten_thousand_bad_rows_make_a_short_message_and_a_full_list(write: Write) -> None:
    with pytest.raises(CsvError) as caught:
        read(write("".join(f"{number:010},Vexing-42\n" for number in range(10_000))))
    assert len(caught.value.problems) == 10_000
    assert str(caught.value).count("\n") == 20
    assert str(caught.value).endswith("and 9980 more problems")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.one_of(st.binary(max_size=80), st.text('01,;"\n\r\t =.E+aZ#', max_size=60).map(str.encode)))
def test_no_content_ends_in_anything_but_rows_or_problems(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any.csv"
    path.write_bytes(content)
    rows: list[PasswordRow] = []
    problems: list[RowProblem] = []
    try:
        rows = read_password_csv(str(path), None, lambda _serial: POLICY)
    except CsvError as error:
        problems = error.problems
    assert bool(rows) is not bool(problems)
    assert len({row.serial for row in rows}) == len(rows)
