# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the simulated routers answer: log-in, sessions, password changes, policy, first login, expiry, bulk, ubus."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from simulators.rutos import RutosSimulator, SimulatedRouter

PRESETS = ("07.05", "07.10", "07.12", "07.13", "07.15", "07.18", "07.21")
GOOD = "Vexing-42-Harbour"
NO_SPECIAL = "Vexing42Harbour"
WITH_POLICY = tuple(preset for preset in PRESETS if preset >= "07.11")


class Api:
    """A router's API as one client sees it."""

    def __init__(self, router: SimulatedRouter) -> None:
        self.router = router
        self.token = ""

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        answer = requests.request(method, f"{self.router.url}{path}", json=body, headers=headers, timeout=10, **options)
        return answer.status_code, answer.json()

    def log_in(self, password: str, username: str = "admin") -> tuple[int, Any]:
        status, body = self.call("POST", "/api/login", {"username": username, "password": password})
        if status == 200:
            self.token = body["data"]["token"]
        return status, body

    def admin_id(self, username: str = "admin") -> str:
        status, body = self.call("GET", "/api/users/config")
        assert status == 200
        return str(next(user["id"] for user in body["data"] if user["username"] == username))

    def put(self, user_id: str, **data: str) -> tuple[int, Any]:
        return self.call("PUT", f"/api/users/config/{user_id}", {"data": data})

    def change(self, current: str, new: str, confirm: str | None = None) -> tuple[int, Any]:
        return self.put(self.admin_id(), current_password=current, password=new, password_confirm=new if confirm is None else confirm)

    def first_login(self, password: str, confirm: str | None = None, **more: str) -> tuple[int, Any]:
        data = {"password": password, "password_confirm": password if confirm is None else confirm, **more}
        return self.call("POST", "/api/system/actions/change_password_firstlogin", {"data": data})


def codes(body: Any) -> list[tuple[int, str]]:
    assert body["success"] is False
    return [(error["code"], error["source"]) for error in body["errors"]]


@pytest.fixture(scope="module")
def fleet() -> Iterator[RutosSimulator]:
    """One router per preset. Tests put back what they changed: every one starts from a factory reset."""
    with RutosSimulator(routers=len(PRESETS), firmware=PRESETS, scheme="http", seed=3) as simulator:
        yield simulator


@pytest.fixture
def simulator(fleet: RutosSimulator) -> Iterator[RutosSimulator]:
    fleet.change(factory_reset=True, first_login=False)
    yield fleet
    switches = dict.fromkeys(fleet.switches()["everywhere"])
    fleet.set(**switches)
    for router in fleet.routers:
        fleet.set(router.serial, **switches)


def api_of(simulator: RutosSimulator, preset: str) -> Api:
    return Api(next(router for router in simulator.routers if f".{preset}." in router.firmware))


@pytest.fixture
def api(simulator: RutosSimulator) -> Api:
    """A router on 07.13, logged in."""
    result = api_of(simulator, "07.13")
    assert result.log_in(result.router.password)[0] == 200
    return result


# --- log-in and sessions -------------------------------------------------------------------------------------------------------------


def test_log_in_gives_a_token_that_opens_the_api_until_log_out(api: Api) -> None:
    assert api.call("GET", "/api/session/status") == (200, {"success": True, "data": {"username": "admin", "active": True}})
    assert api.call("POST", "/api/logout") == (200, {"success": True, "data": {"response": "Logout successful"}})
    status, body = api.call("GET", "/api/session/status")
    assert (status, codes(body)) == (401, [(123, "Authorization")])


def test_log_in_answer_has_the_documented_fields(simulator: RutosSimulator) -> None:
    api = api_of(simulator, "07.13")
    _status, body = api.log_in(api.router.password)
    assert {key: body["data"][key] for key in ("username", "group", "expires")} == {"username": "admin", "group": "root", "expires": 299}
    simulator.set(login_group=False)
    assert "group" not in api.log_in(api.router.password)[1]["data"]


@pytest.mark.parametrize(
    "body", [{}, {"username": "admin"}, {"password": "x"}, {"username": 1, "password": "x"}, {"username": "admin", "password": []}]
)
def test_log_in_without_usable_credentials_is_400_and_counts_nothing(simulator: RutosSimulator, body: dict[str, Any]) -> None:
    api = api_of(simulator, "07.13")
    before = simulator.truth(api.router.serial)["wrong_logins_total"]
    status, answer = api.call("POST", "/api/login", body)
    assert (status, codes(answer)) == (400, [(120, "Authorization")])
    assert simulator.truth(api.router.serial)["wrong_logins_total"] == before


@pytest.mark.parametrize(("username", "password"), [("admin", "wrong"), ("root", "the right one"), ("nobody", "x")])
def test_wrong_credentials_are_401_and_counted(simulator: RutosSimulator, username: str, password: str) -> None:
    api = api_of(simulator, "07.13")
    simulator.change(api.router.serial, reset_wrong_logins=True)
    status, body = api.log_in(api.router.password if username == "root" else password, username)
    assert (status, codes(body)) == (401, [(120, "Authorization")])
    assert body["errors"][0]["error"] == "Invalid username and/or password! Please try again."
    assert simulator.truth(api.router.serial)["wrong_logins"] == 1


def test_only_post_logs_in(simulator: RutosSimulator) -> None:
    status, body = api_of(simulator, "07.13").call("GET", "/api/login")
    assert (status, codes(body)) == (501, [(122, "Request")])


def test_missing_and_unknown_tokens_are_told_apart(simulator: RutosSimulator) -> None:
    api = api_of(simulator, "07.13")
    assert codes(api.call("GET", "/api/users/config")[1]) == [(121, "Authorization")]
    api.token = "0" * 32
    assert codes(api.call("GET", "/api/users/config")[1]) == [(123, "Authorization")]


@pytest.mark.parametrize(("position", "expected"), [("sliding", 200), ("fixed", 401)])
def test_a_token_dies_of_idleness_or_of_age(simulator: RutosSimulator, api: Api, position: str, expected: int) -> None:
    simulator.set(session_expiry=position)
    simulator.advance(200)
    assert api.call("GET", "/api/session/status")[0] == 200
    simulator.advance(200)
    assert api.call("GET", "/api/session/status")[0] == expected
    simulator.advance(301)
    assert api.call("GET", "/api/session/status")[0] == 401
    assert simulator.truth(api.router.serial)["open_sessions"] == []


def test_parallel_log_ins_wait_for_each_other(simulator: RutosSimulator) -> None:
    api = api_of(simulator, "07.13")
    simulator.set(login_ms=150.0)
    threads = [threading.Thread(target=Api(api.router).log_in, args=(api.router.password,)) for _unused in range(3)]
    simulator.forget_log()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(entry["seconds"] for entry in simulator.log(api.router.serial)) >= 0.4
    assert simulator.truth(api.router.serial)["most_logins_at_once"] == 3


def test_a_lock_left_behind_delays_a_log_in(simulator: RutosSimulator) -> None:
    api = api_of(simulator, "07.13")
    simulator.set(stale_login_lock=True, login_lock_stale=0.3)
    simulator.forget_log()
    assert api.log_in(api.router.password)[0] == 200
    assert simulator.log()[0]["seconds"] >= 0.3


# --- who it is -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_unauthorized_status_has_the_shape_of_its_time(simulator: RutosSimulator, preset: str) -> None:
    api = api_of(simulator, preset)
    new = {"device_name", "device_model", "api_version", "device_identifier", "security_banner", "lang"}
    old = {"device_name", "api_version"}
    assert set(api.call("GET", "/api/unauthorized/status")[1]["data"]) == (new if preset >= "07.11" else old)
    simulator.set(unauthorized_shape="old")
    assert set(api.call("GET", "/api/unauthorized/status")[1]["data"]) == old


def test_device_status_tells_the_serial_and_the_firmware(api: Api) -> None:
    data = api.call("GET", "/api/system/device/status")[1]["data"]
    assert data["mnfinfo"]["serial"] == api.router.serial
    assert data["static"]["fw_version"] == api.router.firmware == "RUTX_R_00.07.13.2"


def test_device_status_can_lie_and_lack(simulator: RutosSimulator, api: Api) -> None:
    simulator.set(api.router.serial, answers_serial="9999999999")
    assert api.call("GET", "/api/system/device/status")[1]["data"]["mnfinfo"]["serial"] == "9999999999"
    simulator.set(device_status="numeric_serial")
    assert api.call("GET", "/api/system/device/status")[1]["data"]["mnfinfo"]["serial"] == 9999999999
    simulator.set(device_status="no_mnfinfo")
    assert "mnfinfo" not in api.call("GET", "/api/system/device/status")[1]["data"]
    simulator.set(device_status="no_static")
    assert "static" not in api.call("GET", "/api/system/device/status")[1]["data"]


@pytest.mark.parametrize("prefix", ["/api/v1", "/api/v12"])
def test_version_prefixes_are_stripped(api: Api, prefix: str) -> None:
    assert api.call("GET", f"{prefix}/system/device/status")[0] == 200
    assert api.put("x", password=GOOD)[0] == 422


def test_unknown_paths_and_absent_api(simulator: RutosSimulator, api: Api) -> None:
    status, body = api.call("GET", "/api/no/such/thing")
    assert (status, codes(body)) == (404, [(122, "Request")])
    simulator.set(api=False)
    answer = requests.post(f"{api.router.url}/api/login", json={}, timeout=10)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")


def test_session_status_came_with_07_08(simulator: RutosSimulator) -> None:
    api = api_of(simulator, "07.05")
    api.log_in(api.router.password)
    assert api.call("GET", "/api/session/status")[0] == 404


# --- changing a password -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_a_change_moves_admin_and_root_and_ends_other_sessions(simulator: RutosSimulator, preset: str) -> None:
    api, other = api_of(simulator, preset), api_of(simulator, preset)
    api.log_in(api.router.password)
    other.log_in(api.router.password)
    status, body = api.change(api.router.password, GOOD)
    assert (status, body["success"], set(body["data"])) == (200, True, {"id", "username", "group"})
    truth = simulator.truth(api.router.serial)
    assert truth["password"] == truth["root_password"] == GOOD
    assert [(entry["user"], entry["old"], entry["stored"]) for entry in truth["audit"][-2:]] == [
        ("admin", api.router.password, GOOD),
        ("root", api.router.password, GOOD),
    ]
    assert api.call("GET", "/api/users/config")[0] == 200
    assert other.call("GET", "/api/users/config")[0] == 401
    assert api.log_in(api.router.password)[0] == 401
    assert api.log_in(GOOD)[0] == 200


def test_answers_never_hold_a_password_and_ids_differ_between_routers(simulator: RutosSimulator) -> None:
    ids = set()
    for preset in PRESETS:
        api = api_of(simulator, preset)
        api.log_in(api.router.password)
        ids.add(api.admin_id())
        assert "password" not in str(api.call("GET", "/api/users/config")[1])
    assert len(ids) == len(PRESETS)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, {(103, "password"), (103, "password_confirm"), (103, "current_password")}),
        ({"password": GOOD, "password_confirm": GOOD}, {(103, "current_password")}),
        ({"password": GOOD, "password_confirm": GOOD + "x", "current_password": "{current}"}, {(103, "password_confirm")}),
        ({"password": "short", "password_confirm": "short", "current_password": "{current}"}, {(103, "password")}),
        ({"password": GOOD, "password_confirm": GOOD, "current_password": "wrong"}, {(1, "current_password")}),
        ({"password": "{current}", "password_confirm": "{current}", "current_password": "{current}"}, {(6, "password")}),
    ],
)
def test_refused_changes(simulator: RutosSimulator, api: Api, data: dict[str, str], expected: set[tuple[int, str]]) -> None:
    filled = {name: value.format(current=api.router.password) for name, value in data.items()}
    status, body = api.put(api.admin_id(), **filled)
    assert (status, set(codes(body))) == (422, expected)
    assert simulator.truth(api.router.serial)["password"] == api.router.password


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("policy,rights,current,same", 103),
        ("rights,current,same,policy", 1),
        ("current,policy,rights,same", 1),
        ("same,rights,current,policy", 1),
    ],
)
def test_the_order_of_checks_is_a_switch(simulator: RutosSimulator, api: Api, order: str, expected: int) -> None:
    simulator.set(check_order=order)
    assert codes(api.change("wrong", "short")[1])[0][0] == expected


@pytest.mark.parametrize(("position", "counted"), [(False, 0), (True, 1)])
def test_a_wrong_current_password_may_count_as_a_wrong_log_in(simulator: RutosSimulator, api: Api, position: bool, counted: int) -> None:
    simulator.set(wrong_current_counts=position)
    simulator.change(api.router.serial, reset_wrong_logins=True)
    api.change("wrong", GOOD)
    assert simulator.truth(api.router.serial)["wrong_logins"] == counted


@pytest.mark.parametrize("echo", [True, False])
def test_errors_echo_the_refused_password_or_not(simulator: RutosSimulator, api: Api, echo: bool) -> None:
    simulator.set(echo_value=echo)
    for body in (api.change(api.router.password, "canary")[1], api.change("canary", GOOD)[1]):
        assert [error.get("value") for error in body["errors"]] == (["canary"] if echo else [None])


def test_users_without_rights_and_other_peoples_passwords(simulator: RutosSimulator) -> None:
    viewer, manager, admin = (api_of(simulator, "07.13") for _unused in range(3))
    users = simulator.truth(admin.router.serial)["users"]
    viewer.log_in(users["viewer"]["password"], "viewer")
    assert viewer.call("GET", "/api/users/config")[0] == 403
    status, body = viewer.put(users["admin"]["id"], current_password=admin.router.password, password=GOOD, password_confirm=GOOD)
    assert (status, codes(body)) == (403, [(120, "Authorization")])
    manager.log_in(users["manager"]["password"], "manager")
    status, body = manager.put(users["admin"]["id"], current_password=admin.router.password, password=GOOD, password_confirm=GOOD)
    assert (status, codes(body)) == (422, [(5, "password")])
    admin.log_in(admin.router.password)
    status, body = admin.put(users["viewer"]["id"], current_password=admin.router.password, password=GOOD, password_confirm=GOOD)
    assert (status, codes(body)) == (422, [(103, "current_password")])
    assert admin.put(users["viewer"]["id"], password=GOOD, password_confirm=GOOD)[0] == 200
    assert viewer.call("GET", "/api/session/status")[0] == 401
    assert simulator.truth(admin.router.serial)["password"] == admin.router.password


def test_an_unknown_id_and_bodies_that_are_none(simulator: RutosSimulator, api: Api) -> None:
    status, body = api.put("cfg000000", password=GOOD)
    assert (status, codes(body)) == (422, [(113, "Request")])
    path = f"/api/users/config/{api.admin_id()}"
    assert codes(api.call("PUT", path, {})[1]) == [(107, "Request")]
    headers = {"Authorization": f"Bearer {api.token}"}
    answer = requests.put(f"{api.router.url}{path}", data=b"not JSON", headers=headers, timeout=10)
    assert (answer.status_code, codes(answer.json())) == (400, [(122, "Request")])


@pytest.mark.parametrize(("length", "expected"), [(100 * 1024 - 100, 422), (100 * 1024 + 1, 413)])
def test_bodies_over_100_kilobytes_are_refused(api: Api, length: int, expected: int) -> None:
    status, body = api.put(api.admin_id(), password="x" * length)
    assert status == expected
    assert expected != 413 or body["errors"][0]["code"] == 150


def test_a_router_may_keep_only_part_of_a_password(simulator: RutosSimulator, api: Api) -> None:
    simulator.set(store_truncated=8)
    assert api.change(api.router.password, GOOD)[0] == 200
    assert api.log_in(GOOD)[0] == 401
    assert api.log_in(GOOD[:8])[0] == 200


# --- policy --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_the_policy_end_point_came_with_07_11_and_special_with_07_13(simulator: RutosSimulator, preset: str) -> None:
    api = api_of(simulator, preset)
    api.log_in(api.router.password)
    status, body = api.call("GET", "/api/password_policy/config")
    if preset in WITH_POLICY:
        section = body["data"][0]
        assert section["require_special"] == ("1" if preset >= "07.13" else "0")
        assert all(isinstance(value, str) for value in section.values())
    else:
        assert (status, codes(body)) == (404, [(122, "Request")])
    assert api.change(api.router.password, NO_SPECIAL)[0] == (422 if preset >= "07.13" else 200)


def test_the_policy_can_be_set_and_is_enforced(simulator: RutosSimulator, api: Api) -> None:
    wanted = {"password_length": "20", "require_special": "0", "require_digits": "0", "require_lower_upper": "0", "password_lifetime": "30"}
    assert api.call("PUT", "/api/password_policy/config", {"data": [{"id": "general", **wanted}]})[0] == 200
    _status, body = api.change(api.router.password, "a" * 19)
    assert body["errors"][0]["error"] == "A password of minimum 20 characters and maximum 4094 characters is accepted."
    assert api.change(api.router.password, "a" * 20)[0] == 200
    status, body = api.call("PUT", "/api/password_policy/config", {"data": {"password_length": "7", "password_lifetime": "366"}})
    assert (status, codes(body)) == (422, [(103, "password_length"), (103, "password_lifetime")])


@pytest.mark.parametrize(
    ("password", "accepted"),
    [
        ("Aa1!aaa", False),
        ("Aa1!aaaa", True),
        ("aa1!aaaa", False),
        ("AA1!AAAA", False),
        ("Aaa!aaaa", False),
        ("Aa1 aaaa", False),
        ("Aa1äaaaa", False),
        ("Aa1!" + "a" * 252, True),
        ("Aa1!" + "a" * 253, False),
    ],
)
def test_the_rule_of_07_13(api: Api, password: str, accepted: bool) -> None:
    status, body = api.change(api.router.password, password)
    assert status == (200 if accepted else 422)
    assert accepted or body["errors"][0]["error"] == (
        "A password of minimum 8 characters and maximum 4094 characters, "
        "at least one uppercase letter, one lowercase letter, one number, one special character is accepted."
    )


def test_an_upgraded_router_may_keep_the_older_rule_and_refuse_symbols(simulator: RutosSimulator, api: Api) -> None:
    simulator.set(policy_special="off", refused_symbols="~")
    assert api.call("GET", "/api/password_policy/config")[1]["data"][0]["require_special"] == "0"
    assert api.change(api.router.password, NO_SPECIAL + "~")[0] == 422
    assert api.change(api.router.password, NO_SPECIAL)[0] == 200


# --- first login, expired ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_first_login(simulator: RutosSimulator, preset: str) -> None:
    api = api_of(simulator, preset)
    simulator.change(api.router.serial, first_login=True)
    api.log_in(api.router.password)
    assert api.call("GET", "/api/system/config/general")[1]["data"]["firstlogin"] == "1"
    status, body = api.first_login(GOOD)
    if preset == "07.05":
        assert (status, codes(body)) == (404, [(122, "Request")])
        assert api.change(api.router.password, GOOD)[0] == 200
    else:
        assert (status, body) == (200, {"success": True})
        status, body = api.first_login("Other-42-Harbour")
        ending = " and password is not expired." if preset >= "07.11" else "."
        assert (status, body["errors"][0]["error"]) == (422, f"First login is already done{ending}")
    truth = simulator.truth(api.router.serial)
    assert (truth["password"], truth["root_password"], truth["first_login"]) == (GOOD, GOOD, False)


def test_refused_first_log_ins(simulator: RutosSimulator, api: Api) -> None:
    simulator.change(api.router.serial, first_login=True)
    assert codes(api.first_login(GOOD, "other")[1]) == [(103, "Validation")]
    assert codes(api.first_login(GOOD, current_password=api.router.password)[1]) == [(103, "current_password")]
    assert codes(api.first_login("short")[1]) == [(103, "password")]
    assert codes(api.first_login(api.router.password)[1]) == [(1, "password")]
    assert simulator.truth(api.router.serial)["first_login"] is True


@pytest.mark.parametrize(("enforced", "expected"), [(False, 200), (True, 403)])
def test_first_login_may_shut_the_rest_with_125(simulator: RutosSimulator, api: Api, enforced: bool, expected: int) -> None:
    simulator.set(enforce_first_login=enforced)
    simulator.change(api.router.serial, first_login=True)
    status, body = api.call("GET", "/api/users/config")
    assert status == expected
    assert not enforced or codes(body) == [(125, "Authorization")]
    assert api.first_login(GOOD)[0] == 200
    assert api.call("GET", "/api/users/config")[0] == 200


@pytest.mark.parametrize("preset", PRESETS)
def test_an_expired_password_shuts_the_rest_from_07_15(simulator: RutosSimulator, preset: str) -> None:
    api = api_of(simulator, preset)
    simulator.change(api.router.serial, expired=True)
    assert api.log_in(api.router.password)[0] == 200
    status, body = api.call("GET", "/api/users/config")
    assert status == (403 if preset >= "07.15" else 200)
    assert preset < "07.15" or codes(body) == [(124, "Authorization")]
    for path in (
        "/ui/config/menu",
        "/users/acls/options",
        "/system/device/packages/status",
        "/system/config/general",
        "/system/device/status",
    ):
        assert api.call("GET", f"/api{path}")[0] == 200
    if preset in WITH_POLICY:
        assert api.call("GET", "/api/password_policy/config")[1]["data"][0]["current_days_left"] == "0"
        assert api.first_login(GOOD)[0] == 200
        assert api.call("GET", "/api/users/config")[0] == 200
        assert simulator.truth(api.router.serial)["password_expired"] is False


@pytest.mark.parametrize(("blocks", "expected"), [(False, 200), (True, 403)])
def test_log_out_with_an_expired_password_is_a_switch(simulator: RutosSimulator, blocks: bool, expected: int) -> None:
    api = api_of(simulator, "07.15")
    simulator.set(expired_blocks_logout=blocks)
    simulator.change(api.router.serial, expired=True)
    api.log_in(api.router.password)
    assert api.call("POST", "/api/logout")[0] == expected


def test_passwords_age_with_the_clock(simulator: RutosSimulator) -> None:
    api = api_of(simulator, "07.21")
    simulator.change(api.router.serial, policy={"lifetime_days": 1})
    simulator.advance(86_300)
    assert simulator.truth(api.router.serial)["password_expired"] is False
    simulator.advance(200)
    assert simulator.truth(api.router.serial)["password_expired"] is True


# --- the rest ------------------------------------------------------------------------------------------------------------------------


def test_bulk_keeps_order_and_succeeds_around_failures(api: Api) -> None:
    entries = [{"endpoint": "/api/no/such", "method": "GET"}, {"endpoint": "/api/session/status", "method": "GET"}]
    status, body = api.call("POST", "/api/bulk", {"data": entries})
    assert (status, body["success"], [one["success"] for one in body["data"]]) == (207, True, [False, True])
    assert api.call("POST", "/api/bulk", {"data": entries * 51})[0] == 422


def ubus(api: Api, session: str, *call: Any) -> Any:
    request = {"jsonrpc": "2.0", "id": 1, "method": "call", "params": [session, *call]}
    return requests.post(f"{api.router.url}/ubus", json=request, timeout=10)


@pytest.mark.parametrize("preset", PRESETS)
def test_ubus_is_there_up_to_07_17(simulator: RutosSimulator, preset: str) -> None:
    api = api_of(simulator, preset)
    good = {"username": "root", "password": api.router.password}
    assert ubus(api, "0" * 32, "session", "login", good).status_code == (404 if preset >= "07.18" else 200)
    simulator.set(ubus="on")
    assert ubus(api, "0" * 32, "session", "login", {**good, "password": "wrong"}).json()["result"] == [6]
    assert ubus(api, "0" * 32, "rpc-sys", "password_set", {}).json()["error"]["code"] == -32002
    session = ubus(api, "0" * 32, "session", "login", good).json()["result"][1]["ubus_rpc_session"]
    weak = ubus(api, session, "rpc-sys", "password_set", {"user": "root", "password": "weak"}).json()["result"]
    truth = simulator.truth(api.router.serial)
    applies_policy = "07.11" <= preset < "07.20"
    assert truth["root_password"] == (api.router.password if applies_policy else "weak")
    assert truth["password"] == api.router.password
    assert weak == ([0, {"res": "0"}] if preset >= "07.20" else [0])
    simulator.set(ubus_refusal="status")
    if applies_policy:
        assert ubus(api, session, "rpc-sys", "password_set", {"user": "root", "password": "weak"}).json()["result"] == [9]


@pytest.mark.parametrize(("keeps", "expected"), [(True, 200), (False, 401)])
def test_sessions_may_outlive_a_change_from_outside(simulator: RutosSimulator, api: Api, keeps: bool, expected: int) -> None:
    simulator.set(external_change_keeps_sessions=keeps)
    simulator.change(api.router.serial, password=GOOD, by="rms")
    assert api.call("GET", "/api/session/status")[0] == expected
    truth = simulator.truth(api.router.serial)
    assert (truth["password"], truth["root_password"], truth["audit"][-1]["by"]) == (GOOD, GOOD, "rms")


def test_a_factory_reset_brings_back_the_label_password(simulator: RutosSimulator, api: Api) -> None:
    api.change(api.router.password, GOOD)
    simulator.change(api.router.serial, factory_reset=True)
    truth = simulator.truth(api.router.serial)
    assert truth["password"] == truth["root_password"] == truth["label_password"] == api.router.password
    assert (truth["first_login"], truth["open_sessions"]) == (True, [])
