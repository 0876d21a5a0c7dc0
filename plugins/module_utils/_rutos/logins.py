# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ration of wrong logins: a router that counts ten of them locks its administrators out (facts: Teltonika 2.5, documented)."""

from __future__ import annotations

import time
from collections.abc import Callable

from ansible_collections.keyturn.devices.plugins.module_utils._rutos.visit import RouterFault, Way

#: Wrong logins per router and call, at most.
MOST_WRONG = 2

# A change may restart the router's web server: seconds between attempts to reach it again.
_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)

# How a router looks from outside that drops the packets of who logged in wrongly.
_SILENCE = ("offline", "timeout", "interrupted")


class Logins:
    """Logs in to one router, and stops before it hurts. A login whose answer never came counts as a wrong one: it may have been."""

    def __init__(self, way: Way, sleep: Callable[[float], None] = time.sleep) -> None:
        self._way = way
        self._sleep = sleep
        self.wrong = 0
        self._lost = 0

    def opens(self, password: str, patient: bool = False) -> bool:
        """Whether the password opens a session. RouterFault when that cannot be found out, or when the ration is spent.

        C(patient): try again, with pauses, when the router does not answer.
        """
        pauses = iter(_PAUSES if patient else ())
        while True:
            if self.wrong + self._lost >= MOST_WRONG:
                raise RouterFault("timeout", f"no further login is tried after {MOST_WRONG} that were refused or not answered")
            try:
                accepted = self._way.log_in(password)
            except RouterFault as fault:
                self._lost += fault.lost
                if self.wrong and fault.reason in _SILENCE and self._way.remaining > 0:
                    message = f"the router went silent after a wrong login, so it has probably locked this address out: {fault.message}"
                    raise RouterFault("locked_out", message, fault.lost) from None
                pause = next(pauses, None)
                if pause is None or fault.reason not in _SILENCE or pause >= self._way.remaining:
                    raise
                self._sleep(pause)
                continue
            self.wrong += not accepted
            return accepted
