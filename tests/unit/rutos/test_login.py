# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What router_login and router_info do at a router."""

from __future__ import annotations

from typing import Any

import pytest
from support.routers import FIRMWARES, NEW, WRONG, NewRouter, changed, device, failure_of, options, prove

from ansible_collections.keyturn.devices.plugins.module_utils._rutos.job import look_at_routers, prove_on_routers
from simulators.rutos import RutosSimulator


@pytest.mark.parametrize(
    ("passwords", "status", "live", "wrong"),
    [
        (["right"], "proven", "1", 0),
        (["right", WRONG], "proven", "1", 0),
        ([WRONG, "right"], "proven", "2", 1),
        ([WRONG, NEW], "refused", "neither", 2),
        ([WRONG, WRONG], "refused", "neither", 1),
        ([WRONG], "refused", "neither", 1),
    ],
)
def test_candidates_are_tried_in_their_order(
    site: RutosSimulator, new_router: NewRouter, passwords: list[str], status: str, live: str, wrong: int
) -> None:
    router = new_router()
    outcome = prove(router, *(router.password if password == "right" else password for password in passwords))
    assert (outcome["status"], outcome["live"], outcome["wrong_logins"]) == (status, live, wrong)
    assert not changed(site, router)
    assert site.truth(router.serial)["wrong_logins"] == wrong


def test_a_proof_takes_three_requests(site: RutosSimulator, new_router: NewRouter) -> None:
    router = new_router()
    assert prove(router, router.password)["status"] == "proven"
    assert [entry["path"] for entry in site.log(router.serial)] == ["/api/login", "/api/system/device/status", "/api/logout"]


@pytest.mark.parametrize("state", ["first_login", "expired"])
@pytest.mark.parametrize("firmware", FIRMWARES)
def test_a_password_that_must_be_changed_can_be_proven(site: RutosSimulator, new_router: NewRouter, firmware: str, state: str) -> None:
    router = new_router(firmware, enforce_first_login=True)
    site.change(router.serial, **{state: True})
    assert prove(router, router.password)["status"] == "proven"
    assert not changed(site, router)


def test_a_password_that_works_on_another_router_proves_nothing(site: RutosSimulator, new_router: NewRouter) -> None:
    router = new_router(answers_serial="9999999999")
    outcome = prove(router, WRONG, router.password)
    assert (outcome["status"], outcome["reason"], outcome["live"]) == ("failed", "wrong_device", None)
    assert "9999999999" in outcome["message"]
    assert not changed(site, router)


@pytest.mark.parametrize("lockout", ["refuse", "connect_timeout", "hold", "abort"])
def test_a_lock_out_is_recognised(site: RutosSimulator, new_router: NewRouter, lockout: str) -> None:
    router = new_router(lockout=lockout, lockout_attempts=1)
    outcome = prove(router, WRONG, router.password, timeout=1)
    assert (outcome["reason"], outcome["live"], outcome["wrong_logins"]) == ("locked_out", None, 1)
    site.advance(3600)
    assert prove(router, router.password)["status"] == "proven"
    assert not changed(site, router)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", ["cut", "hang", "not_json", "empty", "status"])
def test_a_login_whose_answer_is_lost_is_unknown(site: RutosSimulator, new_router: NewRouter, kind: str) -> None:
    router = new_router(faults=[{"kind": kind, "path": "/api/login", "times": 0}])
    outcome = prove(router, WRONG, router.password, timeout=1, deadline=2)
    assert (outcome["status"], outcome["live"]) == ("unknown", None)
    # It may have been a wrong one, so the next candidate is not tried.
    assert len(site.log(router.serial)) == 1


@pytest.mark.parametrize(
    ("candidates", "text"),
    [
        ([], "one or two"),
        ([{"name": str(number), "password": NEW} for number in range(3)], "one or two"),
        ([{"name": "a", "password": ""}], "empty password"),
        ([{"name": "a", "password": NEW}, {"name": "a", "password": WRONG}], "different names"),
        ([{"name": "neither", "password": NEW}], "none may be neither"),
    ],
)
def test_candidates_that_cannot_be_used_stop_the_task(
    site: RutosSimulator, new_router: NewRouter, candidates: list[dict[str, str]], text: str
) -> None:
    router = new_router()
    failure = failure_of(lambda: prove_on_routers(options([device(router, candidates=candidates)])))
    assert text in failure.msg
    assert failure.result["reason"] == "bad_input"
    assert site.log(router.serial) == []


def test_a_refused_password_fails_the_task_unless_it_is_only_to_be_told(new_router: NewRouter) -> None:
    router = new_router()
    devices = [device(router, candidates=[{"name": "current", "password": WRONG}])]
    failure = failure_of(lambda: prove_on_routers(options(devices, on_device_failure="fail")))
    assert (failure.result["devices"][0]["status"], failure.result["summary"]["refused"]) == ("refused", 1)


def look(*devices: dict[str, Any]) -> dict[str, Any]:
    return look_at_routers(options(devices))


def test_a_router_tells_of_itself(site: RutosSimulator, new_router: NewRouter) -> None:
    router = new_router("07.18")
    site.change(router.serial, policy={"min_length": 14, "lifetime_days": 90})
    result = look(device(router, serial=None, password=router.password))
    [told] = result["routers"]
    assert (told["serial"], told["host"], told["model"], told["firmware"]) == (router.serial, router.url, router.model, router.firmware)
    assert told["policy"] == {
        "min_length": 14,
        "max_length": 256,
        "upper": True,
        "lower": True,
        "digits": True,
        "special": True,
        "max_age_days": 90,
        "evidence": "router",
    }
    assert (result["changed"], result["requests"]) == (False, 4)
    assert not changed(site, router)


@pytest.mark.parametrize(("firmware", "special", "evidence"), [("07.05", False, "observed"), ("07.10", False, "observed")])
def test_a_router_without_the_policy_call_has_the_rule_of_its_firmware(
    new_router: NewRouter, firmware: str, special: bool, evidence: str
) -> None:
    for switches in ({}, {"device_status": "no_static"}):
        router = new_router(firmware, **switches)
        [told] = look(device(router, password=router.password))["routers"]
        assert (told["policy"]["special"], told["policy"]["evidence"]) == (special, evidence)


@pytest.mark.parametrize("shape", ["no_data", "data_null", "data_string", "items_null", "items_empty", "top_list"])
def test_a_rule_that_cannot_be_read_is_that_of_the_firmware(new_router: NewRouter, shape: str) -> None:
    router = new_router("07.13", faults=[{"kind": "wrong_shape", "path": "/api/password_policy/config", "shape": shape}])
    [told] = look(device(router, password=router.password))["routers"]
    assert (told["policy"]["min_length"], told["policy"]["special"]) == (8, True)


def test_routers_that_cannot_be_asked_are_told_beside_those_that_can(new_router: NewRouter) -> None:
    good, dead, refusing, other = new_router(), new_router(reachable="abort"), new_router(), new_router(answers_serial="9999999999")
    devices = [device(router, password=WRONG if router is refusing else router.password) for router in (good, dead, refusing, other)]
    result = look(*devices)
    assert [router["serial"] for router in result["routers"]] == [good.serial]
    assert [one["reason"] for one in result["devices"]] == ["", "offline", "unauthorized", "wrong_device"]
    failure = failure_of(lambda: look_at_routers(options(devices, on_device_failure="fail")))
    assert [router["serial"] for router in failure.result["routers"]] == [good.serial]
