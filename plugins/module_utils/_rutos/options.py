# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options by which a module reaches routers themselves, and the ways they lead to."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.module_utils.basic import missing_required_lib

from ansible_collections.keyturn.devices.plugins.module_utils._http import IMPORT_ERROR, BearerToken, HttpClient
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.api import RouterApi
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.known_hosts import HostKeys, KnownHosts
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.places import PROTOCOLS, BadInput, Place
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.ssh import RouterSsh, library_problem
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.visit import Way
from ansible_collections.keyturn.devices.plugins.module_utils._spec import Spec

DEFAULT_PARALLEL = 16
#: No answer of a router is longer (its longest are a few kilobytes, observed). Read as JSON it may take twenty times as much memory.
MOST_BYTES = 256 * 1024


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
