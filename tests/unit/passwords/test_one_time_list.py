# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.keyturn.devices.plugins.module_utils._passwords.one_time_list import OneTimeList, read_one_time_list

DEVICES = {
    "depot-07": ("0110000007", "00:1E:42:00:00:07", "Depot 7"),
    "depot-08": ("1100000008", "00:1E:42:00:00:08", "Depot 8"),
    "depot-09": ("1100000009", "00:1E:42:00:00:09", "Depot 9"),
}
PASSWORDS = {"depot-07": "Vexing-42", "depot-08": "Harbour#7"}


def read(content: str | bytes, complete: bool = True) -> OneTimeList:
    return read_one_time_list(content.encode() if isinstance(content, str) else content, DEVICES, complete=complete)


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
        "Name,Serial,MAC,Password\nDepot 7,,001E42000007,Vexing-42\nDepot 8,,,Harbour#7\n",
    ],
)
def test_every_shape_of_the_list_gives_the_same_passwords(content: str) -> None:
    result = read(content)
    assert result.passwords == PASSWORDS
    assert (result.missing, result.unmatched, result.incomplete) == (["depot-09"], [], False)


def test_utf_16_is_read_too() -> None:
    assert read("serial,password\n0110000007,Vexing-42\n1100000008,Harbour#7\n".encode("utf-16")).passwords == PASSWORDS


def test_the_serial_is_trusted_before_the_name() -> None:
    assert read("Name,Serial,Password\nDepot 9,0110000007,Vexing-42\n").passwords == {"depot-07": "Vexing-42"}


def test_a_name_that_two_devices_share_tells_neither() -> None:
    devices = {"a": ("1", "", "Depot"), "b": ("2", "", "Depot"), "c": ("3", "", "Yard")}
    result = read_one_time_list(b"name,password\nDepot,Vexing-42\nYard,Harbour#7\n", devices, complete=True)
    assert result.passwords == {"c": "Harbour#7"}
    assert (result.missing, result.unmatched) == (["a", "b"], [2])


def test_devices_may_lack_a_mac_or_a_name() -> None:
    assert read_one_time_list(b"1,Vexing-42\n2,Harbour#7\n", {"a": ("1",), "b": ("2", "")}, complete=True).passwords == {
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
        ("0110000007,Vexing-42\n1100000009,Bell\x07#1\n1100000008,Harbour#7\n", [2]),
        (b"0110000007,Vexing-42\n1100000009,Bad\xff#1\n1100000008,Harbour#7\n", [2]),
        ("0110000007,Vexing-42\n1100000009,One#1234\n1100000009,Two#1234\n1100000008,Harbour#7\n", [2, 3]),
    ],
)
def test_a_line_that_cannot_be_read_with_certainty_gives_no_password_and_costs_no_other_line(
    content: str | bytes, unmatched: list[int]
) -> None:
    result = read(content)
    assert result.passwords == PASSWORDS
    assert (result.missing, result.unmatched, result.incomplete) == (["depot-09"], unmatched, False)


def test_a_bad_byte_in_a_name_does_no_harm() -> None:
    assert read(b"D\xe9pot,0110000007,Vexing-42\nDepot 8,1100000008,Harbour#7\n").passwords == PASSWORDS


def test_the_same_row_twice_is_one_password() -> None:
    assert read("0110000007,Vexing-42\n0110000007,Vexing-42\n").passwords == {"depot-07": "Vexing-42"}


WHOLE = "serial,password\r\n0110000007,Vexing-42\r\n1100000008,Harbour#7\r\n1100000009,Anchor#99\r\n"


@pytest.mark.parametrize("kept", range(len(WHOLE) + 1))
def test_a_list_cut_anywhere_gives_whole_passwords_only_and_says_that_it_is_cut(kept: int) -> None:
    result = read(WHOLE[:kept], complete=False)
    whole = {**PASSWORDS, "depot-09": "Anchor#99"}
    assert result.passwords.items() <= whole.items()
    assert result.incomplete
    assert set(result.missing) == set(whole) - set(result.passwords)
    # Every password whose line end arrived, if only its first half, is kept.
    arrived = [name for name, password in whole.items() if f"{password}\r" in WHOLE[:kept]]
    assert sorted(result.passwords) == sorted(arrived)


@given(st.integers(0, 200), st.sampled_from([",", ";"]), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_no_cut_of_a_quoted_list_with_doubled_quotes_gives_half_a_password(kept: int, separator: str, end: str, bom: bool) -> None:
    passwords = {"depot-07": 'Ve""x"ing', "depot-08": 'Har,b;our"', "depot-09": '"Anchor"#9'}
    lines = ['"' + name.replace("depot-0", "11000000") + '"' for name in passwords]
    devices = {name: (line.strip('"'), "", "") for name, line in zip(passwords, lines, strict=True)}
    quoted = ['"' + password.replace('"', '""') + '"' for password in passwords.values()]
    content = ("\ufeff" if bom else "") + "".join(f"{line}{separator}{text}{end}" for line, text in zip(lines, quoted, strict=True))
    result = read_one_time_list(content.encode()[:kept], devices, complete=False)
    assert result.passwords.items() <= passwords.items()


def test_a_last_line_without_an_end_counts_when_the_download_came_to_its_end() -> None:
    result = read("0110000007,Vexing-42\n1100000008,Harbour#7", complete=True)
    assert result.passwords == PASSWORDS
    assert not result.incomplete


@pytest.mark.parametrize("rest", ["1100000009", '1100000009,"Anch', "11000"])
def test_a_last_line_that_is_evidently_cut_is_told_even_so(rest: str) -> None:
    result = read("0110000007,Vexing-42\n1100000008,Harbour#7\n" + rest, complete=True)
    assert result.passwords == PASSWORDS
    assert result.incomplete
    assert result.unmatched == [3]


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
    content = "Name,Serial,MAC,Password\n" + "".join(f"Router {n},{n:010},{n:012X},Vexing-{n}\n" for n in range(10_000))
    result = read_one_time_list(content.encode(), devices, complete=True)
    assert len(result.passwords) == 10_000
    assert result.passwords["router-9999"] == "Vexing-9999"
