# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One batch with a real ledger: what the steps take for granted of it, and what becomes of the passwords when it is lost on the way."""

from __future__ import annotations

import datetime
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.ledgers import ELSEWHERE, Clock, opened
from support.rotation import CLOUD, LOOK, LOOK_AND_ASK, MADE, Boxes, SteppedClock, member

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import StageRequest
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.rules import Settlement
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import PasswordPolicy
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run, runner_identity
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation import steps
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.batch import Batch, Order, Wish, expected_ledger, sealed, unsealed
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.due import Rules
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import Answer, Field, Kind, Taken
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.steps import Surroundings, Worked, work_batch

NEW, OLD = "New-Password-2026-{}", "Old-Password-2025-{}"
POLICY = PasswordPolicy(length=20)


class HookedBoxes(Boxes):
    """Boxes beside which something happens right after they were asked."""

    meanwhile: Callable[[], None] = staticmethod(lambda: None)

    def ask(self, kind: Kind, batch: Sequence[Taken], field: Field, *, again: bool) -> list[Answer]:
        answers = super().ask(kind, batch, field, again=again)
        self.meanwhile()
        return answers


class Scene:
    def __init__(self, path: Path, clock: Clock, waiting: SteppedClock) -> None:
        self.path, self.clock, self.waiting = path, clock, waiting
        self.ledger = opened(f"sqlite:///{path}", clock)
        self.boxes = HookedBoxes()
        self.holder = runner_identity()

    def work(self, kind: Kind, *names: str, wishes: dict[str, Wish] | None = None, run_id: str = "run-1", list_id: str = "") -> Worked:
        source = "vendor" if kind.collects else "value"
        members = tuple(member(name, source=source, failed_before=not wishes) for name in names)
        order = Order(
            run_id=run_id,
            product="boxes",
            batches=1,
            devices=len(members),
            settings={"patience": 3600, "max_attempts": 5},
            rules=Rules(datetime.datetime.fromtimestamp(self.clock(), datetime.timezone.utc)),
            batch=Batch(1, kind, members, wishes or {}, list_id),
        )
        around = Surroundings(
            ledger=self.ledger,
            product=self.boxes,
            redactor=Redactor(),
            holder=self.holder,
            call=lambda _name, _arguments: {},
            sleep=self._sleep,
        )
        return work_batch(unsealed(self.ledger, sealed(self.ledger, order)), around)

    def stage(self, *names: str, **more: Any) -> Worked:
        wishes = {name: Wish(POLICY, NEW.format(name), **{"expected_current": "", **more}) for name in names}
        return self.work(CLOUD, *names, wishes=wishes)

    def _sleep(self, seconds: float) -> None:
        self.waiting.sleep(seconds)
        self.clock.advance(seconds)

    def left_open(self, name: str, holder: str, password: str | None = None) -> None:
        """What an earlier run had staged, and never settled."""
        make = (lambda _former: password) if password else None
        self.ledger.stage([StageRequest(name, name.upper(), "value" if password else "vendor", make)], Run("run-0", holder), 900)

    def current(self) -> dict[str, str | None]:
        return {name: password for name, password in self.ledger.passwords(list("abc")).items() if password}


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    waiting = SteppedClock()
    monkeypatch.setattr(steps, "time", waiting)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return Scene(tmp_path / "ledger.db", Clock(), waiting)


@pytest.fixture
def dead() -> str:
    """A process that is certainly gone."""
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        return runner_identity(process.pid)


def told(worked: Worked) -> dict[str, tuple[str, str]]:
    return {entry.name: (entry.result, entry.reason) for entry in worked.told}


def test_a_batch_ends_with_what_is_in_force_as_current(scene: Scene) -> None:
    scene.boxes.says["b"] = Answer("failed", "rejected_by_policy")
    scene.boxes.says["c"] = Answer("unknown", "timeout")
    worked = scene.stage("a", "b", "c")
    assert told(worked) == {"a": ("committed", ""), "b": ("dropped", "rejected_by_policy"), "c": ("kept", "timeout")}
    assert scene.current() == {"a": NEW.format("a")}
    assert scene.ledger.passwords(["c"], "staged") == {"c": NEW.format("c")}


def test_what_an_earlier_run_left_open_is_settled_by_one_login(scene: Scene) -> None:
    scene.left_open("a", "", NEW.format("a"))
    scene.clock.advance(1000)
    scene.boxes.password["a"] = NEW.format("a")
    assert told(scene.work(LOOK, "a")) == {"a": ("committed", "")}
    assert scene.current() == {"a": NEW.format("a")}


def test_what_another_living_run_holds_is_left_to_it(scene: Scene) -> None:
    scene.left_open("a", ELSEWHERE, NEW.format("a"))
    worked = scene.work(LOOK_AND_ASK, "a")
    assert (told(worked), scene.boxes.log) == ({"a": ("busy", "leased")}, [])


def test_a_password_that_an_earlier_run_of_the_vendor_made_and_nobody_fetched_is_fetched(scene: Scene) -> None:
    scene.left_open("a", "")
    scene.clock.advance(1000)
    scene.boxes.made["a"] = scene.boxes.password["a"] = NEW.format("a")
    assert told(scene.work(MADE, "a", list_id="run-0-1-20")) == {"a": ("committed", "")}
    assert scene.current() == {"a": NEW.format("a")}


def test_a_fence_says_how_long_it_lasts_and_is_waited_for(scene: Scene, dead: str) -> None:
    scene.left_open("a", dead, OLD.format("a"))
    scene.boxes.says["a"] = Answer("unknown", "timeout")
    assert told(scene.work(CLOUD, "a")) == {"a": ("kept", "timeout")}
    # What the killed run asked for may still arrive, so the new password waits for that to be over.
    scene.boxes.says.clear()
    assert told(scene.stage("a", supersede=True)) == {"a": ("committed", "")}
    assert len(scene.waiting.slept) == 1
    assert scene.waiting.slept[0] > 1


def test_a_list_is_in_the_ledger_piece_by_piece_and_comes_back_as_it_came(scene: Scene) -> None:
    scene.boxes.made["a"] = NEW.format("a")
    scene.work(MADE, "a", wishes={"a": Wish(POLICY, expected_current="")}, list_id="run-1-1-20s")
    lists = scene.boxes.fields[0].lists
    lists.reserve(1000)
    lists.append(b"serial;")
    lists.append(b"password\n")
    assert lists.content() == b"serial;password\n"


def test_what_was_sent_after_the_lease_was_lost_reopens_what_another_run_has_settled_in_between(scene: Scene) -> None:
    def taken_over() -> None:
        scene.clock.advance(10_000)
        other = Run("run-2")
        assert [result.status for result in scene.ledger.resume(["a"], other, 900, 5)] == ["resumed"]
        scene.ledger.settle([Settlement("a", "failed", proof="login", live="current")], other, 5)

    # A process of another machine, of which nobody here knows whether it lives.
    scene.holder = ELSEWHERE
    scene.boxes.says["a"] = Answer("changed", late=True)
    scene.boxes.done.add("a")
    scene.boxes.meanwhile = taken_over
    worked = scene.stage("a")
    assert worked.told[0].status == "unknown"
    known = scene.ledger.devices(["a"], include_secrets=True)["a"]
    kept = [known["staged"], known["current"], *known["previous"]]
    assert NEW.format("a") in [slot["password"] for slot in kept if slot]
    assert scene.current() == {}


@pytest.mark.parametrize("loss", ["deleted", "replaced"])
def test_passwords_of_a_ledger_that_was_lost_on_the_way_are_in_a_file_for_their_owner(scene: Scene, loss: str) -> None:
    def lose() -> None:
        for path in scene.path.parent.glob("ledger.db*"):
            path.unlink()
        if loss == "replaced":
            opened(f"sqlite:///{scene.path}", scene.clock).close()

    scene.boxes.meanwhile = lose
    worked = scene.stage("a", "b")
    assert told(worked) == {"a": ("kept", "ledger_unavailable"), "b": ("kept", "ledger_unavailable")}
    (path,) = Path.cwd().iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert str(path) in worked.stop
    assert all(scene.boxes.password[name] in path.read_text() for name in "ab")


def test_a_batch_belongs_to_the_ledger_that_sealed_it(scene: Scene, tmp_path: Path) -> None:
    text = sealed(scene.ledger, order_of_nothing())
    assert expected_ledger(text) == (scene.ledger.identity, scene.ledger.generation)
    other: Ledger = opened(f"sqlite:///{tmp_path}/other.db", scene.clock)
    with pytest.raises(LedgerError) as caught:
        unsealed(other, text)
    assert caught.value.reason == "corrupt"


def order_of_nothing() -> Order:
    rules = Rules(datetime.datetime(2026, 6, 1, tzinfo=datetime.timezone.utc))
    return Order("run-1", "boxes", 1, 1, {}, rules, Batch(1, CLOUD, (member("a"),), {}))
