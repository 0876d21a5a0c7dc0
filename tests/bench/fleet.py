# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole fleet rotated by the playbook, beside what a user would write without this collection.

    make bench BENCH="fleet --routers 1000 10000 --uri 200"
    git worktree add ../before COMMIT; make bench BENCH="fleet --routers 1 1000 10000 --uri 0 --before ../before"

For each size: a fresh ledger, a fresh simulated RMS without added latency, `ansible-playbook keyturn.devices.rotate_routers`, and once more
when nobody is due. With --before the same by another checkout of the collection, in the same run. Then the same change by a playbook with
`ansible.builtin.uri` per router (set one password, poll its channel), which keeps no ledger at all. A ping is what Ansible itself costs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from simulators.rms import RmsSimulator

BIN = Path(sys.executable).parent
URI_PLAYBOOK = """---
- name: Set one password per router, as one would without a collection for it
  hosts: routers
  gather_facts: false
  tasks:
    - name: Find the router
      ansible.builtin.uri: &rms
        url: "{{ lookup('env', 'RMS_URL') }}/devices?q={{ device_serial }}"
        headers: {Authorization: "Bearer {{ lookup('env', 'RMS_TOKEN') }}"}
      delegate_to: localhost
      register: found
    - name: Set its password
      ansible.builtin.uri:
        <<: *rms
        url: "{{ lookup('env', 'RMS_URL') }}/devices/passwords/set"
        method: POST
        body_format: json
        body: {data: [{id: "{{ found.json.data[0].id }}", password: "{{ password }}", password_confirmation: "{{ password }}"}]}
      vars: {password: "Ab1!{{ lookup('ansible.builtin.password', '/dev/null', length=16, seed=inventory_hostname) }}"}
      delegate_to: localhost
      register: asked
    - name: Wait for the outcome
      ansible.builtin.uri:
        <<: *rms
        url: "{{ lookup('env', 'RMS_URL') | regex_replace('/api$', '') }}/status/channel/{{ asked.json.meta.channel }}"
        status_code: [200, 404]
      delegate_to: localhost
      register: told
      until: (told.json.data | default({})).values() | flatten | selectattr('status', 'in', ['completed', 'error', 'warning']) | length > 0
      retries: 30
      delay: 1
"""


@dataclass(frozen=True)
class Measured:
    """One run: seconds of wall time and of CPU, megabytes of the largest process, HTTP requests, routers that changed."""

    what: str
    routers: int
    wall: float
    cpu: float
    memory: float
    requests: int
    changed: int


def rotate(routers: int, state: str, collections: str) -> list[Measured]:
    """A rotation of all of them, and the run after it, by the collection in one place."""
    with tempfile.TemporaryDirectory(prefix="keyturn-bench-") as folder:
        inventory = Path(folder) / "inventory.yml"
        with RmsSimulator(routers=routers, inventory_out=str(inventory)) as rms:
            settings = {
                "ANSIBLE_COLLECTIONS_PATH": collections,
                "KEYTURN_LEDGER_URL": f"sqlite:///{folder}/ledger.db",
                "KEYTURN_LEDGER_PASSPHRASE": "a passphrase for the bench",
            }
            job = [str(BIN / "ansible-playbook"), "-i", str(inventory)]
            if Path(collections, "ansible_collections/keyturn/devices/playbooks/create_ledger.yml").exists():
                measure("", routers, [*job, "keyturn.devices.create_ledger"], settings, rms)
            what = ("all due", "nobody due")
            return [measure(f"{state}, {word}", routers, [*job, "keyturn.devices.rotate_routers"], settings, rms) for word in what]


def ping() -> Measured:
    with RmsSimulator(routers=1) as rms:
        return measure("ansible localhost -m ping", 1, [str(BIN / "ansible"), "localhost", "-m", "ansible.builtin.ping"], {}, rms)


def collections_of(checkout: str) -> str:
    """A place where Ansible finds another checkout as the collection."""
    folder = tempfile.mkdtemp(prefix="keyturn-bench-")
    link = Path(folder, "ansible_collections", "keyturn", "devices")
    link.parent.mkdir(parents=True)
    link.symlink_to(Path(checkout).resolve(), target_is_directory=True)
    return folder


def by_uri(routers: int) -> Measured:
    with tempfile.TemporaryDirectory(prefix="keyturn-bench-") as folder:
        inventory, playbook = Path(folder) / "inventory.yml", Path(folder) / "uri.yml"
        playbook.write_text(URI_PLAYBOOK)
        with RmsSimulator(routers=routers, inventory_out=str(inventory)) as rms:
            return measure("ansible.builtin.uri", routers, [str(BIN / "ansible-playbook"), str(playbook), "-i", str(inventory)], {}, rms)


def measure(what: str, routers: int, command: list[str], settings: Mapping[str, str], rms: RmsSimulator) -> Measured:
    before = rms.passwords()
    rms.clear_log()
    environment = {**os.environ, "RMS_URL": rms.url, "RMS_TOKEN": rms.token, "ANSIBLE_FORKS": "10", **settings}
    started = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        # wait4 tells of the process and of all its descendants that it waited for.
        _pid, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise SystemExit(output.read().decode()[-4000:])
    changed = sum(before[serial] != now for serial, now in rms.passwords().items())
    return Measured(what, routers, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, len(rms.log()), changed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--routers", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--uri", type=int, default=200, help="routers of the comparison; 0 leaves it out")
    parser.add_argument("--before", metavar="CHECKOUT", help="another checkout, to compare with")
    options = parser.parse_args()
    states = {"now": os.environ["ANSIBLE_COLLECTIONS_PATH"]}
    if options.before:
        states = {"before": collections_of(options.before), **states}
    rows = [ping()]
    for routers in options.routers:
        for state, collections in states.items():
            rows += rotate(routers, state, collections)
    if options.uri:
        rows.append(by_uri(options.uri))
    show(rows)


def show(rows: list[Measured]) -> None:
    print(f"{'':28}{'routers':>9}{'wall s':>9}{'ms/router':>11}{'CPU s':>8}{'MB max':>8}{'requests':>10}{'changed':>9}")
    for row in rows:
        each = row.wall * 1000 / row.routers
        print(
            f"{row.what:28}{row.routers:>9}{row.wall:>9.1f}{each:>11.2f}{row.cpu:>8.1f}{row.memory:>8.0f}{row.requests:>10}{row.changed:>9}"
        )


if __name__ == "__main__":
    main()
