# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The work of C(bms_reset_mode), from the options of a task to its result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.basic import missing_required_lib

from ansible_collections.keyturn.devices.plugins.module_utils._ebo.api import connect
from ansible_collections.keyturn.devices.plugins.module_utils._ebo.console import SerialTransport, serial_devices
from ansible_collections.keyturn.devices.plugins.module_utils._ebo.containers import ContainerTransport
from ansible_collections.keyturn.devices.plugins.module_utils._ebo.guided import GuidedTransport
from ansible_collections.keyturn.devices.plugins.module_utils._ebo.instructions import check_version
from ansible_collections.keyturn.devices.plugins.module_utils._ebo.kinds import RESET_SECONDS, WAYS, default_transport
from ansible_collections.keyturn.devices.plugins.module_utils._ebo.operator import KubernetesTransport
from ansible_collections.keyturn.devices.plugins.module_utils._ebo.probe import Probe, look_at_server
from ansible_collections.keyturn.devices.plugins.module_utils._ebo.transport import Plan, Precondition, ResetModeFault, Transport, iso
from ansible_collections.keyturn.devices.plugins.module_utils._http import IMPORT_ERROR
from ansible_collections.keyturn.devices.plugins.module_utils._module import Context, ModuleFailure
from ansible_collections.keyturn.devices.plugins.module_utils._outcomes import REASONS

# An answer of a server that is alive comes at once; one that is not is asked again.
_PROBE_SECONDS = 5


def put_in_reset_mode(options: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """The result of the module, or ModuleFailure with all that is known in it."""
    kind = options["server_kind"]
    way = options["transport"] or default_transport(kind)
    evidence = WAYS[kind].get(way, "assumed")
    transport: Transport | None = None
    plan = Plan()
    try:
        _check(options, kind, way)
        transport = _transport(way, kind, options, context)
        plan = transport.look(context.check_mode)
        if plan.armed_at is not None:
            ending = _armed(plan.armed_at, "The server is in reset mode already.")
        elif context.check_mode and (way != "guided" or options["confirmed"]):
            ending = _ending(f"To do: {' '.join(plan.would)}") | {"changed": True}
        else:
            arming = transport.arm()
            ending = _ending(arming.message) if arming.armed_at is None else _armed(arming.armed_at, arming.message)
            ending |= {"handed_to_operator": list(arming.handed), "reason": arming.reason}
        failure = None
    except ResetModeFault as fault:
        failure = fault
        ending = _ending(fault.message) if fault.armed_at is None else _armed(fault.armed_at, fault.message)
        ending |= {"reason": fault.reason}
    result = {
        "changed": bool(transport and transport.journal.changed),
        **ending,
        "transport": way,
        "evidence": evidence,
        "done": list(transport.journal.done) if transport else [],
        "preconditions": [asdict(precondition) for precondition in plan.preconditions],
        "retryable": bool(failure) and REASONS[ending["reason"]],
    }
    if failure is None:
        return result
    raise ModuleFailure(failure.message, **result)


def _ending(message: str) -> dict[str, Any]:
    return {
        "armed": False,
        "armed_at": None,
        "reset_deadline": None,
        "handed_to_operator": [],
        "reason": "",
        "message": message,
    }


def _armed(armed_at: float, message: str) -> dict[str, Any]:
    moments = {"armed": True, "armed_at": iso(armed_at), "reset_deadline": iso(int(armed_at) + RESET_SECONDS)}
    return _ending(message) | moments


def _check(options: Mapping[str, Any], kind: str, way: str) -> None:
    """Raises ResetModeFault for what cannot be."""
    check_version(kind, options["server_version"])
    if way not in WAYS[kind]:
        possible = ", ".join(WAYS[kind])
        raise ResetModeFault("bad_input", f"transport={way} cannot be for server_kind={kind}. Possible: {possible}.")
    if way != "guided" and options[way] is None:
        raise ResetModeFault("bad_input", f"{way} is needed for transport={way}.")
    if way != "guided" and options["confirmed"]:
        raise ResetModeFault("bad_input", f"confirmed is a person's word, and belongs to transport=guided, not to {way}.")
    if options["deadline"] <= 0:
        raise ResetModeFault("bad_input", "deadline must be more than 0.")
    for name, url in (("url", options["url"]), ("container.url", (options["container"] or {}).get("url"))):
        if url is not None:
            _check_url(name, url)


def _check_url(name: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or "@" in url:
        raise ResetModeFault("bad_input", f"{name} must be an address that begins with http:// or https://, without a user name.")
    if IMPORT_ERROR is not None:
        raise ResetModeFault("library", missing_required_lib("requests"))


def _transport(way: str, kind: str, options: Mapping[str, Any], context: Context) -> Transport:
    deadline = options["deadline"]

    def probe(url: str, sure: bool) -> Probe:
        """A URL that the engine tells is this host's own; nobody gave a certificate a name for it."""
        if IMPORT_ERROR is not None:
            raise ResetModeFault("library", missing_required_lib("requests"))
        return Probe(url, sure and options["validate_certs"], options["ca_path"], min(options["timeout"], _PROBE_SECONDS))

    if way == "container":
        container = options["container"]
        return ContainerTransport({**container, "url": container["url"] or options["url"]}, deadline, probe)
    if way == "kubernetes":
        where = options["kubernetes"]
        return KubernetesTransport(
            lambda: connect(where["kubeconfig"], where["context"], where["namespace"], where["name"], options["timeout"]), deadline
        )
    if way == "serial":
        return SerialTransport(options["serial"], deadline, context.redactor)

    def look_before() -> Iterator[Precondition]:
        if options["url"]:
            yield from look_at_server(options["url"], probe(options["url"], True))
        if kind == "automation_server":
            found = serial_devices()
            seen = f"This host sees {', '.join(found)}." if found else "This host sees no serial device."
            yield Precondition("serial_devices", bool(found), seen)

    return GuidedTransport(kind, options["confirmed"], look_before)
