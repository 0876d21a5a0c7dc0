# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one-time list of generated passwords that RMS hands out once.

Its columns, header, separator and quoting are not published (facts: Teltonika 1.3), so nothing is taken for granted but that a row
belongs to one device. A value is a password only where exactly one column can be that of the passwords: its values differ from device to
device and are what was asked for. What cannot be read with certainty gives no password: the list itself is kept for a person to look at.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.keyturn.devices.plugins.module_utils._passwords.csv_file import (
    PASSWORD_WORDS,
    SERIAL_WORDS,
    header_word,
    parse_line,
)

#: Header words of the columns that tell the device, in the order of trust of ``identifiers``.
_IDENTITY_WORDS = (
    SERIAL_WORDS,
    frozenset(("mac", "macaddress", "lanmac", "devicemac")),
    frozenset(("name", "devicename", "device", "routername", "router", "hostname")),
)
_SEPARATORS = ",;\t"
_BARE_MAC = re.compile(r"[0-9A-F]{12}", re.IGNORECASE)


@dataclass(frozen=True)
class Made:
    """What was asked for: the number of characters, and whether they hold special ones. None: not known any more.

    That letters of both cases and digits are in it is assumed, but only of a column as a whole: whether each password has all of them
    is not published.
    """

    length: int | None = None
    special: bool | None = None

    def may_be(self, value: str) -> bool:
        """Whether a value by itself can be such a password: that long, and of printable ASCII without spaces."""
        return (
            (_LENGTHS[0] <= len(value) <= _LENGTHS[1] if self.length is None else len(value) == self.length)
            and value.isascii()
            and value.isprintable()
            and " " not in value
            and (self.special is not False or value.isalnum())
        )

    def may_be_all(self, values: Collection[str]) -> bool:
        """Whether values together can be: among them are all the classes that were asked for."""
        characters = frozenset().union(*values)
        wanted = [string.ascii_uppercase, string.ascii_lowercase, string.digits] + [string.punctuation] * (self.special is True)
        return all(characters.intersection(alphabet) for alphabet in wanted)


# What RMS makes (documented).
_LENGTHS = (8, 32)


@dataclass
class OneTimeList:
    """What the list tells.

    ``passwords``: key -> password. ``missing``: keys that got none. ``unmatched``: numbers (from 1) of the lines that gave no password:
    not of a known device, not readable, or two different passwords for one device. ``trouble``: why the list gives no password at all,
    as the end of a sentence; empty when it does, or holds no row of a known device.
    """

    passwords: dict[str, str] = field(repr=False)
    missing: list[str]
    unmatched: list[int]
    trouble: str


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

    def all_of(self, value: str) -> set[str]:
        """Every device that some level calls so: more than one where, say, one is named by the serial of another."""
        return {known[plain] for known in self.levels if (plain := _plain(value)) in known}


def read_one_time_list(content: bytes, identifiers: Mapping[str, Sequence[str]], *, complete: bool, asked: Made) -> OneTimeList:
    """The passwords in a downloaded list.

    ``identifiers``: key of a device -> its serial, MAC address and name, in that order of trust; what is not known is "" or left out.
    ``complete``: whether the download came to its end. If not, a last line without a line end may be cut and gives no password.
    The columns that tell the device are found by the header if there is one, else by the values: a column is of serials, of MAC addresses
    or of names, whichever most of its values are. The passwords' column is the only one of the others that it can be, whatever the
    header or the order of columns suggests. Never raises for what the content holds.
    """
    devices = _Devices(identifiers)
    lines = _lines_of(content)
    unmatched: set[int] = set()
    if lines and not lines[-1].ended and not complete:
        unmatched.add(lines.pop().number)
    lines = [line for line in lines if line.text.strip()]
    separator = _best_separator(lines, devices)
    rows: list[_Row] = []
    for line in lines:
        try:
            rows.append(_Row(line.number, parse_line(line.text, separator)))
        except ValueError:
            unmatched.add(line.number)
    header: list[str] = []
    if rows and _is_header(rows[0], devices):
        header = [header_word(value) for value in rows.pop(0).values]
    width = len(header) or (Counter(len(row.values) for row in rows).most_common(1)[0][0] if rows else 0)
    unmatched.update(row.number for row in rows if len(row.values) != width)
    rows = [row for row in rows if len(row.values) == width]
    identity = _identity_of(header, rows, devices)
    ours = [(row, key) for row in rows if (key := identity.device_of(row, devices)) is not None]
    unmatched.update({row.number for row in rows}.difference(row.number for row, _key in ours))
    others = sorted(set(range(width)).difference(column for _level, column in identity.columns))
    password_column, trouble = _password_column(header, ours, others, asked)
    found: dict[str, dict[str, list[int]]] = {}
    for row, key in ours:
        password = "" if password_column is None else row.values[password_column].strip()
        if asked.may_be(password):
            found.setdefault(key, {}).setdefault(password, []).append(row.number)
        else:
            unmatched.add(row.number)
    passwords = {}
    for key, numbers_of in found.items():
        if len(numbers_of) == 1:
            passwords[key] = next(iter(numbers_of))
        else:
            unmatched.update(number for numbers in numbers_of.values() for number in numbers)
    return OneTimeList(passwords, [key for key in identifiers if key not in passwords], sorted(unmatched), trouble)


def _lines_of(content: bytes) -> list[_Line]:
    """The lines; each decoded by itself, so that one bad byte costs one line and not the list."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        content = content.decode("utf-16", errors="replace").encode("utf-8", errors="replace")
    parts = re.split(rb"(\r\n|\r|\n)", content.removeprefix(b"\xef\xbb\xbf"))
    lines = []
    for number, start in enumerate(range(0, len(parts), 2), start=1):
        ended = start + 1 < len(parts)
        if parts[start] or ended:
            # A replaced byte in a device's name does no harm; no password holds one.
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
            known += len(values) > 1 and any(devices.all_of(value) for value in values)
        return known, columns

    return max(_SEPARATORS, key=matches)


def _is_header(row: _Row, devices: _Devices) -> bool:
    """Whether the first row names columns: a serial or password column, or two others, and no known device."""
    words = {header_word(value) for value in row.values}
    named = words & (PASSWORD_WORDS | SERIAL_WORDS) or len(words & frozenset().union(*_IDENTITY_WORDS)) > 1
    return bool(named) and not any(devices.all_of(value) for value in row.values)


@dataclass
class _Identity:
    """(level, column) pairs of what tells the device, the most trusted first. ``named``: the header says so."""

    columns: list[tuple[int, int]]
    named: bool

    def device_of(self, row: _Row, devices: _Devices) -> str | None:
        if self.named:
            keys = (devices.find(row.values[column], level) for level, column in self.columns)
            return next((key for key in keys if key is not None), None)
        # Where no header says what a column is, a row that may mean two devices means neither.
        meant = set().union(*(devices.all_of(row.values[column]) for _level, column in self.columns))
        return meant.pop() if len(meant) == 1 else None


def _identity_of(header: list[str], rows: list[_Row], devices: _Devices) -> _Identity:
    by_header = [
        (level, column)
        for level, words in enumerate(_IDENTITY_WORDS)
        for column in [column for column, word in enumerate(header) if word in words][:1]
    ]
    if by_header:
        return _Identity(by_header, named=True)
    hits = Counter(
        (level, column)
        for row in rows
        for column, value in enumerate(row.values)
        for level in range(len(_IDENTITY_WORDS))
        if devices.find(value, level) is not None
    )
    columns: dict[int, int] = {}
    for (level, column), _count in sorted(hits.items(), key=lambda item: (-item[1], item[0])):
        if level not in columns and column not in columns.values():
            columns[level] = column
    return _Identity(sorted(columns.items()), named=False)


def _password_column(header: list[str], rows: list[tuple[_Row, str]], columns: list[int], asked: Made) -> tuple[int | None, str]:
    """The only column that can be that of the passwords, or None and why there is none."""
    if not rows:
        return None, ""

    def can_be(column: int) -> bool:
        values = {(key, row.values[column].strip()) for row, key in rows}
        good = {(key, value) for key, value in values if asked.may_be(value)}
        # Routers that failed may have something else there.
        return (
            len(good) * 2 >= len(values)
            and len({value for _key, value in good}) == len(good)
            and asked.may_be_all({value for _key, value in good})
        )

    possible = [column for column in columns if can_be(column)]
    if not possible:
        return None, "no column of the list holds what was asked for"
    if len(possible) > 1:
        return None, f"{len(possible)} columns of the list may hold the passwords"
    named = [column for column, word in enumerate(header) if word in PASSWORD_WORDS]
    if named and possible[0] not in named:
        return None, "the column that is called the passwords' does not hold what was asked for"
    return possible[0], ""


def _plain(value: str) -> str:
    """An identifier as it is compared: without spaces around it, and a MAC address without its separators and in capitals."""
    value = value.strip()
    bare = re.sub("[:.-]", "", value)
    return bare.upper() if _BARE_MAC.fullmatch(bare) else value
