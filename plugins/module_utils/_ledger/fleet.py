# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the events tell of a whole fleet: whether its devices were ready to be recovered, and how the last runs ended."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.checks import check_names, check_text
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.describing import iso
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.schema import schema
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run

with suppress(ImportError):  # schema.HAS_SQLALCHEMY tells
    import sqlalchemy as sa

if TYPE_CHECKING:
    from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger

READY, NOT_READY = "ready", "not_ready"
READINESS = (READY, NOT_READY)

# What a person does, or what opening a ledger does, is no run of a fleet.
_RUN_STATES = ("current", "dropped", "orphaned", "staged")


def note_readiness(ledger: Ledger, name: str, failed: Sequence[str], run: Run) -> None:
    """Note whether a device could be recovered. C(failed): the names of the checks that say no; none means that it could.

    It is an event of the device; its reason is the checks that failed, parted by spaces.
    """
    check_names([name])
    check_text(name, *failed)
    with ledger.change(run) as change:
        device = next(iter(change.devices([name])), None)
        change.event(device, "", NOT_READY if failed else READY, " ".join(failed), name=name)


def read_readiness(ledger: Ledger) -> dict[str, dict[str, Any]]:
    """The newest look at each device, by its name in the ledger, or by what it was called then where the ledger had no record of it.

    C(ready), C(at) (ISO 8601) and C(failed), the names of the checks that failed.
    """
    events, devices = schema().events, schema().devices
    newest = sa.select(sa.func.max(events.c.id)).where(events.c.to_state.in_(READINESS)).group_by(events.c.device, events.c.name)
    query = (
        sa.select(events.c.at, events.c.to_state, events.c.reason, events.c.name, devices.c.name.label("known_as"))
        .outerjoin(devices, devices.c.id == events.c.device)
        .where(events.c.id.in_(newest))
        .order_by(events.c.id)
    )
    with ledger.look() as (connection, _now):
        return {
            row.known_as or row.name: {"ready": row.to_state == READY, "at": iso(row.at), "failed": row.reason.split()}
            for row in connection.execute(query)
        }


def read_runs(ledger: Ledger, at_most: int) -> list[dict[str, Any]]:
    """The newest runs that changed the state of any password, newest first.

    C(run_id), C(who), C(began), C(ended) (of its events) and C(outcomes), where its devices stood at the end: C(to), C(reason) and
    C(devices), how many of them.
    """
    events = schema().events
    of_runs = sa.and_(events.c.to_state.in_(_RUN_STATES), events.c.case_id.is_(None), events.c.device.is_not(None))
    newest = (
        sa.select(events.c.run_id, sa.func.min(events.c.at), sa.func.max(events.c.at), sa.func.max(events.c.who))
        .where(of_runs)
        .group_by(events.c.run_id)
        .order_by(sa.func.max(events.c.id).desc())
        .limit(at_most)
    )
    with ledger.look() as (connection, _now):
        runs: dict[str, dict[str, Any]] = {
            run_id: {"run_id": run_id, "who": who, "began": iso(began), "ended": iso(ended), "outcomes": []}
            for run_id, began, ended, who in connection.execute(newest)
        }
        last = (
            sa.select(sa.func.max(events.c.id)).where(of_runs, events.c.run_id.in_(list(runs))).group_by(events.c.run_id, events.c.device)
        )
        counted = (
            sa.select(events.c.run_id, events.c.to_state, events.c.reason, sa.func.count())
            .where(events.c.id.in_(last))
            .group_by(events.c.run_id, events.c.to_state, events.c.reason)
            .order_by(events.c.to_state, events.c.reason)
        )
        for run_id, to_state, reason, devices in connection.execute(counted):
            runs[run_id]["outcomes"].append({"to": to_state, "reason": reason, "devices": devices})
    return list(runs.values())
