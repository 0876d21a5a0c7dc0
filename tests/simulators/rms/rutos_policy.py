# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The password rule of a router by its firmware: a reading of the facts (2.4) of its own, so that the product's can be wrong alone."""

from __future__ import annotations

import re
import string

SPECIAL = frozenset(string.punctuation)
PREFERRED_SPECIAL = frozenset("!#%+-.:=@_")
_VERSION = re.compile(r"_00\.(\d+)\.(\d+)")


def version(firmware: str) -> tuple[int, int]:
    """C(RUTX_R_00.07.13.2) is (7, 13); (0, 0) when the text says nothing."""
    found = _VERSION.search(firmware)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def refusal(password: str, firmware: str, odd_symbols_refused: bool) -> str | None:
    """Why a router of this firmware refuses the password; None when it takes it."""
    release = version(firmware)
    if (7, 0) < release < (7, 5):
        return None if password else "empty"
    symbols = SPECIAL.intersection(password)
    wanted = {
        "at least 8 characters": len(password) >= 8,
        "at most 256 characters": len(password) <= 256,
        "one uppercase letter": any("A" <= character <= "Z" for character in password),
        "one lowercase letter": any("a" <= character <= "z" for character in password),
        "one number": any("0" <= character <= "9" for character in password),
    }
    if release >= (7, 13):
        wanted["one special character"] = bool(symbols)
    if odd_symbols_refused and (7, 11) <= release <= (7, 13):
        wanted["no unsupported symbol"] = symbols <= PREFERRED_SPECIAL
    missing = [text for text, met in wanted.items() if not met]
    return "wanted: " + ", ".join(missing) if missing else None
