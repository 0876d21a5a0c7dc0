# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A site as a user has it: an inventory of devices, a ledger, and the playbooks."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._ledger import people
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import ImportRow
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run
from integration.cores import Core
from simulators.rms import RmsSimulator

PASSPHRASE = "passphrase of the integration tests"
CHANGING = ("/devices/passwords/set", "/devices/passwords/generate", "/devices/passwords/upload")


@dataclass(kw_only=True)
class Place:
    """C(hosts): inventory variables per device; C(serials): which one is meant. Both may be changed before a run.

    C(group): the name of their group. C(sites): inventory variables of hosts at a site, which are no devices. C(others): more groups.
    """

    folder: Path
    core: Core
    ledger_url: str
    hosts: dict[str, dict[str, Any]]
    serials: dict[str, str]
    group: str = "routers"
    group_vars: dict[str, Any] = field(default_factory=dict)
    sites: dict[str, dict[str, Any]] = field(default_factory=dict)
    others: dict[str, dict[str, Any]] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)

    def run(self, playbook: str, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return self.core.run(
            "ansible-playbook", *self.command(playbook, *arguments)[1:], cwd=self.folder, env={**self.environment(), **(env or {})}
        )

    def command(self, playbook: str, *arguments: str) -> list[str]:
        inventory = self.folder / "inventory.json"
        groups = {self.group: {"hosts": self.hosts, "vars": self.group_vars}, "site_hosts": {"hosts": self.sites}, **self.others}
        inventory.write_text(json.dumps(groups))
        name = playbook if playbook.endswith(".yml") else f"keyturn.devices.{playbook}"
        return [str(self.core.bin / "ansible-playbook"), name, "-i", str(inventory), *arguments]

    def environment(self) -> dict[str, str]:
        settings = {
            "KEYTURN_LEDGER_URL": self.ledger_url,
            "KEYTURN_LEDGER_PASSPHRASE": PASSPHRASE,
            "HOME": str(self.folder / "home"),
        }
        return {**settings, **self.env}

    def create_ledger(self) -> None:
        made, _is_new = Ledger.create(self.ledger_url, PASSPHRASE)
        if made is not None:
            made.close()

    def ledger(self) -> Ledger:
        return Ledger.open(self.ledger_url, PASSPHRASE)

    def records(self) -> dict[str, dict[str, Any]]:
        with self.ledger() as ledger:
            return ledger.devices(include_secrets=True)

    def end_leases(self) -> None:
        """As if hours had gone by, or the clock had jumped: every lease of a ledger in a file ended long ago."""
        with sqlite3.connect(self.folder / "ledger.db", timeout=30) as database:
            database.execute("UPDATE keyturn_devices SET lease_until = 1")
        database.close()

    def real_passwords(self) -> dict[str, str]:
        """By serial: the password each device takes at this moment."""
        raise NotImplementedError

    def import_real_passwords(self, names: Collection[str] | None = None) -> None:
        """The ledger knows the password each device (or each of these) has now."""
        real = self.real_passwords()
        rows = [ImportRow(name, real[serial], serial) for name, serial in self.serials.items() if names is None or name in names]
        with self.ledger() as ledger:
            people.import_passwords(ledger, rows, Run("import"))

    def lost(self) -> list[str]:
        """Devices that do not open with what the ledger calls their current password."""
        real, records = self.real_passwords(), self.records()
        return [
            name
            for name, serial in self.serials.items()
            if ((records.get(name) or {}).get("current") or {}).get("password") != real[serial]
        ]


@dataclass(kw_only=True)
class Site(Place):
    """Routers behind RMS."""

    rms: RmsSimulator

    def environment(self) -> dict[str, str]:
        return {"RMS_URL": self.rms.url, "RMS_TOKEN": self.rms.token, **super().environment()}

    def real_passwords(self) -> dict[str, str]:
        return self.rms.passwords()

    def changing_requests(self) -> list[dict[str, Any]]:
        return [entry for entry in self.rms.log() if entry["method"] == "POST" and entry["path"].endswith(CHANGING)]


@contextmanager
def site(folder: Path, core: Core, routers: int = 4, ledger_url: str = "", **switches: Any) -> Iterator[Site]:
    with RmsSimulator(routers=routers, **switches) as rms:
        names = {entry["host"]: serial for serial, entry in rms.truth().items()}
        (folder / "home").mkdir(exist_ok=True)
        place = Site(
            folder=folder,
            core=core,
            rms=rms,
            ledger_url=ledger_url or f"sqlite:///{folder / 'ledger.db'}",
            hosts={name: {"device_serial": serial} for name, serial in names.items()},
            serials=names,
        )
        place.create_ledger()
        yield place
