# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is told of a router: by C(router_info), and as host variables by the inventory."""

from __future__ import annotations

from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._passwords.floors import floor_for
from ansible_collections.keyturn.devices.plugins.module_utils._rms.devices import Router


class Descriptions:
    """Describes routers; the rule of a firmware is worked out once."""

    def __init__(self) -> None:
        self._policies: dict[str, dict[str, Any]] = {}

    def __call__(self, router: Router) -> dict[str, Any]:
        return {
            "id": router.id,
            "serial": router.serial,
            "name": router.name,
            "model": router.model,
            "firmware": router.firmware,
            "status": router.status,
            "online": router.status == "online",
            "mac": router.mac,
            "tags": list(router.tags),
            "company": router.company,
            "policy": self.policy(router.firmware),
        }

    def policy(self, firmware: str) -> dict[str, Any]:
        """The stricter of what RMS and a router with this firmware demand."""
        known = self._policies.get(firmware)
        if known is None:
            own = floor_for("rutos", firmware)
            policy = own.policy.with_floor(floor_for("rms", firmware))
            known = self._policies[firmware] = {
                "min_length": policy.min_length,
                "max_length": policy.max_length,
                "upper": policy.upper,
                "lower": policy.lower,
                "digits": policy.digits,
                "special": policy.special,
                "evidence": own.evidence,
            }
        return known
