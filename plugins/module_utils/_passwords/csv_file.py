# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A user's CSV file of serials and passwords, read so that nothing in it can be misunderstood.

One bad row refuses the whole file, with every problem named by line. Messages never show what stands in a row: where the columns are
swapped, the "serial" is a password.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import NoReturn

from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import PasswordPolicy, is_unprintable, violations

#: Header words, lower case, letters and digits only (see header_word).
SERIAL_WORDS = frozenset(
    ("serial", "serials", "serialno", "serialnr", "serialnum", "serialnumber", "sn", "deviceserial", "routerserial", "seriennummer")
)
PASSWORD_WORDS = frozenset(
    ("password", "passwords", "passwd", "pass", "pwd", "newpassword", "devicepassword", "adminpassword", "routerpassword", "passwort")
)

_SEPARATORS = ",;"
_SPREADSHEET_NUMBER = re.compile(r"[0-9]+([.,][0-9]*)?E\+[0-9]+|[0-9]+[.,]0*", re.IGNORECASE)
_SHOWN_PROBLEMS = 20


@dataclass
class PasswordRow:
    """One good row; ``line`` counts from 1."""

    line: int
    serial: str
    password: str = field(repr=False)


@dataclass
class RowProblem:
    """What is wrong where. ``line`` is None where the whole file is meant; ``field`` is file, row, serial or password.

    Reasons: missing_file, not_a_file, unreadable, empty_file, encoding, no_rows, columns_swapped, quoting, missing_column,
    extra_column, no_serial, damaged_serial, duplicate_serial, unknown_serial, empty_password, surrounding_space,
    unprintable_character, and those of violations().
    """

    path: str
    line: int | None
    field: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.line is None else f"{self.path}, line {self.line}: {self.message}"


class CsvError(Exception):
    """A file that must not be used, with all its problems."""

    def __init__(self, problems: list[RowProblem]) -> None:
        self.problems = problems
        shown = [str(problem) for problem in problems[:_SHOWN_PROBLEMS]]
        if len(problems) > len(shown):
            shown.append(f"and {len(problems) - len(shown)} more problems")
        super().__init__("\n".join(shown))


def read_password_csv(
    path: str,
    known_serials: Collection[str] | None = None,
    policy_of: Callable[[str], PasswordPolicy] | None = None,
) -> list[PasswordRow]:
    """The rows of a CSV file: first column serial, second password; nothing else.

    UTF-8 with or without BOM; separator ``,`` or ``;`` (the first one on the first line decides); RFC 4180 quotes; a header line is
    skipped when its words say that it is one. A value is taken as it stands, leading zeros included; only spaces around a serial go.
    ``known_serials``: every serial must be among them. ``policy_of``: serial -> policy its password must meet; asked only for serials
    that are good. Raises CsvError with all problems, and whatever ``policy_of`` raises.
    """
    return _Reader(path, known_serials, policy_of).read()


def header_word(text: str) -> str:
    """A header field reduced to what SERIAL_WORDS and PASSWORD_WORDS hold."""
    return re.sub(r"[\W_]", "", text.lower())


def parse_line(line: str, separator: str) -> list[str]:
    """The fields of one CSV line; ValueError where quotes are wrong. A quoted field cannot go on in the next line: no password does."""
    try:
        return next(csv.reader([line], delimiter=separator, strict=True))
    except csv.Error:
        pass
    # Raised out here, so that no context carries the line.
    raise ValueError("the quotes are not those of a CSV file")


class _Reader:
    def __init__(self, path: str, known_serials: Collection[str] | None, policy_of: Callable[[str], PasswordPolicy] | None) -> None:
        self._path = path
        self._known = None if known_serials is None else frozenset(known_serials)
        self._without_zeros = {serial.lstrip("0"): serial for serial in self._known or ()}
        self._policy_of = policy_of
        self._problems: list[RowProblem] = []
        self._line_of: dict[str, int] = {}

    def read(self) -> list[PasswordRow]:
        text = self._text()
        lines = [(number, line) for number, line in enumerate(re.split(r"\r\n|\r|\n", text), start=1) if line.strip()]
        if not lines:
            self._refuse(None, "file", "empty_file", "the file is empty")
        separator = next(filter(None, (_separator_of(line) for _number, line in lines)), ",")
        rows: list[PasswordRow] = []
        headed = False
        for position, (number, line) in enumerate(lines):
            if "\0" in line:
                self._add(number, "row", "encoding", "the line holds a NUL byte: this is no text")
                continue
            try:
                values = parse_line(line, separator)
            except ValueError as error:
                self._add(number, "row", "quoting", f"{error} (a quote in a quoted value is written twice)")
                continue
            if not any(value.strip() for value in values):
                continue
            if position == 0 and self._is_header(number, values):
                headed = True
                continue
            row = self._row(number, values, separator)
            if row is not None:
                rows.append(row)
        if not rows and not self._problems:
            self._add(None, "file", "no_rows", "the file holds no row" + (" besides its header" if headed else ""))
        if self._problems:
            raise CsvError(self._problems)
        return rows

    def _text(self) -> str:
        content = self._content()
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            self._refuse(None, "file", "encoding", "the file is UTF-16; save it as CSV UTF-8")
        bad_at = -1
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            text, bad_at = "", error.start
        # Not refused up there, because a UnicodeDecodeError carries the whole file.
        if bad_at >= 0:
            self._refuse(content.count(b"\n", 0, bad_at) + 1, "file", "encoding", "the file is not UTF-8; save it as CSV UTF-8")
        return text

    def _content(self) -> bytes:
        try:
            with open(self._path, "rb") as file:
                return file.read()
        except FileNotFoundError:
            self._refuse(None, "file", "missing_file", "there is no such file")
        except IsADirectoryError:
            self._refuse(None, "file", "not_a_file", "this is a directory, not a file")
        except OSError as error:
            self._refuse(None, "file", "unreadable", f"the file cannot be read ({error.strerror})")
        except ValueError:
            self._refuse(None, "file", "unreadable", "this cannot be the path of a file")

    def _is_header(self, number: int, values: list[str]) -> bool:
        """Whether the first row is a header. A row that could be a device's never is: its first field is known or holds a digit."""
        first = values[0].strip()
        second = header_word(values[1]) if len(values) > 1 else ""
        if self._known is not None and first in self._known:
            return False
        if header_word(first) in PASSWORD_WORDS and second in SERIAL_WORDS:
            self._refuse(number, "row", "columns_swapped", "the header names the password first; the serial must be the first column")
        if header_word(first) in SERIAL_WORDS:
            if second and second not in PASSWORD_WORDS and "pass" not in second:
                self._refuse(number, "row", "missing_column", "the header's second column is not named password")
            return True
        return first != "" and second in PASSWORD_WORDS and not re.search("[0-9]", first)

    def _row(self, number: int, values: list[str], separator: str) -> PasswordRow | None:
        """The row, or None after its problems were noted."""
        before = len(self._problems)
        serial = values[0].strip()
        if len(values) < 2:
            hint = _other_separator(serial, separator)
            self._add(number, "row", "missing_column", f"the row has one column; serial and password are needed{hint}")
            return None
        if len(values) > 2:
            self._add(
                number,
                "row",
                "extra_column",
                f"the row has {len(values)} columns; only serial and password may stand there "
                f"(a password that holds {separator} must be quoted)",
            )
            return None
        password = values[1]
        serial_is_good = self._check_serial(number, serial, password, separator)
        if not password:
            self._add(number, "password", "empty_password", "the password is empty")
        else:
            if password != password.strip():
                self._add(number, "password", "surrounding_space", "the password begins or ends with white space")
            if self._policy_of is not None and serial_is_good:
                for violation in violations(password, self._policy_of(serial)):
                    self._add(number, "password", violation.reason, violation.message)
            elif is_unprintable(password):
                self._add(number, "password", "unprintable_character", "the password holds a character that cannot be typed")
        return PasswordRow(number, serial, password) if len(self._problems) == before else None

    def _check_serial(self, number: int, serial: str, password: str, separator: str) -> bool:
        """Whether it is the serial of a device; notes what is wrong with it."""
        if not serial:
            self._add(number, "serial", "no_serial", "the serial is empty")
            return False
        if serial in self._line_of:
            self._add(number, "serial", "duplicate_serial", f"the serial stands on line {self._line_of[serial]} already")
            return False
        self._line_of[serial] = number
        if self._known is not None and serial in self._known:
            return True
        if _SPREADSHEET_NUMBER.fullmatch(serial):
            self._add(
                number,
                "serial",
                "damaged_serial",
                "the serial was turned into a number by a spreadsheet (such as 1.1E+09); make the column text and enter it again",
            )
            return False
        if serial[0] in "='":
            self._add(
                number, "serial", "damaged_serial", f"the serial begins with {serial[0]}, a spreadsheet's mark for text; leave it out"
            )
            return False
        if self._known is None:
            return True
        whole = self._without_zeros.get(serial.lstrip("0"))
        if password.strip() in self._known:
            hint = "; the columns look swapped: the serial must be the first"
        elif whole is not None:
            hint = f"; {whole} is, so a spreadsheet may have changed its leading zeros: make the column text"
        elif not re.search("[0-9]", serial):
            hint = "; if this line is a header, call its columns serial and password"
        else:
            hint = _other_separator(serial, separator)
        self._add(number, "serial", "unknown_serial", f"the serial is not that of a known device{hint}")
        return False

    def _add(self, line: int | None, field_name: str, reason: str, message: str) -> None:
        self._problems.append(RowProblem(self._path, line, field_name, reason, message))

    def _refuse(self, line: int | None, field_name: str, reason: str, message: str) -> NoReturn:
        """End at once: there is nothing more to find in this file."""
        self._add(line, field_name, reason, message)
        raise CsvError(self._problems) from None


def _separator_of(line: str) -> str | None:
    """The separator after the first field of a line, if there is one."""
    # A quoted value, or a number as a spreadsheet writes it where the comma is the decimal sign, may hold a separator itself.
    first_field = re.match(r'\s*(?:"(?:[^"]|"")*"|[0-9]+,[0-9]*E\+[0-9]+(?=;))', line, re.IGNORECASE)
    rest = line[first_field.end() :] if first_field else line
    return next((character for character in rest if character in _SEPARATORS), None)


def _other_separator(serial: str, separator: str) -> str:
    others = {";": "a semicolon", ",": "a comma", "\t": "a tab"}
    found = [name for character, name in others.items() if character != separator and character in serial]
    return f"; {found[0]} stands in the row, but this file's separator is {others[separator]}" if found else ""
