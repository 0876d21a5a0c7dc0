# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The RMS API as a client sees it: where things are, what an answer is, which answers end everything."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from ansible_collections.keyturn.devices.plugins.module_utils._http import HttpClient, HttpFault, Reply
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor

# The status service stands at the root of the public service's host, also for its host that is the API alone (observed).
_API_HOST = "api.rms.teltonika-networks.com"
_API_HOST_STATUS_URL = "https://rms.teltonika-networks.com/status"

# Without a deadline, a pause that RMS asks for is kept up to this many seconds.
_LONGEST_PAUSE = 60.0

_WHY_REFUSED = "It is mistyped, withdrawn or expired: make a new one in the account settings of RMS."
_SCOPES = (
    "A token needs the scopes to read devices and, to set passwords, the device passwords scope; RMS also answers so for what lies outside "
    "a token's scopes."
)


class RmsFault(Exception):
    """A fault of the whole call: whatever else is asked now will end the same way.

    C(reason): C(unreachable), C(certificate), C(timeout), C(interrupted), C(unauthorized), C(quota), C(protocol), C(bad_input).
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True)
class VendorError:
    """One element of C(errors). C(source) is a field's name, a device's id or serial, or empty (documented)."""

    code: str
    source: str
    message: str


def base_url(url: str) -> str:
    """A base URL without its last slash; RmsFault when it is none."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise RmsFault("bad_input", "rms_url and rms_status_url must be URLs such as https://rms.teltonika-networks.com/api.")
    return url.rstrip("/")


def status_url(rms_url: str, given: str | None) -> str:
    """Where the status service is. It lies outside the API (observed), so it is known only for the public layout; never guessed."""
    if given:
        return base_url(given)
    parts = urlsplit(base_url(rms_url))
    if parts.hostname == _API_HOST:
        return _API_HOST_STATUS_URL
    if parts.path.endswith("/api"):
        return f"{parts.scheme}://{parts.netloc}/status"
    raise RmsFault("bad_input", "rms_status_url is needed: rms_url does not end in /api, so where the status service is cannot be told.")


def read_envelope(reply: Reply) -> dict[str, Any] | None:
    """The JSON object of a reply; None when it is something else."""
    try:
        content = reply.json()
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def errors_of(envelope: Mapping[str, Any] | None) -> list[VendorError]:
    """The errors of an envelope, in whatever of the known shapes."""
    errors = (envelope or {}).get("errors")
    if isinstance(errors, Mapping):  # field -> messages, as the framework behind many such services says it by default
        return [
            VendorError("", str(source), " ".join(map(str, texts)) if isinstance(texts, list) else str(texts))
            for source, texts in errors.items()
        ]
    found = []
    for error in errors if isinstance(errors, list) else []:
        if isinstance(error, Mapping):
            source = error.get("source")
            found.append(VendorError(str(error.get("code") or ""), "" if source is None else str(source), str(error.get("message") or "")))
        else:
            found.append(VendorError("", "", str(error)))
    return found


def whole_number(value: object) -> int | None:
    """A number that may have been turned into a string on its way (observed); None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    return None


class RmsClient:
    """One account of RMS. C(deadline): a moment of C(clock) after which no pause is made and no change is sent; None for no limit."""

    def __init__(
        self,
        http: HttpClient,
        redactor: Redactor,
        *,
        rms_url: str,
        rms_status_url: str | None = None,
        deadline: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.http = http
        self.redactor = redactor
        self.deadline = deadline
        self.clock = clock
        self.sleep = sleep
        self._base = base_url(rms_url)
        self._rms_url = rms_url
        self._status_url = rms_status_url
        self._has_paused = False

    @property
    def request_count(self) -> int:
        """HTTP requests that went out."""
        return self.http.request_count

    @property
    def remaining(self) -> float:
        """Seconds until the deadline."""
        return float("inf") if self.deadline is None else self.deadline - self.clock()

    @property
    def place(self) -> str:
        """The base URL as it may be shown: without user information."""
        parts = urlsplit(self._base)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def warning(self) -> str:
        """What a person should be warned of before anything is sent; empty for nothing."""
        if not self._in_clear:
            return ""
        return f"RMS is spoken to at {self.place} without TLS: the token and every password can be read on the way."

    @property
    def _in_clear(self) -> bool:
        """Whether what is sent travels unencrypted, farther than this host."""
        parts = urlsplit(self._base)
        host = (parts.hostname or "").rstrip(".")
        try:
            local = ipaddress.ip_address(host).is_loopback
        except ValueError:
            local = host == "localhost" or host.endswith(".localhost")
        return parts.scheme == "http" and not local

    def url(self, *path: str) -> str:
        """The URL of a path under the API, each part quoted."""
        return "/".join([self._base, *(quote(part, safe="") for part in path)])

    def channel_url(self, channel: str) -> str:
        """The URL that tells of a status channel."""
        return f"{status_url(self._rms_url, self._status_url)}/channel/{quote(channel, safe='')}"

    def get(self, *path: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The envelope of a GET that succeeded; RmsFault for every other answer."""
        try:
            reply = self.http.read(self.url(*path), params)
            if reply.status == 429 and self.pause(reply):
                reply = self.http.read(self.url(*path), params)
        except HttpFault as fault:
            raise RmsFault(fault.reason, f"RMS cannot be read at {self.place}: {fault.message}.") from None
        envelope = read_envelope(reply)
        if reply.status == 200 and envelope is not None and envelope.get("success", True) is not False:
            return envelope
        raise self.refusal(reply)

    def change(self, path: Sequence[str], content: Mapping[str, Any]) -> Reply:
        """The reply to a POST, sent at most once; HttpFault for none."""
        return self.http.change("POST", self.url(*path), **content)

    def refusal(self, reply: Reply) -> RmsFault:
        """What an answer that ends everything means."""
        said = self.words(reply)
        if reply.status in (401, 403, 404):
            return RmsFault(
                "unauthorized",
                f"RMS refused the token (HTTP {reply.status}{said}). {_WHY_REFUSED if reply.status == 401 else _SCOPES}",
            )
        if reply.status == 429:
            return RmsFault("quota", f"RMS takes no more requests for now: the rate limit or the monthly quota is spent (HTTP 429{said}).")
        if reply.status >= 500:
            return RmsFault("unreachable", f"RMS does not work at the moment (HTTP {reply.status}{said}).")
        if 300 <= reply.status < 400:
            return RmsFault("protocol", f"RMS answered with a redirect (HTTP {reply.status}), which is not followed: check rms_url.")
        return RmsFault("protocol", f"RMS gave an answer that cannot be used (HTTP {reply.status}{said}).")

    def words(self, reply: Reply) -> str:
        """What the vendor says in an error, as the end of a sentence; empty when it says nothing."""
        envelope = read_envelope(reply)
        texts = [error.message or error.code for error in errors_of(envelope)]
        if not texts and envelope is not None:
            texts = [str(envelope[name]) for name in ("message", "code") if envelope.get(name)][:1]
        return f", {self.shown('; '.join(texts[:3])).rstrip('.')}" if any(texts) else ""

    def shown(self, text: object) -> str:
        """A vendor's text as it may be shown."""
        return self.redactor.shown(text)

    def pause(self, reply: Reply) -> bool:
        """Keep the pause that a 429 asks for. Once per client, and only if it ends before the deadline; False when it was not kept."""
        seconds = reply.retry_after
        limit = _LONGEST_PAUSE if self.deadline is None else self.remaining
        if seconds is None or self._has_paused or seconds >= limit:
            return False
        self._has_paused = True
        self.sleep(seconds)
        return True

    @contextmanager
    def overtime(self, seconds: float) -> Iterator[None]:
        """Go on reading past the deadline: what is fetched inside can be fetched only once, or tells who has an unknown password."""
        deadline, http_deadline = self.deadline, self.http.deadline
        self.deadline = self.clock() + max(seconds, self.remaining)
        if deadline is not None and http_deadline is not None:
            self.http.deadline = http_deadline + self.deadline - deadline
        try:
            yield
        finally:
            self.deadline, self.http.deadline = deadline, http_deadline


class Pages:
    """The pages of one list of things with an C(id), fetched one after the other. Keeps count of what is still to come.

    The greatest page RMS gives is not published; it may be smaller than asked for. C(optional): query parameters that a refusal
    of the first page may be due to; it is then asked for without them.
    """

    def __init__(
        self,
        client: RmsClient,
        path: Sequence[str],
        page: int,
        params: Mapping[str, str] | None = None,
        optional: Mapping[str, str] | None = None,
    ) -> None:
        self._client = client
        self._path = path
        self._page = page
        self._params = dict(params or {})
        self._optional = dict(optional or {})
        self._offset = 0
        self._longest = 0
        self._seen: set[str] = set()
        self.total: int | None = None
        self.complete = False

    @property
    def pages_left(self) -> int:
        """How many more requests it takes to the end, as far as can be told."""
        if self.complete:
            return 0
        if self.total is None or not self._longest:
            return 1
        return max(1, -(-(self.total - self._offset) // self._longest))

    def next_page(self) -> list[Mapping[str, Any]]:
        """The items of the next page that did not come before. RmsFault when RMS repeats itself instead of going on."""
        envelope = self._fetch()
        items = envelope.get("data")
        if not isinstance(items, list):
            raise RmsFault("protocol", "RMS gave a list without a list in it.")
        meta = envelope.get("meta")
        self.total = whole_number(meta.get("total")) if isinstance(meta, Mapping) else None
        known = [item for item in items if isinstance(item, Mapping) and item.get("id") is not None]
        new = {str(item["id"]): item for item in known if str(item["id"]) not in self._seen}
        self._seen.update(new)
        self._offset += len(items)
        self._longest = max(self._longest, len(items))
        if not items or (self.total is not None and self._offset >= self.total):
            self.complete = True
        elif known and not new:
            raise RmsFault(
                "protocol", f"RMS repeats a page of {'/'.join(self._path)} instead of going on, after {len(self._seen)} of {self.total}."
            )
        return list(new.values())

    def _fetch(self) -> dict[str, Any]:
        params = {**self._params, **self._optional, "limit": str(self._page), "offset": str(self._offset)}
        try:
            return self._client.get(*self._path, params=params)
        except RmsFault as fault:
            if fault.reason != "protocol" or self._offset or not self._optional:
                raise
        self._optional = {}
        return self._fetch()

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        while not self.complete:
            yield from self.next_page()
