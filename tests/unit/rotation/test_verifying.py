# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proving the ledger's passwords, with a real ledger and devices in memory: one login each, one password each, and nothing is changed."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.ledgers import ELSEWHERE, Clock, committed, kept, opened, record, staged
from support.rotation import Boxes, member

from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run, runner_identity
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.batch import Order, Sizes, batches_of_verification, sealed, unsealed
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.due import Rules
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import CURRENT, Field, Proof, Taken
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.steps import Surroundings, Worked
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.verifiable import plan_verification
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.verifying import verify_batch

GOOD, OTHER = "CANARY-Good-2026-{}", "CANARY-Other-2026-{}"
NOW = datetime.datetime.fromtimestamp(1_800_000_000, datetime.timezone.utc)


class HookedBoxes(Boxes):
    """Boxes beside which something happens while they are logged in to."""

    meanwhile: Callable[[], None] = staticmethod(lambda: None)

    def prove(self, batch: Any, field: Field) -> list[Proof]:
        proofs = super().prove(batch, field)
        self.meanwhile()
        return proofs


class Scene:
    def __init__(self, folder: Path, clock: Clock) -> None:
        self.clock = clock
        self.ledger = opened(f"sqlite:///{folder / 'ledger.db'}", clock)
        self.boxes = HookedBoxes()

    def known(self, *names: str, real: str = GOOD) -> None:
        """The ledger knows a password of each, and each has this one."""
        for name in names:
            committed(self.ledger, name, GOOD.format(name), proof="vendor")
            self.boxes.password[name] = real.format(name)

    def planned(self, *names: str, via: str = "itself") -> tuple[list[str], dict[str, tuple[str, str]]]:
        devices = [member(name, via=via).device for name in names]
        plan = plan_verification(self.boxes, devices, self.ledger.devices(include_secrets=True), {}, {}, Rules(NOW))
        return [device.name for device in plan.verifiable], {each.name: (each.result, each.reason) for each in plan.refused}

    def verify(self, *names: str) -> Worked:
        (batch,) = batches_of_verification([member(name, via="itself").device for name in names], Sizes(50, 50))
        order = Order("run-1", "boxes", 1, len(names), {}, Rules(NOW), batch)
        around = Surroundings(self.ledger, self.boxes, Redactor(), runner_identity(), call=lambda _name, _arguments: {})
        return verify_batch(unsealed(self.ledger, sealed(self.ledger, order)), around)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path, Clock())


def told(worked: Worked) -> dict[str, tuple[str, str]]:
    return {entry.name: (entry.result, entry.reason) for entry in worked.told}


def test_who_is_logged_in_to_and_why_the_others_are_not(scene: Scene) -> None:
    scene.known("good", "open")
    staged(scene.ledger, Run("run-0", ""), {"open": OTHER.format("open")})
    assert scene.planned("good", "open", "new") == (
        ["good"],
        {"open": ("left_to_reconcile", ""), "new": ("unknown_password", "no_current_password")},
    )
    assert scene.planned("good", via="cloud") == ([], {"good": ("not_provable", "")})


def test_a_login_that_succeeds_is_the_only_thing_that_counts_as_a_proof(scene: Scene) -> None:
    scene.known("good", "silent")
    scene.known("other", real=OTHER)
    scene.boxes.silent.add("silent")
    before = {name: kept(scene.ledger, name) for name in ("good", "other", "silent")}
    worked = scene.verify("good", "other", "silent")
    assert told(worked) == {"good": ("verified", ""), "other": ("disproved", "unauthorized"), "silent": ("unproven", "timeout")}
    assert {name: record(scene.ledger, name)["verified_by"] for name in before} == {"good": "login", "other": None, "silent": "vendor"}
    # One login each, with the current password alone; nothing was asked for, and no password moved.
    assert sorted(scene.boxes.tried) == [(name, (CURRENT,)) for name in ("good", "other", "silent")]
    assert scene.boxes.wrong_logins == {"other": 1}
    assert [what for what, _names in scene.boxes.log] == ["prove"]
    assert {name: kept(scene.ledger, name) for name in before} == before
    assert "CANARY" not in repr(worked)


@pytest.mark.parametrize("other_run", ["holds_it", "has_changed_it"])
def test_what_another_run_does_meanwhile_goes_before_the_login(scene: Scene, other_run: str) -> None:
    scene.known("a")
    scene.known("b", real=OTHER)

    def meanwhile() -> None:
        for name in "ab":
            if other_run == "holds_it":
                staged(scene.ledger, Run("run-2", ELSEWHERE), {name: OTHER.format(name)})
            else:
                committed(scene.ledger, name, OTHER.format(name), proof="vendor")

    scene.boxes.meanwhile = meanwhile
    expected = ("busy", "leased") if other_run == "holds_it" else ("changed_meanwhile", "")
    assert told(scene.verify("a", "b")) == {"a": expected, "b": expected}
    assert {record(scene.ledger, name)["verified_by"] for name in "ab"} == {"vendor"}


def test_what_another_run_has_taken_since_the_plan_is_not_logged_in_to(scene: Scene) -> None:
    scene.known("a", "b")
    staged(scene.ledger, Run("run-2", ELSEWHERE), {"a": OTHER.format("a")})
    assert told(scene.verify("a", "b")) == {"a": ("left_to_reconcile", ""), "b": ("verified", "")}
    assert [name for name, _candidates in scene.boxes.tried] == ["b"]


def test_taken_is_shown_without_its_passwords() -> None:
    assert "CANARY" not in repr(Taken(member("a"), "", GOOD))
