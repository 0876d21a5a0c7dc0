# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which links may be followed. A link is read in the one way that every program reads it, or not at all."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

_PORTS = {"https": 443, "http": 80}
_POSSIBLE_PORTS = range(1, 65536)

_WEB = re.compile(r"(https?)://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")

# Microsoft's link scanner, in its public and its national clouds (documented).
_SAFE_LINKS = re.compile(
    r"https://[a-z0-9-]+\.safelinks\.protection\.(?:outlook\.com|office365\.us|partner\.outlook\.cn)(?::443)?/[^?#]*\?(?P<query>[^#]*)",
    re.IGNORECASE,
)
# A mail that is passed on can be rewritten again.
_MOST_WRAPPERS = 3

# Shorter ones are words (a language, a user name) that would be masked wherever they stand.
_SHORTEST_SECRET = 8


class UnsafeLink(Exception):
    """A link that must not be followed. C(reason): C(link_unsafe) or C(link_foreign_host). The text shows its host at most."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True)
class AllowedHost:
    """Where links may point. None for any scheme (of http and https), any port."""

    host: str
    port: int | None = None
    scheme: str | None = None

    @classmethod
    def read(cls, text: str) -> AllowedHost:
        """From a name or an address, with or without a port, or a URL that ends after them. ValueError for anything else."""
        text = text.strip()
        scheme, separator, rest = text.rpartition("://")
        scheme = scheme.lower()
        if separator and scheme not in _PORTS:
            raise ValueError("must begin with https:// or http://, or with the host")
        if rest.count(":") > 1 and not rest.startswith("["):
            rest = f"[{rest}]"
        rest = rest.removesuffix("/")
        if not rest.isascii():
            try:
                rest = rest.encode("idna").decode("ascii")
            except UnicodeError:
                raise ValueError("holds no host name") from None
        match = _AUTHORITY.fullmatch(rest)
        if match is None:
            raise ValueError("must be a host name or an address, with or without a port")
        port = int(match[2]) if match[2] else None
        if port is not None and port not in _POSSIBLE_PORTS:
            raise ValueError("has a port that there is not")
        return cls(_canonical(match[1]), port or _PORTS.get(scheme), scheme or None)


@dataclass(frozen=True)
class WebLink:
    """A link that can be read in one way only. C(host) in its canonical form; C(rest) is everything that follows the port."""

    text: str
    scheme: str
    host: str
    port: int
    rest: str

    @property
    def is_front_page(self) -> bool:
        """Whether it leads to a host and nothing there: the vendor's page in a footer, never a link with a token."""
        return self.rest in ("", "/", "/#", "#", "?", "/?")

    @property
    def key(self) -> tuple[str, str, int, str]:
        """Alike for two spellings of one link."""
        return self.scheme, self.host, self.port, self.rest or "/"

    @property
    def place(self) -> str:
        """The host and its port, for a message."""
        return f"{self.host} port {self.port}"

    def is_allowed(self, allowed: Sequence[AllowedHost]) -> bool:
        return any(self.host == each.host and each.port in (None, self.port) and each.scheme in (None, self.scheme) for each in allowed)


def read_link(text: str) -> WebLink:
    """UnsafeLink for one that is not http or https, or that two programs could read differently."""
    if not text.isprintable() or re.search(r"[\s\\<>\"`]", text):
        raise UnsafeLink("link_unsafe", "it holds characters that have no place in a link")
    match = _WEB.fullmatch(text)
    if match is None:
        raise UnsafeLink("link_unsafe", "it is no http or https link")
    scheme, authority, rest = match[1].lower(), match[2], match[3]
    if "@" in authority:
        raise UnsafeLink("link_unsafe", "it holds a user name")
    if not authority.isascii():
        raise UnsafeLink("link_foreign_host", f"it points to {ascii(authority)[1:-1]}, which only looks like a host name")
    host = _AUTHORITY.fullmatch(authority)
    if host is None or not rest.isascii():
        raise UnsafeLink("link_unsafe", "it cannot be read with certainty")
    port = int(host[2]) if host[2] else _PORTS[scheme]
    if port not in _POSSIBLE_PORTS:
        raise UnsafeLink("link_unsafe", "it names a port that there is not")
    return WebLink(text, scheme, _canonical(host[1]), port, rest)


def unwrap(text: str) -> str:
    """The link inside Microsoft's Safe Links; the same text where there is none that can be told for certain."""
    for _wrapper in range(_MOST_WRAPPERS):
        match = _SAFE_LINKS.fullmatch(text)
        if match is None:
            break
        inner = [value for name, _equals, value in (pair.partition("=") for pair in match["query"].split("&")) if name.lower() == "url"]
        if len(inner) != 1 or "+" in inner[0]:
            break
        try:
            text = unquote(inner[0], errors="strict")
        except UnicodeDecodeError:
            break
    return text


def secrets_of(link: str) -> list[str]:
    """What of a link lets somebody use it: all that follows the host, and the values in it that may be a token."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return [link]
    rest = link.partition("://")[2]
    tail = rest[len(parts.netloc) :] if parts.netloc else link
    values = [value for _name, value in parse_qsl(parts.query)] + parts.path.split("/") + [parts.fragment]
    found = [tail, *(form for value in values for form in (value, unquote(value)) if len(value) >= _SHORTEST_SECRET)]
    return [secret for secret in dict.fromkeys(found) if secret not in ("", "/")]


def is_private(host: str) -> bool:
    """Whether a host is an address of a local network (RFC 1918, unique local, link local), which no other network leads to."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return address.is_private and not address.is_loopback


def _canonical(host: str) -> str:
    """One spelling for each host: names in small letters, addresses as ipaddress writes them."""
    bare = host.strip("[]").lower().removesuffix(".")
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        return bare
