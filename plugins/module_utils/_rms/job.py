# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Passwords set through RMS, from the options of a task to its result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._module import Context, ModuleFailure
from ansible_collections.keyturn.devices.plugins.module_utils._outcomes import summary
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.csv_file import CsvError, read_password_csv
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.floors import floor_for
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.one_time_list import Made
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import PasswordPolicy, violations
from ansible_collections.keyturn.devices.plugins.module_utils._rms.client import RmsClient, RmsFault, status_url
from ansible_collections.keyturn.devices.plugins.module_utils._rms.deposit import DepositError, FileDeposit
from ansible_collections.keyturn.devices.plugins.module_utils._rms.devices import Picked, find_routers, pick
from ansible_collections.keyturn.devices.plugins.module_utils._rms.generated import collect_passwords, generate_passwords
from ansible_collections.keyturn.devices.plugins.module_utils._rms.options import rms_client
from ansible_collections.keyturn.devices.plugins.module_utils._rms.outcomes import Target
from ansible_collections.keyturn.devices.plugins.module_utils._rms.passwords import (
    RISKY_IN_CSV,
    SET,
    UPLOAD,
    batches,
    not_sent,
    set_passwords,
)

_SHOWN = 5
_WOULD_CHANGE = "The password would be changed."
_WOULD_FETCH = "The list with its password would be looked for and fetched."


class BadInput(Exception):
    """The task cannot be carried out as it is written; nothing that changes was sent."""


@dataclass
class _Job:
    """One task. What is known of it so far is what the module returns, however it ends."""

    options: Mapping[str, Any]
    context: Context
    may_change: Callable[[], bool]
    targets: list[Target] = field(default_factory=list)
    client: RmsClient | None = None
    fault: RmsFault | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        """The result; ModuleFailure, with the same in it, when the task has failed."""
        message = ""
        try:
            self._work()
        except (BadInput, CsvError, DepositError) as problem:
            self.fault = RmsFault("bad_input", str(problem))
        except RmsFault as problem:
            self.fault = problem
        if self.fault is not None:
            not_sent(self.targets, self.fault)
            message = self.fault.message
        result = self._result()
        bad = result["summary"]["failed"] + result["summary"]["unknown"]
        if self.fault is None and bad and self.options["on_device_failure"] == "fail" and not self.context.check_mode:
            message = _failure_message(result)
        if message:
            raise ModuleFailure(message, **result, **({"reason": self.fault.reason} if self.fault else {}))
        return result

    def _result(self) -> dict[str, Any]:
        devices = [target.as_result() for target in self.targets]
        counts = summary(devices)
        requests = self.client.request_count if self.client is not None else 0
        return {"changed": counts["changed"] > 0, "devices": devices, "summary": counts, "requests": requests, **self.extra}

    def _work(self) -> None:
        options = self.options
        generate = options["generate"]
        self._read_targets()
        self._check_targets()
        deposit = FileDeposit(options["generated_csv"]) if generate is not None else None
        if deposit is not None:
            deposit.check()
        self.client = rms_client(options, self.context.redactor, options["deadline"], self.may_change)
        status_url(options["rms_url"], options["rms_status_url"])  # Found missing here, not after the change.
        if self.client.warning:
            self.context.warn(self.client.warning)
        self._resolve(self.client)
        self._check_passwords()
        ready = [target for target in self.targets if target.outcome is None]
        if self.context.check_mode:
            for target in ready:
                target.end("changed", "would_change", _WOULD_FETCH if self._collects else _WOULD_CHANGE)
        elif deposit is not None:
            self._generate(self.client, ready, deposit)
        elif ready:
            request = UPLOAD if options["rms_method"] == "upload" else SET
            self.fault = set_passwords(self.client, ready, request, options["batch_size"])

    @property
    def _collects(self) -> bool:
        """Whether lists are fetched only, and no router is asked for anything."""
        return self.options["generate"] is not None and bool(self.options["generate"]["collect"])

    def _read_targets(self) -> None:
        """The routers to change, as the task names them, before anything is asked."""
        options = self.options
        if options["csv"] is not None:
            rows = read_password_csv(options["csv"])
            self.targets = [Target(row.serial, row.password) for row in rows]
        else:
            self.targets = [
                Target(element["serial"], element["password"], element["id"], host=element["host"]) for element in options["devices"]
            ]
        self.context.redactor.add(*(target.password for target in self.targets))

    def _check_targets(self) -> None:
        options = self.options
        problems = []
        if any(not target.serial.strip() for target in self.targets):
            problems.append("an element of devices has an empty serial")
        for name, values in (("serial", [target.serial for target in self.targets]), ("id", [target.id for target in self.targets])):
            twice = [str(value) for value, count in Counter(values).items() if count > 1 and value is not None]
            if twice:
                problems.append(f"devices names the {name} {_some(twice)} more than once")
        if options["generate"] is not None:
            length = options["generate"]["length"]
            if not 8 <= length <= 32:
                problems.append(f"generate.length is {length}; RMS makes passwords of 8 to 32 characters")
            if any(target.password for target in self.targets):
                problems.append("devices must not give passwords when RMS generates them")
        else:
            without = [target.serial for target in self.targets if not target.password]
            if without:
                problems.append(f"devices gives no password for serial {_some(without)}")
        if options["batch_size"] < 1:
            problems.append("batch_size must be 1 or more")
        if options["deadline"] < 1:
            problems.append("deadline must be 1 or more")
        if problems:
            raise BadInput("; ".join(problems) + ".")

    def _resolve(self, client: RmsClient) -> None:
        """Give every router its id. One that RMS does not know ends here; for a CSV file it stops everything."""
        wanted = [target for target in self.targets if target.id is None]
        found = find_routers(client, [target.serial for target in wanted]) if wanted else {}
        path = self.options["csv"]
        if path is not None:
            firmwares = {serial: routers[0].firmware for serial, routers in found.items() if routers}
            read_password_csv(path, known_serials=set(firmwares), policy_of=lambda serial: _policy(firmwares[serial]))
        for target in wanted:
            _apply(target, pick(target.serial, found[target.serial]), is_asked=not self._collects)

    def _check_passwords(self) -> None:
        """A password that RMS or the router is known to refuse stops everything: nothing was sent so far."""
        options = self.options
        refused = []
        for target in self.targets:
            generate = options["generate"]
            if generate is not None:
                if not self._collects and not generate["special"] and target.firmware and _policy(target.firmware).special:
                    refused.append((target, "RMS would make a password without a special character, which this firmware demands"))
            elif target.password is not None:
                broken = violations(target.password, _policy(target.firmware))
                if broken:
                    refused.append((target, "; ".join(violation.message for violation in broken)))
        for target, why in refused:
            target.end("failed", "rejected_by_policy", f"Nothing was sent to this router: {why}.")
        if refused:
            shown = [f"serial {target.serial}: {why}" for target, why in refused]
            raise BadInput(f"Passwords that break the rule of RMS or of the router: {_some(shown)}.")
        if options["rms_method"] == "upload":
            risky = [target.serial for target in self.targets if RISKY_IN_CSV.intersection(target.password or "")]
            if risky:
                self.context.warn(
                    f"Passwords with a comma, semicolon or quote are uploaded in a file whose form the vendor does not publish (serial "
                    f"{_some(risky)}): rms_method=set is safer."
                )

    def _generate(self, client: RmsClient, ready: list[Target], deposit: FileDeposit) -> None:
        options = self.options["generate"]
        made = Made(options["length"], options["special"])
        if options["collect"]:
            asked = [[target.id for target in batch if target.id is not None] for batch in batches(ready, self.options["batch_size"])]
            generated = collect_passwords(client, ready, made, deposit, asked)
        elif ready:
            backup = deposit.set_aside()
            if backup is not None:
                self.extra["backup_file"] = backup
            generated = generate_passwords(client, ready, made, self.options["batch_size"], deposit)
        else:
            return
        self.fault = generated.fault
        self.extra["list_complete"] = generated.whole


def _apply(target: Target, picked: Picked, *, is_asked: bool) -> None:
    """What RMS knows of a router, and whether it can be asked for at all, if it is to be."""
    router = picked.router
    if router is None or is_asked:
        target.outcome = picked.refusal
    if router is not None:
        target.id, target.firmware, target.mac, target.name = router.id, router.firmware, router.mac, router.name


def _policy(firmware: str | None) -> PasswordPolicy:
    """The floor of RMS. A special character is demanded only where the firmware is known to be one that demands it."""
    policy = floor_for("rms", firmware).policy
    is_known = floor_for("rutos", firmware).evidence != "assumed"
    return policy if is_known else replace(policy, special=False)


def _some(texts: list[str]) -> str:
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return "; ".join(texts[:_SHOWN]) + more


def _failure_message(result: Mapping[str, Any]) -> str:
    counts = result["summary"]
    first = next(device for device in result["devices"] if device["status"] in ("failed", "unknown"))
    return (
        f"{counts['failed']} of {len(result['devices'])} routers kept their password and {counts['unknown']} are unknown. "
        f"The first: serial {first['serial']}, {first['reason']}: {first['message']}"
    )


def set_by_rms(options: Mapping[str, Any], context: Context, may_change: Callable[[], bool]) -> dict[str, Any]:
    """The work of C(router_password) with C(via: rms): its result, or ModuleFailure with all that is known in it.

    C(may_change): asked right before every request that changes something; when it says no, nothing is sent.
    """
    return _Job(options, context, may_change).run()
