# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The gate every string passes on its way out, in real runs: each way a module can end, at the highest verbosity, on each ansible-core."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from integration.canaries import found_below, found_in
from integration.cores import CHECKOUT, Core
from integration.plays import play, secret
from simulators.rms import RmsSimulator

PLAIN = "Vexing-42-Harbour"
# Quoting and escaping change every part of it.
NASTY = "Ca\\na'r\"y/+% <9&>"
MADE = "Made-Inside-7\\\"'x"

# A module that ends in every way there is, each time with secrets in what it says.
MODULE = """#!/usr/bin/python
from __future__ import annotations
import json
import syslog
from urllib.parse import quote
import base64

written = []
syslog.syslog = lambda *arguments: written.append(str(arguments))
syslog.openlog = lambda *arguments, **more: None

from ansible.module_utils import basic
basic.has_journal = False
from ansible_collections.keyturn.devices.plugins.module_utils._module import ModuleFailure, run_module
from ansible_collections.keyturn.devices.plugins.module_utils._spec import Spec


def work(options, context):
    made = {made!r}
    context.redactor.add(made)
    secrets = [options["secret"], options["devices"][0]["password"], made]
    told = "; ".join(secrets + [quote(each) for each in secrets] + [base64.b64encode(each.encode()).decode() for each in secrets]
                     + [json.dumps(each) for each in secrets] + [repr(each) for each in secrets])
    context.warn("careful: " + told)
    way = options["way"]
    in_the_log = any(each in line or repr(each)[1:-1] in line for each in secrets for line in written)
    if way == "ends well":
        return {{"changed": False, "told": told, "nested": [{{told: told}}], "in_the_log": in_the_log, "log_lines": len(written)}}
    if way == "foreseen":
        raise ModuleFailure("it failed: " + told, detail=[told])
    try:
        raise KeyError(told)
    except KeyError as error:
        if way == "chained":
            raise ValueError("worse: " + told) from error
        if way == "group":
            raise OSError(5, told)
        raise


def main():
    run_module(Spec({{
        "way": {{"type": "str"}},
        "secret": {{"type": "str", "no_log": True}},
        "devices": {{"type": "list", "elements": "dict", "options": {{"password": {{"type": "str", "no_log": True}}}}}},
    }}), work)


main()
"""


@pytest.fixture
def collections(tmp_path: Path) -> str:
    """Where Ansible finds this collection, and one made for the test."""
    modules = tmp_path / "more" / "ansible_collections" / "test" / "gate" / "plugins" / "modules"
    modules.mkdir(parents=True)
    (modules / "ends.py").write_text(MODULE.format(made=MADE))
    return f"{CHECKOUT / '.cache' / 'collections'}:{tmp_path / 'more'}"


@pytest.mark.parametrize("way", ["ends well", "foreseen", "unforeseen", "chained", "group"])
def test_no_way_out_of_a_module_shows_a_secret(edge_core: Core, tmp_path: Path, collections: str, way: str) -> None:
    arguments = {
        "way": way,
        "secret": secret(tmp_path, "plain", PLAIN),
        "devices": [{"password": secret(tmp_path, "nasty", NASTY)}],
    }
    task = {"test.gate.ends": arguments, "register": "ended", "ignore_errors": True}
    printed, run = play(edge_core, tmp_path, [task, {"ansible.builtin.debug": {"var": "ended"}}], ANSIBLE_COLLECTIONS_PATH=collections)
    assert "careful: ********" in printed
    assert ("it failed: ********" if way == "foreseen" else "********") in printed
    assert "failed=0" in printed
    assert found_in(printed.encode(), [PLAIN, NASTY, MADE]) == []
    assert found_below(run, [PLAIN, NASTY, MADE]) == []
    if way == "ends well":
        assert '"in_the_log": false' in printed
    elif way != "foreseen":
        assert "Traceback (most recent call last)" in printed


@pytest.mark.parametrize(
    "trouble",
    [
        {"fates": {"*": "error"}},
        {"fates": {"*": "warning"}},
        {"fates": {"*": "rejected_by_policy"}},
        {"faults": [{"kind": "status", "status": 422, "method": "POST", "path": "*", "times": 0}]},
        {"scopes": []},
        {"faults": [{"kind": "not_json", "method": "POST", "path": "*", "times": 0}]},
        {"faults": [{"kind": "cut", "method": "POST", "path": "*", "when": "after_change", "times": 0}]},
        {"faults": [{"kind": "status", "status": 500, "method": "GET", "path": "/api/devices", "times": 0}]},
    ],
    ids=str,
)
def test_router_password_shows_no_secret_when_rms_echoes_them(newest_core: Core, tmp_path: Path, trouble: dict[str, object]) -> None:
    with RmsSimulator(routers=3, echo_passwords=True) as rms:
        rms.set(**trouble)
        passwords = ["Can4ry\\One'x", 'Can4ry"Two<&>', "Can4ry+Three%/="]
        devices = [
            {"serial": serial, "password": secret(tmp_path, f"p{number}", passwords[number])}
            for number, serial in enumerate(sorted(rms.truth()))
        ]
        tasks: list[dict[str, object]] = [
            {
                "keyturn.devices.router_password": {"devices": devices, "rms_method": method, "deadline": 4},
                "register": "answer",
                "ignore_errors": True,
            }
            for method in ("set", "upload")
        ]
        printed, run = play(
            newest_core, tmp_path, [*tasks, {"ansible.builtin.debug": {"var": "answer.devices"}}], RMS_URL=rms.url, RMS_TOKEN=rms.token
        )
        assert "ignored=2" in printed
        assert found_in(printed.encode(), [*passwords, rms.token]) == []
        assert found_below(run, [*passwords, rms.token]) == []


def test_router_password_works_and_shows_no_secret(core: Core, tmp_path: Path) -> None:
    with RmsSimulator(routers=3) as rms:
        serials = sorted(rms.truth())
        devices = [
            {"serial": serial, "password": secret(tmp_path, f"p{number}", f"Can4ry\\{number}'x!")} for number, serial in enumerate(serials)
        ]
        listed = tmp_path / "kept" / "list.csv"
        listed.parent.mkdir()
        tasks: list[dict[str, object]] = [
            {"keyturn.devices.router_password": {"devices": devices}, "check_mode": True, "register": "dry"},
            {"keyturn.devices.router_password": {"devices": devices}, "register": "wet"},
            {
                "keyturn.devices.router_password": {
                    "devices": [{"serial": serial} for serial in serials],
                    "generate": {"length": 16},
                    "generated_csv": str(listed),
                },
                "register": "generated",
            },
            {"keyturn.devices.router_info": {"serials": [*serials, "0000000000"]}, "register": "info"},
            {
                "ansible.builtin.assert": {
                    "that": [
                        "dry is changed",
                        "dry.summary.changed == 3",
                        "wet is changed",
                        "wet.summary.changed == 3",
                        "generated.summary.changed == 3",
                        "info is not changed",
                        "info.routers | map(attribute='serial') | sort == " + json.dumps(serials),
                        "info.missing == ['0000000000']",
                        "info.routers[0].policy.min_length == 8",
                        "info.requests == 1",
                    ]
                }
            },
        ]
        printed, run = play(core, tmp_path, tasks, RMS_URL=rms.url, RMS_TOKEN=rms.token)
        assert "failed=0" in printed, printed
        passwords = {entry["password"] for router in rms.truth().values() for entry in router["history"]}
        assert found_in(printed.encode(), [*passwords, rms.token]) == []
        assert found_below(run, [*passwords, rms.token]) == []
        assert set(rms.passwords().values()) == {line.split(",")[1] for line in listed.read_text().splitlines()[1:]}


def test_missing_options_are_named(newest_core: Core, tmp_path: Path) -> None:
    tasks: list[dict[str, object]] = [
        {"keyturn.devices.router_password": arguments, "ignore_errors": True}
        for arguments in (
            {},
            {"devices": [], "csv": "x"},
            {"devices": [{"serial": "1"}], "generate": {}},
            {"devices": [{"serial": "1", "password": "Vexing-42-Harbour"}]},
        )
    ]
    printed, _run = play(newest_core, tmp_path, tasks)
    assert "one of the following is required: devices, csv" in printed
    assert "mutually exclusive: devices|csv" in printed
    assert "required together: generate, generated_csv" in printed
    assert "rms_token" in printed
    assert "ignored=4" in printed
