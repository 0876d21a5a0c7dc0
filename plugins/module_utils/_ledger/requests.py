# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a playbook asks of the ledger, as data, turned into requests; every mistake in it is found before anything is done."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError, PasswordRefused, raise_all
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import ImportRow, StageRequest
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.floors import floor_for
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.generator import generate
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.one_time_list import Made, read_one_time_list
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import PasswordPolicy, PolicyError, violations
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor

Entry = Mapping[str, Any]

GENERATE, RMS, GIVEN = "generate", "rms", ("csv", "value")
SOURCES = (GENERATE, *GIVEN, RMS)


class _Policies:
    """Each combination of policy, product and firmware is worked out once, whatever the number of devices."""

    def __init__(self) -> None:
        self._known: dict[str, PasswordPolicy] = {}

    def of(self, entry: Entry) -> PasswordPolicy:
        key = json.dumps([entry.get("policy"), entry.get("product"), entry.get("firmware")], sort_keys=True, default=str)
        if key not in self._known:
            policy = PasswordPolicy.from_mapping(entry.get("policy") or {})
            if entry.get("product"):
                policy = policy.with_floor(floor_for(entry["product"], entry.get("firmware")))
            self._known[key] = policy
        return self._known[key]


def stage_requests(entries: Sequence[Entry], redactor: Redactor) -> list[StageRequest]:
    """One request per device. LedgerError C(policy) or C(input) with every problem.

    A password that a source gives must meet the policy when there is one; without, it was checked by who gives it.
    """
    policies = _Policies()
    requests: list[StageRequest] = []
    policy_problems: list[tuple[str, str]] = []
    problems: list[tuple[str, str]] = []
    for entry in entries:
        name, source, password = entry["name"], entry.get("source") or GENERATE, entry.get("password")
        if source in GIVEN and not password:
            problems.append((name, f"source {source} needs a password"))
        elif source not in GIVEN and password:
            problems.append((name, f"source {source} makes the password itself; leave it out"))
        elif source == RMS and not entry.get("generated_csv"):
            problems.append((name, "source rms needs generated_csv, where the one-time list will be"))
        try:
            policy = policies.of(entry)
        except PolicyError as error:
            policy_problems.append((name, str(error)))
            continue
        checked = bool(entry.get("policy") or entry.get("product"))
        requests.append(
            StageRequest(
                name=name,
                serial=entry.get("serial"),
                source=source,
                make=None if source == RMS else _given(password, policy if checked else None) if password else _made(policy, redactor),
                supersede=bool(entry.get("supersede")),
                generated_csv=entry.get("generated_csv"),
                history=policy.history or 0,
                expected_current=entry.get("expected_current"),
            )
        )
    raise_all("input", problems)
    raise_all("policy", policy_problems)
    return requests


def _made(policy: PasswordPolicy, redactor: Redactor) -> Callable[[list[str]], str]:
    def make(former: list[str]) -> str:
        refusal = ""
        try:
            password = generate(policy, former)
            redactor.add(password)
            return password
        except PolicyError as error:
            refusal = str(error)
        raise PasswordRefused(refusal)

    return make


def _given(password: str, policy: PasswordPolicy | None) -> Callable[[list[str]], str]:
    def make(former: list[str]) -> str:
        # To set again what is in force brings nothing back.
        broken = violations(password, policy, former if password not in former[:1] else ()) if policy else []
        if broken:
            raise PasswordRefused("; ".join(violation.message for violation in broken))
        if not password.isprintable():
            raise PasswordRefused("the password holds what cannot be typed")
        return password

    return make


def collected_passwords(
    entries: Sequence[Entry], generated_csv: str | None, complete: bool, redactor: Redactor
) -> tuple[dict[str, str], list[str]]:
    """The passwords to collect, by device name, and the names of those that the list does not hold.

    From the entries themselves, or from the one-time list, found there by C(identifiers): serial, MAC address, name. C(complete): the list
    is known to have come to its end; otherwise a last line without an end may be cut, and is not taken.
    """
    given = {entry["name"]: entry["password"] for entry in entries if entry.get("password")}
    wanted = {entry["name"]: entry.get("identifiers") or [entry.get("serial") or ""] for entry in entries if not entry.get("password")}
    if wanted and not generated_csv:
        raise LedgerError("input", "To collect passwords give generated_csv, or the password of every device.")
    if wanted and generated_csv:
        read = read_one_time_list(_content(generated_csv), wanted, complete=complete, asked=Made())
        given.update(read.passwords)
    redactor.add(*given.values())
    return given, [name for name in wanted if name not in given]


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        # Its context names the file and nothing of its content.
        raise LedgerError("file", f"The one-time list {path} cannot be read: {error.strerror}.") from None


def import_rows(entries: Sequence[Entry]) -> list[ImportRow]:
    """Of devices given one by one. LedgerError C(input) with every problem."""
    raise_all("input", [(entry["name"], "a password is needed") for entry in entries if not entry.get("password")])
    return [ImportRow(entry["name"], entry["password"], entry.get("serial")) for entry in entries]
