# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kills recoveries of a PBX at random moments and looks whether its password was lost.

    PYTHONPATH=tests python -m campaigns.crash_pbx --kills 50

Each round is a PBX whose password nobody knows. `recover_pbx` is started for it, and its whole process group killed with SIGKILL at a
random moment, several times in a row; then it is run to its end. A round is good when the PBX takes what the ledger calls its current
password, when no run has cost more than one wrong login, and when no page of a factory reset was opened.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from integration.cores import Core, cores
from integration.pbx_site import Site, pbx_site
from integration.recovery_site import RecoveryPlace, recovery_place

# A run that ends with the recovery still open is carried on by the next.
MOST_RUNS_TO_THE_END = 3
KILLS_PER_ROUND = 5
# Before the PBX is visited there is little to lose.
SHARE_AFTER_VISIT = 0.9
NAME = "office-pbx"


@dataclass
class Score:
    kills: int = 0
    #: Kills of runs that had visited the PBX, that had asked it for a mail, and that had changed its password.
    visited: int = 0
    asked: int = 0
    changed: int = 0
    rounds: int = 0
    good: int = 0
    bad: list[str] = field(default_factory=list)


class Round:
    """One lost password, from the first kill to the run that is left alone."""

    def __init__(self, folder: Path, core: Core, site: Site, dice: random.Random, longest: float) -> None:
        site.reset()
        site.pbx.user(password=f"Nobody-Knows-{dice.randrange(10)}z{dice.randrange(10)}")
        self.place: RecoveryPlace = recovery_place(folder, core, site, NAME, deadline=20, timeout=20)
        self.pbx, self.dice, self.longest = site.pbx, dice, longest
        self.log = folder / "log"
        self.most_wrong_logins = 0

    def start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            return subprocess.Popen(
                self.place.command("recover_pbx", "--limit", NAME),
                cwd=self.place.folder,
                env=self.place.core.environment(self.place.environment()),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def kill(self, score: Score) -> bool:
        """Whether a run was killed; one that had come to its end was not."""
        before, pages = self.pbx.truth(), len(self.pbx.log())
        run = self.start()
        if self.dice.random() < SHARE_AFTER_VISIT:
            while run.poll() is None and len(self.pbx.log()) == pages:
                time.sleep(0.1)
            moment = self.dice.uniform(0, self.longest * 0.7)
        else:
            moment = self.dice.uniform(0.5, self.longest / 2)
        try:
            run.wait(moment)
            killed = False
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
            killed = True
        after = self.pbx.truth()
        score.kills += killed
        score.visited += killed and len(self.pbx.log()) > pages
        score.asked += killed and len(after["requests"]) > len(before["requests"])
        score.changed += killed and after["users"]["admin"]["password"] != before["users"]["admin"]["password"]
        self._count(before["wrong_logins"])
        return killed

    def end(self) -> str:
        """Run it until it has recovered the PBX, as somebody would who reads that it is still open. Returns what is wrong then, empty for
        nothing.
        """
        code = -1
        for _run in range(MOST_RUNS_TO_THE_END):
            before = self.pbx.truth()["wrong_logins"]
            code = self.start().wait(300)
            self._count(before)
            record = self.place.records().get(NAME, {})
            if code == 0 or self.pbx.password not in [(record.get(slot) or {}).get("password") for slot in ("current", "staged")]:
                break
        truth, record = self.pbx.truth(), self.place.records().get(NAME, {})
        current = (record.get("current") or {}).get("password")
        problems = {
            f"the last run ended with {code}": code != 0,
            "the ledger's current password is not in force": current != self.pbx.password,
            "a password is still staged": bool(record.get("staged")),
            f"{self.most_wrong_logins} wrong logins in one run": self.most_wrong_logins > 1,
            "a factory reset was opened": truth["resets_opened"] != 0,
        }
        return ", ".join(problem for problem, is_so in problems.items() if is_so)

    def _count(self, before: int) -> None:
        self.most_wrong_logins = max(self.most_wrong_logins, self.pbx.truth()["wrong_logins"] - before)
        # Ten minutes go by until somebody tries again.
        self.pbx.unlock()


def run(kills: int, seed: int, folder: Path, core: Core, show: bool = False) -> Score:
    """The campaign. Logs of its rounds stay in the folder."""
    score, dice = Score(), random.Random(seed)
    with pbx_site() as site:
        started = time.monotonic()
        undisturbed = Round(folder / "undisturbed", core, site, dice, 0.0)
        if wrong := undisturbed.end():
            raise RuntimeError(f"The undisturbed recovery is not good: {wrong}\n{undisturbed.log.read_text()}")
        longest = time.monotonic() - started
        while score.kills < kills:
            each = Round(folder / str(score.rounds), core, site, dice, longest)
            most = min(kills, score.kills + KILLS_PER_ROUND)
            # A run that was too quick has recovered the PBX already; there is nothing more to kill.
            while score.kills < most and each.kill(score):
                pass
            wrong = each.end()
            score.rounds += 1
            score.good += not wrong
            if wrong:
                score.bad.append(f"round {score.rounds - 1}: {wrong}")
            if show:
                print(f"{score.kills} kills, {score.good} of {score.rounds} PBXs recovered", flush=True)
    return score


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--folder", type=Path, help="where the logs of the rounds stay; by default they are removed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kt-crash-") as temporary:
        score = run(options.kills, options.seed, options.folder or Path(temporary), cores()[0], show=True)
    for line in score.bad:
        print(f"BAD: {line}")
    print(
        f"{score.kills} kills, {score.visited} of runs that had visited the PBX, {score.asked} that had asked it for a mail, "
        f"{score.changed} that had changed its password; "
        f"{score.good} of {score.rounds} PBXs recovered, their working password in the ledger"
    )
    return 0 if score.good == score.rounds else 1


if __name__ == "__main__":
    sys.exit(main())
