# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules that are run on the controller without Ansible's own way to run them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from support.chromium import browser_traces

from ansible_collections.keyturn.devices.plugins.plugin_utils import _near
from ansible_collections.keyturn.devices.plugins.plugin_utils._near import call_apart, call_here

CANARY = "Canary-Password-47"
GOOD: dict[str, Any] = {"devices": []}
# Bad input ends a module before it starts anything.
BAD: dict[str, Any] = {"url": "https://192.0.2.5/path", "candidates": [{"name": "current", "password": CANARY}], "username": CANARY}


def test_a_process_of_its_own_gives_the_result_that_this_one_gives() -> None:
    apart = call_apart("pbx_login", BAD, 60)
    assert apart == call_here("pbx_login", BAD)
    assert (apart["failed"], apart["reason"]) == (True, "bad_input")
    assert CANARY not in str(apart)


def test_a_process_of_its_own_is_told_nothing_of_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setenv("KEYTURN_LEDGER_PASSPHRASE", CANARY)
    monkeypatch.setenv("RMS_TOKEN", CANARY)

    def start(command: list[str], env: dict[str, str], **_more: Any) -> None:
        seen.update(command=command, env=env)
        raise PermissionError(1, "not permitted")

    monkeypatch.setattr(subprocess, "Popen", start)
    result = call_apart("pbx_login", BAD, 60)
    assert (result["failed"], result["msg"]) == (True, "No process can be started: not permitted")
    assert seen["env"]["PATH"]
    assert CANARY not in str(seen)


def test_arguments_that_the_module_does_not_take_are_told() -> None:
    result = call_apart("pbx_login", {"url": 7, "candidate": CANARY}, 60)
    assert result["failed"]
    assert "candidates" in result["msg"]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The processes that a test starts."""
    processes: list[subprocess.Popen[bytes]] = []
    start = subprocess.Popen

    def note(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        processes.append(start(*arguments, **options))
        return processes[-1]

    monkeypatch.setattr(_near, "_IDLE", [])
    monkeypatch.setattr(subprocess, "Popen", note)
    yield processes
    for worker in _near._IDLE:
        worker.end()


def test_a_process_whose_work_went_well_does_the_next(started: list[subprocess.Popen[bytes]]) -> None:
    first, second = call_apart("router_login", GOOD, 60), call_apart("router_login", GOOD, 60)
    assert first == second == call_here("router_login", GOOD)
    assert len(started) == 1


def test_a_process_whose_work_failed_does_nothing_more(started: list[subprocess.Popen[bytes]]) -> None:
    call_apart("pbx_login", BAD, 60)
    assert started[0].returncode == 0
    assert not call_apart("router_login", GOOD, 60)["failed"]
    assert len(started) == 2


def test_a_process_that_died_meanwhile_is_not_asked(started: list[subprocess.Popen[bytes]]) -> None:
    call_apart("router_login", GOOD, 60)
    started[0].kill()
    started[0].wait()
    assert not call_apart("router_login", GOOD, 60)["failed"]


def test_a_process_ends_with_the_one_that_started_it() -> None:
    script = (
        f"import {_near.__name__} as near; near.call_apart('router_login', {GOOD!r}, 60);"
        "print(near._IDLE[0]._process.pid, flush=True); {end}"
    )
    for end in ("pass", "import os; os._exit(0)"):
        done = subprocess.run(
            [sys.executable, "-c", script.replace("{end}", end)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            check=True,
        )
        # Whoever was its parent is gone, so nobody can wait for it but by looking.
        waited_for = time.monotonic() + 30
        while Path("/proc", done.stdout.strip()).exists() and time.monotonic() < waited_for:
            time.sleep(0.05)
        assert not Path("/proc", done.stdout.strip()).exists()


def test_one_that_does_not_clean_up_in_time_leaves_nothing_behind() -> None:
    # Its module hangs, and is deaf to being interrupted.
    script = (
        f"import time\nimport {_near.__name__} as near\n"
        "def hang(*_arguments):\n    print('hangs', flush=True)\n    while True:\n"
        "        try:\n            time.sleep(60)\n        except KeyboardInterrupt:\n            pass\n"
        "near._CLEANING_SECONDS = 0.2\nnear.call_here = hang\nnear.main()\n"
    )
    with TemporaryDirectory(prefix="kt-near-") as temporary:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TMPDIR": temporary}
        command = [sys.executable, "-c", script]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(b'["pbx_login", {}]\n')
            process.stdin.flush()
            assert process.stdout.readline() == b"hangs\n"
            assert len(browser_traces(temporary)) == 1
            process.stdin.close()
            assert process.wait(30) == 1
        assert browser_traces(temporary) == []


def test_a_process_that_hangs_is_ended() -> None:
    assert call_apart("pbx_login", BAD, 0) == {"failed": True, "msg": "It was not done after 0 s and was ended."}


def test_one_that_dies_or_cannot_be_started_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert call_apart("no_such_module", {}, 60) == {"failed": True, "msg": "Its process ended without a word, with the status 1."}
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert call_apart("pbx_login", BAD, 60)["reason"] == "not_sent"
