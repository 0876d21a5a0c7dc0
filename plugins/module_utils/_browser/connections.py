# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections to a device: straight or through a proxy, with TLS that is verified or pinned."""

from __future__ import annotations

import hmac
import os
import socket
import ssl
import struct
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv6Address, ip_address
from urllib.parse import unquote, urlsplit

from ansible_collections.keyturn.devices.plugins.module_utils._addresses import Address

_SOCKS_ERRORS = {2: "it does not allow that", 3: "network unreachable", 4: "host unreachable", 5: "connection refused", 6: "time-out"}
_LONGEST_HEAD = 16 * 1024


class BrowserFault(Exception):
    """The device's page cannot be worked.

    C(reason): one of the reasons of C(_outcomes). C(sent): whether anything of what was being asked may have reached the device; only
    C(False) proves that nothing was changed.
    """

    def __init__(self, reason: str, message: str, sent: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.sent = sent


@dataclass(frozen=True)
class Proxy:
    """A proxy that every connection to the device goes through. Names are resolved there, because only the device's site may know them."""

    scheme: str
    host: str
    port: int
    username: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Proxy({self.scheme}://{self.host}:{self.port})"


def read_proxy(text: str | None) -> Proxy | None:
    """C(socks5://host:port) or C(http://host:port), with C(user:password@) where it asks for that. ValueError, not showing the text."""
    if not text or not text.strip():
        return None
    wanted = "must be socks5://host:port or http://host:port"
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(wanted) from None
    scheme = {"socks5": "socks5", "socks5h": "socks5", "http": "http"}.get(parts.scheme)
    if scheme is None or not host or not port or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(wanted)
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    if len(username.encode()) > 255 or len(password.encode()) > 255:
        raise ValueError("holds a user name or a password that is too long")
    return Proxy(scheme, host, port, username, password)


class Trust:
    """Which certificate is the device's: one with that fingerprint, else one that is valid and issued by an authority of C(ca_path).

    C(fingerprint): SHA-256 in hexadecimal digits. C(ca_path): a file or a directory, None for the system's. Raises BrowserFault
    (C(certificate)) for a C(ca_path) that cannot be read.
    """

    def __init__(self, validate_certs: bool = True, ca_path: str | None = None, fingerprint: str | None = None) -> None:
        self._fingerprint = fingerprint
        if fingerprint or not validate_certs:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._context.check_hostname = False
            self._context.verify_mode = ssl.CERT_NONE
        else:
            try:
                is_directory = ca_path is not None and os.path.isdir(ca_path)
                self._context = ssl.create_default_context(
                    cafile=None if is_directory else ca_path, capath=ca_path if is_directory else None
                )
            except (OSError, ssl.SSLError):
                raise BrowserFault("certificate", "ca_path cannot be read as certificates") from None
        self._context.set_alpn_protocols(["http/1.1"])

    def secure(self, raw: socket.socket, host: str) -> ssl.SSLSocket:
        """TLS on a connection, with the right device or not at all. Raises BrowserFault."""
        try:
            connection = self._context.wrap_socket(raw, server_hostname=host)
        except ssl.SSLCertVerificationError as problem:
            raise BrowserFault(
                "certificate", f"no trusted TLS connection: {problem.verify_message or 'certificate verify failed'}"
            ) from None
        except TimeoutError:
            raise BrowserFault("timeout", "time-out while connecting") from None
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError):
            raise BrowserFault("unreachable", "the connection broke during the TLS handshake") from None
        except ssl.SSLError as problem:
            raise BrowserFault("certificate", f"no trusted TLS connection: {problem.reason or 'the handshake failed'}") from None
        except (OSError, ValueError):
            raise BrowserFault("unreachable", "the connection broke during the TLS handshake") from None
        if self._fingerprint:
            shown = sha256(connection.getpeercert(binary_form=True) or b"").hexdigest()
            if not hmac.compare_digest(shown, self._fingerprint):
                connection.close()
                raise BrowserFault("certificate", "the certificate is not the one with the given fingerprint")
        return connection


def connect(address: Address, trust: Trust, proxy: Proxy | None, timeout: float) -> socket.socket:
    """A connection to the device, ready for HTTP. Raises BrowserFault."""
    through = (proxy.host, proxy.port) if proxy else (address.host, address.port)
    to_proxy = " to the proxy" if proxy else ""
    try:
        raw = socket.create_connection(through, timeout)
    except TimeoutError:
        raise BrowserFault("timeout", f"time-out while connecting{to_proxy}") from None
    except (OSError, UnicodeError) as problem:
        raise BrowserFault("unreachable", f"no connection{to_proxy}: {_told(problem)}") from None
    try:
        # What is small goes at once: the two sides of a relay would wait for each other.
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if proxy:
            _through(proxy, raw, address)
        return trust.secure(raw, address.host) if address.scheme == "https" else raw
    except TimeoutError:
        raw.close()
        raise BrowserFault("timeout", "time-out while waiting for the proxy") from None
    except OSError as problem:
        raw.close()
        raise BrowserFault("unreachable", f"the proxy broke the connection: {_told(problem)}") from None
    except BrowserFault:
        raw.close()
        raise


def _told(problem: Exception) -> str:
    return getattr(problem, "strerror", None) or type(problem).__name__


def _through(proxy: Proxy, raw: socket.socket, address: Address) -> None:
    (_socks if proxy.scheme == "socks5" else _tunnel)(proxy, raw, address)


def _socks(proxy: Proxy, raw: socket.socket, address: Address) -> None:
    """RFC 1928 and 1929."""
    methods = b"\x00\x02" if proxy.username else b"\x00"
    raw.sendall(b"\x05" + bytes([len(methods)]) + methods)
    version, method = exactly(raw, 2)
    if version != 5 or method not in methods:
        raise BrowserFault("unreachable", "the proxy is none that speaks SOCKS 5, or it wants a user name")
    if method == 2:
        username, password = proxy.username.encode(), proxy.password.encode()
        raw.sendall(b"\x01" + bytes([len(username)]) + username + bytes([len(password)]) + password)
        if exactly(raw, 2)[1] != 0:
            raise BrowserFault("unreachable", "the proxy refused the user name or the password")
    raw.sendall(b"\x05\x01\x00" + socks_host(address.host) + struct.pack(">H", address.port))
    _version, status, _reserved, kind = exactly(raw, 4)
    if status != 0:
        raise BrowserFault("unreachable", f"the proxy cannot reach the device: {_SOCKS_ERRORS.get(status, f'code {status}')}")
    exactly(raw, {1: 4, 4: 16}.get(kind) or exactly(raw, 1)[0])
    exactly(raw, 2)


def socks_host(host: str) -> bytes:
    """A host as SOCKS 5 writes it."""
    try:
        address = ip_address(host)
    except ValueError:
        name = host.encode("idna")
        return b"\x03" + bytes([len(name)]) + name
    return (b"\x04" if isinstance(address, IPv6Address) else b"\x01") + address.packed


def _tunnel(proxy: Proxy, raw: socket.socket, address: Address) -> None:
    """HTTP CONNECT."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    head = f"CONNECT {host}:{address.port} HTTP/1.1\r\nHost: {host}:{address.port}\r\n"
    if proxy.username:
        head += f"Proxy-Authorization: Basic {b64encode(f'{proxy.username}:{proxy.password}'.encode()).decode()}\r\n"
    raw.sendall(head.encode() + b"\r\n")
    answer = b""
    while b"\r\n\r\n" not in answer:
        # Byte by byte: what follows the head belongs to the device.
        answer += exactly(raw, 1)
        if len(answer) > _LONGEST_HEAD:
            raise BrowserFault("unreachable", "the proxy is none that speaks HTTP")
    words = answer.split(b" ", 2)
    if not words[0].startswith(b"HTTP/1.") or len(words) < 2 or not words[1].startswith(b"2"):
        status = words[1].decode("ascii", "replace") if len(words) > 1 and words[1].isdigit() else "no status"
        raise BrowserFault("unreachable", f"the proxy cannot reach the device: HTTP {status}")


def exactly(connection: socket.socket, count: int) -> bytes:
    """So many bytes. ConnectionError when it ends before."""
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise ConnectionError(0, "it was closed")
        data += piece
    return data
