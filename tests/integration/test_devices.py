# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks against routers that are asked themselves, and against RMS with a log-in as the proof."""

from __future__ import annotations

from pathlib import Path

from integration.cores import Core
from integration.device_sites import device_site


def test_routers_are_rotated_themselves_and_a_second_run_changes_nothing(core: Core, tmp_path: Path) -> None:
    with device_site(tmp_path, core) as place:
        before = place.real_passwords()

        done = place.run("rotate_routers")

        assert done.returncode == 0, done.stdout
        assert "3 changed" in done.stdout
        assert place.lost() == []
        assert not set(before.items()) & set(place.real_passwords().items())
        assert {record["verified_by"] for record in place.records().values()} == {"login"}
        assert (set(place.wrong_logins().values()), place.open_sessions()) == ({0}, [])

        again = place.run("rotate_routers")

        assert again.returncode == 0, again.stdout
        assert "0 of 3 routers are due" in again.stdout
        assert place.routers.log() == []


def test_a_change_made_through_rms_is_proven_by_a_log_in(core: Core, tmp_path: Path) -> None:
    with device_site(tmp_path, core, via="rms_then_verify") as place:
        done = place.run("rotate_routers")

        assert done.returncode == 0, done.stdout
        assert place.lost() == []
        assert {record["verified_by"] for record in place.records().values()} == {"login"}
        assert (set(place.wrong_logins().values()), place.open_sessions()) == ({0}, [])
        assert set(place.changes().values()) == {1}
