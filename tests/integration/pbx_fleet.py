# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Some simulated PBXs with a ledger, rotated by the playbooks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from integration.cores import Core
from integration.sites import Place
from simulators.pbx import PbxSimulator


@dataclass(kw_only=True)
class PbxFleet(Place):
    """C(pbxs): by name. A simulated PBX tells no serial number, so the inventory's stands for it."""

    pbxs: dict[str, PbxSimulator]
    _seen: dict[str, int] = field(default_factory=dict)

    def real_passwords(self) -> dict[str, str]:
        return {self.serials[name]: pbx.password for name, pbx in self.pbxs.items()}

    def logins(self) -> dict[str, list[bool]]:
        """By name, whether each login since C(count_anew) was right."""
        every = {name: [login["ok"] for login in pbx.truth()["logins"]] for name, pbx in self.pbxs.items()}
        return {name: logins[self._seen.get(name, 0) :] for name, logins in every.items()}

    def count_anew(self) -> None:
        """Count logins from here on; nothing becomes of what is on its way."""
        self._seen = {name: len(pbx.truth()["logins"]) for name, pbx in self.pbxs.items()}


def started(stack: ExitStack, number: int) -> dict[str, PbxSimulator]:
    """So many PBXs, by name. To be shared: each is a process."""
    return {f"office-{each}": stack.enter_context(PbxSimulator()) for each in range(1, number + 1)}


@contextmanager
def pbx_fleet(folder: Path, core: Core, pbxs: dict[str, PbxSimulator], known: Sequence[str] | None = None) -> Iterator[PbxFleet]:
    """C(pbxs) as they were when they started. C(known): whose passwords the ledger knows, all by default."""
    (folder / "home").mkdir(exist_ok=True)
    for pbx in pbxs.values():
        pbx.reset()
    place = PbxFleet(
        folder=folder,
        core=core,
        ledger_url=f"sqlite:///{folder / 'ledger.db'}",
        group="pbxs",
        hosts={
            name: {"device_host": pbx.url, "device_fingerprint": pbx.fingerprint, "device_serial": f"3631A401{number:04}"}
            for number, (name, pbx) in enumerate(pbxs.items(), 1)
        },
        serials={name: f"3631A401{number:04}" for number, name in enumerate(pbxs, 1)},
        pbxs=pbxs,
    )
    place.create_ledger()
    place.import_real_passwords(known)
    yield place
