# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Galaxy would hand out: built, installed where nothing else is, and the main job run from there by its name."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest

from integration.cores import CHECKOUT, Core
from integration.sites import site
from tools.trees import source_files


@pytest.fixture(scope="module")
def artifact(newest_core: Core, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive, of what is in the checkout."""
    folder = tmp_path_factory.mktemp("artifact")
    source = folder / "source"
    for path in source_files():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(CHECKOUT / path, source / path)
    built = newest_core.run("ansible-galaxy", "collection", "build", "--output-path", folder, cwd=source)
    assert built.returncode == 0, built.stdout
    [archive] = folder.glob("*.tar.gz")
    return archive


def test_the_installed_artifact_makes_a_ledger_and_rotates(core: Core, artifact: Path, tmp_path: Path) -> None:
    installed = tmp_path / "collections"
    nowhere_else = {"ANSIBLE_COLLECTIONS_PATH": str(installed), "PYTHONPATH": ""}
    done = core.run("ansible-galaxy", "collection", "install", "--offline", "-p", installed, artifact, cwd=tmp_path, env=nowhere_else)
    assert done.returncode == 0, done.stdout

    with site(tmp_path, core, routers=3) as place:
        place.ledger_url = f"sqlite:///{tmp_path / 'new.db'}"
        place.env = nowhere_else
        made = place.run("create_ledger")
        rotated = place.run("rotate_routers")

        assert made.returncode == 0, made.stdout
        assert rotated.returncode == 0, rotated.stdout
        assert "3 changed" in rotated.stdout
        assert place.lost() == []


def test_the_archive_holds_nothing_of_a_developer_s(artifact: Path) -> None:
    with tarfile.open(artifact) as content:
        names = content.getnames()

    assert not [name for name in names if name.startswith((".cache", ".git", ".ci")) or "__pycache__" in name or name.endswith(".db")]
    assert {"bindep.txt", "requirements.txt", "meta/execution-environment.yml", "CHANGELOG.rst"} <= set(names)
