# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every command and every snippet of the guides and READMEs is one that works with what there is: resolved in process, without a run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from support.guides import (
    CHECKOUT,
    GUIDES,
    Block,
    argument_specs,
    blocks,
    commands,
    documentation,
    extra_variables,
    names,
    playbook_variables,
)

from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import PasswordPolicy
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation import inventory

# Of another collection, or what a demo needs.
_FOREIGN = ("ansible.builtin.", "community.", "ansible.windows.")
_KINDS = ("routers", "pbxs", "bms_servers", "all", "sites")
_DEVICE_VARIABLES = {f"device_{name}" for name in (*inventory._COMMON, *inventory._ELSEWHERE)}
_OF_ANSIBLE = ("ansible", "ansible-doc", "ansible-galaxy", "ansible-inventory", "ansible-playbook", "ansible-vault")
_PROGRAMS = (*_OF_ANSIBLE, "ansible-builder", "export", "make", "pip", "python3", "ssh")
# Of a task and of a play: everything that is no module.
_KEYWORDS = {
    *("name", "when", "register", "no_log", "delegate_to", "run_once", "loop", "vars", "hosts", "gather_facts", "serial", "vars_files"),
    *("tasks", "roles", "module_defaults", "changed_when", "failed_when", "become"),
}

YAML = blocks("yaml")
CONSOLE = blocks("console")


def by_place(block: Block) -> str:
    return block.where


@pytest.mark.parametrize("block", YAML, ids=by_place)
def test_a_snippet_of_yaml_is_one_that_works(block: Block, tmp_path: Path) -> None:
    content = yaml.safe_load(block.text)

    if isinstance(content, list):
        for entry in content:
            check_play(entry) if "hosts" in entry else check_task(entry)
    elif str(content.get("plugin", "")).startswith("keyturn.devices."):
        known = documentation("inventory", content["plugin"].removeprefix("keyturn.devices."))
        # compose, groups, keyed_groups and strict are Ansible's own.
        assert set(content) - {"plugin", "compose", "groups", "keyed_groups", "strict"} <= set(known)
    elif set(content) & set(_KINDS):
        check_inventory(block.text, tmp_path)
    elif all(isinstance(value, Mapping) for value in content.values()):  # hosts, without their group
        for variables in content.values():
            check_variables(variables)
    else:
        check_variables(content)


def check_play(play: Mapping[str, Any]) -> None:
    for role in play.get("roles", []):
        name = role if isinstance(role, str) else role["role"]
        check_role(name, {} if isinstance(role, str) else {key: role[key] for key in role if key not in ("role", "when", "vars")})
        check_role(name, {} if isinstance(role, str) else role.get("vars", {}))
    for task in play.get("tasks", []):
        check_task(task)
    check_variables(play.get("vars", {}))


def check_role(name: str, variables: Mapping[str, Any]) -> None:
    assert set(variables) <= set(argument_specs()[name.removeprefix("keyturn.devices.")])


def check_task(task: Mapping[str, Any]) -> None:
    [action] = set(task) - _KEYWORDS
    if action in ("ansible.builtin.include_role", "ansible.builtin.import_role"):
        role = task[action]["name"].removeprefix("keyturn.devices.")
        entry = task[action].get("tasks_from", "main")
        assert (CHECKOUT / "roles" / role / "tasks" / f"{entry}.yml").is_file()
        check_role(role, task.get("vars", {}))
    elif action.startswith("keyturn.devices."):
        check_options(task[action], documentation("modules", action.removeprefix("keyturn.devices.")), action)
    else:
        assert action.startswith(_FOREIGN)


def check_options(given: Any, known: Mapping[str, Any], where: str) -> None:
    for element in given if isinstance(given, list) else [given]:
        if not isinstance(element, Mapping):
            continue
        assert set(element) <= set(known), where
        for name, value in element.items():
            if known[name].get("options"):
                check_options(value, known[name]["options"], f"{where}.{name}")
            if known[name].get("choices") and "{{" not in str(value):
                assert value in known[name]["choices"], f"{where}.{name}"


def check_inventory(text: str, folder: Path) -> None:
    (folder / "inventory.yml").write_text(text)
    loaded = InventoryManager(DataLoader(), sources=[str(folder / "inventory.yml")])
    assert len(loaded.groups) > 2 or loaded.groups["all"].vars, "more than an empty all and ungrouped"
    for group in loaded.groups.values():
        check_variables(group.vars)
    for host in loaded.hosts.values():
        check_variables(host.vars)


def check_variables(variables: Mapping[str, Any]) -> None:
    """Those of devices and of roles are known, sources have what they need, policies can be met."""
    ours = {name for name in variables if name.startswith(("device_", "router_rotation_", "pbx_", "bms_", "password_"))}
    assert ours <= _DEVICE_VARIABLES | playbook_variables()
    if "device_password_policy" in variables:
        PasswordPolicy.from_mapping(variables["device_password_policy"])
    source = variables.get("device_password_source", {"kind": "generate"})
    needed = {**inventory._SOURCE_FIELDS, "rms": ()}
    assert set(source) == {"kind", *needed[source["kind"]]}


@pytest.mark.parametrize("block", CONSOLE, ids=by_place)
def test_a_command_is_one_that_there_is(block: Block) -> None:
    for words in commands(block):
        assert words[0] in _PROGRAMS, words
        if words[0] == "ansible-playbook" and words[1].endswith(".yml"):
            assert list((CHECKOUT / "docs" / "examples").rglob(words[1]))
        elif words[0] == "ansible-playbook":
            assert (CHECKOUT / "playbooks" / f"{words[1].removeprefix('keyturn.devices.')}.yml").is_file()
            assert {word.split("=")[0] for word in words if word.startswith("-")} <= {"-i", "-e", "--limit", "--check", "--diff"}
            assert set(extra_variables(words)) <= playbook_variables(), words
        elif words[0] == "make":
            targets = re.findall(r"^([a-z]+):", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
            assert words[1] in targets


def mentioned(pattern: str) -> Iterator[tuple[str, str]]:
    for guide in GUIDES:
        for found in re.findall(pattern, guide.read_text(encoding="utf-8")):
            yield guide.parent.name + "/" + guide.name, found


def test_every_name_that_is_mentioned_is_one_of_the_collection() -> None:
    assert [(where, name) for where, name in mentioned(r"\bkeyturn\.devices\.([a-z_]+)") if name not in names()] == []
    playbooks = {path.stem for path in (CHECKOUT / "playbooks").glob("[!_]*.yml")}
    assert [(where, name) for where, name in mentioned(r"ansible-playbook keyturn\.devices\.([a-z_]+)") if name not in playbooks] == []


def test_every_variable_that_is_mentioned_is_a_role_s() -> None:
    """Also those that a sentence gives with -e. A name that ends in an underscore stands for all that begin so."""
    known = playbook_variables() | {"router_rotation_summary", "pbx_rotation_summary", "pbx_recovery_result", "pbx_recovery_readiness"}
    known |= {"bms_recovery_case", "bms_servers"} | names()
    words = [*mentioned(r"`+((?:router_rotation|pbx_rotation|pbx_recovery|bms)_[a-z_]*[a-z])`"), *mentioned(r"``-e ([a-z_]+)=")]
    assert [(where, name) for where, name in words if name not in known] == []


def test_every_device_variable_that_is_mentioned_is_known() -> None:
    words = mentioned(r"``?(device_[a-z_]+)``?")
    known = _DEVICE_VARIABLES | {"device_password_polcy"}
    assert [(where, name) for where, name in words if name not in known and not name.startswith(inventory._SET_BY_INVENTORY_PLUGINS)] == []


def test_every_guide_is_in_the_table_of_contents_and_every_reference_leads_to_one() -> None:
    pages = {path.stem for path in GUIDES if path.suffix == ".rst"}
    sections = yaml.safe_load((CHECKOUT / "docs" / "docsite" / "extra-docs.yml").read_text(encoding="utf-8"))["sections"]
    assert sorted(page for section in sections for page in section["toctree"]) == sorted(pages)
    for where, page in mentioned(r"ansible_collections\.keyturn\.devices\.docsite\.([a-z_]+)"):
        assert page in pages, where
    for where, page in mentioned(r"docs/docsite/rst/([a-z_]+)\.rst"):
        assert page in pages, where
