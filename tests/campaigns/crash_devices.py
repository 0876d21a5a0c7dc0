# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kills rotations of routers that are asked themselves, and cuts their connections, and looks whether a password was lost.

    PYTHONPATH=tests python -m campaigns.crash_devices --kills 100

Each round takes its own few routers, some of which lose a connection at the change, starts `rotate_routers` and kills its whole process
group with SIGKILL: every other time anywhere in the run, else after the first of its routers was spoken to. After a few rounds `reconcile`
is started, every other time killed too, and let run to its end with every connection whole. A round is good when the ledger's current
password of each of its routers is the one that the router takes.

A session of a process that was killed stays open on its router until the router ends it (after five minutes without use): nothing can log
out after SIGKILL. Those are counted apart from the sessions that runs left open which came to their end.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from campaigns.crash import KILLS_PER_RECONCILE, Playbooks
from simulators.rutos import RutosSimulator

_CHANGE = {"method": "PUT", "path": "/api/users/config/*"}
_AWAY_AFTERWARDS = {"kind": "cut", "nth": 2, "times": 0, "when": "before_reading", "method": "POST", "path": "/api/login"}
#: What goes wrong at the routers of a round while its rotation runs.
FAULTS: tuple[list[dict[str, Any]], ...] = (
    [],
    [{"kind": "slow", "seconds": 1, "when": "after_change", **_CHANGE}],
    [{"kind": "cut", "when": "after_change", **_CHANGE}],
    [{"kind": "cut", "when": "before_reading", **_CHANGE}],
    [{"kind": "cut", "when": "after_change", **_CHANGE}, _AWAY_AFTERWARDS],
    [{"kind": "cut", "when": "before_reading", **_CHANGE}, _AWAY_AFTERWARDS],
)
SETTINGS = ("-e", "router_rotation_failure_limit_percent=100")
#: A router that stays away is given up soon, so that rounds are short.
SHORT = ("-e", "router_rotation_deadline=5")
FORCE = ("-e", "router_rotation_force=true")


@dataclass
class Score:
    rounds: int = 0
    good: int = 0
    #: Rounds whose kill left at least one router between staged and settled.
    in_doubt: int = 0
    lost: list[str] = field(default_factory=list)
    #: Rounds with a router still unsettled after the reconcile that nobody killed.
    unsettled: list[str] = field(default_factory=list)
    most_wrong_logins: int = 0
    wrong_logins_undisturbed: int = 0
    #: Left open by runs that came to their end, and by processes that were killed.
    sessions: int = 0
    sessions_of_killed: int = 0

    @property
    def kept_the_promise(self) -> bool:
        return (
            self.good == self.rounds
            and not self.unsettled
            and self.most_wrong_logins <= 2
            and not self.wrong_logins_undisturbed
            and not self.sessions
        )

    def __str__(self) -> str:
        return (
            f"{self.good} of {self.rounds} rounds: every router's working password is the ledger's current one; "
            f"{self.in_doubt} kills left one in doubt, {len(self.unsettled)} rounds unsettled afterwards; "
            f"wrong log-ins of a router in a run: {self.most_wrong_logins} at most, {self.wrong_logins_undisturbed} undisturbed; "
            f"sessions left open: {self.sessions} by runs that ended, {self.sessions_of_killed} by killed processes"
        )


class Campaign(Playbooks):
    """One simulated fleet and one ledger; a round's routers are used once."""

    def __init__(self, folder: Path, routers: RutosSimulator, seed: int, ansible_bin: Path, score: Score) -> None:
        super().__init__(folder, {f"router-{router.serial}": router.serial for router in routers.routers}, seed, ansible_bin, {})
        self.routers, self.score = routers, score
        hosts = list(self.names)
        self.rounds = [hosts[start : start + len(FAULTS)] for start in range(0, len(hosts), len(FAULTS))]

    def real_passwords(self) -> dict[str, str]:
        return {serial: router["password"] for serial, router in self.routers.truth().items()}

    def prepare(self) -> None:
        self.import_real_passwords()
        hosts = {
            f"router-{router.serial}": {"device_serial": router.serial, "device_host": router.url, "device_fingerprint": router.fingerprint}
            for router in self.routers.routers
        }
        # JSON is YAML.
        (self.folder / "inventory.yml").write_text(json.dumps({"routers": {"hosts": hosts, "vars": {"device_via": "device"}}}))

    def measure(self) -> float:
        """An undisturbed rotation, with the last round's routers. Gives its seconds."""
        seconds = self.undisturbed(self.rounds[-1], *FORCE, *SHORT, *SETTINGS)
        self.score.wrong_logins_undisturbed = self.wrong_logins()
        self.score.sessions += self.open_sessions(self.rounds[-1])
        return seconds

    def round(self, numbers: Sequence[int], longest: float) -> None:
        """Kill one rotation after the other, each with its own routers; then one reconcile has to settle them all."""
        everybody = [name for number in numbers for name in self.rounds[number]]
        log = self.folder / f"round-{numbers[0]}.log"
        for number in numbers:
            hosts = self.rounds[number]
            for name, faults in zip(hosts, FAULTS, strict=True):
                self.routers.set(self.names[name], faults=faults)
            self.killed("rotate_routers", hosts, log, longest, *FORCE, *SHORT, *SETTINGS)
            self.score.in_doubt += self.has_open(hosts)
        if self.random.random() < 0.5:
            self.killed("reconcile", everybody, log, longest, *SETTINGS)
        for name in everybody:
            self.routers.set(self.names[name], faults=None)
        self.score.sessions_of_killed += self.open_sessions(everybody)
        began = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.routers.change(reset_wrong_logins=True)
        code = self.start("reconcile", everybody, log, *SETTINGS).wait(300)
        self.count_wrong_logins()
        self.score.sessions += self.open_sessions(everybody, since=began)
        for number in numbers:
            lost = self.lost(self.rounds[number])
            self.score.rounds += 1
            self.score.good += not lost
            self.score.lost += [f"round {number}, reconcile ended with {code}: {name}" for name in lost]
            self.score.unsettled += [f"round {number}, reconcile ended with {code}"] if self.has_open(self.rounds[number]) else []

    def killed(self, playbook: str, hosts: Sequence[str], log: Path, longest: float, *arguments: str) -> None:
        self.routers.change(reset_wrong_logins=True)
        spoken_to = self.requests(hosts)
        process = self.start(playbook, hosts, log, *arguments)
        if self.random.random() < 0.5:
            self.kill_at(process, self.random.uniform(0.3, longest))
        else:
            while process.poll() is None and self.requests(hosts) == spoken_to:
                time.sleep(0.02)
            self.kill_at(process, self.random.uniform(0, longest / 2))
        self.count_wrong_logins()

    def requests(self, hosts: Sequence[str]) -> int:
        truth = self.routers.truth()
        return sum(truth[self.names[name]]["requests"] for name in hosts)

    def wrong_logins(self) -> int:
        """The most at any router since they were last set back."""
        return max(router["wrong_logins"] for router in self.routers.truth().values())

    def count_wrong_logins(self) -> None:
        self.score.most_wrong_logins = max(self.score.most_wrong_logins, self.wrong_logins())

    def open_sessions(self, hosts: Sequence[str], since: str = "") -> int:
        truth = self.routers.truth()
        return sum(session["opened_at"] >= since for name in hosts for session in truth[self.names[name]]["open_sessions"])


def run(kills: int, seed: int, folder: Path, ansible_bin: Path | None = None, show: bool = False) -> Score:
    """The campaign. Logs of its rounds stay in the folder."""
    score = Score()
    with RutosSimulator(routers=(kills + 1) * len(FAULTS), seed=seed, latency_ms=50.0) as routers:
        campaign = Campaign(folder, routers, seed, ansible_bin or Path(sys.executable).parent, score)
        campaign.prepare()
        longest = campaign.measure()
        for start in range(0, kills, KILLS_PER_RECONCILE):
            campaign.round(range(start, min(start + KILLS_PER_RECONCILE, kills)), longest)
            if show:
                print(score, flush=True)
    return score


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--folder", type=Path, help="where the logs of the rounds stay; by default they are removed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="keyturn-crash-") as temporary:
        score = run(options.kills, options.seed, options.folder or Path(temporary), show=True)
    for line in (*score.lost, *score.unsettled):
        print(f"LEFT: {line}")
    print(score)
    return 0 if score.kept_the_promise else 1


if __name__ == "__main__":
    sys.exit(main())
