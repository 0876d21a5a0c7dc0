# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What router_password does at a router, against the simulated ones: the whole table first, then what can go wrong on the way."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.modules import run_module
from support.routers import FIRMWARES, NEW, WRONG, NewRouter, changed, device, failure_of, set_password, set_passwords
from support.signals import as_at_a_terminal
from urllib3.connection import HTTPSConnection

from ansible_collections.keyturn.devices.plugins.module_utils._outcomes import REASONS
from ansible_collections.keyturn.devices.plugins.module_utils._rutos import api
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.change import _Change
from ansible_collections.keyturn.devices.plugins.modules import router_password
from simulators.rutos import RutosSimulator, SimulatedRouter

CASES = ["normal", "first login", "expired", "same password", "wrong current", "refused by policy"]
CHANGE = {"method": "PUT", "path": "/api/users/config/*"}


def wait_for(site: RutosSimulator, router: SimulatedRouter, path: str) -> None:
    """Until the router has seen a request for a path that begins so."""
    end = time.monotonic() + 20
    while not any(entry["path"].startswith(path) for entry in site.log(router.serial)):
        assert time.monotonic() < end, "the request never came"
        time.sleep(0.02)


@pytest.mark.parametrize("bulk", [True, False])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("firmware", FIRMWARES)
def test_every_case_on_every_firmware(site: RutosSimulator, new_router: NewRouter, firmware: str, case: str, bulk: bool) -> None:
    router = new_router(firmware, bulk=bulk)
    site.change(router.serial, first_login=case == "first login", expired=case == "expired")
    old = router.password
    current = WRONG if case in ("same password", "wrong current") else old
    new = {"same password": old, "refused by policy": "lowercase-only"}.get(case, NEW)
    outcome = set_password(router, new, current)
    truth = site.truth(router.serial)
    expected, wrong_logins = {
        "same password": (("unchanged", "same_password", "new"), 1),
        "wrong current": (("failed", "unauthorized", "neither"), 2),
        "refused by policy": (("failed", "rejected_by_policy", "current"), 0),
    }.get(case, (("changed", "", "new"), 0))
    assert (outcome["status"], outcome["reason"], outcome["live"]) == expected
    assert truth["wrong_logins"] == outcome["wrong_logins"] == wrong_logins
    in_force = NEW if expected[0] == "changed" else old
    assert (truth["password"], truth["root_password"]) == (in_force, in_force)
    assert truth["first_login"] == (case == "first login" and expected[0] != "changed")
    assert truth["open_sessions"] == []
    if case == "refused by policy":
        assert {"no_upper", "no_digit"} <= {violation["reason"] for violation in outcome["violations"]}
        assert truth["audit"] == []


@pytest.mark.parametrize(("bulk", "requests"), [(True, 6), (False, 9)])
def test_an_undisturbed_change_takes_six_requests_and_no_wrong_login(
    site: RutosSimulator, new_router: NewRouter, bulk: bool, requests: int
) -> None:
    router = new_router(bulk=bulk)
    result = set_passwords([device(router, password=NEW, current_password=router.password)])
    assert result["requests"] == site.truth(router.serial)["requests"] == requests
    assert (result["changed"], result["summary"]) == (True, {"changed": 1, "unchanged": 0, "failed": 0, "unknown": 0})
    assert changed(site, router)


def test_without_a_current_password_the_new_one_can_only_be_proven(site: RutosSimulator, new_router: NewRouter) -> None:
    router = new_router()
    outcome = set_password(router, NEW)
    assert (outcome["status"], outcome["reason"], outcome["live"], outcome["wrong_logins"]) == ("failed", "unauthorized", None, 1)
    assert not changed(site, router)
    outcome = set_password(router, router.password)
    assert (outcome["status"], outcome["live"]) == ("unchanged", "new")


@pytest.mark.parametrize("arrived", [True, False])
def test_after_a_change_in_doubt_the_new_password_goes_first(site: RutosSimulator, new_router: NewRouter, arrived: bool) -> None:
    router = new_router()
    if arrived:
        assert set_password(router, NEW, router.password)["status"] == "changed"
    outcome = set_passwords([device(router, password=NEW, current_password=router.password, try_first="new")])["devices"][0]
    assert (outcome["status"], outcome["live"]) == ("unchanged" if arrived else "changed", "new")
    assert site.truth(router.serial)["wrong_logins"] == outcome["wrong_logins"] == (0 if arrived else 1)
    assert changed(site, router)


def test_a_password_that_is_both_costs_one_wrong_login_at_most(site: RutosSimulator, new_router: NewRouter) -> None:
    router = new_router()
    assert set_password(router, WRONG, WRONG)["live"] == "neither"
    assert site.truth(router.serial)["wrong_logins"] == 1


def test_in_check_mode_nothing_is_changed(site: RutosSimulator, new_router: NewRouter) -> None:
    router = new_router()
    result = set_passwords([device(router, password=NEW, current_password=router.password)], check_mode=True)
    assert (result["changed"], result["devices"][0]["reason"]) == (True, "would_change")
    assert not changed(site, router)
    assert [entry["path"] for entry in site.log(router.serial)] == ["/api/login", "/api/bulk", "/api/logout"]


@pytest.mark.parametrize(
    ("switches", "reason"),
    [
        ({"answers_serial": "9999999999"}, "wrong_device"),
        ({"device_status": "no_mnfinfo"}, "not_identified"),
    ],
)
@pytest.mark.parametrize("new_works", [False, True])
def test_another_router_or_one_without_a_name_is_not_touched(
    site: RutosSimulator, new_router: NewRouter, switches: dict[str, Any], reason: str, new_works: bool
) -> None:
    router = new_router(**switches)
    outcome = set_password(router, router.password, WRONG) if new_works else set_password(router, NEW, router.password)
    assert (outcome["status"], outcome["reason"], outcome["live"]) == ("failed", reason, None)
    assert not changed(site, router)
    assert all(entry["method"] != "PUT" for entry in site.log(router.serial))


@pytest.mark.parametrize("shape", ["no_static", "numeric_serial", "null_fields"])
@pytest.mark.parametrize("firmware", ["07.10", "07.13"])
def test_what_models_tell_differently_does_not_matter(site: RutosSimulator, new_router: NewRouter, shape: str, firmware: str) -> None:
    router = new_router(firmware, device_status=shape)
    assert set_password(router, NEW, router.password)["status"] == "changed"
    assert changed(site, router)


@pytest.mark.parametrize("firmware", ["07.15", "07.21"])
def test_a_first_login_that_blocks_the_other_paths_is_passed(site: RutosSimulator, new_router: NewRouter, firmware: str) -> None:
    router = new_router(firmware, enforce_first_login=True)
    site.change(router.serial, first_login=True)
    assert set_password(router, NEW, router.password)["status"] == "changed"
    assert changed(site, router)
    assert site.truth(router.serial)["audit"][0]["by"] == "first_login"


def test_the_rule_the_router_tells_goes_before_that_of_its_firmware(site: RutosSimulator, new_router: NewRouter) -> None:
    relaxed, strict = new_router("07.13", policy_special="off"), new_router("07.12")
    site.change(strict.serial, policy={"min_length": 20})
    assert set_password(relaxed, "NoSpecial4242", relaxed.password)["status"] == "changed"
    outcome = set_password(strict, NEW, strict.password)
    assert (outcome["reason"], [violation["reason"] for violation in outcome["violations"]]) == ("rejected_by_policy", ["too_short"])
    assert not changed(site, strict)


@pytest.mark.parametrize("order", ["policy,rights,current,same", "rights,current,same,policy", "current,policy,rights,same"])
@pytest.mark.parametrize("echo", [True, False])
def test_a_password_that_only_the_router_refuses(site: RutosSimulator, new_router: NewRouter, order: str, echo: bool) -> None:
    router = new_router(refused_symbols="-", check_order=order, echo_value=echo)
    outcome = set_password(router, NEW, router.password)
    assert (outcome["status"], outcome["reason"], outcome["live"]) == ("failed", "rejected_by_policy", "current")
    assert "minimum 8 characters" in outcome["message"]
    assert NEW not in str(outcome)
    assert not changed(site, router)


def test_a_user_without_rights_is_told_so(site: RutosSimulator, new_router: NewRouter) -> None:
    router = new_router()
    password = site.truth(router.serial)["users"]["viewer"]["password"]
    outcome = set_passwords([device(router, username="viewer", password=NEW, current_password=password)])["devices"][0]
    assert (outcome["status"], outcome["reason"], outcome["live"]) == ("failed", "unauthorized", "current")
    assert not changed(site, router)


def test_a_wrong_current_password_in_the_change_itself_is_a_refusal(site: RutosSimulator, new_router: NewRouter) -> None:
    """Somebody else changed the password between the login and the change."""
    router = new_router(bulk=False, faults=[{"kind": "slow", "method": "GET", "path": "/api/users/config", "seconds": 1.0}])
    site.set(router.serial, login_ms=0)
    outcome: dict[str, Any] = {}
    thread = threading.Thread(target=lambda: outcome.update(set_password(router, NEW, router.password)))
    thread.start()
    wait_for(site, router, "/api/password_policy/config")
    site.change(router.serial, password="Set-elsewhere-1", by="rms")
    thread.join()
    assert (outcome["status"], outcome["reason"]) == ("failed", "unauthorized")
    assert site.truth(router.serial)["password"] == "Set-elsewhere-1"


def test_a_login_that_outlasts_the_deadline_leaves_no_session(site: RutosSimulator, new_router: NewRouter) -> None:
    router = new_router(faults=[{"kind": "slow", "path": "/api/login", "when": "after_change", "seconds": 2.0}])
    outcome = set_password(router, NEW, router.password, deadline=1)
    assert (outcome["status"], outcome["reason"]) == ("failed", "timeout")
    wait_for(site, router, "/api/logout")
    assert not changed(site, router)


# --- the connection breaks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["cut", "hang", "not_json", "empty", "success_false", "status", "cut_body", "wrong_shape"])
def test_an_answer_lost_after_the_change_is_found_out_by_logging_in(site: RutosSimulator, new_router: NewRouter, kind: str) -> None:
    router = new_router(faults=[{"kind": kind, **CHANGE, **({} if kind in ("cut_body", "wrong_shape") else {"when": "after_change"})}])
    outcome = set_password(router, NEW, router.password, timeout=1)
    assert (outcome["status"], outcome["live"], outcome["wrong_logins"]) == ("changed", "new", 0)
    assert changed(site, router)


@pytest.mark.parametrize("kind", ["cut", "hang", "not_json", "empty", "success_false", "status"])
def test_a_change_that_never_arrived_is_found_out_by_logging_in(site: RutosSimulator, new_router: NewRouter, kind: str) -> None:
    router = new_router(faults=[{"kind": kind, **CHANGE}])
    outcome = set_password(router, NEW, router.password, timeout=1)
    assert (outcome["status"], outcome["live"], outcome["wrong_logins"]) == ("failed", "current", 1)
    assert outcome["reason"] in ("interrupted", "timeout", "protocol")
    assert not changed(site, router)


@pytest.mark.parametrize("state", ["changed", "not changed"])
def test_a_router_that_goes_away_after_the_change_was_sent_is_unknown(site: RutosSimulator, new_router: NewRouter, state: str) -> None:
    when = "after_change" if state == "changed" else "before_change"
    router = new_router(faults=[{"kind": "cut", **CHANGE, "when": when}, {"kind": "cut", "path": "/api/login", "nth": 2, "times": 0}])
    outcome = set_password(router, NEW, router.password, timeout=1)
    assert (outcome["status"], outcome["reason"], outcome["live"]) == ("unknown", "timeout", None)
    assert changed(site, router) == (state == "changed")
    # The cut logins may have been wrong ones, so there were two and no more.
    assert sum(entry["path"] == "/api/login" for entry in site.log(router.serial)) == 3


def test_a_router_that_restarts_its_web_server_after_the_change_is_waited_for(site: RutosSimulator, new_router: NewRouter) -> None:
    router = new_router(faults=[{"kind": "slow", **CHANGE, "when": "before_change", "seconds": 1.0}])
    outcome: dict[str, Any] = {}
    thread = threading.Thread(target=lambda: outcome.update(set_password(router, NEW, router.password)))
    thread.start()
    wait_for(site, router, "/api/users/config/")
    site.set(router.serial, reachable="abort")
    time.sleep(2)
    site.set(router.serial, reachable="yes")
    thread.join()
    assert (outcome["status"], outcome["wrong_logins"]) == ("changed", 0)
    assert changed(site, router)


def test_a_router_that_truncates_the_password_is_unknown_and_neither_works(site: RutosSimulator, new_router: NewRouter) -> None:
    router = new_router(store_truncated=8)
    outcome = set_password(router, NEW, router.password)
    assert (outcome["status"], outcome["reason"], outcome["live"]) == ("unknown", "new_password_refused", "neither")
    truth = site.truth(router.serial)
    assert (truth["password"], truth["wrong_logins"], truth["open_sessions"]) == (NEW[:8], 2, [])


def test_a_router_that_only_says_it_changed_has_failed(site: RutosSimulator, new_router: NewRouter) -> None:
    answer = [{"kind": "status", **CHANGE, "status": 200, "when": "before_change"}]
    router = new_router(faults=answer)
    outcome = set_password(router, NEW, router.password)
    assert (outcome["status"], outcome["live"]) == ("failed", "current")
    assert not changed(site, router)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("path", ["/api/login", "/api/system/device/status", "/api/password_policy/config", "/api/users/config"])
@pytest.mark.parametrize("kind", ["cut", "hang", "not_json", "empty", "success_false", "status", "redirect"])
def test_what_breaks_before_the_change_leaves_the_old_password(site: RutosSimulator, new_router: NewRouter, path: str, kind: str) -> None:
    elsewhere = {"location": "http://127.0.0.1:9/"} if kind == "redirect" else {}
    router = new_router(bulk=False, faults=[{"kind": kind, "path": path, "times": 0, **elsewhere}])
    outcome = set_password(router, NEW, router.password, timeout=1, deadline=3)
    if path == "/api/password_policy/config" and kind in ("not_json", "empty", "success_false", "status", "redirect"):
        # Only the rule cannot be read, and that of the firmware is known.
        assert outcome["status"] == "changed"
    else:
        assert (outcome["status"], outcome["wrong_logins"]) == ("failed", 0)
    assert changed(site, router) == (outcome["status"] == "changed")


@pytest.mark.parametrize("kind", ["cut", "not_json", "empty", "success_false", "status", "redirect", "cut_body", "wrong_shape"])
def test_what_the_router_does_not_answer_at_once_is_asked_singly(site: RutosSimulator, new_router: NewRouter, kind: str) -> None:
    router = new_router(faults=[{"kind": kind, "path": "/api/bulk", "location": "http://127.0.0.1:9/", "when": "after_change"}])
    assert set_password(router, NEW, router.password)["status"] == "changed"
    assert changed(site, router)


@pytest.mark.parametrize(
    "shape", ["top_list", "top_null", "no_success", "no_data", "data_null", "data_string", "items_strings", "items_null"]
)
def test_several_answers_in_another_shape_are_not_taken(site: RutosSimulator, new_router: NewRouter, shape: str) -> None:
    router = new_router(faults=[{"kind": "wrong_shape", "path": "/api/bulk", "shape": shape, "when": "after_change"}])
    assert set_password(router, NEW, router.password)["status"] == "changed"
    assert changed(site, router)


@pytest.mark.parametrize("away", ["connect_timeout", "hold", "abort"])
def test_a_dead_router_is_offline(site: RutosSimulator, new_router: NewRouter, away: str) -> None:
    router = new_router(reachable=away)
    outcome = set_password(router, NEW, router.password, timeout=1)
    assert (outcome["status"], outcome["reason"], outcome["retryable"]) == ("failed", "offline", True)
    assert not changed(site, router)


def test_a_router_without_an_api_is_told_so(new_router: NewRouter) -> None:
    router = new_router(api=False)
    outcome = set_password(router, NEW, router.password)
    assert (outcome["status"], outcome["reason"]) == ("failed", "no_api")


def test_a_login_that_waits_for_another_is_waited_for(site: RutosSimulator, new_router: NewRouter) -> None:
    router = new_router(login_ms=1500)
    assert set_password(router, NEW, router.password, timeout=1)["status"] == "changed"
    assert changed(site, router)


@pytest.mark.parametrize("expired_blocks_logout", [False, True])
def test_an_expired_password_that_is_not_changed_leaves_no_session_that_could_be_ended(
    site: RutosSimulator, new_router: NewRouter, expired_blocks_logout: bool
) -> None:
    router = new_router("07.18", expired_blocks_logout=expired_blocks_logout)
    site.change(router.serial, expired=True)
    outcome = set_password(router, "lowercase-only", router.password)
    assert outcome["reason"] == "rejected_by_policy"
    assert len(site.truth(router.serial)["open_sessions"]) == expired_blocks_logout
    assert ("session could not be ended" in outcome["message"]) == expired_blocks_logout


def test_a_log_out_that_is_lost_is_sent_again(site: RutosSimulator, new_router: NewRouter) -> None:
    router = new_router(faults=[{"kind": "cut", "path": "/api/logout", "nth": 1}, {"kind": "cut", "path": "/api/logout", "nth": 3}])
    outcome = set_password(router, NEW, router.password)
    assert (outcome["status"], "session" in outcome["message"]) == ("changed", False)
    assert changed(site, router)


# --- lock-out --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lockout", ["refuse", "connect_timeout", "hold", "abort"])
def test_a_lock_out_on_the_way_is_recognised_and_nothing_more_is_sent(site: RutosSimulator, new_router: NewRouter, lockout: str) -> None:
    router = new_router(lockout=lockout, lockout_attempts=1)
    outcome = set_password(router, NEW, WRONG, timeout=1)
    assert (outcome["status"], outcome["reason"], outcome["live"]) == ("failed", "locked_out", None)
    assert not changed(site, router)
    assert sum(entry["status"] == 401 for entry in site.log(router.serial)) <= 2
    assert len(site.log(router.serial)) <= 2


def test_a_router_that_is_locked_already_is_asked_once(site: RutosSimulator, new_router: NewRouter) -> None:
    router = new_router(lockout_attempts=1)
    set_password(router, NEW, WRONG)
    site.forget_log()
    outcome = set_password(router, NEW, router.password)
    assert (outcome["status"], outcome["reason"], outcome["wrong_logins"]) == ("failed", "locked_out", 0)
    assert len(site.log(router.serial)) == 1


def test_a_lock_out_while_the_change_is_found_out_is_unknown(site: RutosSimulator, new_router: NewRouter) -> None:
    router = new_router(lockout_attempts=1, faults=[{"kind": "cut", **CHANGE}])
    outcome = set_password(router, NEW, router.password)
    assert (outcome["status"], outcome["reason"], outcome["live"]) == ("unknown", "locked_out", None)
    assert not changed(site, router)


# --- trust -----------------------------------------------------------------------------------------------------------------------


def test_a_certificate_nobody_vouches_for_stops_everything(site: RutosSimulator, new_router: NewRouter) -> None:
    router = new_router()
    values = {"password": NEW, "current_password": router.password}
    for extra in ({"fingerprint": None}, {"fingerprint": "AB:" * 31 + "AB"}):
        outcome = set_passwords([device(router, **values) | extra])["devices"][0]
        assert (outcome["status"], outcome["reason"]) == ("failed", "certificate")
    assert site.log(router.serial) == []


def test_the_certificate_is_trusted_by_file_or_fingerprint_for_all(site: RutosSimulator, new_router: NewRouter) -> None:
    by_file, by_fingerprint = new_router(), new_router()
    for router, trust in ((by_file, {"ca_path": by_file.ca}), (by_fingerprint, {"fingerprint": str(by_fingerprint.fingerprint).upper()})):
        devices = [device(router, password=NEW, current_password=router.password) | {"fingerprint": None}]
        assert set_passwords(devices, **trust)["devices"][0]["status"] == "changed"


def test_plain_http_that_redirects_is_left_before_anything_secret_is_sent() -> None:
    with RutosSimulator(routers=2, scheme="both") as simulator:
        first, second = simulator.routers
        for router in (first, second):
            redirect = {"redirect_https": router is first}
            simulator.set(router.serial, **redirect)
            devices = [device(router, password=NEW, current_password=router.password) | {"host": router.http_url}]
            assert set_passwords(devices)["devices"][0]["status"] == "changed"
        plain = [entry for entry in simulator.log(first.serial) if entry["status"] == 307]
        assert [(entry["method"], entry["path"], entry["body"]) for entry in plain] == [("GET", "/api/unauthorized/status", "")]


def test_plain_http_that_redirects_elsewhere_is_not_followed() -> None:
    with RutosSimulator(routers=1, scheme="http") as simulator:
        router = simulator.routers[0]
        simulator.set(faults=[{"kind": "redirect", "path": "/api/unauthorized/status", "location": "https://elsewhere.invalid/"}])
        outcome = set_password(router, NEW, router.password)
        assert (outcome["status"], outcome["reason"]) == ("failed", "protocol")
        assert len(simulator.log(router.serial)) == 1


# --- many at once ----------------------------------------------------------------------------------------------------------------


def test_dead_and_slow_routers_hold_nobody_up(site: RutosSimulator, new_router: NewRouter) -> None:
    dead = [new_router(reachable=away) for away in ("connect_timeout", "hold", "abort")]
    slow = [new_router(latency_ms=400)]
    good = [new_router() for _number in range(8)]
    started = time.monotonic()
    devices = [device(router, password=NEW, current_password=router.password) for router in (*dead, *slow, *good)]
    result = set_passwords(devices, timeout=3, parallel=12)
    assert time.monotonic() - started < 3 + 8 * 0.4 + 4
    assert result["summary"] == {"changed": 9, "unchanged": 0, "failed": 3, "unknown": 0}
    assert [changed(site, router) for router in (*dead, *slow, *good)] == [False] * 3 + [True] * 9


@pytest.mark.usefixtures("impatient")
def test_a_router_whose_turn_does_not_come_before_the_deadline_is_not_asked(site: RutosSimulator, new_router: NewRouter) -> None:
    hanging = new_router(faults=[{"kind": "hang", "path": "/api/login", "times": 0}])
    waiting = new_router()
    devices = [device(router, password=NEW, current_password=router.password) for router in (hanging, waiting)]
    outcomes = set_passwords(devices, parallel=1, deadline=1)["devices"]
    assert [(outcome["status"], outcome["reason"]) for outcome in outcomes] == [("failed", "timeout"), ("failed", "timeout")]
    assert site.log(waiting.serial) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_process_told_to_end_leaves_no_session_open(site: RutosSimulator, new_router: NewRouter, number: signal.Signals) -> None:
    identified = new_router(bulk=False, faults=[{"kind": "slow", "path": "/api/system/device/status", "seconds": 1.0}])
    being_changed = new_router(faults=[{"kind": "slow", **CHANGE, "when": "after_change", "seconds": 1.0}])
    waiting = new_router()
    routers = (identified, being_changed, waiting)

    def tell_to_end() -> None:
        wait_for(site, identified, "/api/system/device/status")
        wait_for(site, being_changed, "/api/users/config/")
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=tell_to_end)
    with as_at_a_terminal():
        before = signal.getsignal(number)
        thread.start()
        result = set_passwords([device(router, password=NEW, current_password=router.password) for router in routers], parallel=2)
        thread.join()
        assert signal.getsignal(number) == before

    outcomes = [(outcome["status"], outcome["reason"]) for outcome in result["devices"]]
    assert outcomes == [("failed", "not_sent"), ("unknown", "interrupted"), ("failed", "not_sent")]
    assert [changed(site, router) for router in routers] == [False, True, False]
    assert site.log(waiting.serial) == []


class Permission:
    """May change, the first so many times it is asked."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self) -> bool:
        self.left -= 1
        return self.left >= 0


def test_a_change_that_may_not_be_made_any_more_is_not_sent_and_one_that_left_too_late_is_told(
    site: RutosSimulator, new_router: NewRouter
) -> None:
    """Whenever the time of the run is over: the outcome is true, and a change that left after that moment is known as such."""
    seen = []
    for times in range(10):
        router = new_router()
        outcome = set_passwords(
            [device(router, password=NEW, current_password=router.password)],
            may_change=Permission(times),
        )["devices"][0]
        was_sent = any(entry["method"] == "PUT" for entry in site.log(router.serial))
        assert changed(site, router) == was_sent
        seen.append((outcome["status"], outcome["reason"], outcome["sent_late"]))
        if not was_sent:
            assert seen[-1] == ("failed", "not_sent", False)
    sent = [one for one in seen if one != ("failed", "not_sent", False)]
    # The last look before it leaves, the one when it has left, the one before it is proven.
    assert sent == [("unknown", "interrupted", True), ("unknown", "interrupted", False), *[("changed", "", False)] * (len(sent) - 2)]


def test_the_permission_is_asked_for_when_the_change_leaves_and_not_only_before(
    site: RutosSimulator, new_router: NewRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Change, "_require_run", lambda self: None)
    router = new_router()
    devices = [device(router, password=NEW, current_password=router.password)]
    outcome = set_passwords(devices, may_change=lambda: False)["devices"][0]
    assert (outcome["status"], outcome["reason"], outcome["sent_late"], outcome["live"]) == ("failed", "not_sent", False, "current")
    assert not changed(site, router)
    assert all(entry["method"] != "PUT" for entry in site.log(router.serial))


def test_a_change_goes_out_on_a_connection_that_answered_a_moment_ago_and_never_on_one_that_rested(
    site: RutosSimulator, new_router: NewRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    connect = HTTPSConnection.connect

    def counted(self: HTTPSConnection) -> None:
        opened.append(f"{self.host}:{self.port}")
        connect(self)

    monkeypatch.setattr(HTTPSConnection, "connect", counted)
    for still_open, connections in ((api.STILL_OPEN, 2), (0.0, 3)):
        monkeypatch.setattr(api, "STILL_OPEN", still_open)
        router = new_router()
        assert set_password(router, NEW, router.password)["status"] == "changed"
        assert opened.count(f"127.0.0.1:{router.port}") == connections


def test_results_are_in_the_order_of_the_input_and_unmasked_whatever_the_passwords_are(site: RutosSimulator, new_router: NewRouter) -> None:
    """Installers' habits: a present password that stands in serials, and one that is a word of the results."""
    routers = [new_router("07.05") for _number in range(6)]
    present = ["0000", routers[1].serial, "changed", "new", "current", "false"]
    for router, password in zip(routers, present, strict=True):
        site.change(router.serial, password=password)
    devices = [device(router, password=NEW, current_password=password) for router, password in zip(routers, present, strict=True)]
    result = run_module(router_password.main, via="device", devices=devices, on_device_failure="report")
    assert [(one["status"], one["reason"], one["live"]) for one in result["devices"]] == [("changed", "", "new")] * 6
    assert all(changed(site, router) for router in routers)
    assert result["summary"] == {"changed": 6, "unchanged": 0, "failed": 0, "unknown": 0}


@pytest.mark.parametrize("when", ["before_change", "after_change"])
def test_a_deadline_that_passes_during_the_change_leaves_it_unknown(site: RutosSimulator, new_router: NewRouter, when: str) -> None:
    router = new_router(faults=[{"kind": "hang", **CHANGE, "when": when}])
    outcome = set_password(router, NEW, router.password, deadline=2)
    assert (outcome["status"], outcome["reason"], outcome["live"]) == ("unknown", "timeout", None)
    assert changed(site, router) == (when == "after_change")


# --- the input -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extra", "settings", "text"),
    [
        ({"host": None}, {}, "host is missing"),
        ({"host": "ftp://router"}, {}, "host must be"),
        ({"host": "https://admin:secret-77@router"}, {}, "must not hold a user name"),
        ({"password": None}, {}, "password is missing"),
        ({"serial": " "}, {}, "serial is empty"),
        ({"fingerprint": "ab:cd"}, {}, "no SHA-256 fingerprint"),
        ({"protocol": "ssh", "username": "-x"}, {}, "username cannot be"),
        ({}, {"parallel": 0}, "parallel must be"),
        ({}, {"deadline": 0}, "deadline must be"),
        ({}, {"ca_path": "/does/not/exist"}, "ca_path does not exist"),
        ({}, {"known_hosts": "/does/not/exist"}, "known_hosts does not exist"),
        ({}, {"csv": "x.csv"}, "csv belongs to via=rms"),
        ({}, {"generate": {"length": 8}}, "generate belongs to via=rms"),
    ],
)
def test_bad_input_stops_the_task_before_anything_is_sent(
    site: RutosSimulator, new_router: NewRouter, extra: dict[str, Any], settings: dict[str, Any], text: str
) -> None:
    router = new_router()
    devices = [device(router, password=NEW, current_password=router.password) | extra]
    failure = failure_of(lambda: set_passwords(devices, **settings))
    assert text in failure.msg
    assert "secret-77" not in failure.msg
    assert (failure.result["reason"], failure.result["devices"][0]["reason"]) == ("bad_input", "not_sent")
    assert site.log(router.serial) == []


def test_a_router_or_an_address_named_twice_is_bad_input(new_router: NewRouter) -> None:
    first, second = new_router(), new_router()
    values = {"password": NEW, "current_password": WRONG}
    for extra, text in (({"serial": first.serial}, "serial"), ({"host": f"127.0.0.1:{first.port}"}, "host")):
        devices = [device(first, **values), device(second, **values) | extra]
        assert f"{text} " in failure_of(lambda devices=devices: set_passwords(devices)).msg


def test_a_failed_router_fails_the_task_unless_it_is_only_to_be_told(new_router: NewRouter) -> None:
    good, bad = new_router(), new_router(reachable="abort")
    devices = [device(router, password=NEW, current_password=router.password) for router in (good, bad)]
    failure = failure_of(lambda: set_passwords(devices, on_device_failure="fail"))
    assert "1 of 2 routers (1 changed, 1 failed)" in failure.msg
    assert [outcome["status"] for outcome in failure.result["devices"]] == ["changed", "failed"]
    assert "reason" not in failure.result


# --- whatever happens ------------------------------------------------------------------------------------------------------------

FAULTS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["cut", "not_json", "empty", "success_false", "status", "cut_body", "wrong_shape"]),
        "path": st.sampled_from(
            ["*", "/api/login", "/api/bulk", "/api/users/config*", "/api/system/device/status", "/api/password_policy/config"]
        ),
        "nth": st.integers(1, 8),
        "times": st.sampled_from([1, 1, 2, 0]),
        "when": st.sampled_from(["before_reading", "before_change", "after_change"]),
        "shape": st.sampled_from(["top_list", "top_null", "no_success", "no_data", "data_null", "data_string", "items_strings"]),
        "bytes": st.integers(0, 60),
    }
)


@pytest.fixture(scope="module")
def tortured() -> Any:
    with RutosSimulator(routers=1, firmware="07.18", scheme="http") as simulator:
        yield simulator


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    faults=st.lists(FAULTS, min_size=1, max_size=2),
    current=st.sampled_from(["right", "wrong", "none"]),
    expired=st.booleans(),
    bulk=st.booleans(),
)
def test_whatever_breaks_the_outcome_is_true(
    tortured: RutosSimulator, faults: list[dict[str, Any]], current: str, expired: bool, bulk: bool
) -> None:
    router = tortured.routers[0]
    tortured.set(faults=[], bulk=bulk)
    tortured.change(factory_reset=True, first_login=False, reset_wrong_logins=True, expired=expired)
    tortured.set(faults=faults)
    outcome = set_password(router, NEW, {"right": router.password, "wrong": WRONG, "none": None}[current], timeout=1)
    truth = tortured.truth(router.serial)
    assert truth["wrong_logins"] <= 2
    assert outcome["reason"] in ("", *REASONS)
    if outcome["status"] == "changed":
        assert (truth["password"], outcome["live"]) == (NEW, "new")
    elif outcome["status"] in ("failed", "unchanged"):
        assert truth["password"] == router.password
    else:
        assert outcome["status"] == "unknown"
    if outcome["live"] in ("new", "current"):
        assert truth["password"] == (NEW if outcome["live"] == "new" else router.password)
    # A session can stay open only where the router's answer to a login, or every log-out, was spoiled.
    spoiled = [entry for entry in tortured.log(router.serial)[-20:] if entry["fault"] and entry["path"] in ("/api/login", "/api/logout")]
    assert truth["open_sessions"] == [] or spoiled


def test_no_secret_is_in_any_outcome(site: RutosSimulator, new_router: NewRouter, tmp_path: Path) -> None:
    canary, current = 'Canary-"7\\<&é', 'Old-"7\\<&é-Canary'
    router = new_router(refused_symbols="é")
    site.change(router.serial, password=current)
    outcome = set_password(router, canary, current)
    assert outcome["status"] == "failed"
    assert "Canary" not in str(outcome)
