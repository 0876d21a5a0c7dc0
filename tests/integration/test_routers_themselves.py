# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routers asked themselves, in real runs at the highest verbosity: the modules do what they say, and no secret shows anywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from integration.canaries import CommandLines, found_below, found_in
from integration.cores import Core
from integration.plays import play, secret
from simulators.rutos import RutosSimulator, SimulatedRouter

# Every class, and characters that quoting and escaping change.
NEW = "Can4ry\\One'x\"<&>"
OTHER = "Can4ry+Two%/=-"

Task = dict[str, object]


def element(router: SimulatedRouter, **values: Any) -> dict[str, Any]:
    return {"serial": router.serial, "host": router.url, "fingerprint": router.fingerprint, **values}


def test_a_router_from_its_first_change_to_its_proof(core: Core, tmp_path: Path) -> None:
    with RutosSimulator(routers=3, firmware=["07.05", "07.13", "07.21"]) as simulator:
        routers = simulator.routers
        old = [secret(tmp_path, f"old{number}", router.password) for number, router in enumerate(routers)]
        new = secret(tmp_path, "new", NEW)
        changes = [element(router, password=new, current_password=before) for router, before in zip(routers, old, strict=True)]
        candidates = [[{"name": "staged", "password": new}, {"name": "current", "password": before}] for before in old]
        change = {"keyturn.devices.router_password": {"via": "device", "devices": changes}}
        proof = {
            "keyturn.devices.router_login": {
                "devices": [element(router, candidates=both) for router, both in zip(routers, candidates, strict=True)]
            }
        }
        look = {
            "keyturn.devices.router_info": {
                "via": "device",
                "devices": [element(router, password=new) for router in routers],
            }
        }
        tasks: list[Task] = [
            {**change, "check_mode": True, "register": "dry"},
            {**change, "register": "wet"},
            {**change, "register": "again"},
            {**proof, "register": "proven"},
            {**look, "register": "told"},
            {
                "ansible.builtin.assert": {
                    "that": [
                        "dry is changed and dry.devices | map(attribute='reason') | unique == ['would_change']",
                        "wet is changed and wet.summary == {'changed': 3, 'unchanged': 0, 'failed': 0, 'unknown': 0}",
                        "wet.devices | map(attribute='wrong_logins') | sum == 0",
                        "again is not changed and again.summary.unchanged == 3",
                        "again.devices | map(attribute='live') | unique == ['new']",
                        "proven is not changed and proven.devices | map(attribute='live') | unique == ['staged']",
                        "told is not changed",
                        "told.routers | map(attribute='serial') | list == " + json.dumps([router.serial for router in routers]),
                        "told.routers | map(attribute='policy.evidence') | list == ['observed', 'router', 'router']",
                    ]
                }
            },
        ]
        printed, run = play(core, tmp_path, tasks)
        assert "failed=0" in printed, printed
        secrets = [NEW, *(router.password for router in routers)]
        assert found_in(printed.encode(), secrets) == []
        assert found_below(run, secrets) == []
        for truth in simulator.truth().values():
            assert (truth["password"], truth["root_password"], truth["open_sessions"]) == (NEW, NEW, [])
            assert truth["wrong_logins"] == 1  # of the second run


@pytest.mark.parametrize(
    "trouble",
    [
        {"refused_symbols": "\\-"},
        {"refused_symbols": "\\-", "check_order": "current,policy,rights,same"},
        {"store_truncated": 5},
        {"answers_serial": "9999999999"},
        {"lockout_attempts": 1, "faults": [{"kind": "cut", "method": "PUT"}]},
        {"faults": [{"kind": "cut", "method": "PUT", "when": "after_change"}, {"kind": "cut", "path": "/api/login", "nth": 2, "times": 0}]},
        {"faults": [{"kind": "not_json", "path": "*", "times": 0}]},
        {"faults": [{"kind": "success_false", "path": "/api/users/*", "times": 0}]},
        {"faults": [{"kind": "redirect", "location": "http://127.0.0.1:9/", "times": 0}]},
        {"api": False},
        {"reachable": "abort"},
    ],
    ids=str,
)
def test_no_secret_shows_whatever_goes_wrong(newest_core: Core, tmp_path: Path, trouble: dict[str, object]) -> None:
    with RutosSimulator(routers=2, firmware=["07.13", "07.18"], echo_value=True) as simulator:
        simulator.set(**trouble)
        old = [secret(tmp_path, f"old{number}", router.password) for number, router in enumerate(simulator.routers)]
        new = [secret(tmp_path, f"new{number}", password) for number, password in enumerate((NEW, OTHER))]
        changes = [
            element(router, password=wanted, current_password=before)
            for router, wanted, before in zip(simulator.routers, new, old, strict=True)
        ]
        candidates = [
            element(router, candidates=[{"name": "staged", "password": wanted}])
            for router, wanted in zip(simulator.routers, new, strict=True)
        ]
        tasks: list[Task] = [
            {
                "keyturn.devices.router_password": {"via": "device", "devices": changes, "timeout": 2, "deadline": 20},
                "register": "answer",
                "ignore_errors": True,
            },
            {"keyturn.devices.router_login": {"devices": candidates, "timeout": 2, "deadline": 20}, "ignore_errors": True},
            {"ansible.builtin.debug": {"var": "answer.devices"}},
        ]
        printed, run = play(newest_core, tmp_path, tasks)
        assert "ignored=2" in printed
        secrets = [NEW, OTHER, *(router.password for router in simulator.routers)]
        assert found_in(printed.encode(), secrets) == []
        assert found_below(run, secrets) == []


def test_no_secret_shows_by_ssh_not_even_in_a_command_line(newest_core: Core, tmp_path: Path) -> None:
    with RutosSimulator(routers=2, firmware=["07.10", "07.13"], ssh=True) as simulator:
        good, refusing = simulator.routers
        simulator.change(refusing.serial, policy={"min_length": 40})
        known = tmp_path / "known_hosts"
        known.write_text("".join(f"{router.ssh_known_host}\n" for router in simulator.routers))
        changes = [
            {
                "serial": router.serial,
                "host": f"127.0.0.1:{router.ssh_port}",
                "protocol": "ssh",
                "password": secret(tmp_path, "new", NEW),
                "current_password": secret(tmp_path, router.serial, router.password),
            }
            for router in simulator.routers
        ]
        task: Task = {
            "keyturn.devices.router_password": {
                "via": "device",
                "devices": changes,
                "known_hosts": str(known),
                "on_device_failure": "report",
            },
            "register": "answer",
        }
        with CommandLines() as lines:
            printed, run = play(newest_core, tmp_path, [task, {"ansible.builtin.debug": {"var": "answer.devices"}}])
        assert '"changed": 1' in printed, printed
        assert '"rejected_by_policy"' in printed
        secrets = [NEW, *(router.password for router in simulator.routers)]
        assert found_in(printed.encode(), secrets) == []
        assert found_below(run, secrets) == []
        assert found_in(b"\n".join(lines.seen), secrets) == []
        assert simulator.truth(good.serial)["root_password"] == NEW


def test_missing_options_are_named(newest_core: Core, tmp_path: Path) -> None:
    device = {"serial": "1", "host": "router.invalid"}
    calls: list[Task] = [
        {"keyturn.devices.router_password": {"via": "device"}},
        {"keyturn.devices.router_password": {"via": "device", "devices": [{"serial": "1", "password": "Vexing-42-Harbour"}]}},
        {"keyturn.devices.router_password": {"via": "device", "csv": "x.csv"}},
        {"keyturn.devices.router_login": {}},
        {"keyturn.devices.router_login": {"devices": [device]}},
        {"keyturn.devices.router_login": {"devices": [{**device, "candidates": []}]}},
        {"keyturn.devices.router_info": {"via": "device"}},
    ]
    tasks: list[Task] = [{**call, "ignore_errors": True} for call in calls]
    printed, _run = play(newest_core, tmp_path, tasks)
    for text in (
        "one of the following is required: devices, csv",
        "devices[0].host is missing",
        "csv belongs to via=rms",
        "missing required arguments: devices",
        "missing required arguments: candidates found in devices",
        "candidates must be one or two",
        "via is device but all of the following are missing: devices",
    ):
        assert text in printed, text
    assert "ignored=7" in printed
