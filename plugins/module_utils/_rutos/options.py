# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options by which a module reaches routers themselves, and the ways they lead to."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import missing_required_lib

from ansible_collections.keyturn.devices.plugins.module_utils._addresses import Address, AddressError, read_address
from ansible_collections.keyturn.devices.plugins.module_utils._http import IMPORT_ERROR, BearerToken, HttpClient
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.api import RouterApi
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.known_hosts import HostKeys, KnownHosts
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.ssh import RouterSsh, library_problem, read_ssh_fingerprint
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.visit import Way
from ansible_collections.keyturn.devices.plugins.module_utils._spec import Spec

DEFAULT_PARALLEL = 16
#: No answer of a router is longer (its longest are a few kilobytes, observed). Read as JSON it may take twenty times as much memory.
MOST_BYTES = 256 * 1024
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


def routers_spec() -> Spec:
    """The options for the whole task, beside C(http_spec)."""
    return Spec(
        {
            "parallel": {"type": "int", "default": DEFAULT_PARALLEL},
            "fingerprint": {"type": "str"},
            "known_hosts": {"type": "path"},
        }
    )


def router_arguments() -> dict[str, Any]:
    """For one element of C(devices), beside its passwords."""
    return {
        "username": {"type": "str", "default": "admin"},
        "protocol": {"type": "str", "choices": list(PROTOCOLS), "default": "api"},
        "fingerprint": {"type": "str"},
    }


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
    digits = match[1].replace(":", "").lower() if match else read_ssh_fingerprint(text)
    if digits is None:
        raise ValueError("is no SHA-256 fingerprint: 64 hexadecimal digits, or SHA256: and Base64")
    return digits


def check_libraries(places: Sequence[Place]) -> None:
    """BadInput when a library is missing that one of the routers needs."""
    needed = {place.address.scheme == "ssh" for place in places}
    if False in needed and IMPORT_ERROR is not None:
        raise BadInput([("devices", f"cannot be asked by their API: {missing_required_lib('requests')}")])
    if True in needed and library_problem() is not None:
        raise BadInput([("devices", f"cannot be asked by SSH: {missing_required_lib('paramiko')}")])


class Ways:
    """Makes the way to each of the places. BadInput when known_hosts is needed and cannot be read.

    C(may_change): asked right before a change is sent. C(deadline): a moment of C(clock).
    """

    def __init__(
        self,
        options: Mapping[str, Any],
        places: Sequence[Place],
        may_change: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options
        self._may_change = may_change
        self._known_hosts: KnownHosts | None = None
        if any(place.address.scheme == "ssh" and place.fingerprint is None for place in places):
            try:
                self._known_hosts = KnownHosts(options["known_hosts"])
            except OSError as problem:
                raise BadInput([("known_hosts", f"cannot be read: {problem.strerror}")]) from None
        self.clock = clock
        self.deadline = clock() + options["deadline"]

    def to(self, place: Place, redactor: Redactor) -> Way:
        """C(redactor): for what this router says, of its own: one is used by one thread."""
        options = self._options
        if place.address.scheme == "ssh":
            return RouterSsh(
                place.address,
                place.username,
                redactor,
                fingerprint=place.fingerprint,
                host_keys=HostKeys() if self._known_hosts is None else self._known_hosts.of(place.address.host, place.address.port),
                timeout=options["timeout"],
                deadline=self.deadline,
                clock=self.clock,
                may_change=self._may_change,
            )
        token = BearerToken()
        http = HttpClient(
            auth=token,
            validate_certs=options["validate_certs"],
            ca_path=options["ca_path"],
            fingerprint=place.fingerprint,
            timeout=options["timeout"],
            retries=1,
            most_bytes=MOST_BYTES,
            clock=self.clock,
        )
        return RouterApi(place.address, place.username, redactor, http, token, self.deadline, self.clock, self._may_change)
