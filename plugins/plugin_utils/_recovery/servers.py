# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A building server as the inventory describes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

KINDS: Mapping[str, str] = {
    "enterprise_server": "Enterprise Server",
    "enterprise_central": "Enterprise Central",
    "automation_server": "automation server (AS-P, AS-B)",
    "edge_server": "Edge Server",
    "pct_server": "Project Configuration Tool server",
    "fdp_server": "FDP server",
}


@dataclass(frozen=True)
class Server:
    """C(policy): what a generated password has to meet. C(version), C(site), C(contact): what the support team is told besides."""

    name: str
    kind: str
    transport: str
    serial: str = ""
    host: str = ""
    site: str = ""
    version: str = ""
    contact: str = ""
    policy: Mapping[str, object] = field(default_factory=dict)

    @property
    def by_hand(self) -> bool:
        """Whether a person puts it in reset mode."""
        return self.transport == "guided"

    @property
    def file_name(self) -> str:
        """Its name, as part of the name of a file."""
        return re.sub(r"[^\w.-]", "_", self.name)
