# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A PBX in memory behind the modules that a recovery calls, with a ledger and variables that are as real as they can be."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from support.ledgers import opened
from support.rotation import FakeVariables, SteppedClock

from ansible_collections.keyturn.devices.plugins.module_utils._ledger import people
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import ImportRow
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run, runner_identity
from ansible_collections.keyturn.devices.plugins.plugin_utils._products.pbx_recovery import PbxRecovery
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.planning import Planning
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.recovering import plan_recovery
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.steps import Surroundings, work_batch

ROLE = Path(__file__).resolve().parents[2] / "roles" / "pbx_recovery"
NAME = "office-pbx"
LOST = "Lost-Password-58"
DEVICE: Mapping[str, Any] = {
    "inventory_hostname": NAME,
    "device_host": "https://192.0.2.5:8088",
    "device_fingerprint": "ab" * 32,
    "device_email": "recovery@example.com",
    "device_mailbox": {"host": "imap.example.com", "user": "recovery@example.com", "password": "mailbox-canary"},
}
MARKER = {"mailbox": "0123456789abcdef", "folders": {}, "known": []}


@lru_cache
def role_variables() -> dict[str, Any]:
    """What the role sets by itself, without the settings of the ledger."""
    variables: dict[str, Any] = {}
    for part in ("defaults", "vars"):
        variables |= yaml.safe_load((ROLE / part / "main.yml").read_text())
    return {name: value for name, value in variables.items() if "_ledger" not in name} | {
        f"pbx_recovery_ledger_{name}": "" for name in ("url", "passphrase", "passphrase_file")
    }


class Killed(BaseException):
    """The run ends here, and tells nobody."""


@dataclass
class Pbx:
    """C(password): what is in force. C(refuses): reason by stage (C(marked), C(login), C(requested), C(mail), C(link), C(set)).

    C(killed): the stage after which the run is killed. C(silent): the stage whose answer is lost. C(mails): links that have come.
    """

    password: str = LOST
    refuses: dict[str, str] = field(default_factory=dict)
    killed: str = ""
    silent: str = ""
    mails: int = 0
    requests: int = 0
    wrong_logins: int = 0
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    now: datetime.datetime = field(default_factory=lambda: datetime.datetime.now(datetime.timezone.utc))

    def call(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self.calls.append((name, arguments))
        return self._mail_link(arguments) if name == "mail_link" else self._recover(arguments)

    def _mail_link(self, options: dict[str, Any]) -> dict[str, Any]:
        if options.get("state") == "marked":
            if "marked" in self.refuses:
                return {"failed": True, "reason": self.refuses["marked"], "msg": "The mailbox cannot be read."}
            self._after("marked")
            return {"marker": MARKER}
        return {"link": "https://192.0.2.5:8088/x"} if self.mails else {"failed": True, "reason": "mail_timeout", "msg": "No mail."}

    def _after(self, stage: str) -> None:
        if self.killed == stage:
            self.killed = ""
            raise Killed

    def _recover(self, options: dict[str, Any]) -> dict[str, Any]:
        requested_at = None

        def told(status: str, reason: str = "", live: str | None = None) -> dict[str, Any]:
            good = status in ("changed", "unchanged")
            return {
                "status": status,
                "reason": reason,
                "message": "" if good else f"It ended with {reason}.",
                "live": live,
                "steps": [{"name": "checked", "status": "done", "at": "2026-01-31T10:15:00Z"}],
                "marker": MARKER,
                "requested_at": requested_at,
                "sent_late": False,
            }

        first = options.get("try_first", "none")
        if "login" in self.refuses:
            return told("failed", self.refuses["login"])
        if first != "none":
            if options[f"{first}_password"] == self.password:
                return told("unchanged", live=first)
            self.wrong_logins += 1
        if "marker" not in options:
            if "requested" in self.refuses:
                return told("failed", self.refuses["requested"])
            self.requests += 1
            requested_at = self.now.strftime("%Y-%m-%dT%H:%M:%SZ")
            self._after("requested")
            self.mails += "mail" not in self.refuses
            self._after("mail")
        for stage in ("mail", "link", "set"):
            if stage in self.refuses:
                return told("failed", self.refuses[stage])
        self.password, self.mails = options["new_password"], 0
        self._after("set")
        if self.silent == "set":
            return told("unknown", "timeout")
        return told("changed", live="new")


@dataclass
class Desk:
    """Where recoveries are run. C(variables): of the host, besides those of DEVICE; C(settings): of the role, without their prefix."""

    ledger: Ledger
    pbx: Pbx = field(default_factory=Pbx)
    variables: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def on(cls, folder: Path) -> Desk:
        return cls(opened(f"sqlite:///{folder / 'ledger.db'}"))

    def hosts(self) -> FakeVariables:
        settings = {f"pbx_recovery_{name}": value for name, value in self.settings.items()}
        own = {name: value for name, value in {**DEVICE, **self.variables}.items() if value is not None}
        return FakeVariables({NAME: own}, shared={**role_variables(), **settings})

    def know(self, password: str) -> None:
        """The ledger takes this password for the current one."""
        people.import_passwords(self.ledger, [ImportRow(NAME, password)], Run("person"))

    def recover(self) -> dict[str, Any]:
        """One run, as the action does it; what it leaves behind. Killed where the PBX says so."""
        redactor, product = Redactor(), PbxRecovery()
        planning = Planning(product, [NAME], self.hosts(), redactor)
        planning.read([NAME])
        plan, _records, orders = planning.decide(self.ledger, plan_recovery)
        refused = planning.refused(plan)
        if refused:
            return product.outcome(refused[0])
        boot, namespace, *_rest = runner_identity().split("/")
        # A process that is gone: whoever comes next takes over at once.
        around = Surroundings(self.ledger, product, redactor, f"{boot}/{namespace}/4194304/1", self.pbx.call, sleep=SteppedClock().sleep)
        return product.outcome(work_batch(orders[0], around).told[0])

    def record(self) -> dict[str, Any]:
        return self.ledger.devices([NAME], include_secrets=True).get(NAME, {})

    def current(self) -> str | None:
        return self.ledger.passwords([NAME])[NAME]
