# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a router is: what a person writes, and the parts of it that a connection needs."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

PORTS = {"https": 443, "http": 80, "ssh": 22}


class AddressError(ValueError):
    """A host that cannot be used. The text does not show it: a URL can hold a password."""


@dataclass(frozen=True)
class Address:
    """One door of one router."""

    scheme: str
    host: str
    port: int

    @property
    def url(self) -> str:
        """The root URL, without a slash at its end."""
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{bracketed(self.host)}{port}"


def bracketed(host: str) -> str:
    """A host as URLs hold it."""
    return f"[{host}]" if ":" in host else host


def read_address(text: str, protocol: str = "api") -> Address:
    """A name, an address (IPv6 with or without brackets), one of them with a port, or a URL. Raises AddressError.

    C(protocol): C(api) (HTTPS unless the URL says otherwise) or C(ssh).
    """
    schemes = ("ssh",) if protocol == "ssh" else ("https", "http")
    text = text.strip()
    if not text:
        raise AddressError("is missing")
    if "://" not in text:
        is_bare_ipv6 = text.count(":") > 1 and not text.startswith("[")
        text = f"{schemes[0]}://[{text}]" if is_bare_ipv6 else f"{schemes[0]}://{text}"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise AddressError("cannot be read as a name, an address or a URL") from None
    if parts.scheme not in schemes:
        raise AddressError(f"must be a name, an address or a URL that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if parts.username is not None or parts.password is not None:
        raise AddressError("must not hold a user name or a password")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise AddressError("must end after the host name and the port")
    if not host or port == 0 or not host.isprintable() or " " in host:
        raise AddressError("holds no host name")
    return Address(parts.scheme, host, port or PORTS[parts.scheme])
