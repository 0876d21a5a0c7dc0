# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every point where a cluster or its operator may differ, and every fault, as a named switch with its evidence grade."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..kit.switches import switch


@dataclass
class Switches:
    """Numbers in brackets are sections of the project's fact sheet on EcoStruxure."""

    speed: float = switch(1.0, "test", "seconds of the cluster's clocks per second")
    pod_stop_seconds: float = switch(20.0, "A", "time a pod takes to stop")
    pod_start_seconds: float = switch(30.0, "A", "time a pod takes to be ready")
    job_seconds: float = switch(5.0, "A", "time the job takes")
    job_ttl_seconds: float = switch(180.0, "O", "time a finished job stays (5.1)")
    operator_ahead_seconds: float = switch(0.0, "A", "how far the operator's clock is ahead of the API server's")
    stuck_in: str = switch("", "test", "phase that the operator never leaves, such as StoppingForPasswordReset; Ready: it takes no request")
    job_fails: bool = switch(False, "A", "the job never succeeds; the operator waits for it without an end (5.1)")
    forbidden: str = switch("nothing", "test", "what the user may not do: 403", ("nothing", "read", "patch", "events"))
    events: str = switch("series", "O", "how a repeated event is told: a series, or one more event", ("series", "single", "gone"))
    conflicts: int = switch(0, "test", "so many changes meet one of somebody else's: 409")
    latency_ms: float = switch(0.0, "test", "time before each answer")
    faults: list[dict[str, Any]] = switch([], "test", "faults on the wire, see kit/faults.py; a change replaces all")  # noqa: RUF009
    log_bodies: bool = switch(True, "test", "the log keeps bodies of requests and answers")
