# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routers that are asked themselves, many at once, beside what a user would write without this collection.

    make bench BENCH="routers --routers 500 --parallel 64 --latency 100 --uri 20"

Simulated routers over HTTPS that take C(--latency) milliseconds for each answer. One task of C(router_password) logs in, identifies, reads
the rule, changes, proves and logs out; then C(router_login) proves all of them once more. C(rotate_routers) is the whole playbook with
its ledger. The same change is then made by a playbook with C(ansible.builtin.uri), eight requests per router. C(limit) is four times what
the requests take at the very least; it counts for fleets, not for a few routers, where starting Ansible takes longer than all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulators.rutos import RutosSimulator, SimulatedRouter

BIN = Path(sys.executable).parent
NEW = "Vexing-42-Harbour"
LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
FLEET = 500
MOST_CPU = 30.0
LEAST_GAIN = 20.0

URI_PLAYBOOK = """---
- name: Change one password per router, as one would without a collection for it
  hosts: routers
  gather_facts: false
  module_defaults:
    ansible.builtin.uri: {ca_path: "{{ ca }}", body_format: json}
  tasks:
    - name: Log in
      ansible.builtin.uri:
        url: "{{ url }}/api/login"
        method: POST
        body: {username: admin, password: "{{ old }}"}
      delegate_to: localhost
      register: session
    - name: Which router is it?
      ansible.builtin.uri: &read
        url: "{{ url }}/api/system/device/status"
        headers: &token {Authorization: "Bearer {{ session.json.data.token }}"}
      delegate_to: localhost
      register: status
      failed_when: status.json.data.mnfinfo.serial != serial
    - name: Which rule is in force?
      ansible.builtin.uri:
        <<: *read
        url: "{{ url }}/api/password_policy/config"
      delegate_to: localhost
    - name: Which user is it?
      ansible.builtin.uri:
        <<: *read
        url: "{{ url }}/api/users/config"
      delegate_to: localhost
      register: users
    - name: Change the password
      ansible.builtin.uri:
        url: "{{ url }}/api/users/config/{{ (users.json.data | selectattr('username', 'eq', 'admin') | first).id }}"
        method: PUT
        headers: *token
        body: {data: {current_password: "{{ old }}", password: "{{ new }}", password_confirm: "{{ new }}"}}
      delegate_to: localhost
    - name: Prove it
      ansible.builtin.uri:
        url: "{{ url }}/api/login"
        method: POST
        body: {username: admin, password: "{{ new }}"}
      delegate_to: localhost
      register: proof
    - name: Log out of both sessions
      ansible.builtin.uri:
        url: "{{ url }}/api/logout"
        method: POST
        headers: {Authorization: "Bearer {{ item }}"}
      delegate_to: localhost
      loop: ["{{ proof.json.data.token }}", "{{ session.json.data.token }}"]
"""


@dataclass(frozen=True)
class Measured:
    """One run: seconds of wall time and of CPU, HTTP requests the routers saw, routers that ended as they should, sessions left open."""

    what: str
    routers: int
    wall: float
    cpu: float
    requests: int
    good: int
    sessions: int

    @property
    def per_router(self) -> float:
        return self.wall / self.routers


def by_module(simulator: RutosSimulator, task: str, elements: Sequence[dict[str, Any]], parallel: int) -> Measured:
    module = f"keyturn.devices.{task}"
    options = {
        "devices": elements,
        "parallel": parallel,
        "ca_path": simulator.routers[0].ca,
        **({"via": "device"} if task == "router_password" else {}),
    }
    tasks = [{"name": task, module: options, "no_log": True}]
    return measure(task, simulator, [{"name": task, "hosts": "localhost", "gather_facts": False, "tasks": tasks}], None)


def by_uri(simulator: RutosSimulator) -> Measured:
    routers = simulator.routers
    hosts = {router.serial: {"url": router.url, "serial": router.serial, "old": router.password} for router in routers}
    variables = {"ca": routers[0].ca, "new": NEW, **LOCAL}
    return measure("ansible.builtin.uri", simulator, URI_PLAYBOOK, {"routers": {"hosts": hosts, "vars": variables}})


def by_playbook(simulator: RutosSimulator, parallel: int) -> Measured:
    """The whole rotation. The ledger knows the passwords in force, as after an earlier run."""
    routers = simulator.routers
    hosts = {f"router-{router.serial}": {"device_serial": router.serial, "device_host": router.url} for router in routers}
    settings = {
        "device_via": "device",
        "router_rotation_force": True,
        "router_rotation_parallel": parallel,
        "router_rotation_device_ca_path": routers[0].ca,
    }
    with tempfile.TemporaryDirectory(prefix="keyturn-bench-") as folder:
        ledger = {"KEYTURN_LEDGER_URL": f"sqlite:///{folder}/ledger.db", "KEYTURN_LEDGER_PASSPHRASE": "a passphrase for the bench"}
        devices = [{"name": f"router-{router.serial}", "serial": router.serial, "password": router.password} for router in routers]
        tasks = [
            {"name": "Create", "keyturn.devices.ledger": {"state": "created"}},
            {"name": "Import", "keyturn.devices.ledger": {"state": "imported", "devices": devices}, "no_log": True},
        ]
        play([{"name": "Import", "hosts": "localhost", "gather_facts": False, "tasks": tasks}], None, ledger)
        inventory = {"routers": {"hosts": hosts, "vars": settings}, "all": {"hosts": {"localhost": LOCAL}}}
        return measure("rotate_routers", simulator, "keyturn.devices.rotate_routers", inventory, ledger)


def play(playbook: Any, inventory: Any, settings: Mapping[str, str]) -> tuple[float, float]:
    """Run a playbook (a list of plays, its text, or its name) to its end: seconds of wall time and of CPU."""
    with tempfile.TemporaryDirectory(prefix="keyturn-bench-") as folder, tempfile.TemporaryFile() as output:
        path, hosts = Path(folder) / "play.yml", Path(folder) / "hosts.yml"
        is_name = isinstance(playbook, str) and not playbook.startswith("---")
        path.write_text(playbook if isinstance(playbook, str) else json.dumps(playbook))
        hosts.write_text(json.dumps(inventory or {"all": {"hosts": {"localhost": LOCAL}}}))
        environment = {**os.environ, "ANSIBLE_FORKS": "10", "ANSIBLE_PIPELINING": "1", **settings}
        started = time.monotonic()
        command = [str(BIN / "ansible-playbook"), playbook if is_name else str(path), "-i", str(hosts)]
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        # wait4 tells of the process and of all its descendants that it waited for.
        _pid, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise SystemExit(output.read().decode()[-4000:])
    return wall, usage.ru_utime + usage.ru_stime


def measure(what: str, simulator: RutosSimulator, playbook: Any, inventory: Any, settings: Mapping[str, str] | None = None) -> Measured:
    simulator.forget_log()
    wall, cpu = play(playbook, inventory, settings or {})
    truth = simulator.truth()
    return Measured(
        what,
        len(simulator.routers),
        wall,
        cpu,
        len(simulator.log()),
        sum(is_good(truth[router.serial], router) for router in simulator.routers),
        sum(len(router["open_sessions"]) for router in truth.values()),
    )


def is_good(truth: Mapping[str, Any], router: SimulatedRouter) -> bool:
    """Both accounts have the same new password, and it cost no wrong log-in."""
    return bool(truth["password"] == truth["root_password"] != router.password and truth["wrong_logins"] == 0)


def element(router: SimulatedRouter) -> dict[str, Any]:
    return {"serial": router.serial, "host": router.url}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--routers", type=int, default=500)
    parser.add_argument("--parallel", type=int, default=64)
    parser.add_argument("--latency", type=float, default=100.0, help="milliseconds")
    parser.add_argument("--uri", type=int, default=20, help="routers of the comparison; 0 leaves it out")
    options = parser.parse_args()
    with RutosSimulator(routers=options.routers, firmware="07.18", latency_ms=options.latency) as simulator:
        changes = [element(router) | {"password": NEW, "current_password": router.password} for router in simulator.routers]
        proofs = [element(router) | {"candidates": [{"name": "current", "password": NEW}]} for router in simulator.routers]
        rows = [
            by_module(simulator, "router_password", changes, options.parallel),
            by_module(simulator, "router_login", proofs, options.parallel),
        ]
    with RutosSimulator(routers=options.routers, firmware="07.18", latency_ms=options.latency) as simulator:
        rows.append(by_playbook(simulator, options.parallel))
    if options.uri:
        with RutosSimulator(routers=options.uri, firmware="07.18", latency_ms=options.latency) as simulator:
            rows.append(by_uri(simulator))
    show(rows, options)


def show(rows: Sequence[Measured], options: argparse.Namespace) -> None:
    print(f"{'what':22}{'routers':>8}{'wall s':>9}{'limit s':>9}{'CPU s':>8}{'requests':>10}{'good':>6}{'sessions':>10}{'ms/router':>11}")
    problems = []
    for row in rows:
        is_ours = not row.what.startswith("ansible.")
        limit = 4 * row.requests * options.latency / 1000 / options.parallel
        shown = f"{limit:.1f}" if is_ours else ""
        print(
            f"{row.what:22}{row.routers:8}{row.wall:9.1f}{shown:>9}{row.cpu:8.1f}{row.requests:10}{row.good:6}{row.sessions:10}"
            f"{row.per_router * 1000:11.1f}"
        )
        if row.good != row.routers or row.sessions:
            problems.append(f"{row.what}: {row.good} of {row.routers} as they should be, {row.sessions} sessions left open")
        if is_ours and row.routers >= FLEET and (row.wall > limit or row.cpu > MOST_CPU):
            problems.append(f"{row.what}: {row.wall:.1f} s and {row.cpu:.1f} s of CPU; the limits are {limit:.1f} s and {MOST_CPU:.0f} s")
    if options.uri:
        gain = rows[-1].per_router / rows[0].per_router
        print(f"{rows[0].what} is {gain:.0f} times as fast per router as {rows[-1].what}")
        if gain < LEAST_GAIN:
            problems.append(f"{LEAST_GAIN:.0f} times as fast was promised")
    if problems:
        raise SystemExit("\n".join(problems))


if __name__ == "__main__":
    main()
