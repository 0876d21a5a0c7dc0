# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run in which nobody is due imports what it needs and no more: Ansible compiles the code of a collection anew in every run."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

OURS = "ansible_collections.keyturn.devices.plugins."
PLUGINS = Path(__file__).parents[3] / "plugins"
# What the playbook runs when nobody is due.
NIGHTLY = ("action.rotation_host", "action.rotation_plan", "action.rotation_summary")

NOT_NEEDED = (
    *(f"module_utils._ledger.{name}" for name in ("backups", "cases", "copies", "fleet", "handovers", "history", "people", "transfer")),
    *(f"module_utils._passwords.{name}" for name in ("csv_file", "generator", "one_time_list")),
    *(f"module_utils._rms.{name}" for name in ("channel", "deposit", "generated", "outcomes", "passwords")),
    *(f"module_utils._rutos.{name}" for name in ("api", "options", "ssh", "visit")),
    *(f"plugin_utils._rotation.{name}" for name in ("outcomes", "steps", "verifying")),
    "plugin_utils._products.pbxs",
    "plugin_utils._products.router_requests",
)


def file_of(module: str) -> Path:
    return PLUGINS.joinpath(*module.split(".")).with_suffix(".py")


def imported(statements: list[ast.stmt]) -> Iterator[str]:
    """What of ours a file imports when it is imported itself; imports in functions and for types alone are not among that."""
    for statement in statements:
        if isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith(OURS):
            module = str(statement.module).removeprefix(OURS)
            yield from [module] if file_of(module).exists() else [f"{module}.{alias.name}" for alias in statement.names]
        elif isinstance(statement, (ast.Try, ast.With)):
            yield from imported(statement.body)


def closure(modules: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    open_ends = list(modules)
    while open_ends:
        module = open_ends.pop()
        if module not in found:
            found.add(module)
            open_ends += imported(ast.parse(file_of(module).read_text()).body)
    return found


def test_a_night_in_which_nobody_is_due_imports_nothing_that_only_others_need() -> None:
    everything = closure(NIGHTLY)
    assert "module_utils._ledger.store" in everything
    assert all(file_of(module).exists() for module in NOT_NEEDED)
    assert sorted(everything & set(NOT_NEEDED)) == []


def test_what_a_batch_needs_is_imported_with_its_action_before_ansible_forks() -> None:
    batch = closure(("action.rotation_batch",))
    assert {"plugin_utils._rotation.steps", "plugin_utils._rotation.verifying"} <= batch


def test_the_tables_of_the_ledger_are_made_without_any_database_of_sqlalchemy() -> None:
    script = f"import sys; from {OURS}module_utils._ledger.schema import schema; schema(); print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert "sqlalchemy.sql.schema" in done.stdout.split()
    assert not {"sqlalchemy.dialects.postgresql", "sqlalchemy.dialects.sqlite"} & set(done.stdout.split())
