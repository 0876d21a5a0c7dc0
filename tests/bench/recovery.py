# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lost passwords of PBXs recovered, from the request to the proof.

    make bench BENCH=recovery

For each kind of PBX: the old dialog or the new one, the link's page made of the framework or of plain HTML. Real SMTP in and real IMAP out,
without delay. Told are the seconds of wall time of all of it, those from the mail's arrival to the changed password, and those of CPU with
the browser's.
"""

from __future__ import annotations

import os
import time
from typing import Any

from integration.pbx_site import NEW, Site, pbx_site

MOST_SECONDS, MOST_AFTER_MAIL, MOST_CPU = 15.0, 5.0, 8.0
CASES: tuple[dict[str, Any], ...] = (
    {"model": "S50", "dialog": "user_and_email", "reset_page": "extjs"},
    {"model": "S50", "dialog": "user_and_email", "reset_page": "html"},
    {"model": "S300", "dialog": "user", "reset_page": "extjs"},
    {"model": "K2", "dialog": "user_and_email", "reset_page": "extjs"},
    {"model": "K2", "dialog": "user", "reset_page": "html"},
)


def cpu() -> float:
    """Of this process and of all descendants that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def measure(site: Site, case: dict[str, Any]) -> tuple[float, float, float]:
    """Wall time, after the mail, CPU."""
    site.reset(**case)
    arrived: list[float] = []
    deliver = site.smtp.deliver
    site.smtp.deliver = lambda mail: (deliver(mail), arrived.append(time.time()))
    used, started = cpu(), time.monotonic()
    result = site.recover()
    wall, used = time.monotonic() - started, cpu() - used
    if result["status"] != "changed" or site.pbx.password != NEW:
        raise SystemExit(f"Not recovered: {result['reason']}: {result['message']}")
    # The page of the framework asks as all others do, the one of plain HTML sends its form back to where it came from.
    sent = [entry for entry in site.pbx.log() if entry["method"] == "POST"]
    changed = next(entry["at"] for entry in sent if entry.get("action") == "resetpass" or entry["path"] == "/findpass.html")
    return wall, changed - arrived[0], used


def main() -> int:
    kept = True
    print(f"{'PBX':6} {'dialog':15} {'page':6} {'seconds':>8} {'after mail':>11} {'CPU':>6}")
    with pbx_site() as site:
        for case in CASES:
            wall, after, used = measure(site, case)
            kept = kept and wall < MOST_SECONDS and after < MOST_AFTER_MAIL and used < MOST_CPU
            print(f"{case['model']:6} {case['dialog']:15} {case['reset_page']:6} {wall:8.1f} {after:11.1f} {used:6.1f}", flush=True)
    print(f"Under {MOST_SECONDS:.0f} s, {MOST_AFTER_MAIL:.0f} s after the mail and {MOST_CPU:.0f} s of CPU: {'yes' if kept else 'no'}")
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
