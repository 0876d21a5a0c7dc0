# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the ledger does not take, whoever asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError


def check_names(names: Iterable[str]) -> None:
    """Every device is named, with what a person can read, and once. Raises LedgerError C(input)."""
    seen: set[str] = set()
    for name in names:
        if not name or not name.isprintable():
            raise LedgerError("input", "A device's name must have at least one character, and none that is unprintable.")
        if name in seen:
            raise LedgerError("input", f"Device {name!r} is named twice.")
        seen.add(name)


def check_serials(serials: Mapping[str, str | None]) -> None:
    """A serial number belongs to one name. Raises LedgerError C(input)."""
    name_of: dict[str, str] = {}
    for name, serial in serials.items():
        check_text(name, serial)
        if serial and name_of.setdefault(serial, name) != name:
            raise LedgerError("input", f"Devices {name_of[serial]!r} and {name!r} have the same serial number. It is that of one device.")


def check_text(name: str, *texts: str | None) -> None:
    """What a database could not store, or a person not read. Raises LedgerError C(input)."""
    if not all(text is None or text.isprintable() for text in texts):
        raise LedgerError("input", f"Device {name!r}: a serial number, source, reason, list or secret contains unprintable characters.")


def check_password(name: str, password: str) -> None:
    """Raises LedgerError C(input)."""
    if not password or not password.isprintable():
        raise LedgerError("input", f"Device {name!r}: the password is empty or contains unprintable characters.")
