# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The jobs of every day as a user runs them: verify, show, backup, restore, and handing passwords over to other stores."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import yaml
from support.pass_store import password_store

from ansible_collections.keyturn.devices.plugins.module_utils._ledger import people
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import ImportRow
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run
from integration.canaries import CommandLines, found_below, found_in
from integration.cores import Core
from integration.device_sites import device_site
from integration.sites import site
from simulators.ebo import EboSimulator

VAULT_PASSWORD = "password of the encrypted files"
# What the modules of other collections are called with, recorded where the test can read it.
RECORDER = """
import json
from ansible.module_utils.basic import AnsibleModule

def main():
    module = AnsibleModule(argument_spec={spec})
    if {fails}:
        module.fail_json(msg="refused, quoting " + str(module.params))
    with open({path!r}, "a") as file:
        file.write(json.dumps(module.params) + "\\n")
    module.exit_json(changed=True)

main()
"""
VAULT_SPEC: dict[str, Any] = {
    "url": {},
    "engine_mount_point": {},
    "path": {"required": True},
    "data": {"type": "dict", "required": True, "no_log": True},
}
SOPS_SPEC: dict[str, Any] = {
    "path": {"required": True},
    "content_yaml": {"type": "dict", "no_log": True},
    "force": {"type": "bool"},
    "mode": {},
}


def stand_in(folder: Path, collection: str, module: str, spec: dict[str, Any], *, fails: bool = False) -> Path:
    """A collection with one module of a documented interface that records what it was called with."""
    namespace, name = collection.split(".")
    root = folder / "collections" / "ansible_collections" / namespace / name
    (root / "plugins" / "modules").mkdir(parents=True, exist_ok=True)
    (root / "galaxy.yml").write_text(f"namespace: {namespace}\nname: {name}\nversion: 9.9.9\n")
    calls = folder / f"{module}.calls"
    (root / "plugins" / "modules" / f"{module}.py").write_text(RECORDER.format(spec=spec, fails=fails, path=str(calls)))
    return calls


def calls_in(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_jobs_of_every_day(newest_core: Core, tmp_path: Path) -> None:
    with site(tmp_path, newest_core, routers=3) as place:
        first, second, third = place.hosts
        # No choice of tags leaves anything half done: without the tag nothing is asked of a router, and who would be rotated is told.
        preview = place.run("rotate_routers", "--skip-tags", "rotate")
        assert preview.returncode == 0, preview.stdout
        assert f"{first}: would be changed" in preview.stdout
        assert ("changed=1" in preview.stdout, place.changing_requests()) == (False, [])
        assert place.run("rotate_routers", "--tags", "rotate").returncode == 0
        backed_up = place.run("backup", "-e", "backup_file=backup.db")
        assert backed_up.returncode == 0, backed_up.stdout
        assert "holds 3 devices" in backed_up.stdout

        # RMS alone proves nothing to somebody who asks for a login.
        verified = place.run("verify")
        assert verified.returncode == 0, verified.stdout
        assert f"{first}: cannot be proven" in verified.stdout
        assert "0 proven, 0 failed, 0 orphaned, 0 offline, 3 left alone" in verified.stdout

        place.rms.set(fates={place.serials[first]: "rejected_by_policy"})
        place.run("rotate_routers", "-e", "router_rotation_force=true", "-e", "router_rotation_failure_limit_percent=100")
        shown = place.run("show", "-e", f"show_file={tmp_path / 'x.json'}")
        assert shown.returncode == 0, shown.stdout
        assert f"{first}: failed (rejected_by_policy)" in shown.stdout
        assert [entry["name"] for entry in json.loads((tmp_path / "x.json").read_text())["failing"]] == [first]
        by_date = place.run("show", "-e", "show_since=2999-11-20")
        assert f"{first}: failed (" not in by_date.stdout

        newest = {name: record["current"]["password"] for name, record in place.records().items()}
        refused = place.run("restore", "-e", "restore_file=backup.db")
        assert refused.returncode == 2
        assert "already" in refused.stdout
        assert {name: record["current"]["password"] for name, record in place.records().items()} == newest
        restored = place.run("restore", "-e", "restore_file=backup.db", "-e", "restore_replace=true")
        assert restored.returncode == 0, restored.stdout
        assert len(list(tmp_path.glob("ledger.db.replaced-*"))) == 1
        records = place.records()
        assert [records[name]["last_verified"] for name in (first, second, third)] == [None] * 3
        assert records[second]["current"]["password"] != newest[second]
        # What the backup did not know is set anew, and nothing is lost.
        place.rms.set(fates={"*": "ok"})
        assert place.run("rotate_routers").returncode == 0
        assert place.lost() == []


def test_new_passwords_are_handed_over_and_made_up_for(newest_core: Core, tmp_path: Path) -> None:
    with site(tmp_path, newest_core, routers=2) as place, password_store(tmp_path) as store, CommandLines() as seen:
        first, _second = place.hosts
        vault_calls = stand_in(tmp_path, "community.hashi_vault", "vault_kv2_write", VAULT_SPEC, fails=True)
        sops_calls = stand_in(tmp_path, "community.sops", "sops_encrypt", SOPS_SPEC)
        (tmp_path / "vault-password.txt").write_text(VAULT_PASSWORD + "\n")
        (tmp_path / "own.yml").write_text(
            json.dumps(
                [{"name": "Own", "ansible.builtin.assert": {"that": "lookup('keyturn.devices.password', inventory_hostname) | length > 0"}}]
            )
        )
        place.group_vars = {
            "password_handover_stores": ["passwordstore", "ansible_vault", "hashi_vault", "sops", str(tmp_path / "own.yml")],
            "password_handover_ansible_vault_password_file": str(tmp_path / "vault-password.txt"),
            "password_handover_hashi_vault_url": "https://vault.example.com",
        }
        place.env = {
            **store,
            "ANSIBLE_COLLECTIONS_PATH": f"{os.environ['ANSIBLE_COLLECTIONS_PATH']}:{tmp_path / 'collections'}",
            "ANSIBLE_LOG_PATH": str(tmp_path / "ansible.log"),
            "ANSIBLE_LOCAL_TEMP": str(tmp_path / "tmp"),
            "ANSIBLE_REMOTE_TEMP": str(tmp_path / "tmp"),
        }

        done = place.run("rotate_routers", "-vvvv")

        # A store that fails costs nothing but itself, and is told.
        assert done.returncode == 2, done.stdout
        passwords = {name: record["current"]["password"] for name, record in place.records().items()}
        assert f"{first}: its password is in force and in the ledger, but was not handed over to hashi_vault." in done.stdout
        known = {**os.environ, **store}
        for name, password in passwords.items():
            stored = subprocess.run(["pass", "show", f"keyturn/{name}"], check=True, env=known, capture_output=True, text=True).stdout
            assert stored.rstrip("\n") == password
            encrypted = tmp_path / "keyturn-passwords" / f"{name}.yml"
            assert encrypted.stat().st_mode & 0o777 == 0o600
            view = [newest_core.bin / "ansible-vault", "view", encrypted, "--vault-password-file", tmp_path / "vault-password.txt"]
            opened = subprocess.run(view, check=True, capture_output=True, text=True).stdout
            assert yaml.safe_load(opened) == {"vaulted_device_password": password}
        assert {call["content_yaml"]["sops_device_password"] for call in calls_in(sops_calls)} == set(passwords.values())
        assert place.lost() == []
        sops_calls.unlink()

        # The next run makes up for it, although nobody is due and nothing is rotated.
        stand_in(tmp_path, "community.hashi_vault", "vault_kv2_write", VAULT_SPEC)
        again = place.run("rotate_routers", "-vvvv")
        assert again.returncode == 0, again.stdout
        assert {call["path"]: call["data"]["password"] for call in calls_in(vault_calls)} == {
            f"keyturn/{name}": password for name, password in passwords.items()
        }
        assert not sops_calls.exists()
        vault_calls.unlink()
        assert place.run("handover").returncode == 0
        assert not vault_calls.exists()
    secrets = [*passwords.values(), VAULT_PASSWORD]
    printed = (done.stdout + again.stdout).encode()
    assert found_in(b"\n".join([printed, *seen.seen]), secrets) == []
    assert found_below(tmp_path, secrets, [tmp_path / "vault-password.txt"]) == []


def test_verify_logs_in_once_and_changes_nothing(newest_core: Core, tmp_path: Path) -> None:
    with (
        device_site(tmp_path, newest_core, routers=2) as place,
        EboSimulator("enterprise_server", certificate="good", seed=1) as right,
        EboSimulator("enterprise_server", certificate="good", seed=2) as wrong,
    ):
        good, changed_by_hand = place.hosts
        place.routers.change(place.serials[changed_by_hand], password="CANARY-By-Hand-2026")
        proves = {"bms_recovery_verify": True}
        place.others["bms_servers"] = {
            "hosts": {
                "right": {"device_host": right.url, "bms_recovery_ca_path": right.ca, **proves},
                "wrong": {"device_host": wrong.url, "bms_recovery_ca_path": wrong.ca, **proves},
                "off": {"device_host": right.url},
            }
        }
        with place.ledger() as ledger:
            rows = [ImportRow("right", right.password), ImportRow("wrong", "CANARY-Not-This-One"), ImportRow("off", right.password)]
            people.import_passwords(ledger, rows, Run("import"))
        before, changes = place.records(), place.changes()

        done = place.run("verify", "-vvv")

        assert done.returncode == 2, done.stdout
        records = place.records()
        assert {name: record["verified_by"] for name, record in records.items()} == {
            good: "login",
            changed_by_hand: None,
            "right": "login",
            "wrong": None,
            "off": None,
        }
        assert {name: record["current"] for name, record in records.items()} == {name: record["current"] for name, record in before.items()}
        assert place.wrong_logins() == {good: 0, changed_by_hand: 1}
        assert (place.changes(), place.open_sessions()) == (changes, [])
        assert len(right.truth()["logons"]) == 1
        assert f"{changed_by_hand}: failed; it refuses the password" in done.stdout
        assert "wrong: it refuses the password of the ledger (unauthorized)" in done.stdout
        assert "off: not proven; bms_recovery_verify is off" in done.stdout
        secrets = [slot["password"] for record in records.values() for slot in (record["current"], *record["previous"])]
        assert found_in(done.stdout.encode(), secrets) == []
