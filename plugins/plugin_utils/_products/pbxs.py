# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Yeastar PBXs (S-Series, K2, legacy Cloud PBX), each worked on its own pages in a browser of its own."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Collection, Iterable, Mapping, Sequence

from ansible_collections.keyturn.devices.plugins.module_utils._addresses import read_address
from ansible_collections.keyturn.devices.plugins.module_utils._at_once import at_once
from ansible_collections.keyturn.devices.plugins.module_utils._browser.connections import read_proxy
from ansible_collections.keyturn.devices.plugins.module_utils._browser.options import read_site
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.door import is_username
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.profiles import ProfileError, read_profile
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import (
    CONTROLLER,
    CURRENT,
    NEITHER,
    STAGED,
    Answer,
    Device,
    Field,
    Kind,
    Proof,
    Setting,
    Sighting,
    Taken,
    Values,
)

_CHANGE = Kind("pages", proves_itself=True)
_LOOK = Kind("login", asks=False, looks_first=True)

# How pbx_password and pbx_login name the password in force.
_LIVE = {"new": STAGED, "staged": STAGED, "current": CURRENT, "neither": NEITHER}

# Option of the modules -> the variable it comes from, where that is one of a device.
_VARIABLES = {"url": "device_host", "fingerprint": "device_fingerprint", "proxy": "device_proxy"}
# Options that are handed on as they are set.
_HANDED_ON = ("validate_certs", "ca_path", "browser", "profile", "screenshots", "timeout")

Result = Mapping[str, t.Any]

_NOT_BEGUN: Result = {
    "reason": "not_sent",
    "msg": "Nothing was sent to it: its turn did not come before the deadline.",
}
_NOT_FINISHED: Result = {"msg": "It was asked, and there was no outcome before the time of the run was over."}
# Seconds that a process takes to be gone when it is ended.
_ENDING = 15.0


class Pbxs:
    """See C(_rotation.product.Product)."""

    name = "pbxs"
    prefix = "pbx_rotation_"
    nouns = ("PBX", "PBXs")
    settings: Mapping[str, Setting] = {
        "parallel": Setting("int", "batch"),
        "timeout": Setting("int", "batch"),
        "validate_certs": Setting("bool", "batch"),
        "ca_path": Setting("str", "batch"),
        "browser": Setting("str", "batch"),
        "profile": Setting("str", "batch"),
        "screenshots": Setting("str", "batch"),
    }
    # All but the proxy are for readiness and recovery.
    variables: Collection[str] = ("email", "mailbox", "proxy", "email_settings")
    sources: Collection[str] = ()
    advice: Mapping[str, str] = {
        "orphaned": (
            "Nothing is tried any more. Recover it with the playbook recover_pbx, or find out its password and import it with "
            "keyturn.devices.ledger (state=imported)."
        ),
        "locked_out": "Wait until the lock-out is over, or have an administrator lift it; nothing is tried meanwhile.",
        "policy": "The PBX's own rule is stricter than device_password_policy; tighten that and run again.",
        "profile_unknown": "Its pages are not those of the profile; correct that in a profile of your own (pbx_rotation_profile).",
        "browser_missing": "Install Chromium and the Python library playwright where its pages are worked.",
        "rejected": "Look at its page My Settings; it is tried again on the next run.",
        "pipelining": "Passwords would lie in temporary files at its site; turn pipelining on there, and ANSIBLE_KEEP_REMOTE_FILES off.",
    }

    def read(self, values: Values, device: Device) -> Mapping[str, str]:
        proxy = values.text("device_proxy")
        if device.host:
            self._check(values, device, proxy)
        else:
            values.problem("device_host", "is missing; it is the address of the PBX's web page, with its port")
        return {"proxy": proxy}

    def _check(self, values: Values, device: Device, proxy: str) -> None:
        """What would be found only when its turn comes is found here."""
        terms = device.terms
        is_here = device.site == CONTROLLER
        # Paths are those of the host that works the pages.
        paths = {name: terms[name] or None if is_here else None for name in ("ca_path", "screenshots")}
        place = {"url": device.host, "fingerprint": device.fingerprint or None, "proxy": proxy or None}
        _site, problems = read_site({**place, **paths, "timeout": terms["timeout"]})
        for problem in problems:
            option, _space, message = problem.partition(" ")
            values.problem(_VARIABLES.get(option, f"{self.prefix}{option}"), message)
        if not is_username(device.username):
            values.problem("device_username", "cannot be the name of a user")
        if is_here and terms["profile"]:
            try:
                read_profile(terms["profile"])
            except ProfileError as problem:
                values.problem(f"{self.prefix}profile", str(problem))

    def place(self, device: Device) -> str:
        # Sites may use the same addresses: what lies behind another proxy or another host is another PBX.
        return " ".join((read_address(device.host).url, device.details["proxy"], device.site))

    def secrets(self, device: Device) -> Iterable[str]:
        proxy = read_proxy(device.details["proxy"])
        if proxy is not None:
            yield proxy.password

    def policies(self, device: Device, sighting: Sighting) -> Iterable[tuple[str, str | None]]:
        # What only meets the basic rule would force another change as soon as Allow Weak Password is off.
        yield "yeastar_strong", None

    def look_up(self, devices: Sequence[Device], redactor: Redactor) -> tuple[Mapping[str, Sighting], int]:
        return {}, 0

    def needs_current(self, device: Device) -> bool:
        return True

    def can_replace(self, device: Device) -> bool:
        return False

    def can_prove(self, device: Device) -> bool:
        return True

    def kind_of_due(self, device: Device) -> Kind:
        return _CHANGE

    def kind_of_unsettled(self, device: Device, awaiting: bool) -> Kind:
        return _LOOK

    def ask(self, kind: Kind, batch: Sequence[Taken], field: Field, *, again: bool) -> list[Answer]:
        ending = {"run_holder": field.run_holder, "not_after": str(field.until)}
        changes = [{**options_of(taken), **ending, "current_password": taken.current, "new_password": taken.staged} for taken in batch]
        return [answer_of(result, taken) for result, taken in zip(_visits("pbx_password", changes, batch, field), batch, strict=True)]

    def collect(self, kind: Kind, batch: Sequence[Taken], field: Field, *, again: bool) -> tuple[list[Answer], list[str]]:
        raise AssertionError("no vendor makes the password of a PBX")

    def prove(self, batch: Sequence[tuple[Taken, Sequence[str]]], field: Field) -> list[Proof]:
        logins = [
            {
                **options_of(taken),
                "candidates": [{"name": name, "password": taken.staged if name == STAGED else taken.current} for name in candidates],
            }
            for taken, candidates in batch
        ]
        results = _visits("pbx_login", logins, [taken for taken, _candidates in batch], field)
        return [_proof(result, candidates) for result, (_taken, candidates) in zip(results, batch, strict=True)]


PBXS = Pbxs()


def options_of(taken: Taken) -> dict[str, t.Any]:
    """Where and how a PBX is visited, as the modules take it."""
    device = taken.member.device
    options = {
        "url": device.host,
        "username": device.username,
        "fingerprint": device.fingerprint,
        "proxy": device.details["proxy"],
        **{name: device.terms[name] for name in _HANDED_ON},
        "on_device_failure": "report",
    }
    return {name: value for name, value in options.items() if value != ""}


def _visits(module: str, arguments: Sequence[dict[str, t.Any]], batch: Sequence[Taken], field: Field) -> list[Result]:
    """One visit to each PBX, some at once; what became of each, in their order. None is begun after the deadline of the batch.

    At a site they go one after the other, because there is one connection.
    """
    terms = batch[0].member.device.terms
    deadline = time.monotonic() + terms["deadline"]
    apart = field.call_apart

    def visit(options: dict[str, t.Any]) -> Result:
        if apart is None:
            return field.call(module, options)
        result = apart(module, options, field.until.seconds_left())
        if result.get("reason") == "browser_missing":
            # It is missing for all of them.
            field.stop = field.stop or str(result.get("message") or "There is no browser.")
        return result

    def may_begin() -> bool:
        return not field.stop and field.may_change()

    if apart is None:
        return [visit(options) if may_begin() and time.monotonic() < deadline else _NOT_BEGUN for options in arguments]
    return at_once(
        arguments,
        visit,
        not_begun=lambda _options: _NOT_BEGUN,
        not_finished=lambda _options: _NOT_FINISHED,
        parallel=terms["parallel"],
        deadline=deadline,
        # Until then a visit may still change something, so it is waited for.
        grace=max(0.0, field.until.seconds_left() - terms["deadline"]) + _ENDING,
        may_begin=may_begin,
    )


def answer_of(result: Result, taken: Taken) -> Answer:
    """What a module said of a change."""
    if "status" not in result:
        return _without_status(result)
    status, reason, message = result["status"], result["reason"], result["message"]
    live, late = _LIVE.get(str(result.get("live"))), bool(result.get("sent_late"))
    if status == "failed" and live is None and reason == "unauthorized":
        # It refused the one that should be in force, and nobody has sent it the other one.
        live = NEITHER
    if live == CURRENT and taken.staged == taken.current:
        live = STAGED
    return Answer(status, _reason(status, reason), message, live, late=late)


def _without_status(result: Result) -> Answer:
    """A module that does not tell how it ended may have asked the PBX, or may have died in the middle, unless it says something else."""
    said = str(result.get("msg") or "The module ended without a word.")
    if result.get("unreachable"):
        # A site that is away leaves its PBXs to the next run; that is no attempt of theirs.
        return Answer("unknown", "offline", f"The host at its site cannot be reached: {said}")
    reason = str(result.get("reason") or "")
    return Answer("failed", reason, said) if reason in ("bad_input", "not_sent") else Answer("unknown", "error", said)


def _proof(result: Result, candidates: Sequence[str]) -> Proof:
    if "status" not in result:
        answer = _without_status(result)
        return Proof(None, answer.reason, answer.message)
    live, message = _LIVE.get(str(result.get("live"))), result["message"]
    if result["status"] == "refused" and len(candidates) < 2:
        return Proof(None, "", message, refused=True)
    if live in (STAGED, CURRENT):
        return Proof(live, "", "" if live == STAGED else message)
    return Proof(live, _reason(result["status"], result["reason"]), message)


def _reason(status: str, reason: str) -> str:
    """A PBX that cannot be reached, with nothing sent to it, is offline: it is tried again, and turns a run red only after some days."""
    return "offline" if (status, reason) == ("failed", "unreachable") else reason
