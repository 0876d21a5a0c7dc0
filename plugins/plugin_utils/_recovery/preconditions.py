# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a Windows host says of the preconditions of reset mode, for the person who goes there. It is looked at only, nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any


def windows_lines(output: str) -> list[str]:
    """Of what the role's script prints: one line for each precondition, and what to do where it is not met. Empty for no output."""
    if not output.strip():
        return []
    found: Mapping[str, Any] | None = None
    with suppress(ValueError):
        read = json.loads(output[output.index("{") : output.rindex("}") + 1])
        found = read if isinstance(read, Mapping) else None
    if found is None:
        return ["The Windows host could not be asked for preconditions; check them yourself."]
    running = [str(each.get("name")) for each in _list(found, "services") if isinstance(each, Mapping) and each.get("status") == "Running"]
    stopped = [str(each.get("name")) for each in _list(found, "services") if isinstance(each, Mapping) and each.get("status") != "Running"]
    administrators = [str(each) for each in _list(found, "device_administrator")]
    lines = []
    if running:
        lines.append(f"Checked: the service runs there ({', '.join(running)}).")
    elif stopped:
        lines.append(f"Not met: the service does not run there ({', '.join(stopped)}). Start it first.")
    else:
        lines.append("Not met: no service of an Enterprise Server or Enterprise Central is installed there. Is it the right computer?")
    if administrators:
        lines.append(f"Checked: Device Administrator is installed there ({', '.join(administrators)}).")
    else:
        lines.append("Not met: Device Administrator is not installed there. It has to run on the same computer as the server.")
    if found.get("elevated") is True:
        lines.append("Checked: the account that was asked is elevated there. Start Device Administrator as Windows administrator too.")
    else:
        lines.append("Not met: the account that was asked is not elevated there. Device Administrator needs a Windows administrator.")
    return lines


def _list(found: Mapping[str, Any], name: str) -> list[Any]:
    """PowerShell writes a list of one as its one element."""
    value = found.get(name)
    return value if isinstance(value, list) else [] if value in (None, "") else [value]
