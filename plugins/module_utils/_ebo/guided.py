# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reset mode by a person's hand: exact instructions, what can be checked before, and the person's word afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from ansible_collections.keyturn.devices.plugins.module_utils._ebo.instructions import INSTRUCTIONS
from ansible_collections.keyturn.devices.plugins.module_utils._ebo.transport import Arming, Journal, Plan, Precondition


class GuidedTransport:
    """C(confirmed): a person says that the server is in reset mode. C(look_before): what can be seen without changing anything."""

    def __init__(
        self, kind: str, confirmed: bool, look_before: Callable[[], Iterable[Precondition]], clock: Callable[[], float] = time.time
    ) -> None:
        self.journal = Journal()
        self._instructions = INSTRUCTIONS[kind]
        self._confirmed = confirmed
        self._look_before = look_before
        self._clock = clock

    def look(self, check_mode: bool) -> Plan:
        if self._confirmed:
            return Plan(would=["Record that a person put the server in reset mode."])
        return Plan(preconditions=list(self._look_before()))

    def arm(self) -> Arming:
        if not self._confirmed:
            handed = [*(f"Before: {text}" for text in self._instructions.before), *self._instructions.steps]
            message = "A person has to put the server in reset mode. Confirm it afterwards."
            return Arming(None, message, handed, "operator_awaited")
        self.journal.add("Recorded that a person put the server in reset mode.", changed=True)
        return Arming(self._clock(), "The server is in reset mode, as a person says.")
