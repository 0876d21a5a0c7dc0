# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every point where real routers may differ, and every fault, as a named switch with its evidence grade."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulators.kit.faults import FaultPlan
from simulators.kit.switches import change, switch

#: The first is the likely one; the others put another check first.
ORDERS = ("policy,rights,current,same", "rights,current,same,policy", "current,policy,rights,same", "same,rights,current,policy")
DROPS = ("connect_timeout", "hold", "abort")


@dataclass
class Switches:
    """The positions in force for one router. Times are seconds unless the name says otherwise."""

    api: bool = switch(True, "D", "off: the HTTP API is not there (404 pages), as before 07.03 or with the web service restricted")
    reachable: str = switch(
        "yes", "test", "how the router is away: packets dropped, accepted and never answered, or reset at accept", ("yes", *DROPS)
    )
    lockout: str = switch(
        "refuse",
        "O",
        "what a blocked source meets: 401 'Login failed', a connect time-out (the usual DROP), an accepted but silent connection, a reset",
        ("refuse", *DROPS),
    )
    lockout_attempts: int = switch(10, "D", "wrong log-ins in a row that block a source; 0 = never")
    wrong_current_counts: bool = switch(False, "A", "a wrong current_password in a change counts as a wrong log-in")
    login_ms: float = switch(0.0, "A", "time a log-in takes on the router, during which the next one waits")
    login_lock_stale: float = switch(15.0, "O", "seconds a log-in waits for the one before, then goes on without the lock")
    login_group: bool = switch(True, "O", "the log-in answer has 'group' (absent on some firmware)")
    session_timeout: int = switch(300, "D", "idle seconds until a token dies; 'expires' in the log-in answer is one less")
    session_expiry: str = switch("sliding", "A", "whether use prolongs a token", ("sliding", "fixed"))
    external_change_keeps_sessions: bool = switch(True, "A", "tokens outlive a change made by RMS, ubus or chpasswd")
    expired_blocks_logout: bool = switch(False, "A", "an expired password forbids /api/logout too (it is not in the list of open paths)")
    enforce_first_login: bool = switch(False, "A", "first login answers 403/125 on the paths where an expired password answers 403/124")
    check_order: str = switch(ORDERS[0], "A", "order of the checks of a password change", ORDERS)
    echo_value: bool = switch(True, "O", "errors carry 'value', the refused password in clear")
    policy_special: str = switch(
        "firmware", "A", "special character required; an upgraded router may have kept the older rule", ("firmware", "on", "off")
    )
    refused_symbols: str = switch("", "A", "symbols that make a password fail the policy (fixed in 07.14)")
    bulk: bool = switch(True, "O", "/api/bulk answers several requests at once; off: 404, as an endpoint a firmware lacks")
    unauthorized_shape: str = switch(
        "firmware", "O", "fields of /api/unauthorized/status: old has device_name and api_version only", ("firmware", "old", "new")
    )
    device_status: str = switch(
        "full",
        "O",
        "shape of /api/system/device/status; fields differ by model",
        ("full", "no_static", "no_mnfinfo", "numeric_serial", "null_fields"),
    )
    answers_serial: str = switch("", "test", "serial this router claims instead of its own")
    ubus: str = switch("firmware", "D", "/ubus: on up to 07.17, off from 07.18 unless the package is installed", ("firmware", "on", "off"))
    ubus_refusal: str = switch(
        "silent", "A", "password_set refused by the policy answers [0] all the same (silent) or [9] (status)", ("silent", "status")
    )
    store_truncated: int = switch(0, "test", "characters of a new password that are kept; log-in compares whole; 0 = all")
    redirect_https: bool = switch(True, "D", "the plain HTTP port only redirects to HTTPS (scheme both)")
    redirect_status: int = switch(307, "A", "status of that redirect")
    latency_ms: float = switch(0.0, "test", "delay before every answer")
    slow_answer: float = switch(0.0, "test", "seconds over which the bytes of every answer trickle out")
    stale_login_lock: bool = switch(False, "test", "every log-in finds the lock of one that died, and waits until it is stale")
    faults: list[dict[str, Any]] = switch(  # noqa: RUF009
        [], "test", "faults on the wire: {kind, method, path, nth, times, when, ...}, see kit/faults.py; every router counts for itself"
    )


class Switchboard:
    """Positions for all routers and, above them, for single ones."""

    def __init__(self, everywhere: Mapping[str, Any]) -> None:
        self._everywhere: dict[str, Any] = {}
        self.single: dict[str, dict[str, Any]] = {}
        self.set(everywhere)

    def set(self, positions: Mapping[str, Any], serial: str | None = None) -> None:
        """All or none; SwitchError or FaultError for what does not exist. None puts a switch back to the position one level up."""
        given = {name: value for name, value in positions.items() if value is not None}
        change(Switches(), given)
        FaultPlan(given.get("faults", []))
        target = self._everywhere if serial is None else self.single.setdefault(serial, {})
        for name in positions:
            target.pop(name, None)
        target.update(given)

    def of(self, serial: str | None = None) -> Switches:
        """The positions for one router, or those for all that have none of their own."""
        switches = Switches()
        change(switches, {**self._everywhere, **(self.single.get(serial, {}) if serial else {})})
        return switches
