# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kills runs that put building servers in reset mode, and looks whether one was left stopped or unarmed after the next run.

    PYTHONPATH=tests python -m campaigns.crash_bms --kills 30

Each round has a server of its own in a real podman container with a real volume. The module is started and killed at a moment drawn by lot:
by SIGKILL, by SIGKILL together with every command it had started, or by SIGTERM, in turn. Then it is run again, to its end. A round is good
when the server runs, answers and is in reset mode, and nothing of the first run is left.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.containers import ContainerServer, Podman

from tools.places import COLLECTIONS, link_collection

TESTS = Path(__file__).resolve().parent.parent
WAYS = ("the module", "the module and its commands", "the module, by SIGTERM")

_RUN = """
import json, sys
from ansible_collections.keyturn.devices.plugins.modules.bms_reset_mode import main
from support.modules import run_module
result = run_module(main, **json.loads(sys.argv[1]))
print(json.dumps({name: value for name, value in result.items() if name != "printed"}))
"""


@dataclass
class Score:
    rounds: int = 0
    good: int = 0
    #: Rounds in which the server was not running after the kill.
    stopped: int = 0
    #: Rounds whose first run had ended before it could be killed.
    too_late: int = 0
    bad: list[str] = field(default_factory=list)


class Round:
    """One server, and the module run on it in a process of its own."""

    def __init__(self, podman: Podman, name: str, reads_while_running: bool) -> None:
        self.podman = podman
        self.server = ContainerServer(podman, name, reads_while_running)
        options = {"server_kind": "edge_server", "container": {"name": name, "url": self.server.url}, "deadline": 60}
        self._command = [sys.executable, "-c", _RUN, json.dumps(options)]
        paths = os.pathsep.join([str(TESTS), str(COLLECTIONS)])
        self._environment = {**os.environ, **podman.environment, "PYTHONPATH": paths}

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(self._command, env=self._environment, stdout=subprocess.PIPE, text=True, start_new_session=True)

    def run(self) -> dict[str, Any]:
        """To its end; what it said."""
        done = subprocess.run(self._command, env=self._environment, capture_output=True, text=True, check=False)
        try:
            result: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            raise RuntimeError(done.stderr) from None
        return result

    def wait_until_it_begins(self, process: subprocess.Popen[str]) -> None:
        """Until the module has left its first trace."""
        while process.poll() is None and f"{self.server.volume}.keyturn-arming" not in self.podman.volumes():
            time.sleep(0.01)

    def close(self) -> None:
        self.podman.tell("rm", "--force", "--time", "0", "--volumes", self.server.name)


def kill(process: subprocess.Popen[str], way: str) -> bool:
    """Whether there was anything to kill."""
    if process.poll() is not None:
        return False
    victims = [process.pid, *_children(process.pid)] if way == WAYS[1] else [process.pid]
    for victim in victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGTERM if way == WAYS[2] else signal.SIGKILL)
    process.communicate()
    return True


def _children(pid: int) -> Iterator[int]:
    """Commands the process started, in whatever session. What watches over containers is nobody's child any more, and is spared."""
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in listing.read_text().split():
                yield int(child)
                yield from _children(int(child))


def fault_of(one: Round, result: dict[str, Any]) -> str:
    """What is not as it should be after the last run; empty for nothing."""
    if result.get("failed") or not result["armed"]:
        return f"not armed: {result.get('msg', result['message'])}"
    if not one.server.running:
        return "the server does not run"
    truth = one.server.truth()
    if not truth["in_reset_mode"]:
        return "the server is not in reset mode"
    if any(volume.endswith("keyturn-arming") and volume.startswith(one.server.volume) for volume in one.podman.volumes()):
        return "a record of the first run is left"
    again = one.run()
    return "" if again["changed"] is False and again["armed"] else "a further run changes something"


def campaign(kills: int, seed: int, podman: Podman) -> Score:
    score = Score()
    generator = random.Random(seed)
    first = Round(podman, "undisturbed", False)
    process = first.start()
    first.wait_until_it_begins(process)
    began = time.monotonic()
    process.communicate()
    longest = time.monotonic() - began
    first.close()
    for number in range(kills):
        one = Round(podman, f"server-{number}", reads_while_running=number % 2 == 1)
        way = WAYS[number % len(WAYS)]
        process = one.start()
        one.wait_until_it_begins(process)
        moment = generator.uniform(0, longest)
        time.sleep(moment)
        score.too_late += not kill(process, way)
        score.stopped += not one.server.running
        fault = fault_of(one, one.run())
        score.rounds += 1
        score.good += not fault
        if fault:
            score.bad.append(f"round {number}: {way} killed after {moment:.2f} s: {fault}")
        one.close()
    return score


def main() -> int:
    parser = argparse.ArgumentParser(description="Kills runs that put building servers in reset mode.")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    link_collection()
    with Podman() as podman:
        score = campaign(arguments.kills, arguments.seed, podman)
    print(f"{'kills':>6} {'good':>6} {'found stopped':>14} {'too late':>9}")
    print(f"{score.rounds:>6} {score.good:>6} {score.stopped:>14} {score.too_late:>9}")
    print("\n".join(score.bad))
    return 0 if score.good == score.rounds else 1


if __name__ == "__main__":
    sys.exit(main())
