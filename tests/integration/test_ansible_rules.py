# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role in a play of somebody else, run by ansible-runner as AWX does: Ansible's rules say who is touched and what the recap says."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_runner
import pytest

from integration.cores import Core
from integration.sites import Site, site
from simulators.rms import RmsSimulator

ROUTERS = 20
ROLE = "keyturn.devices.router_rotation"
Plays = list[dict[str, Any]]


@dataclass
class Case:
    """C(play): what is merged into a play for the routers. C(prepare): spoils or sets the site, and returns the command line's extras.

    C(changed), C(failed), C(unreachable): which of the twenty, by number. C(check): more to look at.
    """

    name: str
    play: Mapping[str, Any]
    changed: Collection[int] = field(default_factory=lambda: range(ROUTERS))
    failed: Collection[int] = ()
    unreachable: Collection[int] = ()
    prepare: Callable[[Site], str] = lambda place: ""
    check: Callable[[Site, dict[str, str]], None] = lambda place, passwords: None


def include(**more: Any) -> dict[str, Any]:
    return {"name": "Rotate", "ansible.builtin.include_role": {"name": ROLE}, **more}


def all_of_length(length: int) -> Callable[[Site, dict[str, str]], None]:
    def check(_place: Site, passwords: dict[str, str]) -> None:
        assert {len(password) for password in passwords.values()} == {length}

    return check


def vars_file(place: Site) -> str:
    (place.folder / "policy.yml").write_text("device_password_policy: {length: 27, special: true}\n")
    return ""


def first_host_fails() -> dict[str, Any]:
    fails = {
        "name": "The first host fails",
        "ansible.builtin.fail": {"msg": "on purpose"},
        "when": "inventory_hostname == groups.routers[0]",
    }
    return {"tasks": [fails, include()]}


def odd_connections(place: Site) -> str:
    names = list(place.hosts)
    for name in names[::2]:
        place.hosts[name].update(ansible_connection="ansible.netcommon.network_cli", ansible_network_os="acme.os.os")
    for name in names[1::2]:
        place.hosts[name].update(ansible_connection="ansible.netcommon.httpapi", ansible_python_interpreter="/nowhere/python")
    place.sites = {"localhost": {"ansible_connection": "ansible.netcommon.network_cli", "ansible_python_interpreter": "/nowhere/python"}}
    return ""


def one_is_refused(place: Site) -> str:
    place.rms.set(fates={place.serials[list(place.hosts)[3]]: "rejected_by_policy"})
    return "-e router_rotation_failure_limit_percent=100"


def rescued() -> dict[str, Any]:
    told = {
        "name": "Say who was rescued",
        "ansible.builtin.copy": {
            "content": "{{ ansible_failed_result.reason }}",
            "dest": "{{ playbook_dir }}/rescued-{{ inventory_hostname }}",
        },
        "delegate_to": "localhost",
    }
    return {"tasks": [{"name": "Try", "block": [include()], "rescue": [told]}]}


def only_one_was_rescued(place: Site, _passwords: dict[str, str]) -> None:
    told = {path.name: path.read_text() for path in (place.folder / "runner" / "project").glob("rescued-*")}
    assert told == {f"rescued-{list(place.hosts)[3]}": "rejected_by_policy"}


def misspelt(place: Site) -> str:
    place.hosts[list(place.hosts)[5]]["device_password_polcy"] = {"length": 30}
    return ""


def gone_for_long(place: Site) -> str:
    place.rms.set(fates={place.serials[list(place.hosts)[7]]: "offline"})
    return "-e router_rotation_offline_days=0"


def limited(place: Site) -> str:
    return f"--limit {','.join(list(place.hosts)[4:7])}"


CASES = [
    Case("roles without run_once", {"roles": [ROLE]}),
    Case("include with when", {"tasks": [include(when="inventory_hostname in groups.routers[2:4]")]}, changed=(2, 3)),
    Case("serial with force", {"serial": 5, "vars": {"router_rotation_force": True}, "roles": [ROLE]}),
    Case("play vars", {"vars": {"device_password_policy": {"length": 31, "special": True}}, "roles": [ROLE]}, check=all_of_length(31)),
    Case("vars_files", {"vars_files": ["{{ inventory_dir }}/policy.yml"], "roles": [ROLE]}, prepare=vars_file, check=all_of_length(27)),
    Case(
        "extra variables",
        {"vars": {"device_password_policy": {"length": 31}}, "roles": [ROLE]},
        prepare=lambda place: '-e \'{"device_password_policy": {"length": 29, "special": true}}\'',
        check=all_of_length(29),
    ),
    Case("first host failed", first_host_fails(), changed=range(1, ROUTERS), failed=(0,)),
    Case("hosts that only their own connection reaches", {"roles": [ROLE]}, prepare=odd_connections),
    Case(
        "rescue of the one that failed",
        rescued(),
        changed=[number for number in range(ROUTERS) if number != 3],
        prepare=one_is_refused,
        check=only_one_was_rescued,
    ),
    Case(
        "one with a misspelt variable fails alone",
        {"roles": [ROLE]},
        changed=[number for number in range(ROUTERS) if number != 5],
        failed=(5,),
        prepare=misspelt,
    ),
    Case(
        "offline for too long is unreachable",
        {"roles": [ROLE]},
        changed=[number for number in range(ROUTERS) if number != 7],
        unreachable=(7,),
        prepare=gone_for_long,
    ),
    Case("limit", {"roles": [ROLE]}, changed=(4, 5, 6), prepare=limited),
]


@dataclass
class Ran:
    """What ansible-runner says of a run."""

    stats: Mapping[str, Mapping[str, int]]
    printed: str
    code: int

    def of(self, kind: str) -> set[str]:
        return set(self.stats[kind])


def run_by_runner(place: Site, plays: Plays, arguments: str = "") -> Ran:
    """As AWX runs a job: its own folder, the playbook in its project, results from its events."""
    folder = place.folder / "runner"
    (folder / "project").mkdir(parents=True, exist_ok=True)
    (folder / "project" / "play.yml").write_text(json.dumps(plays))
    command = place.command("unused")
    inventory = command[command.index("-i") + 1]
    environment = place.core.environment(place.environment())
    runner = ansible_runner.run(
        private_data_dir=str(folder),
        playbook="play.yml",
        inventory=inventory,
        cmdline=arguments,
        envvars={name: value for name, value in environment.items() if name.startswith(("ANSIBLE_", "KEYTURN_", "RMS_", "PATH", "HOME"))},
        quiet=True,
        settings={"suppress_env_files": True, "job_timeout": 240},
    )
    assert runner.stats is not None, runner.stdout.read()
    return Ran(runner.stats, runner.stdout.read(), runner.rc)


@pytest.fixture
def place(newest_core: Core, tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path, newest_core, routers=ROUTERS) as built:
        built.import_real_passwords()
        yield built


def names(place: Site, numbers: Collection[int]) -> set[str]:
    return {name for number, name in enumerate(place.hosts) if number in numbers}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_the_right_hosts_get_new_passwords_and_have_the_right_lines_in_the_recap(place: Site, case: Case) -> None:
    before = place.rms.passwords()
    arguments = case.prepare(place)

    ran = run_by_runner(place, [{"hosts": "routers", "gather_facts": False, **case.play}], arguments)

    now = place.rms.passwords()
    changed = {name for name, serial in place.serials.items() if now[serial] != before[serial]}
    assert changed == names(place, case.changed), ran.printed
    assert ran.of("changed") >= names(place, case.changed), ran.printed
    assert ran.of("changed") & set(place.hosts) - names(place, case.changed) <= names(place, (3,)), ran.printed
    assert ran.of("failures") == names(place, case.failed), ran.printed
    assert ran.of("dark") == names(place, case.unreachable), ran.printed
    assert ran.code == (2 if case.failed else 4 if case.unreachable else 0), ran.printed
    assert place.lost() == []
    asked = [len(router["asked"]) for router in place.rms.truth().values()]
    assert max(asked) <= 1, "no router is asked twice, whatever the play looks like"
    case.check(place, {name: now[place.serials[name]] for name in changed})


def test_with_the_strategy_free_every_host_is_a_run_of_its_own(newest_core: Core, tmp_path: Path) -> None:
    with site(tmp_path, newest_core, routers=4) as place:
        place.import_real_passwords()
        refused = list(place.hosts)[1]
        place.rms.set(fates={place.serials[refused]: "rejected_by_policy"})

        ran = run_by_runner(place, [{"hosts": "routers", "gather_facts": False, "strategy": "free", "roles": [ROLE]}])

        assert ran.of("failures") == {refused}, ran.printed
        assert ran.of("changed") == set(place.hosts) - {refused}, ran.printed
        assert place.lost() == []
        assert [len(router["asked"]) for router in place.rms.truth().values()] == [1] * 4


def test_two_groups_with_accounts_of_their_own_are_each_asked_with_their_own(newest_core: Core, tmp_path: Path) -> None:
    with ExitStack() as stack:
        place = stack.enter_context(site(tmp_path, newest_core, routers=4))
        other = stack.enter_context(RmsSimulator(routers=4, seed=99))
        elsewhere = {f"other-{number}": serial for number, serial in enumerate(other.truth())}
        for name, serial in elsewhere.items():
            place.hosts[name] = {
                "device_serial": serial,
                "router_rotation_rms_url": other.url,
                "router_rotation_rms_token": "{{ other_token }}",
                "other_token": other.token,
                "device_password_policy": {"length": 30, "special": True},
            }
        before, before_other = place.rms.passwords(), other.passwords()

        ran = run_by_runner(place, [{"hosts": "routers", "gather_facts": False, "roles": [ROLE]}])

        assert ran.code == 0, ran.printed
        now, now_other = place.rms.passwords(), other.passwords()
        assert all(now[serial] != before[serial] for serial in before)
        assert all(now_other[serial] != before_other[serial] and len(now_other[serial]) == 30 for serial in before_other)
        records = place.records()
        assert all(records[name]["current"]["password"] == now_other[serial] for name, serial in elsewhere.items())


def test_the_role_twice_in_one_call_rotates_once_and_then_finds_nobody_due(place: Site) -> None:
    play = {"hosts": "routers", "gather_facts": False, "roles": [ROLE]}

    ran = run_by_runner(
        place, [play, {**play, "tasks": [include(when="inventory_hostname in groups.routers[:3]", vars={"router_rotation_force": True})]}]
    )

    assert ran.code == 0, ran.printed
    asked = {name: len(place.rms.truth()[serial]["asked"]) for name, serial in place.serials.items()}
    assert asked == {name: 2 if number < 3 else 1 for number, name in enumerate(place.hosts)}, ran.printed
    assert place.lost() == []


def test_no_variable_holds_a_password_after_the_role(place: Site) -> None:
    first, second, *_others = place.hosts
    (place.folder / "given.csv").write_text(f"{place.serials[first]},Csv-Canary-77-Password\n")
    (place.folder / "value").write_text("Value-Canary-77-Password")
    place.hosts[first]["device_password_source"] = {"kind": "csv", "path": "given.csv"}
    lookup = f"{{{{ lookup('ansible.builtin.file', '{place.folder / 'value'}') }}}}"
    place.hosts[second]["device_password_source"] = {"kind": "value", "password": lookup}
    # What the inventory says itself is the user's own; everything else that a host has by now is looked at.
    left = "{{ lookup('ansible.builtin.vars', *query('ansible.builtin.varnames', 'rotation')) }}"
    show = {"name": "Show what was left behind", "ansible.builtin.debug": {"msg": left}}

    ran = run_by_runner(place, [{"hosts": "routers", "gather_facts": False, "roles": [ROLE], "post_tasks": [show]}], "-v")

    secrets = {slot["password"] for record in place.records().values() for slot in (record["current"], *record["previous"])}
    assert {"Csv-Canary-77-Password", "Value-Canary-77-Password"} <= secrets
    assert "announcement" in ran.printed, "the plan was among it"
    assert [secret for secret in secrets if secret in ran.printed] == []


def test_settings_of_a_run_that_differ_between_hosts_stop_it_and_are_named(place: Site) -> None:
    place.hosts[list(place.hosts)[4]]["router_rotation_max_attempts"] = 7

    ran = run_by_runner(place, [{"hosts": "routers", "gather_facts": False, "roles": [ROLE]}])

    assert ran.code == 2
    assert "router_rotation_max_attempts: must be the same for all routers of a run" in ran.printed
    assert place.changing_requests() == []
