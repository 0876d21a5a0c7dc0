# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One HTTP client for everything that talks to a device or a vendor.

What sets it apart from a plain session: reads are retried and changes never are; a failed change is told apart as I(certainly not
sent) and I(sent, outcome unknown), from what really happened on the connection and not from the kind of error; redirects are never
followed, because they would carry secrets elsewhere; every request that went out is counted, retries too.
"""

from __future__ import annotations

import json
import ssl
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

IMPORT_ERROR: str | None = None
try:
    import requests
    import urllib3
    from requests.adapters import HTTPAdapter
    from requests.auth import AuthBase
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.util.retry import Retry
except ImportError:
    IMPORT_ERROR = traceback.format_exc()
    if not TYPE_CHECKING:
        AuthBase = HTTPAdapter = HTTPConnection = HTTPSConnection = object

# A listing of ten thousand routers is about 30 MB; nothing a device or a vendor says in one reply is longer than this.
_MOST_BYTES = 256 * 1024 * 1024
_PIECE = 64 * 1024
_USER_AGENT = "keyturn.devices"


def http_argument_spec() -> dict[str, Any]:
    """The options of everything that speaks HTTP, for an AnsibleModule."""
    return {
        "validate_certs": {"type": "bool", "default": True},
        "ca_path": {"type": "path"},
        "timeout": {"type": "int", "default": 30},
    }


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
    """What really happened on the connections of one client."""

    requests: int = 0
    sent: bool = False


def _journalled(base: type[Any], journal: _Journal) -> type[Any]:
    """A connection class that notes the moment from which a request may have reached the other side."""

    class Journalled(base):
        def connect(self) -> None:
            try:
                super().connect()
            finally:
                # Whatever a proxy was told while connecting, the request itself has not left yet.
                journal.sent = False

        def endheaders(self, *args: Any, **kwargs: Any) -> None:
            if self.sock is None:
                self.connect()
            journal.requests += 1
            journal.sent = True
            super().endheaders(*args, **kwargs)

    return Journalled


class _Adapter(HTTPAdapter):
    """An adapter whose connections keep the journal, and whose retries are chosen per request."""

    def __init__(self, journal: _Journal, fingerprint: str | None) -> None:
        self._fingerprint = fingerprint
        self._classes = {
            "http": _pool(urllib3.HTTPConnectionPool, _journalled(HTTPConnection, journal)),
            "https": _pool(urllib3.HTTPSConnectionPool, _journalled(HTTPSConnection, journal)),
        }
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._classes

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._classes
        return manager

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
        # Not as a setting of the pool manager: in older releases of urllib3 that reaches pools for plain HTTP too, which refuse it.
        if self._fingerprint and isinstance(conn, urllib3.HTTPSConnectionPool):
            conn.assert_fingerprint = self._fingerprint


def _pool(base: type[Any], connection: type[Any]) -> type[Any]:
    return type(base.__name__, (base,), {"ConnectionCls": connection})


class BearerToken(AuthBase):
    """The token as an authentication object and not as a header, so that a C(.netrc) entry for the host cannot replace it.

    C(token) may change from request to request; empty for one that needs none.
    """

    def __init__(self, token: str = "") -> None:
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.token:
            request.headers["Authorization"] = f"Bearer {self.token}"
        return request


class HttpClient:
    """Sends requests one after the other. For one thread; C(deadline) is a moment of C(clock), seconds.

    C(fingerprint): SHA-256 in hexadecimal digits of the one certificate that is believed, whatever else is said of it; C(validate_certs)
    and C(ca_path) do not count then. C(may_change): asked right before every changing request; when it says no, nothing is sent.
    """

    def __init__(
        self,
        *,
        validate_certs: bool = True,
        ca_path: str | None = None,
        fingerprint: str | None = None,
        timeout: float = 30,
        auth: AuthBase | None = None,
        retries: int = 3,
        deadline: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        may_change: Callable[[], bool] | None = None,
    ) -> None:
        self._verify: bool | str = (ca_path or True) if validate_certs and not fingerprint else False
        self._timeout = timeout
        self._retries = retries
        self._clock = clock
        self._may_change = may_change
        self._journal = _Journal()
        self._adapter = _Adapter(self._journal, fingerprint)
        self._session = requests.Session()
        self._session.auth = auth
        self._session.headers.update({"User-Agent": _USER_AGENT, "Accept": "application/json"})
        self._session.mount("https://", self._adapter)
        self._session.mount("http://", self._adapter)
        self.deadline = deadline
        self._reply_by = float("inf")
        if not validate_certs:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    @property
    def request_count(self) -> int:
        """How many requests went out, retries included."""
        return self._journal.requests

    def close(self) -> None:
        """Close every connection."""
        self._session.close()

    def read(self, url: str, params: Mapping[str, str] | None = None, *, retry: bool = True) -> Reply:
        """GET. Retried on connection faults and on 500, 502, 503, 504 unless C(retry) is false; the last reply is returned."""
        self._adapter.max_retries = Retry(
            total=self._retries if retry else 0,
            redirect=False,
            status_forcelist=(500, 502, 503, 504),
            allowed_methods=("GET", "HEAD"),
            backoff_factor=0.3,
            raise_on_status=False,
            # A server may ask for a pause of hours; the caller decides about such pauses, within its deadline.
            respect_retry_after_header=False,
        )
        return self._whole(self._open("GET", url, params=params))

    def download(self, url: str, accept: str, keep: Callable[[bytes], object]) -> Reply:
        """GET what can be had only once. C(keep) is given every piece of a 200 body as it arrives, before anything can break.

        Never retried here: a second request may find nothing. The body of any other reply is in the Reply. What C(keep)
        raises is raised.
        """
        self._adapter.max_retries = Retry(0, read=False)
        # Not compressed: of a compressed body that breaks, the end of what arrived could not be read.
        response = self._open("GET", url, headers={"Accept": accept, "Accept-Encoding": "identity"})
        if response.status_code != 200:
            return self._whole(response)
        with response:
            # read1: what the connection has, without waiting for a full piece that may never come.
            for piece in self._pieces(response, iter(lambda: response.raw.read1(_PIECE), b"")):
                keep(piece)
        return Reply(response.status_code, response.headers, b"")

    def change(self, method: str, url: str, *, patience: float = 0, fresh: bool = True, **content: Any) -> Reply:
        """POST, PUT or DELETE, sent at most once, on a connection of its own.

        A kept-alive connection may be closed by the server at the moment the request leaves: that would be an unknown outcome
        for nothing. Where the outcome matters little, such as for the end of a session, C(fresh) may be false, to spare a router the
        work of another connection. C(patience): seconds to wait for the reply at least, past the client's time-out and the deadline too:
        for a reply without which something is left behind. Nothing is sent after the deadline all the same.
        """
        if self._may_change is not None and not self._may_change():
            raise HttpFault("not_sent", "the run that asked for it has ended", sent=False)
        self._adapter.max_retries = Retry(0, read=False)
        if fresh:
            self._session.close()
        return self._whole(self._open(method, url, patience, **content))

    def _open(self, method: str, url: str, patience: float = 0, **content: Any) -> requests.Response:
        self._journal.sent = False
        left = float("inf") if self.deadline is None else self.deadline - self._clock()
        if left <= 0:
            raise HttpFault("timeout", "the deadline passed before the request was sent", sent=False)
        timeout = (min(self._timeout, left), max(min(self._timeout, left), patience))
        self._reply_by = self._clock() + max(left, patience)
        try:
            return self._session.request(method, url, timeout=timeout, verify=self._verify, allow_redirects=False, stream=True, **content)
        except ValueError as problem:  # An impossible URL or header; its text would show them.
            raise HttpFault("protocol", f"the request cannot be made: {type(problem).__name__}", sent=False) from None
        except (OSError, urllib3.exceptions.HTTPError) as problem:  # requests' own exceptions are OSErrors
            raise self._fault(problem) from None

    def _whole(self, response: requests.Response) -> Reply:
        with response:
            body = b"".join(self._pieces(response, response.iter_content(_PIECE)))
            return Reply(response.status_code, response.headers, body)

    def _pieces(self, response: requests.Response, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The body piece by piece. A body shorter than announced, too long or too slow is a fault."""
        length = 0
        while True:
            try:
                piece = next(pieces, None)
            except (OSError, urllib3.exceptions.HTTPError) as problem:
                raise self._fault(problem) from None
            if piece is None:
                break
            yield piece
            length += len(piece)
            if length > _MOST_BYTES:
                raise HttpFault("protocol", f"the reply is longer than {_MOST_BYTES} bytes", sent=True)
            if self._clock() > self._reply_by:
                raise HttpFault("timeout", "the deadline passed while the reply was read", sent=True)
        announced = response.headers.get("Content-Length", "")
        # urllib3 before 2.0 does not notice a short body when it is read through requests.
        if announced.isdecimal() and response.raw.tell() < int(announced):
            raise HttpFault("interrupted", f"the reply broke off after {response.raw.tell()} of {announced} bytes", sent=True)

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
