# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""C(python -m simulators.pbx): the simulated PBX as a process of its own."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from ..kit.certificates import KINDS as CERTIFICATES
from ..kit.certificates import make_certificate
from ..kit.clock import Clock
from ..kit.faults import KINDS, FaultError
from ..kit.request_log import RequestLog
from ..kit.running import run
from ..kit.server import SimulatorServer
from ..kit.switches import SwitchError, add_arguments, change, from_arguments, table
from .service import Pbx
from .switches import Switches

PASSWORD_VARIABLE = "PBX_SIMULATOR_PASSWORD"
DEFAULT_PASSWORD = "Depot-Seven-47"


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulators.pbx",
        description="Simulates a Yeastar S-Series or K2 PBX on a loopback port, with pages made of the genuine framework.",
        epilog=f"The administrator's password comes from the environment variable {PASSWORD_VARIABLE} (default: {DEFAULT_PASSWORD}).",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--plain", action="store_true", help="serve HTTP without TLS")
    parser.add_argument("--certificate", choices=CERTIFICATES, default="good", help="the self-signed certificate (default: good)")
    parser.add_argument("--email", default="admin@example.com", help="address bound to admin, may be empty (default: admin@example.com)")
    parser.add_argument("--log", metavar="FILE", help="append every request to this file, as JSON lines")
    parser.add_argument("--exit-with-parent", action="store_true", help="end when standard input ends or the parent process is gone")
    parser.add_argument("--describe", action="store_true", help="print switches and faults as Markdown tables")
    add_arguments(parser, Switches)
    return parser


def describe() -> list[str]:
    """The tables of the README."""
    return [
        *table(Switches),
        "",
        "| fault | what happens on the wire |",
        "|---|---|",
        *(f"| `{key}` | {text} |" for key, text in KINDS.items()),
    ]


def main() -> int:
    parser = make_parser()
    arguments = parser.parse_args()
    if arguments.describe:
        print("\n".join(describe()))
        return 0
    switches = Switches()
    try:
        change(switches, from_arguments(Switches, arguments))
        pbx = Pbx(switches, Clock(), os.environ.get(PASSWORD_VARIABLE) or DEFAULT_PASSWORD, arguments.email)
        server = SimulatorServer(pbx, RequestLog(arguments.log))
    except (SwitchError, FaultError, FileNotFoundError) as problem:
        parser.error(str(problem))
    with tempfile.TemporaryDirectory(prefix="pbx-") as folder:
        certificate = None if arguments.plain else make_certificate(Path(folder), "pbx", arguments.host, arguments.certificate)

        def announce(root: str) -> tuple[list[str], dict[str, str]]:
            pbx.root = root
            people = [
                f"Simulated PBX at {root} (user admin)",
                f"What really is: {root}/__simulator__/truth; what was asked: /__simulator__/log; switches: /__simulator__/switches",
            ]
            values = {
                "PBX_URL": root,
                "PBX_FINGERPRINT": certificate.fingerprint if certificate else "",
                "PBX_CA": str(certificate.ca) if certificate else "",
                "CONTROL_URL": f"{root}/__simulator__",
            }
            return people, values

        run(server, arguments.host, arguments.port, announce, certificate.context if certificate else None, arguments.exit_with_parent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
