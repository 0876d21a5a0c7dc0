# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""C(python -m simulators.kubernetes): the simulated cluster as a process of its own."""

from __future__ import annotations

import argparse
import os
import random
import sys

from ..kit.faults import FaultError
from ..kit.request_log import RequestLog
from ..kit.running import run
from ..kit.server import SimulatorServer
from ..kit.switches import SwitchError, add_arguments, change, from_arguments, table
from .cluster import Cluster
from .switches import Switches

TOKEN_VARIABLE = "KUBERNETES_SIMULATOR_TOKEN"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m simulators.kubernetes",
        description="Simulates the API of a Kubernetes cluster with one EboServer and its operator. Prints where it is, then READY.",
        epilog=f"The bearer token comes from the environment variable {TOKEN_VARIABLE}, or from the seed.",
    )
    parser.add_argument("--namespace", default="tower", help="namespace of the resource (default: tower)")
    parser.add_argument("--name", default="es1", help="name of the resource (default: es1)")
    parser.add_argument("--seed", type=int, default=7, help="of the token (default: 7)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--exit-with-parent", action="store_true", help="end when standard input ends or the parent process is gone")
    parser.add_argument("--describe", action="store_true", help="print the switches as a table and end")
    add_arguments(parser, Switches)
    arguments = parser.parse_args()
    if arguments.describe:
        print("\n".join(table(Switches)))
        return 0
    switches = Switches()
    token = os.environ.get(TOKEN_VARIABLE) or random.Random(f"kubernetes {arguments.seed}").randbytes(24).hex()
    try:
        change(switches, from_arguments(Switches, arguments))
        server = SimulatorServer(Cluster(switches, token, arguments.namespace, arguments.name), RequestLog())
    except (SwitchError, FaultError, ValueError) as problem:
        parser.error(str(problem))

    def announce(root: str) -> tuple[list[str], dict[str, str]]:
        values = {"KUBERNETES_URL": root, "KUBERNETES_TOKEN": token, "CONTROL_URL": root + "/__simulator__"}
        return [f"Simulated cluster with {arguments.name} in {arguments.namespace} at {root}"], values

    run(server, arguments.host, arguments.port, announce, None, arguments.exit_with_parent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
