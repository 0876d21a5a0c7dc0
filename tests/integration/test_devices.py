# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks against routers that are asked themselves, and against RMS with a log-in as the proof."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from campaigns import crash_devices
from support.signals import as_at_a_terminal

from integration.canaries import CommandLines, found_below, found_in
from integration.cores import Core
from integration.device_sites import DeviceSite, device_site
from integration.sites import PASSPHRASE

ALL = ("-e", "router_rotation_failure_limit_percent=100")
FORCE = ("-e", "router_rotation_force=true")
CHANGE = {"method": "PUT", "path": "/api/users/config/*"}
LOG_IN = {"method": "POST", "path": "/api/login"}
#: The change is asked for and its answer lost, and then the router is away.
LOST_AFTER = [{"kind": "cut", "when": "after_change", **CHANGE}, {"kind": "cut", "nth": 2, "times": 0, "when": "before_reading", **LOG_IN}]
LOST_BEFORE = [{"kind": "cut", "when": "before_reading", **CHANGE}, LOST_AFTER[1]]


def told(done: subprocess.CompletedProcess[str], name: str) -> str:
    """What the end summary says of a router."""
    lines = [line for line in re.findall(r'^ +"(.*)",?$', done.stdout, re.MULTILINE) if line.startswith(f"{name}: ")]
    assert lines, done.stdout
    return lines[-1]


def passwords(record: dict[str, Any]) -> list[str]:
    return [slot["password"] for slot in (record["current"], record["staged"], *record["previous"]) if slot]


def started(place: DeviceSite) -> subprocess.Popen[bytes]:
    """A rotation that has asked every router for the change."""
    place.begin_run()
    run = subprocess.Popen(
        place.command("rotate_routers"),
        cwd=place.folder,
        env=place.core.environment(place.environment()),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while sum(entry["method"] == "PUT" for entry in place.routers.log()) < len(place.hosts):
        assert run.poll() is None
    return run


# --- at the router itself --------------------------------------------------------------------------------------------------------


def test_routers_are_rotated_themselves_and_a_second_run_changes_nothing(core: Core, tmp_path: Path) -> None:
    with device_site(tmp_path, core) as place:
        before = place.real_passwords()

        done = place.run("rotate_routers")

        assert done.returncode == 0, done.stdout
        assert "3 changed" in done.stdout
        assert place.lost() == []
        assert not set(before.items()) & set(place.real_passwords().items())
        assert {record["verified_by"] for record in place.records().values()} == {"login"}
        assert (set(place.wrong_logins().values()), place.open_sessions()) == ({0}, [])

        again = place.run("rotate_routers")

        assert again.returncode == 0, again.stdout
        assert "0 of 3 routers are due" in again.stdout
        assert place.routers.log() == []


def test_a_router_whose_password_is_neither_is_orphaned_after_two_log_ins_with_every_password_kept(
    newest_core: Core, tmp_path: Path
) -> None:
    with device_site(tmp_path, newest_core) as place:
        foreign, *good = place.hosts
        imported = place.records()[foreign]["current"]["password"]
        place.routers.change(place.serials[foreign], password="Set-by-nobody-we-know-1")

        done = place.run("rotate_routers", *ALL)

        assert done.returncode == 2, done.stdout
        assert told(done, foreign).startswith(f"{foreign}: orphaned")
        assert "import it" in told(done, foreign)
        record = place.records()[foreign]
        assert (record["orphaned"], record["current"]["password"], bool(record["staged"]["password"])) == (True, imported, True)
        assert place.wrong_logins() == {foreign: 2, **dict.fromkeys(good, 0)}
        assert (place.lost(), place.open_sessions()) == ([foreign], [])

        again = place.run("rotate_routers", *FORCE, *ALL)

        assert again.returncode == 2, again.stdout
        assert place.wrong_logins()[foreign] == 0, "nothing is tried any more"
        place.import_real_passwords()
        assert place.run("rotate_routers").returncode == 0
        assert place.lost() == []


def test_a_connection_cut_after_the_change_is_settled_by_a_log_in_at_once(newest_core: Core, tmp_path: Path) -> None:
    with device_site(tmp_path, newest_core, routers=2) as place:
        took_it, kept_it = place.hosts
        place.routers.set(place.serials[took_it], faults=LOST_AFTER[:1])
        place.routers.set(place.serials[kept_it], faults=LOST_BEFORE[:1])

        done = place.run("rotate_routers", *ALL)

        assert done.returncode == 2, done.stdout
        assert told(done, took_it).startswith(f"{took_it}: changed")
        assert told(done, kept_it).startswith(f"{kept_it}: failed; the old password is in force")
        assert place.wrong_logins() == {took_it: 0, kept_it: 1}
        assert (place.lost(), place.open_sessions()) == ([], [])


def test_what_was_left_open_is_settled_by_logging_in_the_staged_password_first(newest_core: Core, tmp_path: Path) -> None:
    with device_site(tmp_path, newest_core) as place:
        took_it, kept_it, _undisturbed = place.hosts
        place.routers.set(place.serials[took_it], faults=LOST_AFTER)
        place.routers.set(place.serials[kept_it], faults=LOST_BEFORE)
        done = place.run("rotate_routers", "-e", "router_rotation_deadline=5", *ALL)
        assert done.returncode == 2, done.stdout
        assert {told(done, name).partition(";")[0] for name in (took_it, kept_it)} == {f"{took_it}: unknown", f"{kept_it}: unknown"}
        kept = {name: passwords(place.records()[name]) for name in (took_it, kept_it)}
        place.routers.set(place.serials[took_it], faults=None)
        place.routers.set(place.serials[kept_it], faults=None)

        done = place.run("reconcile")

        assert done.returncode == 0, done.stdout
        assert told(done, kept_it).startswith(f"{kept_it}: settled")
        assert place.lost() == []
        records = place.records()
        assert {name: (records[name]["staged"], records[name]["verified_by"]) for name in kept} == dict.fromkeys(kept, (None, "login"))
        assert all(set(kept[name]) <= set(passwords(records[name])) for name in kept)
        assert place.wrong_logins() == {took_it: 0, kept_it: 1, _undisturbed: 0}
        assert place.open_sessions() == []


def test_what_was_left_open_does_not_stop_the_rotation_that_settles_it(newest_core: Core, tmp_path: Path) -> None:
    with device_site(tmp_path, newest_core) as place:
        place.routers.set(faults=LOST_BEFORE)
        place.run("rotate_routers", "-e", "router_rotation_deadline=5", *ALL)
        place.routers.set(faults=None)
        before = place.real_passwords()

        done = place.run("rotate_routers", *FORCE)

        assert done.returncode == 0, done.stdout
        assert "3 changed" in done.stdout
        assert place.lost() == []
        assert not set(before.items()) & set(place.real_passwords().items())


@pytest.mark.parametrize("change_arrived", [True, False])
def test_a_run_killed_at_the_change_is_settled_by_the_next_one(newest_core: Core, tmp_path: Path, change_arrived: bool) -> None:
    with device_site(tmp_path, newest_core) as place:
        place.routers.set(faults=[{"kind": "hang", "when": "after_change" if change_arrived else "before_reading", **CHANGE}])
        run = started(place)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        staged = {name: record["staged"]["password"] for name, record in place.records().items()}
        imported = {name: record["current"]["password"] for name, record in place.records().items()}
        place.routers.set(faults=None)

        done = place.run("reconcile")

        assert done.returncode == 0, done.stdout
        assert place.lost() == []
        assert {name: record["current"]["password"] for name, record in place.records().items()} == (staged if change_arrived else imported)
        assert set(place.wrong_logins().values()) == {0 if change_arrived else 1}


def test_a_run_that_is_cancelled_leaves_no_session_open(edge_core: Core, tmp_path: Path) -> None:
    with device_site(tmp_path, edge_core) as place:
        place.routers.set(faults=[{"kind": "slow", "seconds": 2, "when": "after_change", **CHANGE}])
        with as_at_a_terminal():
            run = started(place)
        os.killpg(run.pid, signal.SIGINT)
        run.wait(60)
        # From ansible-core 2.19 on the module is in a session of its own, and sees by itself that the run is gone.
        end = time.monotonic() + 30
        while place.open_sessions() and time.monotonic() < end:
            time.sleep(0.1)
        assert place.open_sessions() == []

        done = place.run("reconcile")

        assert done.returncode == 0, done.stdout
        assert (place.lost(), set(place.wrong_logins().values())) == ([], {0})


def test_kills_at_random_moments_and_cut_connections_lose_no_password(newest_core: Core, tmp_path: Path) -> None:
    score = crash_devices.run(kills=3, seed=43, folder=tmp_path, ansible_bin=newest_core.bin)

    assert score.kept_the_promise, score
    assert score.rounds == 3


def test_the_wrong_router_at_an_address_is_left_as_it_is(newest_core: Core, tmp_path: Path) -> None:
    with device_site(tmp_path, newest_core, routers=2) as place:
        wrong, _right = place.hosts
        place.routers.set(place.serials[wrong], answers_serial="9999999999")

        done = place.run("rotate_routers", *ALL)

        assert done.returncode == 2, done.stdout
        assert "wrong_device" in told(done, wrong)
        assert "correct device_host or device_serial" in told(done, wrong)
        assert place.changes()[wrong] == 0
        assert (place.lost(), place.open_sessions()) == ([], [])


def test_a_router_that_locked_us_out_is_asked_once_and_told(newest_core: Core, tmp_path: Path) -> None:
    with device_site(tmp_path, newest_core, routers=2) as place:
        shut, _open = place.hosts
        place.routers.set(place.serials[shut], lockout_attempts=1)
        place.routers.change(place.serials[shut], password="Set-by-nobody-we-know-1")
        first = place.run("rotate_routers", *ALL)
        assert "locked_out" in told(first, shut)
        assert place.wrong_logins()[shut] == 1

        done = place.run("rotate_routers", *ALL)

        assert done.returncode == 2, done.stdout
        assert told(done, shut).startswith(f"{shut}: failed; the old password is in force (locked_out")
        assert "Wait until the router's lock-out is over" in told(done, shut)
        assert sum(entry["path"] == "/api/login" for entry in place.routers.log(place.serials[shut])) == 1
        place.routers.advance(3600)
        place.routers.change(place.serials[shut], password=place.records()[shut]["current"]["password"])
        assert place.run("rotate_routers").returncode == 0
        assert place.lost() == []


def test_a_router_whose_password_the_ledger_does_not_know_is_not_asked_and_told_to_be_imported(newest_core: Core, tmp_path: Path) -> None:
    with device_site(tmp_path, newest_core, routers=2, known=1) as place:
        _known, unknown = place.hosts

        done = place.run("rotate_routers")

        assert done.returncode == 2, done.stdout
        assert "import it with keyturn.devices.ledger (state=imported)" in told(done, unknown)
        assert place.routers.log(place.serials[unknown]) == []
        assert place.lost() == [unknown]


def test_a_rule_stricter_than_the_policy_is_told_with_nothing_changed(newest_core: Core, tmp_path: Path) -> None:
    with device_site(tmp_path, newest_core, routers=1) as place:
        (name,) = place.hosts
        place.routers.change(policy={"min_length": 30})

        done = place.run("rotate_routers")

        assert done.returncode == 2, done.stdout
        assert "rejected_by_policy" in told(done, name)
        assert (place.changes()[name], place.lost(), place.open_sessions()) == (0, [], [])


# --- through RMS, proven by a log-in ---------------------------------------------------------------------------------------------


def test_a_change_made_through_rms_is_proven_by_a_log_in(edge_core: Core, tmp_path: Path) -> None:
    with device_site(tmp_path, edge_core, via="rms_then_verify") as place:
        made_by_rms, *_others = place.hosts
        place.hosts[made_by_rms]["device_password_source"] = {"kind": "rms"}

        done = place.run("rotate_routers")

        assert done.returncode == 0, done.stdout
        assert place.lost() == []
        assert {record["verified_by"] for record in place.records().values()} == {"login"}
        assert (set(place.wrong_logins().values()), place.open_sessions()) == ({0}, [])
        assert set(place.changes().values()) == {1}


@pytest.mark.parametrize(
    ("fate", "status", "verified_by", "wrong_logins"),
    [
        ("completed_without_change", "failed; the old password is in force (old_password_in_force", "login", 1),
        ("truncates", "orphaned", None, 2),
        ("goes_silent_after_change", "changed", "login", 0),
        ("error_after_change", "changed", "login", 0),
        ("error", "failed; the old password is in force (rejected", "login", 1),
        ("goes_offline_midway", "unknown", None, 1),
    ],
)
def test_a_log_in_goes_before_the_word_of_rms(
    newest_core: Core, tmp_path: Path, fate: str, status: str, verified_by: str | None, wrong_logins: int
) -> None:
    with device_site(tmp_path, newest_core, via="rms_then_verify") as place:
        odd, *good = place.hosts
        place.fate(odd, fate)

        done = place.run("rotate_routers", "-e", "router_rotation_deadline=4", *ALL)

        assert done.returncode == (0 if status == "changed" else 2), done.stdout
        assert told(done, odd).startswith(f"{odd}: {status}")
        record = place.records()[odd]
        assert record["verified_by"] == verified_by
        assert (record["staged"] is None) == (status not in ("orphaned", "unknown"))
        assert len(passwords(record)) >= 2
        assert place.lost() == ([odd] if status == "orphaned" else [])
        assert place.wrong_logins() == {odd: wrong_logins, **dict.fromkeys(good, 0)}
        assert place.open_sessions() == []


def test_where_a_router_cannot_be_reached_the_word_of_rms_stands(newest_core: Core, tmp_path: Path) -> None:
    with device_site(tmp_path, newest_core, via="rms_then_verify", routers=2) as place:
        away, near = place.hosts
        place.routers.set(place.serials[away], reachable="abort")

        done = place.run("rotate_routers")

        assert done.returncode == 0, done.stdout
        assert place.lost() == []
        assert {name: record["verified_by"] for name, record in place.records().items()} == {away: "vendor", near: "login"}


@pytest.mark.parametrize("arrives", ["never", "late"])
def test_a_change_that_rms_was_not_through_with_is_asked_for_again_before_the_old_password_is_trusted(
    newest_core: Core, tmp_path: Path, arrives: str
) -> None:
    with device_site(tmp_path, newest_core, via="rms_then_verify", routers=2, rms_switches={"slow_seconds": 3600}) as place:
        late, _other = place.hosts
        place.fate(late, "slow" if arrives == "late" else "goes_offline_midway")
        place.run("rotate_routers", "-e", "router_rotation_deadline=4", *ALL)
        staged = place.records()[late]["staged"]["password"]
        assert place.lost() == []
        if arrives == "late":
            place.let_rms_time_pass(3600)
        place.fate(late, "ok")

        done = place.run("reconcile")

        assert done.returncode == 0, done.stdout
        assert place.lost() == []
        record = place.records()[late]
        assert (record["current"]["password"], record["verified_by"]) == (staged, "login")
        assert place.wrong_logins()[late] == (0 if arrives == "late" else 1)


# --- at a site of its own --------------------------------------------------------------------------------------------------------


def add_site_host(place: DeviceSite) -> Path:
    """An inventory host with a Python of its own, which keeps what it is given to run and knows no ledger. Gives where it keeps that."""
    kept = place.folder / "kept"
    kept.mkdir()
    python = place.folder / "site-python"
    python.write_text(
        "#!/bin/sh\nunset KEYTURN_LEDGER_URL KEYTURN_LEDGER_PASSPHRASE RMS_TOKEN\ncd /\n"
        f'if [ $# -gt 0 ]; then exec {sys.executable} "$@"; fi\nfile={kept}/$$\ncat > "$file"\nexec {sys.executable} < "$file"\n'
    )
    python.chmod(0o755)
    place.sites["gateway"] = {
        "ansible_connection": "local",
        "ansible_python_interpreter": str(python),
        "ansible_remote_tmp": str(place.folder / "site-tmp"),
    }
    place.group_vars["device_site"] = "gateway"
    return kept


@pytest.mark.parametrize("via", ["device", "rms_then_verify"])
def test_at_a_site_only_the_modules_that_speak_to_routers_run_and_the_ledger_stays_here(edge_core: Core, tmp_path: Path, via: str) -> None:
    with device_site(tmp_path, edge_core, via=via, routers=2) as place:
        kept = add_site_host(place)

        done = place.run("rotate_routers")

        assert done.returncode == 0, done.stdout
        assert place.lost() == []
        given = [path.read_bytes() for path in kept.iterdir()]
        assert len(given) == 1, "one task for all routers of the site"
        assert found_in(given[0], place.real_passwords().values()), "the module there was given the passwords"
        assert found_in(given[0], [PASSPHRASE]) == []


def test_a_site_that_cannot_be_reached_leaves_its_routers_open_and_the_others_go_on(newest_core: Core, tmp_path: Path) -> None:
    with device_site(tmp_path, newest_core) as place:
        away, *near = place.hosts
        place.sites["gateway"] = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
        place.hosts[away]["device_site"] = "gateway"

        done = place.run("rotate_routers")

        assert done.returncode == 2, done.stdout
        assert told(done, away).startswith(f"{away}: unknown")
        assert "offline: The host at its site cannot be reached" in told(done, away)
        assert all(told(done, name).startswith(f"{name}: changed") for name in near)
        assert place.lost() == []
        del place.hosts[away]["device_site"]
        assert place.run("reconcile").returncode == 0
        assert place.lost() == []


def test_a_site_that_the_inventory_does_not_know_stops_the_run_before_any_router_is_asked(newest_core: Core, tmp_path: Path) -> None:
    with device_site(tmp_path, newest_core, routers=1) as place:
        place.group_vars["device_site"] = "nowhere"

        done = place.run("rotate_routers")

        assert done.returncode == 2, done.stdout
        assert "device_site: 'nowhere' is not in the inventory" in done.stdout
        assert place.routers.log() == []


# --- secrets ---------------------------------------------------------------------------------------------------------------------

FAILURES: dict[str, dict[str, Any]] = {
    "all goes well": {},
    "routers refuse and echo": {"refused_symbols": "/", "policy_special": "off"},
    "answer lost": {"faults": LOST_AFTER},
    "wrong router": {"answers_serial": "9999999999"},
}


@pytest.mark.parametrize("failure", FAILURES)
def test_no_secret_shows_or_stays_while_routers_echo_passwords(newest_core: Core, tmp_path: Path, failure: str) -> None:
    with device_site(tmp_path, newest_core, routers=2, echo_value=True) as place:
        old, new = 'Canary\\Old:9;[aZ]|q "x', "Canary/New+\"9'&<%2B>aZ{{x}}"
        first, _second = place.hosts
        place.routers.change(place.serials[first], password=old)
        place.import_real_passwords()
        (tmp_path / "secrets").mkdir()
        (tmp_path / "secrets" / "value").write_text(new)
        source = f"{{{{ lookup('ansible.builtin.file', '{tmp_path / 'secrets' / 'value'}') }}}}"
        place.hosts[first]["device_password_source"] = {"kind": "value", "password": source}
        (tmp_path / "tmp").mkdir()
        place.env = {
            "TMPDIR": str(tmp_path / "tmp"),
            "ANSIBLE_LOG_PATH": str(tmp_path / "ansible.log"),
            "ANSIBLE_LOCAL_TEMP": str(tmp_path / "tmp" / "local"),
            "ANSIBLE_REMOTE_TEMP": str(tmp_path / "tmp" / "remote"),
        }
        place.routers.set(**FAILURES[failure])
        secrets = {old, new, PASSPHRASE, *place.real_passwords().values()}

        with CommandLines() as commands:
            runs = [place.run("rotate_routers", "-vvvv", "-e", "router_rotation_deadline=5", *ALL)]
            secrets |= {password for record in place.records().values() for password in passwords(record)}
            runs.append(place.run("reconcile", "-vvvv", "-e", "router_rotation_deadline=5"))

        secrets |= {entry[kind] for router in place.routers.truth().values() for entry in router["audit"] for kind in ("old", "asked")}
        assert all("PLAY RECAP" in done.stdout for done in runs)
        assert [place for done in runs for place in found_in(done.stdout.encode(), secrets)] == []
        assert [shown for line in commands.seen for shown in found_in(line, secrets)] == []
        assert found_below(tmp_path, secrets, leave_out=(tmp_path / "secrets").iterdir()) == []
