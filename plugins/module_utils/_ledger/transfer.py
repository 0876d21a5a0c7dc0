# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Passwords into the ledger from a CSV file, and out of it into one."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import ImportRow
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.csv_file import (
    PASSWORD_WORDS,
    SERIAL_WORDS,
    CsvError,
    RowProblem,
    header_word,
    parse_line,
    read_password_csv,
)

# What an export holds; an import reads the first four by their header, in any order, and passes over the others.
COLUMNS = ("name", "serial", "slot", "password", "source", "since", "last_verified")
_NAME_WORDS = frozenset(("name", "device", "devicename", "hostname", "inventoryhostname"))
SLOTS = ("current", "staged", "previous")

# A spreadsheet takes a cell that begins so for a formula, and runs it. The apostrophe says text, and is itself one of them, so that
# taking one off brings every value back.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "'")


def read_import(path: str, names_by_serial: Mapping[str, str]) -> list[ImportRow]:
    """The rows of a CSV file that says which passwords are in force.

    With a header that names a column C(name) and one C(password) (as an export has): by device name; of an export only the rows of slot
    C(current) count, and what it put before a cell for spreadsheets is taken off again. Otherwise first column serial, second password, as
    everywhere in this collection; then C(names_by_serial) tells which device is meant. LedgerError C(input) with all problems, by line: one
    bad row and nothing is imported.
    """
    try:
        return _read_rows(path, names_by_serial)
    except CsvError as error:
        problems = [(f"line {problem.line}" if problem.line else "file", problem.message) for problem in error.problems]
        failure = LedgerError("input", str(error), problems)
    raise failure


def _read_rows(path: str, names_by_serial: Mapping[str, str]) -> list[ImportRow]:
    named = _read_named(path)
    if named is not None:
        serial_of = {name: serial for serial, name in names_by_serial.items()}
        return [ImportRow(row.name, row.password, row.serial or serial_of.get(row.name)) for row in named]
    rows = read_password_csv(path, known_serials=names_by_serial.keys())
    return [ImportRow(names_by_serial[row.serial], row.password, row.serial) for row in rows]


def _read_named(path: str) -> list[ImportRow] | None:
    """C(None) when the file has no header that names both columns; whatever else is wrong with it, its other reader tells better."""
    try:
        with open(path, "rb") as file:
            lines = re.split(r"\r\n|\r|\n", file.read().decode("utf-8-sig"))
        separator = ";" if ";" in lines[0] else ","
        titles = parse_line(lines[0], separator)
    except (OSError, ValueError):
        return None
    header = [header_word(title) for title in titles]
    is_export = tuple(titles) == COLUMNS
    columns = {
        "name": _column(header, _NAME_WORDS),
        "serial": _column(header, SERIAL_WORDS),
        "slot": _column(header, frozenset(("slot",))),
        "password": _column(header, PASSWORD_WORDS),
    }
    if columns["name"] is None or columns["password"] is None:
        return None
    rows: list[ImportRow] = []
    problems: list[RowProblem] = []
    line_of: dict[str, int] = {}
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        values: dict[str, str] = {}
        try:
            fields = parse_line(line, separator)
            if is_export:
                fields = [_plain(field) for field in fields]
            values = {key: fields[column] if column is not None else "" for key, column in columns.items()}
        except (ValueError, IndexError):
            problems.append(RowProblem(path, number, "row", "missing_column", "the row does not have the columns that the header names"))
            continue
        if values["slot"] not in ("", "current"):
            continue
        found = list(_problems_of(values, line_of))
        line_of.setdefault(values["name"], number)
        problems += [RowProblem(path, number, field, reason, message) for field, reason, message in found]
        rows.append(ImportRow(values["name"], values["password"], values["serial"].strip() or None))
    if not rows and not problems:
        problems.append(RowProblem(path, None, "file", "no_rows", "the file holds no row besides its header"))
    if problems:
        raise CsvError(problems)
    return rows


def _problems_of(values: Mapping[str, str], line_of: Mapping[str, int]) -> Iterator[tuple[str, str, str]]:
    name, password = values["name"], values["password"]
    if not name or not name.isprintable() or name != name.strip():
        yield "name", "no_name", "the name is empty or holds what no inventory name does"
    elif name in line_of:
        yield "name", "duplicate_name", f"the name stands on line {line_of[name]} already"
    if not password:
        yield "password", "empty_password", "the password is empty"
    elif password != password.strip():
        yield "password", "surrounding_space", "the password begins or ends with white space"
    elif not password.isprintable():
        yield "password", "unprintable_character", "the password holds a character that cannot be typed"


def _column(header: Sequence[str], words: frozenset[str]) -> int | None:
    return next((index for index, word in enumerate(header) if word in words), None)


def export_csv(devices: Mapping[str, Mapping[str, Any]], slots: Sequence[str]) -> tuple[bytes, int]:
    """The content of an export and its number of passwords. C(devices): as C(Ledger.devices) tells them, with secrets."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    count = 0
    for name, record in devices.items():
        entries: list[tuple[str, Mapping[str, Any], str]] = []
        if "current" in slots and record["current"]:
            entries.append(("current", record["current"], record["current"]["committed_at"]))
        if "staged" in slots and record["staged"]:
            entries.append(("staged", record["staged"], record["staged"]["staged_at"]))
        if "previous" in slots:
            entries += [(each["mark"], each, each["moved_at"]) for each in record["previous"]]
        for slot, entry, since in entries:
            if entry["password"] is None:
                continue
            count += 1
            verified = record["last_verified"] if slot == "current" else None
            cells = [name, entry["serial"] or "", slot, entry["password"], entry["source"], since, verified or ""]
            writer.writerow([no_formula(cell) for cell in cells])
    return text.getvalue().encode("utf-8", "surrogateescape"), count


def no_formula(cell: str) -> str:
    """The cell as a spreadsheet takes it for text."""
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell


def _plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA_STARTS) else cell
