# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of hosts, from real inventories and plays: the same that Ansible gives a task of each host."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible import constants
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.playbook.block import Block
from ansible.playbook.play import Play
from ansible.playbook.task import Task
from ansible.template import Templar
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from support.actions import trusted

from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.variables import HostVariables, VariableError

PASSPHRASE = b"a passphrase of the vault"
INVENTORY = """
    all:
      vars:
        team: "{{ name_of_team }}"
        name_of_team: north
        device_password_policy: {length: "{{ 10 + 20 }}", special: true}
        of_all: all
      children:
        upper:
          vars: {of_group: upper, device_via: rms}
          hosts:
            a:
              device_serial: 1100000007
              device_password_source:
                kind: value
                password: !vault SEALED
            b:
              device_serial: "{{ undefined_variable }}"
              name_of_team: south
        lower:
          vars: {of_group: lower}
          hosts:
            c: {of_group: its own, of_all: its own, ansible_host: 192.0.2.3}
            d: {}
"""


class World:
    """An inventory on the disk and a play, as a command line would have loaded them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **play: Any) -> None:
        sealed = VaultLib([("default", VaultSecret(PASSPHRASE))]).encrypt("Sealed-Password-2026").decode()
        self.path = folder / "hosts.yml"
        self.path.write_text(textwrap.dedent(INVENTORY).replace("SEALED", "|\n" + textwrap.indent(sealed, " " * 22)))
        self.loader = DataLoader()
        self.loader.set_basedir(str(folder))
        _open_vault(self.loader, monkeypatch)
        self.inventory = InventoryManager(loader=self.loader, sources=[str(self.path)])
        self.manager = VariableManager(loader=self.loader, inventory=self.inventory)
        self.play = Play().load({"hosts": "all", **play}, variable_manager=self.manager, loader=self.loader)
        self.task = Task(block=Block(play=self.play))
        self.task.vars = {"of_the_task": "set"}

    def variables(self) -> HostVariables:
        hostvars = HostVars(self.inventory, self.manager, self.loader)
        return HostVariables({"hostvars": hostvars}, self.task, Templar(loader=self.loader, variables={}))

    def ansibles(self, name: str) -> dict[str, Any]:
        """What Ansible itself gives a task of this host."""
        host = self.inventory.get_host(name)
        return dict(self.manager.get_vars(play=self.play, host=host, task=self.task, _hosts=[name], _hosts_all=[name]))


def _open_vault(loader: DataLoader, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the command line does that was given the passphrase."""
    secrets = [("default", VaultSecret(PASSPHRASE))]
    loader.set_vault_secrets(secrets)
    try:
        from ansible.parsing.vault import VaultSecretsContext
    except ImportError:  # before ansible-core 2.19
        return
    monkeypatch.setattr(VaultSecretsContext, "_current", VaultSecretsContext(secrets))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch, vars={"of_the_play": "set"})


def comparable(variables: Mapping[str, Any]) -> dict[str, str]:
    """Without what Ansible tells a task of the others, and of where it runs."""
    others = ("groups", "hostvars", "vars", "omit", "play_hosts")
    return {name: repr(value) for name, value in variables.items() if name not in others and not name.startswith("ansible_play")}


# -- precedence ---------------------------------------------------------------------------------------------------------------------------


def play_variables(world: World, folder: Path) -> None:
    world.play.vars = {"of_the_play": "set", "name_of_team": "of the play", "of_group": "of the play"}


def extra_variables(world: World, folder: Path) -> None:
    world.manager._extra_vars = {"name_of_team": "of the command line", "of_all": "of the command line", "device_serial": "1"}


def files_beside_the_inventory(world: World, folder: Path) -> None:
    for name, content in {
        "host_vars/b.yml": "name_of_team: of its file\nof_b: 1\n",
        "host_vars/d/more.yml": "of_d: 1\n",
        "group_vars/upper.yml": "of_group: of the file of its group\ndevice_via: device\n",
        "group_vars/all.yml": "of_all: of the file of all\n",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def variables_files(world: World, folder: Path) -> None:
    (folder / "more.yml").write_text("name_of_team: of a file of the play\n")
    world.play.vars_files = ["more.yml"]


def variables_files_by_host(world: World, folder: Path) -> None:
    for name in "abcd":
        (folder / f"{name}.yml").write_text(f"name_of_team: of the file of {name}\n")
    world.play.vars_files = [trusted("{{ inventory_hostname }}.yml")]


def facts(world: World, folder: Path) -> None:
    world.manager.set_nonpersistent_facts("b", {"name_of_team": "set by a task", "of_group": "set by a task"})
    world.manager.set_host_variable("c", "of_group", "included")
    world.manager.set_host_facts("d", {"name_of_team": "gathered", "ansible_facts": {}})


def nothing(world: World, folder: Path) -> None:
    pass


SETTINGS = [nothing, play_variables, extra_variables, files_beside_the_inventory, variables_files, variables_files_by_host, facts]


@pytest.mark.parametrize("behaviour", ["replace", "merge"])
@pytest.mark.parametrize("prepare", SETTINGS)
def test_variables_are_those_that_ansible_gives_a_task_of_the_host(
    prepare: Any, behaviour: str, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "DEFAULT_HASH_BEHAVIOUR", behaviour)
    prepare(world, tmp_path)
    variables = world.variables()
    for name in "abcdba":
        assert comparable(variables.of(name)) == comparable(world.ansibles(name))


def test_the_names_of_a_host_and_of_its_groups_are_its_own_unless_ansible_is_asked_through_a_template(world: World) -> None:
    variables = world.variables()
    for name, groups in {"a": ["upper"], "d": ["lower"]}.items():
        raw = variables.of(name)
        assert (raw["inventory_hostname"], list(raw["group_names"])) == (name, groups)


def test_hosts_of_the_same_groups_share_what_they_do_not_say_themselves(world: World) -> None:
    variables = world.variables()
    a, b, c, d = (variables.of(name) for name in "abcd")
    assert a.layer is not None
    assert (a.layer is b.layer, c.layer is d.layer, a.layer is c.layer) == (True, True, False)
    assert set(b.own) >= {"device_serial", "name_of_team"}
    assert "name_of_team" not in set(a.own)


def test_a_fleet_of_hosts_of_the_same_groups_is_worked_out_by_ansible_a_few_times_only(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(200):
        world.inventory.add_host(f"box-{number}", group="lower")
        world.inventory.hosts[f"box-{number}"].set_variable("device_serial", str(number))
    asked: list[str] = []
    get_vars = world.manager.get_vars

    def counted(**arguments: Any) -> Any:
        asked.append(arguments["host"].name)
        return get_vars(**arguments)

    monkeypatch.setattr(world.manager, "get_vars", counted)
    variables = world.variables()
    assert [variables.of(f"box-{number}")["device_serial"] for number in range(200)] == [str(number) for number in range(200)]
    assert len(asked) < 5


# -- templates ----------------------------------------------------------------------------------------------------------------------------


def test_templates_are_resolved_for_each_host_by_its_own_variables(world: World) -> None:
    variables = world.variables()
    assert {name: variables.resolve(variables.of(name)["team"], variables.of(name)) for name in "ab"} == {"a": "north", "b": "south"}


def test_a_template_knows_the_name_and_the_groups_of_its_host(world: World) -> None:
    variables = world.variables()
    template = trusted("{{ inventory_hostname }} of {{ group_names | join(',') }}")
    assert [variables.resolve(template, variables.of(name)) for name in "ad"] == ["a of upper", "d of lower"]


def test_a_resolved_value_is_plain_data(world: World) -> None:
    variables = world.variables()
    value = variables.resolve(variables.of("a")["device_password_policy"], variables.of("a"))
    assert value in ({"length": 30, "special": True}, {"length": "30", "special": True})
    assert value.__class__ is dict
    assert json.loads(json.dumps(value)) == value


def test_an_encrypted_variable_is_read_also_inside_a_mapping(world: World) -> None:
    variables = world.variables()
    source: Any = variables.resolve(variables.of("a")["device_password_source"], variables.of("a"))
    assert source == {"kind": "value", "password": "Sealed-Password-2026"}
    assert source["password"].__class__ is str


def test_a_template_that_cannot_be_resolved_is_told_in_one_line_without_the_inventorys_own(world: World) -> None:
    variables = world.variables()
    raw = variables.of("b")
    with pytest.raises(VariableError, match="undefined_variable") as caught:
        variables.resolve(raw["device_serial"], raw)
    assert "\n" not in str(caught.value)
    assert str(world.path) not in str(caught.value)


def test_text_with_a_brace_that_is_no_template_stays_as_it_is(world: World) -> None:
    variables = world.variables()
    for text in ("}}", "{ {", "a{b", "per%cent"):
        assert variables.resolve(text, variables.of("a")) == text
    assert variables.resolve(trusted("{{ 'x' * 3 }}"), variables.of("a")) == "xxx"


# -- what else is asked -------------------------------------------------------------------------------------------------------------------


def test_the_serial_of_any_host_is_told_and_is_empty_where_it_cannot_be(world: World) -> None:
    variables = world.variables()
    assert [variables.serial_of(name) for name in "abd"] == ["1100000007", "", ""]


def test_a_host_of_the_inventory_is_known_and_no_other(world: World) -> None:
    variables = world.variables()
    assert (variables.knows("a"), variables.knows("z")) == (True, False)


def test_what_a_task_has_registered_for_a_host_is_told(world: World) -> None:
    world.manager.set_nonpersistent_facts("a", {"_rotation_joined": {"token": "t"}})
    variables = world.variables()
    assert (variables.registered("a", "_rotation_joined"), variables.registered("b", "_rotation_joined")) == ({"token": "t"}, None)
