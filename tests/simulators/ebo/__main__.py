# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""C(python -m simulators.ebo): a simulated EcoStruxure server as a process of its own."""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from ..kit.certificates import KINDS as CERTIFICATES
from ..kit.certificates import make_certificate
from ..kit.clock import Clock
from ..kit.faults import FaultError
from ..kit.request_log import RequestLog
from ..kit.running import run
from ..kit.server import SimulatorServer
from ..kit.switches import SwitchError, add_arguments, change, from_arguments, table
from .model import KINDS, LETTERS, Server
from .switches import Switches
from .webstation import WebStation

PASSWORD_VARIABLE = "EBO_SIMULATOR_PASSWORD"


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulators.ebo",
        description="Simulates an EcoStruxure server: reset mode, WorkStation and support desk (control paths), WebStation's logon (HTTP). "
        "Prints where it is, then READY.",
        epilog=f"The administrator's password comes from the environment variable {PASSWORD_VARIABLE}, or from the seed.",
    )
    parser.add_argument("--kind", choices=KINDS, default="edge_server", help="(default: edge_server)")
    parser.add_argument(
        "--data", type=Path, metavar="DIRECTORY", help="its data directory, /var/sbo in a container: markers, and its state"
    )
    parser.add_argument("--seed", type=int, default=7, help="of passwords, tokens and session IDs (default: 7)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--certificate", choices=CERTIFICATES, help="serve HTTPS with a self-signed certificate of this kind")
    parser.add_argument("--log", metavar="FILE", help="append every request to this file, as JSON lines")
    parser.add_argument("--exit-with-parent", action="store_true", help="end when standard input ends or the parent process is gone")
    parser.add_argument("--describe", action="store_true", help="print the switches as a table and end")
    add_arguments(parser, Switches)
    return parser


def main() -> int:
    parser = make_parser()
    arguments = parser.parse_args()
    if arguments.describe:
        print("\n".join(table(Switches)))
        return 0
    switches = Switches()
    generator = random.Random(f"ebo {arguments.seed}")
    password = os.environ.get(PASSWORD_VARIABLE) or "".join(generator.choices(LETTERS, k=16))
    try:
        change(switches, from_arguments(Switches, arguments))
        station = WebStation(Server(arguments.kind, switches, Clock(), generator, password, arguments.data), generator)
        server = SimulatorServer(station, RequestLog(arguments.log))
    except (SwitchError, FaultError, ValueError) as problem:
        parser.error(str(problem))
    with ExitStack() as stack:
        certificate = None
        if arguments.certificate:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ebo-")))
            certificate = make_certificate(folder, "ebo", arguments.host, arguments.certificate)

        def announce(root: str) -> tuple[list[str], dict[str, str]]:
            values = {"EBO_URL": root, "EBO_PASSWORD": station.server.state.password, "CONTROL_URL": root + "/__simulator__"}
            if certificate:
                values |= {"EBO_CA": str(certificate.ca), "EBO_FINGERPRINT": certificate.fingerprint}
            return [f"Simulated EcoStruxure server ({arguments.kind}) at {root}"], values

        tls = certificate.context if certificate else None
        run(server, arguments.host, arguments.port, announce, tls, arguments.exit_with_parent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
