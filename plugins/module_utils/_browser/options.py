# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of everything that works a device's pages in a browser."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._addresses import Address, AddressError, read_address
from ansible_collections.keyturn.devices.plugins.module_utils._browser.connections import Proxy, read_proxy
from ansible_collections.keyturn.devices.plugins.module_utils._spec import Spec

_FINGERPRINT = re.compile(r"(?:SHA256[:=])?((?:[0-9a-f]{2}:?){31}[0-9a-f]{2})\Z", re.IGNORECASE)


def browser_spec() -> Spec:
    """Where the device is, how it is reached and trusted, and which browser works its pages."""
    return Spec(
        {
            "url": {"type": "str", "required": True},
            "validate_certs": {"type": "bool", "default": True},
            "ca_path": {"type": "path"},
            "fingerprint": {"type": "str"},
            "proxy": {"type": "str"},
            "browser": {"type": "path"},
            "screenshots": {"type": "path"},
            "timeout": {"type": "int", "default": 30},
        }
    )


@dataclass(frozen=True)
class Site:
    """Where one device's pages are. C(fingerprint): SHA-256 of its certificate in hexadecimal digits."""

    address: Address
    fingerprint: str | None
    proxy: Proxy | None


def read_site(options: Mapping[str, Any]) -> tuple[Site | None, list[str]]:
    """The site, or None and all that is wrong with the options; none of the texts shows what was given, which may hold a password."""
    problems: list[str] = []
    address, fingerprint, proxy = None, None, None
    try:
        address = read_address(options["url"])
    except AddressError as problem:
        problems.append(f"url {problem}")
    if options["fingerprint"] is not None:
        match = _FINGERPRINT.match(options["fingerprint"].strip())
        if match:
            fingerprint = match[1].replace(":", "").lower()
        else:
            problems.append("fingerprint is no SHA-256 fingerprint: 64 hexadecimal digits, with or without colons, are wanted")
    try:
        proxy = read_proxy(options["proxy"])
    except ValueError as problem:
        problems.append(f"proxy {problem}")
    if options["timeout"] < 1:
        problems.append("timeout must be 1 or more")
    if options["ca_path"] and not os.path.exists(options["ca_path"]):
        problems.append("ca_path does not exist")
    if options["screenshots"] and os.path.exists(options["screenshots"]) and not os.path.isdir(options["screenshots"]):
        problems.append("screenshots is no directory")
    return (Site(address, fingerprint, proxy) if address and not problems else None), problems
