# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks rotate_pbxs and reconcile on simulated PBXs with Chromium, as a user runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import pytest
from support.chromium import Listener, browser_traces
from support.tunnel import Tunnel

from ansible_collections.keyturn.devices.plugins.module_utils._ledger import people
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import ImportRow
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import StageRequest
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run, runner_identity
from integration.canaries import CommandLines, found_below, found_in
from integration.cores import Core
from integration.pbx_fleet import PbxFleet, pbx_fleet, started
from integration.sites import PASSPHRASE
from simulators.pbx import PbxSimulator
from simulators.rms import RmsSimulator

WEAK, WRONG = "Weak-123", "Not-The-One-90"
PROXY_PASSWORD = "Proxy-Canary-61"
HIDDEN = "pbx.warehouse.test:8088"


@pytest.fixture(scope="module")
def pbxs() -> Iterator[dict[str, PbxSimulator]]:
    with ExitStack() as stack:
        shared = started(stack, 3)
        yield shared
        assert [pbx.truth()["resets_opened"] for pbx in shared.values()] == [0, 0, 0]


@contextmanager
def leaving_nothing(folder: Path, core: Core, pbxs: dict[str, PbxSimulator]) -> Iterator[PbxFleet]:
    with pbx_fleet(folder, core, pbxs) as fleet, TemporaryDirectory(prefix="kt-pbx-") as temporary:
        fleet.env["TMPDIR"] = temporary
        try:
            yield fleet
        finally:
            wait_until(lambda: browser_traces(temporary) == [])


@pytest.fixture
def place(newest_core: Core, pbxs: dict[str, PbxSimulator], tmp_path: Path) -> Iterator[PbxFleet]:
    with leaving_nothing(tmp_path, newest_core, pbxs) as fleet:
        yield fleet


@pytest.fixture
def old_place(oldest_core: Core, pbxs: dict[str, PbxSimulator], tmp_path: Path) -> Iterator[PbxFleet]:
    with leaving_nothing(tmp_path, oldest_core, pbxs) as fleet:
        yield fleet


def wait_until(look: Callable[[], object], seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end
        time.sleep(0.05)


def kill_with_workers(run: subprocess.Popen[bytes]) -> None:
    """The processes that run tasks are in sessions of their own since ansible-core 2.19, and would bring their task to its end."""
    workers = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
    run.kill()
    for worker in workers:
        with suppress(ProcessLookupError):
            os.kill(int(worker), signal.SIGKILL)
    run.wait()


def passwords(place: PbxFleet) -> set[str]:
    """Every one that a PBX ever had or the ledger ever held."""
    known = {password for pbx in place.pbxs.values() for password in pbx.truth()["users"]["admin"]["history"]}
    for record in place.records().values():
        known |= {slot["password"] for slot in (record["current"], record["staged"], *record["previous"]) if slot}
    return known


def test_pbxs_are_rotated_at_once_also_behind_a_proxy_and_a_second_run_changes_nothing(place: PbxFleet, tmp_path: Path) -> None:
    weak, hidden, _plain = place.hosts
    place.pbxs[weak].user(password=WEAK)
    place.import_real_passwords()
    with Tunnel({HIDDEN: int(urlsplit(place.pbxs[hidden].url).port or 0)}, f"jump:{PROXY_PASSWORD}") as tunnel, CommandLines() as commands:
        place.hosts[hidden] |= {"device_host": f"https://{HIDDEN}", "device_proxy": tunnel.url}

        looked = place.run("rotate_pbxs", "--check", "-vvvv")

        assert looked.returncode == 0, looked.stdout
        assert f"{weak}: due (never_verified, breaks_policy)" in looked.stdout
        assert f"{weak}: would be changed" in looked.stdout
        assert (place.logins(), tunnel.opened) == ({name: [] for name in place.hosts}, [])

        done = place.run("rotate_pbxs", "-vvvv", "-e", "pbx_rotation_first_batch_size=5")

        assert done.returncode == 0, done.stdout
        assert "Batch 1 of 1: 3 changed so far" in done.stdout
        assert place.lost() == []
        assert {record["verified_by"] for record in place.records().values()} == {"login"}
        # The current password, and then the new one: no login was wrong.
        assert place.logins() == {name: [True, True] for name in place.hosts}
        assert set(tunnel.opened) == {HIDDEN}

        again = place.run("rotate_pbxs")

        assert again.returncode == 0, again.stdout
        assert "0 of 3 PBXs are due" in again.stdout
        assert place.logins() == {name: [True, True] for name in place.hosts}
    secrets = {*passwords(place), PROXY_PASSWORD, PASSPHRASE}
    assert [shown for run in (looked, done, again) for shown in found_in(run.stdout.encode(), secrets)] == []
    assert [shown for line in commands.seen for shown in found_in(line, secrets)] == []
    assert found_below(tmp_path, secrets, leave_out=[tmp_path / "inventory.json"]) == []


def test_a_pbx_that_refuses_the_ledgers_password_is_orphaned_after_one_login_and_holds_no_other_up(
    old_place: PbxFleet, tmp_path: Path
) -> None:
    place = old_place
    wrong, away, far = place.hosts
    with place.ledger() as ledger:
        people.import_passwords(ledger, [ImportRow(wrong, WRONG, place.serials[wrong])], Run("import"))
    with Listener() as gone:
        place.hosts[away]["device_host"] = f"https://127.0.0.1:{gone.port}"
    place.sites = {"gateway": {"ansible_connection": "local", "ansible_python_interpreter": str(place.core.bin / "python")}}
    place.hosts[far]["device_site"] = "gateway"

    done = place.run("rotate_pbxs", "-e", f"pbx_rotation_summary_file={tmp_path / 'summary.json'}")

    assert done.returncode == 2, done.stdout
    summary = json.loads((tmp_path / "summary.json").read_text())
    told = {entry["name"]: (entry["status"], entry["reason"]) for entry in summary["devices"]}
    assert told == {wrong: ("orphaned", "unauthorized"), away: ("offline", "offline"), far: ("changed", "")}
    assert "Recover it with the playbook recover_pbx" in done.stdout
    assert place.logins() == {wrong: [False], away: [], far: [True, True]}

    place.count_anew()
    again = place.run("rotate_pbxs", "-e", "pbx_rotation_force=true", "--limit", wrong)

    assert again.returncode == 2, again.stdout
    assert place.logins()[wrong] == []
    record = place.records()[wrong]
    assert (record["orphaned"], record["current"]["password"], bool(record["staged"])) == (True, WRONG, True)


def test_a_killed_rotation_is_settled_by_reconcile_together_with_what_was_left_open_of_routers(place: PbxFleet) -> None:
    changed, untouched, other = place.hosts
    hung = {"kind": "hang", "method": "POST", "path": "/cgi/web"}
    # The third request is the change.
    place.pbxs[changed].set(faults=[{**hung, "when": "after_change", "nth": 3}])
    place.pbxs[untouched].set(faults=[{**hung, "times": 0}])
    del place.hosts[other]
    before = {name: place.pbxs[name].password for name in place.hosts}
    run = subprocess.Popen(
        place.command("rotate_pbxs"),
        cwd=place.folder,
        env=place.core.environment(place.environment()),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    killed = Run("killed", runner_identity(run.pid))
    wait_until(lambda: place.pbxs[changed].password != before[changed])
    kill_with_workers(run)
    # What worked the pages sees that nobody waits for it any more.
    wait_until(lambda: browser_traces(place.env["TMPDIR"]) == [])
    staged = {name: place.records()[name]["staged"]["password"] for name in before}
    assert staged[changed] == place.pbxs[changed].password
    for pbx in place.pbxs.values():
        pbx.set(faults=[])
    place.count_anew()

    with RmsSimulator(routers=1) as rms:
        [(serial, router)] = rms.truth().items()
        place.env |= {"RMS_URL": rms.url, "RMS_TOKEN": rms.token}
        place.others = {"routers": {"hosts": {"depot": {"device_serial": serial}}}}
        with place.ledger() as ledger:
            people.import_passwords(ledger, [ImportRow("depot", router["password"], serial)], Run("import"))
            ledger.stage([StageRequest("depot", serial, "generate", lambda _former: "Staged-Router-47/x")], killed, 900)

        done = place.run("reconcile", "-e", f"target=depot,{changed},{untouched}")

        assert done.returncode == 0, done.stdout
        assert rms.passwords()[serial] == place.records()["depot"]["current"]["password"] == "Staged-Router-47/x"
    assert f"{untouched}: settled" in done.stdout
    assert place.logins() == {changed: [True], untouched: [False, True], other: []}
    records = place.records()
    assert (records[changed]["current"]["password"], records[untouched]["current"]["password"]) == (staged[changed], before[untouched])
    assert [record["staged"] for record in records.values()] == [None] * len(records)
    assert place.lost() == []
