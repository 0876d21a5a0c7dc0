# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook recover_bms as a user runs it, over days, with simulated servers and the people around them, one in a real container."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from support.containers import ContainerServer, Podman

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import CaseChange, Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run
from integration.canaries import CommandLines, found_below, found_in
from integration.cores import Core
from integration.plays import secret
from simulators.ebo import EboSimulator

PASSPHRASE = "passphrase of the recovery tests"
MAIL_PASSWORD = "CANARY-mail-password"
NEW = 'CANARY-New & "Password" 2026'


class BmsSite:
    """Three building servers in an inventory: one that people put in reset mode, one in a container, one that nobody names."""

    def __init__(self, folder: Path, core: Core, server: EboSimulator, edge: ContainerServer) -> None:
        self.folder, self.core, self.server, self.edge = folder, core, server, edge
        self.url = f"sqlite:///{folder / 'ledger.db'}"
        self.secrets = [NEW, MAIL_PASSWORD]
        self.printed = ""
        (folder / "home").mkdir()
        Ledger.create(self.url, PASSPHRASE)[0].close()  # type: ignore[union-attr]
        hosts: dict[str, Any] = {
            "hq": {
                "device_server_kind": "enterprise_server",
                "device_host": server.url,
                "device_serial": "ES-1",
                "device_password_source": {"kind": "value", "password": secret(folder, "given.txt", NEW)},
                "bms_recovery_site": "Tower 7",
                "bms_recovery_verify": True,
                "bms_recovery_ca_path": server.ca,
                "bms_recovery_windows_host": "hq-windows",
                "bms_recovery_smtp_password": secret(folder, "mail.txt", MAIL_PASSWORD),
            },
            "edge": {
                "device_server_kind": "edge_server",
                "device_container": {"name": edge.name, "url": edge.url},
            },
            "annex": {"device_server_kind": "pct_server"},
        }
        windows = {"ansible_connection": "local", "ansible_remote_tmp": str(folder / "tmp")}
        groups = {"bms_servers": {"hosts": hosts}, "computers": {"hosts": {"hq-windows": windows}}}
        (folder / "inventory.json").write_text(json.dumps(groups))
        (folder / "play.yml").write_text(
            json.dumps(
                [
                    {"import_playbook": "keyturn.devices.recover_bms"},
                    {
                        "hosts": "localhost",
                        "gather_facts": False,
                        "tasks": [
                            {
                                "ansible.builtin.copy": {
                                    "dest": str(folder / "facts.json"),
                                    "mode": "0600",
                                    "content": "{{ dict(groups['bms_servers'] | zip(groups['bms_servers'] | map('extract', hostvars) "
                                    "| map(attribute='bms_recovery_case', default={}))) | to_json }}",
                                }
                            }
                        ],
                    },
                ]
            )
        )
        # What a Windows computer would answer.
        answer = {"services": [{"name": "Building Operation 6.0 Enterprise Server", "status": "Running"}], "elevated": True}
        (folder / "powershell.exe").write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\n")
        (folder / "powershell.exe").chmod(0o755)

    def run(self, *arguments: str, **brought: Any) -> subprocess.CompletedProcess[str]:
        """C(brought): extra variables, in a file as secrets should be."""
        (self.folder / "brought.json").write_text(json.dumps(brought))
        done = self.core.run(
            "ansible-playbook",
            self.folder / "play.yml",
            "-i",
            self.folder / "inventory.json",
            "-e",
            f"@{self.folder / 'brought.json'}",
            "-vvvv",
            *arguments,
            cwd=self.folder,
            env={
                "KEYTURN_LEDGER_URL": self.url,
                "KEYTURN_LEDGER_PASSPHRASE": PASSPHRASE,
                "HOME": str(self.folder / "home"),
                "ANSIBLE_LOG_PATH": str(self.folder / "ansible.log"),
                "ANSIBLE_LOCAL_TEMP": str(self.folder / "tmp"),
                "ANSIBLE_KEEP_REMOTE_FILES": "1",
                "PATH": f"{self.folder}:{self.core.bin}:{os.environ['PATH']}",
                **self.edge.podman.environment,
            },
        )
        self.printed += done.stdout
        (self.folder / "brought.json").unlink()
        return done

    def stands(self, name: str = "hq") -> tuple[str, str, str]:
        fact = json.loads((self.folder / "facts.json").read_text())[name]
        return fact["status"], fact["step"], fact["waiting_for"]

    def ledger(self) -> Ledger:
        return Ledger.open(self.url, PASSPHRASE)

    def a_day_passes(self) -> None:
        """For the ledger and for the server."""
        with self.ledger() as ledger:
            now = ledger.now()
            ledger.change_case("hq", "ES-1", CaseChange("a day passed", armed_at=now - 86500, deadline=now - 100), Run("clock"))
        self.server.advance(86500)


def test_a_case_over_days_ends_with_a_proven_password_and_shows_no_secret(newest_core: Core, tmp_path: Path) -> None:
    with (
        EboSimulator("enterprise_server", certificate="good") as server,
        Podman() as podman,
        CommandLines() as commands,
    ):
        edge = ContainerServer(podman, "edge-3")
        site = BmsSite(tmp_path, newest_core, server, edge)
        channel = {"channel": "device_administrator", "local": True, "elevated": True, "added": True}

        # Nothing begins by itself; a container is put in reset mode, and what only a person can do is handed over.
        begun = site.run(bms_arm="hq,edge")
        assert begun.returncode == 0, begun.stdout
        assert site.stands() == ("waiting", "reset_mode", "reset_mode")
        assert site.stands("edge") == ("waiting", "session_id", "session_id")
        assert (edge.truth()["times_armed"], edge.running) == (1, True)
        assert site.stands("annex") == ("waiting", "reset_mode", "bms_arm")
        for part in ("Checked: the service runs there", "Not met: Device Administrator is not installed", "Edit Connection Password"):
            assert part in begun.stdout

        server.arm(**channel)
        session = server.open_workstation()
        site.secrets.append(session)
        asked = site.run("--limit", "hq,localhost", bms_confirmed=["reset_mode"], bms_session_id=session)
        assert asked.returncode == 0, asked.stdout
        assert site.stands() == ("waiting", "request_sent", "request_sent")
        assert session in (tmp_path / "keyturn-recovery" / "request-hq.txt").read_text()

        # The support team takes too long.
        site.a_day_passes()
        late = site.run("--limit", "hq,localhost", bms_temporary_password=server.ask_support(session))
        assert late.returncode == 2, late.stdout
        assert "past its deadline" in late.stdout
        server.arm(**channel)
        session = server.open_workstation()
        temporary = server.ask_support(session)
        site.secrets += [session, temporary]
        everything = {"bms_session_id": session, "bms_temporary_password": temporary, "bms_confirmed": ["reset_mode"]}
        handed = site.run("--limit", "hq,localhost", bms_arm="hq", bms_recovery_reveal=True, **everything)
        assert handed.returncode == 0, handed.stdout
        assert site.stands() == ("waiting", "new_password", "new_password")
        revealed = tmp_path / "keyturn-recovery" / "new-password-hq.txt"
        assert server.log_on(session, temporary) == "change_password"
        server.change_password(session, temporary, revealed.read_text().rstrip("\n"))

        proven = site.run("--limit", "hq,localhost", bms_confirmed=["new_password"])
        assert proven.returncode == 0, proven.stdout
        assert site.stands() == ("done", "done", "")
        assert "until it ends the session itself" in proven.stdout
        assert not revealed.exists()
        with site.ledger() as ledger:
            record = ledger.devices(["hq"], include_secrets=True)["hq"]
            before = ledger.case("hq", "ES-1")
        assert (record["current"]["password"], record["verified_by"], record["staged"]) == (NEW, "login", None)
        assert [logon["code"] for logon in server.truth()["logons"]] == [0]

        again = site.run("--limit", "hq,localhost", "--check")
        assert again.returncode == 0, again.stdout
        with site.ledger() as ledger:
            assert ledger.case("hq", "ES-1") == before
        assert re.search(r"hq +: ok=\d+ +changed=0 ", again.stdout)

    shown = [site.printed.encode(), *commands.seen]
    assert [place for content in shown for place in found_in(content, site.secrets)] == []
    assert found_below(tmp_path, site.secrets, leave_out=[tmp_path / "given.txt", tmp_path / "mail.txt"]) == []
