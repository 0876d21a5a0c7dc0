# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An Ansible inventory of the simulated fleet, for demonstrations and benchmarks."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from .fleet import Router


def write_inventory(path: str, routers: Iterable[Router], group: str = "routers") -> None:
    """Group C(routers) with C(device_serial) per host; serials are quoted, so leading zeros live."""
    lines = ["---", f"{group}:", "  hosts:"]
    lines += [f"    {router.host}: {{device_serial: {json.dumps(router.serial)}}}" for router in routers]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")
