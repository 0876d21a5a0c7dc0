# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clean copies of the checkout at a path Ansible's own tools accept.

ansible-test, ansible-lint and the builder want the collection at `ansible_collections/keyturn/devices` and walk what they find there.
In the checkout they would meet .cache, with virtual environments in it and a link that leads back to the checkout. A copy holds
what git knows and what it would offer to add, nothing else, and is a repository of its own, because these tools ask git for the files.
"""

from __future__ import annotations

import filecmp
import shutil
import subprocess
from pathlib import Path

from tools.places import CACHE, CHECKOUT, NAME, NAMESPACE, Trouble, environment

# What the checkers leave in a copy and find again the next time.
KEPT = (".git", ".ansible", ".cache", "tests/output")


def collection_in(root: Path) -> Path:
    return root / "ansible_collections" / NAMESPACE / NAME


def copy(name: str) -> Path:
    """Bring the copy of that name up to date; returns the folder to name in ANSIBLE_COLLECTIONS_PATH."""
    root = CACHE / "trees" / name
    target = collection_in(root)
    target.mkdir(parents=True, exist_ok=True)
    wanted = set(source_files())
    for path in sorted(_files_below(target)):
        if path not in wanted:
            (target / path).unlink()
    for path in sorted(wanted):
        source, destination = CHECKOUT / path, target / path
        if (
            destination.is_file()
            and filecmp.cmp(source, destination, shallow=False)
            and source.stat().st_mode == destination.stat().st_mode
        ):
            continue
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, destination)
    _remove_empty_folders(target)
    if not (target / ".git").is_dir():
        _git(target, "init", "--quiet")
    _git(target, "add", "--all", ".")
    return root


def source_files() -> list[Path]:
    """The checkout's files that are, or would be, under version control."""
    listed = _git(CHECKOUT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return [Path(name) for name in listed.split("\0") if name and (CHECKOUT / name).is_file()]


def _files_below(target: Path) -> list[Path]:
    found = [path.relative_to(target) for path in target.rglob("*") if path.is_file() or path.is_symlink()]
    return [path for path in found if not any(path.is_relative_to(kept) for kept in KEPT)]


def _remove_empty_folders(target: Path) -> None:
    for folder in sorted((path for path in target.rglob("*") if path.is_dir() and not path.is_symlink()), reverse=True):
        if not any(folder.relative_to(target).is_relative_to(kept) for kept in KEPT) and not any(folder.iterdir()):
            folder.rmdir()


def _git(folder: Path, *arguments: str) -> str:
    env = {name: value for name, value in environment().items() if not name.startswith("GIT_")}
    command = ["git", "-c", "safe.directory=*", "-C", str(folder), *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env, check=False)
    if done.returncode != 0:
        raise Trouble(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stdout
