# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The uploaded file: serial and password per row. What the vendor accepts is not published; switches hold the possibilities."""

from __future__ import annotations

import csv
import io

from .switches import Switches

HEADER_WORDS = {"serial", "serial number", "serialnumber", "serial_number", "s/n", "sn"}


class UploadRefused(Exception):
    """The file as a whole is no good."""


def rows(content: bytes, switches: Switches) -> list[tuple[str, str]]:
    """(serial, password) of every row that is not empty."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UploadRefused("The file is not a text.") from None
    first = text.split("\n", 1)[0]
    semicolon = switches.upload_separator == "semicolon" or (switches.upload_separator == "both" and ";" in first and "," not in first)
    try:
        found = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=";" if semicolon else ",", strict=True) if row]
    except csv.Error:
        raise UploadRefused("The file is not a CSV file.") from None
    headed = bool(found) and found[0][0].strip().lower() in HEADER_WORDS
    if headed != (switches.upload_header == "required") and switches.upload_header != "optional":
        raise UploadRefused("The first row is not as expected.")
    found = found[headed:]
    if not found:
        raise UploadRefused("The file is empty.")
    if any(len(row) < 2 for row in found):
        raise UploadRefused("A column is missing.")
    return [(row[0].strip(), row[1]) for row in found]
