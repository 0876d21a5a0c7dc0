# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""C(python -m simulators.rms): the simulated RMS as a process of its own."""

from __future__ import annotations

import argparse
import os
import random
import sys

from ..kit.clock import Clock
from ..kit.faults import KINDS, SHAPES, FaultError
from ..kit.request_log import RequestLog
from ..kit.running import run
from ..kit.server import SimulatorServer, tls_context
from ..kit.switches import SwitchError, add_arguments, change, from_arguments, table
from .fleet import Fleet, make_fleet
from .inventory import write_inventory
from .service import LETTERS, Rms
from .switches import FATES, Switches

TOKEN_VARIABLE = "RMS_SIMULATOR_TOKEN"


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulators.rms",
        description="Simulates Teltonika RMS with a fleet of routers on a loopback port. Prints where it is, then READY.",
        epilog=f"The access token comes from the environment variable {TOKEN_VARIABLE}, or from the seed. Control paths: README.md.",
    )
    parser.add_argument("--routers", type=int, default=20, help="number of routers (default: 20)")
    parser.add_argument("--seed", type=int, default=7, help="the same seed gives the same fleet, tokens and random choices (default: 7)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--base-path", default="/api", help="path of the API; empty as on the vendor's second host (default: /api)")
    parser.add_argument("--certificate", help="PEM file: serve HTTPS with it")
    parser.add_argument("--key", help="PEM file with the key of --certificate")
    parser.add_argument("--log", metavar="FILE", help="append every request to this file, as JSON lines")
    parser.add_argument("--inventory-out", metavar="FILE", help="write an Ansible inventory of the fleet")
    parser.add_argument("--fate-mix", default="", metavar="FATE=SHARE,...", help="fates drawn by lot, such as offline=0.05,error=0.02")
    parser.add_argument("--exit-with-parent", action="store_true", help="end when standard input ends or the parent process is gone")
    parser.add_argument("--describe", action="store_true", help="print switches, fates and faults as Markdown tables")
    add_arguments(parser, Switches)
    return parser


def describe() -> list[str]:
    """The tables of the README."""
    tables = [("fate", "what becomes of the router", FATES), ("fault", "what happens on the wire", KINDS)]
    lines = list(table(Switches))
    for name, meaning, rows in tables:
        lines += ["", f"| {name} | {meaning} |", "|---|---|", *(f"| `{key}` | {text} |" for key, text in rows.items())]
    return [*lines, "", "Shapes of `wrong_shape`: " + ", ".join(f"`{shape}`" for shape in SHAPES) + "."]


def mixed_fates(mix: str, fleet: Fleet, seed: int) -> dict[str, str]:
    """Routers drawn by lot for the fates of C(--fate-mix); none gets two."""
    serials = list(fleet.by_serial)
    random.Random(f"mix {seed}").shuffle(serials)
    fates: dict[str, str] = {}
    total = len(serials)
    for part in filter(None, mix.split(",")):
        fate, _equals, share = part.partition("=")
        if fate not in FATES:
            raise SwitchError(f"no such fate: {fate}")
        for _each in range(min(len(serials), round(float(share) * total))):
            fates[serials.pop()] = fate
    return fates


def token_for(purpose: str, seed: int) -> str:
    return "".join(random.Random(f"{purpose} {seed}").choices(LETTERS, k=40))


def main() -> int:
    parser = make_parser()
    arguments = parser.parse_args()
    if arguments.describe:
        print("\n".join(describe()))
        return 0
    clock = Clock()
    fleet = make_fleet(arguments.routers, arguments.seed, clock.now())
    switches = Switches()
    try:
        given = from_arguments(Switches, arguments)
        change(switches, {**given, "fates": {**mixed_fates(arguments.fate_mix, fleet, arguments.seed), **given.get("fates", {})}})
        token = os.environ.get(TOKEN_VARIABLE) or token_for("token", arguments.seed)
        other = token_for("other token", arguments.seed)
        rms = Rms(fleet, switches, clock, arguments.seed, arguments.base_path, token, other)
        server = SimulatorServer(rms, RequestLog(arguments.log))
    except (SwitchError, FaultError, ValueError) as problem:
        parser.error(str(problem))
    if arguments.inventory_out:
        write_inventory(arguments.inventory_out, fleet)

    def announce(root: str) -> tuple[list[str], dict[str, str]]:
        api = root + arguments.base_path
        people = [
            f"Simulated RMS with {arguments.routers} routers (seed {arguments.seed}) at {api}",
            f"Status channels at {root}/status/channel/<channel>",
            f"What really is: {root}/__simulator__/truth; what was asked: /__simulator__/log; switches: /__simulator__/switches",
        ]
        return people, {"RMS_URL": api, "RMS_TOKEN": token, "RMS_OTHER_TOKEN": other, "CONTROL_URL": root + "/__simulator__"}

    tls = tls_context(arguments.certificate, arguments.key) if arguments.certificate else None
    run(server, arguments.host, arguments.port, announce, tls, arguments.exit_with_parent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
