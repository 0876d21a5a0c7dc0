# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Command line of the RutOS simulator."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import resource
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from simulators.kit.clock import Clock
from simulators.kit.process import READY
from simulators.kit.server import CONTROL
from simulators.kit.switches import add_arguments, from_arguments, table

from ..kit.certificates import KINDS, Certificate, make_certificate
from .control import Control
from .firmware import MODELS, PRESETS, Firmware
from .model import Router, make_password
from .server import Fleet
from .switches import Switchboard, Switches

STATES = ("normal", "first_login", "expired")


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog="python -m simulators.rutos",
        description=f"Teltonika routers (RutOS 7.x) on loopback, each on a port of its own. Control plane: {CONTROL}/ on another port. "
        f"Prints CONTROL_URL=..., a JSON object per router and, when all listen, {READY}.",
    )
    result.add_argument("--routers", type=int, default=1, help="how many (default: 1)")
    result.add_argument(
        "--routers-file",
        type=Path,
        help="JSON list of {serial, password, firmware, model, name, mac}: these routers instead; what is left out is made up",
    )
    presets = ", ".join(PRESETS)
    result.add_argument("--firmware", default="07.13", help=f"{presets}, a version, or several by comma in turn (default: 07.13)")
    result.add_argument("--model", help=f"{', '.join(MODELS)}, or several by comma in turn (default: RUTX50)", default="RUTX50")
    result.add_argument("--state", choices=STATES, default="normal", help="in which the routers start (default: normal)")
    result.add_argument("--seed", type=int, default=0, help="of serials' passwords, ids and tokens (default: 0)")
    result.add_argument("--first-serial", type=int, default=1100000001, help="(default: 1100000001)")
    result.add_argument("--scheme", choices=("https", "http", "both"), default="https", help="both: a redirecting HTTP port too")
    result.add_argument("--ssh", action=argparse.BooleanOptionalAction, default=False, help="an SSH port per router too (needs asyncssh)")
    result.add_argument("--certificate", choices=KINDS, default="good", help="fault of the certificate (default: good)")
    result.add_argument("--certificate-per-router", action=argparse.BooleanOptionalAction, default=False, help="one each, not one for all")
    result.add_argument("--host", default="127.0.0.1", help="address of all ports (default: 127.0.0.1)")
    result.add_argument("--base-port", type=int, default=0, help="of the first router, the next ones follow (default: free ports)")
    result.add_argument("--control-port", type=int, default=0, help="(default: a free one)")
    result.add_argument("--folder", type=Path, help="for the certificates (default: a temporary one)")
    result.add_argument("--exit-with-parent", action="store_true", help="end when standard input closes, so that nothing outlives a test")
    result.add_argument("--describe", action="store_true", help="print the switches as a table and end")
    add_arguments(result, Switches)
    return result


def make_routers(arguments: argparse.Namespace, clock: Clock) -> list[Router]:
    definitions: list[dict[str, Any]] = [{} for _unused in range(arguments.routers)]
    if arguments.routers_file:
        definitions = json.loads(arguments.routers_file.read_text())
    firmwares, models = arguments.firmware.split(","), arguments.model.split(",")
    routers = []
    for number, given in enumerate(definitions):
        serial = str(given.get("serial", arguments.first_serial + number))
        generator = random.Random(f"{arguments.seed}/{serial}")
        password = make_password(generator)
        model = given.get("model", models[number % len(models)])
        routers.append(
            Router(
                serial=serial,
                name=given.get("name", f"{model}-{serial[-4:]}"),
                mac=given.get("mac", f"00:1E:42:{number >> 16 & 255:02X}:{number >> 8 & 255:02X}:{number & 255:02X}"),
                model=model,
                firmware=Firmware.of(given.get("firmware", firmwares[number % len(firmwares)]), model),
                label_password=given.get("password", password),
                clock=clock,
                generator=generator,
                first_login=arguments.state == "first_login",
            )
        )
        if arguments.state == "expired":
            routers[-1].expire_passwords()
    if len({router.serial for router in routers}) != len(routers):
        raise ValueError("two routers have the same serial")
    return routers


def open_doors(arguments: argparse.Namespace, fleet: Fleet, folder: Path) -> list[dict[str, Any]]:
    """Let every router listen; returns what a client needs to know of each."""
    shared: Certificate | None = None
    listing = []
    per_router = 2 if arguments.scheme == "both" else 1
    for number, server in enumerate(fleet.servers.values()):
        router = server.router
        port = arguments.base_port + number * per_router if arguments.base_port else 0
        certificate: Certificate | None = None
        if arguments.scheme != "http":
            if shared is None or arguments.certificate_per_router:
                name = router.serial if arguments.certificate_per_router else "routers"
                shared = make_certificate(folder, name, arguments.host, arguments.certificate)
            certificate = shared
        scheme = "https" if certificate else "http"
        entry = {
            "serial": router.serial,
            "host": arguments.host,
            "port": server.listen(arguments.host, port, certificate.context if certificate else None),
            "username": "admin",
            "password": router.users["admin"].password,
            "firmware": router.firmware.text,
            "model": router.model,
            "ca": str(certificate.ca) if certificate else None,
            "fingerprint": certificate.fingerprint if certificate else None,
        }
        entry["url"] = f"{scheme}://{arguments.host}:{entry['port']}"
        if arguments.scheme == "both":
            plain = server.listen(arguments.host, port + 1 if port else 0, None, redirects=True)
            entry["http_url"] = f"http://{arguments.host}:{plain}"
        listing.append(entry)
    return listing


async def open_ssh(arguments: argparse.Namespace, fleet: Fleet, listing: list[dict[str, Any]]) -> None:
    """Add to every entry of the listing its `ssh_port` and the host key as a known_hosts file wants it."""
    import asyncssh

    from .ssh import listen

    key = asyncssh.generate_private_key("ssh-ed25519")
    for entry in listing:
        port = await listen(fleet.servers[entry["serial"]].router, fleet.log, arguments.host, 0, key)
        public = key.export_public_key().decode().strip()
        entry |= {"ssh_port": port, "ssh_known_host": f"[{arguments.host}]:{port} {public}"}


def raise_file_limit() -> None:
    """A fleet needs more sockets than the usual 1024 files of a process."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def serve(arguments: argparse.Namespace, folder: Path) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    clock = Clock()
    fleet = Fleet(make_routers(arguments, clock), clock, Switchboard(from_arguments(Switches, arguments)))
    listing = open_doors(arguments, fleet, folder)
    if arguments.ssh:
        await open_ssh(arguments, fleet, listing)
    # Again, now that there are doors: a router may start unreachable.
    fleet.look_at_doors()
    runner = web.AppRunner(Control(fleet, listing).application(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, arguments.host, arguments.control_port)
    await site.start()
    if arguments.exit_with_parent:
        loop.add_reader(sys.stdin.fileno(), lambda: None if os.read(sys.stdin.fileno(), 1) else ended.set())
    print(f"CONTROL_URL=http://{arguments.host}:{runner.addresses[0][1]}{CONTROL}")
    print("\n".join(json.dumps(entry) for entry in listing))
    print(READY, flush=True)
    watch = loop.create_task(fleet.watch())
    await ended.wait()
    watch.cancel()
    await runner.cleanup()


def main(words: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(words)
    if arguments.describe:
        print("\n".join(table(Switches)))
        return 0
    raise_file_limit()
    with contextlib.ExitStack() as stack:
        if arguments.folder:
            arguments.folder.mkdir(parents=True, exist_ok=True)
        folder = arguments.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rutos-")))
        try:
            asyncio.run(serve(arguments, folder))
        except (ValueError, OSError) as problem:
            print(f"simulators.rutos: {problem}", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
