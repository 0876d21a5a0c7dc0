# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What changes from one RutOS firmware line to the next (7.x)."""

from __future__ import annotations

import re
from dataclasses import dataclass

PRESETS = {
    "07.05": "07.05.4",
    "07.10": "07.10.2",
    "07.12": "07.12.3",
    "07.13": "07.13.2",
    "07.15": "07.15.1",
    "07.18": "07.18.2",
    "07.21": "07.21.1",
}
#: Model: prefix of its firmware text.
MODELS = {"RUTX50": "RUTX", "RUTX11": "RUTX", "RUT241": "RUT2M", "RUT950": "RUT9", "TRB140": "TRB1"}


@dataclass(frozen=True)
class Firmware:
    """A firmware by its text, for instance RUTX_R_00.07.13.2; the properties are the turning points of the facts sheet."""

    text: str
    line: tuple[int, int]

    @classmethod
    def of(cls, wanted: str, model: str) -> Firmware:
        """`wanted`: a preset (07.13), a version (07.06.20) or a whole firmware text."""
        version = PRESETS.get(wanted, wanted)
        found = re.search(r"(?:^|_00\.)(\d\d)\.(\d\d)(?:\.\d+)*$", version)
        if found is None:
            raise ValueError(f"{wanted} is neither a firmware preset ({', '.join(PRESETS)}) nor a version such as 07.06.20")
        if "_R_" not in version and model not in MODELS:
            raise ValueError(f"{model} is not one of {', '.join(MODELS)}, so its firmware must be a whole text")
        text = version if "_R_" in version else f"{MODELS[model]}_R_00.{version}"
        return cls(text, (int(found[1]), int(found[2])))

    def since(self, minor: int) -> bool:
        return self.line >= (7, minor)

    @property
    def api_version(self) -> str:
        """1.13.1 was seen on 07.21.1; the others are made up after it."""
        return "1.13.1" if self.line == (7, 21) else f"1.{max(0, self.line[1] - 8)}.0"

    @property
    def block_ends(self) -> bool:
        return self.since(7)

    @property
    def policy_is_configurable(self) -> bool:
        return self.since(11)

    @property
    def special_by_default(self) -> bool:
        return self.since(13)

    @property
    def enforces_expiry(self) -> bool:
        return self.since(15)

    @property
    def ubus_by_default(self) -> bool:
        return not self.since(18)

    @property
    def ubus_bypasses_policy(self) -> bool:
        """Up to 07.19 rpc-sys asks passwd, which knows the policy from 07.11; from 07.20 chpasswd, which knows none."""
        return self.since(20) or not self.policy_is_configurable
