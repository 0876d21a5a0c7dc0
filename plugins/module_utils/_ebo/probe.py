# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a server answers, and what else can be seen of it from here without logging on."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from ansible_collections.keyturn.devices.plugins.module_utils._ebo.transport import Precondition
from ansible_collections.keyturn.devices.plugins.module_utils._http import HttpClient, HttpFault

#: Answers without a logon, and is what the vendor's chart asks to know whether a server is alive (observed).
PROBE = "/prelogin-info"
#: The vendor's documented ports; the first is fixed, the others are defaults.
PORTS = (4444, 443, 80)
_CONNECT_SECONDS = 3.0


class Probe:
    """Asks one server whether it is there. Nothing secret is sent."""

    def __init__(self, url: str, validate_certs: bool, ca_path: str | None, timeout: float) -> None:
        self.url = url.rstrip("/")
        self._client = HttpClient(validate_certs=validate_certs, ca_path=ca_path, timeout=timeout, retries=0)

    def problem(self) -> tuple[str, str] | None:
        """Why it does not answer as a living server does, as a reason and a sentence without its end; None when it does."""
        try:
            status = self._client.read(self.url + PROBE, retry=False).status
        except HttpFault as fault:
            return fault.reason, fault.message
        finally:
            self._client.close()
        return None if status < 500 else ("protocol", f"HTTP status {status}")


def look_at_server(url: str, probe: Probe) -> Iterator[Precondition]:
    """Ports, certificate and answer of a server."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    own = parts.port or (443 if parts.scheme == "https" else 80)
    for port in dict.fromkeys((own, *PORTS)):
        open_ = _is_open(host, port)
        yield Precondition(f"port_{port}", open_, f"Port {port} of {host} is {'open' if open_ else 'not open from here'}.")
    problem = probe.problem()
    if parts.scheme == "https":
        bad = problem is not None and problem[0] == "certificate"
        yield Precondition("certificate", not bad, f"The certificate is {'not trusted' if bad else 'no obstacle'}.")
    said = "answers" if problem is None else f"does not answer: {problem[1]}"
    yield Precondition("answers", problem is None, f"{url} {said}.")


def _is_open(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), _CONNECT_SECONDS).close()
    except (OSError, UnicodeError):
        return False
    return True
