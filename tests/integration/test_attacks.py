# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Attacks on the promise that take a whole run: what installers, clocks, disks and terminals do. Each test says what must hold."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from integration.canaries import found_below
from integration.cores import Core
from integration.device_sites import device_site
from integration.sites import PASSPHRASE, site
from integration.test_promise import SLOW, start

TOLERANT = ("-e", "router_rotation_failure_limit_percent=100")


@pytest.mark.parametrize("habit", ["serial", "0000", "changed"])
def test_a_present_password_that_stands_in_serials_or_in_our_own_words_confuses_no_step(
    newest_core: Core, tmp_path: Path, habit: str
) -> None:
    with device_site(tmp_path, newest_core, routers=3, via="rms_then_verify") as place:
        for serial in place.serials.values():
            password = serial if habit == "serial" else habit
            place.routers.change(serial=serial, password=password)
            place.rms.router(serial, password=password)
        place.import_real_passwords()

        done = place.run("rotate_routers")

        assert done.returncode == 0, done.stdout
        assert place.lost() == []
        assert all(not record["orphaned"] and record["verified_by"] == "login" for record in place.records().values())


def test_the_answer_that_a_password_must_differ_from_the_current_one_proves_nothing(newest_core: Core, tmp_path: Path) -> None:
    with site(tmp_path, newest_core, routers=3, error_text="The new password must not be the same as the current password.") as place:
        place.import_real_passwords()
        place.rms.set(fates={"*": "error"})

        done = place.run("rotate_routers", *TOLERANT)

        assert done.returncode == 2, done.stdout
        assert place.lost() == [], "the password before it stays current"


@pytest.mark.parametrize("words", ["Device disconnected.", "Internal error", "Something went wrong", "Operation failed"])
def test_words_that_leave_the_outcome_open_never_mean_that_the_old_password_is_in_force(
    newest_core: Core, tmp_path: Path, words: str
) -> None:
    with site(tmp_path, newest_core, routers=2, error_text=words) as place:
        place.import_real_passwords()
        place.rms.set(fates={"*": "error_after_change"})

        done = place.run("rotate_routers", *TOLERANT)

        assert done.returncode == 2, done.stdout
        records, real = place.records(), place.rms.passwords()
        assert all(records[name]["staged"]["password"] == real[serial] for name, serial in place.serials.items()), "kept as staged"
        place.rms.set(fates={"*": "ok"})
        assert place.run("reconcile").returncode == 0
        assert place.lost() == []


def test_two_names_with_one_serial_are_told_also_when_each_run_sees_only_one(newest_core: Core, tmp_path: Path) -> None:
    with site(tmp_path, newest_core, routers=2) as place:
        first, _second = place.hosts
        place.hosts["twin"] = {"device_serial": place.serials[first]}
        assert place.run("rotate_routers", "--limit", first).returncode == 0
        asked = len(place.changing_requests())

        done = place.run("rotate_routers", "--limit", "twin", "-e", "router_rotation_force=true")

        assert done.returncode == 2, done.stdout
        assert f"its serial is also that of {first}" in done.stdout
        assert len(place.changing_requests()) == asked
        assert "twin" not in place.records()


def test_a_router_renamed_in_the_inventory_keeps_its_passwords_and_its_history(newest_core: Core, tmp_path: Path) -> None:
    with site(tmp_path, newest_core, routers=2) as place:
        old, _other = place.hosts
        assert place.run("rotate_routers").returncode == 0
        before = place.records()[old]["current"]["password"]
        place.hosts["new-name"] = place.hosts.pop(old)
        place.serials["new-name"] = place.serials.pop(old)

        done = place.run("rotate_routers")

        assert done.returncode == 0, done.stdout
        assert f"new-name was called {old} until now" in done.stdout
        records = place.records()
        assert records["new-name"]["current"]["password"] == before
        assert old not in records


def test_a_serial_that_rms_lists_twice_is_a_conflict_and_nothing_is_sent(newest_core: Core, tmp_path: Path) -> None:
    with site(tmp_path, newest_core, routers=3) as place:
        place.import_real_passwords()
        name, *_others = place.hosts
        place.rms.set(stale_serials=[place.serials[name]])

        done = place.run("rotate_routers", *TOLERANT)

        assert done.returncode == 2, done.stdout
        assert f"{name}: failed; nothing was sent and the old password is in force (conflict" in done.stdout
        assert len(place.rms.truth()[place.serials[name]]["asked"]) == 0
        assert place.lost() == []


def test_a_ledger_that_is_deleted_under_a_run_leaves_its_passwords_in_a_file_that_is_named(newest_core: Core, tmp_path: Path) -> None:
    with site(tmp_path, newest_core, routers=3, **SLOW) as place:
        place.import_real_passwords()
        run = start(place, "rotate_routers")
        while not place.changing_requests():
            assert run.poll() is None, run.communicate()[0]
        (tmp_path / "ledger.db").unlink()

        said = run.communicate()[0]

        assert run.returncode == 2, said
        [emergency] = tmp_path.glob("keyturn-emergency-*.csv")
        assert str(emergency) in said
        assert stat.S_IMODE(emergency.stat().st_mode) == 0o600
        assert all(password in emergency.read_text() for password in place.rms.passwords().values())


def test_a_ledger_restored_from_an_older_copy_counts_nothing_as_proven(newest_core: Core, tmp_path: Path) -> None:
    with site(tmp_path, newest_core, routers=3) as place:
        assert place.run("rotate_routers").returncode == 0
        older = (tmp_path / "ledger.db").read_bytes()
        assert place.run("rotate_routers", "-e", "router_rotation_force=true").returncode == 0
        (tmp_path / "ledger.db").write_bytes(older)
        assert len(place.lost()) == 3

        done = place.run("rotate_routers")

        assert done.returncode == 0, done.stdout
        assert "never_verified" in done.stdout
        assert place.lost() == []


def test_a_job_on_an_absent_ledger_stops_and_says_where_it_looked(newest_core: Core, tmp_path: Path) -> None:
    with site(tmp_path, newest_core, routers=2) as place:
        (tmp_path / "ledger.db").unlink()

        for playbook in ("rotate_routers", "reconcile"):
            done = place.run(playbook)
            assert done.returncode == 2, done.stdout
            assert str(tmp_path / "ledger.db") in done.stdout
            assert "create_ledger" in done.stdout
        assert place.run("rotate_routers", "--check").returncode == 2
        assert not (tmp_path / "ledger.db").exists()
        assert place.changing_requests() == []


def test_no_one_time_list_in_clear_outlives_a_run_that_is_killed_while_it_has_one(newest_core: Core, tmp_path: Path) -> None:
    with site(tmp_path, newest_core, routers=6, **SLOW) as place:
        place.import_real_passwords()
        place.group_vars = {"device_password_source": {"kind": "rms"}}
        run = subprocess.Popen(
            place.command("rotate_routers"),
            cwd=place.folder,
            env=place.core.environment(place.environment()),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while not any(entry["path"].endswith("/download/passwords") for entry in place.rms.log()):
            assert run.poll() is None
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()

        real = place.rms.passwords()
        assert found_below(tmp_path, real.values()) == []
        place.run("reconcile", *TOLERANT)
        assert place.run("rotate_routers", *TOLERANT).returncode == 0
        assert place.lost() == []
        assert found_below(tmp_path, place.rms.passwords().values()) == []


@pytest.mark.parametrize("setting", ["ansible_ssh_pipelining", "ANSIBLE_KEEP_REMOTE_FILES"])
def test_a_site_where_passwords_would_lie_in_files_is_refused_before_anything_is_staged(
    newest_core: Core, tmp_path: Path, setting: str
) -> None:
    with device_site(tmp_path, newest_core, routers=2) as place:
        place.sites = {"gateway": {"ansible_connection": "local", "ansible_python_interpreter": str(newest_core.bin / "python")}}
        place.group_vars["device_site"] = "gateway"
        if setting.isupper():
            place.env[setting] = "1"
        else:
            place.sites["gateway"]["ansible_pipelining"] = True
            place.env["ANSIBLE_KEEP_REMOTE_FILES"] = "1"

        done = place.run("rotate_routers", "-e", "router_rotation_force=true", *TOLERANT)

        assert done.returncode == 2, done.stdout
        assert "pipelining is off at gateway" in done.stdout
        assert all(record["staged"] is None for record in place.records().values())
        assert place.lost() == []


def test_a_bad_fingerprint_or_address_is_found_in_the_plan_and_named(newest_core: Core, tmp_path: Path) -> None:
    with device_site(tmp_path, newest_core, routers=3) as place:
        first, second, third = place.hosts
        place.hosts[first]["device_fingerprint"] = "SHA256:nonsense"
        place.hosts[second]["device_host"] = "http://user:secret-word@router/path"

        done = place.run("rotate_routers", "-e", "router_rotation_force=true", *TOLERANT)

        assert done.returncode == 2, done.stdout
        assert f"{first}: failed; nothing was sent" in done.stdout
        assert "device_fingerprint" in done.stdout
        assert "device_host" in done.stdout
        assert "secret-word" not in done.stdout
        assert place.changes() == {first: 0, second: 0, third: 1}


def test_braces_in_the_name_of_a_directory_mean_nothing(newest_core: Core, tmp_path: Path) -> None:
    folder = tmp_path / "a {number} {{ b }} c"
    folder.mkdir()
    with site(folder, newest_core, routers=2) as place:
        place.group_vars = {"device_password_source": {"kind": "rms"}}
        (folder / "ansible.cfg").write_text("[defaults]\n")

        done = place.run("rotate_routers", "-e", "router_rotation_summary_file=summary.json")

        assert done.returncode == 0, done.stdout
        assert place.lost() == []


def test_a_clock_that_jumps_forward_takes_no_router_from_a_run_that_lives(newest_core: Core, tmp_path: Path) -> None:
    with site(tmp_path, newest_core, routers=3, device_seconds=100.0) as place:
        place.import_real_passwords()
        first = start(place, "rotate_routers")
        while not place.changing_requests():
            assert first.poll() is None, first.communicate()[0]
        place.end_leases()

        second = place.run("rotate_routers", "-e", "router_rotation_force=true")

        assert first.poll() is None, "it still waits for its routers"
        place.rms.advance(100)
        said = first.communicate()[0]
        assert (first.returncode, second.returncode) == (0, 0), said + second.stdout
        assert [len(router["asked"]) for router in place.rms.truth().values()] == [1] * 3
        assert place.lost() == []


def test_no_host_matched_is_an_error(newest_core: Core, tmp_path: Path) -> None:
    with site(tmp_path, newest_core, routers=2) as place:
        for arguments in (("-e", "target=nobody"), ("--limit", "localhost,nobody*")):
            done = place.run("rotate_routers", *arguments)
            assert done.returncode not in (0,), done.stdout
        assert place.changing_requests() == []
        assert PASSPHRASE not in done.stdout
