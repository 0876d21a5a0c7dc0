# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks against a real OpenSSH server whose two accounts change one after the other, with the real passwd."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.openssh import OpenSshRouter

from integration.cores import Core
from integration.sites import Place

IMPORTED = "Calm-41-Meadow-Gate"
SERIAL = "1100000007"
HELD = "sleep 60; exit 1"


@dataclass(kw_only=True)
class SshPlace(Place):
    """One router. Its password counts only when both accounts have it."""

    router: OpenSshRouter

    def real_passwords(self) -> dict[str, str]:
        record = self.records().get("depot-07")
        known = [slot["password"] for slot in (record["current"], record["staged"], *record["previous"]) if slot] if record else [IMPORTED]
        return {SERIAL: next((password for password in known if self.both_accept(password)), "")}

    def both_accept(self, password: str) -> bool:
        return self.router.accepts("root", password) and self.router.accepts("admin", password)


@pytest.fixture
def place(newest_core: Core, tmp_path: Path) -> Iterator[SshPlace]:
    router = OpenSshRouter(SERIAL, "RUT9_R_00.07.02.7", IMPORTED)
    (tmp_path / "home").mkdir()
    try:
        place = SshPlace(
            folder=tmp_path,
            core=newest_core,
            ledger_url=f"sqlite:///{tmp_path / 'ledger.db'}",
            hosts={
                "depot-07": {
                    "device_serial": SERIAL,
                    "device_host": f"127.0.0.1:{router.port}",
                    "device_fingerprint": router.fingerprint,
                    "device_protocol": "ssh",
                }
            },
            serials={"depot-07": SERIAL},
            group_vars={"device_via": "device"},
            router=router,
        )
        place.create_ledger()
        place.import_real_passwords()
        yield place
    finally:
        router.close()


def refused(place: SshPlace) -> int:
    """Log-ins that the server ever refused."""
    return place.router.log.count("Failed password")


def kill_at(place: SshPlace, account: str, when: str) -> None:
    """Kill a rotation C(when) passwd of that account is before or after its work."""
    before, after = (HELD, "") if when == "before" else ("", HELD)
    marker = place.folder / "reached"
    script = f'[ "$1" = {account} ] || exec /usr/bin/passwd "$@"; {before and f"touch {marker}; {before}"}\n'
    place.router.put_program("passwd", f'{script}/usr/bin/passwd "$@"; touch {marker}; {after}')
    run = subprocess.Popen(
        place.command("rotate_routers"),
        cwd=place.folder,
        env=place.core.environment(place.environment()),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not marker.exists():
        assert run.poll() is None
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    place.router.remove_program("passwd")


def test_both_accounts_are_rotated_and_a_second_run_changes_nothing(place: SshPlace) -> None:
    done = place.run("rotate_routers")

    assert done.returncode == 0, done.stdout
    record = place.records()["depot-07"]
    assert (place.lost(), record["verified_by"], record["current"]["password"] != IMPORTED) == ([], "login", True)

    again = place.run("rotate_routers")

    assert again.returncode == 0, again.stdout
    assert "0 of 1 routers are due" in again.stdout
    assert refused(place) == 0


@pytest.mark.parametrize(
    ("account", "when", "wrong"),
    [("admin", "before", 1), ("admin", "after", 1), ("root", "before", 1), ("root", "after", 0)],
)
def test_a_run_killed_at_one_account_leaves_neither_behind(place: SshPlace, account: str, when: str, wrong: int) -> None:
    kill_at(place, account, when)
    staged = place.records()["depot-07"]["staged"]["password"]

    done = place.run("reconcile")

    assert done.returncode == 0, done.stdout
    record = place.records()["depot-07"]
    assert (record["current"]["password"], record["staged"]) == (staged, None)
    assert (place.lost(), refused(place)) == ([], wrong)
