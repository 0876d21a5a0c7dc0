# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The promise, broken into on purpose: kills, two runs at once, a ledger that goes away, inventories that change under a rotation."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

from campaigns import crash, slices

from integration.cores import Core
from integration.sites import Site, site

SLOW = {"device_seconds": 1.0, "device_jitter_seconds": 0.5}


def start(place: Site, playbook: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        place.command(playbook, *arguments),
        cwd=place.folder,
        env=place.core.environment(place.environment()),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_rotation_killed_at_a_random_moment_loses_no_password(newest_core: Core, tmp_path: Path) -> None:
    score = crash.run(kills=2, seed=41, folder=tmp_path, ansible_bin=newest_core.bin)

    assert score.lost == []
    assert score.good == score.rounds == 2


def test_two_runs_at_the_same_moment_ask_no_router_twice(newest_core: Core, tmp_path: Path, postgresql_url: str) -> None:
    with site(tmp_path, newest_core, routers=12, ledger_url=postgresql_url, **SLOW) as place:
        place.import_real_passwords()

        runs = [start(place, "rotate_routers", "-e", "router_rotation_batch_size=3") for _number in range(2)]
        said = [run.communicate()[0] for run in runs]

        assert [run.returncode for run in runs] == [0, 0], "\n".join(said)
        assert {serial: len(router["asked"]) for serial, router in place.rms.truth().items()} == dict.fromkeys(place.serials.values(), 1)
        assert place.lost() == []


def test_four_slices_on_one_ledger_one_of_them_killed_lose_nothing_and_ask_nobody_twice(newest_core: Core, tmp_path: Path) -> None:
    score = slices.run(routers=100, slices=4, folder=tmp_path, ansible_bin=newest_core.bin)

    assert score.codes == [0] * 4, score.printed
    assert (score.lost, score.twice, score.two_passwords) == ([], [], [])
    assert score.in_doubt, "the kill came in the middle of the change"


def test_a_ledger_that_is_gone_at_the_commit_leaves_the_new_passwords_staged(newest_core: Core, tmp_path: Path) -> None:
    with site(tmp_path, newest_core, routers=3, **SLOW) as place:
        place.import_real_passwords()
        run = start(place, "rotate_routers")
        while not place.changing_requests():
            assert run.poll() is None, run.communicate()[0]
        # A directory in its place can be opened by nobody, not even by root.
        ledger = tmp_path / "ledger.db"
        ledger.rename(tmp_path / "away.db")
        ledger.mkdir()
        said = run.communicate()[0]
        ledger.rmdir()
        (tmp_path / "away.db").rename(ledger)

        assert run.returncode == 2, said
        assert "Bring the ledger back" in said
        assert {record["staged"]["password"] for record in place.records().values()} == set(place.rms.passwords().values())
        # By the time that somebody has brought it back, nothing the run asked for is still on its way.
        place.end_leases()
        assert place.run("reconcile").returncode == 0
        assert place.lost() == []


def test_a_full_disk_before_the_change_means_no_change(newest_core: Core, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    with site(tmp_path, newest_core, routers=3, ledger_url=f"sqlite:///{small / 'ledger.db'}") as place:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)], check=True)
        try:
            place.create_ledger()
            place.import_real_passwords()
            free = os.statvfs(small)
            (small / "filler").write_bytes(b"x" * (free.f_bavail * free.f_bsize))

            done = place.run("rotate_routers")

            assert done.returncode == 2, done.stdout
            assert "full" in done.stdout
            assert place.changing_requests() == []
            (small / "filler").unlink()
            assert place.run("rotate_routers").returncode == 0
            assert place.lost() == []
            assert stat.S_IMODE((small / "ledger.db").stat().st_mode) == 0o600
        finally:
            subprocess.run(["umount", str(small)], check=True)


def test_a_policy_tightened_while_the_staged_password_is_live_first_settles_then_rotates(newest_core: Core, tmp_path: Path) -> None:
    with site(tmp_path, newest_core, routers=2, same_password="completed") as place:
        place.import_real_passwords()
        place.rms.set(fates={"*": "goes_silent_after_change"})
        place.run("rotate_routers", "-e", "router_rotation_deadline=3", "-e", "router_rotation_failure_limit_percent=100")
        staged = {name: record["staged"]["password"] for name, record in place.records().items()}
        place.rms.set(fates={"*": "ok"})
        place.group_vars = {"device_password_policy": {"length": 28, "special": True}}

        done = place.run("rotate_routers")

        assert done.returncode == 0, done.stdout
        records = place.records()
        assert {name: record["previous"][0]["password"] for name, record in records.items()} == staged
        assert {len(record["current"]["password"]) for record in records.values()} == {28}
        assert place.lost() == []


def test_a_staged_password_that_rms_refuses_for_good_is_replaced_and_kept_in_the_history(newest_core: Core, tmp_path: Path) -> None:
    with site(tmp_path, newest_core, routers=2) as place:
        place.import_real_passwords()
        place.rms.set(fates={"*": "goes_offline_midway"})
        place.run("rotate_routers", "-e", "router_rotation_deadline=3", "-e", "router_rotation_failure_limit_percent=100")
        staged = {name: record["staged"]["password"] for name, record in place.records().items()}
        place.rms.set(fates={"*": "rejected_by_policy"})
        place.run("reconcile")
        assert {name: record["staged"]["password"] for name, record in place.records().items()} == staged, "in doubt, so kept"
        place.rms.set(fates={"*": "ok"})

        done = place.run("reconcile")

        assert done.returncode == 0, done.stdout
        records = place.records()
        assert all(staged[name] in [slot["password"] for slot in record["previous"]] for name, record in records.items())
        assert place.lost() == []


def test_a_router_that_left_the_inventory_keeps_its_journal(newest_core: Core, tmp_path: Path) -> None:
    with site(tmp_path, newest_core, routers=3) as place:
        place.import_real_passwords()
        gone, *_others = list(place.hosts)
        place.rms.set(fates={place.serials[gone]: "goes_silent_after_change"})
        place.run("rotate_routers", "-e", "router_rotation_deadline=3", "-e", "router_rotation_failure_limit_percent=100")
        variables = place.hosts.pop(gone)

        assert place.run("rotate_routers").returncode == 0
        assert place.records()[gone]["staged"]["password"] == place.rms.passwords()[place.serials[gone]]

        place.rms.set(fates={"*": "ok"})
        place.hosts[gone] = variables
        assert place.run("reconcile").returncode == 0
        assert place.lost() == []


def test_a_router_that_cannot_be_settled_ends_orphaned_with_all_its_passwords_until_a_person_imports_the_right_one(
    newest_core: Core, tmp_path: Path
) -> None:
    with site(tmp_path, newest_core, routers=1) as place:
        place.import_real_passwords()
        (host,) = place.hosts
        before = place.rms.passwords()[place.serials[host]]
        place.rms.set(fates={"*": "goes_offline_midway"})
        settings = ("-e", "router_rotation_deadline=2", "-e", "router_rotation_max_attempts=2")
        place.run("rotate_routers", *settings)

        done = place.run("reconcile", *settings)

        assert done.returncode == 2, done.stdout
        assert f"{host}: orphaned" in done.stdout
        record = place.records()[host]
        assert (record["orphaned"], record["current"]["password"]) == (True, before)
        assert record["staged"]["password"]
        place.rms.clear_log()
        assert place.run("rotate_routers", "-e", "router_rotation_force=true").returncode == 2
        assert place.changing_requests() == []

        place.import_real_passwords()
        place.rms.set(fates={"*": "ok"})
        assert place.run("rotate_routers").returncode == 0
        assert place.lost() == []


def test_the_vendors_word_that_a_router_kept_its_password_may_be_wrong(newest_core: Core, tmp_path: Path) -> None:
    with site(tmp_path, newest_core, routers=1) as place:
        place.import_real_passwords()
        place.rms.set(fates={"*": "error_after_change"})

        done = place.run("rotate_routers")

        assert done.returncode == 2, done.stdout
        name = next(iter(place.hosts))
        record = place.records()[name]
        assert place.rms.passwords()[place.serials[name]] == record["staged"]["password"], "nothing says that the router kept its own"
