# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of docs/examples that people copy: pipelines, whose commands are run on a simulated site, and sources, which are resolved."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.pass_store import password_store

from integration.cores import Core
from integration.sites import Site, site

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
GUIDES = EXAMPLES.parent / "docsite" / "rst"
SECRET = "CANARY-From-Store-2026"

# What lookups of other collections return, by their documented interface: what they are asked for is a part of it.
LOOKUP = """
from ansible.plugins.lookup import LookupBase

DOCUMENTATION = \"\"\"
name: {name}
short_description: A stand-in
description: A stand-in.
options:
  _terms: {{description: Paths., type: list, required: true}}
  engine_mount_point: {{description: Where., type: str}}
\"\"\"

class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        assert [(term, self.get_option("engine_mount_point")) for term in terms] == {expected!r}, terms
        return [{answer!r}]
"""


def scripts(value: Any) -> Iterator[str]:
    """Every command of a pipeline, wherever it stands."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "run":
                yield from str(inner).splitlines()
            elif key in ("script", "before_script"):
                yield from inner
            else:
                yield from scripts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from scripts(inner)


def commands(name: str) -> list[str]:
    found = list(scripts(yaml.safe_load((EXAMPLES / "pipelines" / name).read_text())))
    return [command for command in found if command.startswith(("ansible-playbook", "python3 -c"))]


def run_command(place: Site, command: str) -> str:
    environment = {
        **os.environ,
        **place.environment(),
        "INVENTORY": "inventory.json",
        "GITHUB_STEP_SUMMARY": str(place.folder / "summary.md"),
    }
    environment["PATH"] = f"{place.core.bin}:{environment['PATH']}"
    done = subprocess.run(command, shell=True, cwd=place.folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_the_pipelines_run(newest_core: Core, tmp_path: Path) -> None:
    github = list(dict.fromkeys(commands("github-actions.yml")))
    sarif = re.compile(r' -e password_compliance_sarif="[^"]*"')
    assert set(commands("gitlab-ci.yml")) <= {sarif.sub("", command) for command in github}
    judging = [command for command in github if "compliance" in command or "--check" in command]
    enforcing = [command for command in github if command not in judging]
    with site(tmp_path, newest_core, routers=2) as place:
        place.command("rotate_routers")
        (preview,) = [command for command in judging if "--check" in command]
        run_command(place, preview)
        assert place.records() == {}
        for command in enforcing:
            run_command(place, command)
        assert place.lost() == []
        assert "2 would be changed" in (tmp_path / "summary.md").read_text()
        for command in judging:
            run_command(place, command)
        for name in ("compliance.sarif", "compliance.junit.xml", "compliance.json", "summary.json"):
            assert (tmp_path / name).stat().st_size > 0


def lookup(folder: Path, name: str, expected: list[tuple[str, str | None]], answer: Any) -> None:
    namespace, collection, plugin = name.split(".")
    plugins = folder / "collections" / "ansible_collections" / namespace / collection / "plugins" / "lookup"
    plugins.mkdir(parents=True)
    (plugins / f"{plugin}.py").write_text(LOOKUP.format(name=plugin, expected=expected, answer=answer))


@pytest.mark.parametrize("store", ["hashi_vault", "sops", "passwordstore", "ansible_vault"])
def test_a_source_of_each_store(newest_core: Core, tmp_path: Path, store: str) -> None:
    inventory = tmp_path / "inventory.yml"
    shutil.copy(EXAMPLES / "sources" / f"{store}.yml", inventory)
    environment = {"ANSIBLE_COLLECTIONS_PATH": f"{os.environ['ANSIBLE_COLLECTIONS_PATH']}:{tmp_path / 'collections'}"}
    lookup(tmp_path, "community.hashi_vault.vault_kv2_get", [("routers/depot-07", "secret")], {"secret": {"password": SECRET}})
    lookup(tmp_path, "community.sops.sops", [(str(tmp_path / "secrets" / "depot-07.sops.yaml"), None)], f"password: {SECRET}\n")
    (tmp_path / "vault.txt").write_text("password of the files")
    vault = ["--vault-password-file", str(tmp_path / "vault.txt")]
    if store == "ansible_vault":
        (tmp_path / "host_vars" / "depot-07").mkdir(parents=True)
        encrypted = tmp_path / "host_vars" / "depot-07" / "vault.yml"
        encrypted.write_text(f"vaulted_next_password: {SECRET}\n")
        subprocess.run([newest_core.bin / "ansible-vault", "encrypt", encrypted, *vault], check=True, capture_output=True)
    with password_store(tmp_path) if store == "passwordstore" else nullcontext({}) as of_store:
        if of_store:
            insert = ["pass", "insert", "--multiline", "routers/depot-07"]
            subprocess.run(insert, input=f"{SECRET}\nnotes\n", text=True, check=True, env={**os.environ, **of_store}, capture_output=True)
        show = ["-i", inventory, "depot-07", "-m", "ansible.builtin.debug", "-a", "var=device_password_source", *vault]
        done = newest_core.run("ansible", *show, cwd=tmp_path, env={**environment, **of_store})
    assert json.loads(done.stdout.partition("=>")[2])["device_password_source"] == {"kind": "value", "password": SECRET}


def test_the_guide_shows_what_the_files_hold() -> None:
    guide = (GUIDES / "sources_and_policies.rst").read_text()
    for path in (EXAMPLES / "sources").glob("*.yml"):
        lines = path.read_text().splitlines()
        password = next(line.strip().removeprefix("password: ") for line in lines if "{{" in line)
        assert password in guide
