# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is installed for the tests, said in more than one place."""

from __future__ import annotations

import re
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def _lines(path: str) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in (CHECKOUT / path).read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def _names(lines: list[str]) -> set[str]:
    """The packages named, without extras and versions."""
    return {re.split(r"[^\w.-]", line, maxsplit=1)[0].lower() for line in lines}


def test_ansible_test_units_installs_what_the_unit_tests_need() -> None:
    units = _lines("tests/unit/requirements.txt")
    runtime = _lines("requirements.txt")

    assert set(runtime) <= set(units)
    # psycopg's extra brings the package that the pins name.
    assert _names(units) == (_names(runtime) | _names(_lines("requirements-test.txt"))) - {"psycopg-binary"}
