# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routers as a kind of device: what is read of them, how they are worked, and what is made of the words of RMS and of the modules."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from support.rotation import FakeVariables

from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._rms.client import RmsFault
from ansible_collections.keyturn.devices.plugins.module_utils._rms.deposit import DepositError
from ansible_collections.keyturn.devices.plugins.module_utils._rms.devices import Router
from ansible_collections.keyturn.devices.plugins.module_utils._rms.outcomes import Target
from ansible_collections.keyturn.devices.plugins.module_utils._run import Until
from ansible_collections.keyturn.devices.plugins.plugin_utils._products import router_requests, routers
from ansible_collections.keyturn.devices.plugins.plugin_utils._products.all import product_named
from ansible_collections.keyturn.devices.plugins.plugin_utils._products.routers import ROUTERS
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.inventory import read_devices
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
    NotKept,
    Product,
    Proof,
    Sighting,
    Source,
    Taken,
)

TERMS: dict[str, Any] = {
    "deadline": 300,
    "rms_url": "",
    "rms_token": "T-0123456789",
    "validate_certs": True,
    "ca_path": "",
    "parallel": 16,
    "device_validate_certs": True,
    "device_ca_path": "",
    "known_hosts": "",
}
FINGERPRINT = "ab" * 32


def device(name: str = "a", via: str = "rms", *, protocol: str = "api", source: str = "generate", **more: Any) -> Device:
    details = {"via": via, "protocol": protocol}
    known: dict[str, Any] = {"host": f"{name}.example", "username": "admin", "policy": {}, "terms": TERMS}
    return Device(name, serial=name.upper(), source=Source(source), details=details, **{**known, **more})


def taken(name: str = "a", via: str = "rms", *, number: int = 7, current: str | None = "old", **more: Any) -> Taken:
    sighting = Sighting(online=True, firmware="RUTX_R_00.07.13.2", details={"id": number, "mac": "001E", "name": f"Router {name}"})
    member = Member(device(name, via, **more), sighting, {"length": 20, "special": True})
    return Taken(member, f"new-{name}", f"{current}-{name}" if current else "")


class Lists:
    """The list of a batch, in memory."""

    def __init__(self, content: bytes = b"", broken: str = "") -> None:
        self.kept, self.reserved, self._broken = content, 0, broken

    def reserve(self, size: int) -> None:
        if self._broken:
            raise NotKept(self._broken)
        self.reserved += size

    def append(self, piece: bytes) -> None:
        self.kept += piece

    def content(self) -> bytes:
        return self.kept


@dataclass
class Site:
    """What runs near routers: C(answer) is what a module returns. C(calls): which one was run with what."""

    answer: dict[str, Any] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def field(self, lists: Lists | None = None) -> Field:
        return Field(
            redactor=Redactor(),
            until=Until("boot", 12.5, 34.5),
            run_holder="boot/namespace/1/2",
            call=self._call,
            lists=lists or Lists(),
            may_change=lambda: True,
        )

    def _call(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self.calls.append((name, arguments))
        return self.answer


@dataclass
class Rms:
    """RMS in the place of its room's functions. C(outcomes): what becomes of a router, by serial; C(made): passwords by id.

    C(sent_late): the serials of requests that left after the lease.
    """

    known: dict[str, list[Router]] = field(default_factory=dict)
    outcomes: dict[str, tuple[str, str]] = field(default_factory=dict)
    made: dict[int, str] = field(default_factory=dict)
    content: bytes = b""
    fault: RmsFault | None = None
    sent_late: Collection[str] = ()
    closed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    looked_for: Collection[str] = ()
    targets: Sequence[Target] = ()
    asked_for: Any = None
    fetched: Any = None
    redactors: list[Redactor] = field(default_factory=list)
    may_change: Any = None

    def client(self, options: Mapping[str, Any], redactor: Redactor, deadline: float | None = None, may_change: Any = None) -> Any:
        self.options, self.may_change = options, may_change
        self.redactors.append(redactor)
        return SimpleNamespace(http=SimpleNamespace(close=self._close), request_count=3)

    def _close(self) -> None:
        self.closed += 1

    def find(self, _client: Any, serials: Collection[str]) -> dict[str, list[Router]]:
        if self.fault:
            raise self.fault
        self.looked_for = list(serials)
        return {serial: self.known.get(serial, []) for serial in serials}

    def set(self, _client: Any, targets: Sequence[Target], *_more: Any) -> RmsFault | None:
        self._end(targets)
        return self.fault

    def generate(self, _client: Any, targets: Sequence[Target], made: Any, _size: int, deposit: Any) -> Any:
        self.asked_for = made
        return self._listed(targets, deposit)

    def collect(self, _client: Any, targets: Sequence[Target], made: Any, deposit: Any, asked: Any) -> Any:
        self.asked_for, self.fetched = made, asked
        return self._listed(targets, deposit)

    def _listed(self, targets: Sequence[Target], deposit: Any) -> Any:
        deposit.reserve(len(targets))
        deposit.write(self.content)
        deposit.finish(True)
        self._end(targets)
        return SimpleNamespace(fault=self.fault, whole=True, passwords=self.made)

    def _end(self, targets: Sequence[Target]) -> None:
        self.targets = targets
        for target in targets:
            target.sent_late = target.serial in self.sent_late
            if target.serial in self.outcomes:
                target.end(*self.outcomes[target.serial], f"What RMS said of {target.serial}.")


@pytest.fixture
def rms(monkeypatch: pytest.MonkeyPatch) -> Rms:
    rms = Rms()
    monkeypatch.setattr(routers, "rms_client", rms.client)
    monkeypatch.setattr(routers, "find_routers", rms.find)
    monkeypatch.setattr(router_requests, "set_passwords", rms.set)
    monkeypatch.setattr(router_requests, "generate_passwords", rms.generate)
    monkeypatch.setattr(router_requests, "collect_passwords", rms.collect)
    return rms


def test_routers_are_a_product_like_every_other() -> None:
    product: Product = ROUTERS
    assert product_named(product.name) is product
    assert (product.prefix, product.nouns) == ("router_rotation_", ("router", "routers"))


# -- what is read -------------------------------------------------------------------------------------------------------------------------

ROLE: dict[str, Any] = {
    "router_rotation_source": {"kind": "generate"},
    "router_rotation_policy": {"length": 20},
    "router_rotation_force": False,
    "router_rotation_offline_days": 7,
    "router_rotation_age_spread_percent": 10,
    "router_rotation_first_batch_size": 50,
    "router_rotation_batch_size": 2500,
    "router_rotation_failure_limit_percent": 20,
    "router_rotation_max_attempts": 5,
    "router_rotation_patience": 60,
    "router_rotation_bad_input": "fail",
    "router_rotation_summary_limit": 200,
    "router_rotation_recap_limit": 1000,
    "router_rotation_via": "rms",
    **{f"router_rotation_{name}": value for name, value in TERMS.items()},
}


def read(**variables: Any) -> tuple[Device | None, list[str]]:
    found = read_devices(["a"], FakeVariables({"a": {"device_serial": "1", **variables}}, shared=ROLE), ROUTERS)
    return (found.devices[0] if found.devices else None), [str(problem) for problem in found.problems]


def test_a_router_needs_no_more_than_its_serial() -> None:
    router, problems = read()
    assert problems == []
    assert router is not None
    assert (router.details, router.terms) == ({"via": "rms", "protocol": "api"}, TERMS)


@pytest.mark.parametrize("via", ["device", "rms_then_verify"])
@pytest.mark.parametrize("host", ["192.0.2.7", "depot-07.example", "https://depot-07.example:8443", "[2001:db8::7]"])
def test_a_router_that_is_asked_itself_is_read_with_its_place(via: str, host: str) -> None:
    router, problems = read(device_via=via, device_host=host, device_fingerprint=FINGERPRINT)
    assert problems == []
    assert router is not None
    assert (router.details["via"], router.host, router.fingerprint) == (via, host, FINGERPRINT)


def test_the_way_is_the_roles_where_the_router_names_none() -> None:
    router, _problems = read(router_rotation_via="device", device_host="h")
    assert router is not None
    assert router.details["via"] == "device"


ITSELF = {"device_via": "device", "device_host": "h"}


@pytest.mark.parametrize(
    ("variables", "where", "why"),
    [
        ({"device_serial": ""}, "device_serial", "is missing; the serial number says which router is meant"),
        ({**ITSELF, "device_serial": ""}, "device_serial", "is missing"),
        ({"device_via": "telnet"}, "device_via", "'telnet' is none of rms, device, rms_then_verify"),
        ({"device_via": "device"}, "device_host", "is missing; with device_via 'device' the router itself is asked"),
        ({"device_via": "rms_then_verify"}, "device_host", "is missing"),
        ({"device_protocol": "telnet"}, "device_protocol", "'telnet' is none of api, ssh"),
        (
            {**ITSELF, "device_password_source": {"kind": "rms"}},
            "device_password_source.kind",
            "needs device_via 'rms' or 'rms_then_verify'",
        ),
        ({**ITSELF, "device_fingerprint": "AB:CD"}, "device_fingerprint", "fingerprint"),
        ({**ITSELF, "device_via": "rms_then_verify", "device_fingerprint": "AB:CD"}, "device_fingerprint", "fingerprint"),
        ({**ITSELF, "device_host": "https://"}, "device_host", ""),
        ({**ITSELF, "device_host": "http://h:99999"}, "device_host", ""),
        ({**ITSELF, "device_host": "two words"}, "device_host", ""),
        ({**ITSELF, "device_protocol": "ssh", "device_username": "-oProxyCommand=x"}, "device_username", "cannot be the name of a user"),
    ],
)
def test_a_mistake_is_named_with_router_variable_and_reason_before_anything_is_asked(
    variables: dict[str, Any], where: str, why: str
) -> None:
    router, problems = read(**variables)
    assert router is None
    assert [problem.startswith(f"a: {where}: ") and why in problem for problem in problems] == [True]


def test_every_mistake_in_the_place_of_a_router_is_told_at_once() -> None:
    _router, problems = read(device_via="device", device_host="two words", device_fingerprint="AB:CD", device_username=" \t")
    assert {problem.split(": ")[1] for problem in problems} >= {"device_host", "device_fingerprint"}


def test_what_a_router_is_asked_with_is_no_matter_where_only_rms_is() -> None:
    router, problems = read(device_fingerprint="AB:CD", device_host="two words")
    assert (router is not None, problems) == (True, [])


def test_the_token_of_rms_is_a_secret() -> None:
    assert list(ROUTERS.secrets(device())) == ["T-0123456789"]


# -- how routers are worked ---------------------------------------------------------------------------------------------------------------

SET, SET_AND_PROVE = Kind("rms_set"), Kind("rms_set", proves=True)
GENERATE, GENERATE_AND_PROVE = Kind("rms_generate", collects=True), Kind("rms_generate", proves=True, collects=True)
AT_ROUTERS = Kind("device", proves_itself=True)
LOOK, LOOK_AND_SET = Kind("login", asks=False, looks_first=True), Kind("login", looks_first=True, proves=True)


@pytest.mark.parametrize(
    ("via", "source", "expected"),
    [
        ("rms", "generate", SET),
        ("rms", "csv", SET),
        ("rms", "value", SET),
        ("rms", "rms", GENERATE),
        ("rms_then_verify", "generate", SET_AND_PROVE),
        ("rms_then_verify", "value", SET_AND_PROVE),
        ("rms_then_verify", "rms", GENERATE_AND_PROVE),
        ("device", "generate", AT_ROUTERS),
        ("device", "csv", AT_ROUTERS),
    ],
)
@pytest.mark.parametrize("protocol", ["api", "ssh"])
def test_how_a_router_gets_a_new_password(via: str, source: str, protocol: str, expected: Kind) -> None:
    assert ROUTERS.kind_of_due(device(via=via, source=source, protocol=protocol)) == expected


@pytest.mark.parametrize(
    ("via", "protocol", "awaiting", "expected"),
    [
        ("rms", "api", False, SET),
        ("rms", "api", True, GENERATE),
        ("rms_then_verify", "api", False, LOOK_AND_SET),
        ("rms_then_verify", "ssh", False, LOOK_AND_SET),
        ("rms_then_verify", "api", True, GENERATE_AND_PROVE),
        ("device", "api", False, LOOK),
        # Root and the web user change one after the other: that is finished, not looked at.
        ("device", "ssh", False, AT_ROUTERS),
    ],
)
def test_how_what_an_earlier_run_left_open_is_settled(via: str, protocol: str, awaiting: bool, expected: Kind) -> None:
    assert ROUTERS.kind_of_unsettled(device(via=via, protocol=protocol), awaiting) == expected


@pytest.mark.parametrize(("via", "needs"), [("rms", False), ("rms_then_verify", False), ("device", True)])
def test_rms_needs_no_old_password_and_a_router_itself_does(via: str, needs: bool) -> None:
    assert ROUTERS.needs_current(device(via=via)) is needs
    assert ROUTERS.can_replace(device(via=via)) is not needs


@pytest.mark.parametrize(("via", "floors"), [("rms", ["rms", "rutos"]), ("rms_then_verify", ["rms", "rutos"]), ("device", ["rutos"])])
def test_a_policy_is_joined_with_the_floors_of_the_way_and_the_firmware(via: str, floors: list[str]) -> None:
    assert list(ROUTERS.policies(device(via=via), Sighting(firmware="07.13"))) == [(floor, "07.13") for floor in floors]


# -- what RMS knows -----------------------------------------------------------------------------------------------------------------------


def known(number: int = 7, *, status: str = "online", **more: Any) -> Router:
    return Router(number, more.pop("serial", "A"), name="Depot", firmware="RUTX_R_00.07.13.2", status=status, mac="001E", **more)


@pytest.mark.parametrize(("status", "online"), [("online", True), ("pending", True), ("offline", False), ("unknown", None)])
def test_a_router_that_rms_knows_is_told_with_what_is_wanted_back(rms: Rms, status: str, online: bool | None) -> None:
    rms.known["A"] = [known(status=status)]
    found, requests = ROUTERS.look_up([device("a")], Redactor())
    assert found == {
        "a": Sighting(online=online, firmware="RUTX_R_00.07.13.2", details={"id": 7, "mac": "001E", "name": "Depot"}),
    }
    assert (requests, rms.closed) == (3, 1)


def test_a_router_that_rms_does_not_know_or_lists_twice_is_told_and_never_chosen_between(rms: Rms) -> None:
    rms.known["B"] = [known(1, serial="B"), known(2, serial="B")]
    found, _requests = ROUTERS.look_up([device("a"), device("b")], Redactor())
    assert {name: sighting.reason for name, sighting in found.items()} == {"a": "not_found", "b": "conflict"}
    assert all(sighting.message for sighting in found.values())


def test_rms_is_asked_for_those_it_is_the_way_to_and_not_at_all_where_there_are_none(rms: Rms) -> None:
    rms.known.update(A=[known()], C=[known(8, serial="C")])
    found, _requests = ROUTERS.look_up([device("a"), device("b", "device"), device("c", "rms_then_verify")], Redactor())
    assert (rms.looked_for, set(found)) == (["A", "C"], {"a", "c"})
    assert ROUTERS.look_up([device("b", "device")], Redactor()) == ({}, 0)
    assert rms.closed == 1


def test_a_fault_of_rms_ends_the_look_up_with_its_own_words(rms: Rms) -> None:
    rms.fault = RmsFault("unauthorized", "RMS refuses the token.")
    with pytest.raises(Fault, match="RMS refuses the token") as caught:
        ROUTERS.look_up([device("a")], Redactor())
    assert (caught.value.reason, rms.closed) == ("unauthorized", 1)


def test_settings_that_are_empty_come_from_the_environment_or_are_the_modules_defaults(rms: Rms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RMS_URL", raising=False)
    monkeypatch.setenv("RMS_TOKEN", "T-of-the-environment")
    ROUTERS.look_up([device("a", terms={**TERMS, "rms_token": ""})], Redactor())
    assert (rms.options["rms_token"], rms.options["validate_certs"]) == ("T-of-the-environment", True)
    assert rms.options["rms_url"].startswith("https://")
    ROUTERS.look_up([device("a", terms={**TERMS, "rms_url": "https://rms.example/api", "validate_certs": False})], Redactor())
    assert (rms.options["rms_url"], rms.options["rms_token"]) == ("https://rms.example/api", "T-0123456789")
    assert rms.options["validate_certs"] is False


# -- through RMS --------------------------------------------------------------------------------------------------------------------------


def test_a_request_to_rms_has_the_new_password_and_never_the_routers_address_or_its_old_one(rms: Rms) -> None:
    rms.outcomes["A"] = ("changed", "")
    site = Site()
    ROUTERS.ask(SET_AND_PROVE, [taken("a", "rms_then_verify")], site.field(), again=False)
    (target,) = rms.targets
    assert (target.serial, target.id, target.password, target.host) == ("A", 7, "new-a", None)
    assert "old-a" not in repr(vars(target))
    assert site.calls == []  # nothing runs near the router


def test_the_words_of_rms_become_answers_in_the_order_of_the_batch(rms: Rms) -> None:
    rms.outcomes.update(
        A=("changed", ""),
        B=("failed", "rejected_by_policy"),
        C=("failed", "conflict"),
        D=("unknown", "timeout"),
        E=("unchanged", "same_password"),
    )
    batch = [taken(name, number=number) for number, name in enumerate("edcbaf")]
    answers = ROUTERS.ask(SET, batch, Site().field(), again=False)
    assert [(answer.status, answer.reason, answer.final) for answer in answers] == [
        ("unchanged", "same_password", False),
        ("unknown", "timeout", False),
        ("failed", "conflict", False),
        ("failed", "rejected_by_policy", True),
        ("changed", "", False),
        ("unknown", "protocol", False),
    ]
    assert answers[0].message == "What RMS said of E."
    assert {answer.live for answer in answers} == {None}


def test_a_fault_of_rms_in_the_middle_stops_the_run_and_keeps_what_was_said_of_each_router(rms: Rms) -> None:
    rms.outcomes.update(A=("changed", ""), B=("failed", "quota"))
    rms.fault = RmsFault("quota", "The quota of RMS requests is spent.")
    given = Site().field()
    answers = ROUTERS.ask(SET, [taken("a"), taken("b", number=8)], given, again=False)
    assert ([answer.status for answer in answers], given.stop) == (["changed", "failed"], "The quota of RMS requests is spent.")
    assert (given.requests, rms.closed) == (3, 1)


def test_what_stops_the_run_is_not_forgotten_by_a_later_request_of_the_same_batch(rms: Rms) -> None:
    given = Site().field()
    rms.fault = RmsFault("quota", "The quota of RMS requests is spent.")
    ROUTERS.collect(GENERATE, [taken()], given, again=True)
    rms.fault = None
    ROUTERS.ask(GENERATE, [taken()], given, again=True)
    assert given.stop == "The quota of RMS requests is spent."


def test_what_left_after_the_lease_is_told_of_every_router_of_that_request_whatever_became_of_it(rms: Rms) -> None:
    rms.sent_late = "AB"
    rms.outcomes.update(A=("changed", ""), C=("changed", ""))
    answers = ROUTERS.ask(SET, [taken("a"), taken("b"), taken("c")], Site().field(), again=False)
    assert [(answer.status, answer.late) for answer in answers] == [("changed", True), ("unknown", True), ("changed", False)]


def test_rms_is_asked_only_while_the_run_may_change_and_with_the_secrets_of_the_batch_known(rms: Rms) -> None:
    given = Site().field()
    ROUTERS.ask(SET, [taken()], given, again=False)
    assert (rms.may_change is given.may_change, rms.redactors) == (True, [given.redactor])


# -- passwords that RMS makes -------------------------------------------------------------------------------------------------------------


def test_where_rms_makes_the_passwords_the_request_carries_none(rms: Rms) -> None:
    rms.outcomes.update(A=("changed", ""), B=("unknown", "list_missing"))
    rms.made = {7: "Made-By-Rms-2026"}
    given = Site().field()
    answers, passwords = ROUTERS.collect(GENERATE, [taken("a"), taken("b", number=8)], given, again=False)
    assert [target.password for target in rms.targets] == [None, None]
    assert (passwords, [(answer.status, answer.reason) for answer in answers]) == (
        ["Made-By-Rms-2026", ""],
        [("changed", ""), ("unknown", "list_missing")],
    )
    assert (rms.asked_for.length, rms.asked_for.special, rms.fetched) == (20, True, None)
    assert (given.requests, rms.closed) == (3, 1)


def test_a_list_of_an_earlier_run_is_looked_for_by_the_routers_it_was_made_for(rms: Rms) -> None:
    rms.outcomes.update(A=("unknown", "unconfirmed"), B=("unknown", "unconfirmed"))
    rms.made = {7: "Made-Before-2026-a", 8: "Made-Before-2026-b"}
    _answers, passwords = ROUTERS.collect(GENERATE, [taken("a"), taken("b", number=8)], Site().field(), again=True)
    assert (rms.fetched, passwords) == ([[7, 8]], ["Made-Before-2026-a", "Made-Before-2026-b"])


def test_a_list_is_in_the_ledger_as_it_came_and_room_was_taken_before(rms: Rms) -> None:
    rms.content = b"serial,password\nA,Made-By-Rms-2026\n"
    lists = Lists()
    ROUTERS.collect(GENERATE, [taken("a"), taken("b")], Site().field(lists), again=False)
    assert (lists.kept, lists.reserved >= 2 * 100) == (rms.content, True)


def test_where_the_ledger_has_no_room_for_a_list_rms_is_not_asked_for_one(rms: Rms) -> None:
    with pytest.raises(Fault, match="The disk is full"):
        ROUTERS.collect(GENERATE, [taken()], Site().field(Lists(broken="The disk is full.")), again=False)
    assert (rms.targets, rms.closed) == ((), 1)


def test_what_an_earlier_download_left_cut_is_marked_before_anything_follows() -> None:
    lists = Lists(b"serial,password\nA,Made-By-R")
    deposit = router_requests._Deposit(lists)
    assert deposit.carry_on() == b"serial,password\nA,Made-By-R"
    deposit.reserve(1)
    deposit.write(b"serial,password\n")
    deposit.write(b"A,Made-By-Rms-2026\n")
    assert lists.kept == b"serial,password\nA,Made-By-R\xef\xbf\xbd\nserial,password\nA,Made-By-Rms-2026\n"
    assert deposit.part() == b"serial,password\nA,Made-By-Rms-2026\n"
    assert deposit.part(16) == b"A,Made-By-Rms-2026\n"


@pytest.mark.parametrize(("whole", "between"), [(True, b"\n"), (False, b"\xef\xbf\xbd\n")])
def test_a_part_that_ends_without_a_line_end_does_not_run_into_the_next(whole: bool, between: bytes) -> None:
    lists = Lists()
    deposit = router_requests._Deposit(lists)
    deposit.reserve(1)
    deposit.write(b"A,Made-By-Rms-2026")
    deposit.finish(whole)
    deposit.reserve(1)
    deposit.write(b"B,Made-By-Rms-2027\n")
    assert lists.kept == b"A,Made-By-Rms-2026" + between + b"B,Made-By-Rms-2027\n"


def test_a_deposit_says_why_the_ledger_does_not_keep_it() -> None:
    with pytest.raises(DepositError, match="The disk is full"):
        router_requests._Deposit(Lists(broken="The disk is full.")).reserve(1)


# -- routers themselves -------------------------------------------------------------------------------------------------------------------


def entry(status: str, live: str | None = None, **more: Any) -> dict[str, Any]:
    return {"serial": "********", "host": "********", "status": status, "reason": "", "message": "", "live": live, **more}


def test_a_router_that_is_asked_itself_gets_both_passwords_and_never_its_number_in_rms() -> None:
    site = Site({"devices": [entry("changed", "new"), entry("changed", "new")]})
    batch = [taken("a", "device", fingerprint=FINGERPRINT, username="root", protocol="ssh"), taken("b", "device", current=None)]
    ROUTERS.ask(AT_ROUTERS, batch, site.field(), again=False)
    ((name, arguments),) = site.calls
    assert (name, arguments["via"], arguments["run_holder"]) == ("router_password", "device", "boot/namespace/1/2")
    assert Until.read(arguments["not_after"]) == Until("boot", 12.5, 34.5)
    assert arguments["devices"] == [
        {
            "serial": "A",
            "host": "a.example",
            "username": "root",
            "protocol": "ssh",
            "fingerprint": FINGERPRINT,
            "password": "new-a",
            "try_first": "current",
            "current_password": "old-a",
        },
        {"serial": "B", "host": "b.example", "username": "admin", "protocol": "api", "password": "new-b", "try_first": "current"},
    ]


def test_what_is_finished_for_an_earlier_run_is_tried_with_the_new_password_first() -> None:
    site = Site({"devices": [entry("changed", "new")]})
    ROUTERS.ask(AT_ROUTERS, [taken("a", "device")], site.field(), again=True)
    assert site.calls[0][1]["devices"][0]["try_first"] == "new"


def test_the_modules_speak_as_the_settings_say_and_report_single_failures() -> None:
    site = Site({"devices": [entry("proven", "staged")]})
    terms = {**TERMS, "parallel": 64, "device_validate_certs": False, "device_ca_path": "/ca.pem", "deadline": 90}
    member = replaced(taken("a", "rms_then_verify"), terms)
    ROUTERS.prove([(member, (STAGED,))], site.field())
    options = {name: value for name, value in site.calls[0][1].items() if name != "devices"}
    assert options == {"parallel": 64, "validate_certs": False, "ca_path": "/ca.pem", "deadline": 90, "on_device_failure": "report"}


def replaced(one: Taken, terms: Mapping[str, Any]) -> Taken:
    moved = device(one.name, one.member.device.details["via"], terms=terms)
    return Taken(Member(moved, one.member.sighting), one.staged, one.current)


@pytest.mark.parametrize(
    ("live", "expected"), [("new", STAGED), ("current", CURRENT), ("neither", NEITHER), (None, None), ("something new", None)]
)
def test_what_a_router_proved_while_it_was_changed_is_told_in_the_words_of_the_ledger(live: str | None, expected: str | None) -> None:
    site = Site({"devices": [entry("failed", live, reason="unauthorized", message="It refused.")]})
    (answer,) = ROUTERS.ask(AT_ROUTERS, [taken("a", "device")], site.field(), again=False)
    assert answer == Answer("failed", "unauthorized", "It refused.", expected)


def test_results_are_matched_by_their_place_so_that_a_masked_serial_does_not_matter() -> None:
    site = Site({"devices": [entry("changed", "new"), entry("failed", "current", reason="rejected"), entry("unknown", reason="timeout")]})
    batch = [taken(name, "device") for name in "abc"]
    answers = ROUTERS.ask(AT_ROUTERS, batch, site.field(), again=False)
    assert [(answer.status, answer.reason, answer.live) for answer in answers] == [
        ("changed", "", STAGED),
        ("failed", "rejected", CURRENT),
        ("unknown", "timeout", None),
    ]


def test_what_a_router_was_sent_after_the_lease_is_told_of_that_router_alone() -> None:
    site = Site({"devices": [entry("changed", "new", sent_late=True), entry("changed", "new", sent_late=False)]})
    answers = ROUTERS.ask(AT_ROUTERS, [taken("a", "device"), taken("b", "device")], site.field(), again=False)
    assert [answer.late for answer in answers] == [True, False]


SILENCE = [
    {},
    {"failed": True, "msg": "killed"},
    {"devices": []},
    {"devices": None},
    {"devices": [entry("changed", "new")]},
    {"failed": True, "msg": "MODULE FAILURE", "module_stdout": "", "rc": 137},
]


@pytest.mark.parametrize("said", SILENCE)
def test_routers_of_which_the_module_said_nothing_are_unknown_not_failed(said: dict[str, Any]) -> None:
    site = Site(said)
    batch = [taken("a", "device"), taken("b", "device")]
    answers = ROUTERS.ask(AT_ROUTERS, batch, site.field(), again=False)
    assert [(answer.status, answer.reason, answer.live) for answer in answers] == [("unknown", "error", None)] * 2
    assert all(answer.message for answer in answers)
    proofs = ROUTERS.prove([(one, (STAGED, CURRENT)) for one in batch], site.field())
    assert [(proof.live, proof.refused) for proof in proofs] == [(None, False)] * 2


@pytest.mark.parametrize("near", ["router_password", "router_login"])
def test_a_module_that_fails_as_a_whole_stops_the_run_with_its_own_words(near: str) -> None:
    site = Site({"failed": True, "msg": "The library paramiko is missing."})
    given = site.field()
    if near == "router_password":
        ROUTERS.ask(AT_ROUTERS, [taken("a", "device")], given, again=False)
    else:
        ROUTERS.prove([(taken("a", "device"), (STAGED,))], given)
    assert "The library paramiko is missing." in given.stop


def test_a_site_that_cannot_be_reached_leaves_its_routers_for_the_next_run_and_does_not_stop_this_one() -> None:
    site = Site({"unreachable": True, "msg": "no route to the site"})
    given = site.field()
    (answer,) = ROUTERS.ask(AT_ROUTERS, [taken("a", "device")], given, again=False)
    (proof,) = ROUTERS.prove([(taken("a", "device"), (STAGED, CURRENT))], given)
    assert (answer.status, answer.reason, proof.live, proof.reason) == ("unknown", "offline", None, "offline")
    assert "no route to the site" in answer.message
    assert "no route to the site" in proof.message
    assert given.stop == ""


def test_requests_to_routers_are_counted() -> None:
    site = Site({"devices": [entry("changed", "new")], "requests": 4})
    given = site.field()
    ROUTERS.ask(AT_ROUTERS, [taken("a", "device")], given, again=False)
    ROUTERS.prove([(taken("a", "device"), (STAGED,))], given)
    assert given.requests == 8


# -- logins -------------------------------------------------------------------------------------------------------------------------------


def proven(candidates: Iterable[str], said: Mapping[str, Any]) -> Proof:
    (proof,) = ROUTERS.prove([(taken("a", "rms_then_verify"), tuple(candidates))], Site({"devices": [dict(said)]}).field())
    return proof


def test_a_login_tries_the_passwords_named_in_their_order_at_the_router_itself() -> None:
    site = Site({"devices": [entry("proven", "current"), entry("proven", "staged")]})
    batch = [(taken("a", "rms_then_verify"), (CURRENT, STAGED)), (taken("b", "rms_then_verify"), (STAGED,))]
    ROUTERS.prove(batch, site.field())
    ((name, arguments),) = site.calls
    assert name == "router_login"
    assert [one["candidates"] for one in arguments["devices"]] == [
        [{"name": "current", "password": "old-a"}, {"name": "staged", "password": "new-a"}],
        [{"name": "staged", "password": "new-b"}],
    ]
    assert arguments["devices"][0]["host"] == "a.example"
    assert not {"password", "current_password", "id"} & set(arguments["devices"][0])


@pytest.mark.parametrize("live", [STAGED, CURRENT])
def test_a_login_proves_one_password(live: str) -> None:
    assert proven((STAGED, CURRENT), entry("proven", live)).live == live


def test_both_passwords_refused_is_proven_too() -> None:
    proof = proven((STAGED, CURRENT), entry("refused", "neither", reason="unauthorized", message="It refused both."))
    assert proof == Proof(NEITHER, "unauthorized", "It refused both.")


def test_one_password_refused_says_nothing_of_the_other() -> None:
    said = entry("refused", "neither", reason="unauthorized", message="It refused.")
    for only in (STAGED, CURRENT):
        assert proven((only,), said) == Proof(None, "", "It refused.", refused=True)


@pytest.mark.parametrize("status", ["failed", "unknown"])
def test_a_login_that_could_not_be_tried_proves_nothing_and_says_why(status: str) -> None:
    assert proven((STAGED, CURRENT), entry(status, reason="timeout", message="No answer.")) == Proof(None, "timeout", "No answer.")
