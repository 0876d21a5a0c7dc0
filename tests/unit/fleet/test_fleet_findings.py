# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What compliance finds in a fleet with planted faults, and in which forms it says so."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from support import fleets
from support.ledgers import CHEAP, PASSPHRASE
from support.rotation import FakeVariables

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._module import ModuleFailure
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.checks import CHECKS, NEVER, SEVERITIES, Finding, Rules, compare, find
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.files import checked_paths, read_earlier, write_files
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.inventory import ImpossiblePolicy, Inventory, read_inventory
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.looking import rules_of
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.outputs import (
    JSON_VERSION,
    Verdict,
    as_json,
    as_junit,
    as_prometheus,
    as_sarif,
    text,
)
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.picture import take_picture
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.variables import NOT_READ, ROLES, UnreadVariables, unread

ROLES_DIRECTORY = Path(__file__).resolve().parents[3] / "roles"


class Unread(UnreadVariables, FakeVariables):
    """Variables without what gives a secret."""


def variables_of(groups: Mapping[str, Any]) -> Unread:
    """Of every host, with the settings of the roles and of its group below its own."""
    settings: dict[str, Any] = {}
    for role in ROLES.values():
        settings.update(yaml.safe_load((ROLES_DIRECTORY / role / "defaults" / "main.yml").read_text()))
    # Templates of defaults name variables that a test does not have.
    settings = {**settings, **unread(settings)}
    settings = {name: "" if isinstance(value, str) and "{{" in value else value for name, value in settings.items()}
    hosts = {name: {**group.get("vars", {}), **own} for group in groups.values() for name, own in group["hosts"].items()}
    return Unread(hosts, shared=settings)


def inventory_of(groups: Mapping[str, Any]) -> Inventory:
    return read_inventory({group: list(groups[group]["hosts"]) for group in ROLES if group in groups}, variables_of(groups))


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    url = f"sqlite:///{tmp_path_factory.mktemp('fleet') / 'ledger.db'}"
    fleets.plant(url, PASSPHRASE, cost=CHEAP)
    with Ledger.open(url, PASSPHRASE, dry_run=True, cost=CHEAP) as opened:
        yield opened


@pytest.fixture(scope="module")
def verdict(ledger: Ledger) -> Verdict:
    picture = take_picture(inventory_of(fleets.groups()), ledger, whole=True)
    rules = Rules({})
    return Verdict(picture, find(picture, rules), rules, "error")


def test_every_planted_fault_is_found_and_none_is_invented(verdict: Verdict) -> None:
    assert {finding.key for finding in verdict.findings} == fleets.PLANTED
    assert len(verdict.findings) == len(fleets.PLANTED)
    assert set(verdict.checks) == set(CHECKS), "a check that no fault is planted for"


def test_the_gravest_come_first_and_every_one_says_what_to_do(verdict: Verdict) -> None:
    order = [SEVERITIES.index(finding.severity) for finding in verdict.findings]
    assert order == sorted(order)
    assert all(finding.message and finding.what_to_do for finding in verdict.findings)


def test_no_form_holds_a_password_or_anything_of_one(verdict: Verdict) -> None:
    forms = [as_json(verdict), as_junit(verdict), as_sarif(verdict), as_prometheus(verdict), "\n".join(text(verdict, 100)), repr(verdict)]
    assert [form for form in forms if fleets.CANARY in form] == []


@pytest.mark.parametrize(
    ("fail_on", "severities", "passed"),
    [
        ("error", {}, False),
        ("warning", {}, False),
        (NEVER, {}, True),
        ("error", dict.fromkeys(CHECKS, "warning"), True),
        ("warning", dict.fromkeys(CHECKS, "note"), True),
        ("warning", dict.fromkeys(CHECKS, "ignore"), True),
        ("error", {**dict.fromkeys(CHECKS, "note"), "offline": "error"}, False),
    ],
)
def test_the_gate_goes_by_severity(verdict: Verdict, fail_on: str, severities: dict[str, str], passed: bool) -> None:
    rules = Rules(severities)
    assert Verdict(verdict.picture, find(verdict.picture, rules), rules, fail_on).passed is passed


def test_a_stricter_policy_tells_who_falls_out_of_it(verdict: Verdict, ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "earlier.json").write_text(as_json(verdict))
    groups = fleets.groups()
    groups["pbxs"]["vars"] = {"device_password_policy": {"length": 40}}
    groups["routers"]["vars"] = {"device_password_policy": {"length": 6, "min_length": 6}}
    picture = take_picture(inventory_of(groups), ledger, whole=True)
    rules = Rules({})
    findings = find(picture, rules)
    comparison = compare(read_earlier(str(tmp_path / "earlier.json"), JSON_VERSION) or (), findings)
    assert {device for check, device in comparison.new if check == "weak"} == set(groups["pbxs"]["hosts"])
    assert comparison.gone == [("too_old", "r-old")]
    told = json.loads(as_sarif(Verdict(picture, findings, rules, "error", comparison)))["runs"][0]["results"]
    states = [result["baselineState"] for result in told]
    assert (states.count("new"), states.count("absent")) == (len(comparison.new), 1)


def test_only_a_look_at_the_whole_inventory_tells_what_the_ledger_has_besides(ledger: Ledger) -> None:
    assert take_picture(inventory_of(fleets.groups()), ledger, whole=False).forgotten == {}


def test_a_source_is_read_for_its_form_alone() -> None:
    hidden = unread(
        {"device_password_source": {"kind": "value", "password": "{{ lookup('vault') }}"}, "router_rotation_rms_token": "secret"}
    )
    assert hidden == {"device_password_source": {"kind": "value", "password": NOT_READ}, "router_rotation_rms_token": ""}
    # What is no password at all is told.
    assert unread({"device_password_source": {"kind": "value", "password": ""}}) == {}


@pytest.mark.parametrize(
    ("policy", "told"),
    [({"length": 300}, "length"), ({"max_length": 5, "length": 5}, "min_length"), ({"lenght": 20}, "did you mean length")],
)
def test_a_policy_that_nothing_meets_is_told_with_its_devices(policy: dict[str, Any], told: str) -> None:
    groups = fleets.groups(broken=False)
    groups["pbxs"]["vars"] = {"device_password_policy": policy}
    with pytest.raises(ImpossiblePolicy) as raised:
        inventory_of(groups)
    assert told in str(raised.value)
    assert "pbx-good, pbx-unready, pbx-stale and 2 more" in str(raised.value)


def test_the_rule_of_an_unknown_firmware_is_what_every_firmware_demands() -> None:
    hosts = {"a": {"device_serial": "1"}, "b": {"device_serial": "2", "device_rms_firmware": "RUTX_R_00.07.13.2"}}
    groups = {"routers": {"hosts": hosts, "vars": {"device_password_policy": {"length": 12, "special": False}}}}
    assert [listed.policy and listed.policy.special for listed in inventory_of(groups).devices] == [False, True]


def test_what_is_wrong_with_the_inventory_itself_is_told_without_a_device() -> None:
    groups = {
        "routers": {"hosts": {"a": {"device_serial": "1"}, "b": {"device_serial": "1"}, "twice": {"device_serial": "2"}}},
        "pbxs": {"hosts": {"twice": {"device_host": "https://192.0.2.1:8088", "device_serial": "2"}}},
    }
    problems = {(problem.device, problem.field) for problem in inventory_of(groups).problems}
    assert problems == {("", "device_serial"), ("twice", "groups")}


def test_junit_fails_by_what_closes_the_gate(verdict: Verdict) -> None:
    root = ElementTree.fromstring(as_junit(verdict).encode())
    failed = {case.get("name") for case in root.iter("testcase") if case.find("failure") is not None}
    assert failed == {finding.device for finding in verdict.findings if finding.severity == "error"}
    assert {case.get("name") for case in root.iter("testcase")} >= set(fleets.FAULTLESS)
    assert sum(int(suite.get("failures") or 0) for suite in root) == len(failed)


def test_sarif_names_the_line_of_the_inventory(verdict: Verdict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my hosts.yml").write_text("routers:\n  hosts:\n    old-r-old:\n    r-old:\n")
    finding = Finding("too_old", "error", "r-old", "routers", "too old", "Rotate it.", str(tmp_path / "my hosts.yml"))
    told = json.loads(as_sarif(Verdict(verdict.picture, [finding], verdict.rules, "error")))
    assert (told["version"], told["runs"][0]["results"][0]["ruleId"]) == ("2.1.0", "too_old")
    place = told["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "my%20hosts.yml"}, "region": {"startLine": 4}}


def test_metrics_have_help_and_type_and_labels_are_escaped(verdict: Verdict) -> None:
    finding = Finding("weak", "error", 'a"b\\c\nd', "routers", "", "")
    lines = as_prometheus(Verdict(verdict.picture, [finding], verdict.rules, "error")).splitlines()
    assert r'keyturn_compliance_finding{device="a\"b\\c\nd",group="routers",check="weak",severity="error"} 1' in lines
    named = {line.split("{")[0].split()[0] for line in lines if not line.startswith("#")}
    assert (
        {line.split()[2] for line in lines if line.startswith("# TYPE")} == named == {line.split()[2] for line in lines if "HELP" in line}
    )
    assert 'keyturn_devices{group="routers",state="orphaned"} 1' in lines


def test_what_xml_cannot_hold_is_replaced(verdict: Verdict) -> None:
    finding = Finding("bad_input", "error", "a\x00<&>\udc80", "routers", "\x1b[31m", "")
    root = ElementTree.fromstring(as_junit(Verdict(verdict.picture, [finding], verdict.rules, "error")).encode())
    assert "a\ufffd<&>\ufffd" in {case.get("name") for case in root.iter("testcase")}


def test_files_that_cannot_be_written_are_told_before_any_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    wanted = {"json": str(tmp_path / "a.json"), "junit": str(tmp_path / "nowhere" / "a.xml"), "sarif": str(tmp_path), "text": None}
    with pytest.raises(ModuleFailure) as raised:
        checked_paths({**wanted, "prometheus": str(tmp_path / "a.json")})
    assert raised.value.result["reason"] == "not_writable"
    assert len(raised.value.result["problems"]) == 3


def test_files_are_whole_and_for_everybody(tmp_path: Path) -> None:
    path = tmp_path / "a.prom"
    write_files([(str(path), "1"), (str(path), "22")])
    assert (path.read_text(), path.stat().st_mode & 0o777, os.listdir(tmp_path)) == ("22", 0o644, ["a.prom"])
    with pytest.raises(ModuleFailure):
        write_files([(str(tmp_path / "nowhere" / "b"), "")])


@pytest.mark.parametrize("content", ["", "[]", '{"version": 99, "findings": []}', '{"version": 1, "findings": [{}]}', "{", None])
def test_what_is_no_earlier_report_is_told(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "earlier.json").write_text(content)
    with pytest.raises(ModuleFailure) as raised:
        read_earlier(str(tmp_path / "earlier.json"), JSON_VERSION)
    assert raised.value.result["reason"] == "bad_input"


def test_severities_that_there_are_not_are_told_all_at_once() -> None:
    with pytest.raises(ModuleFailure) as raised:
        rules_of({"severities": {"weka": "error", "weak": "fatal"}, "readiness_days": -1})
    assert len(raised.value.result["problems"]) == 3


def test_a_ledger_that_was_put_back_proves_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    fleets.plant(url, PASSPHRASE, cost=CHEAP)
    witness = tmp_path / "ledger.db.witness"
    told = json.loads(witness.read_text())
    witness.write_text(json.dumps({**told, "generation": told["generation"] + 5}))
    with Ledger.open(url, PASSPHRASE, dry_run=True, cost=CHEAP) as ledger:
        states = {device.name: device.state for device in take_picture(inventory_of(fleets.groups()), ledger, whole=True).devices}
    assert states["r-good"] == "never_verified"
