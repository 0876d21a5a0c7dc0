# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PBXs of an inventory, with the mail they need and a ledger, as the playbooks of a recovery find them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from integration.cores import Core
from integration.pbx_site import EMAIL, Site
from integration.sites import Place


@dataclass(kw_only=True)
class RecoveryPlace(Place):
    """One PBX, or several names for it: C(site) is the only one that is really there."""

    site: Site

    def command(self, playbook: str, *arguments: str) -> list[str]:
        inventory = self.folder / "inventory.json"
        inventory.write_text(json.dumps({"pbxs": {"hosts": self.hosts, "vars": self.group_vars}}))
        return [str(self.core.bin / "ansible-playbook"), f"keyturn.devices.{playbook}", "-i", str(inventory), *arguments]

    def real_passwords(self) -> dict[str, str]:
        return dict.fromkeys(self.serials.values(), self.site.pbx.password)


def recovery_place(folder: Path, core: Core, site: Site, *names: str, **settings: Any) -> RecoveryPlace:
    """A new ledger, and an inventory that calls the PBX by these names. C(settings): variables of the group, without their prefix."""
    variables = {
        "device_host": site.pbx.url,
        "device_fingerprint": site.pbx.fingerprint,
        "device_email": EMAIL,
        "device_mailbox": site.mailbox.options(),
    }
    for directory in ("home", "t"):
        (folder / directory).mkdir(parents=True, exist_ok=True)
    place = RecoveryPlace(
        folder=folder,
        core=core,
        ledger_url=f"sqlite:///{folder / 'ledger.db'}",
        hosts={name: dict(variables) for name in names or ("office-pbx",)},
        serials={},
        group_vars={f"pbx_recovery_{name}": value for name, value in settings.items()},
        # Short: the path of a socket has at most 107 characters.
        env={"TMPDIR": str(folder / "t"), "ANSIBLE_LOCAL_TEMP": str(folder / "t" / "l")},
        site=site,
    )
    place.create_ledger()
    return place
