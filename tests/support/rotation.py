# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of a rotation share: a kind of device that is none of the real ones, a ledger without a database, variables of hosts."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError, PasswordRefused
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import Result, StageRequest
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.rules import Attempt, Settlement, decide
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import (
    CURRENT,
    NEITHER,
    STAGED,
    Answer,
    Device,
    Fault,
    Field,
    Kind,
    Member,
    Product,
    Proof,
    Setting,
    Sighting,
    Source,
    Taken,
    Values,
)
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.variables import HostVariables, Layer, Raw, VariableError

#: What a batch of boxes can be: set by their cloud, by the cloud and proven by a login, with passwords of the cloud's own, asked itself;
#: and what an earlier run left open, looked at only or asked for again.
CLOUD = Kind("cloud")
CLOUD_AND_PROVE = Kind("cloud", proves=True)
MADE = Kind("made", collects=True)
MADE_AND_PROVE = Kind("made", collects=True, proves=True)
ITSELF = Kind("itself", proves_itself=True)
LOOK = Kind("look", asks=False, looks_first=True)
LOOK_AND_ASK = Kind("look", looks_first=True, proves=True)

TERMS: dict[str, Any] = {"deadline": 300, "account": "one"}
#: An event of a batch: what was done, and for whom.
Event = tuple[str, list[str]]


def device(name: str = "a", *, via: str = "cloud", source: str = "generate", **more: Any) -> Device:
    """A box. C(via): C(cloud), C(cloud_and_itself) or C(itself)."""
    known: dict[str, Any] = {"serial": name.upper(), "policy": {}, "details": {"via": via}, "terms": TERMS, "host": f"{name}.example"}
    return Device(name, source=more.pop("given", Source(source)), **{**known, **more})


def member(name: str = "a", *, sighting: Sighting | None = None, failed_before: bool = False, **more: Any) -> Member:
    made = {"length": 20, "special": True} if more.get("source") == "vendor" else {}
    return Member(device(name, **more), sighting or Sighting(online=True), made, failed_before)


@dataclass
class Boxes:
    """A kind of device in memory. C(password): what is in force on each box. C(log): told of everything that is asked of any.

    C(says): what the cloud, or the box itself, says of a name instead of doing it; a box that is C(done) was changed whatever was said.
    C(silent): boxes that answer no login. C(listed): what the outside listing says. C(breaks): raised when boxes are asked.
    """

    password: dict[str, str] = field(default_factory=dict)
    log: list[Event] = field(default_factory=list)
    says: dict[str, Answer] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    listed: dict[str, Sighting] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    breaks: dict[str, Exception] = field(default_factory=dict)
    stop: str = ""
    tried: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    asked_again: list[bool] = field(default_factory=list)
    fields: list[Field] = field(default_factory=list)
    wrong_logins: dict[str, int] = field(default_factory=dict)
    looked_up: list[list[str]] = field(default_factory=list)

    name: str = "boxes"
    prefix: str = "box_rotation_"
    nouns: tuple[str, str] = ("box", "boxes")
    settings: Mapping[str, Setting] = field(
        default_factory=lambda: {
            "via": Setting("str", "device", ("cloud", "itself", "cloud_and_itself")),
            "account": Setting("str", "batch"),
            "verified": Setting("bool", "batch"),
        }
    )
    variables: Collection[str] = ("via", "protocol")
    sources: Collection[str] = ("vendor",)
    advice: Mapping[str, str] = field(default_factory=lambda: {"rejected_by_policy": "Tighten the policy of the box."})

    def read(self, values: Values, device: Device) -> Mapping[str, str]:
        if not device.serial:
            values.problem("device_serial", "is missing")
        return {"via": values.text("device_via", values.setting("via") or "")}

    def place(self, device: Device) -> str:
        return device.host if device.details["via"] == "itself" else ""

    def secrets(self, device: Device) -> Iterable[str]:
        yield str(device.terms.get("account", ""))

    def policies(self, device: Device, sighting: Sighting) -> Iterable[tuple[str, str | None]]:
        if device.details["via"] != "itself":
            yield "rms", sighting.firmware
        yield "rutos", sighting.firmware

    def look_up(self, devices: Sequence[Device], redactor: Redactor) -> tuple[Mapping[str, Sighting], int]:
        self._break("look_up")
        self.looked_up.append([device.name for device in devices])
        return {device.name: self.listed.get(device.name, Sighting(online=True)) for device in devices}, 1

    def needs_current(self, device: Device) -> bool:
        return device.details["via"] == "itself"

    def can_replace(self, device: Device) -> bool:
        return device.details["via"] != "itself"

    def can_prove(self, device: Device) -> bool:
        return device.details["via"] != "cloud"

    def kind_of_due(self, device: Device) -> Kind:
        if device.details["via"] == "itself":
            return ITSELF
        proves = device.details["via"] == "cloud_and_itself"
        if device.source.kind == "vendor":
            return MADE_AND_PROVE if proves else MADE
        return CLOUD_AND_PROVE if proves else CLOUD

    def kind_of_unsettled(self, device: Device, awaiting: bool) -> Kind:
        if awaiting:
            return MADE_AND_PROVE if device.details["via"] == "cloud_and_itself" else MADE
        return {"itself": LOOK, "cloud_and_itself": LOOK_AND_ASK}.get(device.details["via"], CLOUD)

    def ask(self, kind: Kind, batch: Sequence[Taken], field: Field, *, again: bool) -> list[Answer]:
        self._note("ask", batch, field)
        self.asked_again.append(again)
        self._break("ask")
        return [self._asked(kind, taken) for taken in batch]

    def _asked(self, kind: Kind, taken: Taken) -> Answer:
        name = taken.name
        if name not in self.says or name in self.done:
            self.password[name] = taken.staged
        return self.says.get(name, Answer("changed", live=STAGED if kind.proves_itself else None))

    def collect(self, kind: Kind, batch: Sequence[Taken], field: Field, *, again: bool) -> tuple[list[Answer], list[str]]:
        self._note("make" if not again else "fetch", batch, field)
        self._break("collect")
        for taken in batch:
            if not again and taken.name in self.made and (taken.name not in self.says or taken.name in self.done):
                self.password[taken.name] = self.made[taken.name]
        answers = [self.says.pop(taken.name, Answer("changed")) for taken in batch]
        return answers, [self.made.get(taken.name, "") for taken in batch]

    def prove(self, batch: Sequence[tuple[Taken, Sequence[str]]], field: Field) -> list[Proof]:
        self._note("prove", [taken for taken, _candidates in batch], field)
        self._break("prove")
        return [self._proven(taken, tuple(candidates)) for taken, candidates in batch]

    def _proven(self, taken: Taken, candidates: tuple[str, ...]) -> Proof:
        name = taken.name
        self.tried.append((name, candidates))
        if name in self.silent:
            return Proof(None, "timeout", "It did not answer.")
        for candidate in candidates:
            if (taken.staged if candidate == STAGED else taken.current) == self.password.get(name):
                return Proof(candidate)
            self.wrong_logins[name] = self.wrong_logins.get(name, 0) + 1
        if len(candidates) < 2:
            return Proof(None, "", "It refused the password.", refused=True)
        return Proof(NEITHER, "unauthorized", "It refused both passwords.")

    def _note(self, what: str, batch: Sequence[Taken], field: Field) -> None:
        self.log.append((what, [taken.name for taken in batch]))
        self.fields.append(field)
        field.requests += 1
        field.stop = field.stop or self.stop

    def _break(self, where: str) -> None:
        if where in self.breaks:
            raise self.breaks[where]


def as_product(boxes: Boxes) -> Product:
    """Says to the type checker what the tests rely on."""
    return boxes


@dataclass
class FakeLedger:
    """The ledger's part in a batch, with its real rules of settling. C(log): told of every call.

    C(current), C(staged): passwords by name. C(refused): what is answered for a name instead of giving it, each once. C(away): errors that
    the next calls of a method end with. C(records): what C(devices) tells. C(followed): what C(follow) answers, by name.
    """

    log: list[Event] = field(default_factory=list)
    current: dict[str, str] = field(default_factory=dict)
    staged: dict[str, str | None] = field(default_factory=dict)
    former: dict[str, list[str]] = field(default_factory=dict)
    refused: dict[str, list[Result]] = field(default_factory=dict)
    away: dict[str, list[LedgerError]] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    requests: dict[str, StageRequest] = field(default_factory=dict)
    settlements: dict[str, Settlement] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    leases: list[float] = field(default_factory=list)
    lists: dict[str, bytes] = field(default_factory=dict)
    reserved: dict[str, int] = field(default_factory=dict)
    followed: dict[str, Result] = field(default_factory=dict)
    serials: dict[str, str] = field(default_factory=dict)
    observed: list[dict[str, Any]] = field(default_factory=list)
    dry_run: bool = False
    label: str = "the ledger of this test"
    identity: str = "identity"
    generation: int = 1

    def names_by_serial(self) -> dict[str, str]:
        return self.serials

    def stage(self, requests: Sequence[StageRequest], run: Run, lease_seconds: float) -> list[Result]:
        self._called("stage", [request.name for request in requests], run)
        self.leases.append(lease_seconds)
        return [self._staged(request) for request in requests]

    def _staged(self, request: StageRequest) -> Result:
        self.requests[request.name] = request
        if self.refused.get(request.name):
            return self.refused[request.name].pop(0)
        former = [*([self.current[request.name]] if request.name in self.current else []), *self.former.get(request.name, [])]
        try:
            self.staged[request.name] = request.make(former) if request.make else None
        except PasswordRefused as error:
            refusal = str(error)
        else:
            self.attempts[request.name] = 1
            return self._given(request.name, "staged")
        raise LedgerError("policy", f"{request.name}: {refusal}")

    @staticmethod
    def _given(name: str, status: str) -> Result:
        return Result(name, status, changed=True, details={"password_id": f"id-of-{name}"})

    def resume(self, names: Sequence[str], run: Run, lease_seconds: float, max_attempts: int, recovers: bool = False) -> list[Result]:
        self._called("resume", names, run)
        self.leases.append(lease_seconds)
        return [self._resumed(name) for name in names]

    def _resumed(self, name: str) -> Result:
        if self.refused.get(name):
            return self.refused[name].pop(0)
        if name not in self.staged:
            return Result(name, "nothing_staged")
        self.attempts[name] = self.attempts.get(name, 1) + 1
        return self._given(name, "resumed" if self.staged[name] else "awaiting")

    def collect(self, run: Run, passwords: Mapping[str, str]) -> list[Result]:
        self._called("collect", list(passwords), run)
        self.staged.update(passwords)
        return [Result(name, "collected", changed=True) for name in passwords]

    def settle(self, settlements: Sequence[Settlement], run: Run, max_attempts: int) -> list[Result]:
        self._called("settle", [settlement.name for settlement in settlements], run)
        return [self._settled(settlement, max_attempts) for settlement in settlements]

    def _settled(self, settlement: Settlement, max_attempts: int) -> Result:
        name = settlement.name
        self.settlements[name] = settlement
        if settlement.late:
            return Result(name, "reopened", "sent_late", changed=True)
        attempt = Attempt(self.attempts[name], 0, self.staged[name] is not None)
        verdict = decide(settlement, attempt, max_attempts)
        password = self.staged[name]
        if verdict.status == "committed" and password is not None:
            self.current[name] = password
        if verdict.status in ("committed", "dropped"):
            del self.staged[name]
        return Result(name, verdict.status, verdict.reason, changed=True)

    def passwords(self, names: Sequence[str], slot: str = CURRENT) -> dict[str, str | None]:
        known: Mapping[str, str | None] = self.staged if slot == STAGED else self.current
        return {name: known.get(name) for name in names}

    def devices(self, names: Sequence[str] | None = None, include_secrets: bool = False) -> dict[str, dict[str, Any]]:
        return {name: self.records[name] for name in names or () if name in self.records}

    def reserve_list(self, list_id: str, run: Run, size: int) -> None:
        if self.away.get("reserve_list"):
            raise self.away["reserve_list"].pop(0)
        self.reserved[list_id] = size

    def append_list(self, list_id: str, piece: bytes, run: Run) -> None:
        self.lists[list_id] = self.lists.get(list_id, b"") + piece

    def list_content(self, list_id: str) -> bytes | None:
        return self.lists.get(list_id)

    def check_writable(self) -> None:
        self._called("check_writable", [], Run(""))

    def follow(self, serials: Mapping[str, str], run: Run) -> list[Result]:
        self._called("follow", list(serials), run)
        return [self.followed.get(name, Result(name, "unchanged")) for name in serials]

    def observe(self, run: Run, offline: Collection[str], online: Collection[str], serials: Mapping[str, str]) -> None:
        self._called("observe", list(serials), run)
        self.observed.append({"offline": set(offline), "online": set(online), "serials": dict(serials)})

    @staticmethod
    def seal_text(purpose: str, text: str) -> str:
        return base64.b64encode(f"{purpose}|{text}".encode()).decode()

    @staticmethod
    def open_text(purpose: str, sealed: str) -> str:
        meant, _bar, text = base64.b64decode(sealed).decode().partition("|")
        if meant != purpose:
            raise LedgerError("corrupt", "It was sealed for something else.")
        return text

    def _called(self, what: str, names: Sequence[str], run: Run) -> None:
        self.log.append((what, list(names)))
        self.runs.append(run)
        if self.away.get(what):
            raise self.away[what].pop(0)


class FakeVariables(HostVariables):
    """Variables of hosts, with templates that are no more than C({{ name }}). C(shared): what their group says, the same for all of them.

    C(resolved): what had to be resolved, in order. The template C({{ broken }}) cannot be.
    """

    def __init__(
        self,
        hosts: Mapping[str, Mapping[str, Any]],
        registered: Mapping[tuple[str, str], Any] | None = None,
        shared: Mapping[str, Any] | None = None,
    ) -> None:
        self._hosts = {name: dict(variables) for name, variables in hosts.items()}
        self._registered = dict(registered or {})
        self._layer = Layer(dict(shared or {}))
        self.resolved: list[object] = []

    def of(self, name: str) -> Raw:
        raw = Raw({**self._layer.shared, **self._hosts[name]})
        raw.layer, raw.own = self._layer, self._hosts[name].keys()
        return raw

    def registered(self, name: str, variable: str) -> Any:
        return self._registered.get((name, variable))

    def serial_of(self, name: str) -> str:
        return str(self.of(name).get("device_serial") or "").strip()

    def knows(self, name: str) -> bool:
        return name in self._hosts

    def resolve(self, value: object, raw: Mapping[str, Any]) -> Any:
        self.resolved.append(value)
        return self._resolve(value, raw)

    def _resolve(self, value: object, raw: Mapping[str, Any]) -> Any:
        if isinstance(value, Mapping):
            return {key: self._resolve(part, raw) for key, part in value.items()}
        if not isinstance(value, str):
            return value
        whole = re.fullmatch(r"\{\{ (\w+) \}\}", value)
        if whole is None:
            return re.sub(r"\{\{ (\w+) \}\}", lambda match: str(self._resolve(raw[match[1]], raw)), value)
        if whole[1] == "broken":
            raise VariableError("the vault is sealed")
        return self._resolve(raw[whole[1]], raw)


class SteppedClock(SimpleNamespace):
    """Time that passes only while somebody sleeps, in the place of the module C(time)."""

    def __init__(self) -> None:
        super().__init__(now=0.0, slept=[])

    def monotonic(self) -> float:
        return float(self.now)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def fault(reason: str = "unauthorized", message: str = "The service refused the token.") -> Fault:
    return Fault(reason, message)
