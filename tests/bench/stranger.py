# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stranger with the README alone: its commands, word for word, in a new home with nothing installed, against a simulated RMS.

    make bench BENCH=stranger

The commands of README.md are run in one shell, in their order (C(make) belongs to a clone, and is left out). Only what a stranger has to
fill in is filled in: the address of the collection is this checkout (its last commit), the serial numbers of the inventory are those of two
simulated routers, and the values shown as an ellipsis are given. Told are the seconds of each step, until the first rotation, and of all.
It fails when a step fails, when the password that the README reads from the ledger is not the router's, when a second rotation changes
something, or when all of it takes longer than --limit seconds.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from support.guides import CHECKOUT, Block, blocks

from simulators.rms import RmsSimulator

_ADDRESS = "git+https://github.com/keyturn/devices"
_TO_FILL_IN = re.compile(r"([A-Z_]+)=…")
_SERIAL = re.compile(r'(device_serial: )"\d+"')
_ROTATION = "ansible-playbook keyturn.devices.rotate_routers -i inventory.yml"
# How a registry is reached from here is no part of what is measured.
_OF_THE_NETWORK = re.compile(r"PIP_\w+|(?:https?|no|all)_proxy|SSL_CERT_\w+|REQUESTS_CA_BUNDLE", re.IGNORECASE)


class Step(NamedTuple):
    """One command: its exit status (None: the shell did not get past it), and its seconds of wall time."""

    command: str
    status: int | None
    seconds: float
    output: str


def readme(language: str) -> list[Block]:
    return [block for block in blocks(language) if block.where.startswith(f"{CHECKOUT.name}/README.md:")]


def shown_commands() -> list[str]:
    lines = [line[2:] for block in readme("console") for line in block.text.splitlines() if line.startswith("$ ")]
    return [line for line in lines if not line.startswith("make ")]


def shown_inventory() -> str:
    return next(block.text for block in readme("yaml") if block.text.startswith("# inventory.yml\n"))


def run(commands: list[str], place: Path, environment: dict[str, str]) -> list[Step]:
    """All of them in one shell at that place, which stops at the first that fails."""
    notes = place.parent / "notes"
    notes.mkdir()
    script = []
    for number, command in enumerate(commands):
        script.append(
            f"begin=$EPOCHREALTIME; {{ {command}\n}} > {notes}/{number}.out 2>&1; status=$?; "
            f'echo "$status $begin $EPOCHREALTIME" > {notes}/{number}.time; (( status == 0 )) || exit'
        )
    (notes / "commands.sh").write_text("\n".join(script), encoding="utf-8")
    subprocess.run(["bash", notes / "commands.sh"], cwd=place, env=environment, stdin=subprocess.DEVNULL, check=False)
    return [_step(command, notes / f"{number}.out", notes / f"{number}.time") for number, command in enumerate(commands)]


def _step(command: str, output: Path, times: Path) -> Step:
    said = output.read_text(encoding="utf-8", errors="replace") if output.exists() else ""
    if not times.exists():
        return Step(command, None, 0.0, said)
    status, begin, end = times.read_text(encoding="ascii").split()
    return Step(command, int(status), float(end) - float(begin), said)


def new_home(folder: Path, python: Path, simulator: RmsSimulator) -> dict[str, str]:
    """The environment of somebody who has just got the machine, and how to reach a package registry from it."""
    home = folder / "home"
    home.mkdir()
    settings = Path.home() / ".config" / "pip" / "pip.conf"
    if settings.exists():
        (home / ".config" / "pip").mkdir(parents=True)
        shutil.copy(settings, home / ".config" / "pip")
    kept = {name: value for name, value in os.environ.items() if _OF_THE_NETWORK.fullmatch(name)}
    return {**kept, "HOME": str(home), "PATH": f"{python}:/usr/bin:/bin", "LANG": "C.UTF-8", "RMS_URL": simulator.url}


def complaints(steps: list[Step], commands: list[str], passwords: dict[str, str], limit: float) -> list[str]:
    """What the stranger would not have been content with."""
    found = [f"{step.command}\n{step.output}" for step in steps if step.status not in (0, None)]
    found += [f"{step.command}: not reached" for step in steps if step.status is None]
    if found:
        return found
    for step in steps:
        host = re.search(r"lookup\('keyturn\.devices\.password', '([^']+)'\)", step.command)
        if host and passwords[host[1]] not in step.output:
            found.append(f"{step.command}\nThis is not the password of {host[1]}.")
    again = steps[len(commands)].output
    if set(re.findall(r"changed=(\d+)", again)) != {"0"}:
        found.append(f"The second rotation changed something:\n{again}")
    total = sum(step.seconds for step in steps)
    if total > limit:
        found.append(f"{total:.0f} s are more than {limit:.0f} s.")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, default=Path(sys.base_prefix) / "bin", help="directory of the python3 to begin with")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds that all of it may take")
    options = parser.parse_args()
    with RmsSimulator(routers=2) as simulator, tempfile.TemporaryDirectory(prefix="keyturn-stranger-") as folder:
        work = Path(folder) / "work"
        work.mkdir()
        filled_in = {"RMS_TOKEN": simulator.token, "KEYTURN_LEDGER_PASSPHRASE": "a-passphrase-of-my-own"}
        commands = [
            _TO_FILL_IN.sub(lambda found: f"{found[1]}={filled_in[found[1]]}", line).replace(_ADDRESS, f"git+file://{CHECKOUT}")
            for line in shown_commands()
        ]
        rotation = next(
            place for place, line in enumerate(commands) if line.startswith(_ROTATION) and "--check" not in line.partition("#")[0]
        )
        serials = iter(simulator.truth())
        inventory = _SERIAL.sub(lambda found: f'{found[1]}"{next(serials)}"', shown_inventory())
        (work / "inventory.yml").write_text(inventory, encoding="utf-8")
        environment = new_home(Path(folder), options.python, simulator)
        steps = run([*commands, _ROTATION], work, environment)
        truth = simulator.truth()
        hosts = re.findall(r'(\S+): \{device_serial: "(\d+)"', inventory)
        unhappy = complaints(steps, commands, {name: truth[serial]["password"] for name, serial in hosts}, options.limit)
    print(f"{'seconds':>8}  step")
    for step, shown in zip(steps, [*shown_commands(), f"{_ROTATION} (again)"], strict=True):
        print(f"{step.seconds:8.1f}  {shown.partition(' #')[0].rstrip()}")
    print(f"{sum(step.seconds for step in steps[: rotation + 1]):8.1f}  until the first rotation")
    print(f"{sum(step.seconds for step in steps):8.1f}  in all, {len(steps)} commands")
    for complaint in unhappy:
        print(f"\n{complaint}")
    return 1 if unhappy else 0


if __name__ == "__main__":
    raise SystemExit(main())
