# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The browser's only way out: what it lets through, which devices it trusts, and the proxies it goes through."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.keyturn.devices.plugins.module_utils._addresses import Address
from ansible_collections.keyturn.devices.plugins.module_utils._browser.connections import (
    BrowserFault,
    Proxy,
    Trust,
    connect,
    exactly,
    read_proxy,
    socks_host,
)
from ansible_collections.keyturn.devices.plugins.module_utils._browser.gateway import Gateway
from simulators.kit.certificates import Certificate, make_certificate


@contextlib.contextmanager
def serving(answer: Callable[[socket.socket], object]) -> Iterator[int]:
    """A TCP server that treats each connection so; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def one(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                connection.settimeout(5)
                answer(connection)

        def listen() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=listen, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("pbx"), "pbx", "127.0.0.1")


@pytest.fixture
def device(certificate: Certificate) -> Iterator[Address]:
    def echo(connection: socket.socket) -> None:
        with certificate.context.wrap_socket(connection, server_side=True) as secured:
            while piece := secured.recv(4096):
                secured.sendall(piece.upper())

    with serving(echo) as port:
        yield Address("https", "127.0.0.1", port)


def through(gateway: Gateway, address: Address) -> tuple[int, socket.socket]:
    """What a browser does: SOCKS 5 to the gateway. The status, and the connection."""
    connection = socket.create_connection(("127.0.0.1", gateway.port), 5)
    connection.sendall(b"\x05\x01\x00")
    assert exactly(connection, 2) == b"\x05\x00"
    connection.sendall(b"\x05\x01\x00" + socks_host(address.host) + address.port.to_bytes(2, "big"))
    return exactly(connection, 10)[1], connection


def test_only_the_allowed_origin_is_connected_to(device: Address, certificate: Certificate, tmp_path: Path) -> None:
    other = Address("https", "127.0.0.1", device.port - 1)
    with Gateway(Trust(fingerprint=certificate.fingerprint), None, 5, str(tmp_path)) as gateway:
        assert through(gateway, device)[0] == 2
        gateway.allow([device])
        for place in (other, Address("https", "localhost", device.port), Address("https", "update.googleapis.com", 443)):
            assert through(gateway, place)[0] == 2
        assert gateway.refused[-1] == "update.googleapis.com:443"
        status, raw = through(gateway, device)
        assert status == 0
        context = ssl._create_unverified_context()
        with context.wrap_socket(raw) as secured:
            secured.sendall(b"hello")
            assert secured.recv(10) == b"HELLO"
            assert gateway.bytes_sent == 5
            gateway.allow([])
            assert secured.recv(10) == b""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("trust", ["fingerprint", "ca"])
def test_the_right_certificate_is_trusted(device: Address, certificate: Certificate, trust: str) -> None:
    given = Trust(fingerprint=certificate.fingerprint) if trust == "fingerprint" else Trust(ca_path=str(certificate.ca))
    connect(device, given, None, 5).close()


def test_every_connection_is_checked_and_not_the_first_alone(device: Address, tmp_path: Path) -> None:
    with Gateway(Trust(fingerprint="0" * 64), None, 5, str(tmp_path)) as gateway:
        gateway.allow([device])
        for _again in range(2):
            gateway.fault = None
            assert through(gateway, device)[0] == 4
            assert gateway.fault is not None
            assert gateway.fault.reason == "certificate"


@pytest.mark.parametrize("kind", ["expired", "wrong_name"])
def test_a_bad_certificate_is_refused_though_its_issuer_is_trusted(tmp_path: Path, kind: str) -> None:
    bad = make_certificate(tmp_path, "bad", "127.0.0.1", kind)
    with serving(lambda connection: bad.context.wrap_socket(connection, server_side=True)) as port:
        with pytest.raises(BrowserFault) as caught:
            connect(Address("https", "127.0.0.1", port), Trust(ca_path=str(bad.ca)), None, 5)
        assert caught.value.reason == "certificate"


def relay(connection: socket.socket, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 5) as target:

        def pump(one: socket.socket, other: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while piece := one.recv(4096):
                    other.sendall(piece)

        threading.Thread(target=pump, args=(target, connection), daemon=True).start()
        pump(connection, target)


def test_a_socks_proxy_gets_the_name_and_the_credentials(device: Address, certificate: Certificate) -> None:
    asked: list[bytes] = []

    def proxy(connection: socket.socket) -> None:
        exactly(connection, exactly(connection, 2)[1])
        connection.sendall(b"\x05\x02")
        name = exactly(connection, exactly(connection, 2)[1])
        asked.append(name + b":" + exactly(connection, exactly(connection, 1)[0]))
        connection.sendall(b"\x01\x00")
        exactly(connection, 4)
        asked.append(exactly(connection, exactly(connection, 1)[0]))
        exactly(connection, 2)
        connection.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        relay(connection, device.port)

    with serving(proxy) as port:
        place = Address("https", "pbx.site.invalid", 8088)
        connect(place, Trust(fingerprint=certificate.fingerprint), Proxy("socks5", "127.0.0.1", port, "me", "secret"), 5).close()
    assert asked == [b"me:secret", b"pbx.site.invalid"]


def test_an_http_proxy_is_asked_for_a_tunnel(device: Address, certificate: Certificate) -> None:
    asked: list[bytes] = []

    def proxy(connection: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += exactly(connection, 1)
        asked.append(head.split(b"\r\n")[0])
        connection.sendall(b"HTTP/1.1 200 Go\r\nServer: x\r\n\r\n")
        relay(connection, device.port)

    with serving(proxy) as port:
        place = Address("https", "pbx.site.invalid", 8088)
        connect(place, Trust(fingerprint=certificate.fingerprint), Proxy("http", "127.0.0.1", port), 5).close()
    assert asked == [b"CONNECT pbx.site.invalid:8088 HTTP/1.1"]


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("socks5", b"\x05\xff"),
        ("socks5", b"HT"),
        ("socks5", b"\x05\x00\x05\x05\x00\x01"),
        ("http", b"HTTP/1.1 403 No\r\n\r\n"),
        ("http", b""),
    ],
    ids=str,
)
def test_a_proxy_that_refuses_makes_the_device_unreachable(kind: str, answer: bytes) -> None:
    def proxy(connection: socket.socket) -> None:
        connection.sendall(answer)
        connection.recv(4096)

    with serving(proxy) as port:
        with pytest.raises(BrowserFault) as caught:
            connect(Address("https", "192.0.2.1", 8088), Trust(), Proxy(kind, "127.0.0.1", port), 5)
        assert (caught.value.reason, "proxy" in caught.value.message) == ("unreachable", True)


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("socks5://127.0.0.1:1080", Proxy("socks5", "127.0.0.1", 1080)),
        ("socks5h://jump:1080/", Proxy("socks5", "jump", 1080)),
        ("http://me:p%40ss@jump:3128", Proxy("http", "jump", 3128, "me", "p@ss")),
        ("", None),
        (None, None),
    ],
)
def test_proxies_are_read(text: str | None, proxy: Proxy | None) -> None:
    assert read_proxy(text) == proxy


@pytest.mark.parametrize(
    "text", ["jump:1080", "socks4://jump:1080", "socks5://jump", "http://jump:80/path", "socks5://jump:x", "https://jump:1"]
)
def test_what_is_no_proxy_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ValueError, match="must be socks5") as caught:
        read_proxy(text)
    assert "jump" not in str(caught.value)
