# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks rotate_routers and reconcile against the simulated RMS, as a user runs them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from integration.cores import Core
from integration.sites import Site, site

GIVEN = "Given-Password-2026-xy"


def names_of(place: Site) -> list[str]:
    return list(place.hosts)


def test_a_fleet_with_every_source_is_rotated_and_proven_and_a_second_run_changes_nothing(every_core: Core, tmp_path: Path) -> None:
    with site(tmp_path, every_core, routers=6) as place:
        first, second, third, fourth, *_rest = names_of(place)
        # A brace is an ordinary character of a password; Ansible must not take it for a template.
        from_list = "Csv{{1+1}}Pass-2026"
        (tmp_path / "handover.csv").write_text(f"serial,password\n{place.serials[second]},{from_list}\n")
        place.group_vars = {"device_password_policy": {"length": 18, "special": True, "max_age_days": 30}, "from_elsewhere": GIVEN}
        place.hosts[second]["device_password_source"] = {"kind": "csv", "path": "handover.csv"}
        place.hosts[third]["device_password_source"] = {
            "kind": "value",
            "password": "{{ lookup('ansible.builtin.vars', 'from_elsewhere') }}",
        }
        place.hosts[fourth]["device_password_source"] = {"kind": "rms"}

        done = place.run("rotate_routers")

        assert done.returncode == 0, done.stdout
        assert place.lost() == []
        records, real = place.records(), place.rms.passwords()
        assert {name: records[name]["verified_by"] for name in records} == dict.fromkeys(place.hosts, "vendor")
        assert (real[place.serials[second]], real[place.serials[third]]) == (from_list, GIVEN)
        assert len(real[place.serials[first]]) == 18
        assert "6 changed" in done.stdout
        assert list(tmp_path.glob("keyturn-generated-*")) == [], (
            "the one-time list is in the ledger now and must not stay beside it in clear"
        )

        place.rms.clear_log()
        again = place.run("rotate_routers")

        assert again.returncode == 0, again.stdout
        assert "0 of 6 routers are due" in again.stdout
        assert place.changing_requests() == []


def test_check_mode_tells_who_is_due_and_why_and_changes_nothing(edge_core: Core, tmp_path: Path) -> None:
    with site(tmp_path, edge_core, routers=2) as place:
        done = place.run("rotate_routers", "--check")

        assert done.returncode == 0, done.stdout
        for name in names_of(place):
            assert f"{name}: due (no_password)" in done.stdout
        assert "changed=1" in done.stdout
        assert place.changing_requests() == []
        assert place.records() == {}


def test_limit_and_target_narrow_the_run_and_force_takes_what_is_not_due(newest_core: Core, tmp_path: Path) -> None:
    with site(tmp_path, newest_core, routers=3) as place:
        first, second, third = names_of(place)
        assert place.run("rotate_routers", "--limit", first).returncode == 0
        assert set(place.records()) == {first}
        assert place.run("rotate_routers", "-e", f"target={second}").returncode == 0
        assert set(place.records()) == {first, second}
        before = place.rms.passwords()

        done = place.run("rotate_routers", "-e", "router_rotation_force=true", "--limit", f"{first},{third}")

        assert done.returncode == 0, done.stdout
        now = place.rms.passwords()
        assert {name for name, serial in place.serials.items() if now[serial] != before[serial]} == {first, third}
        assert place.lost() == []


@pytest.mark.parametrize(
    ("fate", "status", "reason"),
    [
        ("rejected_by_policy", "failed", "rejected_by_policy"),
        ("warning_after_change", "unknown", ""),
        ("goes_silent_after_change", "unknown", "timeout"),
        ("not_listed", "failed", "not_found"),
    ],
)
def test_a_router_that_did_not_change_for_sure_ends_the_run_with_a_failure_that_names_it(
    newest_core: Core, tmp_path: Path, fate: str, status: str, reason: str
) -> None:
    with site(tmp_path, newest_core, routers=3) as place:
        bad, *good = names_of(place)
        place.import_real_passwords()
        place.rms.set(fates={place.serials[bad]: fate})

        done = place.run("rotate_routers", "-e", "router_rotation_deadline=4", "-e", "router_rotation_failure_limit_percent=100")

        assert done.returncode == 2, done.stdout
        line = next(line for line in re.findall(r'"(.*?)"', done.stdout) if line.startswith(f"{bad}: {status}"))
        assert reason in line
        records, real = place.records(), place.rms.passwords()
        assert all(records[name]["current"]["password"] == real[place.serials[name]] for name in good)
        kept = [slot["password"] for slot in (records[bad]["current"], records[bad]["staged"]) if slot]
        assert fate == "not_listed" or real[place.serials[bad]] in kept
        assert (records[bad]["staged"] is not None) == (status == "unknown")


@pytest.mark.parametrize("same_password", ["error", "completed"])
def test_what_was_left_in_doubt_is_settled_with_the_same_password(newest_core: Core, tmp_path: Path, same_password: str) -> None:
    with site(tmp_path, newest_core, routers=3, same_password=same_password) as place:
        place.import_real_passwords()
        took_it, kept_it, _other = names_of(place)
        place.rms.set(fates={place.serials[took_it]: "goes_silent_after_change", place.serials[kept_it]: "goes_offline_midway"})
        place.run("rotate_routers", "-e", "router_rotation_deadline=4", "-e", "router_rotation_failure_limit_percent=100")
        staged = {name: place.records()[name]["staged"]["password"] for name in (took_it, kept_it)}
        place.rms.set(fates={"*": "ok"})

        done = place.run("reconcile")

        assert done.returncode == 0, done.stdout
        records = place.records()
        # That RMS calls a password the router's own proves nothing; where it does, a new one settles it, and the old one is remembered.
        known = {name: [slot["password"] for slot in (record["current"], *record["previous"])] for name, record in records.items()}
        assert all(password in known[name] for name, password in staged.items())
        assert records[kept_it]["current"]["password"] == staged[kept_it]
        assert place.lost() == []


def test_a_router_that_is_offline_for_a_few_days_is_told_and_turns_nothing_red(newest_core: Core, tmp_path: Path) -> None:
    with site(tmp_path, newest_core, routers=3) as place:
        place.import_real_passwords()
        away, *_others = names_of(place)
        place.rms.set(fates={place.serials[away]: "offline"})

        done = place.run("rotate_routers")

        assert done.returncode == 0, done.stdout
        assert f"{away}: offline; nothing was changed (offline)" in done.stdout
        assert "2 changed, 0 failed, 0 unknown, 0 orphaned, 0 settled, 1 offline" in done.stdout
        assert place.lost() == []
        done = place.run("rotate_routers", "-e", "router_rotation_offline_days=0")
        assert done.returncode == 4, done.stdout
        assert place.run("rotate_routers", "--check", "-e", "router_rotation_offline_days=0").returncode == 4


def test_the_run_stops_early_when_too_many_routers_fail(newest_core: Core, tmp_path: Path) -> None:
    with site(tmp_path, newest_core, routers=6) as place:
        place.import_real_passwords()
        place.rms.set(fates={"*": "rejected_by_policy"})

        done = place.run("rotate_routers", "-e", "router_rotation_batch_size=2")

        assert done.returncode == 2, done.stdout
        assert "The run stopped early: 2 of 2 routers failed" in done.stdout
        assert "4 routers were not reached" in done.stdout
        assert len(place.changing_requests()) == 1
        assert place.lost() == []


@pytest.mark.parametrize(
    ("switches", "words"), [({"missing_scope": "403", "scopes": ["devices:read"]}, "scope"), ({"two_factor": True}, "403")]
)
def test_a_token_that_may_not_change_passwords_stops_the_run_with_nothing_changed(
    newest_core: Core, tmp_path: Path, switches: dict[str, object], words: str
) -> None:
    with site(tmp_path, newest_core, routers=2, **switches) as place:
        place.import_real_passwords()

        done = place.run("rotate_routers")

        assert done.returncode == 2, done.stdout
        assert words in done.stdout
        assert place.lost() == []
        assert all(record["staged"] is None for record in place.records().values())


def test_the_answer_of_a_whole_batch_lost_after_the_change_costs_no_password(newest_core: Core, tmp_path: Path) -> None:
    with site(tmp_path, newest_core, routers=4) as place:
        place.import_real_passwords()
        place.rms.set(faults=[{"kind": "cut", "when": "after_change", "method": "POST", "path": "/devices/passwords/set"}])
        done = place.run("rotate_routers")
        assert done.returncode == 2, done.stdout
        assert len(place.lost()) == 4, "the routers changed, and nobody was told"
        assert {record["staged"]["password"] for record in place.records().values()} == set(place.rms.passwords().values())

        done = place.run("rotate_routers")

        assert done.returncode == 0, done.stdout
        assert place.lost() == []


def test_the_password_lookup_gives_a_playbook_what_the_router_takes(edge_core: Core, tmp_path: Path) -> None:
    with site(tmp_path, edge_core, routers=2) as place:
        place.run("rotate_routers")
        (tmp_path / "use.yml").write_text(
            "- hosts: routers\n  gather_facts: false\n  tasks:\n    - ansible.builtin.copy:\n"
            "        dest: \"{{ playbook_dir }}/used-{{ inventory_hostname }}\"\n        mode: '0600'\n"
            "        content: \"{{ lookup('keyturn.devices.password', inventory_hostname) }}\"\n"
            "      delegate_to: localhost\n      no_log: true\n"
        )

        done = place.run("use.yml")

        assert done.returncode == 0, done.stdout
        used = {name: (tmp_path / f"used-{name}").read_text() for name in place.hosts}
        assert used == {name: place.rms.passwords()[serial] for name, serial in place.serials.items()}


def test_a_fleet_is_asked_with_few_requests(newest_core: Core, tmp_path: Path) -> None:
    with site(tmp_path, newest_core, routers=60) as place:
        done = place.run("rotate_routers")

        assert done.returncode == 0, done.stdout
        paths = [entry["path"] for entry in place.rms.log()]
        # One listing, then for each of the two batches one request and a few looks at its channel.
        assert len(paths) <= 9, json.dumps(paths)
