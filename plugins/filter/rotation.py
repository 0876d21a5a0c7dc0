# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role router_rotation computes between its tasks. Documented beside this file, one page per filter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._rotation.account import (
    Settings,
    account,
    log_ins_for_routers,
    outcomes_for_ledger,
    requests_for_routers,
)
from ansible_collections.keyturn.devices.plugins.module_utils._rotation.summary import announce, summarise


def rotation_account(
    run: Mapping[str, Any],
    batch: Mapping[str, Any],
    taken: Mapping[str, Any],
    applied: Mapping[str, Any],
    settled: Mapping[str, Any],
    settings: Mapping[str, Any],
    stop: str = "",
    proven: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    limits = Settings(**{name: int(value) for name, value in settings.items()})
    return account(run, batch, taken, applied, settled, limits, stop, proven)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., object]]:
        return {
            "rotation_account": rotation_account,
            "rotation_announcement": announce,
            "rotation_log_ins": log_ins_for_routers,
            "rotation_outcomes": outcomes_for_ledger,
            "rotation_requests": requests_for_routers,
            "rotation_summary": summarise,
        }
