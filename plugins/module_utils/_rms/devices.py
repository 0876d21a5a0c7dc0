# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The routers that RMS knows, and how a serial number becomes an id with the fewest requests."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._rms.client import Pages, RmsClient, whole_number

# Clients use 100 to 10,000 (observed).
PAGE = 1000

# A full item has about a hundred fields; ten thousand routers of them are 30 MB.
_FIELDS = "id,serial,name,model,firmware,status,mac,tags,company_id,company_name"

_STATUS_WORDS = {"0": "offline", "1": "online", "2": "pending"}


@dataclass(frozen=True)
class Router:
    """One router as RMS lists it. C(status): online, offline, pending, or unknown where the listing does not tell."""

    id: int
    serial: str
    name: str = ""
    model: str = ""
    firmware: str = ""
    status: str = "unknown"
    mac: str = ""
    tags: tuple[str, ...] = ()
    company: str = ""
    company_id: int | None = None


def read_router(item: Mapping[str, Any]) -> Router | None:
    """A router from an item of the listing; None for an item without id or serial."""
    identifier = whole_number(item.get("id"))
    serial = item.get("serial")
    if identifier is None or serial is None or serial == "":
        return None
    tags = item.get("tags")
    return Router(
        id=identifier,
        serial=str(serial),
        name=_text(item.get("name")),
        model=_text(item.get("model")),
        firmware=_text(item.get("firmware")),
        status=_status(item),
        mac=_text(item.get("mac")),
        tags=tuple(_tag(tag) for tag in tags) if isinstance(tags, list) else (),
        company=_text(item.get("company_name")),
        company_id=whole_number(item.get("company_id")),
    )


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _tag(tag: object) -> str:
    return _text(tag.get("name")) if isinstance(tag, Mapping) else _text(tag)


def _status(item: Mapping[str, Any]) -> str:
    """Null means offline (documented); a field that is not there at all tells nothing."""
    if "status" not in item:
        return "unknown"
    value = item["status"]
    word = "offline" if value is None else _STATUS_WORDS.get(str(value).strip(), str(value).strip().lower())
    return word if word in _STATUS_WORDS.values() else "unknown"


def _listing(client: RmsClient, filters: Mapping[str, str] | None, page: int) -> Pages:
    # Which fields may be chosen is not published; one that RMS does not know must not cost the listing.
    return Pages(client, ("devices",), page, filters, optional={"fields": _FIELDS})


def _routers(items: Iterable[Mapping[str, Any]]) -> Iterator[Router]:
    return (router for item in items if (router := read_router(item)) is not None)


def list_routers(client: RmsClient, filters: Mapping[str, str] | None = None, page: int = PAGE) -> list[Router]:
    """All routers, in RMS's order. C(filters): query parameters of the listing."""
    return list(_routers(_listing(client, filters, page)))


def find_routers(client: RmsClient, serials: Collection[str], page: int = PAGE) -> dict[str, list[Router]]:
    """serial -> the routers that bear exactly this serial: none when RMS knows none, several when RMS has it twice.

    RMS has no filter for serials (documented). One or two are searched for, more are picked from the pages of the whole list, as
    long as the pages left are fewer than the serials left.
    """
    found: dict[str, list[Router]] = {serial: [] for serial in serials}
    left = set(found)
    if len(left) <= 2:
        for serial in found:
            _search(client, serial, found, left, page)
        if not left:
            return found
        # What the search looks at is not published: a serial it does not find may still be in the list.
    listing = _listing(client, None, page)
    searched = len(found) <= 2
    while left and not listing.complete:
        if not searched and listing.total is not None and len(left) < listing.pages_left:
            for serial in sorted(left):
                _search(client, serial, found, left, page)
            break
        for router in _routers(listing.next_page()):
            _note(router, found, left)
    return found


def _search(client: RmsClient, serial: str, found: dict[str, list[Router]], left: set[str], page: int) -> None:
    for router in _routers(_listing(client, {"q": serial}, page)):
        if router.serial == serial:
            _note(router, found, left)


def _note(router: Router, found: dict[str, list[Router]], left: set[str]) -> None:
    known = found.get(router.serial)
    if known is not None and all(other.id != router.id for other in known):
        known.append(router)
        left.discard(router.serial)
