# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PBXs as a kind of device: what is read of them, how they are worked, and what is made of the words of the modules."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from support.rotation import FakeVariables

from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import violations
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._run import Until
from ansible_collections.keyturn.devices.plugins.modules import pbx_login, pbx_password
from ansible_collections.keyturn.devices.plugins.plugin_utils._products.all import product_named
from ansible_collections.keyturn.devices.plugins.plugin_utils._products.pbxs import PBXS
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.due import Policies
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.inventory import read_devices
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.outcomes import outcome_of
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import (
    CURRENT,
    NEITHER,
    STAGED,
    Answer,
    Device,
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
    "parallel": 3,
    "timeout": 30,
    "validate_certs": True,
    "ca_path": "",
    "browser": "",
    "profile": "",
    "screenshots": "",
}
FINGERPRINT = "ab" * 32
PROXY = "socks5://jump:Pr0xy-Secret@127.0.0.1:1080"
CHANGE, LOOK = Kind("pages", proves_itself=True), Kind("login", asks=False, looks_first=True)


def device(name: str = "a", *, proxy: str = "", **more: Any) -> Device:
    known: dict[str, Any] = {"host": f"https://{name}.example:8088", "username": "admin", "policy": {}, "terms": TERMS}
    return Device(name, serial="", source=Source("generate"), details={"proxy": proxy}, **{**known, **more})


def taken(name: str = "a", *, current: str | None = None, staged: str | None = None, **more: Any) -> Taken:
    return Taken(Member(device(name, **more), Sighting()), staged or f"new-{name}", f"old-{name}" if current is None else current)


class NoLists:
    """A PBX brings none."""

    def reserve(self, size: int) -> None:
        raise NotKept("no lists")

    def append(self, piece: bytes) -> None:
        raise NotKept("no lists")

    def content(self) -> bytes:
        raise NotKept("no lists")


@dataclasses.dataclass
class Site:
    """What runs near PBXs. C(answer): what a module returns, or says of the PBX at a URL. C(calls): which one was run with what."""

    answer: dict[str, Any] | Callable[[str], dict[str, Any]] = dataclasses.field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = dataclasses.field(default_factory=list)
    may_change: bool = True
    most: int = 0
    _running: int = 0
    _lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)

    def field(self, here: bool = True) -> Field:
        return Field(
            redactor=Redactor(),
            until=Until.after(900),
            run_holder="boot/namespace/1/2",
            call=self._call,
            lists=NoLists(),
            may_change=lambda: self.may_change,
            call_apart=self._call_apart if here else None,
        )

    def _call(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            self._running += 1
            self.most = max(self.most, self._running)
            self.calls.append((name, arguments))
        result = self.answer(arguments["url"]) if callable(self.answer) else self.answer
        with self._lock:
            self._running -= 1
        return result

    def _call_apart(self, name: str, arguments: dict[str, Any], seconds: float) -> dict[str, Any]:
        assert 800 < seconds <= 900
        return self._call(name, arguments)


def said(status: str, live: str | None = None, reason: str = "", message: str = "", **more: Any) -> dict[str, Any]:
    return {"status": status, "live": live, "reason": reason, "message": message, "sent_late": False, **more}


# -- what is read -------------------------------------------------------------------------------------------------------------------------

GOOD = {"device_host": "https://192.0.2.5:8088", "device_fingerprint": FINGERPRINT}


def read(names: tuple[str, ...] = ("a",), **variables: Any) -> tuple[list[Device], list[str]]:
    role = {f"pbx_rotation_{name}": value for name, value in {**TERMS, "policy": {}, "source": {"kind": "generate"}}.items()}
    common: dict[str, Any] = {"force": False, "offline_days": 7, "age_spread_percent": 10, "first_batch_size": 2, "batch_size": 5}
    common |= {"failure_limit_percent": 50, "max_attempts": 5, "patience": 60, "bad_input": "fail", "summary_limit": 9, "recap_limit": 9}
    role |= {f"pbx_rotation_{name}": value for name, value in common.items()}
    hosts = FakeVariables({name: {**role, **GOOD, **variables} for name in names})
    found = read_devices(list(names), hosts, PBXS)
    return found.devices, [str(problem) for problem in found.problems]


def test_it_is_a_product_of_its_own() -> None:
    product: Product = PBXS
    assert product_named("pbxs") is product
    assert (product.prefix, list(product.sources)) == ("pbx_rotation_", [])


def test_a_pbx_is_read_without_a_serial_number_and_with_what_is_for_its_recovery() -> None:
    more = {"device_email": "a@example.com", "device_mailbox": {"host": "imap.example"}, "device_email_settings": {}}
    [pbx], problems = read(device_proxy=PROXY, **more)
    assert (pbx.host, pbx.serial, pbx.details, problems) == ("https://192.0.2.5:8088", "", {"proxy": PROXY}, [])
    assert list(PBXS.secrets(pbx)) == ["Pr0xy-Secret"]
    assert list(PBXS.secrets(device())) == []


@pytest.mark.parametrize(
    ("variables", "where", "why"),
    [
        ({"device_host": ""}, "device_host", "is missing; it is the address of the PBX's web page"),
        ({"device_host": "https://admin:secret@192.0.2.5"}, "device_host", "must not hold a user name or a password"),
        ({"device_host": "https://192.0.2.5/index.html"}, "device_host", "must end after the host name and the port"),
        ({"device_fingerprint": "AB:CD"}, "device_fingerprint", "is no SHA-256 fingerprint"),
        ({"device_proxy": "ssh://jump:secret@jump"}, "device_proxy", "must be socks5://host:port or http://host:port"),
        ({"device_username": "two words"}, "device_username", "cannot be the name of a user"),
        ({"pbx_rotation_ca_path": "/nowhere"}, "pbx_rotation_ca_path", "does not exist"),
        ({"pbx_rotation_profile": "q-series"}, "pbx_rotation_profile", ""),
        ({"device_password_source": {"kind": "rms"}}, "device_password_source.kind", "is none of generate, csv, value"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_is_named_with_pbx_variable_and_reason_before_anything_is_asked(variables: dict[str, Any], where: str, why: str) -> None:
    devices, problems = read(**variables)
    assert (devices, [problem.startswith(f"a: {where}: ") and why in problem for problem in problems]) == ([], [True])
    assert "secret" not in problems[0]


def test_paths_of_another_host_are_not_looked_for_here() -> None:
    _devices, problems = read(device_site="jump", pbx_rotation_ca_path="/nowhere", pbx_rotation_profile="/nowhere/q.yml")
    assert [problem.partition(": ")[2] for problem in problems] == ["device_site: 'jump' is not in the inventory"]


def test_two_names_for_one_pbx_stop_the_run_and_the_same_address_at_another_site_is_another() -> None:
    _devices, problems = read(("a", "b"))
    assert problems == ["device_host: b: its address is also that of a"]
    places = [device(host="https://192.0.2.5"), device(host="192.0.2.5:443"), device(host="192.0.2.5", proxy=PROXY)]
    assert PBXS.place(places[0]) == PBXS.place(places[1]) != PBXS.place(places[2]) != PBXS.place(device(host="192.0.2.5", site="jump"))


def test_a_password_always_meets_the_strong_rule() -> None:
    policy = Policies(PBXS).of(device(policy={"length": 12, "special": True}), Sighting())
    assert [bool(violations(password, policy)) for password in ("Abcdefgh1!", "Abcdefgh-471", "Abcdefgh-123", "Abcdefgh;471")] == [
        *(True, False, True, True)
    ]


# -- how PBXs are worked ------------------------------------------------------------------------------------------------------------------


def test_how_a_pbx_is_changed_and_what_was_left_open_settled() -> None:
    assert (PBXS.kind_of_due(device()), PBXS.kind_of_unsettled(device(), False)) == (CHANGE, LOOK)
    assert (PBXS.needs_current(device()), PBXS.can_replace(device()), PBXS.look_up([device()], Redactor())) == (True, False, ({}, 0))


def test_what_the_modules_are_asked_with() -> None:
    site = Site(said("changed", "new"))
    terms = {**TERMS, "profile": "s-series", "validate_certs": False}
    pbx = taken(fingerprint=FINGERPRINT, proxy=PROXY, terms=terms)
    working = site.field()
    PBXS.ask(CHANGE, [pbx], working, again=False)
    PBXS.prove([(pbx, (STAGED, CURRENT))], working)

    place = {"url": "https://a.example:8088", "username": "admin", "fingerprint": FINGERPRINT, "proxy": PROXY, "profile": "s-series"}
    place |= {"validate_certs": False, "timeout": 30, "on_device_failure": "report"}
    candidates = [{"name": "staged", "password": "new-a"}, {"name": "current", "password": "old-a"}]
    change = {"current_password": "old-a", "new_password": "new-a", "run_holder": "boot/namespace/1/2", "not_after": str(working.until)}
    assert site.calls == [("pbx_password", {**place, **change}), ("pbx_login", {**place, "candidates": candidates})]
    for module, arguments in zip((pbx_password, pbx_login), site.calls, strict=True):
        assert set(arguments[1]) <= set(module.SPEC.arguments)


OUTCOMES: list[tuple[Mapping[str, Any], Answer, tuple[str, str, str | None]]] = [
    # what the module said -> what is made of it -> what the ledger is told: outcome, proof, live
    (said("changed", "new"), Answer("changed", live=STAGED), ("changed", "login", STAGED)),
    (said("unchanged", "new"), Answer("unchanged", live=STAGED), ("changed", "login", STAGED)),
    (said("failed", "current", "policy"), Answer("failed", "policy", live=CURRENT), ("failed", "login", CURRENT)),
    (said("failed", None, "locked_out"), Answer("failed", "locked_out"), ("failed", "none", None)),
    (said("failed", None, "profile_unknown"), Answer("failed", "profile_unknown"), ("failed", "none", None)),
    (said("failed", None, "not_sent"), Answer("failed", "not_sent"), ("failed", "none", None)),
    # Nothing was sent to a PBX that cannot be reached.
    (said("failed", None, "unreachable"), Answer("failed", "offline"), ("failed", "none", None)),
    (said("unknown", None, "unreachable"), Answer("unknown", "unreachable"), ("unknown", "none", None)),
    # The password that should be in force is refused, and the other one was never sent: one wrong login, and a person has to look.
    (said("failed", None, "unauthorized"), Answer("failed", "unauthorized", live=NEITHER), ("unknown", "login", NEITHER)),
    (said("unknown", None, "new_password_refused"), Answer("unknown", "new_password_refused"), ("unknown", "none", None)),
    (said("unknown", "neither", "unauthorized"), Answer("unknown", "unauthorized", live=NEITHER), ("unknown", "login", NEITHER)),
    (said("unknown", None, "interrupted", sent_late=True), Answer("unknown", "interrupted", late=True), ("unknown", "none", None)),
    # No word on how it ended.
    ({"failed": True, "reason": "bad_input", "msg": "m"}, Answer("failed", "bad_input", "m"), ("failed", "none", None)),
    ({"failed": True, "reason": "not_sent", "msg": "m"}, Answer("failed", "not_sent", "m"), ("failed", "none", None)),
    ({"failed": True, "msg": "Killed."}, Answer("unknown", "error", "Killed."), ("unknown", "none", None)),
    ({}, Answer("unknown", "error", "The module ended without a word."), ("unknown", "none", None)),
    (
        {"unreachable": True, "msg": "No route."},
        Answer("unknown", "offline", "The host at its site cannot be reached: No route."),
        ("unknown", "none", None),
    ),
]


@pytest.mark.parametrize(("result", "expected", "told"), OUTCOMES, ids=lambda value: value.reason if isinstance(value, Answer) else "")
def test_what_is_made_of_a_change(result: dict[str, Any], expected: Answer, told: tuple[str, str, str | None]) -> None:
    assert PBXS.ask(CHANGE, [taken()], Site(result).field(), again=False) == [expected]
    outcome = outcome_of("itself", expected, None, None)
    assert (outcome.status, outcome.proof, outcome.live) == told


def test_a_password_that_is_set_again_is_proven_by_its_own_login() -> None:
    site = Site(said("unchanged", "current"))
    [answer] = PBXS.ask(CHANGE, [taken(current="same", staged="same")], site.field(), again=False)
    assert answer == Answer("unchanged", live=STAGED)


BOTH = (STAGED, CURRENT)


@pytest.mark.parametrize(
    ("result", "candidates", "expected"),
    [
        (said("proven", "staged", message="In force."), BOTH, Proof(STAGED)),
        (said("proven", "current", message="In force."), BOTH, Proof(CURRENT, "", "In force.")),
        (said("proven", "staged", "forced_change_required"), (STAGED,), Proof(STAGED)),
        (said("refused", "neither", "unauthorized", "Both."), BOTH, Proof(NEITHER, "unauthorized", "Both.")),
        (said("refused", "neither", "unauthorized", "It."), (STAGED,), Proof(None, "", "It.", refused=True)),
        (said("failed", None, "unreachable", "Away."), BOTH, Proof(None, "offline", "Away.")),
        (said("failed", None, "locked_out", "Wait."), BOTH, Proof(None, "locked_out", "Wait.")),
        (said("unknown", None, "timeout", "Lost."), BOTH, Proof(None, "timeout", "Lost.")),
        ({"failed": True, "msg": "Killed."}, BOTH, Proof(None, "error", "Killed.")),
    ],
    ids=lambda value: value.reason or str(value.live) if isinstance(value, Proof) else "",
)
def test_what_is_made_of_a_login(result: dict[str, Any], candidates: tuple[str, ...], expected: Proof) -> None:
    assert PBXS.prove([(taken(), candidates)], Site(result).field()) == [expected]


# -- several at once ----------------------------------------------------------------------------------------------------------------------


def test_as_many_as_allowed_are_worked_at_once_and_told_in_their_order() -> None:
    together = threading.Barrier(3)

    def answer(url: str) -> dict[str, Any]:
        together.wait(30)
        return said("changed", "new", message=url)

    site = Site(answer)
    answers = PBXS.ask(CHANGE, [taken(name) for name in "abcdef"], site.field(), again=False)
    assert ([each.message for each in answers], site.most) == ([f"https://{name}.example:8088" for name in "abcdef"], 3)


def test_over_a_connection_they_are_worked_one_after_the_other() -> None:
    site = Site(said("changed", "new"))
    assert [each.status for each in PBXS.ask(CHANGE, [taken(name) for name in "abc"], site.field(here=False), again=False)] == [
        "changed"
    ] * 3
    assert site.most == 1


@pytest.mark.parametrize("here", [True, False])
def test_after_the_deadline_or_the_end_of_the_run_none_is_begun(here: bool) -> None:
    site = Site(said("changed", "new"))
    for may_change, deadline in ((True, 0), (False, 300)):
        site.may_change = may_change
        pbx = taken(terms={**TERMS, "deadline": deadline})
        answers = PBXS.ask(CHANGE, [pbx], site.field(here), again=False)
        proofs = PBXS.prove([(pbx, BOTH)], site.field(here))
        assert [(answers[0].status, answers[0].reason), (proofs[0].live, proofs[0].reason)] == [("failed", "not_sent"), (None, "not_sent")]
    assert site.calls == []


def test_without_a_browser_here_the_run_ends_and_one_that_lacks_at_a_site_is_that_sites_matter() -> None:
    pbxs = [taken(name, terms={**TERMS, "parallel": 1}) for name in "abc"]
    missing = said("failed", None, "browser_missing", "No Chromium was found.")
    here, there = Site(missing).field(), Site(missing).field(here=False)
    assert [each.reason for each in PBXS.ask(CHANGE, pbxs, here, again=False)] == ["browser_missing", "not_sent", "not_sent"]
    assert [each.reason for each in PBXS.ask(CHANGE, pbxs, there, again=False)] == ["browser_missing"] * 3
    assert (here.stop, there.stop) == ("No Chromium was found.", "")
