# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The routers that RMS knows, and how a serial number becomes an id with the fewest requests."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ansible_collections.keyturn.devices.plugins.module_utils._outcomes import Outcome
from ansible_collections.keyturn.devices.plugins.module_utils._rms.client import Pages, RmsClient, whole_number

# Clients use 100 to 10,000 (observed).
PAGE = 1000

# A full item has about a hundred fields; ten thousand routers of them are 30 MB.
_FIELDS = "id,serial,name,model,firmware,status,mac,tags,company_name"

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


class Picked(NamedTuple):
    """What RMS says of one serial number. C(router): the one that bears it. C(refusal): why it cannot be asked for a new password."""

    router: Router | None
    refusal: Outcome | None


def pick(serial: str, routers: Sequence[Router]) -> Picked:
    """The router among those that bear the serial number (C(find_routers)): none when there are none, or several."""
    if not routers:
        message = f"RMS knows no router with the serial number {serial}, or the token may not see it."
        return Picked(None, Outcome("failed", "not_found", message))
    if len(routers) > 1:
        return Picked(None, Outcome("failed", "conflict", "RMS has this serial number more than once; remove the stale entry there."))
    if routers[0].status == "offline":
        # RMS promises delivery on reconnect for firmware and configuration only, not for passwords.
        return Picked(routers[0], Outcome("failed", "offline", "The router is offline in RMS; nothing was sent to it."))
    return Picked(routers[0], None)


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
    """serial -> the routers that bear exactly this serial: none when RMS knows none, several when RMS has it twice (see C(pick)).

    RMS has no filter for serials (documented). One or two are searched for, more are picked from the pages of the whole list, or searched
    for when those are fewer requests. The list is always read to its end: a stale entry with the same serial may stand anywhere.
    """
    found: dict[str, list[Router]] = {serial: [] for serial in serials}
    if len(found) <= 2:
        _search(client, found, page)
        if all(found.values()):
            return found
        # What the search looks at is not published: a serial it does not find may still be in the list.
    listing = _listing(client, None, page)
    searched = len(found) <= 2
    while not listing.complete and found:
        _note(_routers(listing.next_page()), found)
        if not searched and listing.total is not None and len(found) < listing.pages_left:
            _search(client, found, page)
            searched = True
            if all(found.values()):
                break
    return found


def _search(client: RmsClient, found: dict[str, list[Router]], page: int) -> None:
    for serial in found:
        _note((router for router in _routers(_listing(client, {"q": serial}, page)) if router.serial == serial), found)


def _note(routers: Iterable[Router], found: dict[str, list[Router]]) -> None:
    for router in routers:
        known = found.get(router.serial)
        if known is not None and all(other.id != router.id for other in known):
            known.append(router)
