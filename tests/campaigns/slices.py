# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A sliced rotation, as AWX starts it: several jobs at once on one PostgreSQL ledger, each with its share of the inventory.

    PYTHONPATH=tests python -m campaigns.slices --routers 2000 --slices 4

One slice is killed with SIGKILL in the middle of its change, then launched again. Good is when the ledger's current password of each router
is the one that the router takes, when no router of another slice was asked twice, and when none of the killed one was asked for two
passwords.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from support.postgresql import PostgresqlServer

from ansible_collections.keyturn.devices.plugins.module_utils._ledger import people
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import ImportRow
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run
from simulators.rms import RmsSimulator

PASSPHRASE = "a passphrase for the slices"


@dataclass
class Score:
    """C(seconds): from the first start to the last end. C(codes): of the slices, the killed one's second launch among them."""

    routers: int
    seconds: float = 0.0
    codes: list[int] = field(default_factory=list)
    #: The killed slice's routers that were between staged and settled.
    in_doubt: int = 0
    #: Routers whose password is not the ledger's current one.
    lost: list[str] = field(default_factory=list)
    #: Routers of slices that nobody killed, that were asked more than once.
    twice: list[str] = field(default_factory=list)
    #: Routers of the killed slice that were asked for more than one new password.
    two_passwords: list[str] = field(default_factory=list)
    printed: str = ""

    @property
    def good(self) -> bool:
        return not any((self.lost, self.twice, self.two_passwords, any(self.codes)))


class Slices:
    """One fleet, one ledger, and a job for each slice."""

    def __init__(self, folder: Path, rms: RmsSimulator, ledger_url: str, slices: int, ansible_bin: Path) -> None:
        self.folder, self.rms, self.url, self.bin = folder, rms, ledger_url, ansible_bin
        self.serials = {entry["host"]: serial for serial, entry in rms.truth().items()}
        names = sorted(self.serials)
        # As AWX cuts an inventory.
        self.names = [names[number::slices] for number in range(slices)]
        for number, part in enumerate(self.names):
            hosts = {name: {"device_serial": self.serials[name]} for name in part}
            self._inventory(number).write_text(json.dumps({"routers": {"hosts": hosts}}))

    def _inventory(self, number: int) -> Path:
        return self.folder / f"slice-{number}.json"

    def log(self, number: int) -> Path:
        return self.folder / f"slice-{number}.log"

    def prepare(self) -> None:
        """The ledger knows the password that each router has."""
        real = self.rms.passwords()
        made, _is_new = Ledger.create(self.url, PASSPHRASE)
        assert made is not None
        with made as ledger:
            people.import_passwords(ledger, [ImportRow(name, real[serial], serial) for name, serial in self.serials.items()], Run("import"))

    def start(self, number: int) -> subprocess.Popen[bytes]:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("KEYTURN_", "RMS_"))},
            "KEYTURN_LEDGER_URL": self.url,
            "KEYTURN_LEDGER_PASSPHRASE": PASSPHRASE,
            "RMS_URL": self.rms.url,
            "RMS_TOKEN": self.rms.token,
            "ANSIBLE_LOCAL_TEMP": str(self.folder / f"tmp-{number}"),
        }
        command = [str(self.bin / "ansible-playbook"), "keyturn.devices.rotate_routers", "-i", str(self._inventory(number))]
        with self.log(number).open("ab") as output:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def asked(self, number: int) -> dict[str, list[str]]:
        """The passwords that each router of a slice was asked to take, by name."""
        truth = self.rms.truth()
        return {name: [entry["password"] for entry in truth[self.serials[name]]["asked"]] for name in self.names[number]}

    def kill(self, number: int, process: subprocess.Popen[bytes], delay: float) -> None:
        """Once the first router of the slice was asked, and a little later."""
        while process.poll() is None and not any(self.asked(number).values()):
            time.sleep(0.05)
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def judge(self, score: Score, killed: int) -> None:
        real = self.rms.passwords()
        with Ledger.open(self.url, PASSPHRASE) as ledger:
            known = ledger.passwords(list(self.serials))
        score.lost = [name for name, serial in self.serials.items() if known[name] != real[serial]]
        for number in range(len(self.names)):
            for name, asked in self.asked(number).items():
                if number != killed and len(asked) != 1:
                    score.twice.append(name)
                if number == killed and len(set(asked)) != 1:
                    score.two_passwords.append(name)

    def has_open(self, number: int) -> int:
        with Ledger.open(self.url, PASSPHRASE) as ledger:
            return sum(bool(record["staged"]) for record in ledger.devices(self.names[number]).values())


def run(routers: int, slices: int, folder: Path, seed: int = 2026, ansible_bin: Path | None = None) -> Score:
    """All of it, with a PostgreSQL server of its own. Logs stay in the folder."""
    score = Score(routers)
    server = PostgresqlServer()
    try:
        with RmsSimulator(routers=routers, seed=seed, device_seconds=1.0, device_jitter_seconds=1.0) as rms:
            jobs = Slices(folder, rms, server.new_database(), slices, ansible_bin or Path(sys.executable).parent)
            jobs.prepare()
            started = time.monotonic()
            running = [jobs.start(number) for number in range(slices)]
            killed = slices - 1
            jobs.kill(killed, running[killed], random.Random(seed).uniform(0, 1))
            score.in_doubt = jobs.has_open(killed)
            running[killed] = jobs.start(killed)
            score.codes = [process.wait() for process in running]
            score.seconds = time.monotonic() - started
            jobs.judge(score, killed)
            score.printed = "\n".join(jobs.log(number).read_text() for number in range(slices))
    finally:
        server.close()
    return score


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--routers", type=int, default=2000)
    parser.add_argument("--slices", type=int, default=4)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--folder", type=Path, help="where the logs stay; by default they are removed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="keyturn-slices-") as temporary:
        score = run(options.routers, options.slices, options.folder or Path(temporary), options.seed)
    print(f"{'routers':>9} {'slices':>7} {'seconds':>8} {'in doubt':>9} {'lost':>5} {'asked twice':>12} {'two passwords':>14}  exit codes")
    print(
        f"{score.routers:>9} {options.slices:>7} {score.seconds:>8.1f} {score.in_doubt:>9} {len(score.lost):>5} {len(score.twice):>12} "
        f"{len(score.two_passwords):>14}  {' '.join(map(str, score.codes))}"
    )
    return 0 if score.good else 1


if __name__ == "__main__":
    sys.exit(main())
