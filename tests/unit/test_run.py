# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Until when a run may change devices, by clocks that a test turns."""

from __future__ import annotations

import os
import time

import pytest

from ansible_collections.keyturn.devices.plugins.module_utils import _run
from ansible_collections.keyturn.devices.plugins.module_utils._run import Until, may_change, runner_identity


class Clocks:
    """Both clocks of a host, and which boot it is."""

    def __init__(self) -> None:
        self.boot, self.boottime, self.epoch = "boot-1", 5000.0, 1_800_000_000.0


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    clocks = Clocks()
    monkeypatch.setattr(_run, "_boot", lambda: clocks.boot)
    monkeypatch.setattr(_run, "_boottime", lambda: clocks.boottime)
    monkeypatch.setattr(_run.time, "time", lambda: clocks.epoch)
    return clocks


def test_it_travels_as_text(clocks: Clocks) -> None:
    until = Until.after(90)
    assert Until.read(str(until)) == until == Until("boot-1", 5090.0, 1_800_000_090.0)


def test_time_that_was_slept_through_counts(clocks: Clocks) -> None:
    until = Until.read(str(Until.after(90)))
    clocks.boottime += 89.9
    assert not until.passed()
    clocks.boottime += 0.1
    assert until.passed()


@pytest.mark.parametrize("turned", [-86_400, 86_400])
def test_a_wall_clock_that_is_set_meanwhile_does_not_count_on_the_same_boot(clocks: Clocks, turned: int) -> None:
    until = Until.read(str(Until.after(90)))
    clocks.epoch += turned
    assert not until.passed()
    clocks.boottime += 90
    assert until.passed()


@pytest.mark.parametrize("boot", ["boot-2", ""])
def test_elsewhere_the_wall_clock_counts(clocks: Clocks, boot: str) -> None:
    until = Until.read(str(Until.after(90)))
    clocks.boot, clocks.boottime = boot, 0
    assert not until.passed()
    clocks.epoch += 90
    assert until.passed()


def test_a_host_without_such_a_clock_goes_by_the_wall_clock(clocks: Clocks) -> None:
    clocks.boot = ""
    until = Until.read(str(Until.after(90)))
    clocks.boottime += 1000
    assert not until.passed()
    clocks.epoch += 90
    assert until.passed()


@pytest.mark.parametrize("text", ["2027-01-15T08:01:30Z", "2027-01-15T09:01:30+01:00", " 2027-01-15 08:01:30.000+00:00 "])
def test_a_person_may_write_a_date_and_time(clocks: Clocks, text: str) -> None:
    until = Until.read(text)
    assert until.epoch == 1_800_000_090
    assert not until.passed()
    clocks.epoch += 90
    assert until.passed()


@pytest.mark.parametrize("text", ["", "tomorrow", "2027-01-15", "2027-01-15T08:01:30", "boot:x boottime:y epoch:z", "90", "boot:a/b"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no moment"):
        Until.read(text)


def test_the_real_clocks_go_on() -> None:
    assert Until.after(0).passed()
    assert not Until.after(60).passed()
    assert Until.read(str(Until.after(60))).boot == Until.after(0).boot
    assert Until.after(60).epoch == pytest.approx(time.time() + 60, abs=5)


def test_a_run_may_change_devices_until_its_time_has_come(clocks: Clocks) -> None:
    goes_on = may_change(runner_identity(os.getpid()), str(Until.after(90)))
    assert goes_on()
    clocks.boottime += 90
    assert not goes_on()


def test_a_run_whose_process_is_gone_may_not_change_devices() -> None:
    gone = runner_identity().rpartition("/")[0] + "/1"
    assert may_change(None, None)()
    assert not may_change(gone, None)()
    assert not may_change(gone, str(Until.after(90)))()
