# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The routers: what RMS knows of them, the password each really has, and everything that was ever asked of it."""

from __future__ import annotations

import dataclasses
import random
import string
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..kit.clock import stamp

if TYPE_CHECKING:
    from .channel import Track

DAY = 86400.0
MODELS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("RUTX11", "RUTX_R", "RUTX11000000", ("07.06.20", "07.10.2", "07.12.3", "07.13.2", "07.18.1", "07.21.1")),
    ("RUT241", "RUT2M_R", "RUT241010000", ("07.05.4", "07.11.3", "07.13.4", "07.14.1", "07.21.1")),
    ("RUT950", "RUT9_R", "RUT950U022C0", ("07.06.20",)),
    ("RUT956", "RUT9M_R", "RUT956200000", ("07.08.2", "07.12.1", "07.15.2", "07.19.4")),
    ("TRB140", "TRB1_R", "TRB140003000", ("07.07.3", "07.13.1", "07.17.3")),
    ("RUTM50", "RUTM_R", "RUTM50000000", ("07.14.3", "07.20.2")),
    ("TSW202", "TSW2_R", "TSW202000000", ("01.07.1",)),
)
TAGS = (
    {"id": 11, "name": "pilot", "color": "#4287f5"},
    {"id": 12, "name": "critical", "color": "#d62828"},
    {"id": 13, "name": "Süd & West", "color": "#2a9d8f"},
)
COMPANIES = (
    {"id": 360, "name": "Harbour Logistics", "parent_id": None},
    {"id": 361, "name": "Harbour Logistics North", "parent_id": 360},
    {"id": 362, "name": "Müller & Söhne", "parent_id": 360},
)
PLACES = ("depot", "kiosk", "quay", "pump station", "wind park", "ferry", "store", "tunnel")


@dataclasses.dataclass
class Router:
    """One router. C(password) is the one it really has; C(history) every one it ever had; C(asked) every change it was asked for."""

    id: int
    serial: str
    mac: str
    imei: str
    name: str
    model: str
    product_code: str
    firmware: str
    company: dict[str, Any]
    tags: list[dict[str, Any]]
    created: float
    password: str = dataclasses.field(repr=False)
    host: str = ""
    online: bool = True
    offline_as_null: bool = False
    fate: str = "ok"
    last_connection: float = 0.0
    history: list[dict[str, Any]] = dataclasses.field(default_factory=list, repr=False)
    asked: list[dict[str, Any]] = dataclasses.field(default_factory=list, repr=False)
    track: Track | None = dataclasses.field(default=None, repr=False)
    queue: list[Any] = dataclasses.field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self.history.append({"password": self.password, "at": self.created, "request": None, "by": "factory"})
        self.haystack = "\n".join((self.name, self.serial, self.mac, self.imei)).lower()

    def take(self, password: str, at: float, request: int | None, by: str) -> None:
        """From now on this is the password."""
        self.password = password
        self.history.append({"password": password, "at": at, "request": request, "by": by})

    def truth(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "host": self.host,
            "name": self.name,
            "model": self.model,
            "firmware": self.firmware,
            "online": self.online,
            "fate": self.fate,
            "password": self.password,
            "history": self.history,
            "asked": self.asked,
            "show_password": any(entry["show_password"] for entry in self.asked),
        }

    def item(self, offline_status: str) -> dict[str, Any]:
        """The router as RMS lists it."""
        credit = int(self.fate != "no_credit")
        authenticated = int(self.fate != "not_authenticated")
        as_null = offline_status == "null" or (offline_status == "mixed" and self.offline_as_null)
        status = 1 if self.online and credit else None if as_null or not credit else 0
        return {
            "id": self.id,
            "company_id": self.company["id"],
            "company_name": self.company["name"],
            "model": self.model,
            "original_model": self.model,
            "name": self.name,
            "description": f"s/n {self.serial}, added at {str(stamp(self.created))[:10]}",
            "serial": self.serial,
            "mac": self.mac,
            "imei": self.imei,
            "product_code": self.product_code,
            "firmware": self.firmware,
            "status": status,
            "activation_status": "11111",
            "is_authenticated": authenticated,
            "failed_auth_reason": 1 - authenticated,
            "credit_enabled": credit,
            "credit_activated": credit,
            "credit_expire_date": stamp(self.created + 365 * DAY),
            "auto_extend_credit": 1,
            "monitoring_enabled": 1,
            "management_credit_type": "management_5y" if credit else "credit",
            "last_connection_at": stamp(self.last_connection),
            "last_update_at": stamp(self.last_connection),
            "created_at": stamp(self.created),
            "updated_at": stamp(self.last_connection),
            "tags": self.tags,
        }

    def status_word(self) -> str:
        """The word of the status filter."""
        if self.fate == "no_credit":
            return "not_activated"
        return "online" if self.online else "offline"


def stale_entry(router: Router) -> Router:
    """What is left of a router in RMS after it was added anew: the same serial under another id, which leads nowhere."""
    return dataclasses.replace(router, id=router.id + 500_000, name=f"{router.name} (old)", history=[], asked=[], track=None, queue=[])


class Fleet:
    """All routers, by serial and by id, in the order of their ids."""

    def __init__(self, routers: Iterable[Router]) -> None:
        self.by_serial = {router.serial: router for router in routers}
        self.by_id = {router.id: router for router in self.by_serial.values()}

    def __iter__(self) -> Iterator[Router]:
        return iter(self.by_serial.values())

    def listed(self) -> list[Router]:
        return [router for router in self if router.fate != "not_listed"]

    def known(self, number: Any) -> Router | None:
        """The router of that id, if RMS knows it."""
        router = self.by_id.get(number) if isinstance(number, int) and not isinstance(number, bool) else None
        return router if router and router.fate != "not_listed" else None

    def set_fate(self, router: Router, fate: str) -> None:
        router.fate = fate
        router.online = fate != "offline"


def _label_password(random_source: random.Random) -> str:
    """What the label of a new router says: letters of both cases and digits."""
    characters = [random_source.choice(pool) for pool in (string.ascii_uppercase, string.ascii_lowercase, string.digits)]
    characters += random_source.choices(string.ascii_letters + string.digits, k=7)
    random_source.shuffle(characters)
    return "".join(characters)


def make_fleet(count: int, seed: int, now: float) -> Fleet:
    """The same routers for the same seed. Among them on purpose: leading zeros, equal names, names with commas, quotes,
    umlauts and the serial of another router, so that nobody matches by anything but the exact serial."""
    source = random.Random(f"fleet {seed}")
    numbers = source.sample(range(10_000_000, 99_999_999), count)
    routers: list[Router] = []
    identifier = 70_000
    for index, number in enumerate(numbers):
        identifier += source.randint(1, 9)
        model, family, product_code, releases = source.choice(MODELS)
        serial = f"{'00' if index % 5 == 0 else '11'}{number}"
        place = PLACES[index % len(PLACES)]
        name = f"{place} {index + 1:05d}"
        if index % 17 == 3:
            name = f'{place}, "Käthe" {index + 1:05d}'
        elif index % 23 == 7:
            name = routers[-1].name
        elif index % 29 == 11:
            name = f"spare of {routers[-1].serial}"
        routers.append(
            Router(
                id=identifier,
                serial=serial,
                mac="00:1E:42:" + ":".join(f"{byte:02X}" for byte in index.to_bytes(3, "big")),
                imei=f"86{source.randrange(10**13):013d}",
                name=name,
                model=model,
                product_code=product_code,
                firmware=f"{family}_00.{source.choice(releases)}",
                company=COMPANIES[source.randrange(len(COMPANIES))],
                tags=[tag for tag in TAGS if source.random() < 0.3],
                created=now - source.randint(30, 1500) * DAY,
                password=_label_password(source),
                host=f"{place.replace(' ', '-')}-{index + 1:05d}",
                offline_as_null=index % 3 == 0,
                last_connection=now - source.randint(0, 3600),
            )
        )
    return Fleet(routers)
