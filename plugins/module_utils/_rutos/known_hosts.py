# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host keys that a known_hosts file vouches for, read as OpenSSH reads it (sshd(8), documented).

Lines that are meant for others (a certificate authority's, a kind of key nobody here speaks, a broken one) are skipped: a file that a
person keeps for everything they connect to must not stop a rotation.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

_DEFAULT = "~/.ssh/known_hosts"
_REVOKED = "@revoked"
_HASHED = "|1|"
SSH_PORT = 22


@dataclass(frozen=True)
class HostKeys:
    """What a file says of one host. C(known): kind of key by key; C(revoked): keys that must not be believed."""

    known: dict[bytes, str] = field(default_factory=dict)
    revoked: frozenset[bytes] = frozenset()


@dataclass(frozen=True)
class _Line:
    names: list[str]
    kind: str
    key: bytes
    is_revoked: bool


class KnownHosts:
    """A known_hosts file, read once. C(path): None for the one in the home directory, which need not exist. OSError for another that
    cannot be read."""

    def __init__(self, path: str | None) -> None:
        try:
            with open(os.path.expanduser(path or _DEFAULT), encoding="utf-8", errors="replace") as file:
                self._lines = list(_read(file))
        except OSError:
            if path is not None:
                raise
            self._lines = []

    def of(self, host: str, port: int) -> HostKeys:
        """The keys of one host, without those that are revoked."""
        name = host.lower() if port == SSH_PORT else f"[{host.lower()}]:{port}"
        lines = [line for line in self._lines if _is_for(name, line.names)]
        revoked = frozenset(line.key for line in lines if line.is_revoked)
        return HostKeys({line.key: line.kind for line in lines if not line.is_revoked and line.key not in revoked}, revoked)


def _read(lines: Iterable[str]) -> Iterable[_Line]:
    for text in lines:
        fields = text.split()
        marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
        if len(fields) < 3 or fields[0].startswith("#") or marker not in ("", _REVOKED):
            continue
        try:
            key = base64.b64decode(fields[2], validate=True)
        except ValueError:
            continue
        yield _Line(fields[0].split(","), fields[1], key, bool(marker))


def _is_for(name: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns is for that host, and none excludes it."""
    found = False
    for pattern in patterns:
        if pattern.startswith(_HASHED):
            found = found or _is_hash_of(name, pattern)
        elif pattern.startswith("!"):
            if _matches(name, pattern[1:]):
                return False
        else:
            found = found or _matches(name, pattern)
    return found


def _matches(name: str, pattern: str) -> bool:
    """C(*) and C(?) alone have a meaning there; brackets stand round a host with a port."""
    return fnmatchcase(name, pattern.lower().replace("[", "[[]"))


def _is_hash_of(name: str, pattern: str) -> bool:
    salt, _bar, digest = pattern[len(_HASHED) :].partition("|")
    try:
        expected = base64.b64decode(digest, validate=True)
        found = hmac.new(base64.b64decode(salt, validate=True), name.encode(), hashlib.sha1).digest()
    except ValueError:
        return False
    return hmac.compare_digest(found, expected)
