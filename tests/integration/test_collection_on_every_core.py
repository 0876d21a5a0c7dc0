# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection as every supported ansible-core sees it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from integration.cores import CHECKOUT, Core

KINDS = {"module": "modules", "lookup": "lookup", "inventory": "inventory", "filter": "filter", "test": "test"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_documentation_of_every_plugin_can_be_read(core: Core, kind: str, tmp_path: Path) -> None:
    suffix = ".yml" if kind in ("filter", "test") else ".py"
    names = sorted(f"keyturn.devices.{path.stem}" for path in (CHECKOUT / "plugins" / KINDS[kind]).glob(f"[!_]*{suffix}"))
    assert names

    done = core.run("ansible-doc", "-t", kind, "--json", *names, cwd=tmp_path)

    assert done.returncode == 0, done.stdout
    assert sorted(json.loads(done.stdout)) == names


def test_every_playbook_and_role_is_understood(every_core: Core, tmp_path: Path) -> None:
    playbooks = sorted(f"keyturn.devices.{path.stem}" for path in (CHECKOUT / "playbooks").glob("*.yml"))
    assert playbooks

    done = every_core.run("ansible-playbook", "--syntax-check", "-i", "localhost,", *playbooks, cwd=tmp_path)

    assert done.returncode == 0, done.stdout
