# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where and as whom routers are asked, as somebody wrote it: what is wrong with that is found without asking any."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._addresses import Address, AddressError, read_address

PROTOCOLS = ("api", "ssh")

_HEX_FINGERPRINT = re.compile(r"(?:SHA256[:=])?((?:[0-9a-f]{2}:?){31}[0-9a-f]{2})\Z", re.IGNORECASE)
_USERNAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")

#: The name of a field, and the rest of a sentence about what is wrong with it.
Problem = tuple[str, str]


class BadInput(Exception):
    """The task cannot be carried out as it is written; nothing was sent. No value of a field is in the text: it may be a secret."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(f"{'; '.join(f'{name} {what}' for name, what in problems)}.")
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Place:
    """Where and as whom one router is asked. C(fingerprint): SHA-256 in hexadecimal digits, of its certificate or its host key."""

    serial: str | None
    address: Address
    username: str
    fingerprint: str | None


def read_place(serial: str | None, host: str | None, protocol: str, username: str, fingerprint: str | None) -> Place:
    """One router. BadInput with all that is wrong, by the names of these parameters."""
    problems: list[Problem] = []
    if serial is not None and not serial.strip():
        problems.append(("serial", "is empty"))
    if not (_USERNAME.match(username) if protocol == "ssh" else username.strip() and username.isprintable()):
        problems.append(("username", "cannot be the name of a user"))
    digits = None
    try:
        digits = read_fingerprint(fingerprint)
    except ValueError as problem:
        problems.append(("fingerprint", str(problem)))
    if protocol not in PROTOCOLS:
        problems.append(("protocol", f"must be {' or '.join(PROTOCOLS)}"))
    address = None
    try:
        address = read_address(host or "", protocol)
    except AddressError as problem:
        problems.append(("host", str(problem)))
    if problems or address is None:
        raise BadInput(problems)
    return Place(serial, address, username, digits)


def read_places(devices: Sequence[Mapping[str, Any]], options: Mapping[str, Any]) -> list[Place]:
    """Every router of the task. BadInput with all problems, also those of the whole task."""
    problems: list[Problem] = []
    places: list[Place] = []
    for number, device in enumerate(devices):
        fingerprint = device["fingerprint"] or options["fingerprint"]
        try:
            places.append(read_place(device["serial"], device["host"], device["protocol"], device["username"], fingerprint))
        except BadInput as bad:
            problems += [(f"devices[{number}].{name}", what) for name, what in bad.problems]
    problems += _twice("serial", [device["serial"].strip() for device in devices if device["serial"]])
    # One login at a time: a router makes a second one wait, and counts both.
    problems += _twice("host", [f"{place.address.host.lower()} port {place.address.port}" for place in places])
    problems += [(name, "must be 1 or more") for name in ("parallel", "deadline", "timeout") if options[name] < 1]
    problems += [(name, "does not exist") for name in ("ca_path", "known_hosts") if options[name] and not os.path.exists(options[name])]
    if problems:
        raise BadInput(problems)
    return places


def _twice(name: str, values: Sequence[str]) -> list[Problem]:
    twice = [value for value, count in Counter(values).items() if count > 1]
    return [("devices", f"names the {name} {', '.join(twice[:5])} more than once")] if twice else []


def read_fingerprint(text: str | None) -> str | None:
    """A SHA-256 in hexadecimal digits, with or without colons, or as OpenSSH writes it. ValueError for anything else."""
    if text is None:
        return None
    match = _HEX_FINGERPRINT.match(text.strip())
    digits = match[1].replace(":", "").lower() if match else _read_ssh_fingerprint(text)
    if digits is None:
        raise ValueError("is no SHA-256 fingerprint: 64 hexadecimal digits, or SHA256: and Base64")
    return digits


def _read_ssh_fingerprint(text: str) -> str | None:
    """The hexadecimal digits of C(SHA256:...), as OpenSSH writes a fingerprint; None when it is none."""
    kind, colon, digits = text.strip().partition(":")
    if kind.upper() != "SHA256" or not colon:
        return None
    try:
        digest = base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except ValueError:
        return None
    return digest.hex() if len(digest) == hashlib.sha256().digest_size else None
