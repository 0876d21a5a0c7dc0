# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The devices of a run: what is read from their variables, and how each mistake is named."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.rotation import Boxes, FakeVariables, device

from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.inventory import (
    SETTINGS,
    Found,
    duplicate_serials,
    file_beside_inventory,
    read_devices,
)
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import Device, Source

# As the defaults of a role are: every setting has a value.
ROLE: dict[str, Any] = {
    "box_rotation_source": {"kind": "generate"},
    "box_rotation_policy": {"length": 20},
    "box_rotation_force": False,
    "box_rotation_offline_days": 7,
    "box_rotation_age_spread_percent": 10,
    "box_rotation_deadline": 300,
    "box_rotation_ledger_url": "",
    "box_rotation_ledger_passphrase": "",
    "box_rotation_ledger_passphrase_file": "",
    "box_rotation_first_batch_size": 50,
    "box_rotation_batch_size": 2500,
    "box_rotation_failure_limit_percent": 20,
    "box_rotation_max_attempts": 5,
    "box_rotation_patience": 60,
    "box_rotation_bad_input": "fail",
    "box_rotation_summary_limit": 200,
    "box_rotation_recap_limit": 1000,
    "box_rotation_summary_file": "",
    "box_rotation_via": "cloud",
    "box_rotation_account": "one",
    "box_rotation_verified": True,
}


def hosts(group: Mapping[str, Any] | None = None, **variables: Mapping[str, Any]) -> FakeVariables:
    """Hosts with their own variables besides those of the role and of their C(group), each with a serial unless it says otherwise."""
    own = {name: {"device_serial": f"S-{name}", **its} for name, its in variables.items()}
    return FakeVariables(own, shared={**ROLE, **(group or {})})


def found(*, sources: bool = True, **variables: Mapping[str, Any]) -> Found:
    return read_devices(list(variables), hosts(**variables), Boxes(), sources=sources)


def read(**variables: Any) -> tuple[Device | None, list[str]]:
    result = found(a=variables)
    return (result.devices[0] if result.devices else None), [str(problem) for problem in result.problems]


# -- a device -----------------------------------------------------------------------------------------------------------------------------


def test_a_device_needs_no_more_than_its_serial() -> None:
    read_device, problems = read(device_serial="0100000007")
    assert problems == []
    assert read_device == Device(
        name="a",
        serial="0100000007",
        source=Source("generate"),
        policy={"length": 20},
        username="admin",
        site="localhost",
        details={"via": "cloud"},
        terms={"deadline": 300, "account": "one", "verified": True},
    )


def test_a_device_is_all_that_its_variables_say() -> None:
    variables = hosts(
        a={
            "device_serial": "7",
            "device_host": "192.0.2.7",
            "device_username": "root",
            "device_fingerprint": "AA:BB",
            "device_site": "gateway",
            "device_via": "itself",
            "device_password_source": {"kind": "csv", "path": "handover.csv"},
            "device_password_policy": {"length": 30, "special": True},
        },
        gateway={},
    )
    (read_device,) = read_devices(["a"], variables, Boxes()).devices
    assert (read_device.serial, read_device.host, read_device.username, read_device.fingerprint) == ("7", "192.0.2.7", "root", "AA:BB")
    assert (read_device.site, read_device.details["via"]) == ("gateway", "itself")
    assert (read_device.source, read_device.policy) == (Source("csv", path="handover.csv"), {"length": 30, "special": True})


def test_a_serial_that_the_inventory_made_a_number_is_read_as_its_digits() -> None:
    read_device, _problems = read(device_serial=1100000007)
    assert read_device is not None
    assert read_device.serial == "1100000007"


@pytest.mark.parametrize(
    ("variables", "where", "why"),
    [
        ({"device_serial": None}, "device_serial", "is missing"),
        ({"device_serial": ""}, "device_serial", "is missing"),
        ({"device_password_policy": "strong"}, "device_password_policy", "must be a mapping, not text"),
        ({"device_password_source": "generate"}, "device_password_source", "must be a mapping, not text, such as {kind: generate}"),
        ({"device_password_source": {}}, "device_password_source.kind", "must be one of"),
        ({"device_password_source": {"kind": "oracle"}}, "device_password_source.kind", "'oracle' is none of"),
        ({"device_password_source": {"kind": 7}}, "device_password_source.kind", "must be one of generate, csv, value, vendor"),
        ({"device_password_source": {"kind": "csv"}}, "device_password_source.path", "is missing"),
        ({"device_password_source": {"kind": "csv", "path": 7}}, "device_password_source.path", "not a number"),
        ({"device_password_source": {"kind": "value"}}, "device_password_source.password", "is missing"),
        ({"device_password_source": {"kind": "value", "password": ""}}, "device_password_source.password", "is empty"),
        ({"device_password_source": {"kind": "value", "password": 12345678}}, "device_password_source.password", "not a number"),
        ({"device_password_source": {"kind": "generate", "length": 20}}, "device_password_source.length", "is not a field"),
        ({"device_site": "nowhere"}, "device_site", "'nowhere' is not in the inventory"),
        ({"device_host": "{{ broken }}"}, "device_host", "cannot be resolved: the vault is sealed"),
    ],
)
def test_a_mistake_is_named_with_device_variable_and_reason(variables: dict[str, Any], where: str, why: str) -> None:
    read_device, problems = read(**variables)
    assert read_device is None
    assert [problem.startswith(f"a: {where}: ") and why in problem for problem in problems] == [True]


@pytest.mark.parametrize(("serial", "why"), [(["1"], "must be text, not a list"), (True, "must be text, not a boolean")])
def test_a_serial_that_is_no_text_is_told_as_what_it_is(serial: object, why: str) -> None:
    read_device, problems = read(device_serial=serial)
    assert (read_device, problems[0]) == (None, f"a: device_serial: {why}")


def test_a_password_given_as_a_number_is_never_shown() -> None:
    _device, problems = read(device_password_source={"kind": "value", "password": 87654321})
    assert "87654321" not in "".join(problems)
    assert "S3cret" not in repr(Source("value", password="S3cret-x"))
    read_device, _problems = read(device_password_source={"kind": "value", "password": "S3cret-x"})
    assert "S3cret" not in repr(read_device)


def test_a_variable_that_cannot_be_resolved_is_a_problem_of_its_device_alone() -> None:
    result = found(a={"device_password_source": "{{ broken }}"}, b={})
    assert [str(problem) for problem in result.problems] == ["a: device_password_source: cannot be resolved: the vault is sealed"]
    assert [entry.name for entry in result.devices] == ["b"]


def test_all_mistakes_of_a_device_are_told_at_once() -> None:
    _device, problems = read(device_serial="", device_site="nowhere", device_password_source={"kind": "csv"})
    assert len(problems) == 3


def test_two_names_for_one_serial_are_refused_and_stop_the_run() -> None:
    problems = duplicate_serials([device("a", serial="1"), device("b", serial="2"), device("c", serial="1")])
    assert [(problem.device, str(problem)) for problem in problems] == [("", "device_serial: c: '1' is also the serial of a")]
    assert [problem.device for problem in found(a={"device_serial": "1"}, b={"device_serial": 1}).problems] == [""]


def test_two_names_for_one_place_stop_the_run_where_a_box_is_known_by_that() -> None:
    itself = {"device_via": "itself", "device_host": "192.0.2.5"}
    result = found(
        a={**itself, "device_serial": "1"}, b={**itself, "device_serial": "2"}, c={"device_host": "192.0.2.5", "device_serial": "3"}
    )
    assert [str(problem) for problem in result.problems] == ["device_host: b: its address is also that of a"]


def test_where_nothing_gets_a_new_password_no_source_is_read() -> None:
    result = found(sources=False, a={"device_password_source": "{{ broken }}"}, b={"device_password_source": {"kind": "oracle"}})
    assert (result.problems, [entry.source for entry in result.devices]) == ([], [Source("generate"), Source("generate")])


# -- names --------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("device_password_polcy", "device_password_policy"),
        ("device_pasword_source", "device_password_source"),
        ("device_fingerprnt", "device_fingerprint"),
        ("device_protocl", "device_protocol"),
        ("device_email_setings", "device_email_settings"),
        ("box_rotation_polcy", "box_rotation_policy"),
    ],
)
def test_a_misspelt_variable_is_a_problem_that_names_the_right_one(misspelt: str, meant: str) -> None:
    read_device, problems = read(**{misspelt: {}})
    assert (read_device, problems) == (None, [f"a: {misspelt}: is not a variable of this collection; did you mean {meant}?"])


def test_a_variable_of_the_role_that_it_does_not_have_is_a_problem() -> None:
    _device, problems = read(box_rotation_colour="blue")
    assert problems == ["a: box_rotation_colour: is not a variable of the role box_rotation"]


@pytest.mark.parametrize("misspelt", ["device_password_polcy", "box_rotation_polcy", "box_rotation_colour"])
def test_no_device_that_a_misspelt_variable_is_meant_for_is_rotated_without_it(misspelt: str) -> None:
    result = found(a={misspelt: {}}, b={misspelt: {}}, c={misspelt: {}})
    stopped = any(not problem.device for problem in result.problems)
    assert stopped or result.devices == []


def test_other_variables_that_begin_with_device_are_remarked_once_and_stop_nothing() -> None:
    own: dict[str, Any] = {"device_location": "roof", "device_rms_tags": []}
    result = found(a=own, b=own, c=own, d=own, e=own)
    assert (result.problems, len(result.devices)) == ([], 5)
    assert result.remarks == ["device_location is not a variable of this collection (a, b, c and 2 more)"]


@pytest.mark.parametrize(
    "variable",
    [
        "device_mailbox",
        "device_server_kind",
        "device_rms_model",
        "box_rotation__internal",
        "box_rotation_summary",
        "_rotation_plan",
        "location",
    ],
)
def test_what_belongs_to_other_kinds_of_devices_or_to_the_role_itself_is_not_remarked(variable: str) -> None:
    result = found(a={variable: "anything"})
    assert (result.problems, result.remarks) == ([], [])


# -- settings -----------------------------------------------------------------------------------------------------------------------------


def test_the_settings_of_the_run_are_those_that_all_devices_share() -> None:
    result = found(a={}, b={})
    assert result.run == {name: ROLE[f"box_rotation_{name}"] for name, setting in SETTINGS.items() if setting.scope == "run"}
    assert result.offline_days == {"a": 7.0, "b": 7.0}
    assert result.spread == {"a": 10, "b": 10}


def test_settings_are_read_as_their_types_say_whatever_way_they_were_written() -> None:
    result = found(a={"box_rotation_batch_size": "7", "box_rotation_force": "yes", "box_rotation_offline_days": "0.5"})
    assert (result.run["batch_size"], set(result.force), result.offline_days) == (7, {"a"}, {"a": 0.5})


def test_force_and_what_is_a_devices_own_may_differ_from_device_to_device() -> None:
    result = found(
        a={"box_rotation_force": True, "box_rotation_policy": {"length": 30}},
        b={"box_rotation_offline_days": 3, "box_rotation_age_spread_percent": 0, "box_rotation_source": {"kind": "vendor"}},
    )
    assert (set(result.force), result.offline_days, result.spread) == ({"a"}, {"a": 7.0, "b": 3.0}, {"a": 10, "b": 0})
    assert [(entry.policy, entry.source.kind) for entry in result.devices] == [({"length": 30}, "generate"), ({"length": 20}, "vendor")]


def test_a_devices_own_policy_and_source_go_before_those_of_the_role() -> None:
    read_device, _problems = read(box_rotation_policy={"length": 30}, device_password_policy={"special": True})
    assert read_device is not None
    assert read_device.policy == {"special": True}


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("batch_size", "many", "must be int"),
        ("batch_size", 0, "must be 1 or more"),
        ("first_batch_size", 0, "must be 1 or more"),
        ("deadline", -1, "must be 1 or more"),
        ("max_attempts", 0, "must be 1 or more"),
        ("patience", -1, "must not be negative"),
        ("failure_limit_percent", -1, "must not be negative"),
        ("recap_limit", -1, "must not be negative"),
        ("bad_input", "ignore", "must be one of fail, stop"),
        ("verified", "perhaps", "must be bool"),
        ("summary_limit", None, "must be int"),
        ("batch_size", "{{ broken }}", "the vault is sealed"),
    ],
)
def test_a_setting_that_cannot_be_used_stops_the_run_and_is_told_once(variable: str, value: object, message: str) -> None:
    wrong = {f"box_rotation_{variable}": value}
    result = found(a=wrong, b=wrong)
    assert {(problem.device, problem.field, problem.message) for problem in result.problems} == {("", f"box_rotation_{variable}", message)}
    assert len(result.problems) == 1


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("offline_days", "a week", "must be float"),
        ("offline_days", -1, "must not be negative"),
        ("age_spread_percent", "some", "must be int"),
        ("policy", "strong", "must be a mapping"),
        ("force", "perhaps", "must be bool"),
    ],
)
def test_a_setting_of_one_device_that_cannot_be_used_is_a_problem_of_that_device(variable: str, value: object, message: str) -> None:
    result = found(a={f"box_rotation_{variable}": value}, b={})
    assert [str(problem) for problem in result.problems] == [f"a: box_rotation_{variable}: {message}"]
    assert [entry.name for entry in result.devices] == ["b"]


def test_what_a_setting_holds_is_not_shown_because_it_may_be_a_secret() -> None:
    result = found(a={"box_rotation_ledger_passphrase": ["S3cret-passphrase"], "box_rotation_batch_size": "S3cret-passphrase"})
    assert "S3cret" not in "".join(str(problem) for problem in result.problems)
    assert "S3cret" not in repr(found(a={"box_rotation_account": "S3cret-token"}).devices)


def test_a_setting_of_the_run_that_hosts_disagree_about_stops_it_and_says_who() -> None:
    result = found(a={}, b={}, c={"box_rotation_ledger_url": "sqlite:///other.db", "box_rotation_batch_size": 10})
    assert sorted((problem.device, str(problem)) for problem in result.problems) == [
        ("", "box_rotation_batch_size: must be the same for all boxes of a run; a and c differ"),
        ("", "box_rotation_ledger_url: must be the same for all boxes of a run; a and c differ"),
    ]


def test_equal_batch_settings_are_one_object_also_where_hosts_write_them_differently() -> None:
    result = found(
        a={},
        b={"box_rotation_account": "{{ own }}", "own": "one"},
        c={"box_rotation_account": "two"},
        d={"box_rotation_verified": "yes"},
    )
    first, second, third, fourth = (entry.terms for entry in result.devices)
    assert first is second is fourth
    assert first is not third
    assert third["account"] == "two"


# -- a value is resolved once, and yet per host where it has to be ------------------------------------------------------------------------


def accounts(variables: FakeVariables, *names: str) -> list[str]:
    return [entry.terms["account"] for entry in read_devices(names, variables, Boxes()).devices]


def test_a_setting_that_can_only_be_the_same_is_resolved_once_however_many_hosts_have_it() -> None:
    template = "{{ team_token }}"
    variables = hosts({"box_rotation_account": template, "team_token": "T-1"}, a={}, b={}, c={}, d={}, e={}, f={})
    assert accounts(variables, *"abcdef") == ["T-1"] * 6
    assert variables.resolved.count(template) == 1


def test_hosts_that_give_a_named_variable_the_same_value_share_what_it_resolves_to() -> None:
    template = "{{ team_token }}"
    north, south = {"team_token": "T-north"}, {"team_token": "T-south"}
    variables = hosts({"box_rotation_account": template}, a=north, b=south, c=north, d=south)
    assert accounts(variables, *"abcd") == ["T-north", "T-south", "T-north", "T-south"]
    assert variables.resolved.count(template) == 2


CHAIN = {"box_rotation_account": "{{ team_token }}", "team_token": "{{ name_of_token }}"}


@pytest.mark.parametrize("in_group", [{}, {"box_rotation_account"}, {"box_rotation_account", "team_token"}], ids=["none", "one", "both"])
def test_a_setting_is_resolved_anew_where_a_variable_that_it_names_differs_directly_or_by_others(in_group: Collection[str]) -> None:
    """Wherever the templates stand: in the group, or as the very same text with each host."""
    group = {name: text for name, text in CHAIN.items() if name in in_group}
    own = {name: text for name, text in CHAIN.items() if name not in in_group}
    variables = hosts(group, a={**own, "name_of_token": "T-a"}, b={**own, "name_of_token": "T-b"}, c={**own, "name_of_token": "T-a"})
    assert accounts(variables, *"abc") == ["T-a", "T-b", "T-a"]


@pytest.mark.parametrize("by_group", [True, False])
@pytest.mark.parametrize("word", ["hostvars", "inventory_hostname", "group_names", "vars"])
def test_a_template_that_can_mean_something_else_for_every_host_is_resolved_for_each(word: str, by_group: bool) -> None:
    setting = {"box_rotation_account": "{{ " + word + " }}"}
    group, own = (setting, {}) if by_group else ({}, setting)
    assert accounts(hosts(group, a={**own, word: "of a"}, b={**own, word: "of b"}), "a", "b") == ["of a", "of b"]


@pytest.mark.parametrize("by_group", [True, False])
def test_a_source_that_gives_another_value_each_time_gives_each_device_its_own(by_group: bool) -> None:
    drawn = itertools.count()

    class Drawing(FakeVariables):
        def resolve(self, value: object, raw: Mapping[str, Any]) -> Any:
            if isinstance(value, Mapping) and "lookup(" in str(value.get("password")):
                return {**value, "password": f"Drawn-Password-{next(drawn)}"}
            return super().resolve(value, raw)

    source = {"box_rotation_source": {"kind": "value", "password": "{{ lookup('community.general.random_string', length=20) }}"}}
    group, own = (source, {}) if by_group else ({}, source)
    variables = Drawing({name: {"device_serial": name, **own} for name in "abc"}, shared={**ROLE, **group})
    result = read_devices(list("abc"), variables, Boxes())
    assert len({entry.source.password for entry in result.devices}) == 3


# -- files --------------------------------------------------------------------------------------------------------------------------------


def test_a_file_is_looked_for_beside_the_inventory_that_names_it_and_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory = tmp_path / "{{ inventory }}"
    inventory.mkdir()
    (inventory / "here.csv").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    raw = {"inventory_dir": str(inventory)}
    assert file_beside_inventory("here.csv", raw) == str(inventory / "here.csv")
    assert file_beside_inventory("there.csv", raw) == str(tmp_path / "there.csv")
    assert file_beside_inventory("/srv/handover.csv", raw) == "/srv/handover.csv"
    assert file_beside_inventory("~/handover.csv", {}) == str(tmp_path / "home" / "handover.csv")
