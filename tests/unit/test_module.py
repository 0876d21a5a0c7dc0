# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way out of a module: its own words leave as they are, nobody's secret leaves at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from support.modules import run_module

from ansible_collections.keyturn.devices.plugins.module_utils import _module
from ansible_collections.keyturn.devices.plugins.module_utils._module import Context, ModuleFailure
from ansible_collections.keyturn.devices.plugins.module_utils._outcomes import CLOSED, REASONS
from ansible_collections.keyturn.devices.plugins.module_utils._redact import MASK
from ansible_collections.keyturn.devices.plugins.module_utils._spec import Spec

DEVICES = {
    "devices": {
        "type": "list",
        "elements": "dict",
        "options": {"serial": {"type": "str"}, "password": {"type": "str", "no_log": True}},
    }
}


def echo(options: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """As many results as devices, each with a message that echoes its password."""
    context.warn(f"careful: {options['devices'][0]['password']}")
    results = [
        {"serial": device["serial"], "status": "changed", "reason": "same_password", "live": "new", "message": f"got {device['password']}."}
        for device in options["devices"]
    ]
    return {"changed": True, "devices": results, "summary": {"changed": len(results)}, "requests": 1}


def run(work: Any = echo, **options: Any) -> dict[str, Any]:
    return run_module(lambda: _module.run_module(Spec(DEVICES), work), **options)


def arguments(result: dict[str, Any]) -> Any:
    """The devices of the invocation; newer releases of ansible-core leave it out unless they are asked for it."""
    return result["invocation"]["module_args"]["devices"] if "invocation" in result else None


class TestOwnWords:
    @pytest.mark.parametrize(
        "password",
        ["changed", "CHANGED", "0000", "1", "2", "new", "status", "serial", "devices", "same_password", "true", "message", "summary"],
    )
    def test_results_keep_order_status_and_reason_whatever_the_passwords_are(self, password: str) -> None:
        serials = ["1100000007", "0000000008"]
        result = run(devices=[{"serial": serial, "password": password} for serial in serials])
        assert result["changed"] is True
        assert [(device["status"], device["reason"], device["live"]) for device in result["devices"]] == [
            ("changed", "same_password", "new")
        ] * 2
        assert (result["summary"], result["requests"]) == ({"changed": 2}, 1)
        assert [device["message"] for device in result["devices"]] == [f"got {MASK}."] * 2

    def test_results_keep_their_order_when_serials_are_masked(self) -> None:
        numbers = [f"00{number:08d}" for number in range(9, -1, -1)]
        result = run(devices=[{"serial": serial, "password": "0000"} for serial in numbers])
        assert [device["serial"].replace(MASK, "")[-1:] for device in result["devices"]][:2] == ["9", "8"]
        assert len(result["devices"]) == 10

    @pytest.mark.parametrize("word", sorted(CLOSED["status"] | set(REASONS) | CLOSED["live"]))
    def test_every_word_of_the_vocabulary_survives_as_a_password(self, word: str) -> None:
        field = next(field for field, words in CLOSED.items() if word in words)
        result = run(lambda options, context: {field: word, "message": word}, devices=[{"serial": "1", "password": word}])
        assert (result[field], result["message"]) == (word, MASK)

    def test_so_does_a_failure(self) -> None:
        def fail(options: Mapping[str, Any], context: Context) -> dict[str, Any]:
            raise ModuleFailure(f"bad {options['devices'][0]['password']}", reason="conflict", devices=[{"status": "failed"}])

        result = run(fail, devices=[{"serial": "1", "password": "conflict"}])
        assert result["failed"] is True
        assert (result["msg"], result["reason"], result["devices"]) == (f"bad {MASK}", "conflict", [{"status": "failed"}])


class TestNothingLeaks:
    @pytest.mark.parametrize("password", ["Vexing-42-Harbour", "q\"uo'te\\s", "Pässwörd-42"])
    @pytest.mark.parametrize("way", ["well", "foreseen", "unforeseen"])
    def test_in_results_warnings_failures_and_arguments(self, password: str, way: str) -> None:
        def work(options: Mapping[str, Any], context: Context) -> dict[str, Any]:
            result = echo(options, context)
            if way == "foreseen":
                raise ModuleFailure(f"bad {password}", **result)
            if way == "unforeseen":
                raise KeyError(password)
            return result

        result = run(work, devices=[{"serial": "1", "password": password}])
        printed = result.pop("printed")
        assert MASK in printed
        assert password not in str(result)
        assert repr(password)[1:-1] not in printed
        assert arguments(result) in ([{"serial": "1", "password": MASK}], None)

    def test_with_more_secrets_than_anybody_could_look_through_one_by_one(self) -> None:
        devices = [{"serial": str(number), "password": f"Vexing-{number:05d}-Harbour"} for number in range(3000)]
        result = run(devices=devices)
        assert "Vexing" not in result["printed"].replace('"Vexing-', "")
        assert len(result["devices"]) == 3000
        assert arguments(result) in ("(3000 elements)", None)


class TestSpec:
    def test_parts_are_added_with_their_rules(self) -> None:
        one = Spec({"a": {"type": "str"}}, {"required_one_of": [("a", "b")], "required_by": {"a": "b"}})
        other = Spec(
            {"b": {"type": "str"}}, {"required_one_of": [("b", "c")], "mutually_exclusive": [("b", "c")], "required_by": {"c": "b"}}
        )
        both = one + other
        assert list(both.arguments) == ["a", "b"]
        assert both.rules == {
            "required_one_of": [("a", "b"), ("b", "c")],
            "mutually_exclusive": [("b", "c")],
            "required_by": {"a": "b", "c": "b"},
        }
        assert one.rules == {"required_one_of": [("a", "b")], "required_by": {"a": "b"}}

    def test_an_argument_defined_twice_is_a_mistake(self) -> None:
        with pytest.raises(ValueError, match="defined twice: a"):
            Spec({"a": {}}) + Spec({"a": {}})
