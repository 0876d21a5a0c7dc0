# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists as RMS gives them: filters, search, order, fields and pages. Query keys it does not know are ignored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..kit.server import Answer
from .fleet import Router
from .switches import Switches

FILTERS: dict[str, Callable[[Router, str], bool]] = {
    "status": lambda router, value: router.status_word() == value,
    "model": lambda router, value: router.model == value,
    "mac": lambda router, value: router.mac.lower() == value.lower(),
    "firmware": lambda router, value: router.firmware == value,
    "company_id": lambda router, value: str(router.company["id"]) == value,
    "tag_id": lambda router, value: any(str(tag["id"]) == value for tag in router.tags),
    "management_credit_type": lambda router, value: router.item("zero")["management_credit_type"] == value,
}
NEGATED = ("status", "model", "firmware", "tag_id")


def matching(routers: list[Router], query: dict[str, str], search: str) -> list[Router]:
    """The routers a query selects."""
    if "id" in query:
        wanted = set(query["id"].split(","))
        routers = [router for router in routers if str(router.id) in wanted]
    for key, keep in FILTERS.items():
        if key in query:
            routers = [router for router in routers if keep(router, query[key])]
        if key in NEGATED and "ne:" + key in query:
            routers = [router for router in routers if not keep(router, query["ne:" + key])]
    if query.get("q"):
        text = query["q"].lower()
        if search == "substring":
            routers = [router for router in routers if text in router.haystack]
        else:
            routers = [router for router in routers if any(part.startswith(text) for part in router.haystack.split("\n"))]
    return routers


def bounds(query: dict[str, str], switches: Switches) -> tuple[int, int] | None:
    """(limit, offset), or None when they are no numbers of 0 or more."""
    try:
        limit, offset = int(query.get("limit", "10")), int(query.get("offset", "0"))
    except ValueError:
        return None
    if limit < 0 or offset < 0:
        return None
    if switches.list_limit_max:
        limit = min(limit, switches.list_limit_max)
    return limit, 0 if switches.repeat_pages else offset


def page(entries: Sequence[Any], limits: tuple[int, int], switches: Switches, make: Callable[[Any], Any]) -> Answer:
    """One page of a list, made into items only where it is shown."""
    limit, offset = limits
    body: dict[str, Any] = {"success": True, "data": [make(entry) for entry in entries[offset : offset + limit]]}
    if switches.list_total != "absent":
        body["meta"] = {"total": len(entries) + (5 if switches.list_total == "too_large" else 0)}
    return Answer(200, body)


def ordered(routers: list[Router], order: str, offline_status: str) -> list[Router]:
    """Sorted by the fields of C(sort); C(-) before a field turns it round."""
    for field in reversed([field for field in order.split(",") if field]):
        name = field.lstrip("-")
        routers = sorted(routers, key=lambda router: _sortable(router.item(offline_status).get(name)), reverse=field.startswith("-"))
    return routers


def _sortable(value: Any) -> tuple[int, float, str]:
    return (1, float(value), "") if isinstance(value, (int, float)) else (2, 0.0, value) if isinstance(value, str) else (0, 0.0, "")
