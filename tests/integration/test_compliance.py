# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks compliance and report on a fleet with planted faults, as a user runs them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from support import fleets

from integration.canaries import found_below, found_in
from integration.cores import Core

PASSPHRASE = "CANARY passphrase of the fleet"
FORMS = ("json", "junit", "sarif", "prometheus")


def run(core: Core, folder: Path, playbook: str | Path, *arguments: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    (folder / "variables.json").write_text(json.dumps(variables))
    return core.run(
        "ansible-playbook",
        playbook,
        "-i",
        folder / "inventory.json",
        "-e",
        f"@{folder / 'variables.json'}",
        *arguments,
        cwd=folder,
        env={"KEYTURN_LEDGER_PASSPHRASE": PASSPHRASE, "ANSIBLE_LOG_PATH": str(folder / "ansible.log"), "HOME": str(folder)},
    )


def site(folder: Path) -> None:
    fleets.plant(f"sqlite:///{folder / 'keyturn-ledger.db'}", PASSPHRASE)
    groups = fleets.groups()
    # The inventory may say of a whole group what Ansible's precedence gives to a single host.
    groups["routers"]["vars"]["router_rotation_offline_days"] = 20
    (folder / "inventory.json").write_text(json.dumps(groups))


def test_every_planted_fault_is_found_and_the_gate_is_closed(every_core: Core, tmp_path: Path) -> None:
    site(tmp_path)
    files = {f"password_compliance_{form}": str(tmp_path / f"found.{form}") for form in FORMS}

    done = run(every_core, tmp_path, "keyturn.devices.compliance", "-vvv", **files)

    assert done.returncode == 2, done.stdout
    told = json.loads((tmp_path / "found.json").read_text())
    assert {(finding["check"], finding["device"]) for finding in told["findings"]} == fleets.PLANTED
    assert "23 devices, 11 errors, 8 warnings: failed, because of 11 devices" in done.stdout
    assert "error: r-old: too_old: 200 days old, the policy allows 90. Rotate it." in done.stdout
    assert found_in(done.stdout.encode(), [fleets.CANARY]) == []
    assert found_below(tmp_path, [fleets.CANARY], leave_out=[tmp_path / "inventory.json", tmp_path / "keyturn-ledger.db"]) == []


def test_check_mode_writes_nothing_and_a_narrower_look_is_one(newest_core: Core, tmp_path: Path) -> None:
    site(tmp_path)
    before = (tmp_path / "keyturn-ledger.db").read_bytes()

    limited = run(
        newest_core,
        tmp_path,
        "keyturn.devices.compliance",
        "--check",
        "--limit",
        "pbx-good,r-forgotten,bms-good",
        password_compliance_json=str(tmp_path / "a.json"),
    )
    assert limited.returncode == 0, limited.stdout
    assert "2 devices, no finding: passed" in limited.stdout
    assert f"would be written: {tmp_path / 'a.json'}" in limited.stdout

    report = run(newest_core, tmp_path, "keyturn.devices.report", "-vvv", password_report_csv="r.csv", password_report_json="r.json")
    assert report.returncode == 0, report.stdout
    page, table = (tmp_path / "keyturn-report.html").read_text(), (tmp_path / "r.csv").read_text()
    assert [name for name in fleets.FAULTLESS if name not in page or name not in table] == []
    assert {entry["device"] for entry in json.loads((tmp_path / "r.json").read_text())["waiting"]} == {
        "bms-late",
        "bms-waiting",
        "r-orphan",
        "r-unsettled",
    }
    assert (tmp_path / "keyturn-ledger.db").read_bytes() == before
    assert not (tmp_path / "a.json").exists()
    assert found_in(report.stdout.encode(), [fleets.CANARY]) == []
    assert found_below(tmp_path, [fleets.CANARY], leave_out=[tmp_path / "inventory.json", tmp_path / "keyturn-ledger.db"]) == []


#: What is asked for -> what is told of it.
BAD_INPUT: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "absent": ({"ledger_url": "sqlite:///nowhere.db"}, {}, "There is no ledger file"),
    "wrong_passphrase": ({"ledger_passphrase": "another passphrase"}, {}, "passphrase"),
    "not_found": ({"target": "elsewhere"}, {}, "matches 'elsewhere', so there is nothing to look at"),
    "not_writable": ({"junit": "nowhere/a.xml"}, {}, "there is no directory"),
    "bad_input": ({}, {"device_password_policy": {"length": 300}}, "No password can meet what is asked for"),
}


def test_bad_input_is_told_before_anything_is_written(edge_core: Core, tmp_path: Path) -> None:
    site(tmp_path)
    wanted = {"json": str(tmp_path / "a.json")}
    tasks: list[dict[str, Any]] = []
    for place, (options, variables, _told) in enumerate(BAD_INPUT.values()):
        tasks += [
            {
                "keyturn.devices.password_compliance": {**wanted, **options},
                "vars": variables,
                "register": f"told_{place}",
                "ignore_errors": True,
            }
        ]
    told = [f"told_{place}" for place in range(len(BAD_INPUT))]
    tasks.append({"ansible.builtin.copy": {"dest": str(tmp_path / "told.json"), "content": f"{{{{ [{', '.join(told)}] | to_json }}}}"}})
    (tmp_path / "play.yml").write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))

    done = run(edge_core, tmp_path, tmp_path / "play.yml")

    assert done.returncode == 0, done.stdout
    results = json.loads((tmp_path / "told.json").read_text())
    assert [result["reason"] for result in results] == list(BAD_INPUT)
    assert [
        result["msg"] for result, (_options, _variables, text) in zip(results, BAD_INPUT.values(), strict=True) if text not in result["msg"]
    ] == []
    assert not (tmp_path / "a.json").exists()
