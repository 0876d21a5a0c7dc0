# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.keyturn.devices.plugins.filter.policy_violations import policy_violations
from ansible_collections.keyturn.devices.plugins.test.compliant import compliant


def reasons(*arguments: Any, **options: Any) -> list[str]:
    return [found["reason"] for found in policy_violations(*arguments, **options)]


def test_filter_returns_reason_and_message() -> None:
    assert policy_violations("Vexing42", {"length": 12}) == [
        {"reason": "too_short", "message": "the password is shorter than 12 characters"}
    ]


def test_test_is_true_exactly_where_the_filter_finds_nothing() -> None:
    for password in ("Vexing42", "Vexing-42", "short", "Vexing-42-Harbour"):
        for policy in (None, {}, {"length": 12}, {"special": True}):
            assert compliant(password, policy) is (reasons(password, policy) == [])


def test_product_and_firmware_add_their_rule() -> None:
    assert reasons("Vexing42", product="rutos", firmware="RUT9_R_00.07.06.20") == []
    assert reasons("Vexing42", {}, "rutos", "RUTX_R_00.07.13.2") == ["no_special"]
    assert reasons("Vexing42", product="rms") == ["no_special"]
    assert reasons("Vexing4567", product="yeastar_strong") == ["digit_run"]


def test_former_passwords_may_not_come_back_as_far_as_the_policy_looks() -> None:
    assert reasons("Vexing42", former=["Harbour7", "Vexing42"]) == ["reused"]
    assert reasons("Vexing42", {"history": 1}, former=["Harbour7", "Vexing42"]) == []
    assert not compliant("Vexing42", former=["Vexing42"])


def test_a_vaulted_value_that_is_no_string_is_one_when_asked() -> None:
    class Vaulted:
        __ENCRYPTED__ = True

        def __str__(self) -> str:
            return "Vexing42"

    assert reasons(Vaulted()) == []
    assert reasons("Vexing42", former=[Vaulted()]) == ["reused"]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (["Canary-42", {"length": "Canary-42"}], {}, "length: must be a whole number"),
        (["Canary-42", {"lenght": 20}], {}, "did you mean length"),
        (["Canary-42", "length: 20"], {}, "must be a mapping"),
        (["Canary-42", {"length": 40}], {"product": "rms"}, "at most 32"),
        (["Canary-42"], {"product": "abacus"}, "product"),
        ([42424242], {}, "must be a string"),
        ([None], {}, "must be a string"),
        (["Canary-42"], {"former": "Canary-42"}, "former must be a list"),
        (["Canary-42"], {"former": 42}, "former must be a list"),
        (["Canary-42"], {"former": [42]}, "each former password must be a string"),
    ],
)
def test_wrong_arguments_are_a_filter_error_without_the_password(arguments: list[Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        policy_violations(*arguments, **options)
    assert message in str(caught.value)
    assert "Canary" not in str(caught.value)
    assert "4242" not in str(caught.value)


PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  vars:
    password: Vexing-42
    wanted: {length: "{{ 16 }}", special: "{{ true }}"}
  tasks:
    - ansible.builtin.assert:
        that:
          - password is keyturn.devices.compliant
          - password is not keyturn.devices.compliant(wanted)
          - password is keyturn.devices.compliant(product='rms')
          - "password is keyturn.devices.compliant({'length': 9}, product='rutos', firmware='RUTX_R_00.07.13.2')"
          - password is not keyturn.devices.compliant(former=[password])
          - password | keyturn.devices.policy_violations(wanted) | map(attribute='reason') | list == ['too_short']
"""


def test_a_playbook_finds_both_by_their_full_names(tmp_path: Path) -> None:
    playbook = tmp_path / "playbook.yml"
    playbook.write_text(PLAYBOOK)
    result = subprocess.run(
        [sys.executable, "-m", "ansible.cli.playbook", "-i", "localhost,", "-c", "local", str(playbook)],
        env={**os.environ, "ANSIBLE_LOCAL_TEMP": str(tmp_path), "ANSIBLE_HOME": str(tmp_path), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
