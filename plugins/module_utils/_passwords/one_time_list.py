# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one-time list of generated passwords that RMS hands out once.

Its columns, header, separator and quoting are not published (facts: Teltonika 1.3), so nothing is taken for granted but that a row
belongs to one device. A row that cannot be read with certainty gives no password: the file itself is kept for a person to look at.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.keyturn.devices.plugins.module_utils._passwords.csv_file import (
    PASSWORD_WORDS,
    SERIAL_WORDS,
    header_word,
    parse_line,
)
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import is_unprintable

#: Header words of the columns that tell the device, in the order of trust of ``identifiers``.
_IDENTITY_WORDS = (
    SERIAL_WORDS,
    frozenset(("mac", "macaddress", "lanmac", "devicemac")),
    frozenset(("name", "devicename", "device", "routername", "router", "hostname")),
)
_SEPARATORS = ",;\t"
_BARE_MAC = re.compile(r"[0-9A-F]{12}", re.IGNORECASE)


@dataclass
class OneTimeList:
    """What the list tells.

    ``passwords``: key -> password. ``missing``: keys that got none. ``unmatched``: numbers (from 1) of the lines that gave no password:
    not of a known device, not readable, or two different passwords for one device. ``incomplete``: the list is cut.
    """

    passwords: dict[str, str] = field(repr=False)
    missing: list[str]
    unmatched: list[int]
    incomplete: bool


@dataclass
class _Line:
    number: int
    text: str
    ended: bool


@dataclass
class _Row:
    number: int
    values: list[str] = field(repr=False)


class _Devices:
    """Finds a device by what a list may call it."""

    def __init__(self, identifiers: Mapping[str, Sequence[str]]) -> None:
        self.levels: list[dict[str, str]] = [{} for _words in _IDENTITY_WORDS]
        for level, known in enumerate(self.levels):
            shared: set[str] = set()
            for key, names in identifiers.items():
                name = _plain(names[level]) if level < len(names) and names[level] else ""
                if name in known:
                    shared.add(name)
                elif name:
                    known[name] = key
            for name in shared:  # A name that two devices share tells neither.
                del known[name]

    def find(self, value: str, level: int) -> str | None:
        return self.levels[level].get(_plain(value))

    def knows(self, value: str) -> bool:
        return any(self.find(value, level) is not None for level in range(len(self.levels)))


def read_one_time_list(content: bytes, identifiers: Mapping[str, Sequence[str]], *, complete: bool) -> OneTimeList:
    """The passwords in a downloaded list.

    ``identifiers``: key of a device -> its serial, MAC address and name, in that order of trust; what is not known is "" or left out.
    ``complete``: whether the download came to its end. If not, a last line without a line end may be cut and gives no password.
    Columns are found by the header if there is one; else the device's is the one whose values are known serials (else MAC addresses,
    else names), and the password's is the last. Never raises for what the content holds.
    """
    devices = _Devices(identifiers)
    lines = _lines_of(content)
    unmatched: list[int] = []
    unreadable: set[int] = set()
    if lines and not lines[-1].ended and not complete:
        unmatched.append(lines.pop().number)
    lines = [line for line in lines if line.text.strip()]
    separator = _best_separator(lines, devices)
    rows: list[_Row] = []
    for line in lines:
        try:
            rows.append(_Row(line.number, parse_line(line.text, separator)))
        except ValueError:
            unreadable.add(line.number)
    header: list[str] | None = None
    if rows and _is_header(rows[0], devices):
        header = [header_word(value) for value in rows.pop(0).values]
    width = len(header) if header else Counter(len(row.values) for row in rows).most_common(1)[0][0] if rows else 0
    unreadable.update(row.number for row in rows if len(row.values) != width)
    rows = [row for row in rows if len(row.values) == width]
    columns = _identity_columns(header, rows, devices)
    password_column = next((column for column, word in enumerate(header or ()) if word in PASSWORD_WORDS), width - 1)
    if password_column in (column for _level, column in columns):
        columns = []  # What should be the password's column tells the device: this list holds no passwords.
    found: dict[str, dict[str, list[int]]] = {}
    for row in rows:
        key = _device_of(row, columns, devices)
        password = row.values[password_column].strip()
        if key is None or not _is_whole(password):
            unmatched.append(row.number)
        else:
            found.setdefault(key, {}).setdefault(password, []).append(row.number)
    passwords = {}
    for key, numbers_of in found.items():
        if len(numbers_of) == 1:
            passwords[key] = next(iter(numbers_of))
        else:
            unmatched.extend(number for numbers in numbers_of.values() for number in numbers)
    # A last line that has no end and cannot be read was cut, whatever the transport says.
    cut = bool(lines) and not lines[-1].ended and lines[-1].number in unreadable
    missing = [key for key in identifiers if key not in passwords]
    return OneTimeList(passwords, missing, sorted(unreadable.union(unmatched)), incomplete=cut or not complete)


def _lines_of(content: bytes) -> list[_Line]:
    """The lines; each decoded by itself, so that one bad byte costs one line and not the list."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        content = content.decode("utf-16", errors="replace").encode("utf-8", errors="replace")
    parts = re.split(rb"(\r\n|\r|\n)", content.removeprefix(b"\xef\xbb\xbf"))
    lines = []
    for number, start in enumerate(range(0, len(parts), 2), start=1):
        ended = start + 1 < len(parts)
        if parts[start] or ended:
            # A replaced byte in a device's name does no harm; in a password it makes the line unreadable (see _is_whole).
            lines.append(_Line(number, parts[start].decode("utf-8", errors="replace"), ended))
    return lines


def _best_separator(lines: list[_Line], devices: _Devices) -> str:
    """The one that splits the most lines so that a known device and something besides appear."""

    def matches(separator: str) -> tuple[int, int]:
        known = columns = 0
        for line in lines:
            try:
                values = parse_line(line.text, separator)
            except ValueError:
                continue
            columns += len(values) > 1
            known += len(values) > 1 and any(devices.knows(value) for value in values)
        return known, columns

    return max(_SEPARATORS, key=matches)


def _is_header(row: _Row, devices: _Devices) -> bool:
    """Whether the first row names columns: a serial or password column, or two others, and no known device."""
    words = {header_word(value) for value in row.values}
    named = words & (PASSWORD_WORDS | SERIAL_WORDS) or len(words & frozenset().union(*_IDENTITY_WORDS)) > 1
    return bool(named) and not any(devices.knows(value) for value in row.values)


def _identity_columns(header: list[str] | None, rows: list[_Row], devices: _Devices) -> list[tuple[int, int]]:
    """(level, column) pairs that tell the device, the most trusted first: by the header's words, else by the values."""
    columns = []
    for level, words in enumerate(_IDENTITY_WORDS):
        named = [column for column, word in enumerate(header or ()) if word in words]
        if named:
            columns.append((level, named[0]))
            continue
        hits = Counter(column for row in rows for column, value in enumerate(row.values) if devices.find(value, level) is not None)
        if hits:
            columns.append((level, hits.most_common(1)[0][0]))
    return columns


def _device_of(row: _Row, columns: list[tuple[int, int]], devices: _Devices) -> str | None:
    keys = (devices.find(row.values[column], level) for level, column in columns)
    return next((key for key in keys if key is not None), None)


def _is_whole(password: str) -> bool:
    return password != "" and not is_unprintable(password) and "\N{REPLACEMENT CHARACTER}" not in password


def _plain(value: str) -> str:
    """An identifier as it is compared: without spaces around it, and a MAC address without its separators and in capitals."""
    value = value.strip()
    bare = re.sub("[:.-]", "", value)
    return bare.upper() if _BARE_MAC.fullmatch(bare) else value
