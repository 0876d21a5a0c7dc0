# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""RMS itself: end points, checks, channels, batches. Knows no HTTP library; C(..kit.server) brings the requests."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable, Mapping
from typing import Any

from ..kit.clock import Clock, stamp
from ..kit.server import Answer, Call
from ..kit.switches import SwitchError
from . import listing, upload
from .batches import Batch, Member
from .channel import Channel, Track
from .delivery import Delivery, Order
from .fleet import COMPANIES, TAGS, Fleet, Router, stale_entry
from .rutos_policy import SPECIAL, version
from .switches import FATES, Switches

MESSAGES = {
    400: ("BAD_REQUEST", "Bad request."),
    401: ("UNAUTHORIZED", "Unauthorized."),
    403: ("FORBIDDEN", "Forbidden."),
    404: ("NOT_FOUND", "Not found."),
    405: ("METHOD_NOT_ALLOWED", "Method not allowed."),
    409: ("CONFLICT", "Already in use."),
    422: ("VALIDATION_ERROR", "Invalid value."),
    429: ("TOO_MANY_REQUESTS", "Too many requests."),
}
LETTERS = string.ascii_letters + string.digits
GENERATED_SPECIAL = "!#%+-.:=@_"
MIN_LENGTH, MAX_LENGTH = 8, 32
ROUTER_CHANGES = {"online", "firmware", "password", "fate", "name"}

Error = dict[str, Any]


def error(status: int, source: str | None = None, message: str | None = None) -> Error:
    code, text = MESSAGES.get(status, ("SERVER_ERROR", "Something went wrong."))
    return {"code": code, "source": source, "message": message or text}


def refused(status: int, errors: list[Error] | None = None) -> Answer:
    return Answer(status, {"success": False, "errors": errors or [error(status)]})


class Rms:
    """One vendor account with a fleet, and a second account that owns nothing."""

    def __init__(self, fleet: Fleet, switches: Switches, clock: Clock, seed: int, base_path: str, token: str, other_token: str) -> None:
        self.fleet = fleet
        self.switches = switches
        self.clock = clock
        self._source = random.Random(f"rms {seed}")
        self._delivery = Delivery(switches, self._source)
        self._accounts = {token: "main", other_token: "other"}
        self._channels: dict[str, Channel] = {}
        self._batches: dict[str, Batch] = {}
        self._counted = 0
        self._limited_since: float | None = None
        base = re.escape(base_path)
        self._paths: list[tuple[str, re.Pattern[str], str, Callable[[Call], Answer]]] = [
            (method, re.compile(prefix + pattern + r"/?\Z"), scope, end_point)
            for method, prefix, pattern, scope, end_point in (
                ("POST", base, "/devices/passwords/set", "scope_password_write", self._set),
                ("POST", base, "/devices/passwords/generate", "scope_password_write", self._generate),
                ("POST", base, "/devices/passwords/upload", "scope_password_write", self._upload),
                ("GET", base, "/devices/passwords/generated/tasks", "scope_password_read", self._tasks),
                ("GET", base, "/tasks/(?P<id>[^/]+)/devices", "scope_password_read", self._task_devices),
                ("GET", base, "/tasks/(?P<id>[^/]+)/download/passwords", "scope_password_read", self._download),
                ("GET", base, "/devices", "scope_devices", self._devices),
                ("GET", base, "/devices/logs", "scope_devices", self._logs),
                ("GET", base, r"/devices/(?P<id>\d+)/logs", "scope_devices", self._logs),
                ("GET", base, r"/devices/(?P<id>\d+)", "scope_devices", self._device),
                ("GET", base, "/tags", "scope_devices", self._tags),
                ("GET", base, "/companies", "scope_devices", self._companies),
                ("GET", "", "/status/channel/(?P<id>[^/]+)", "", self._poll),
            )
        ]
        self.switches_changed({"fates": switches.fates})

    # What the server asks.

    def handle(self, call: Call) -> Answer:
        self._delivery.tick(self.clock.now())
        answer = self._routed(call)
        if self.switches.numbers_as_strings and not isinstance(answer.body, bytes):
            answer.body = _numbers_as_strings(answer.body)
        return answer

    def busy_with(self, call: Call) -> Answer | None:
        """429 when the quota is spent."""
        limit, recovers = self.switches.rate_limit_after, self.switches.rate_limit_recovers_seconds
        if not limit or (call.path.startswith("/status/") and not self.switches.polls_count):
            return None
        now = self.clock.now()
        if recovers and self._limited_since is not None and now - self._limited_since >= recovers:
            self._limited_since, self._counted = None, 0
        self._counted += 1
        if self._counted <= limit:
            return None
        self._limited_since = self._limited_since if self._limited_since is not None else now
        answer = refused(429)
        if self.switches.retry_after:
            answer.headers["Retry-After"] = self.switches.retry_after
        return answer

    def error_body(self, status: int) -> Any:
        return {"success": False, "errors": [error(status)]}

    def switches_changed(self, changes: Mapping[str, Any]) -> None:
        """New fates reach their routers; C(*) is for every router that no fate names."""
        if "rate_limit_after" in changes:
            self._counted, self._limited_since = 0, None
        fates = changes.get("fates", {})
        known = {"*", *self.fleet.by_serial}
        wrong = [f"{serial}: {fate}" for serial, fate in fates.items() if fate not in FATES or serial not in known]
        if wrong:
            raise SwitchError(f"no such router or fate: {', '.join(wrong[:5])}")
        for router in self.fleet:
            fate = fates.get(router.serial, fates.get("*"))
            if fate:
                self.fleet.set_fate(router, fate)
        for router in self.fleet:
            if router.online and router.queue:
                self._delivery.reconnect(router, self.clock.now())

    def control(self, call: Call) -> Answer | None:
        now = self.clock.now()
        if call.path == "clock" and call.method == "POST":
            self.clock.advance(float(call.json()["advance"]))
            now = self.clock.now()
        self._delivery.tick(now)
        if call.path == "clock":
            return Answer(200, {"now": now})
        if call.path == "truth":
            wanted = call.query.get("serial")
            return Answer(200, {router.serial: router.truth() for router in self.fleet if wanted in (None, router.serial)})
        if call.path == "passwords":
            return Answer(200, {router.serial: router.password for router in self.fleet})
        if call.path.startswith("routers/") and call.method in ("POST", "PATCH"):
            return self._change_router(call.path.removeprefix("routers/"), call.json(), now)
        return None

    def _change_router(self, serial: str, changes: dict[str, Any], now: float) -> Answer:
        """Something happens to a router beside RMS: it comes back, it is upgraded, somebody changes its password at its own page."""
        router = self.fleet.by_serial.get(serial)
        if router is None or not set(changes) <= ROUTER_CHANGES or changes.get("fate", "ok") not in FATES:
            return Answer(400, {"error": f"no such router, or a change that is none of {', '.join(sorted(ROUTER_CHANGES))}"})
        if "fate" in changes:
            self.fleet.set_fate(router, changes["fate"])
        if "online" in changes:
            if changes["online"] and router.fate == "offline":
                router.fate = "ok"
            router.online = changes["online"]
        router.firmware = changes.get("firmware", router.firmware)
        router.name = changes.get("name", router.name)
        if "password" in changes:
            router.take(changes["password"], now, None, "elsewhere")
        if router.online:
            self._delivery.reconnect(router, now)
        return Answer(200, router.truth())

    # Who may do what.

    def _routed(self, call: Call) -> Answer:
        scheme, _space, token = call.headers.get("Authorization", "").partition(" ")
        account = self._accounts.get(token) if scheme.lower() == "bearer" else None
        call.note["account"] = account
        if account is None:
            return refused(401)
        methods = set()
        for method, pattern, scope, end_point in self._paths:
            found = pattern.match(call.path)
            if not found:
                continue
            methods.add(method)
            if method != call.method:
                continue
            call.note.update(found.groupdict())
            if scope and account == "main" and getattr(self.switches, scope) not in self.switches.scopes:
                return refused(int(self.switches.missing_scope))
            if scope.startswith("scope_password") and self.switches.two_factor:
                return refused(403)
            return end_point(call)
        return refused(405 if methods else 404)

    def _owned(self, call: Call) -> list[Router]:
        return self.fleet.listed() if call.note["account"] == "main" else []

    # Lists.

    def _devices(self, call: Call) -> Answer:
        limits = listing.bounds(call.query, self.switches)
        if limits is None:
            return refused(422, [error(422, "limit")])
        offline_status = self.switches.offline_status
        if call.query.get("fields_only", "").lower() in ("1", "true"):
            sample = next(iter(self.fleet), None)
            return Answer(200, {"success": True, "data": list(sample.item(offline_status)) if sample else []})
        entries = self._owned(call)
        entries += [stale_entry(router) for router in entries if router.serial in self.switches.stale_serials]
        routers = listing.matching(entries, call.query, self.switches.search)
        routers = listing.ordered(routers, call.query.get("sort", ""), offline_status)
        fields = [field for field in call.query.get("fields", "").split(",") if field]

        def item(router: Router) -> dict[str, Any]:
            full = router.item(offline_status)
            return {field: full[field] for field in fields if field in full} if fields else full

        return listing.page(routers, limits, self.switches, item)

    def _device(self, call: Call) -> Answer:
        router = self.fleet.known(int(call.note["id"])) if call.note["account"] == "main" else None
        return Answer(200, {"success": True, "data": router.item(self.switches.offline_status)}) if router else refused(404)

    def _logs(self, call: Call) -> Answer:
        limits = listing.bounds(call.query, self.switches)
        if limits is None:
            return refused(422, [error(422, "limit")])
        wanted = call.note.get("id")
        entries = [(router, entry) for router in self._owned(call) if wanted in (None, str(router.id)) for entry in router.asked]
        entries.sort(key=lambda pair: pair[1]["at"], reverse=True)
        return listing.page(entries, limits, self.switches, _log_item)

    def _tags(self, call: Call) -> Answer:
        limits = listing.bounds(call.query, self.switches)
        return listing.page(TAGS, limits, self.switches, dict) if limits else refused(422)

    def _companies(self, call: Call) -> Answer:
        limits = listing.bounds(call.query, self.switches)
        companies = [{key: value for key, value in company.items() if value is not None} for company in COMPANIES]
        return listing.page(companies, limits, self.switches, dict) if limits else refused(422)

    # Changing passwords.

    def _items(self, call: Call) -> list[dict[str, Any]] | Answer:
        """The C(data) of a set or generate call."""
        try:
            body = call.json()
        except ValueError:
            return refused(400)
        data = body.get("data") if isinstance(body, dict) else None
        if not isinstance(data, list) or not data or not all(isinstance(item, dict) for item in data):
            return refused(422, [error(422, "data", "The data field is required.")])
        call.note["devices"] = [item.get("id") for item in data]
        call.note["show_password"] = any(item.get("show_password") not in (None, False) for item in data)
        if self.switches.max_devices_per_call and len(data) > self.switches.max_devices_per_call:
            return refused(422, [error(422, "data", "Too many devices.")])
        return data

    def _set(self, call: Call) -> Answer:
        def problem(item: dict[str, Any], router: Router) -> tuple[str, str] | None:
            password = item.get("password")
            echo = f" ({password})" if self.switches.echo_passwords else ""
            if not isinstance(password, str):
                return "password", "The password field is required."
            broken = self._rule_broken(password, router.firmware)
            if broken:
                return "password", broken + echo
            if item.get("password_confirmation") != password:
                return "password_confirmation", f"The password confirmation does not match.{echo}"
            return None if isinstance(item.get("show_password", False), bool) else ("show_password", "Invalid value.")

        def order(item: dict[str, Any], router: Router) -> Order:
            return Order(router, item["password"], "set", call.number, bool(item.get("show_password")))

        answer, _orders = self._ordered(call, problem, order)
        return answer

    def _generate(self, call: Call) -> Answer:
        def problem(item: dict[str, Any], router: Router) -> tuple[str, str] | None:
            length, special = item.get("length"), item.get("use_special")
            if not isinstance(length, int) or isinstance(length, bool) or not MIN_LENGTH <= length <= MAX_LENGTH:
                return "length", f"The length must be between {MIN_LENGTH} and {MAX_LENGTH}."
            return None if special in (0, 1) and not isinstance(special, bool) else ("use_special", "Invalid value.")

        def order(item: dict[str, Any], router: Router) -> Order:
            return Order(router, self._made_password(item["length"], bool(item["use_special"])), "generate", call.number)

        answer, orders = self._ordered(call, problem, order)
        if orders:
            self._add_batches(orders, call.note["account"])
        return answer

    def _ordered(
        self,
        call: Call,
        problem: Callable[[dict[str, Any], Router], tuple[str, str] | None],
        make: Callable[[dict[str, Any], Router], Order],
    ) -> tuple[Answer, list[tuple[Order, Track]]]:
        """Check every item of a call, then send its orders; the answer names the channel."""
        items = self._items(call)
        if isinstance(items, Answer):
            return items, []
        now = self.clock.now()
        good: list[tuple[dict[str, Any], Router]] = []
        bad: list[tuple[int, Any, str, str]] = []
        seen: set[int] = set()
        for index, item in enumerate(items):
            router = self.fleet.known(item.get("id")) if call.note["account"] == "main" else None
            if router is None or router.id in seen:
                bad.append((index, item.get("id"), "id", "Not found." if router is None else "Duplicate device."))
                continue
            seen.add(router.id)
            wrong = problem(item, router)
            if wrong:
                bad.append((index, item.get("id"), *wrong))
            else:
                good.append((item, router))
        if bad and (self.switches.bad_item == "reject_all" or not good):
            indexed = self.switches.error_source == "indexed"
            return refused(422, [error(422, f"data.{index}.{source}" if indexed else source, text) for index, _id, source, text in bad]), []
        if self.switches.running_task == "conflict_all" and any(self._busy(router, now) for _item, router in good):
            return refused(409), []
        orders = [make(item, router) for item, router in good]
        sent = [(order, self._delivery.send(order, now)) for order in orders]
        tracks = [track for _order, track in sent]
        tracks += [self._delivery.refuse(number, text, now) for _index, number, _source, text in bad if isinstance(number, int)]
        return Answer(200, {"success": True, "meta": {"channel": self._open_channel(tracks, call, now)}}), sent

    def _upload(self, call: Call) -> Answer:
        content = (call.form or {}).get("file")
        if content is None:
            return refused(422, [error(422, "file", "The file field is required.")])
        show_password = str((call.form or {}).get("show_password", "")).lower() in ("1", "true")
        call.note["show_password"] = show_password
        try:
            rows = upload.rows(content if isinstance(content, bytes) else content.encode(), self.switches)
        except upload.UploadRefused as reason:
            return refused(422, [error(422, "file", str(reason))])
        now = self.clock.now()
        serials = [serial for serial, _password in rows]
        if len(set(serials)) < len(serials):
            return refused(409)
        good: list[tuple[Router, str]] = []
        errors: list[Error] = []
        for serial, password in rows:
            router = self.fleet.by_serial.get(serial)
            router = self.fleet.known(router.id) if router and call.note["account"] == "main" else None
            broken = self._rule_broken(password, router.firmware) if router else None
            if router and not broken:
                good.append((router, password))
                continue
            echo = f" ({password})" if self.switches.echo_passwords else ""
            source = str(router.id) if router and self.switches.upload_error_source == "id" else serial
            errors.append(error(422, source, f"{broken}{echo}") if broken else error(404, source))
        call.note["devices"] = [router.id for router, _password in good]
        if errors and (self.switches.upload_bad_row == "reject_all" or (not good and self.switches.upload_all_bad == "422")):
            return refused(422, errors)
        if self.switches.running_task != "allowed" and any(self._busy(router, now) for router, _password in good):
            return refused(409)
        tracks = [self._delivery.send(Order(router, password, "upload", call.number, show_password), now) for router, password in good]
        body: dict[str, Any] = {"success": True, "data": call.note["devices"]}
        if errors:
            body["errors"] = errors
        body["meta"] = {"channel": self._open_channel(tracks, call, now)}
        return Answer(207 if errors else 201, body)

    def _rule_broken(self, password: str, firmware: str) -> str | None:
        """What RMS itself has against a password."""
        rule = self.switches.rms_rule
        if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
            return f"The password must be between {MIN_LENGTH} and {MAX_LENGTH} characters."
        if rule != "length" and not (any(map(str.isupper, password)) and any(map(str.isdigit, password))):
            return "The password must contain an uppercase letter and a number."
        if rule == "page" and version(firmware) >= (7, 13) and not SPECIAL.intersection(password):
            return "The password must contain a special symbol."
        return None

    def _busy(self, router: Router, now: float) -> bool:
        track = router.track
        return track is not None and track.outcome(now) is None and now - track.started < self.switches.task_timeout_seconds

    def _made_password(self, length: int, special: bool) -> str:
        pool = LETTERS + (GENERATED_SPECIAL if special else "")
        classes = [string.ascii_uppercase, string.ascii_lowercase, string.digits, *([GENERATED_SPECIAL] if special else [])]
        if self.switches.generated_classes == "random":
            classes = []
        characters = [self._source.choice(each) for each in classes] + self._source.choices(pool, k=length - len(classes))
        self._source.shuffle(characters)
        return "".join(characters)

    # Channels and batches.

    def _open_channel(self, tracks: list[Track], call: Call, now: float) -> str:
        expiry = self.switches.channel_expires_seconds
        self._channels = {name: channel for name, channel in self._channels.items() if now - channel.created <= expiry}
        name = f"private-status.{self._source.randint(1, 9)}.{''.join(self._source.choices(LETTERS, k=64))}"
        self._channels[name] = Channel(name, call.note["account"], now, tracks, self.switches, self._source)
        call.note["channel"] = name
        return name

    def _poll(self, call: Call) -> Answer:
        channel = self._channels.get(call.note["id"])
        if channel and channel.owner != call.note["account"]:
            return refused(int(self.switches.foreign_channel))
        body = channel.poll(self.clock.now(), self.switches) if channel else None
        if body is None:
            return Answer(self.switches.channel_not_found_status, {"code": "CHANNEL_NOT_FOUND", "message": "Channel was not found."})
        return Answer(200, body)

    def _add_batches(self, orders: list[tuple[Order, Track]], account: str) -> None:
        now = self.clock.now()
        own = [Member(order.router, track, order.password) for order, track in orders]
        batches = [self._new_batch(account, now, own)]
        for number in range(self.switches.interloper_batches):
            batches.insert(number % 2, self._new_batch(account, now, [self._strange_member(now) for _each in range(2)]))
        self._batches.update((batch.id, batch) for batch in batches)

    def _new_batch(self, account: str, now: float, members: list[Member]) -> Batch:
        identifier = "".join(self._source.choices(LETTERS, k=64))
        return Batch(identifier, account, members[0].router.company, now, members)

    def _strange_member(self, now: float) -> Member:
        """A router of a colleague, in the same account but in nobody's inventory here."""
        number = self._source.randint(900_000, 999_999)
        password = self._made_password(16, True)
        router = Router(
            number,
            f"99{number:08d}",
            "00:1E:42:FF:FF:FF",
            "",
            f"colleague {number}",
            "RUT241",
            "",
            "RUT2M_R_00.07.13.4",
            COMPANIES[0],
            [],
            now,
            password,
        )
        track = Track(number, now)
        track.add(now, "completed", "")
        return Member(router, track, password)

    def _visible_batch(self, call: Call) -> Batch | None:
        batch = self._batches.get(call.note["id"])
        return batch if batch and batch.owner == call.note["account"] else None

    def _tasks(self, call: Call) -> Answer:
        limits = listing.bounds(call.query, self.switches)
        if limits is None:
            return refused(422, [error(422, "limit")])
        now = self.clock.now()
        newest = now - self.switches.task_delay_seconds
        batches = [batch for batch in self._batches.values() if batch.owner == call.note["account"] and batch.created <= newest]
        if self.switches.after_download == "disappears":
            batches = [batch for batch in batches if batch.downloaded is None]
        if self.switches.task_list_order == "newest_first":
            batches.reverse()
        return listing.page(batches, limits, self.switches, lambda batch: batch.item(now))

    def _task_devices(self, call: Call) -> Answer:
        batch = self._visible_batch(call)
        if batch is None or (batch.downloaded is not None and self.switches.after_download == "disappears"):
            return refused(404)
        return Answer(200, {"success": True, "data": batch.devices(self.clock.now(), self.switches)})

    def _download(self, call: Call) -> Answer:
        batch = self._visible_batch(call)
        if batch is None:
            return refused(404)
        now = self.clock.now()
        if batch.downloaded is not None:
            return refused(int(self.switches.second_download))
        running = any(member.state(now) == "running" and self._busy(member.router, now) for member in batch.members)
        if running and self.switches.download_early == "400":
            return refused(400)
        batch.downloaded = now
        return Answer(200, batch.csv(now, self.switches), "application/csv")


def _log_item(pair: tuple[Router, dict[str, Any]]) -> dict[str, Any]:
    router, entry = pair
    return {
        "id": entry["request"],
        "company_id": router.company["id"],
        "user_id": 1,
        "serial": router.serial,
        "type": "Change password",
        "status": str(entry["outcome"]).startswith("completed"),
        "log": f"Password change: {entry['outcome']}. [Code: {0 if str(entry['outcome']).startswith('completed') else -1}]",
        "user_agent": "simulated",
        "ip": "127.0.0.1",
        "created_at": stamp(entry["at"]),
    }


def _numbers_as_strings(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _numbers_as_strings(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_numbers_as_strings(each) for each in value]
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
