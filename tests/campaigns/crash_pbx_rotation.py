# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kills rotations of PBXs at random moments and looks whether a password was lost.

    PYTHONPATH=tests python -m campaigns.crash_pbx_rotation --kills 20

Each round starts `rotate_pbxs` for two PBXs at once and kills its whole process group with SIGKILL: every other time anywhere in the run,
else at any moment after the first PBX was logged in to. What ansible-core runs in sessions of their own goes on for a while. Then
`reconcile` is let run to its end. A round is good when the ledger's current password of both PBXs is the one in force, nothing is left
open, and no run has made more than one wrong login on a PBX.
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
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from integration.cores import cores
from integration.pbx_fleet import PbxFleet, pbx_fleet, started

FORCE = ("-e", "pbx_rotation_force=true", "-e", "pbx_rotation_failure_limit_percent=100")


@dataclass
class Score:
    rounds: int = 0
    good: int = 0
    #: Kills that left a PBX between staged and settled, and among those the ones after which the new password was in force.
    in_doubt: int = 0
    changed: int = 0
    most_wrong_logins: int = 0
    bad: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.good} of {self.rounds} rounds: the working password of every PBX is the ledger's current one; {self.in_doubt} kills "
            f"left one in doubt, {self.changed} after its password had changed; wrong logins of a PBX in a run: {self.most_wrong_logins} "
            "at most"
        )


class Campaign:
    """One ledger and two PBXs, which all rounds share."""

    def __init__(self, place: PbxFleet, seed: int, score: Score) -> None:
        self.place, self.score = place, score
        self.random = random.Random(seed)

    def start(self, playbook: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.place.folder / "runs.log").open("ab") as log:
            return subprocess.Popen(
                self.place.command(playbook, *arguments),
                cwd=self.place.folder,
                env=self.place.core.environment(self.place.environment()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def undisturbed(self) -> float:
        """Seconds that a rotation takes which nobody kills."""
        begun = time.monotonic()
        if self.start("rotate_pbxs", *FORCE).wait(300):
            raise RuntimeError(f"The undisturbed rotation failed; see {self.place.folder / 'runs.log'}")
        return time.monotonic() - begun

    def round(self, number: int, longest: float) -> None:
        self.place.count_anew()
        run = self.start("rotate_pbxs", *FORCE)
        moment = self.random.uniform(0.3, longest)
        if number % 2:
            self.wait_for_login(run)
            moment = self.random.uniform(0, longest / 2)
        with suppress(subprocess.TimeoutExpired):
            run.wait(moment)
        # Also after its end: what it has started may still be there.
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        records, real = self.place.records(), self.place.real_passwords()
        staged = {name: record["staged"] for name, record in records.items() if record["staged"]}
        self.score.in_doubt += bool(staged)
        self.score.changed += any(slot["password"] == real[self.place.serials[name]] for name, slot in staged.items())
        wrong = [_wrong(self.place.logins())]
        self.place.count_anew()

        code = self.start("reconcile").wait(300)

        wrong.append(_wrong(self.place.logins()))
        lost = self.place.lost()
        left = [name for name, record in self.place.records().items() if record["staged"] or record["orphaned"]]
        good = not lost and not left and not code and max(wrong) < 2
        self.score.rounds += 1
        self.score.good += good
        self.score.most_wrong_logins = max(self.score.most_wrong_logins, *wrong)
        if not good:
            self.score.bad.append(f"round {number}: lost {lost}, left open {left}, wrong logins {wrong}, reconcile ended with {code}")

    def wait_for_login(self, run: subprocess.Popen[bytes]) -> None:
        while run.poll() is None and not any(self.place.logins().values()):
            time.sleep(0.05)


def _wrong(logins: Mapping[str, Sequence[bool]]) -> int:
    """The most on one PBX."""
    return max(each.count(False) for each in logins.values())


def run(kills: int, seed: int, folder: Path, show: bool = False) -> Score:
    """The campaign. The log of its runs stays in the folder."""
    score = Score()
    with ExitStack() as stack:
        place = stack.enter_context(pbx_fleet(folder, cores()[0], started(stack, 2)))
        campaign = Campaign(place, seed, score)
        longest = campaign.undisturbed()
        for number in range(kills):
            campaign.round(number, longest)
            if show:
                print(score, flush=True)
    return score


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--folder", type=Path, help="where the log of the runs stays; by default it is removed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="keyturn-crash-") as temporary:
        score = run(options.kills, options.seed, options.folder or Path(temporary), show=True)
    print("\n".join(score.bad))
    return 0 if score.good == score.rounds else 1


if __name__ == "__main__":
    sys.exit(main())
