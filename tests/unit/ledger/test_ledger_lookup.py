# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup, and where a relative URL leads."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible import constants, context
from ansible.errors import AnsibleLookupError
from ansible.module_utils.common.collections import ImmutableDict
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from sqlalchemy.engine import Connection
from support.actions import trusted
from support.ledgers import PASSPHRASE, cheap_keys, committed, opened, run_of, settled, staged

from ansible_collections.keyturn.devices.plugins.lookup import password
from ansible_collections.keyturn.devices.plugins.module_utils._ledger import crypto
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.database import Database
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.plugin_utils._ledger_url import ledger_url_beside_inventory

Lookup = Callable[..., list[Any]]
NAME = "keyturn.devices.password"


@pytest.fixture(scope="module", autouse=True)
def options_are_known() -> None:
    """What Ansible's loader does before it makes a plugin."""
    constants.config.initialize_plugin_configuration_definitions("lookup", NAME, yaml.safe_load(password.DOCUMENTATION)["options"])


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    cheap_keys(monkeypatch)
    for name in [name for name in os.environ if name.startswith("KEYTURN_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def arguments(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    return lambda **given: monkeypatch.setattr(context, "CLIARGS", ImmutableDict(given))


@pytest.fixture
def lookup(url: str) -> Lookup:
    def run(*terms: str, variables: dict[str, Any] | None = None, **options: Any) -> list[Any]:
        plugin = password.LookupModule()
        plugin._load_name = NAME
        plugin._templar = Templar(loader=DataLoader())
        defaults = {"ledger_url": url, "ledger_passphrase": PASSPHRASE}
        if variables is not None:
            return list(plugin.run(list(terms), variables, **options))
        return list(plugin.run(list(terms), {}, **(defaults | options)))

    return run


def test_it_gives_the_current_passwords_in_the_order_of_the_names(ledger: Ledger, lookup: Lookup) -> None:
    committed(ledger, "r1", "one")
    committed(ledger, "r2", "before", "two")
    staged(ledger, run_of("a"), {"r2": "three"})
    assert lookup("r2", "r1", "r2") == ["two", "one", "two"]
    assert lookup("r2", slot="staged") == ["three"]
    assert lookup("r2", slot="previous") == ["before"]
    assert lookup() == []


def test_a_device_without_one_is_an_error_or_the_default(ledger: Ledger, lookup: Lookup) -> None:
    committed(ledger, "r1", "one")
    with pytest.raises(AnsibleLookupError, match="no current password of r8, r9"):
        lookup("r1", "r8", "r9")
    with pytest.raises(AnsibleLookupError, match="no staged password of r1"):
        lookup("r1", slot="staged")
    assert lookup("r1", "r9", default="admin01") == ["one", "admin01"]
    assert lookup("r9", default="") == [""]


def test_without_a_ledger_it_makes_none(lookup: Lookup, tmp_path: Path) -> None:
    with pytest.raises(AnsibleLookupError, match="There is no "):
        lookup("r1")
    with pytest.raises(AnsibleLookupError, match=r"There is no .*keyturn\.devices\.create_ledger"):
        lookup("r1", default="admin01")
    assert list(tmp_path.iterdir()) == []


def test_options_come_from_variables_too(ledger: Ledger, lookup: Lookup, url: str) -> None:
    committed(ledger, "r1", "one")
    assert lookup("r1", variables={"ledger_url": url, "ledger_passphrase": PASSPHRASE}) == ["one"]


def test_variables_are_templated_as_for_the_modules(ledger: Ledger, lookup: Lookup, url: str) -> None:
    committed(ledger, "r1", "one")
    variables = {"vault_x": PASSPHRASE, "ledger_url": url, "ledger_passphrase": trusted("{{ vault_x }}")}
    assert lookup("r1", variables=variables) == ["one"]
    with pytest.raises(AnsibleLookupError, match="nowhere"):
        lookup("r1", variables={**variables, "ledger_passphrase": trusted("{{ nowhere }}")})


def test_the_refused_password_of_an_orphaned_device_is_not_given(ledger: Ledger, lookup: Lookup) -> None:
    committed(ledger, "r1", "refused")
    staged(ledger, run_of("a"), {"r1": "refused too"})
    settled(ledger, run_of("a"), "r1", live="neither")
    with pytest.raises(AnsibleLookupError, match="no current password of r1; orphaned"):
        lookup("r1")
    assert lookup("r1", default="ask") == ["ask"]
    assert lookup("r1", slot="staged") == ["refused too"]


def test_options_come_from_the_environment_too(ledger: Ledger, lookup: Lookup, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    committed(ledger, "r1", "one")
    monkeypatch.setenv("KEYTURN_LEDGER_URL", url)
    monkeypatch.setenv("KEYTURN_LEDGER_PASSPHRASE", PASSPHRASE)
    assert lookup("r1", variables={}) == ["one"]


def test_an_error_shows_neither_passphrase_nor_url(ledger: Ledger, lookup: Lookup) -> None:
    with pytest.raises(AnsibleLookupError) as caught:
        lookup("r1", ledger_passphrase="canary of tests")
    assert "canary" not in str(caught.value)
    with pytest.raises(AnsibleLookupError) as caught:
        lookup("r1", ledger_url="postgresql+psycopg://keyturn:canary@127.0.0.1:1/ledger")
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_any_number_of_names_costs_one_key_and_one_transaction(ledger: Ledger, lookup: Lookup, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"r{number}" for number in range(100)]
    staged(ledger, run_of("a"), dict.fromkeys(names, "new"))
    crypto._derive.cache_clear()
    begin = Database.begin
    begun: list[bool] = []

    def counted(self: Database, write: bool) -> AbstractContextManager[Connection]:
        begun.append(write)
        return begin(self, write)

    monkeypatch.setattr(Database, "begin", counted)
    assert lookup(*names, slot="staged") == ["new"] * 100
    lookup("r1", slot="staged")
    assert crypto._derive.cache_info().misses == 1
    assert begun == [False, False] * 2  # one to open, one to read


def test_a_relative_url_leads_beside_the_first_inventory(arguments: Callable[..., None], tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.ini"
    inventory.touch()
    arguments(inventory=[str(inventory), "/elsewhere/hosts"])
    assert ledger_url_beside_inventory(None) == f"sqlite:///{tmp_path}/keyturn-ledger.db"
    assert ledger_url_beside_inventory("sqlite:///mine.db") == f"sqlite:///{tmp_path}/mine.db"
    directory = tmp_path / "inventory"
    directory.mkdir()
    arguments(inventory=[str(directory)])
    assert ledger_url_beside_inventory(None) == f"sqlite:///{tmp_path}/keyturn-ledger.db"


def test_without_an_inventory_file_it_leads_to_the_working_directory(
    arguments: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for inventory in (["r1,r2,"], ["/missing/hosts"], [], None):
        arguments(inventory=inventory)
        assert ledger_url_beside_inventory(None) == f"sqlite:///{tmp_path}/keyturn-ledger.db"
    arguments()
    monkeypatch.setenv("KEYTURN_LEDGER_URL", "postgresql+psycopg://user@host/db")
    assert ledger_url_beside_inventory(None) == "postgresql+psycopg://user@host/db"


def test_lookup_and_store_agree(arguments: Callable[..., None], lookup: Lookup, tmp_path: Path) -> None:
    (tmp_path / "inventory.ini").touch()
    arguments(inventory=[str(tmp_path / "inventory.ini")])
    with opened(f"sqlite:///{tmp_path}/keyturn-ledger.db") as ledger:
        committed(ledger, "r1", "one")
    assert lookup("r1", variables={"ledger_passphrase": PASSPHRASE}) == ["one"]
