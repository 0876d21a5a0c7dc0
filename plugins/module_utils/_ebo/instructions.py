# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person does to put a server in password reset mode, per kind of server, as the vendor's help says it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.keyturn.devices.plugins.module_utils._ebo.transport import ResetModeFault

# Versions are also called by the year (that this one is that one is assumed).
_YEARS = {2022: 4, 2023: 5, 2024: 6}
#: The first versions whose help has the procedure. Before 3 there is no reset mode: support works with the session ID alone.
_FIRST = {"edge_server": 5, "fdp_server": 7}
_FIRST_OF_ALL = 3


@dataclass(frozen=True)
class Instructions:
    """C(before): what has to be so. C(steps): what to do, in order."""

    before: Sequence[str]
    steps: Sequence[str]


def _windows(server_type: str) -> Instructions:
    return Instructions(
        before=(
            "Device Administrator is installed on the computer that the server runs on; from another computer it cannot be done.",
            "You may run programs as Windows administrator on that computer.",
        ),
        steps=(
            "On the computer that the server runs on, start Device Administrator as Windows administrator.",
            "Add the server by hand: Servers > Add server, EBO server type "
            f"{server_type}, and anything as the password. It is added although the password is wrong. Select OK.",
            "Select the server, then Edit Connection Password in the toolbar, then Reset password.",
        ),
    )


#: Documented, except for the fire server: of its help page only the title is known.
INSTRUCTIONS: Mapping[str, Instructions] = {
    "enterprise_server": _windows("Enterprise Server"),
    "enterprise_central": _windows("Enterprise Central"),
    "automation_server": Instructions(
        before=(
            "A computer with Device Administrator is at the automation server; the IP network is not enough for the reset.",
            "The site did not disable the USB ports of its automation servers.",
            "Device Administrator trusts the certificate of the automation server, at least for now: it does not speak to it otherwise.",
        ),
        steps=(
            "Connect the computer to the USB device port of the automation server.",
            "In Device Administrator select the automation server, then Edit Connection Password, then Reset password.",
        ),
    ),
    "edge_server": Instructions(
        before=(
            "You may use the container engine of the host that the server runs on.",
            "You have the vendor's scripts: https://github.com/SchneiderElectricBuildings/EBO-Servers, directory user-scripts.",
        ),
        steps=(
            "On that host run password-reset-mode with the name of the container and the version of the server.",
            "Restart the container: a server that runs may not notice the marker.",
        ),
    ),
    "pct_server": Instructions(
        before=("You may use the Project Configuration Tool that has the server.",),
        steps=("In the Project Configuration Tool, right-click the server and select Set the server in password reset mode.",),
    ),
    "fdp_server": Instructions(
        before=("You have the vendor's help for fire systems, version 7.0 or later; the procedure is not public.",),
        steps=("Follow the vendor's help topic Setting the FDP Server to password reset mode.",),
    ),
}


def check_version(kind: str, version: str | None) -> None:
    """That this version has a reset mode. Raises ResetModeFault."""
    if version is None:
        return
    match = re.match(r"\s*(\d+)", version)
    if not match:
        raise ResetModeFault("bad_input", "server_version is no version, such as 6.0 or 2024.")
    major = _YEARS.get(int(match[1]), int(match[1]))
    first = _FIRST.get(kind, _FIRST_OF_ALL)
    if major < first:
        advice = ""
        if first == _FIRST_OF_ALL:
            advice = (
                " Send the local support the session ID of a failed logon, with domain and user name: those versions have no other way."
            )
        raise ResetModeFault(
            "bad_input", f"server_version: no password reset mode is documented for this kind of server before {first}.0.{advice}"
        )
