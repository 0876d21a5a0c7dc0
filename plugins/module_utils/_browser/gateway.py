# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The only way out of the browser: a relay on loopback that connects to allowed origins and to nothing else.

The browser's own judgement of certificates is not used: it knows nothing of pinned ones, and takes an exception for one key as an
exception for every chain that holds that key. Here the TLS connection of the browser ends in this process, which makes one of its own,
checked, for each. So whatever a page tries, in whatever protocol, no byte of it goes anywhere else.
"""

from __future__ import annotations

import base64
import contextlib
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from ipaddress import ip_address
from urllib.parse import SplitResult

from ansible_collections.keyturn.devices.plugins.module_utils._addresses import PORTS, Address
from ansible_collections.keyturn.devices.plugins.module_utils._browser.connections import BrowserFault, Proxy, Trust, connect, exactly

_PIECE = 64 * 1024
_IDLE_SECONDS = 300.0
_ACCEPTED, _NOT_ALLOWED, _FAILED, _UNSUPPORTED = 0, 2, 4, 7


class Gateway:
    """C(with Gateway(...) as gateway). C(allow) says where the browser may go; before that, nowhere.

    C(refused): origins (C(host:port)) that a page wanted to reach and could not. C(fault): why the last connection to an allowed one
    failed, None after one that did not. C(bytes_sent): how much has gone to devices, to tell what was sent from what certainly was not.
    """

    def __init__(self, trust: Trust, proxy: Proxy | None, timeout: float, directory: str) -> None:
        self._trust = trust
        self._proxy = proxy
        self._timeout = timeout
        self._allowed: dict[tuple[str, int], Address] = {}
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = False
        self.refused: list[str] = []
        self.fault: BrowserFault | None = None
        self.bytes_sent = 0
        self._context, self.key_pin = _own_certificate(directory)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Gateway:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End every connection."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.renew()

    def allow(self, addresses: Collection[Address]) -> None:
        """From now on these origins only. Connections to others are ended."""
        self._allowed = {(_host(address.host), address.port): address for address in addresses}
        self.renew()

    def lets(self, parts: SplitResult) -> bool:
        """Whether the browser may go to the origin of a URL."""
        try:
            port = parts.port or PORTS.get(parts.scheme, 0)
        except ValueError:
            return False
        address = self._allowed.get((_host(parts.hostname or ""), port))
        return address is not None and address.scheme == parts.scheme

    def check(self, address: Address) -> None:
        """Whether the device can be reached and is the right one. Raises BrowserFault."""
        connect(address, self._trust, self._proxy, self._timeout).close()

    def renew(self) -> None:
        """End the connections there are, so that what is sent next goes on one of its own.

        A browser sends a request again, on its own and forms too, when a connection breaks that it had used before.
        """
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    # Not the method of a TLS socket, which would go on without TLS in between.
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection, _peer = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, browser: socket.socket) -> None:
        browser.settimeout(self._timeout)
        browser.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.ExitStack() as stack:
            stack.callback(browser.close)
            # What breaks here breaks for the browser, which says so.
            stack.enter_context(contextlib.suppress(OSError, ValueError))
            address = self._asked_for(browser)
            if address is None:
                return
            try:
                device = connect(address, self._trust, self._proxy, self._timeout)
            except BrowserFault as fault:
                self.fault = fault
                browser.sendall(_reply(_FAILED))
                return
            stack.callback(device.close)
            self.fault = None
            browser.sendall(_reply(_ACCEPTED))
            if address.scheme == "https":
                browser = self._context.wrap_socket(browser, server_side=True)
                stack.callback(browser.close)
            with self._counted(browser, device):
                self._relay(browser, device)

    @contextlib.contextmanager
    def _counted(self, *connections: socket.socket) -> Iterator[None]:
        with self._lock:
            self._connections.update(connections)
        try:
            yield
        finally:
            with self._lock:
                self._connections.difference_update(connections)

    def _asked_for(self, browser: socket.socket) -> Address | None:
        """Reads what SOCKS 5 asks for; None, and refused, when it is not allowed."""
        version, count = exactly(browser, 2)
        exactly(browser, count)
        browser.sendall(b"\x05\x00")
        version, command, _reserved, kind = exactly(browser, 4)
        if kind == 3:
            host = exactly(browser, exactly(browser, 1)[0]).decode("ascii", "replace")
        else:
            host = str(ip_address(exactly(browser, 4 if kind == 1 else 16)))
        port = int.from_bytes(exactly(browser, 2), "big")
        address = self._allowed.get((_host(host), port))
        if version != 5 or command != 1:
            browser.sendall(_reply(_UNSUPPORTED))
            return None
        if address is None:
            self.refused.append(f"{host}:{port}")
            browser.sendall(_reply(_NOT_ALLOWED))
        return address

    def _relay(self, browser: socket.socket, device: socket.socket) -> None:
        last = time.monotonic()
        while time.monotonic() - last < _IDLE_SECONDS:
            ready = [side for side in (browser, device) if isinstance(side, ssl.SSLSocket) and side.pending()]
            for side in ready or select.select([browser, device], [], [], 10)[0]:
                other = device if side is browser else browser
                # Not waiting: what made it readable may be a record without content.
                side.settimeout(0)
                try:
                    piece = side.recv(_PIECE)
                except (ssl.SSLWantReadError, BlockingIOError):
                    continue
                finally:
                    side.settimeout(self._timeout)
                if not piece:
                    return
                if other is device:
                    self.bytes_sent += len(piece)
                other.sendall(piece)
                last = time.monotonic()


def _host(name: str) -> str:
    """One spelling of a host."""
    with contextlib.suppress(ValueError):
        return str(ip_address(name))
    with contextlib.suppress(UnicodeError):
        return name.rstrip(".").encode("idna").decode("ascii").lower()
    return name.lower()


def _reply(status: int) -> bytes:
    return bytes([5, status, 0, 1, 0, 0, 0, 0, 0, 0])


def _own_certificate(directory: str) -> tuple[ssl.SSLContext, str]:
    """A key that lives as long as this process, and its pin (Base64 of the SHA-256 of the public key) for the browser to accept."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "keyturn.devices")])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    # OpenSSL takes a key from a file only; it lives there no longer than that.
    path = os.path.join(directory, "gateway.pem")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        context.set_alpn_protocols(["http/1.1"])
    finally:
        os.unlink(path)
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return context, base64.b64encode(sha256(public).digest()).decode("ascii")
