# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The simulated routers on the wire: lock-out, faults, TLS, redirects, and the process itself."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest
import requests

from simulators.kit.process import SimulatorFailed
from simulators.rutos import RutosSimulator, SimulatedRouter

TESTS = Path(__file__).resolve().parents[2]
NEW = "Vexing-42-Harbour"


def log_in(router: SimulatedRouter, password: str | None = None, timeout: float = 5.0) -> requests.Response:
    body = {"username": router.username, "password": router.password if password is None else password}
    return requests.post(f"{router.url}/api/login", json=body, timeout=timeout)


def change(router: SimulatedRouter) -> requests.Response:
    headers = {"Authorization": f"Bearer {log_in(router).json()['data']['token']}"}
    users = requests.get(f"{router.url}/api/users/config", headers=headers, timeout=5).json()["data"]
    user_id = next(user["id"] for user in users if user["username"] == "admin")
    data = {"current_password": router.password, "password": NEW, "password_confirm": NEW}
    return requests.put(f"{router.url}/api/users/config/{user_id}", json={"data": data}, headers=headers, timeout=1)


@pytest.fixture(scope="module")
def fleet() -> Iterator[RutosSimulator]:
    with RutosSimulator(routers=2, firmware=["07.13", "07.05"], scheme="http") as simulator:
        yield simulator


@pytest.fixture
def simulator(fleet: RutosSimulator) -> Iterator[RutosSimulator]:
    fleet.change(factory_reset=True, first_login=False, reset_wrong_logins=True)
    yield fleet
    fleet.set(**dict.fromkeys(fleet.switches()["everywhere"]))


def block(simulator: RutosSimulator, router: SimulatedRouter) -> None:
    """Ten wrong log-ins; the tenth is still answered, whatever happens to the next."""
    assert [log_in(router, "wrong").status_code for _unused in range(10)] == [401] * 10
    assert simulator.truth(router.serial)["blocked_until"] is not None


def test_ten_wrong_log_ins_block_for_10_then_30_then_60_minutes(simulator: RutosSimulator) -> None:
    router = simulator.routers[0]
    for minutes in (10, 30, 60, 60):
        block(simulator, router)
        assert log_in(router).json()["errors"][0]["error"] == "Login failed"
        simulator.advance(minutes * 60 - 5)
        assert log_in(router).status_code == 401
        simulator.advance(5)
        assert log_in(router).status_code == 200
    assert simulator.truth(router.serial)["wrong_logins"] == 40


def test_a_good_log_in_clears_the_count(simulator: RutosSimulator) -> None:
    router = simulator.routers[0]
    for _unused in range(3):
        assert [log_in(router, "wrong").status_code for _unused in range(9)] == [401] * 9
        assert log_in(router).status_code == 200


def test_before_07_07_a_block_has_no_end_but_an_unblock(simulator: RutosSimulator) -> None:
    router = simulator.routers[1]
    block(simulator, router)
    assert simulator.truth(router.serial)["blocked_until"] == "forever"
    simulator.advance(10_000_000)
    assert log_in(router).status_code == 401
    simulator.change(router.serial, unblock=True)
    assert log_in(router).status_code == 200


@pytest.mark.parametrize(
    ("position", "error"),
    [("connect_timeout", requests.ConnectTimeout), ("hold", requests.ReadTimeout), ("abort", requests.ConnectionError)],
)
def test_a_block_may_drop_connections_until_it_ends(simulator: RutosSimulator, position: str, error: type[Exception]) -> None:
    router = simulator.routers[0]
    simulator.set(lockout=position)
    block(simulator, router)
    with pytest.raises(error):
        log_in(router, timeout=0.5)
    simulator.advance(600)
    assert log_in(router).status_code == 200


def test_a_block_silences_connections_from_before_it(simulator: RutosSimulator) -> None:
    router = simulator.routers[0]
    simulator.set(lockout="connect_timeout")
    with requests.Session() as session:
        session.get(f"{router.url}/api/unauthorized/status", timeout=5)
        block(simulator, router)
        with pytest.raises(requests.ReadTimeout):
            session.get(f"{router.url}/api/unauthorized/status", timeout=0.5)


@pytest.mark.parametrize("position", ["connect_timeout", "hold", "abort"])
def test_a_router_can_be_away_while_the_others_are_there(simulator: RutosSimulator, position: str) -> None:
    away, there = simulator.routers
    simulator.set(away.serial, reachable=position)
    with pytest.raises((requests.Timeout, requests.ConnectionError)):
        log_in(away, timeout=0.5)
    assert log_in(there).status_code == 200
    simulator.set(away.serial, reachable=None)
    assert log_in(away).status_code == 200


CHANGE = {"method": "PUT", "path": "/api/users/config/*"}


@pytest.mark.parametrize(
    ("fault", "changed"),
    [
        ({"kind": "cut", "when": "before_reading"}, False),
        ({"kind": "cut", "when": "before_change"}, False),
        ({"kind": "cut", "when": "after_change"}, True),
        ({"kind": "cut", "when": "after_change", "how": "close"}, True),
        ({"kind": "hang", "when": "before_change"}, False),
        ({"kind": "hang", "when": "after_change"}, True),
        ({"kind": "cut_body", "bytes": 12}, True),
    ],
)
def test_lost_answers_tell_nothing_of_the_change(simulator: RutosSimulator, fault: dict[str, Any], changed: bool) -> None:
    router = simulator.routers[0]
    simulator.set(faults=[{**CHANGE, **fault}])
    with pytest.raises(requests.RequestException):
        change(router)
    truth = simulator.truth(router.serial)
    assert truth["password"] == truth["root_password"] == (NEW if changed else router.password)
    simulator.change(factory_reset=True)
    assert change(router).status_code == 200


@pytest.mark.parametrize("when", ["before_change", "after_change"])
@pytest.mark.parametrize(
    ("fault", "status", "content"),
    [
        ({"kind": "status", "status": 502}, 502, "application/json"),
        ({"kind": "not_json"}, 200, "text/html"),
        ({"kind": "empty"}, 200, "application/json"),
        ({"kind": "success_false"}, 200, "application/json"),
    ],
)
def test_wrong_answers_tell_nothing_of_the_change(
    simulator: RutosSimulator, fault: dict[str, Any], status: int, content: str, when: str
) -> None:
    router = simulator.routers[0]
    simulator.set(faults=[{**CHANGE, **fault, "when": when}])
    answer = change(router)
    assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (status, content)
    assert simulator.truth(router.serial)["password"] == (NEW if when == "after_change" else router.password)


def test_faults_aim_at_one_request_of_one_router(simulator: RutosSimulator) -> None:
    hit, spared = simulator.routers
    simulator.set(hit.serial, faults=[{"kind": "status", "path": "/api/login", "nth": 2, "times": 1}])
    assert [log_in(hit).status_code for _unused in range(3)] == [200, 503, 200]
    assert [log_in(spared).status_code for _unused in range(3)] == [200] * 3
    simulator.set(hit.serial, faults=None)


def test_answers_can_be_late_and_slow(simulator: RutosSimulator) -> None:
    router = simulator.routers[0]
    for latency, slowness in ((300.0, 0.0), (0.0, 0.3)):
        simulator.set(latency_ms=latency, slow_answer=slowness)
        began = time.monotonic()
        assert log_in(router).json()["success"] is True
        assert time.monotonic() - began >= 0.29


def test_the_log_names_what_was_asked(simulator: RutosSimulator) -> None:
    router = simulator.routers[0]
    simulator.forget_log()
    log_in(router, "wrong")
    log_in(router)
    entries = simulator.log(router.serial)
    assert [(entry["method"], entry["path"], entry["status"], entry["user"]) for entry in entries] == [
        ("POST", "/api/login", 401, None),
        ("POST", "/api/login", 200, "admin"),
    ]
    assert json.loads(entries[0]["body"])["password"] == "wrong"


@pytest.mark.parametrize("switches", [{"no_such": 1}, {"check_order": "same"}, {"echo_value": "perhaps"}, {"faults": [{"kind": "odd"}]}])
def test_wrong_switches_are_refused(simulator: RutosSimulator, switches: dict[str, Any]) -> None:
    with pytest.raises(SimulatorFailed):
        simulator.set(**switches)


# --- TLS -----------------------------------------------------------------------------------------------------------------------------


def test_certificates_are_self_signed_and_their_fingerprint_is_told() -> None:
    with RutosSimulator(routers=2, certificate_per_router=True, seed=5) as simulator:
        first, second = simulator.routers
        assert first.ca is not None
        assert first.fingerprint != second.fingerprint
        assert requests.get(f"{first.url}/api/unauthorized/status", verify=first.ca, timeout=5).status_code == 200
        for authority in (second.ca, True):
            with pytest.raises(requests.exceptions.SSLError):
                requests.get(f"{first.url}/api/unauthorized/status", timeout=5, verify=authority)
        certificate = ssl.get_server_certificate((first.host, first.port))
        assert certificate == Path(first.ca).read_text()


def test_one_certificate_may_serve_all_and_plain_http_redirects() -> None:
    with RutosSimulator(routers=2, scheme="both") as simulator:
        first, second = simulator.routers
        assert (first.ca, first.fingerprint) == (second.ca, second.fingerprint)
        answer = requests.post(f"{second.http_url}/api/login", json={}, allow_redirects=False, timeout=5)
        assert (answer.status_code, answer.headers["Location"]) == (307, f"{second.url}/api/login")
        simulator.set(redirect_https=False)
        assert requests.get(f"{second.http_url}/api/unauthorized/status", timeout=5).json()["success"] is True


@pytest.mark.parametrize("kind", ["expired", "wrong_name"])
def test_certificates_can_be_bad(kind: str) -> None:
    with RutosSimulator(certificate=kind) as simulator:
        router = simulator.routers[0]
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(f"{router.url}/api/unauthorized/status", verify=router.ca, timeout=5)


# --- the process ---------------------------------------------------------------------------------------------------------------------


def test_routers_can_be_given() -> None:
    given = [{"serial": "0012345678", "password": NEW, "firmware": "07.06.20", "model": "RUT950"}, {"firmware": "07.21"}]
    with RutosSimulator(given, scheme="http", state="first_login") as simulator:
        first, second = simulator.routers
        assert (first.serial, first.password, first.firmware) == ("0012345678", NEW, "RUT9_R_00.07.06.20")
        assert second.firmware == "RUTX_R_00.07.21.1"
        assert all(router["first_login"] for router in simulator.truth().values())


def test_the_same_seed_makes_the_same_routers() -> None:
    told = []
    for seed in (3, 3, 4):
        with RutosSimulator(routers=2, scheme="http", seed=seed) as simulator:
            told.append([(router.serial, router.password, simulator.truth(router.serial)["users"]) for router in simulator.routers])
    assert told[0] == told[1] != told[2]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "simulators.rutos", *words], cwd=TESTS, capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize("words", [["--firmware", "later"], ["--model", "TOASTER"]])
def test_nonsense_on_the_command_line_is_explained(words: list[str]) -> None:
    ended = run(*words)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert words[1] in ended.stderr


def test_help_tells_every_switch_with_its_grade() -> None:
    text = run("--help").stdout
    assert "--wrong-current-counts" in text
    assert "[A] a wrong current_password" in " ".join(text.split())


# --- SSH -----------------------------------------------------------------------------------------------------------------------------


def ssh(router: SimulatedRouter, command: str, typed: str, password: str | None = None, user: str = "root") -> tuple[int | None, str]:
    """Run one command over SSH; -1 where the log-in was refused."""

    async def session() -> tuple[int | None, str]:
        known = asyncssh.import_known_hosts(router.ssh_known_host or "")
        secret = router.password if password is None else password
        try:
            async with asyncssh.connect(router.host, router.ssh_port or 0, username=user, password=secret, known_hosts=known) as connection:
                ended = await connection.run(command, input=typed, stderr=asyncssh.STDOUT)
                return ended.exit_status, str(ended.stdout)
        except asyncssh.PermissionDenied:
            return -1, ""

    return asyncio.run(session())


@pytest.fixture(scope="module")
def ssh_fleet() -> Iterator[RutosSimulator]:
    with RutosSimulator(routers=3, firmware=["07.05", "07.12", "07.15"], scheme="http", ssh=True) as simulator:
        yield simulator


def test_passwd_knows_the_policy_from_07_11_and_changes_one_account(ssh_fleet: RutosSimulator) -> None:
    for router, expected in zip(ssh_fleet.routers, (0, 1, 1), strict=True):
        status, text = ssh(router, "passwd root", "weak\nweak\n")
        assert status == expected
        assert expected == 0 or "Bad password: Password is too short. Minimum length is 8 characters." in text
        working = "weak" if expected == 0 else router.password
        assert ssh(router, "passwd root", f"{NEW}\n{NEW}\n", working)[0] == 0
        truth = ssh_fleet.truth(router.serial)
        assert (truth["root_password"], truth["password"]) == (NEW, router.password)
        assert "Password is the same" in ssh(router, "passwd", f"{NEW}\n{NEW}\n", NEW)[1]
        ssh_fleet.change(router.serial, factory_reset=True)


def test_chpasswd_asks_no_policy_and_keeps_the_first_login(ssh_fleet: RutosSimulator) -> None:
    router = ssh_fleet.routers[2]
    ssh_fleet.change(router.serial, factory_reset=True)
    assert ssh(router, "chpasswd", "root:we:ak\nadmin:we:ak\n")[0] == 0
    truth = ssh_fleet.truth(router.serial)
    assert (truth["root_password"], truth["password"], truth["first_login"]) == ("we:ak", "we:ak", True)
    ssh_fleet.change(router.serial, factory_reset=True)


def test_admin_may_use_ssh_from_07_14(ssh_fleet: RutosSimulator) -> None:
    statuses = [ssh(router, "mnf_info --sn", "", user="admin") for router in ssh_fleet.routers]
    assert statuses == [(-1, ""), (-1, ""), (0, f"{ssh_fleet.routers[2].serial}\n")]


def test_wrong_ssh_log_ins_count_towards_the_same_block(ssh_fleet: RutosSimulator) -> None:
    router = ssh_fleet.routers[1]
    ssh_fleet.set(lockout_attempts=2)
    ssh_fleet.change(router.serial, unblock=True)
    assert ssh(router, "passwd", "", "wrong")[0] == -1
    assert log_in(router, "wrong").status_code == 401
    assert log_in(router).json()["errors"][0]["error"] == "Login failed"
    ssh_fleet.change(router.serial, unblock=True)
