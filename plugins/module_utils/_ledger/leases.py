# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which run holds a device, for how long, and what that means to another."""

from __future__ import annotations

from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.change import Change
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import Device
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run, lives

#: No lease is longer. One that ends later was written by a clock that was wrong.
MAX_LEASE_SECONDS = 6 * 3600

# Longer than one request may take to leave and to be acted on (the modules' time-out is 30 s).
ON_ITS_WAY_SECONDS = 45.0

# What a lease says to a run that asks.
FREE, MINE, EXPIRED, DEAD, HELD = "free", "mine", "expired", "dead", "held"


def check_run(run: Run, lease_seconds: float | None = None) -> None:
    """Raises LedgerError C(input)."""
    if not run.id or not run.id.isprintable():
        raise LedgerError("input", "A run needs an id that can be printed.")
    if lease_seconds is not None and lease_seconds <= 0:
        raise LedgerError("input", "lease_seconds must be greater than 0")
    if lease_seconds is not None and lease_seconds > MAX_LEASE_SECONDS:
        raise LedgerError("input", f"lease_seconds must be at most {MAX_LEASE_SECONDS}")


class Leases:
    """The leases of the devices of one transaction."""

    def __init__(self, change: Change) -> None:
        self._change = change
        self._lives: dict[str, bool | None] = {}

    def of(self, device: Device) -> str:
        """FREE, MINE, EXPIRED, DEAD (its holder is certainly gone, before it expired) or HELD.

        Where the holder is known to live or to be gone, that counts, and not the clock, which may have been set meanwhile.
        """
        if device.lease_run is None:
            return FREE
        holder, run = device.lease_holder or "", self._change.run
        if device.lease_run == run.id and (not holder or not run.holder or holder == run.holder):
            return MINE
        if holder not in self._lives:
            self._lives[holder] = lives(holder)
        alive = self._lives[holder]
        if alive:
            return HELD
        if (device.lease_until or 0) <= self._change.now:
            return EXPIRED
        return HELD if alive is None else DEAD

    def cap(self, device: Device) -> tuple[str, ...]:
        """A lease or a fence that no clock of today can have meant ends when the longest possible one would. Returns warnings."""
        change = self._change
        if (device.fence_until or 0) > change.now + ON_ITS_WAY_SECONDS:
            change.update_device(device, fence_until=change.now + ON_ITS_WAY_SECONDS)
        if device.lease_run is None or (device.lease_until or 0) <= change.now + MAX_LEASE_SECONDS:
            return ()
        change.event(device, "", "", f"lease_capped: that of run {device.lease_run} would have ended later than any can")
        change.update_device(device, lease_until=change.now + MAX_LEASE_SECONDS)
        return ("lease_capped",)

    def take(self, device: Device, seconds: float) -> float:
        """For this run; returns its end."""
        values = self._fence(device)
        run, until = self._change.run, self._change.now + seconds
        if self.of(device) == MINE:
            until = max(until, device.lease_until or 0)
        self._change.update_device(device, lease_run=run.id, lease_holder=run.holder, lease_until=until, **values)
        return until

    def release(self, device: Device) -> None:
        """Nobody's any more."""
        if device.lease_run is not None:
            values = self._fence(device)
            self._change.update_device(device, lease_run=None, lease_holder=None, lease_until=None, **values)

    def break_(self, device: Device) -> None:
        """Taken from a run that may be alive: what it says later of this device is a doubt."""
        change = self._change
        change.event(device, "", "", f"the lease of run {device.lease_run} was broken")
        fence = min(device.lease_until or 0, change.now + ON_ITS_WAY_SECONDS)
        change.update_device(
            device,
            broken_run=device.lease_run,
            fence_until=max(device.fence_until or 0, fence),
            lease_run=None,
            lease_holder=None,
            lease_until=None,
        )

    def is_fenced(self, device: Device) -> bool:
        """Whether a request of a run that is gone may still reach the device."""
        return self.of(device) == DEAD or (device.fence_until or 0) > self._change.now

    def _fence(self, device: Device) -> dict[str, Any]:
        """What a dead run asked for may still arrive: until then no new password is staged.

        What outlives a killed run sends nothing more once its holder is gone (C(router_password), C(run_holder)), so only a request
        that was on its way by then counts.
        """
        if self.of(device) != DEAD:
            return {}
        return {"fence_until": max(device.fence_until or 0, min(device.lease_until or 0, self._change.now + ON_ITS_WAY_SECONDS))}
