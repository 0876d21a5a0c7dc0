# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a playbook asks of the ledger, as data, turned into requests; every mistake in it is found before anything is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import PasswordRefused, raise_all
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import ImportRow, StageRequest
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.rules import Settlement
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.floors import demanded_policy
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.generator import generate
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import PasswordPolicy, PolicyError, violations
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor

Entry = Mapping[str, Any]

GENERATE, RMS, GIVEN = "generate", "rms", ("csv", "value")
SOURCES = (GENERATE, *GIVEN, RMS)


def stage_requests(entries: Sequence[Entry], redactor: Redactor) -> list[StageRequest]:
    """One request per device. LedgerError C(policy) or C(input) with every problem.

    A password that a source gives must meet the policy when there is one; without, it was checked by who gives it.
    """
    requests: list[StageRequest] = []
    policy_problems: list[tuple[str, str]] = []
    problems: list[tuple[str, str]] = []
    for entry in entries:
        name, source, password = entry["name"], entry.get("source") or GENERATE, entry.get("password")
        if source in GIVEN and not password:
            problems.append((name, f"source {source} needs a password"))
        elif source not in GIVEN and password:
            problems.append((name, f"source {source} makes the password itself; leave it out"))
        elif source == RMS and not entry.get("list_id"):
            problems.append((name, "source rms needs list_id, which tells the one-time list it will come in"))
        try:
            policy = demanded_policy(entry.get("policy") or {}, entry.get("product") or None, entry.get("firmware"))
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
                list_id=entry.get("list_id"),
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


def import_rows(entries: Sequence[Entry]) -> list[ImportRow]:
    """Of devices given one by one. LedgerError C(input) with every problem."""
    raise_all("input", [(entry["name"], "a password is needed") for entry in entries if not entry.get("password")])
    return [ImportRow(entry["name"], entry["password"], entry.get("serial")) for entry in entries]


def settlements(entries: Sequence[Entry]) -> list[Settlement]:
    """How attempts ended. LedgerError C(input) where it is not said."""
    missing = [entry["name"] for entry in entries if entry["outcome"] is None and entry["live"] is None]
    raise_all("input", [(name, "an outcome is needed, or which password is live") for name in missing])
    return [
        Settlement(
            name=entry["name"],
            outcome=entry["outcome"] or "unknown",
            reason=entry["reason"] or "",
            proof=entry["proof"] or "none",
            live=entry["live"],
            password_id=entry["password_id"] or "",
            late=bool(entry["late"]),
        )
        for entry in entries
    ]


def decisions(entries: Sequence[Entry], live: str) -> list[Settlement]:
    """A person says which password is in force."""
    return [Settlement(entry["name"], "unknown", entry["reason"] or "decided", entry["proof"] or "none", live) for entry in entries]
