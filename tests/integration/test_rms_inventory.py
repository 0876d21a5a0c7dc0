# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory of routers, on every ansible-core."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration.canaries import found_in
from integration.cores import Core
from simulators.rms import RmsSimulator


@pytest.fixture(scope="module")
def fleet() -> Iterator[RmsSimulator]:
    with RmsSimulator(routers=30) as simulator:
        yield simulator


class Inventory:
    """Writes a configuration and asks C(ansible-inventory) for what it makes of it."""

    def __init__(self, core: Core, folder: Path, rms: RmsSimulator) -> None:
        self.core, self.folder, self.rms = core, folder, rms
        self.env = {"RMS_URL": rms.url, "RMS_TOKEN": rms.token, "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true"}

    def write(self, name: str = "fleet.rms.yml", **options: Any) -> Path:
        path = self.folder / name
        path.write_text(yaml.safe_dump({"plugin": "keyturn.devices.rms", **options}))
        return path

    def __call__(self, **options: Any) -> dict[str, Any]:
        done = self.core.run("ansible-inventory", "-i", self.write(**options), "--list", "--export", cwd=self.folder, env=self.env)
        assert done.returncode == 0, done.stdout
        return _plain(json.loads(done.stdout[done.stdout.index("{") :]))

    def failure(self, *arguments: str, **options: Any) -> str:
        done = self.core.run("ansible-inventory", "-i", self.write(**options), "--list", *arguments, cwd=self.folder, env=self.env)
        assert done.returncode != 0
        return " ".join(done.stdout.split())


def _plain(value: Any) -> Any:
    """Without the marks of strings that are not to be run as templates."""
    if isinstance(value, dict):
        return value["__ansible_unsafe"] if set(value) == {"__ansible_unsafe"} else {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


@pytest.fixture
def inventory(newest_core: Core, tmp_path: Path, fleet: RmsSimulator) -> Inventory:
    return Inventory(newest_core, tmp_path, fleet)


@pytest.fixture
def each_inventory(core: Core, tmp_path: Path, fleet: RmsSimulator) -> Inventory:
    """On every ansible-core: for what depends on its templates."""
    return Inventory(core, tmp_path, fleet)


def test_every_router_is_a_host_with_its_facts_and_groups(each_inventory: Inventory, fleet: RmsSimulator) -> None:
    listed = each_inventory()
    hosts = listed["_meta"]["hostvars"]
    truth = fleet.truth()
    assert {variables["device_serial"] for variables in hosts.values()} == set(truth)
    assert sorted(listed["routers"]["hosts"]) == sorted(hosts)
    for name, variables in hosts.items():
        router = truth[variables["device_serial"]]
        assert variables["device_rms_id"] == router["id"]
        assert variables["device_rms_online"] is router["online"]
        assert variables["device_rms_firmware"] == router["firmware"]
        assert name in listed["status_online" if router["online"] else "status_offline"]["hosts"]
        assert name in listed[f"model_{variables['device_rms_model']}"]["hosts"]
        assert name in listed["firmware_" + variables["device_rms_firmware"].replace(".", "_")]["hosts"]
        for tag in variables["device_rms_tags"]:
            assert name in listed["tag_" + re.sub(r"\W", "_", tag)]["hosts"]
    assert any(group.startswith("company_") for group in listed)


def test_composing_keying_filtering_and_naming(each_inventory: Inventory, fleet: RmsSimulator) -> None:
    fleet.router(sorted(fleet.truth())[0], online=False)
    listed = each_inventory(
        strict=True,
        hostnames=["serial"],
        group="",
        group_by=["status"],
        filters=[{"exclude": "device_rms_model is match('TSW')"}, {"include": "device_rms_online"}, {"exclude": True}],
        compose={"device_password_policy": "{'length': 24, 'special': device_rms_policy.special}", "ansible_host": "device_rms_name"},
        keyed_groups=[{"key": "device_rms_firmware.split('_')[0]", "prefix": "platform"}],
        groups={"reachable": "device_rms_online", "never": "device_rms_id < 0"},
    )
    hosts = listed["_meta"]["hostvars"]
    expected = {serial for serial, router in fleet.truth().items() if router["online"] and not router["firmware"].startswith("TSW")}
    assert set(hosts) == expected == set(listed["reachable"]["hosts"]) == set(listed["status_online"]["hosts"])
    assert "never" not in listed
    assert "routers" not in listed
    assert not any(group.startswith("model_") for group in listed)
    for name, variables in hosts.items():
        assert variables["device_password_policy"] == {"length": 24, "special": variables["device_rms_policy"]["special"]}
        assert name in listed[f"platform_{variables['device_rms_firmware'].split('_')[0]}"]["hosts"]


def test_a_query_narrows_what_rms_is_asked_for(inventory: Inventory, fleet: RmsSimulator) -> None:
    fleet.clear_log()
    listed = inventory(query={"status": "online"})
    assert {variables["device_rms_status"] for variables in listed["_meta"]["hostvars"].values()} == {"online"}
    assert fleet.log()[0]["query"]["status"] == "online"


def test_pages_are_followed(inventory: Inventory, fleet: RmsSimulator) -> None:
    fleet.clear_log()
    assert len(inventory(limit=7)["_meta"]["hostvars"]) == 30
    assert len(fleet.log()) == 5


def test_the_cache_saves_the_requests(inventory: Inventory, fleet: RmsSimulator) -> None:
    options = {
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(inventory.folder / "cache"),
        "compose": {"copied": "device_serial"},
    }
    first = inventory(**options)
    fleet.clear_log()
    assert inventory(**options) == first
    assert fleet.log() == []
    cached = b"".join(path.read_bytes() for path in (inventory.folder / "cache").iterdir())
    assert found_in(cached, [fleet.token]) == []


def test_what_a_router_is_called_is_never_run(each_inventory: Inventory, fleet: RmsSimulator) -> None:
    serials = sorted(fleet.truth())
    before = {serial: fleet.router(serial).get("name") for serial in serials[:3]}
    proof = each_inventory.folder / "proof"
    attack = f"{{{{ lookup('ansible.builtin.pipe', 'touch {proof}') }}}}"
    fleet.router(serials[0], name=attack)
    fleet.router(serials[1], name="localhost")
    fleet.router(serials[2], name="")
    try:
        path = each_inventory.write(
            compose={"copied": "device_rms_name"},
            cache=True,
            cache_plugin="ansible.builtin.jsonfile",
            cache_connection=str(each_inventory.folder / "cache"),
        )
        playbook = each_inventory.folder / "play.json"
        task = {"ansible.builtin.debug": {"msg": "{{ inventory_hostname }} {{ device_rms_name }} {{ copied }} {{ device_serial }}"}}
        playbook.write_text(json.dumps([{"hosts": "routers", "gather_facts": False, "tasks": [task]}]))
        for _from_rms_then_from_cache in range(2):
            done = each_inventory.core.run("ansible-playbook", playbook, "-i", path, cwd=each_inventory.folder, env=each_inventory.env)
            assert done.returncode == 0, done.stdout
            assert "touch" in done.stdout
            assert not proof.exists()
        hosts = each_inventory()["_meta"]["hostvars"]
        assert "localhost" not in hosts
        assert serials[1] in hosts
        assert serials[2] in hosts
        assert all(re.fullmatch(r"[\w.-]+", name) for name in hosts)
    finally:
        for serial, name in before.items():
            fleet.router(serial, name=name or serial)


def test_names_that_two_routers_share_give_way_to_serials(inventory: Inventory, fleet: RmsSimulator) -> None:
    serials = sorted(fleet.truth())[:2]
    for serial in serials:
        fleet.router(serial, name="twin")
    hosts = inventory()["_meta"]["hostvars"]
    assert "twin" not in hosts
    assert set(serials) <= set(hosts)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"filters": [{"maybe": "x"}]}, "include or exclude"),
        ({"filters": [{"include": "a", "exclude": "b"}]}, "include or exclude"),
        ({"filters": [{"include": "no_such_variable"}], "strict": True}, "cannot be evaluated"),
        ({"compose": {"x": "no_such_variable"}, "strict": True}, "no_such_variable"),
        ({"query": {"serial": "1"}}, "query has names"),
        ({"limit": 0}, "limit must be"),
        ({"hostnames": ["imei"]}, "imei"),
        ({"rms_url": "nonsense"}, "must be URLs"),
    ],
    ids=str,
)
def test_a_wrong_configuration_is_named(inventory: Inventory, options: dict[str, Any], words: str) -> None:
    if "rms_url" in options:
        inventory.env.pop("RMS_URL")
    assert words in inventory.failure(**options)


def test_a_file_with_another_name_is_not_taken(inventory: Inventory) -> None:
    assert "Traceback" not in inventory.failure(name="fleet.yml")


@pytest.mark.parametrize("given", ["environment", "option", "template"])
def test_a_token_that_is_refused_is_not_shown(inventory: Inventory, given: str) -> None:
    token = "wrong-Canary-token-9"
    options: dict[str, Any] = {}
    if given == "environment":
        inventory.env["RMS_TOKEN"] = token
    else:
        inventory.env.pop("RMS_TOKEN")
        (inventory.folder / "token").write_text(token)
        options["rms_token"] = token if given == "option" else f"{{{{ lookup('ansible.builtin.file', '{inventory.folder}/token') }}}}"
    printed = inventory.failure("-vvvv", **options)
    assert "RMS refused the token" in printed
    assert token not in printed


def test_a_token_is_asked_for(inventory: Inventory) -> None:
    inventory.env.pop("RMS_TOKEN")
    assert "RMS_TOKEN" in inventory.failure()
