# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The simulated RMS as a real process: its start and end, faults on the wire, the log, and the cost per request."""

from __future__ import annotations

import collections
import json
import os
import resource
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from simulators.kit.faults import SHAPES
from simulators.kit.process import TESTS, SimulatorFailed
from simulators.rms import RmsSimulator
from simulators.rms.__main__ import describe
from simulators.rms.switches import Switches

GOOD = "Vexing-42-Harbour"
SET, GENERATE, TASKS = "/devices/passwords/set", "/devices/passwords/generate", "/devices/passwords/generated/tasks"
NO_ANSWER = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


@pytest.fixture(scope="module")
def process() -> Iterator[RmsSimulator]:
    with RmsSimulator(routers=12, channel_not_found_polls=0) as simulator:
        yield simulator


@pytest.fixture
def simulator(process: RmsSimulator) -> RmsSimulator:
    process.set(faults=[], fates={"*": "ok"}, log_bodies=False, rate_limit_after=0, after_download="deleted_at")
    process.clear_log()
    return process


def ask(simulator: RmsSimulator, method: str, path: str, **more: Any) -> requests.Response:
    return requests.request(
        method, simulator.url + path, headers={"Authorization": f"Bearer {simulator.token}"}, timeout=10, allow_redirects=False, **more
    )


def items(simulator: RmsSimulator, password: str) -> dict[str, Any]:
    identifiers = [router["id"] for router in simulator.truth().values()]
    return {"data": [{"id": each, "password": password, "password_confirmation": password} for each in identifiers]}


def fresh(simulator: RmsSimulator, tag: str) -> str:
    """A password nobody has yet."""
    return f"{tag}-{len(next(iter(simulator.truth().values()))['history'])}-Harbour"


def test_a_rotation_by_hand_from_list_to_truth(simulator: RmsSimulator) -> None:
    assert ask(simulator, "GET", "/devices").json()["meta"]["total"] == 12
    password = fresh(simulator, "Whole")
    channel = ask(simulator, "POST", SET, json=items(simulator, password)).json()["meta"]["channel"]
    answer = requests.get(f"{simulator.root}/status/channel/{channel}", headers={"Authorization": f"Bearer {simulator.token}"}, timeout=10)
    assert {events[-1]["status"] for events in answer.json()["data"].values()} == {"completed"}
    assert set(simulator.passwords().values()) == {password}


def test_a_file_is_uploaded_as_multipart(simulator: RmsSimulator) -> None:
    serial = next(iter(simulator.truth()))
    password = fresh(simulator, "Upload")
    answer = ask(simulator, "POST", "/devices/passwords/upload", files={"file": ("p.csv", f"{serial},{password}\r\n")})
    assert answer.status_code == 201
    assert simulator.passwords()[serial] == password


@pytest.mark.parametrize(("when", "changed"), [("before_reading", False), ("before_change", False), ("after_change", True)])
@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_connection_is_cut_before_or_after_the_change(simulator: RmsSimulator, when: str, changed: bool, how: str) -> None:
    password = fresh(simulator, "Cut")
    body = items(simulator, password)
    simulator.set(faults=[{"kind": "cut", "method": "POST", "path": SET, "when": when, "how": how}])
    with pytest.raises(NO_ANSWER):
        ask(simulator, "POST", SET, json=body)
    assert (set(simulator.passwords().values()) == {password}) is changed
    assert ask(simulator, "GET", "/devices").status_code == 200


@pytest.mark.parametrize(("when", "changed"), [("before_change", False), ("after_change", True)])
def test_an_answer_never_comes(simulator: RmsSimulator, when: str, changed: bool) -> None:
    password = fresh(simulator, "Hang")
    body = items(simulator, password)
    simulator.set(faults=[{"kind": "hang", "path": SET, "when": when}])
    with pytest.raises(requests.ReadTimeout):
        requests.post(simulator.url + SET, json=body, headers={"Authorization": f"Bearer {simulator.token}"}, timeout=0.5)
    assert (set(simulator.passwords().values()) == {password}) is changed


@pytest.mark.parametrize("status", [429, 500, 502, 503])
@pytest.mark.parametrize("retry_after", ["", "3"])
def test_an_error_status_with_and_without_retry_after(simulator: RmsSimulator, status: int, retry_after: str) -> None:
    simulator.set(faults=[{"kind": "status", "path": "/devices", "status": status, "retry_after": retry_after, "nth": 2, "times": 2}])
    answers = [ask(simulator, "GET", "/devices") for _each in range(4)]
    assert [answer.status_code for answer in answers] == [200, status, status, 200]
    assert answers[1].headers.get("Retry-After", "") == retry_after
    assert answers[1].json()["success"] is False


def test_answers_that_are_no_json_empty_or_unsuccessful_with_200(simulator: RmsSimulator) -> None:
    kinds = ("not_json", "empty", "success_false")
    simulator.set(faults=[{"kind": kind, "path": "/devices", "nth": number} for number, kind in enumerate(kinds, 1)])
    page, nothing, unsuccessful = (ask(simulator, "GET", "/devices") for _each in kinds)
    assert (page.status_code, page.headers["Content-Type"].split(";")[0]) == (200, "text/html")
    assert (nothing.status_code, nothing.content) == (200, b"")
    assert (unsuccessful.status_code, unsuccessful.json()["success"]) == (200, False)


def test_a_fault_after_the_change_leaves_the_change(simulator: RmsSimulator) -> None:
    password = fresh(simulator, "Broken")
    body = items(simulator, password)
    simulator.set(faults=[{"kind": "status", "status": 502, "path": SET, "when": "after_change"}])
    assert ask(simulator, "POST", SET, json=body).status_code == 502
    assert set(simulator.passwords().values()) == {password}


def test_a_redirect_is_sent_as_asked(simulator: RmsSimulator) -> None:
    simulator.set(faults=[{"kind": "redirect", "location": "http://127.0.0.1:1/elsewhere"}])
    answer = ask(simulator, "GET", "/devices")
    assert (answer.status_code, answer.headers["Location"]) == (307, "http://127.0.0.1:1/elsewhere")


@pytest.mark.parametrize("shape", list(SHAPES))
def test_every_wrong_shape_is_wrong_and_still_json(simulator: RmsSimulator, shape: str) -> None:
    right = ask(simulator, "GET", "/devices").json()
    simulator.set(faults=[{"kind": "wrong_shape", "shape": shape}])
    assert ask(simulator, "GET", "/devices").json() != right


def a_batch(simulator: RmsSimulator) -> str:
    identifiers = [router["id"] for router in simulator.truth().values()]
    ask(simulator, "POST", GENERATE, json={"data": [{"id": each, "length": 16, "use_special": 1} for each in identifiers]})
    identifier: str = ask(simulator, "GET", TASKS).json()["data"][0]["id"]
    return identifier


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_download_is_cut_in_the_middle_and_still_used_up(simulator: RmsSimulator, framing: str) -> None:
    path = f"/tasks/{a_batch(simulator)}/download/passwords"
    simulator.set(faults=[{"kind": "cut_body", "path": "/download/passwords", "bytes": 60, "framing": framing}])
    arrived = bytearray()
    with ask(simulator, "GET", path, stream=True) as answer, pytest.raises(NO_ANSWER):
        collections.deque(map(arrived.extend, answer.iter_content(1)))
    assert arrived.startswith(b"serial,password\r\n")
    assert len(arrived) == 60
    assert ask(simulator, "GET", path).status_code == 400


def test_a_download_can_be_cut_so_that_http_does_not_show_it(simulator: RmsSimulator) -> None:
    path = f"/tasks/{a_batch(simulator)}/download/passwords"
    simulator.set(faults=[{"kind": "cut_body", "path": "/download/passwords", "bytes": 60, "framing": "none"}])
    assert len(ask(simulator, "GET", path).content) == 60


def test_faults_wait_for_their_request_and_count(simulator: RmsSimulator) -> None:
    simulator.set(faults=[{"kind": "status", "method": "GET", "path": "/tasks/*", "nth": 1, "times": 0}])
    assert ask(simulator, "GET", "/devices").status_code == 200
    assert [ask(simulator, "GET", "/tasks/x/devices").status_code for _each in range(3)] == [503] * 3
    assert [(fault["seen"], fault["hits"]) for fault in simulator.faults()] == [(3, 3)]


@pytest.mark.parametrize(
    "switches", [{"nonsense": 1}, {"faults": [{"kind": "nonsense"}]}, {"faults": [{"kind": "cut", "whence": 1}]}, {"fates": {"x": "ok"}}]
)
def test_wrong_switches_are_refused_at_run_time(simulator: RmsSimulator, switches: dict[str, Any]) -> None:
    before = simulator.set()
    with pytest.raises(SimulatorFailed):
        simulator.set(**switches)
    assert simulator.set() == before


def test_the_log_says_what_was_asked_and_holds_no_password(simulator: RmsSimulator) -> None:
    password = fresh(simulator, "Logged")
    body = items(simulator, password)
    ask(simulator, "POST", SET, json=body)
    entry = simulator.log()[-1]
    assert (entry["method"], entry["path"], entry["status"], entry["account"]) == ("POST", "/api" + SET, 200, "main")
    assert entry["devices"] == [item["id"] for item in body["data"]]
    assert entry["show_password"] is False
    assert password not in json.dumps(simulator.log())
    simulator.set(log_bodies=True)
    ask(simulator, "POST", SET, json=body)
    assert password in simulator.log()[-1]["body"]


def test_control_paths_are_no_requests(simulator: RmsSimulator) -> None:
    simulator.truth()
    assert simulator.log() == []


def test_the_truth_knows_what_happened_beside_rms(simulator: RmsSimulator) -> None:
    serial = next(iter(simulator.truth()))
    simulator.router(serial, password="By-Hand-1", firmware="RUTX_R_00.07.21.1", online=False)
    truth = simulator.truth()[serial]
    assert (truth["password"], truth["firmware"], truth["online"]) == ("By-Hand-1", "RUTX_R_00.07.21.1", False)
    assert truth["history"][-1]["by"] == "elsewhere"


def test_files_are_private_and_the_inventory_keeps_leading_zeros(tmp_path: Path) -> None:
    log, inventory = tmp_path / "log", tmp_path / "inventory.yml"
    with RmsSimulator(routers=15, log_file=str(log), inventory_out=str(inventory)) as simulator:
        ask(simulator, "GET", "/devices")
        serials = set(simulator.truth())
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert [json.loads(line)["path"] for line in log.read_text().splitlines()] == ["/api/devices"]
    hosts = yaml.safe_load(inventory.read_text())["routers"]["hosts"]
    assert {host["device_serial"] for host in hosts.values()} == serials


def test_the_token_is_taken_from_the_test_and_not_shown_on_the_command_line() -> None:
    with RmsSimulator(routers=1, token="chosen-token") as simulator:
        assert ask(simulator, "GET", "/devices").status_code == 200
        assert simulator.token == "chosen-token"
        assert b"chosen-token" not in Path(f"/proc/{simulator.pid}/cmdline").read_bytes()


def test_fates_are_drawn_by_lot_and_the_same_for_the_same_seed() -> None:
    fates = []
    for _each in range(2):
        with RmsSimulator(routers=50, fate_mix="offline=0.1,error=0.04") as simulator:
            fates.append({serial: router["fate"] for serial, router in simulator.truth().items()})
    assert fates[0] == fates[1]
    assert [list(fates[0].values()).count(fate) for fate in ("offline", "error", "ok")] == [5, 2, 43]


def gone(pid: int, within: float) -> bool:
    end = time.monotonic() + within
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


def test_it_ends_with_the_process_that_started_it() -> None:
    code = (
        "import os, signal\nfrom simulators.rms import RmsSimulator\n"
        "simulator = RmsSimulator(routers=1).start()\nprint(simulator.pid, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    output = subprocess.run([sys.executable, "-c", code], cwd=TESTS, capture_output=True, text=True, timeout=60, check=False).stdout
    assert gone(int(output), within=10)


def test_it_survives_the_process_group_of_what_is_tested() -> None:
    with RmsSimulator(routers=1) as simulator:
        assert os.getpgid(simulator.pid) == simulator.pid != os.getpgid(0)


def test_a_simulator_that_cannot_start_says_why() -> None:
    with pytest.raises(SimulatorFailed, match="no such fate: nonsense"):
        RmsSimulator(fate_mix="nonsense=1").start()
    with pytest.raises(SimulatorFailed, match="no such switch"):
        RmsSimulator(routers=1, nonsense=1).start()


def test_help_and_readme_name_every_switch_fate_and_fault() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "simulators.rms", "--help"], cwd=TESTS, capture_output=True, text=True, timeout=60, check=True
    ).stdout
    readme = (TESTS / "simulators" / "README.md").read_text(encoding="utf-8")
    assert all("--" + name.replace("_", "-") in shown for name in vars(Switches()))
    assert all(line in readme for line in describe())


def test_ten_thousand_routers_cost_little() -> None:
    """Figures are CPU seconds of the simulator's process, far above what was measured, so that a busy machine does not matter."""
    with RmsSimulator(routers=10_000, channel_not_found_polls=0) as simulator:
        session = requests.Session()
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {simulator.token}"
        identifiers = [
            item["id"] for item in session.get(f"{simulator.url}/devices", params={"limit": "10000", "fields": "id,serial"}).json()["data"]
        ]
        assert len(identifiers) == 10_000
        before = cpu_seconds(simulator.pid)
        for start in range(0, 10_000, 500):
            data = [{"id": each, "length": 16, "use_special": 1} for each in identifiers[start : start + 500]]
            channel = session.post(simulator.url + GENERATE, json={"data": data}).json()["meta"]["channel"]
            assert len(session.get(f"{simulator.root}/status/channel/{channel}").json()["data"]) == 500
        assert cpu_seconds(simulator.pid) - before < 4
        assert int(Path(f"/proc/{simulator.pid}/statm").read_text().split()[1]) * resource.getpagesize() < 300e6


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
