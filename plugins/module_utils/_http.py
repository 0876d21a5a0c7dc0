# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One HTTP client for everything that talks to a device or a vendor.

What sets it apart from a plain session: reads are retried and changes never are; a failed change is told apart as I(certainly not
sent) and I(sent, outcome unknown), from what really happened on the connection and not from the kind of error; redirects are never
followed, because they would carry secrets elsewhere; every request that went out is counted, retries too; and time limits hold for
whole phases (connecting; the request and the head of its reply; the body), so that a server which sends a byte now and then gains nothing.
"""

from __future__ import annotations

import functools
import io
import json
import os
import socket
import ssl
import time
import traceback
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies

from ansible_collections.keyturn.devices.plugins.module_utils._spec import Spec

IMPORT_ERROR: str | None = None
try:
    import urllib3
    from certifi import where as certificates_of_requests
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.filepost import encode_multipart_formdata
    from urllib3.util import Retry, Timeout, make_headers
    from urllib3.util.connection import allowed_gai_family
    from urllib3.util.ssl_ import create_urllib3_context

    if find_spec("requests") is None:  # imported where a proxy is used
        raise ImportError("No module named 'requests'")
except ImportError:
    IMPORT_ERROR = traceback.format_exc()
    if not TYPE_CHECKING:
        HTTPConnection = HTTPSConnection = HTTPConnectionPool = HTTPSConnectionPool = object

#: Nothing that one device says in a reply is longer.
MOST_BYTES = 1024 * 1024
_PIECE = 64 * 1024

# How many time-outs the whole body of a reply may take.
_BODY_TIMEOUTS = 2
_HEADERS = {"User-Agent": "keyturn.devices", "Accept": "application/json", "Accept-Encoding": "gzip"}


def http_spec() -> Spec:
    """The options of everything that speaks HTTP."""
    return Spec(
        {
            "validate_certs": {"type": "bool", "default": True},
            "ca_path": {"type": "path"},
            "timeout": {"type": "int", "default": 30},
        }
    )


class HttpFault(Exception):
    """A request without a usable reply.

    C(reason) is one of C(unreachable), C(certificate), C(timeout), C(interrupted), C(protocol), C(not_sent). C(sent) tells whether anything
    of the request may have reached the other side: only C(False) proves that nothing was changed.
    """

    def __init__(self, reason: str, message: str, sent: bool) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.sent = sent


@dataclass(frozen=True)
class Reply:
    """A whole reply. The body may hold secrets (errors echo passwords), so it is not shown."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """The body as JSON; ValueError when it is none, with no piece of the body in the message."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise ValueError("the reply is not JSON") from None

    @property
    def retry_after(self) -> float | None:
        """Seconds from a C(Retry-After) header given in seconds; None for none, or for a date."""
        text = self.headers.get("Retry-After", "").strip()
        return float(text) if text.isdecimal() else None


@dataclass
class _Journal:
    """What really happened on the connections of one client, and how long what happens now may take.

    Moments are those of C(clock). C(deadline): the end of everything. C(timeouts): seconds for connecting and for a reply to begin.
    C(before_sending) is called when a request is about to leave, and may raise; C(after_sending) when the last byte of it has left.
    """

    clock: Callable[[], float]
    requests: int = 0
    sent: bool = False
    deadline: float = float("inf")
    timeouts: tuple[float, float] = (0, 0)
    before_sending: Callable[[], None] = lambda: None
    after_sending: Callable[[], None] = lambda: None
    _phase: str = "connecting"
    _until: float = float("inf")

    def begin(self, phase: str, seconds: float) -> None:
        """From now on for at most C(seconds). The phase completes the sentence I(the time was over while ...)."""
        self._phase = phase
        self._until = self.clock() + seconds

    def left(self) -> float:
        """Seconds for the next step of this phase, more than 0. TimeoutError when the phase took too long, HttpFault past the deadline."""
        now = self.clock()
        if now >= self.deadline:
            raise HttpFault("timeout", f"the deadline passed while {self._phase}", self.sent)
        if now >= self._until:
            raise TimeoutError(f"time-out while {self._phase}")
        return min(self.deadline, self._until) - now


class _Timed(io.RawIOBase):
    """What arrives on a connection, no single read of which waits longer than the journal allows."""

    def __init__(self, raw: io.RawIOBase, connection: socket.socket, journal: _Journal) -> None:
        self._raw = raw
        self._connection = connection
        self._journal = journal

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._connection.settimeout(min(self._journal.left(), self._journal.timeouts[1]))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedResponse(HTTPResponse):
    def __init__(self, journal: _Journal, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._journal = journal
        self.fp = io.BufferedReader(_Timed(self.fp.detach(), sock, journal))

    def begin(self) -> None:
        super().begin()
        self._journal.begin("the reply was read", _BODY_TIMEOUTS * self._journal.timeouts[1])


class _Journalled:
    """For a connection class: notes the moment from which a request may have reached the other side, and keeps to the time limits."""

    journal: _Journal

    def connect(self: Any) -> None:
        self.response_class = functools.partial(_TimedResponse, self.journal)
        self.journal.begin("connecting", self.journal.timeouts[0])
        try:
            super().connect()  # type: ignore[misc]
        finally:
            # Whatever a proxy was told while connecting, the request itself has not left yet.
            self.journal.sent = False

    def _new_conn(self: Any) -> socket.socket:
        """The addresses of the host share the time there is for connecting; urllib3 would give each of them all of it."""
        name = self._dns_host
        try:
            found = socket.getaddrinfo(name, self.port, allowed_gai_family(), socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            found = []  # urllib3 asks again, and says in its own way what is wrong.
        addresses = list(dict.fromkeys(address[0] for *_rest, address in found)) or [name]
        try:
            for address in addresses:
                self._dns_host, self.timeout = address, self.journal.left()
                try:
                    connection: socket.socket = super()._new_conn()  # type: ignore[misc]
                except urllib3.exceptions.HTTPError:
                    if address == addresses[-1]:
                        raise
                else:
                    connection.settimeout(self.journal.left())  # for the TLS handshake
                    return connection
        finally:
            self._dns_host = name
        raise AssertionError("a host has an address")

    def endheaders(self: Any, *args: Any, **kwargs: Any) -> None:
        if self.sock is None:
            self.connect()
        journal = self.journal
        journal.before_sending()
        journal.begin("waiting for the reply", journal.timeouts[1])
        journal.requests += 1
        journal.sent = True
        super().endheaders(*args, **kwargs)  # type: ignore[misc]

    def send(self: Any, data: Any) -> None:
        if self.sock is None or not isinstance(data, bytes):
            super().send(data)  # type: ignore[misc]
            return
        # In pieces: TLS would wait anew for each record that the other side is slow to take.
        for start in range(0, len(data), _PIECE):
            self.sock.settimeout(self.journal.left())
            super().send(data[start : start + _PIECE])  # type: ignore[misc]

    def getresponse(self: Any) -> Any:
        self.journal.after_sending()
        return super().getresponse()  # type: ignore[misc]


class _PlainConnection(_Journalled, HTTPConnection):  # type: ignore[misc]
    pass


class _TlsConnection(_Journalled, HTTPSConnection):  # type: ignore[misc]
    pass


class _Pool:
    """For a pool class: its connections keep the journal."""

    def __init__(self, journal: _Journal, *args: Any, **kwargs: Any) -> None:
        self._journal = journal
        super().__init__(*args, **kwargs)

    def _new_conn(self) -> Any:
        connection = super()._new_conn()  # type: ignore[misc]
        connection.journal = self._journal
        return connection


class _PlainPool(_Pool, HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(_Pool, HTTPSConnectionPool):
    ConnectionCls = _TlsConnection

    def __init__(self, journal: _Journal, fingerprint: str | None, *args: Any, **kwargs: Any) -> None:
        super().__init__(journal, *args, **kwargs)
        self.assert_fingerprint = fingerprint


@functools.lru_cache(maxsize=8)
def _tls_context(ca_path: str | None, is_verified: bool) -> ssl.SSLContext:
    """What many clients share, because it costs as much as a connection. The two kinds are never one: urllib3 turns the check of the
    host's name off in the context that a fingerprint is checked with."""
    context: ssl.SSLContext = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED if is_verified else ssl.CERT_NONE)
    if is_verified:
        # The variables are those of requests and curl, which people set for every tool that is written in Python.
        trusted = ca_path or os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or certificates_of_requests()
        context.load_verify_locations(**{"capath" if os.path.isdir(trusted) else "cafile": trusted})
    return context


def _proxy_to(url: str) -> tuple[str, dict[str, str] | None] | None:
    """The proxy that the environment names for a place, with its headers; None for the direct way."""
    if not getproxies():
        return None
    # What no_proxy may say is more than the standard library reads. Only here, because it takes long to import.
    from requests.utils import get_auth_from_url, get_environ_proxies, prepend_scheme_if_needed, select_proxy

    proxy = select_proxy(url, get_environ_proxies(url))
    if proxy is None:
        return None
    user, password = get_auth_from_url(proxy)
    headers: dict[str, str] | None = make_headers(proxy_basic_auth=f"{user}:{password}") if user else None
    return prepend_scheme_if_needed(proxy, "http"), headers  # type: ignore[no-untyped-call]


class _Connections:
    """The connections of one client, directly or through the proxy that the environment names for a place."""

    def __init__(self, journal: _Journal, fingerprint: str | None, ca_path: str | None, is_verified: bool) -> None:
        # Not as a setting of the pool manager: in older releases of urllib3 that reaches pools for plain HTTP too, which refuse it.
        self._classes: Any = {
            "http": functools.partial(_PlainPool, journal),
            "https": functools.partial(_TlsPool, journal, fingerprint),
        }
        self._ca_path = ca_path
        self._is_verified = is_verified
        self._managers: dict[tuple[str, str], urllib3.PoolManager] = {}

    def to(self, url: str) -> urllib3.PoolManager:
        """What requests to this place go through. ValueError for an impossible one, OSError for certificates that cannot be read."""
        parts = urlsplit(url)
        if parts.scheme not in self._classes or not parts.hostname:
            raise ValueError("no URL of a web server")
        place = (parts.scheme, parts.netloc)
        if place not in self._managers:
            self._managers[place] = self._manager(url)
        return self._managers[place]

    def _manager(self, url: str) -> urllib3.PoolManager:
        proxy = _proxy_to(url)
        settings: dict[str, Any] = {}
        if not (proxy is None and url.startswith("http:")):
            settings["ssl_context"] = _tls_context(self._ca_path, self._is_verified)
            settings["cert_reqs"] = "CERT_REQUIRED" if self._is_verified else "CERT_NONE"
        if proxy is None:
            manager = urllib3.PoolManager(**settings)
        else:
            address, headers = proxy
            manager = urllib3.ProxyManager(address, proxy_headers=headers, **settings)
        manager.pool_classes_by_scheme = self._classes
        return manager

    def close(self) -> None:
        for manager in self._managers.values():
            manager.clear()


@dataclass
class BearerToken:
    """C(token) may change from request to request; empty for one that needs none."""

    token: str = field(default="", repr=False)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


class HttpClient:
    """Sends requests one after the other. For one thread; C(deadline) is a moment of C(clock), seconds.

    C(timeout): seconds for connecting, for a request until its reply begins, for each piece of the body; the whole body may take twice
    that. C(most_bytes): a longer body is a fault, and no more than that of it is held. C(fingerprint): SHA-256 in hexadecimal digits of
    the one certificate that is believed, whatever else is said of it; C(validate_certs) and C(ca_path) do not count then.
    C(may_change): asked right before a changing request leaves, when the connection stands; when it says no, nothing is sent. It is asked
    again when the request has left: C(sent_late) tells that it said no by then, so the request was sent when nothing should have been.
    """

    def __init__(
        self,
        *,
        validate_certs: bool = True,
        ca_path: str | None = None,
        fingerprint: str | None = None,
        timeout: float = 30,
        auth: BearerToken | None = None,
        retries: int = 3,
        deadline: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        may_change: Callable[[], bool] = lambda: True,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._timeout = timeout
        self._retries = retries
        self._clock = clock
        self.may_change = may_change
        self._most_bytes = most_bytes
        self._journal = _Journal(clock)
        self._connections = _Connections(self._journal, fingerprint, ca_path, validate_certs and not fingerprint)
        self._auth = auth or BearerToken()
        self.deadline = deadline
        self.sent_late = False
        if not validate_certs:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    @property
    def request_count(self) -> int:
        """How many requests went out, retries included."""
        return self._journal.requests

    def close(self) -> None:
        """Close every connection."""
        self._connections.close()

    def read(self, url: str, params: Mapping[str, str] | None = None, *, retry: bool = True) -> Reply:
        """GET. Retried on connection faults and on 500, 502, 503, 504 unless C(retry) is false; the last reply is returned."""
        retries = Retry(
            total=self._retries if retry else 0,
            redirect=False,
            status_forcelist=(500, 502, 503, 504),
            allowed_methods=("GET", "HEAD"),
            backoff_factor=0.3,
            raise_on_status=False,
            # A server may ask for a pause of hours; the caller decides about such pauses, within its deadline.
            respect_retry_after_header=False,
        )
        return self._whole(self._open("GET", f"{url}?{urlencode(params)}" if params else url, retries))

    def download(self, url: str, accept: str, keep: Callable[[bytes], object]) -> Reply:
        """GET what can be had only once. C(keep) is given every piece of a 200 body as it arrives, before anything can break.

        Never retried here: a second request may find nothing. The body of any other reply is in the Reply. What C(keep)
        raises is raised.
        """
        # Not compressed: of a compressed body that breaks, the end of what arrived could not be read.
        response = self._open("GET", url, Retry(0, read=False), headers={"Accept": accept, "Accept-Encoding": "identity"})
        if response.status != 200:
            return self._whole(response)
        with response:
            for piece in self._pieces(response):
                keep(piece)
        return Reply(response.status, response.headers, b"")

    def change(
        self,
        method: str,
        url: str,
        *,
        patience: float = 0,
        fresh: bool = True,
        json: Any = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
    ) -> Reply:
        """POST, PUT or DELETE, sent at most once, on a connection of its own.

        A kept-alive connection may be closed by the server at the moment the request leaves: that would be an unknown outcome
        for nothing. Where the outcome matters little, such as for the end of a session, C(fresh) may be false, to spare a router the
        work of another connection. C(patience): seconds to wait for the reply at least, past the client's time-out and the deadline too:
        for a reply without which something is left behind. Nothing is sent after the deadline all the same. The body is C(json), or a form
        of C(files) (field: name, content, type), or none.
        """
        if fresh:
            self._connections.close()
        body, kind = _encoded(json, files)
        headers = {"Content-Type": kind} if kind else {}
        return self._whole(self._open(method, url, Retry(0, read=False), patience, changes=True, body=body, headers=headers))

    def _open(
        self,
        method: str,
        url: str,
        retries: Retry,
        patience: float = 0,
        *,
        changes: bool = False,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> urllib3.BaseHTTPResponse:
        journal = self._journal
        journal.sent = False
        deadline = float("inf") if self.deadline is None else self.deadline
        journal.timeouts = (self._timeout, max(self._timeout, patience))
        journal.deadline = max(deadline, self._clock() + patience)
        looked = False

        def before_sending() -> None:
            if self._clock() >= deadline:
                raise HttpFault("timeout", "the deadline passed before the request was sent", sent=False)
            if changes and not self.may_change():
                raise HttpFault("not_sent", "the run that asked for it has ended", sent=False)

        def after_sending() -> None:
            nonlocal looked
            if changes and not looked:
                looked = True
                self.sent_late = not self.may_change() or self.sent_late

        journal.before_sending, journal.after_sending = before_sending, after_sending
        before_sending()  # Not worth a connection otherwise.
        try:
            return self._connections.to(url).request(
                method,
                url,
                body=body,
                headers={**_HEADERS, **self._auth.headers, **(headers or {})},
                retries=retries,
                redirect=False,
                timeout=Timeout(*journal.timeouts),
                preload_content=False,
                decode_content=False,
            )
        except ValueError as problem:  # An impossible URL or header; its text would show them.
            raise HttpFault("protocol", f"the request cannot be made: {type(problem).__name__}", sent=False) from None
        except (OSError, HTTPException, urllib3.exceptions.HTTPError) as problem:
            raise self._fault(problem) from None
        finally:
            if journal.sent:  # It may have left in part, on a connection that broke.
                after_sending()

    def _whole(self, response: urllib3.BaseHTTPResponse) -> Reply:
        with response:
            body = b"".join(self._pieces(response))
            return Reply(response.status, response.headers, body)

    def _pieces(self, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        """The body as it arrives, piece by piece. One that is shorter than announced, too long or too slow is a fault."""
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower() or "identity"
        if encoding not in ("identity", "gzip"):
            raise HttpFault("protocol", "the reply is encoded in a way that was not asked for", sent=True)
        unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16) if encoding == "gzip" else None
        length = 0
        while True:
            try:
                # read1: what the connection has, without waiting for a full piece that may never come.
                arrived = response.read1(_PIECE)
                # Never more than one byte too many: what is small on its way may be huge unpacked.
                piece = unpacker.decompress(arrived, self._most_bytes - length + 1) if unpacker and arrived else arrived
            except (OSError, urllib3.exceptions.HTTPError) as problem:
                raise self._fault(problem) from None
            except zlib.error:
                raise HttpFault("protocol", "the reply cannot be unpacked", sent=True) from None
            length += len(piece)
            if length > self._most_bytes:
                raise HttpFault("protocol", f"the reply is longer than {self._most_bytes} bytes", sent=True)
            if not arrived:
                break
            if piece:
                yield piece
        if unpacker is not None and response.tell() and not unpacker.eof:
            raise HttpFault("interrupted", "the reply broke off", sent=True)
        announced = response.headers.get("Content-Length", "")
        # read1 does not notice a short body in every release of urllib3.
        if announced.isdecimal() and response.tell() < int(announced):
            raise HttpFault("interrupted", f"the reply broke off after {response.tell()} of {announced} bytes", sent=True)

    def _fault(self, problem: Exception) -> HttpFault:
        sent = self._journal.sent
        chain = list(_chain(problem))
        text = _cause(chain)
        if not sent and any(isinstance(link, urllib3.exceptions.SSLError) and "Fingerprint" in str(link) for link in chain):
            return HttpFault("certificate", "the certificate is not the one with the given fingerprint", sent)
        if not sent and any(isinstance(link, ssl.SSLError) and not _cut(link) for link in chain):
            return HttpFault("certificate", f"no trusted TLS connection: {text}", sent)
        if any(isinstance(link, (urllib3.exceptions.TimeoutError, TimeoutError)) and not _refused(link) for link in chain):
            doing = "waiting for the reply" if sent else "connecting"
            return HttpFault("timeout", f"time-out while {doing}", sent)
        if not sent:
            return HttpFault("unreachable", f"no connection: {text}", sent)
        return HttpFault("interrupted", f"the connection broke after the request was sent: {text}", sent)


def _encoded(content: Any, files: Mapping[str, tuple[str, bytes, str]] | None) -> tuple[bytes | None, str]:
    """A body and its type."""
    if files is not None:
        return encode_multipart_formdata(files)
    return (None, "") if content is None else (json.dumps(content).encode(), "application/json")


def _cut(problem: ssl.SSLError) -> bool:
    """Whether a TLS handshake ended because the other side went away, which says nothing of its certificate."""
    return isinstance(problem, (ssl.SSLEOFError, ssl.SSLZeroReturnError))


def _refused(problem: BaseException) -> bool:
    """Whether a connection was refused or a name not found, which urllib3 counts among the time-outs."""
    return isinstance(problem, urllib3.exceptions.NewConnectionError)


def _chain(problem: BaseException) -> Iterator[BaseException]:
    """An exception and everything inside it: requests and urllib3 wrap in causes, contexts, C(reason) and arguments."""
    seen: set[int] = set()
    waiting: list[object] = [problem]
    while waiting:
        link = waiting.pop(0)
        if isinstance(link, BaseException) and id(link) not in seen:
            seen.add(id(link))
            yield link
            waiting += [link.__cause__, link.__context__, getattr(link, "reason", None), *link.args]


def _cause(chain: list[BaseException]) -> str:
    """The operating system's word for what went wrong, or the kind of the innermost exception. Never a URL or a header."""
    for link in chain:
        if isinstance(link, ssl.SSLCertVerificationError):
            return link.verify_message or "certificate verify failed"
    for link in chain:
        if isinstance(link, OSError) and link.strerror:
            return link.strerror
    return type(chain[-1]).__name__
