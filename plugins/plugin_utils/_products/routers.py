# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Teltonika routers: through the vendor's cloud (RMS), at the routers themselves, or both.

What is asked of RMS for a batch is in C(router_requests), and imported only there: a run in which nobody is due has no batch.
"""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.keyturn.devices.plugins.module_utils._http import http_spec
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._rms.client import RmsClient, RmsFault
from ansible_collections.keyturn.devices.plugins.module_utils._rms.devices import Router, find_routers, pick
from ansible_collections.keyturn.devices.plugins.module_utils._rms.options import rms_client, rms_spec
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.places import BadInput, read_place
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import (
    CURRENT,
    NEITHER,
    STAGED,
    Answer,
    Device,
    Fault,
    Field,
    Kind,
    Proof,
    Setting,
    Sighting,
    Taken,
    Values,
)

WAYS = ("rms", "device", "rms_then_verify")
_PROTOCOLS = ("api", "ssh")

_SET = Kind("rms_set")
_SET_AND_PROVE = Kind("rms_set", proves=True)
_GENERATE = Kind("rms_generate", collects=True)
_GENERATE_AND_PROVE = Kind("rms_generate", collects=True, proves=True)
_AT_ROUTERS = Kind("device", proves_itself=True)
_LOOK = Kind("login", asks=False, looks_first=True)
_LOOK_AND_SET = Kind("login", looks_first=True, proves=True)

# How router_password and router_login name the password in force.
_LIVE = {"new": STAGED, "staged": STAGED, "current": CURRENT, "neither": NEITHER}


class _Routers:
    """See C(_rotation.product.Product)."""

    name = "routers"
    prefix = "router_rotation_"
    nouns = ("router", "routers")
    settings: Mapping[str, Setting] = {
        "via": Setting("str", "device", WAYS),
        "rms_url": Setting("str", "batch"),
        "rms_token": Setting("str", "batch"),
        "validate_certs": Setting("bool", "batch"),
        "ca_path": Setting("str", "batch"),
        "parallel": Setting("int", "batch"),
        "device_validate_certs": Setting("bool", "batch"),
        "device_ca_path": Setting("str", "batch"),
        "known_hosts": Setting("str", "batch"),
    }
    variables: Collection[str] = ("via", "protocol")
    sources: Collection[str] = ("rms",)
    advice: Mapping[str, str] = {
        "rejected_by_policy": "The router's own policy is stricter than device_password_policy; tighten that and run again.",
        "not_found": "Check device_serial (leading zeros need quotes) and that the token's account sees the router.",
        "unauthorized": "Check the token's scopes (device passwords) and the router's RMS service.",
        "locked_out": "Wait until the router's lock-out is over; nothing hammers it meanwhile.",
        "wrong_device": "The address answers for another router; correct device_host or device_serial.",
        "not_identified": "The router does not tell its serial number, so it is not touched; look at its firmware.",
        "no_api": "Its API is off or older than RutOS 07.03; set device_protocol to ssh.",
        "same_password": "RMS says that it has this password already, which proves nothing; run the reconcile playbook.",
        "quota": "The quota of RMS requests is spent; run again when it is renewed.",
        "conflict": "RMS was busy with this router, or lists its serial twice; remove a stale entry there, or run again later.",
        "list_gone": "RMS no longer has its one-time list; the next run sets a new password.",
        "list_incomplete": "RMS's one-time list broke off before it; run the reconcile playbook, which sets a new password.",
        "list_missing": "RMS's one-time list does not name it; run the reconcile playbook, which sets a new password.",
        "list_unreadable": (
            "RMS's one-time list cannot be read with certainty. It lies in the ledger as it came (keyturn.devices.ledger, "
            "state=list_exported); the reconcile playbook sets a new password."
        ),
        "pipelining": "Passwords would lie in temporary files at its site; turn pipelining on there, and ANSIBLE_KEEP_REMOTE_FILES off.",
    }

    def read(self, values: Values, device: Device) -> Mapping[str, str]:
        via = values.text("device_via", values.setting("via") or "")
        if not device.serial:
            values.problem("device_serial", "is missing; the serial number says which router is meant")
        if via not in WAYS:
            values.problem("device_via", f"'{via}' is none of {', '.join(WAYS)}")
        protocol = values.text("device_protocol", "api")
        if protocol not in _PROTOCOLS:
            values.problem("device_protocol", f"'{protocol}' is none of {', '.join(_PROTOCOLS)}")
        elif via in ("device", "rms_then_verify") and not device.host:
            values.problem("device_host", f"is missing; with device_via '{via}' the router itself is asked")
        elif via in ("device", "rms_then_verify"):
            self._check_place(values, device, protocol)
        if via == "device" and device.source.kind == "rms":
            values.problem("device_password_source.kind", "'rms' needs device_via 'rms' or 'rms_then_verify'")
        return {"via": via, "protocol": protocol}

    @staticmethod
    def _check_place(values: Values, device: Device, protocol: str) -> None:
        """What would be found only when its turn comes is found here."""
        try:
            read_place(None, device.host, protocol, device.username, device.fingerprint or None)
        except BadInput as problem:
            for field, message in problem.problems:
                values.problem(f"device_{field}", message)

    def place(self, device: Device) -> str:
        return ""

    def secrets(self, device: Device) -> Iterable[str]:
        yield device.terms["rms_token"]

    def policies(self, device: Device, sighting: Sighting) -> Iterable[tuple[str, str | None]]:
        if _uses_rms(device):
            yield "rms", sighting.firmware
        yield "rutos", sighting.firmware

    def look_up(self, devices: Sequence[Device], redactor: Redactor) -> tuple[Mapping[str, Sighting], int]:
        asked = [device for device in devices if _uses_rms(device)]
        if not asked:
            return {}, 0
        client = _client(asked[0].terms, redactor)
        try:
            found = find_routers(client, [device.serial for device in asked])
        except RmsFault as fault:
            raise Fault(fault.reason, fault.message) from None
        finally:
            client.http.close()
        return {device.name: _sighting(device.serial, found[device.serial]) for device in asked}, client.request_count

    def needs_current(self, device: Device) -> bool:
        return not _uses_rms(device)

    def can_replace(self, device: Device) -> bool:
        return _uses_rms(device)

    def can_prove(self, device: Device) -> bool:
        return _can_log_in(device)

    def kind_of_due(self, device: Device) -> Kind:
        if not _uses_rms(device):
            return _AT_ROUTERS
        if device.source.kind == "rms":
            return _GENERATE_AND_PROVE if _can_log_in(device) else _GENERATE
        return _SET_AND_PROVE if _can_log_in(device) else _SET

    def kind_of_unsettled(self, device: Device, awaiting: bool) -> Kind:
        if awaiting:
            return _GENERATE_AND_PROVE if _can_log_in(device) else _GENERATE
        if not _can_log_in(device):
            return _SET
        if _uses_rms(device):
            return _LOOK_AND_SET
        # By SSH root and the web user change one after the other: who finds root's old password knows nothing of the other's.
        return _AT_ROUTERS if device.details["protocol"] == "ssh" else _LOOK

    def ask(self, kind: Kind, batch: Sequence[Taken], field: Field, *, again: bool) -> list[Answer]:
        return self._ask_routers(batch, field, again) if kind.proves_itself else self._ask_rms(batch, field)

    def _ask_rms(self, batch: Sequence[Taken], field: Field) -> list[Answer]:
        from ansible_collections.keyturn.devices.plugins.plugin_utils._products.router_requests import ask

        with _asking(batch, field) as client:
            return ask(client, batch, field)

    def collect(self, kind: Kind, batch: Sequence[Taken], field: Field, *, again: bool) -> tuple[list[Answer], list[str]]:
        from ansible_collections.keyturn.devices.plugins.plugin_utils._products.router_requests import collect

        with _asking(batch, field) as client:
            return collect(client, batch, field, again=again)

    def _ask_routers(self, batch: Sequence[Taken], field: Field, again: bool) -> list[Answer]:
        devices = []
        for taken in batch:
            device = {**_place(taken), "password": taken.staged, "try_first": "new" if again else "current"}
            if taken.current:
                device["current_password"] = taken.current
            devices.append(device)
        arguments = {"via": "device", "devices": devices, "run_holder": field.run_holder, "not_after": str(field.until)}
        result = field.call("router_password", {**arguments, **_speaking(batch)})
        field.requests += result.get("requests", 0)
        field.stop = field.stop or _fault(result)
        answers = []
        for entry in _entries(result, len(batch)):
            live = _LIVE.get(str(entry.get("live")))
            late = bool(entry.get("sent_late"))
            answers.append(Answer(entry["status"], entry["reason"], entry["message"], live, late=late))
        return answers

    def prove(self, batch: Sequence[tuple[Taken, Sequence[str]]], field: Field) -> list[Proof]:
        devices = [
            {
                **_place(taken),
                "candidates": [{"name": name, "password": taken.staged if name == STAGED else taken.current} for name in candidates],
            }
            for taken, candidates in batch
        ]
        result = field.call("router_login", {"devices": devices, **_speaking([taken for taken, _candidates in batch])})
        field.requests += result.get("requests", 0)
        field.stop = field.stop or _fault(result)
        return [_proof(entry, candidates) for entry, (_taken, candidates) in zip(_entries(result, len(batch)), batch, strict=True)]


ROUTERS = _Routers()


def _uses_rms(device: Device) -> bool:
    return device.details["via"] in ("rms", "rms_then_verify")


def _can_log_in(device: Device) -> bool:
    return device.details["via"] in ("device", "rms_then_verify")


def _client(terms: Mapping[str, t.Any], redactor: Redactor, may_change: Callable[[], bool] = lambda: False) -> RmsClient:
    """From the settings of a batch; what they leave empty comes from the environment or is the module's default."""
    spec = rms_spec() + http_spec()
    given = {name: terms[name] for name in spec.arguments if terms.get(name) not in (None, "")}
    options = ArgumentSpecValidator(dict(spec.arguments)).validate(given).validated_parameters
    try:
        return rms_client(options, redactor, terms["deadline"], may_change)
    except RmsFault as fault:
        raise Fault(fault.reason, fault.message) from None


@contextmanager
def _asking(batch: Sequence[Taken], field: Field) -> Iterator[RmsClient]:
    """RMS, for what is asked of it for a batch; its requests are counted whatever becomes of them."""
    client = _client(batch[0].member.device.terms, field.redactor, field.may_change)
    try:
        yield client
    finally:
        field.requests += client.request_count
        client.http.close()


def _sighting(serial: str, routers: Sequence[Router]) -> Sighting:
    router, refusal = pick(serial, routers)
    if router is None:
        return Sighting(refusal.reason, refusal.message) if refusal else Sighting()
    details = {"id": router.id, "mac": router.mac, "name": router.name}
    return Sighting(online=None if router.status == "unknown" else router.status != "offline", firmware=router.firmware, details=details)


def _place(taken: Taken) -> dict[str, t.Any]:
    """Where and as whom a router itself is asked, as the modules take it."""
    device = taken.member.device
    place = {"serial": device.serial, "host": device.host, "username": device.username, "protocol": device.details["protocol"]}
    return {**place, "fingerprint": device.fingerprint} if device.fingerprint else place


def _speaking(batch: Sequence[Taken]) -> dict[str, t.Any]:
    """How the modules speak to routers."""
    terms = batch[0].member.device.terms
    options = {
        "parallel": terms["parallel"],
        "validate_certs": terms["device_validate_certs"],
        "ca_path": terms["device_ca_path"],
        "known_hosts": terms["known_hosts"],
        "deadline": terms["deadline"],
        "on_device_failure": "report",
    }
    return {name: value for name, value in options.items() if value != ""}


def _fault(result: Mapping[str, t.Any]) -> str:
    """Why a whole call failed. A site that is away is no reason to leave the others alone."""
    failed = bool(result.get("failed")) and not result.get("devices") and not result.get("unreachable")
    return str(result.get("msg") or "The module ended without a word.") if failed else ""


def _entries(result: Mapping[str, t.Any], number: int) -> list[Mapping[str, t.Any]]:
    """What a module said of each device, in their order: names and serials in a result may be masked, places are not.

    A module that says nothing of its devices may have asked them, or may have died in the middle.
    """
    devices = result.get("devices")
    if isinstance(devices, list) and len(devices) == number:
        return devices
    # A site that is away leaves its routers to the next run; that is no attempt of theirs.
    away = bool(result.get("unreachable"))
    said = str(result.get("msg") or "The module ended without a word.")
    message = f"The host at its site cannot be reached: {said}" if away else said
    return [{"status": "unknown", "reason": "offline" if away else "error", "message": message, "live": None}] * number


def _proof(entry: Mapping[str, t.Any], candidates: Sequence[str]) -> Proof:
    live = _LIVE.get(str(entry.get("live")))
    if entry["status"] == "refused" and len(candidates) < 2:
        return Proof(None, "", entry["message"], refused=True)
    return Proof(live, "" if live in (STAGED, CURRENT) else entry["reason"], "" if live == STAGED else entry["message"])
