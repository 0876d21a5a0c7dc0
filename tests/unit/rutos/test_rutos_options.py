# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.keyturn.devices.plugins.module_utils._addresses import Address, AddressError, read_address
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.places import BadInput, Place, read_fingerprint, read_place
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.visit import Identity


@pytest.mark.parametrize(
    ("text", "protocol", "url"),
    [
        ("depot-07", "api", "https://depot-07"),
        (" 192.0.2.7 ", "api", "https://192.0.2.7"),
        ("192.0.2.7:8443", "api", "https://192.0.2.7:8443"),
        ("https://depot-07:443/", "api", "https://depot-07"),
        ("http://depot-07", "api", "http://depot-07"),
        ("http://depot-07:8080", "api", "http://depot-07:8080"),
        ("2001:db8::7", "api", "https://[2001:db8::7]"),
        ("[2001:db8::7]:8443", "api", "https://[2001:db8::7]:8443"),
        ("https://[2001:db8::7]", "api", "https://[2001:db8::7]"),
        ("depot-07", "ssh", "ssh://depot-07"),
        ("depot-07:2222", "ssh", "ssh://depot-07:2222"),
        ("ssh://depot-07", "ssh", "ssh://depot-07"),
        ("2001:db8::7", "ssh", "ssh://[2001:db8::7]"),
    ],
)
def test_a_host_is_read_in_every_form_people_write(text: str, protocol: str, url: str) -> None:
    assert read_address(text, protocol).url == url


@pytest.mark.parametrize(
    ("text", "protocol"),
    [
        ("", "api"),
        ("https://", "api"),
        ("ftp://depot-07", "api"),
        ("ssh://depot-07", "api"),
        ("https://depot-07", "ssh"),
        ("https://depot-07/cgi-bin", "api"),
        ("depot-07?x=1", "api"),
        ("depot-07:port", "api"),
        ("depot-07:99999", "api"),
        ("depot-07:0", "api"),
        ("https://[2001:db8", "api"),
        ("depot 07", "api"),
        ("https://admin:Vexing-42-Harbour@depot-07", "api"),
    ],
)
def test_a_host_that_cannot_be_used_is_told_without_showing_it(text: str, protocol: str) -> None:
    with pytest.raises(AddressError) as caught:
        read_address(text, protocol)
    assert "Harbour" not in str(caught.value)


@given(st.text())
def test_no_text_breaks_the_reading_of_a_host(text: str) -> None:
    try:
        address = read_address(text)
    except AddressError:
        return
    assert isinstance(address, Address)
    assert read_address(address.url) == address


@given(st.binary(min_size=32, max_size=32))
def test_a_fingerprint_is_read_in_every_form(digest: bytes) -> None:
    expected = digest.hex()
    for text in (
        expected,
        expected.upper(),
        ":".join(f"{byte:02X}" for byte in digest),
        f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}",
        f"sha256:{expected}",
    ):
        assert read_fingerprint(text) == expected


@pytest.mark.parametrize("text", ["", "ab", "zz" * 32, "MD5:" + "ab:" * 15 + "ab", "SHA256:AAAA", "SHA256:***", "ab" * 20])
def test_what_is_no_sha256_is_no_fingerprint(text: str) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        read_fingerprint(text)


def test_a_serial_number_told_as_a_number_has_lost_its_zeros() -> None:
    assert Identity(serial="12345678", serial_is_number=True).is_router("0012345678")
    assert not Identity(serial="12345678").is_router("0012345678")
    assert Identity(serial="0012345678").is_router("0012345678 ")
    assert not Identity(serial="12345678", serial_is_number=True).is_router("12345679")
    assert not Identity(serial="12345678", serial_is_number=True).is_router("AB12345678")


def test_a_place_is_read_on_its_own() -> None:
    place = read_place("0012345678", "depot-07:8443", "api", "admin", ":".join(["AB"] * 32))
    assert place == Place("0012345678", Address("https", "depot-07", 8443), "admin", "ab" * 32)
    assert read_place(None, "192.0.2.7", "ssh", "admin", None).address.url == "ssh://192.0.2.7"


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"host": None}, ["host"]),
        ({"host": "https://admin:Vexing-42-Harbour@depot-07"}, ["host"]),
        ({"fingerprint": "Vexing-42-Harbour"}, ["fingerprint"]),
        ({"username": " "}, ["username"]),
        ({"username": "a b", "protocol": "ssh"}, ["username"]),
        ({"serial": ""}, ["serial"]),
        ({"protocol": "telnet"}, ["protocol"]),
        ({"serial": " ", "username": "", "fingerprint": "", "host": ""}, ["serial", "username", "fingerprint", "host"]),
    ],
)
def test_what_is_wrong_with_a_place_is_told_by_field_and_without_its_value(changes: dict[str, str | None], fields: list[str]) -> None:
    given = {"serial": "1", "host": "depot-07", "protocol": "api", "username": "admin", "fingerprint": None, **changes}
    with pytest.raises(BadInput) as caught:
        read_place(**given)  # type: ignore[arg-type]
    assert [field for field, _what in caught.value.problems] == fields
    assert "Harbour" not in str(caught.value)
