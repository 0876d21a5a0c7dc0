# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A site whose routers can be reached themselves, with or without RMS beside them."""

from __future__ import annotations

import http.client
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from integration.cores import Core
from integration.sites import Place
from simulators.rms import RmsSimulator
from simulators.rutos import RutosSimulator

#: Headers of one connection, not of the answer.
_HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "content-length", "host")


@dataclass(kw_only=True)
class DeviceSite(Place):
    """The real password of a router is the one it takes itself; what RMS thinks it set does not count."""

    routers: RutosSimulator
    rms: RmsSimulator | None = None
    front: MirroringFront | None = None

    def environment(self) -> dict[str, str]:
        if self.rms is None or self.front is None:
            return super().environment()
        return {"RMS_URL": self.front.url, "RMS_TOKEN": self.rms.token, **super().environment()}

    def run(self, playbook: str, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        self.begin_run()
        return super().run(playbook, *arguments, env=env)

    def begin_run(self) -> None:
        """Count wrong log-ins and requests from here on."""
        self.routers.change(reset_wrong_logins=True)
        self.routers.forget_log()
        if self.rms is not None:
            self.rms.clear_log()

    def real_passwords(self) -> dict[str, str]:
        return {serial: router["password"] for serial, router in self.routers.truth().items()}

    def fate(self, name: str, fate: str) -> None:
        """What becomes of a router in RMS."""
        if self.rms is not None:
            self.rms.set(fates={self.serials[name]: fate})

    def let_rms_time_pass(self, seconds: float) -> None:
        if self.rms is not None and self.front is not None:
            self.rms.advance(seconds)
            self.front.mirror()

    def wrong_logins(self) -> dict[str, int]:
        """By name, since the beginning of the last run."""
        truth = self.routers.truth()
        return {name: truth[serial]["wrong_logins"] for name, serial in self.serials.items()}

    def open_sessions(self) -> list[str]:
        """Routers on which a session is still open."""
        truth = self.routers.truth()
        return [name for name, serial in self.serials.items() if truth[serial]["open_sessions"]]

    def changes(self) -> dict[str, int]:
        """By name, how often the password of C(admin) was ever changed at the router."""
        truth = self.routers.truth()
        return {name: sum(entry["user"] == "admin" for entry in truth[serial]["audit"]) for name, serial in self.serials.items()}


class MirroringFront:
    """Stands before RMS and hands on what passes. Before an answer goes out, each router has the password that RMS has given it by then,
    so nobody can be told of a change that the router has not seen.
    """

    def __init__(self, rms: RmsSimulator, routers: RutosSimulator) -> None:
        self._rms, self._routers = rms, routers
        self._known = rms.passwords()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(urlsplit(rms.url).netloc, self.mirror))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{urlsplit(self._rms.url).path}"

    def mirror(self) -> None:
        with self._lock:
            now = self._rms.passwords()
            for serial, password in now.items():
                if password != self._known[serial]:
                    self._routers.change(serial, password=password, by="rms")
            self._known = now

    def __enter__(self) -> MirroringFront:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(target: str, mirror: Any) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def hand_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
            connection = http.client.HTTPConnection(target, timeout=60)
            try:
                connection.request(self.command, self.path, body or None, headers)
                answer = connection.getresponse()
                content = answer.read()
            except (OSError, http.client.HTTPException):
                mirror()
                self.close_connection = True
                return
            finally:
                connection.close()
            mirror()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_words: object) -> None:
            """Nothing on the test's own output."""

        do_GET = do_POST = do_PUT = do_DELETE = hand_on

    return Handler


@contextmanager
def device_site(
    folder: Path,
    core: Core,
    routers: int = 3,
    via: str = "device",
    known: int | None = None,
    rms_switches: Mapping[str, Any] | None = None,
    **switches: Any,
) -> Iterator[DeviceSite]:
    """C(switches): of the routers. C(rms_switches): with C(via='rms_then_verify'). C(known): of how many routers the ledger knows the
    password, of all by default.
    """
    with ExitStack() as stack:
        rms = front = None
        wanted: int | list[dict[str, str]] = routers
        if via == "rms_then_verify":
            rms = stack.enter_context(RmsSimulator(routers=routers, **(rms_switches or {})))
            wanted = [{"serial": serial, "password": entry["password"]} for serial, entry in rms.truth().items()]
        fleet = stack.enter_context(RutosSimulator(routers=wanted, **switches))
        if rms is not None:
            front = stack.enter_context(MirroringFront(rms, fleet))
        names = {f"router-{number}": router for number, router in enumerate(fleet.routers, 1)}
        (folder / "home").mkdir(exist_ok=True)
        place = DeviceSite(
            folder=folder,
            core=core,
            ledger_url=f"sqlite:///{folder / 'ledger.db'}",
            hosts={
                name: {"device_serial": router.serial, "device_host": router.url, "device_fingerprint": router.fingerprint}
                for name, router in names.items()
            },
            serials={name: router.serial for name, router in names.items()},
            group_vars={"device_via": via},
            routers=fleet,
            rms=rms,
            front=front,
        )
        place.create_ledger()
        place.import_real_passwords(list(names)[:known])
        yield place
