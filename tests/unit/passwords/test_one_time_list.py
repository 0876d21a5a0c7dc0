# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.keyturn.devices.plugins.module_utils._passwords.one_time_list import Made, OneTimeList, read_one_time_list

DEVICES = {
    "depot-07": ("0110000007", "00:1E:42:00:00:07", "Depot 7"),
    "depot-08": ("1100000008", "00:1E:42:00:00:08", "Depot 8"),
    "depot-09": ("1100000009", "00:1E:42:00:00:09", "Depot 9"),
}
PASSWORDS = {"depot-07": "Vexing-42", "depot-08": "Harbour#7"}
ASKED = Made(length=9, special=True)


def read(content: str | bytes, complete: bool = True) -> OneTimeList:
    return read_one_time_list(content.encode() if isinstance(content, str) else content, DEVICES, complete=complete, asked=ASKED)


@pytest.mark.parametrize(
    "content",
    [
        "serial,password\n0110000007,Vexing-42\n1100000008,Harbour#7\n",
        "0110000007,Vexing-42\n1100000008,Harbour#7\n",
        "0110000007,Vexing-42\r\n1100000008,Harbour#7",
        "\ufeffSerial;Password\r\n0110000007;Vexing-42\r\n1100000008;Harbour#7\r\n",
        "0110000007\tVexing-42\n1100000008\tHarbour#7\n",
        '"0110000007","Vexing-42"\n"1100000008","Harbour#7"\n',
        "Name,Serial,MAC,Password\nDepot 7,0110000007,001E42000007,Vexing-42\nDepot 8,1100000008,001E42000008,Harbour#7\n",
        "Depot 7,0110000007,001E42000007,Vexing-42\nDepot 8,1100000008,001E42000008,Harbour#7\n",
        "Password,Serial\nVexing-42,0110000007\nHarbour#7,1100000008\n",
        "Serial;Password;Created at\n0110000007;Vexing-42;2026-01-02\n1100000008;Harbour#7;2026-01-02\n",
        "Serial Number,Secret\n0110000007,Vexing-42\n1100000008,Harbour#7\n",
        "MAC,Password\n00:1e:42:00:00:07,Vexing-42\n00-1E-42-00-00-08,Harbour#7\n",
        "001e42000007,Vexing-42\n001e42000008,Harbour#7\n",
        "Name;Password\nDepot 7;Vexing-42\nDepot 8;Harbour#7\n",
        "Depot 7,Vexing-42\nDepot 8,Harbour#7\n",
        "\n0110000007,Vexing-42\n\n1100000008,Harbour#7\n\n",
        "Serial,Status,Password\n0110000007,completed,Vexing-42\n1100000008,completed,Harbour#7\n",
        "Name,Serial,MAC,Password\nDepot 7,,001E42000007,Vexing-42\nDepot 8,,,Harbour#7\n",
    ],
)
def test_every_shape_of_the_list_gives_the_same_passwords(content: str) -> None:
    result = read(content)
    assert result.passwords == PASSWORDS
    assert (result.missing, result.unmatched, result.trouble) == (["depot-09"], [], "")


def test_utf_16_is_read_too() -> None:
    assert read("serial,password\n0110000007,Vexing-42\n1100000008,Harbour#7\n".encode("utf-16")).passwords == PASSWORDS


def test_the_serial_is_trusted_before_the_name() -> None:
    assert read("Name,Serial,Password\nDepot 9,0110000007,Vexing-42\n").passwords == {"depot-07": "Vexing-42"}


def test_a_name_that_two_devices_share_tells_neither() -> None:
    devices = {"a": ("1", "", "Depot"), "b": ("2", "", "Depot"), "c": ("3", "", "Yard")}
    result = read_one_time_list(b"name,password\nDepot,Vexing-42\nYard,Harbour#7\n", devices, complete=True, asked=ASKED)
    assert result.passwords == {"c": "Harbour#7"}
    assert (result.missing, result.unmatched) == (["a", "b"], [2])


def test_devices_may_lack_a_mac_or_a_name() -> None:
    assert read_one_time_list(b"1,Vexing-42\n2,Harbour#7\n", {"a": ("1",), "b": ("2", "")}, complete=True, asked=ASKED).passwords == {
        "a": "Vexing-42",
        "b": "Harbour#7",
    }


@pytest.mark.parametrize(
    ("content", "unmatched"),
    [
        ("0110000007,Vexing-42\n9900000001,Foreign#1\n1100000008,Harbour#7\n", [2]),
        ("0110000007,Vexing-42\n1100000009,\n1100000008,Harbour#7\n", [2]),
        ("0110000007,Vexing-42\n1100000009,un,quoted\n1100000008,Harbour#7\n", [2]),
        ('0110000007,Vexing-42\n1100000009,"open\n1100000008,Harbour#7\n', [2]),
        ("0110000007,Vexing-42\n1100000009\n1100000008,Harbour#7\n", [2]),
        ("0110000007,Vexing-42\n1100000009,Bell\x07#12\n1100000008,Harbour#7\n", [2]),
        (b"0110000007,Vexing-42\n1100000009,Bad\xff#123\n1100000008,Harbour#7\n", [2]),
        ("0110000007,Vexing-42\n1100000009,One#12345\n1100000009,Two#12345\n1100000008,Harbour#7\n", [2, 3]),
    ],
)
def test_a_line_that_cannot_be_read_with_certainty_gives_no_password_and_costs_no_other_line(
    content: str | bytes, unmatched: list[int]
) -> None:
    result = read(content)
    assert result.passwords == PASSWORDS
    assert (result.missing, result.unmatched, result.trouble) == (["depot-09"], unmatched, "")


def test_a_bad_byte_in_a_name_does_no_harm() -> None:
    assert read(b"D\xe9pot,0110000007,Vexing-42\nDepot 8,1100000008,Harbour#7\n").passwords == PASSWORDS


def test_the_same_row_twice_is_one_password() -> None:
    assert read("0110000007,Vexing-42\n0110000007,Vexing-42\n").passwords == {"depot-07": "Vexing-42"}


WHOLE = "serial,password\r\n0110000007,Vexing-42\r\n1100000008,Harbour#7\r\n1100000009,Anchor#99\r\n"


@pytest.mark.parametrize("kept", range(len(WHOLE) + 1))
def test_a_list_cut_anywhere_gives_whole_passwords_only(kept: int) -> None:
    result = read(WHOLE[:kept], complete=False)
    whole = {**PASSWORDS, "depot-09": "Anchor#99"}
    assert result.passwords.items() <= whole.items()
    assert set(result.missing) == set(whole) - set(result.passwords)
    # Every password whose line end arrived, if only its first half, is kept.
    arrived = [name for name, password in whole.items() if f"{password}\r" in WHOLE[:kept]]
    assert sorted(result.passwords) == sorted(arrived)


@given(st.integers(0, 200), st.sampled_from([",", ";"]), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_no_cut_of_a_quoted_list_with_doubled_quotes_gives_half_a_password(kept: int, separator: str, end: str, bom: bool) -> None:
    passwords = {"depot-07": 'Ve""x"i1', "depot-08": 'Ha,b;ou"', "depot-09": '"Anch"#9'}
    lines = ['"' + name.replace("depot-0", "11000000") + '"' for name in passwords]
    devices = {name: (line.strip('"'), "", "") for name, line in zip(passwords, lines, strict=True)}
    quoted = ['"' + password.replace('"', '""') + '"' for password in passwords.values()]
    content = ("\ufeff" if bom else "") + "".join(f"{line}{separator}{text}{end}" for line, text in zip(lines, quoted, strict=True))
    result = read_one_time_list(content.encode()[:kept], devices, complete=False, asked=Made(8, True))
    assert result.passwords.items() <= passwords.items()


def test_a_last_line_without_an_end_counts_when_the_download_came_to_its_end() -> None:
    assert read("0110000007,Vexing-42\n1100000008,Harbour#7").passwords == PASSWORDS


@pytest.mark.parametrize("rest", ["1100000009", '1100000009,"Anch', "11000"])
def test_a_last_line_that_is_evidently_cut_gives_no_password_even_so(rest: str) -> None:
    result = read("0110000007,Vexing-42\n1100000008,Harbour#7\n" + rest)
    assert (result.passwords, result.unmatched) == (PASSWORDS, [3])


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"\xef\xbb\xbf", b"<html>Gateway error</html>\n", b'{"success": false}', b"serial,password\n"]
)
def test_what_is_no_list_gives_no_password(content: bytes) -> None:
    result = read(content)
    assert result.passwords == {}
    assert result.missing == list(DEVICES)


def test_a_header_that_ends_with_what_tells_the_device_gives_no_password() -> None:
    assert read("Name,Serial\nDepot 7,0110000007\n").passwords == {}


def test_no_password_shows_in_its_text() -> None:
    assert "Vexing" not in repr(read("0110000007,Vexing-42\n"))


@given(st.one_of(st.binary(max_size=100), st.text('0110000007,;"\n\r\tVexing-42', max_size=80).map(str.encode)), st.booleans())
def test_no_content_is_an_error(content: bytes, complete: bool) -> None:
    result = read(content, complete)
    assert set(result.passwords) | set(result.missing) == set(DEVICES)
    assert not set(result.passwords) & set(result.missing)


def test_ten_thousand_lines_are_read_in_little_time() -> None:
    devices = {f"router-{number}": (f"{number:010}", f"{number:012X}", f"Router {number}") for number in range(10_000)}
    content = "Name,Serial,MAC,Password\n" + "".join(f"Router {n},{n:010},{n:012X},Vexing-{n:05}\n" for n in range(10_000))
    result = read_one_time_list(content.encode(), devices, complete=True, asked=Made(12, True))
    assert len(result.passwords) == 10_000
    assert result.passwords["router-9999"] == "Vexing-09999"


# The rows of a list as RMS may hand it out, with something after the password (or before it).
SERIALS = ["0110000007", "1100000008", "1100000009"]
MADE = ["Vexing-42", "Harbour#7", "Anchor#99"]
BESIDES = {
    "model": ["RUTX11", "RUT241", "RUT950"],
    "models alike": ["RUTX11"] * 3,
    "models as long as the passwords": ["RUTX11-A1", "RUTX11-B2", "RUTX11-C3"],
    "date": ["2026-01-0"] * 3,
    "dates that differ": ["26-01-02T", "26-01-03T", "26-01-04T"],
    "status": ["completed"] * 3,
    "status that differs": ["completed", "failed", "pending"],
    "id": ["70810", "70811", "70812"],
    "number as long as the passwords": ["123456789", "223456789", "323456789"],
    "firmware": ["RUTX_R_00.07.13.2"] * 3,
    "empty": [""] * 3,
}


def table(columns: list[list[str]], header: str = "") -> str:
    return "".join(f"{line}\n" for line in [header, *map(",".join, zip(*columns, strict=True))] if line)


class TestWhichColumnHoldsThePasswords:
    """The columns are not published: whatever stands beside the passwords must never be taken for one."""

    @pytest.mark.parametrize("besides", BESIDES)
    @pytest.mark.parametrize("header", ["", "Serial,Password,{}", "Serial,Password,Password {}", "Serial,Secret,{}"])
    @pytest.mark.parametrize("rows", [1, 2, 3])
    def test_a_column_after_the_password_is_not_taken(self, besides: str, header: str, rows: int) -> None:
        columns = [SERIALS[:rows], MADE[:rows], BESIDES[besides][:rows]]
        result = read(table(columns, header.format("Model")))
        assert result.passwords == dict(list(zip(DEVICES, MADE, strict=True))[:rows])

    @pytest.mark.parametrize("besides", BESIDES)
    def test_nor_is_one_before_it(self, besides: str) -> None:
        assert set(read(table([SERIALS, BESIDES[besides], MADE])).passwords.values()) == set(MADE)

    @pytest.mark.parametrize("header", ["", "Serial,Password,Request", "Serial,Password,Password"])
    def test_two_columns_that_may_hold_them_give_no_password_and_the_reason(self, header: str) -> None:
        result = read(table([SERIALS, MADE, ["Token#1xx", "Token#2xx", "Token#3xx"]], header))
        assert result.passwords == {}
        assert result.missing == list(DEVICES)
        assert result.trouble == "2 columns of the list may hold the passwords"

    @pytest.mark.parametrize(
        "values",
        [
            ["Vexing-42x", "Harbour#7x", "Anchor#99x"],  # longer than asked for
            ["Vexing-4", "Harbour#", "Anchor#9"],  # shorter
            ["Vexing-42", "Vexing-42", "Anchor#99"],  # two devices with one password
            ["vexing-42", "harbour#7", "anchor#99"],  # no upper-case letter in any
            ["VEXING-42", "HARBOUR#7", "ANCHOR#99"],
            ["Vexing-xx", "Harbour#x", "Anchor#xx"],  # no digit in any
            ["VexingX42", "HarbourX7", "AnchorX99"],  # no special character in any
            ["Vexing 42", "Harbour 7", "Anchor 99"],
            ["********1", "********2", "********3"],
        ],
    )
    def test_what_was_not_asked_for_is_no_password(self, values: list[str]) -> None:
        result = read(table([SERIALS, values], "serial,password"))
        assert (result.passwords, result.trouble) == ({}, "no column of the list holds what was asked for")

    def test_special_characters_that_were_not_asked_for_are_none(self) -> None:
        content = table([SERIALS, MADE, ["VexingX42", "HarbourX7", "AnchorX99"]]).encode()
        result = read_one_time_list(content, DEVICES, complete=True, asked=Made(9, False))
        assert set(result.passwords.values()) == {"VexingX42", "HarbourX7", "AnchorX99"}

    def test_classes_left_to_chance_are_looked_for_in_the_column_as_a_whole(self) -> None:
        values = ["Vexing-xx", "harbour#7", "Anchor#99"]
        assert set(read(table([SERIALS, values])).passwords.values()) == set(values)

    def test_a_header_that_calls_another_column_the_passwords_gives_none(self) -> None:
        result = read(table([SERIALS, ["short-1A", "short-2A", "short-3A"], MADE], "Serial,Password,Secret"))
        assert result.passwords == {}
        assert "called the passwords'" in result.trouble

    def test_a_router_that_failed_may_have_something_else_there(self) -> None:
        result = read(table([SERIALS, ["Vexing-42", "not changed", "Anchor#99"]]))
        assert result.passwords == {"depot-07": "Vexing-42", "depot-09": "Anchor#99"}
        assert (result.unmatched, result.trouble) == ([2], "")

    def test_what_was_asked_for_may_not_be_known_any_more(self) -> None:
        content = table([SERIALS, ["Vexing-42-Harbour", "Harbour#7", "Anchor#99"], ["a", "b", "c"]]).encode()
        assert len(read_one_time_list(content, DEVICES, complete=True, asked=Made()).passwords) == 3

    def test_a_list_of_nobody_known_is_no_trouble(self) -> None:
        assert read("9900000001,Foreign#1\n").trouble == ""


OLD_AND_NEW = {"old": ("1100000007", "", "1100000008"), "new": ("1100000008", "", "Depot 8"), "yard": ("1100000009", "", "Yard")}


class TestNamesOnly:
    """Names are given by people: one router may be called by the serial number of another."""

    def read(self, content: str) -> dict[str, str]:
        return read_one_time_list(content.encode(), OLD_AND_NEW, complete=True, asked=ASKED).passwords

    @pytest.mark.parametrize("others", ["", "Yard,Anchor#99\n", "Depot 8,Harbour#7\nYard,Anchor#99\n"])
    def test_a_name_never_matches_the_serial_of_another(self, others: str) -> None:
        passwords = self.read(f"1100000008,Vexing-42\n{others}")
        assert "Vexing-42" not in (passwords.get("new"), passwords.get("yard"))

    def test_a_header_tells_what_a_column_is(self) -> None:
        assert self.read("Name,Password\n1100000008,Vexing-42\nDepot 8,Harbour#7\n") == {"old": "Vexing-42", "new": "Harbour#7"}
        assert self.read("Serial,Password\n1100000008,Vexing-42\n1100000009,Harbour#7\n") == {"new": "Vexing-42", "yard": "Harbour#7"}

    def test_a_remark_that_mentions_another_serial_leaves_the_row_out(self) -> None:
        passwords = self.read("Depot 8,1100000009,Vexing-42\nYard,none,Harbour#7\n")
        assert passwords == {"yard": "Harbour#7"}
