# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.keyturn.devices.plugins.module_utils._rutos.known_hosts import KnownHosts

KEY, OTHER = base64.b64encode(b"the key").decode(), base64.b64encode(b"another key").decode()


def hashed(name: str) -> str:
    salt = b"salt-salt-salt-salt!"
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


def known(tmp_path: Path, text: str, host: str = "depot-07", port: int = 22) -> tuple[set[bytes], set[bytes]]:
    file = tmp_path / "known_hosts"
    file.write_text(text)
    keys = KnownHosts(str(file)).of(host, port)
    return set(keys.known), set(keys.revoked)


@pytest.mark.parametrize(
    ("line", "host", "port"),
    [
        (f"depot-07 ssh-ed25519 {KEY}", "depot-07", 22),
        (f"depot-07 ssh-ed25519 {KEY} a comment # and more", "Depot-07", 22),
        (f"depot-06,depot-07,192.0.2.7\tssh-rsa\t{KEY}", "192.0.2.7", 22),
        (f"[depot-07]:2222 ssh-ed25519 {KEY}", "depot-07", 2222),
        (f"[2001:db8::7]:2222 ssh-ed25519 {KEY}", "2001:db8::7", 2222),
        (f"*.example.com,!depot-08.example.com ssh-ed25519 {KEY}", "depot-07.example.com", 22),
        (f"[depot-0?]:2222 ssh-ed25519 {KEY}", "depot-07", 2222),
        (f"{hashed('depot-07')} ssh-ed25519 {KEY}", "depot-07", 22),
        (f"{hashed('[depot-07]:2222')} ssh-ed25519 {KEY}", "depot-07", 2222),
    ],
)
def test_a_line_for_the_host_vouches_for_its_key(tmp_path: Path, line: str, host: str, port: int) -> None:
    assert known(tmp_path, f"# known\n\n{line}\n", host, port) == ({b"the key"}, set())


@pytest.mark.parametrize(
    "line",
    [
        f"depot-08 ssh-ed25519 {KEY}",
        f"[depot-07]:2222 ssh-ed25519 {KEY}",
        f"*,!depot-07 ssh-ed25519 {KEY}",
        f"{hashed('depot-08')} ssh-ed25519 {KEY}",
        f"@cert-authority * ssh-ed25519 {KEY}",
        f"@cert-authority depot-07 ssh-ed25519 {KEY}",
        f"@some-marker-to-come depot-07 ssh-ed25519 {KEY}",
        f"#depot-07 ssh-ed25519 {KEY}",
        "depot-07 ssh-ed25519 no*base64",
        "depot-07 ssh-ed25519",
        "depot-07",
        "@revoked",
        "|1|no-salt ssh-ed25519 AAAA",
        f"|1|***|*** ssh-ed25519 {KEY}",
        f"|2|new|kind ssh-ed25519 {KEY}",
    ],
)
def test_a_line_for_others_or_of_another_kind_vouches_for_nothing_and_stops_nothing(tmp_path: Path, line: str) -> None:
    assert known(tmp_path, f"{line}\ndepot-07 ssh-rsa {OTHER}\n") == ({b"another key"}, set())


def test_a_revoked_key_is_not_known_wherever_it_stands(tmp_path: Path) -> None:
    lines = f"depot-07 ssh-ed25519 {KEY}\n@revoked * ssh-ed25519 {KEY}\ndepot-07 ssh-rsa {OTHER}\n"
    assert known(tmp_path, lines) == ({b"another key"}, {b"the key"})


def test_several_keys_of_one_kind_are_all_known(tmp_path: Path) -> None:
    assert known(tmp_path, f"depot-07 ssh-rsa {KEY}\ndepot-07 ssh-rsa {OTHER}\n") == ({b"the key", b"another key"}, set())


def test_a_file_that_was_named_must_be_readable_and_that_of_the_home_directory_need_not_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert not KnownHosts(None).of("depot-07", 22).known
    with pytest.raises(OSError, match="No such file"):
        KnownHosts(str(tmp_path / "none"))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "known_hosts").write_text(f"depot-07 ssh-rsa {KEY}\n")
    assert set(KnownHosts(None).of("depot-07", 22).known) == {b"the key"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary())
def test_no_content_breaks_the_reading(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "known_hosts"
    file.write_bytes(content + b"\ndepot-07 ssh-rsa " + KEY.encode() + b"\n")
    assert b"the key" in KnownHosts(str(file)).of("depot-07", 22).known
