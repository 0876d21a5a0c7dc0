# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kills rotations at random moments and looks whether a password was lost.

    PYTHONPATH=tests python -m campaigns.crash --kills 200

Each round takes its own few routers with mixed fates and sources, starts `rotate_routers` and kills its whole process group with SIGKILL
at a random moment. After a few rounds `reconcile` is started, every other time killed too, and let run to its end with every router back on
line. A round is good when the ledger's current password of each of its routers is the one that the router takes.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from simulators.rms import RmsSimulator

PASSPHRASE = "a passphrase for the campaign"
# What becomes of the routers of a round while its rotation runs, and where their passwords come from.
FATES = ("ok", "slow", "goes_silent_after_change", "rejected_by_policy", "ok", "slow")
SOURCES = ("generate", "value", "csv", "generate", "rms", "rms")
KILLS_PER_RECONCILE = 5
SHARE_AFTER_ASKING = 0.85
SETTINGS = (
    "-e",
    "router_rotation_force=true",
    "-e",
    "router_rotation_deadline=3",
    "-e",
    "router_rotation_batch_size=6",
    "-e",
    "router_rotation_failure_limit_percent=100",
)


@dataclass
class Score:
    rounds: int = 0
    good: int = 0
    #: Rounds whose kill left at least one router between staged and settled.
    in_doubt: int = 0
    #: Kills after the first router of the round was asked.
    asked: int = 0
    killed_at: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


class Playbooks:
    """Runs of playbooks on one ledger, to be killed, and what to look for after them."""

    def __init__(self, folder: Path, names: Mapping[str, str], seed: int, ansible_bin: Path, environment: Mapping[str, str]) -> None:
        """C(names): serial by inventory name."""
        self.random = random.Random(seed)
        self.folder, self.names, self.bin = folder, names, ansible_bin
        self.ledger_url = f"sqlite:///{folder / 'ledger.db'}"
        self.environment = {
            **os.environ,
            "KEYTURN_LEDGER_URL": self.ledger_url,
            "KEYTURN_LEDGER_PASSPHRASE": PASSPHRASE,
            "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
            **environment,
        }

    def real_passwords(self) -> dict[str, str]:
        """By serial."""
        raise NotImplementedError

    def import_real_passwords(self) -> None:
        """The ledger knows the password that each router has."""
        real = self.real_passwords()
        initial = self.folder / "initial.csv"
        with initial.open("w", newline="") as file:
            csv.writer(file).writerows([("name", "password"), *((name, real[serial]) for name, serial in self.names.items())])
        for state in ("state=created", f"state=imported path={initial}"):
            module = [str(self.bin / "ansible"), "localhost", "-m", "keyturn.devices.ledger", "-a", state]
            subprocess.run(module, env=self.environment, check=True, capture_output=True)
        initial.unlink()

    def start(self, playbook: str, hosts: Sequence[str], log: Path, *arguments: str) -> subprocess.Popen[bytes]:
        command = [
            str(self.bin / "ansible-playbook"),
            f"keyturn.devices.{playbook}",
            "-i",
            "inventory.yml",
            "--limit",
            ",".join(hosts),
            *arguments,
        ]
        with log.open("ab") as output:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def kill_at(self, process: subprocess.Popen[bytes], moment: float) -> None:
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def lost(self, hosts: Sequence[str]) -> list[str]:
        real = self.real_passwords()
        with Ledger.open(self.ledger_url, PASSPHRASE) as ledger:
            known = ledger.passwords(hosts)
        return [name for name in hosts if known[name] != real[self.names[name]]]

    def has_open(self, hosts: Sequence[str]) -> bool:
        with Ledger.open(self.ledger_url, PASSPHRASE) as ledger:
            return any(record["staged"] for record in ledger.devices(hosts).values())

    def undisturbed(self, hosts: Sequence[str], *arguments: str) -> float:
        """Seconds that a rotation takes which nobody kills."""
        started = time.monotonic()
        log = self.folder / "undisturbed.log"
        self.start("rotate_routers", hosts, log, *arguments).wait(180)
        if "Sum the run up" not in log.read_text():
            raise RuntimeError(f"The undisturbed rotation did not come to its end:\n{log.read_text()}")
        return time.monotonic() - started


class Campaign(Playbooks):
    """One simulated fleet and one ledger; a round's routers are used once."""

    def __init__(self, folder: Path, rms: RmsSimulator, rounds: int, seed: int, ansible_bin: Path) -> None:
        names = {entry["host"]: serial for serial, entry in rms.truth().items()}
        super().__init__(folder, names, seed, ansible_bin, {"RMS_URL": rms.url, "RMS_TOKEN": rms.token})
        self.rms = rms
        hosts = sorted(self.names)
        self.rounds = [hosts[start : start + len(FATES)] for start in range(0, rounds * len(FATES), len(FATES))]

    def real_passwords(self) -> dict[str, str]:
        return self.rms.passwords()

    def given_password(self) -> str:
        return "Given-" + "".join(self.random.choices("abcdefghkmnpqrstuvwxyz", k=20)) + "-7X"

    def prepare(self) -> None:
        """The ledger knows the password that each router has; the inventory gives each its source."""
        self.import_real_passwords()
        lines, rows = ["routers:", "  hosts:"], []
        for hosts in self.rounds:
            for name, source in zip(hosts, SOURCES, strict=True):
                text = f"kind: {source}"
                if source == "value":
                    text += f", password: '{self.given_password()}'"
                if source == "csv":
                    text += ", path: given.csv"
                    rows.append((self.names[name], self.given_password()))
                lines.append(f'    {name}: {{device_serial: "{self.names[name]}", device_password_source: {{{text}}}}}')
        (self.folder / "inventory.yml").write_text("\n".join(lines) + "\n")
        with (self.folder / "given.csv").open("w", newline="") as file:
            csv.writer(file).writerows(rows)

    def round(self, numbers: Sequence[int], longest: float, score: Score) -> None:
        """Kill one rotation after the other, each with its own routers; then one reconcile has to settle them all."""
        everybody = [name for number in numbers for name in self.rounds[number]]
        log = self.folder / f"round-{numbers[0]}.log"
        moments = {}
        for number in numbers:
            hosts = self.rounds[number]
            self.rms.set(fates={self.names[name]: fate for name, fate in zip(hosts, FATES, strict=True)})
            run, started = self.start("rotate_routers", hosts, log, *SETTINGS), time.monotonic()
            # Most kills come once a router was asked: before that there is little to lose.
            if self.random.random() < SHARE_AFTER_ASKING:
                self.wait_until_asked(run, hosts)
                self.kill_at(run, self.random.uniform(0, longest / 3))
            else:
                self.kill_at(run, self.random.uniform(0.3, longest))
            moments[number] = time.monotonic() - started
            score.in_doubt += self.has_open(hosts)
            score.asked += self.was_asked(hosts)
        if self.random.random() < 0.5:
            self.kill_at(self.start("reconcile", everybody, log, *SETTINGS[2:]), self.random.uniform(0.3, longest))
        self.rms.set(fates={self.names[name]: "ok" for name in everybody})
        code = self.start("reconcile", everybody, log, *SETTINGS[2:]).wait(300)
        for number in numbers:
            lost = self.lost(self.rounds[number])
            score.rounds += 1
            score.killed_at.append(moments[number])
            score.good += not lost
            score.lost += [f"round {number} (killed at {moments[number]:.2f} s, reconcile ended with {code}): {name}" for name in lost]

    def was_asked(self, hosts: Sequence[str]) -> bool:
        truth = self.rms.truth()
        return any(truth[self.names[name]]["asked"] for name in hosts)

    def wait_until_asked(self, run: subprocess.Popen[bytes], hosts: Sequence[str]) -> None:
        while run.poll() is None and not self.was_asked(hosts):
            time.sleep(0.05)

    def duration(self) -> float:
        """How long an undisturbed rotation of one round takes, measured with the last round's routers."""
        hosts = self.rounds[-1]
        self.rms.set(fates={self.names[name]: fate for name, fate in zip(hosts, FATES, strict=True)})
        return self.undisturbed(hosts, *SETTINGS)


def run(kills: int, seed: int, folder: Path, ansible_bin: Path | None = None, show: bool = False) -> Score:
    """The campaign. Logs of its rounds stay in the folder."""
    score = Score()
    with RmsSimulator(routers=(kills + 1) * len(FATES), seed=seed, device_seconds=0.2, device_jitter_seconds=0.4, slow_seconds=0.8) as rms:
        campaign = Campaign(folder, rms, kills + 1, seed, ansible_bin or Path(sys.executable).parent)
        campaign.prepare()
        longest = campaign.duration()
        for start in range(0, kills, KILLS_PER_RECONCILE):
            campaign.round(range(start, min(start + KILLS_PER_RECONCILE, kills)), longest, score)
            if show:
                print(
                    f"{score.good} of {score.rounds} rounds good, "
                    f"{score.in_doubt} left in doubt by the kill, {score.asked} after the first router was asked",
                    flush=True,
                )
    return score


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--folder", type=Path, help="where the logs of the rounds stay; by default they are removed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="keyturn-crash-") as temporary:
        score = run(options.kills, options.seed, options.folder or Path(temporary), show=True)
    for line in score.lost:
        print(f"LOST: {line}")
    print(
        f"{score.good} of {score.rounds} rounds: every router's working password is the ledger's current one; "
        f"{score.in_doubt} kills left one in doubt, {score.asked} came after the first router was asked"
    )
    return 0 if score.good == score.rounds else 1


if __name__ == "__main__":
    sys.exit(main())
