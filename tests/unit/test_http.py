# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import gzip
import ipaddress
import socket
import ssl
import struct
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pytest_httpserver import HTTPServer
from werkzeug import Response

from ansible_collections.keyturn.devices.plugins.module_utils import _http
from ansible_collections.keyturn.devices.plugins.module_utils._http import BearerToken, HttpClient, HttpFault

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/csv\r\n"


@contextmanager
def scripted(*answers: bytes | None, reset: bool = False) -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives each connection the next answer, byte for byte, and closes it; None: never answers."""
    asked: list[bytes] = []
    held: list[socket.socket] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for answer in answers:
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            asked.append(connection.recv(65536))
            if answer is None:
                held.append(connection)
                continue
            with suppress(OSError):  # Whoever was told enough hangs up.
                connection.sendall(answer)
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
    finally:
        listener.close()
        for connection in held:
            connection.close()


@contextmanager
def trickling(answer: bytes, every: float = 0.05) -> Iterator[str]:
    """A server that gives one byte of the answer at a time, and then nothing."""
    ended = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with connection:
            connection.recv(65536)
            try:
                for byte in answer:
                    if ended.wait(every):
                        return
                    connection.sendall(bytes([byte]))
                ended.wait(30)
            except OSError:
                pass

    def accept() -> None:
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        ended.set()
        listener.close()


@contextmanager
def unused_port() -> Iterator[int]:
    with socket.socket() as bound:  # Bound and not listening: connections are refused.
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture(scope="module")
def untrusted_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "router")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "router.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def untrusted_https(untrusted_certificate: Path) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(untrusted_certificate)
    with HTTPServer(host="127.0.0.1", ssl_context=context) as server:
        server.expect_request("/x").respond_with_json({})
        yield server.url_for("/x")


def fault_of(call: Callable[[], object]) -> HttpFault:
    with pytest.raises(HttpFault) as caught:
        call()
    return caught.value


def test_a_refused_connection_proves_that_nothing_was_sent() -> None:
    client = HttpClient(timeout=2)
    with unused_port() as port:
        fault = fault_of(lambda: client.change("POST", f"http://127.0.0.1:{port}/", json={}))
    assert (fault.sent, fault.reason) == (False, "unreachable")
    assert "refused" in fault.message
    assert client.request_count == 0


def test_an_unknown_host_proves_that_nothing_was_sent() -> None:
    fault = fault_of(lambda: HttpClient(timeout=2).change("POST", "http://no-such-host.invalid/", json={}))
    assert (fault.sent, fault.reason) == (False, "unreachable")


def test_an_untrusted_certificate_proves_that_nothing_was_sent(untrusted_https: str) -> None:
    client = HttpClient(timeout=2)
    fault = fault_of(lambda: client.change("POST", untrusted_https, json={}))
    assert (fault.sent, fault.reason) == (False, "certificate")
    assert "self-signed" in fault.message or "self signed" in fault.message
    assert client.request_count == 0


def test_a_certificate_is_trusted_when_named(untrusted_https: str, untrusted_certificate: Path) -> None:
    assert HttpClient(timeout=5, ca_path=str(untrusted_certificate)).change("POST", untrusted_https, json={}).status == 200


def fingerprint_of(path: Path) -> str:
    return x509.load_pem_x509_certificate(path.read_bytes()).fingerprint(hashes.SHA256()).hex()


def test_a_certificate_is_trusted_by_its_fingerprint(untrusted_https: str, untrusted_certificate: Path) -> None:
    client = HttpClient(timeout=5, fingerprint=fingerprint_of(untrusted_certificate))
    assert client.change("POST", untrusted_https, json={}).status == 200


@pytest.mark.parametrize("validate_certs", [True, False])
def test_a_certificate_with_another_fingerprint_proves_that_nothing_was_sent(untrusted_https: str, validate_certs: bool) -> None:
    client = HttpClient(timeout=5, fingerprint="00" * 32, validate_certs=validate_certs)
    fault = fault_of(lambda: client.change("POST", untrusted_https, json={}))
    assert (fault.sent, fault.reason) == (False, "certificate")
    assert "fingerprint" in fault.message
    assert client.request_count == 0


def test_a_server_that_hangs_up_in_the_handshake_says_nothing_of_its_certificate() -> None:
    with scripted(b"") as (url, _asked):
        fault = fault_of(lambda: HttpClient(timeout=5).change("POST", url.replace("http:", "https:"), json={}))
    assert (fault.sent, fault.reason) == (False, "unreachable")


def test_a_certificate_is_not_asked_for_when_told_so(untrusted_https: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/ssl/certs")
    assert HttpClient(timeout=5, validate_certs=False).change("POST", untrusted_https, json={}).status == 200


def test_a_full_backlog_is_a_connect_timeout_and_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        fillers = []
        for _number in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(address)
            fillers.append(filler)
        fault = fault_of(lambda: HttpClient(timeout=1).change("POST", f"http://127.0.0.1:{address[1]}/", json={}))
        for filler in fillers:
            filler.close()
    assert (fault.sent, fault.reason) == (False, "timeout")


def test_silence_after_the_request_is_an_unknown_outcome() -> None:
    client = HttpClient(timeout=1)
    with scripted(None) as (url, asked):
        fault = fault_of(lambda: client.change("POST", url, json={"a": 1}))
    assert (fault.sent, fault.reason) == (True, "timeout")
    assert client.request_count == len(asked) == 1


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("answer", [b"", b"HTTP/1", HEAD + b'Content-Length: 20\r\n\r\n{"success":'])
def test_a_connection_cut_after_the_request_is_an_unknown_outcome(answer: bytes, reset: bool) -> None:
    client = HttpClient(timeout=5)
    with scripted(answer, HEAD + b"Content-Length: 2\r\n\r\n{}", reset=reset) as (url, asked):
        fault = fault_of(lambda: client.change("POST", url, json={"a": 1}))
    assert (fault.sent, fault.reason) == (True, "interrupted")
    assert len(asked) == 1


def test_a_change_is_never_repeated(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/x").respond_with_data("broken", status=503, headers={"Retry-After": "0"})
    client = HttpClient(timeout=5)
    assert client.change("POST", httpserver.url_for("/x"), json={}).status == 503
    assert client.request_count == len(httpserver.log) == 1


def test_a_read_is_repeated_and_every_request_counted(httpserver: HTTPServer) -> None:
    for status in (500, 503):
        httpserver.expect_ordered_request("/x").respond_with_data("broken", status=status)
    httpserver.expect_ordered_request("/x").respond_with_json({"ok": True})
    client = HttpClient(timeout=5)
    assert client.read(httpserver.url_for("/x")).json() == {"ok": True}
    assert client.request_count == len(httpserver.log) == 3


def test_a_read_that_keeps_failing_gives_the_last_reply(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/x").respond_with_data("broken", status=502)
    client = HttpClient(timeout=5, retries=2)
    assert client.read(httpserver.url_for("/x")).status == 502
    assert client.request_count == 3
    assert client.read(httpserver.url_for("/x"), retry=False).status == 502
    assert client.request_count == 4


def test_a_read_survives_a_cut_connection() -> None:
    with scripted(b"", HEAD + b"Content-Length: 2\r\n\r\n{}") as (url, asked):
        assert HttpClient(timeout=5).read(url).json() == {}
    assert len(asked) == 2


def test_a_pause_asked_for_is_reported_and_not_slept(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/x").respond_with_data("", status=429, headers={"Retry-After": "3600"})
    reply = HttpClient(timeout=5).read(httpserver.url_for("/x"))
    assert (reply.status, reply.retry_after) == (429, 3600.0)


def test_redirects_are_not_followed(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/x").respond_with_response(Response(status=307, headers={"Location": httpserver.url_for("/y")}))
    client = HttpClient(timeout=5, auth=BearerToken("t"))
    assert client.change("POST", httpserver.url_for("/x"), json={"password": "p"}).status == 307
    assert client.read(httpserver.url_for("/x")).status == 307
    assert {request.path for request, _response in httpserver.log} == {"/x"}


def test_a_netrc_entry_does_not_replace_the_token(httpserver: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login other password other\nmachine 127.0.0.1 login other password other\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    httpserver.expect_request("/x").respond_with_json({})
    HttpClient(timeout=5, auth=BearerToken("t0ken")).read(httpserver.url_for("/x"))
    assert httpserver.log[0][0].headers["Authorization"] == "Bearer t0ken"


def test_without_a_token_none_is_sent(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/x").respond_with_json({})
    token = BearerToken()
    client = HttpClient(timeout=5, auth=token)
    client.change("POST", httpserver.url_for("/x"), json={})
    token.token = "t0ken"
    client.change("POST", httpserver.url_for("/x"), json={}, fresh=False)
    assert [request.headers.get("Authorization") for request, _response in httpserver.log] == [None, "Bearer t0ken"]


@pytest.mark.parametrize("limit", ["time-out", "deadline"])
def test_more_patience_than_the_time_out_or_the_deadline_is_kept(httpserver: HTTPServer, limit: str) -> None:
    started = threading.Event()

    def slow(_request: object) -> Response:
        started.wait(1.5)
        return Response("{}")

    httpserver.expect_request("/x").respond_with_handler(slow)
    client = HttpClient(timeout=1) if limit == "time-out" else HttpClient(deadline=time.monotonic() + 1)
    assert client.change("POST", httpserver.url_for("/x"), patience=20, json={}).status == 200


@pytest.mark.parametrize("reset", [False, True])
def test_what_arrived_of_a_broken_download_is_kept(reset: bool) -> None:
    body = b"".join(b"110000%04d,Password-%04d\r\n" % (number, number) for number in range(5000))
    kept: list[bytes] = []
    client = HttpClient(timeout=5)
    with scripted(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body[:70_001], reset=False) as (url, asked):
        fault = fault_of(lambda: client.download(url, "application/csv", kept.append))
    assert fault.sent
    assert b"".join(kept) == body[:70_001]
    assert len(asked) == 1


def test_what_arrived_of_a_chunked_download_is_kept() -> None:
    kept: list[bytes] = []
    with scripted(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n10\r\nfgh") as (url, _asked):
        fault_of(lambda: HttpClient(timeout=5).download(url, "application/csv", kept.append))
    assert b"".join(kept) == b"abcdefgh"


def test_what_arrived_before_silence_is_kept() -> None:
    kept: list[bytes] = []
    release = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _address = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(HEAD + b"Content-Length: 100\r\n\r\nabc")
            release.wait(10)

    threading.Thread(target=serve, daemon=True).start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    fault = fault_of(lambda: HttpClient(timeout=1).download(url, "application/csv", kept.append))
    release.set()
    listener.close()
    assert fault.reason == "timeout"
    assert b"".join(kept) == b"abc"


def test_a_full_disk_is_not_taken_for_a_fault_of_the_network(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/x").respond_with_data("abc")

    def keep(_piece: bytes) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        HttpClient(timeout=5).download(httpserver.url_for("/x"), "application/csv", keep)


def test_nothing_is_sent_after_the_deadline(httpserver: HTTPServer) -> None:
    client = HttpClient(timeout=5, deadline=10, clock=lambda: 11.0)
    fault = fault_of(lambda: client.change("POST", httpserver.url_for("/x"), json={}))
    assert (fault.sent, fault.reason) == (False, "timeout")
    assert httpserver.log == []


@pytest.mark.parametrize("url", ["no-scheme/x", "http://", "http://[::1/x", "gopher://x/"])
def test_an_impossible_url_is_a_fault_that_sent_nothing(url: str) -> None:
    fault = fault_of(lambda: HttpClient(timeout=1).change("POST", url, json={}))
    assert not fault.sent


def test_a_token_that_cannot_be_a_header_is_not_shown() -> None:
    fault = fault_of(lambda: HttpClient(timeout=1, auth=BearerToken("to\nken")).read("http://127.0.0.1:1/"))
    assert "ken" not in fault.message


def test_a_reply_shows_neither_body_nor_headers(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/x").respond_with_data("Secret-123", headers={"X-Echo": "Secret-123"})
    reply = HttpClient(timeout=5).read(httpserver.url_for("/x"))
    assert "Secret-123" not in repr(reply)
    with pytest.raises(ValueError, match="not JSON") as caught:
        reply.json()
    assert "Secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


SLOW_HEAD = HEAD + b"X-Padding: " + b"x" * 2000 + b"\r\n"
SLOW_BODY = HEAD + b"Content-Length: 2000\r\n\r\n"


class TestOneByteAtATime:
    """A server whose every byte is in time, and whose reply never is."""

    @pytest.mark.parametrize("limit", ["time-out", "deadline"])
    def test_the_head_of_a_reply_has_one_limit_for_all_of_it(self, limit: str) -> None:
        client = HttpClient(timeout=1) if limit == "time-out" else HttpClient(timeout=30, deadline=time.monotonic() + 1)
        started = time.monotonic()
        with trickling(SLOW_HEAD) as url:
            fault = fault_of(lambda: client.change("POST", url, json={}))
        assert (fault.sent, fault.reason) == (True, "timeout")
        assert 0.9 < time.monotonic() - started < 3

    @pytest.mark.parametrize("limit", ["time-out", "deadline"])
    def test_the_body_of_a_reply_has_one_limit_for_all_of_it(self, limit: str) -> None:
        client = HttpClient(timeout=0.5) if limit == "time-out" else HttpClient(timeout=30, deadline=time.monotonic() + 1)
        started = time.monotonic()
        with trickling(SLOW_BODY + b"x" * 2000, every=0.003) as url:
            fault = fault_of(lambda: client.read(url))
        assert (fault.sent, fault.reason) == (True, "timeout")
        assert 0.9 < time.monotonic() - started < 3

    def test_a_listing_that_trickles_ends_at_the_deadline_however_often_it_is_asked_for(self) -> None:
        client = HttpClient(timeout=0.3, deadline=time.monotonic() + 1)
        started = time.monotonic()
        with trickling(SLOW_HEAD) as url:
            fault = fault_of(lambda: client.read(url))
        assert fault.reason == "timeout"
        assert time.monotonic() - started < 3

    def test_what_arrived_of_a_download_is_kept(self) -> None:
        kept: list[bytes] = []
        client = HttpClient(timeout=30, deadline=time.monotonic() + 1.5)
        with trickling(SLOW_BODY + b"x" * 2000, every=0.005) as url:
            fault_of(lambda: client.download(url, "application/csv", kept.append))
        assert 0 < len(b"".join(kept)) < 2000

    def test_a_server_that_is_slow_to_take_the_request_has_one_limit_too(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            ended = threading.Event()

            def serve() -> None:
                connection, _address = listener.accept()
                with connection:
                    while not ended.wait(0.05):
                        connection.recv(1)

            threading.Thread(target=serve, daemon=True).start()
            started = time.monotonic()
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            fault = fault_of(lambda: HttpClient(timeout=1).change("POST", url, json="x" * 20_000_000))
            ended.set()
        assert (fault.sent, fault.reason) == (True, "timeout")
        assert time.monotonic() - started < 3

    def test_a_tls_handshake_that_trickles_sends_nothing(self) -> None:
        started = time.monotonic()
        with trickling(b"\x16\x03\x03\x40\x00" + bytes(2000)) as url:
            fault = fault_of(lambda: HttpClient(timeout=1).change("POST", url.replace("http:", "https:"), json={}))
        assert (fault.sent, fault.reason) == (False, "timeout")
        assert time.monotonic() - started < 3


def test_the_addresses_of_a_host_share_the_time_for_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        fillers = []
        for _number in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        real = socket.getaddrinfo

        def several(host: str, *args: object, **kwargs: object) -> object:
            if host != "several.test":
                return real(host, *args, **kwargs)  # type: ignore[arg-type]
            # 0.0.0.0 is this host as well; each of them is dead.
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("127.0.0.1", "0.0.0.0", "127.0.0.1")]

        monkeypatch.setattr(socket, "getaddrinfo", several)
        started = time.monotonic()
        fault = fault_of(lambda: HttpClient(timeout=1).change("POST", f"http://several.test:{port}/", json={}))
        for filler in fillers:
            filler.close()
    assert (fault.sent, fault.reason) == (False, "timeout")
    assert time.monotonic() - started < 1.8


def test_the_second_address_of_a_host_is_tried_and_its_name_kept(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    httpserver.expect_request("/x").respond_with_json({})
    real = socket.getaddrinfo

    def several(host: str, *args: object, **kwargs: object) -> object:
        if host != "several.test":
            return real(host, *args, **kwargs)  # type: ignore[arg-type]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, httpserver.port)) for address in ("127.99.0.1", httpserver.host)]

    monkeypatch.setattr(socket, "getaddrinfo", several)
    assert HttpClient(timeout=5).read(f"http://several.test:{httpserver.port}/x").status == 200
    assert httpserver.log[0][0].headers["Host"] == f"several.test:{httpserver.port}"


class TestLength:
    @pytest.mark.parametrize("coding", ["identity", "gzip"])
    def test_a_body_of_64_megabytes_is_given_up_early(self, coding: str) -> None:
        body = bytes(64 * 1024 * 1024)
        body = gzip.compress(body) if coding == "gzip" else body
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nContent-Encoding: {coding}\r\n\r\n".encode()
        client = HttpClient(timeout=20)
        with scripted(HEAD + b"Content-Length: 2\r\n\r\n{}", head + body) as (url, _asked):
            client.read(url)  # What the libraries load with their first request is not meant here.
            tracemalloc.start()
            try:
                fault = fault_of(lambda: client.change("POST", url, json={}))
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
        assert (fault.reason, fault.sent) == ("protocol", True)
        assert "longer than 1048576 bytes" in fault.message
        assert peak < 4 * 1024 * 1024

    def test_each_client_has_its_own_limit(self, httpserver: HTTPServer) -> None:
        httpserver.expect_request("/x").respond_with_data(b"x" * 1001)
        assert len(HttpClient(timeout=5, most_bytes=1001).read(httpserver.url_for("/x")).body) == 1001
        assert fault_of(lambda: HttpClient(timeout=5, most_bytes=1000).read(httpserver.url_for("/x"))).reason == "protocol"
        assert fault_of(lambda: HttpClient(timeout=5, most_bytes=1000).download(httpserver.url_for("/x"), "text/csv", len)).sent

    def test_a_compressed_reply_is_unpacked(self, httpserver: HTTPServer) -> None:
        httpserver.expect_request("/x").respond_with_data(gzip.compress(b'{"a": 1}'), headers={"Content-Encoding": "gzip"})
        assert HttpClient(timeout=5).read(httpserver.url_for("/x")).json() == {"a": 1}

    @pytest.mark.parametrize(
        ("coding", "body", "reason"),
        [("br", b"x", "protocol"), ("gzip", b"no gzip", "protocol"), ("gzip", gzip.compress(b"cut off", mtime=0)[:-9], "interrupted")],
    )
    def test_a_reply_that_cannot_be_unpacked_is_a_fault(self, httpserver: HTTPServer, coding: str, body: bytes, reason: str) -> None:
        httpserver.expect_request("/x").respond_with_data(body, headers={"Content-Encoding": coding})
        assert fault_of(lambda: HttpClient(timeout=5).read(httpserver.url_for("/x"))).reason == reason


class TestWhetherTheRunGoesOn:
    def test_nothing_is_sent_when_it_has_ended(self, httpserver: HTTPServer) -> None:
        client = HttpClient(timeout=5, may_change=lambda: False)
        fault = fault_of(lambda: client.change("POST", httpserver.url_for("/x"), json={}))
        assert (fault.reason, fault.sent, client.sent_late) == ("not_sent", False, False)
        assert httpserver.log == []

    def test_it_is_asked_when_the_connection_stands(self, httpserver: HTTPServer) -> None:
        answers = iter([True, False])
        client = HttpClient(timeout=5, may_change=lambda: next(answers))
        fault = fault_of(lambda: client.change("POST", httpserver.url_for("/x"), json={}))
        assert (fault.reason, fault.sent, client.sent_late) == ("not_sent", False, False)
        assert client.request_count == 0
        assert httpserver.log == []

    @pytest.mark.parametrize("answer", [HEAD + b"Content-Length: 2\r\n\r\n{}", b"", None])
    def test_a_request_that_left_after_its_end_is_told_whatever_comes_back(self, answer: bytes | None) -> None:
        answers = iter([True, True, False])
        client = HttpClient(timeout=1, may_change=lambda: next(answers))
        with scripted(answer) as (url, asked), suppress(HttpFault):
            client.change("POST", url, json={})
        assert len(asked) == 1
        assert client.sent_late

    def test_a_request_that_left_in_time_is_not_late_however_long_its_reply_takes(self, httpserver: HTTPServer) -> None:
        goes_on = [True]

        def slow(_request: object) -> Response:
            threading.Event().wait(0.5)  # By now the client knows that its request has left.
            goes_on[0] = False
            return Response("{}")

        httpserver.expect_request("/x").respond_with_handler(slow)
        client = HttpClient(timeout=5, may_change=lambda: goes_on[0])
        assert client.change("POST", httpserver.url_for("/x"), json={}).status == 200
        assert not client.sent_late

    def test_reading_is_not_changing(self, httpserver: HTTPServer) -> None:
        httpserver.expect_request("/x").respond_with_json({})
        client = HttpClient(timeout=5, may_change=lambda: False)
        assert client.read(httpserver.url_for("/x")).status == 200
        assert not client.sent_late


class TestProxies:
    """The environment names proxies, as for every tool."""

    def test_a_request_goes_through_the_proxy_and_its_password_only_there(
        self, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
        with scripted(head) as (proxy, asked):
            monkeypatch.setenv("http_proxy", proxy.replace("//", "//user:p%40ss@"))
            assert HttpClient(timeout=5).change("POST", "http://router.test/x", json={"a": 1}).status == 200
        assert asked[0].startswith(b"POST http://router.test/x HTTP/1.1\r\n")
        assert b"Proxy-Authorization: Basic dXNlcjpwQHNz\r\n" in asked[0].replace(b"proxy-authorization: ", b"Proxy-Authorization: ")
        httpserver.expect_request("/x").respond_with_json({})
        monkeypatch.setenv("no_proxy", "127.0.0.0/8,localhost")
        assert HttpClient(timeout=5).read(httpserver.url_for("/x")).status == 200
        assert not {name.lower() for name in dict(httpserver.log[0][0].headers)} & {"proxy-authorization"}

    def test_a_proxy_that_refuses_the_tunnel_proves_that_nothing_was_sent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with scripted(b"HTTP/1.1 403 Forbidden\r\n\r\n") as (proxy, asked):
            monkeypatch.setenv("https_proxy", proxy)
            client = HttpClient(timeout=5)
            fault = fault_of(lambda: client.change("POST", "https://router.test/x", json={"password": "Secret-123"}))
        assert (fault.sent, client.request_count) == (False, 0)
        assert asked[0].startswith(b"CONNECT router.test:443 ")

    def test_a_proxy_that_cannot_be_used_proves_that_nothing_was_sent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("https_proxy", "gopher://127.0.0.1:9")
        fault = fault_of(lambda: HttpClient(timeout=5).change("POST", "https://router.test/x", json={}))
        assert (fault.sent, fault.reason) == (False, "protocol")


class TestTrust:
    def test_who_pins_a_certificate_takes_nothing_from_those_who_do_not(self, untrusted_https: str, untrusted_certificate: Path) -> None:
        """Clients share what they trust, and a fingerprint turns the check of the name off."""
        other_name = untrusted_https.replace("127.0.0.1", "localhost")
        pinned = HttpClient(timeout=5, fingerprint=fingerprint_of(untrusted_certificate))
        for url in (untrusted_https, other_name):
            assert pinned.change("POST", url, json={}).status == 200
        named = HttpClient(timeout=5, ca_path=str(untrusted_certificate))
        assert named.change("POST", untrusted_https, json={}).status == 200
        assert fault_of(lambda: HttpClient(timeout=5, ca_path=str(untrusted_certificate)).read(other_name)).reason == "certificate"
        assert fault_of(lambda: HttpClient(timeout=5).read(untrusted_https)).reason == "certificate"
        assert HttpClient(timeout=5, validate_certs=False).read(other_name).status == 200
        assert fault_of(lambda: HttpClient(timeout=5).read(untrusted_https)).reason == "certificate"

    def test_what_the_environment_trusts_counts_where_nothing_is_named(
        self, untrusted_https: str, untrusted_certificate: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _http._tls_context.cache_clear()
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(untrusted_certificate))
        try:
            assert HttpClient(timeout=5).read(untrusted_https).status == 200
        finally:
            _http._tls_context.cache_clear()

    @pytest.mark.parametrize("content", ["", "no certificate"])
    def test_certificates_that_cannot_be_read_prove_that_nothing_was_sent(self, untrusted_https: str, tmp_path: Path, content: str) -> None:
        file = tmp_path / "ca.pem"
        file.write_text(content)
        for path in (file, tmp_path / "none.pem"):
            fault = fault_of(lambda path=path: HttpClient(timeout=5, ca_path=str(path)).change("POST", untrusted_https, json={}))
            assert not fault.sent
