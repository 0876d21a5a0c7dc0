# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules ledger and ledger_info: every state, again, in check mode, and without a secret in what they say."""

from __future__ import annotations

import csv
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import support.ledgers
from support.actions import run_action
from support.ledgers import opened
from support.postgresql import PostgresqlServer

from ansible_collections.keyturn.devices.plugins.action import ledger as ledger_action
from ansible_collections.keyturn.devices.plugins.action import ledger_info as info_action
from ansible_collections.keyturn.devices.plugins.module_utils._ledger import people
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run

PASSPHRASE = "canary passphrase/of tests"
OTHER = "canary other passphrase"
Module = Callable[..., dict[str, Any]]
POLICY = {"length": 20, "special": True}


@pytest.fixture(autouse=True)
def cheap_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    support.ledgers.cheap_keys(monkeypatch)
    for name in [name for name in os.environ if name.startswith("KEYTURN_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def empty_ledger(url: str) -> None:
    opened(url, passphrase=PASSPHRASE).close()


@pytest.fixture
def module(url: str, empty_ledger: None) -> Module:
    return module_of(url)


def module_of(url: str) -> Module:
    def run(state: str, *devices: dict[str, Any] | str, **options: Any) -> dict[str, Any]:
        listed = [{"name": device} if isinstance(device, str) else device for device in devices]
        defaults: dict[str, Any] = {"ledger_url": url, "ledger_passphrase": PASSPHRASE, "run_id": "run-1", "state": state}
        if listed:
            defaults["devices"] = listed
        given = {name: value for name, value in (defaults | options).items() if value is not None}
        result = run_action(ledger_action.ActionModule, **given)
        assert "canary" not in result["printed"]
        assert quote(PASSPHRASE) not in result["printed"]
        return result

    return run


@pytest.fixture
def info(url: str, empty_ledger: None) -> Callable[..., dict[str, Any]]:
    def run(**options: Any) -> dict[str, Any]:
        return run_action(info_action.ActionModule, **({"ledger_url": url, "ledger_passphrase": PASSPHRASE} | options))

    return run


def statuses(result: dict[str, Any]) -> dict[str, str]:
    assert not result.get("failed"), result["msg"]
    return {device["name"]: device["status"] for device in result["devices"]}


def given(name: str, password: str = "canary-given-Password-1", **more: Any) -> dict[str, Any]:
    return {"name": name, "source": "value", "password": password, **more}


def test_a_rotation_in_its_four_calls(module: Module, info: Module) -> None:
    staged = module("staged", {"name": "r1", "serial": "0011", "policy": POLICY, "product": "rms"}, {"name": "r2"}, diff=True)
    assert statuses(staged) == {"r1": "staged", "r2": "staged"}
    assert staged["diff"] == {"before": "", "after": "r1: staged\nr2: staged\n"}
    made = info(include_secrets=True)["devices"]["r1"]["staged"]["password"]
    assert len(made) == 20
    assert made not in staged["printed"]
    assert statuses(module("settled", {"name": "r1", "outcome": "changed", "proof": "vendor"}, {"name": "r2", "outcome": "unknown"})) == {
        "r1": "committed",
        "r2": "kept",
    }
    resumed = module("resumed", "r1", "r2", run_id="run-2")
    assert statuses(resumed) == {"r1": "nothing_staged", "r2": "resumed"}
    assert resumed["devices"][1]["attempts"] == 2
    assert statuses(module("settled", {"name": "r2", "live": "staged", "proof": "login"}, run_id="run-2")) == {"r2": "committed"}
    known = info(devices=["r1"], include_events=5)["devices"]
    assert list(known) == ["r1"]
    assert known["r1"]["verified_by"] == "vendor"
    assert "password" not in known["r1"]["current"]
    assert [event["to"] for event in known["r1"]["events"]] == ["current", "staged"]


STEPS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "staged": [("staged", {"devices": [given("r1")]})],
    "resumed": [
        ("staged", {"devices": [given("r1")]}),
        ("settled", {"devices": [{"name": "r1", "outcome": "unknown"}]}),
        ("resumed", {"devices": [{"name": "r1"}], "run_id": "run-2"}),
    ],
    "settled": [("staged", {"devices": [given("r1")]}), ("settled", {"devices": [{"name": "r1", "outcome": "changed", "proof": "login"}]})],
    "followed": [
        ("imported", {"devices": [{"name": "r1", "serial": "0011", "password": "canary-imported"}]}),
        ("followed", {"devices": [{"name": "r2", "serial": "0011"}]}),
    ],
    "retired": [
        ("imported", {"devices": [{"name": "r1", "password": "canary-imported"}]}),
        ("retired", {"devices": [{"name": "r1"}]}),
    ],
    "released": [("staged", {"devices": [given("r1")]}), ("released", {"devices": [{"name": "r1"}], "run_id": "by hand"})],
    "imported": [("imported", {"devices": [{"name": "r1", "password": "canary-imported"}]})],
    "committed": [
        ("staged", {"devices": [given("r1")]}),
        ("settled", {"devices": [{"name": "r1", "live": "neither"}]}),
        ("committed", {"devices": [{"name": "r1"}], "run_id": "by hand"}),
    ],
    "dropped": [
        ("staged", {"devices": [given("r1")]}),
        ("settled", {"devices": [{"name": "r1", "outcome": "unknown"}]}),
        ("dropped", {"devices": [{"name": "r1"}], "run_id": "by hand"}),
    ],
}


@pytest.mark.parametrize("state", STEPS)
def test_check_mode_tells_and_changes_nothing_then_it_is_done_once(module: Module, info: Module, state: str) -> None:
    *before, (last, options) = STEPS[state]
    for step, step_options in before:
        assert module(step, **step_options)["changed"]
    known = info(include_secrets=True, include_events=50)["devices"]
    told = module(last, check=True, **options)
    assert told["changed"] is True
    assert info(include_secrets=True, include_events=50)["devices"] == known
    done = module(last, **options)
    assert done["changed"] is True
    assert statuses(done) == statuses(told)
    known = info(include_secrets=True, include_events=50)["devices"]
    again = module(last, **options)
    assert again["changed"] is False
    assert info(include_secrets=True, include_events=50)["devices"] == known


def test_a_ledger_is_made_on_purpose_and_once(url: str, tmp_path: Path) -> None:
    module = module_of(url)
    told = module("created", run_id=None, check=True)
    assert told["changed"] is True
    assert list(tmp_path.iterdir()) == []
    made = module("created", run_id=None)
    assert made["changed"] is True
    assert made["ledger"] == told["ledger"]
    assert made["ledger"].startswith("the ledger ")
    for check in (True, False):
        again = module("created", run_id=None, check=check)
        assert (again["changed"], again["identity"]) == (False, made["identity"])
    assert module("created", ledger_passphrase=OTHER)["reason"] == "wrong_passphrase"
    assert module_of(f"sqlite:///{tmp_path}/missing/ledger.db")("created", check=True)["reason"] == "no_directory"
    assert module_of(f"sqlite:///{tmp_path}/second.db")("created", ledger_passphrase="short", check=True)["reason"] == "weak_passphrase"


def test_without_a_ledger_everything_else_fails_and_says_where_it_looked(url: str, tmp_path: Path) -> None:
    module = module_of(url)
    calls: list[dict[str, Any]] = [
        {"state": "staged", "devices": [given("r1")]},
        {"state": "imported", "devices": [{"name": "r1", "password": "canary-imported"}]},
        {"state": "verified", "devices": [{"name": "r1"}]},
        {"state": "exported", "path": str(tmp_path / "export.csv")},
        {"state": "rekeyed", "new_passphrase": OTHER},
    ]
    results = [module(check=check, **call) for call in calls for check in (True, False)]
    results.append(run_action(info_action.ActionModule, ledger_url=url, ledger_passphrase=PASSPHRASE))
    where = str(tmp_path / "ledger.db") if url.startswith("sqlite") else "on 127.0.0.1"
    for result in results:
        assert result["reason"] == "absent"
        assert where in result["msg"]
        assert "ansible-playbook keyturn.devices.create_ledger" in result["msg"]
    assert list(tmp_path.iterdir()) == []


def test_verifying_records_the_proof(module: Module, info: Module) -> None:
    module("imported", {"name": "r1", "password": "canary-imported"})
    assert info()["devices"]["r1"]["last_verified"] is None
    assert statuses(module("verified", "r1", "r9")) == {"r1": "verified", "r9": "no_current"}
    assert info()["devices"]["r1"]["verified_by"] == "login"


def test_every_mistake_in_a_batch_is_named_and_nothing_is_staged(module: Module, info: Module) -> None:
    result = module(
        "staged",
        {"name": "good"},
        {"name": "no-password", "source": "csv"},
        {"name": "two-passwords", "password": "canary-not-needed"},
        {"name": "no-list", "source": "rms"},
    )
    assert (result["failed"], result["reason"]) == (True, "input")
    assert [problem["where"] for problem in result["problems"]] == ["no-password", "two-passwords", "no-list"]
    result = module("staged", {"name": "odd", "policy": {"lenght": 20}}, {"name": "impossible", "policy": {"length": 40}, "product": "rms"})
    assert result["reason"] == "policy"
    assert [problem["where"] for problem in result["problems"]] == ["odd", "impossible"]
    assert info()["devices"] == {}


def test_a_given_password_must_meet_its_policy(module: Module) -> None:
    result = module("staged", given("r1", "canary", policy=POLICY), given("r2", policy=POLICY))
    assert result["reason"] == "policy"
    assert "r1: the password is shorter than 20 characters" in result["msg"]


def test_a_former_password_does_not_come_back_when_the_policy_says_so(module: Module) -> None:
    policy = {"length": 12, "history": 3}
    for number, password in enumerate(("canary-Password-1", "canary-Password-2")):
        module("staged", given("r1", password), run_id=f"run-{number}")
        module("settled", {"name": "r1", "outcome": "changed", "proof": "login"}, run_id=f"run-{number}")
    refused = module("staged", given("r1", "canary-Password-1", policy=policy), run_id="run-3")
    assert "used before" in refused["msg"]
    assert statuses(module("staged", given("r1", "canary-Password-2", policy=policy), run_id="run-3")) == {"r1": "staged"}


def test_a_renamed_and_an_exchanged_device_are_warnings(module: Module) -> None:
    module("imported", {"name": "r1", "password": "canary-imported", "serial": "0011"})
    result = module("staged", {"name": "r2", "serial": "0011"})
    assert result["devices"][0]["warnings"] == ["renamed"]
    assert "r2" in result["warnings"][0]
    result = module("followed", {"name": "r2", "serial": "0022"}, run_id="run-1")
    assert statuses(result) == {"r2": "exchanged"}
    assert result["devices"][0]["put_away_as"] == "r2 (0011)"
    assert "r2" in result["warnings"][0]


def test_export_and_import_carry_a_ledger_over(module: Module, info: Module, tmp_path: Path, postgresql: PostgresqlServer) -> None:
    odd = "canary;\"quoted\",'and' =odd"
    module("imported", {"name": "r1", "password": odd, "serial": "0011"}, {"name": "r2", "password": "canary-two"})
    module("staged", given("r2"))
    path = tmp_path / "export.csv"
    exported = module("exported", path=str(path), slots=["current", "staged", "previous"])
    assert (exported["changed"], exported["passwords"]) == (True, 3)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert module("exported", path=str(path), slots=["current", "staged", "previous"])["changed"] is False
    assert [entry.name for entry in tmp_path.iterdir() if "export" in entry.name] == ["export.csv"]
    elsewhere = {"ledger_url": postgresql.new_database()}
    opened(elsewhere["ledger_url"], passphrase=PASSPHRASE).close()
    assert module("imported", path=str(path), **elsewhere)["summary"] == {"imported": 2}
    assert module("imported", path=str(path), **elsewhere)["changed"] is False
    known = info(include_secrets=True, **elsewhere)["devices"]
    assert {name: device["current"]["password"] for name, device in known.items()} == {"r1": odd, "r2": "canary-two"}
    assert known["r1"]["serial"] == "0011"


def test_an_export_does_not_write_over_another_file(module: Module, tmp_path: Path) -> None:
    module("imported", {"name": "r1", "password": "canary-one"})
    path = tmp_path / "export.csv"
    path.write_text("somebody's")
    assert module("exported", path=str(path))["reason"] == "file_exists"
    assert module("exported", path=str(path), check=True)["reason"] == "file_exists"
    assert path.read_text() == "somebody's"
    assert module("exported", path=str(path), overwrite=True, check=True)["changed"] is True
    assert path.read_text() == "somebody's"
    assert module("exported", path=str(path), overwrite=True)["changed"] is True
    assert "canary-one" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert module("exported", path=str(tmp_path / "missing" / "export.csv"))["reason"] == "no_directory"


def test_a_handover_list_by_serial_is_imported_to_the_devices_that_have_them(module: Module, info: Module, tmp_path: Path) -> None:
    module("imported", {"name": "r1", "password": "canary-old", "serial": "0011"})
    path = tmp_path / "handover.csv"
    path.write_text("serial;password\n0011;canary-new\n")
    assert statuses(module("imported", path=str(path))) == {"r1": "imported"}
    assert info(include_secrets=True)["devices"]["r1"]["current"]["password"] == "canary-new"


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ("0099,canary\n", "line 1"),
        ("name,password\nr1,canary\nr1,canary-again\n", "line 3"),
        ("name,password\nr1,canary\nr2\n", "line 3"),
        ("name,password\nr1,\n", "line 2"),
        ("name,password\n,canary\n", "line 2"),
        ("name,password\nr1, canary\n", "line 2"),
        ('name,password\nr1,"canary\n', "line 2"),
        ("name,password\n", "file"),
        ("", "file"),
    ],
)
def test_one_bad_row_and_nothing_is_imported(module: Module, info: Module, tmp_path: Path, content: str, where: str) -> None:
    module("imported", {"name": "r1", "password": "canary-old", "serial": "0011"})
    before = info(include_secrets=True)["devices"]
    path = tmp_path / "handover.csv"
    path.write_text(content)
    result = module("imported", path=str(path))
    assert result["reason"] == "input"
    assert where in [problem["where"] for problem in result["problems"]]
    assert info(include_secrets=True)["devices"] == before


def test_an_import_makes_an_orphan_a_device_again(module: Module, info: Module) -> None:
    module("imported", {"name": "r1", "password": "canary-old"})
    module("staged", given("r1"))
    module("settled", {"name": "r1", "live": "neither"})
    assert info()["devices"]["r1"]["orphaned"] is True
    assert statuses(module("imported", {"name": "r1", "password": "canary-found"})) == {"r1": "imported"}
    known = info(include_secrets=True)["devices"]["r1"]
    assert known["orphaned"] is False
    assert known["current"]["password"] == "canary-found"
    assert {(each["mark"], each["password"]) for each in known["previous"]} == {
        ("previous", "canary-old"),
        ("superseded", "canary-given-Password-1"),
    }
    assert statuses(module("staged", given("r1", "canary-next"))) == {"r1": "staged"}


def test_an_import_of_what_is_staged_makes_that_current(module: Module, info: Module) -> None:
    module("staged", given("r1"))
    module("settled", {"name": "r1", "outcome": "unknown"})
    module("imported", {"name": "r1", "password": "canary-given-Password-1"})
    known = info()["devices"]["r1"]
    assert known["staged"] is None
    assert known["current"]["source"] == "value"


def test_an_import_goes_through_whoever_holds_a_lease(module: Module, info: Module) -> None:
    module("staged", given("r1"))
    assert statuses(module("imported", {"name": "r1", "password": "canary-x"}, run_id="other")) == {"r1": "imported"}
    known = info(include_secrets=True, include_events=9)["devices"]["r1"]
    assert (known["current"]["password"], known["staged"], known["lease"]) == ("canary-x", None, None)
    assert "the lease of run run-1 was broken" in [event["reason"] for event in known["events"]]


def test_a_person_breaks_a_lease(module: Module, info: Module) -> None:
    module("staged", given("r1"))
    assert statuses(module("resumed", "r1", run_id="run-2")) == {"r1": "busy"}
    released = module("released", "r1", "r9", run_id=None)
    assert statuses(released) == {"r1": "released", "r9": "not_in_ledger"}
    assert released["devices"][0]["run_id"] == "run-1"
    assert statuses(module("released", "r1", run_id=None)) == {"r1": "not_leased"}
    assert statuses(module("resumed", "r1", run_id="run-2")) == {"r1": "resumed"}


def test_a_one_time_list_is_told_of_and_can_be_taken_out_by_a_person(module: Module, info: Module, url: str, tmp_path: Path) -> None:
    module("staged", {"name": "r1", "source": "rms", "list_id": "list-1"})
    with opened(url, passphrase=PASSPHRASE) as ledger:
        ledger.reserve_list("list-1", Run("run-1"), 1000)
        ledger.append_list("list-1", b"serial,password\n0011,")
        ledger.append_list("list-1", b"canary-made-by-vendor\n")
    told = info()
    assert [(each["id"], each["run_id"], each["devices"]) for each in told["lists"]] == [("list-1", "run-1", ["r1"])]
    assert "canary" not in told["printed"]
    path = tmp_path / "list.csv"
    assert module("list_exported", list_id="list-1", path=str(path), check=True)["changed"] is True
    assert not path.exists()
    assert module("list_exported", list_id="list-1", path=str(path))["changed"] is True
    assert path.read_bytes() == b"serial,password\n0011,canary-made-by-vendor\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert module("list_exported", list_id="list-1", path=str(path))["changed"] is False
    assert module("list_exported", list_id="list-9", path=str(path))["reason"] == "input"


def test_rekeying_is_done_once_and_can_be_asked_for_again(module: Module, info: Module, tmp_path: Path) -> None:
    module("imported", {"name": "r1", "password": "canary-one"})
    assert module("rekeyed", new_passphrase=OTHER, check=True)["changed"] is True
    rekeyed = module("rekeyed", new_passphrase=OTHER)
    assert (rekeyed["changed"], rekeyed["passwords"]) == (True, 1)
    assert module("rekeyed", new_passphrase=OTHER)["changed"] is False
    assert module("rekeyed", new_passphrase=OTHER, ledger_passphrase=OTHER)["changed"] is False
    assert module("rekeyed", new_passphrase="canary third one", ledger_passphrase=PASSPHRASE)["reason"] == "wrong_passphrase"
    assert module("rekeyed", new_passphrase="short", ledger_passphrase=OTHER)["reason"] == "weak_passphrase"
    (tmp_path / "passphrase").write_text(f"{PASSPHRASE}\n")
    assert module("rekeyed", new_passphrase_file=str(tmp_path / "passphrase"), ledger_passphrase=OTHER)["changed"] is True
    assert info(include_secrets=True)["devices"]["r1"]["current"]["password"] == "canary-one"


def test_the_passphrase_comes_from_option_file_or_environment(module: Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = {"name": "r1", "password": "canary-one"}
    path = tmp_path / "passphrase"
    path.write_text(f"{PASSPHRASE}\r\nand a second line\n")
    assert module("imported", device, ledger_passphrase=None)["reason"] == "no_passphrase"
    monkeypatch.setenv("KEYTURN_LEDGER_PASSPHRASE", "canary of the environment")
    assert module("imported", device, ledger_passphrase=None, ledger_passphrase_file=str(path))["changed"] is True
    assert module("imported", device, ledger_passphrase=None)["reason"] == "wrong_passphrase"
    assert module("imported", device, ledger_passphrase_file=str(path))["reason"] == "input"
    monkeypatch.setenv("KEYTURN_LEDGER_PASSPHRASE", PASSPHRASE)
    assert module("imported", device, ledger_passphrase=None)["changed"] is False
    path.write_text("\n")
    assert module("imported", device, ledger_passphrase=None, ledger_passphrase_file=str(path))["reason"] == "no_passphrase"
    missing = str(tmp_path / "missing")
    assert module("imported", device, ledger_passphrase=None, ledger_passphrase_file=missing)["reason"] == "no_passphrase"


def test_the_url_can_come_from_the_environment(module: Module, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYTURN_LEDGER_URL", url)
    module("imported", {"name": "r1", "password": "canary-one"}, ledger_url=None)
    assert statuses(module("verified", "r1")) == {"r1": "verified"}


def test_a_database_password_in_the_url_is_never_shown() -> None:
    url = "postgresql+psycopg://keyturn:canary%40secret@127.0.0.1:1/ledger"
    for options in ({"state": "verified", "devices": [{"name": "r1"}]}, {"state": "nonsense"}):
        result = run_action(ledger_action.ActionModule, ledger_url=url, ledger_passphrase=PASSPHRASE, **options)
        assert result["failed"]
        assert "canary" not in result["printed"]
    assert run_action(info_action.ActionModule, ledger_url=url, ledger_passphrase=PASSPHRASE)["reason"] == "unreachable"


@pytest.mark.parametrize(
    "options",
    [
        {"state": "staged", "run_id": "x"},
        {"state": "staged", "run_id": None, "devices": [{"name": "r1"}]},
        {"state": "settled", "devices": [{"name": "r1"}]},
        {"state": "verified", "devices": [{"name": "r1"}, {"name": "r2", "proof": "vendor"}]},
        {"state": "imported", "devices": [{"name": "r1"}]},
        {"state": "imported"},
        {"state": "exported"},
        {"state": "rekeyed"},
        {"state": "staged", "devices": [{"name": "r1"}], "lease_seconds": 0},
        {"state": "staged", "devices": [{"name": "r1"}, {"name": "r1"}]},
        {"state": "staged", "devices": [{"name": "r1", "serial": "1\n2"}]},
    ],
)
def test_options_that_make_no_sense_are_refused(module: Module, options: dict[str, Any]) -> None:
    module("imported", {"name": "old", "password": "canary-one"})
    assert module(**options)["failed"] is True


def test_info_shows_secrets_only_when_asked_and_masks_the_passphrase_even_then(module: Module, info: Module) -> None:
    module("imported", {"name": "r1", "password": "canary-one"}, {"name": "r2", "password": PASSPHRASE})
    assert "canary" not in info()["printed"]
    shown = info(include_secrets=True)
    assert shown["devices"]["r1"]["current"]["password"] == "canary-one"
    assert PASSPHRASE not in shown["printed"]


def test_a_missing_library_is_told_by_name(module: Module, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.keyturn.devices.plugins.module_utils._ledger import options
    from ansible_collections.keyturn.devices.plugins.plugin_utils import _controller

    monkeypatch.setattr(options, "HAS_SQLALCHEMY", False)
    result = module("verified", "r1")
    assert result["reason"] == "library"
    assert "SQLAlchemy" in result["msg"]
    assert "pip install" not in result["msg"], "it can be found, whatever else is wrong with it"
    monkeypatch.setattr(_controller, "find_spec", lambda name: None if name != "requests" else name)
    assert module("verified", "r1")["msg"].endswith(
        f"Nothing was changed. Install what is missing: {sys.executable} -m pip install SQLAlchemy cryptography"
    )


def test_an_unforeseen_error_shows_no_secret(module: Module, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any, **_options: Any) -> None:
        raise RuntimeError(f"cannot handle {arguments}")

    monkeypatch.setattr(people, "import_passwords", broken)
    assert module("imported", {"name": "r1", "password": "canary-one"})["failed"] is True


def test_serials_of_the_inventory_name_the_devices_of_a_handover_list(module: Module, info: Module, tmp_path: Path) -> None:
    module("imported", {"name": "old-name", "password": "canary-old", "serial": "0011"})
    path = tmp_path / "handover.csv"
    path.write_text("serial;password\n0011;canary-new\n0022;canary-two\n")
    assert module("imported", path=str(path))["reason"] == "input"
    result = module("imported", path=str(path), serials={"r1": "0011", "r2": "0022", "r3": None})
    assert statuses(result) == {"r1": "imported", "r2": "imported"}
    known = info(include_secrets=True)["devices"]
    assert {name: (device["serial"], device["current"]["password"]) for name, device in known.items()} == {
        "r1": ("0011", "canary-new"),
        "r2": ("0022", "canary-two"),
    }


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "'", "''=", "'x", ""])
def test_no_cell_of_an_export_is_a_formula_and_an_import_brings_it_back(
    module: Module, info: Module, tmp_path: Path, postgresql: PostgresqlServer, start: str
) -> None:
    name, password = f"{start}r1", f"{start}cmd|' /C calc'!A0"
    module("imported", {"name": name, "password": password, "serial": f"{start}0011"})
    path = tmp_path / "export.csv"
    module("exported", path=str(path))
    with path.open(newline="") as file:
        for cell in next(row for row in csv.reader(file) if "current" in row):
            assert not cell.startswith(("=", "+", "-", "@"))
    elsewhere = {"ledger_url": postgresql.new_database()}
    opened(elsewhere["ledger_url"], passphrase=PASSPHRASE).close()
    module("imported", path=str(path), **elsewhere)
    known = info(include_secrets=True, **elsewhere)["devices"]
    assert {name: (device["serial"], device["current"]["password"]) for name, device in known.items()} == {name: (f"{start}0011", password)}


def test_a_file_that_is_no_export_keeps_its_apostrophes(module: Module, info: Module, tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("name,password\nr1,'=canary\n")
    module("imported", path=str(path))
    assert info(include_secrets=True)["devices"]["r1"]["current"]["password"] == "'=canary"


def test_a_retired_device_is_listed_and_exported_only_when_asked_for(module: Module, info: Module, tmp_path: Path) -> None:
    module("imported", {"name": "r1", "password": "canary-one"}, {"name": "r2", "password": "canary-two"})
    assert statuses(module("retired", "r1", "r9")) == {"r1": "retired", "r9": "not_in_ledger"}
    assert list(info()["devices"]) == ["r2"]
    assert info(include_retired=True)["devices"]["r1"]["retired"] is True
    assert module("exported", path=str(tmp_path / "a.csv"))["passwords"] == 1
    assert module("exported", path=str(tmp_path / "b.csv"), include_retired=True)["passwords"] == 2
    assert statuses(module("staged", given("r1"))) == {"r1": "staged"}
    assert set(info()["devices"]) == {"r1", "r2"}


def test_the_modes_of_a_ledger_file_are_a_warning(sqlite_url: str, tmp_path: Path) -> None:
    module = module_of(sqlite_url)
    module("created", run_id=None)
    (tmp_path / "ledger.db").chmod(0o644)
    checked = module("released", "r1", check=True)
    assert "0644" in checked["warnings"][0]
    assert stat.S_IMODE((tmp_path / "ledger.db").stat().st_mode) == 0o644
    assert "narrowed" in module("released", "r1")["warnings"][0]
    assert stat.S_IMODE((tmp_path / "ledger.db").stat().st_mode) == 0o600
    assert "warnings" not in module("released", "r1")
