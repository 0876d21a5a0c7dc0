# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook recover_bms as a user runs it, over days: every kind of server, with the people around it, in real and simulated places."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.containers import ContainerServer, Podman

from ansible_collections.keyturn.devices.plugins.module_utils._ledger import cases
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import CaseChange
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run, read_moment
from integration.canaries import CommandLines, found_below, found_in
from integration.cores import Core
from integration.plays import secret
from simulators.ebo import EboSimulator
from simulators.ebo.console import SerialConsole
from simulators.kubernetes import KubernetesSimulator

PASSPHRASE = "passphrase of the recovery tests"
MAIL_PASSWORD = "CANARY-mail-password"
CONSOLE_PASSWORD = "CANARY-console-password"
NEW = 'CANARY-New & "Password" 2026'
HOUR = 3600.0

# The kind of each server, and how a person or a cluster puts it in reset mode. A container needs nobody, nor does a console.
KINDS = {
    "hq": "enterprise_server",
    "central": "enterprise_central",
    "plant": "automation_server",
    "edge": "edge_server",
    "pct": "pct_server",
    "fire": "fdp_server",
}
CHANNELS: Mapping[str, dict[str, Any]] = {
    "hq": {"channel": "device_administrator", "local": True, "elevated": True, "added": True},
    "central": {"channel": "marker"},
    "plant": {"channel": "usb", "connected": True},
    "pct": {"channel": "project_configuration_tool"},
    "fire": {"channel": "fire"},
}
SERIALS = {"hq": "ES-1"}
BY_HAND = ("hq", "pct", "fire")
# The one whose support team takes too long. Last: a play that fails ends the playbook.
LATE = "fire"
IN_TIME = [name for name in KINDS if name != LATE]
# In the inventory, and named by nobody.
ANNEX = "annex"


class BmsSite:
    """A building server of every kind in one inventory, one more that nobody names, and the people around them."""

    def __init__(self, folder: Path, core: Core, stack: contextlib.ExitStack) -> None:
        self.folder, self.core = folder, core
        self.url = f"sqlite:///{folder / 'ledger.db'}"
        self.secrets = [NEW, MAIL_PASSWORD, CONSOLE_PASSWORD]
        self.printed = ""
        self.sessions: dict[str, str] = {}
        self.podman = stack.enter_context(Podman())
        self.console = stack.enter_context(SerialConsole(CONSOLE_PASSWORD))
        self.cluster = stack.enter_context(KubernetesSimulator(name="central", speed=600.0))
        self.edge = ContainerServer(self.podman, "edge-3")
        self.servers: dict[str, EboSimulator | ContainerServer] = {
            name: stack.enter_context(EboSimulator(kind, seed=number, certificate="good" if name == "hq" else None))
            for number, (name, kind) in enumerate(KINDS.items())
            if name != "edge"
        }
        self.servers["edge"] = self.edge
        (folder / "home").mkdir()
        made, _is_new = Ledger.create(self.url, PASSPHRASE)
        assert made is not None
        made.close()
        # What a Windows computer would answer.
        answer = {"services": [{"name": "Building Operation 6.0 Enterprise Server", "status": "Running"}], "elevated": True}
        (folder / "powershell.exe").write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\n")
        (folder / "powershell.exe").chmod(0o755)
        windows = {"ansible_connection": "local", "ansible_remote_tmp": str(folder / "tmp")}
        groups = {"bms_servers": {"hosts": self._hosts()}, "computers": {"hosts": {"hq-windows": windows}}}
        (folder / "inventory.json").write_text(json.dumps(groups))

    def _hosts(self) -> dict[str, Any]:
        hq = self.servers["hq"]
        assert isinstance(hq, EboSimulator)
        kubeconfig = self.cluster.write_kubeconfig(self.folder / "kubeconfig")
        dialogue = [
            {"expect": "login: $", "send": "service"},
            {"expect": "Password: $", "send": secret(self.folder, "console.txt", CONSOLE_PASSWORD), "secret": True},
            {"expect": "^> $", "send": "reset-mode"},
            {"expect": r"\[y/n\] $", "send": "y"},
            {"expect": "^set: password reset mode$"},
        ]
        more: dict[str, dict[str, Any]] = {
            "hq": {
                "device_host": hq.url,
                "device_serial": SERIALS["hq"],
                "device_password_source": {"kind": "value", "password": secret(self.folder, "given.txt", NEW)},
                "bms_recovery_site": "Tower 7",
                "bms_recovery_verify": True,
                "bms_recovery_ca_path": hq.ca,
                "bms_recovery_windows_host": "hq-windows",
                "bms_recovery_smtp_password": secret(self.folder, "mail.txt", MAIL_PASSWORD),
            },
            "central": {
                "device_transport": "kubernetes",
                "device_kubernetes": {"kubeconfig": str(kubeconfig), "context": "buildings", "name": "central"},
            },
            "plant": {"device_transport": "serial", "device_serial_console": {"port": self.console.device, "dialogue": dialogue}},
            "edge": {"device_container": {"name": self.edge.name, "url": self.edge.url}},
        }
        return {name: {"device_server_kind": kind, **more.get(name, {})} for name, kind in {**KINDS, ANNEX: "pct_server"}.items()}

    def run(self, brought: Mapping[str, Mapping[str, Any]], *arguments: str) -> subprocess.CompletedProcess[str]:
        """One C(ansible-playbook) for the servers that are named, in turn. C(brought): what is said of each."""
        plays: list[Any] = [
            {"import_playbook": "keyturn.devices.recover_bms", "vars": {"target": name, **words}} for name, words in brought.items()
        ]
        facts = (
            "{{ dict(groups['bms_servers'] | zip(groups['bms_servers'] | map('extract', hostvars) "
            "| map(attribute='bms_recovery_case', default={}))) | to_json }}"
        )
        copied = {"dest": str(self.folder / "facts.json"), "mode": "0600", "content": facts}
        plays.append({"hosts": "localhost", "gather_facts": False, "tasks": [{"ansible.builtin.copy": copied}]})
        play = self.folder / "play.json"
        play.write_text(json.dumps(plays))
        done = self.core.run(
            *("ansible-playbook", play, "-i", self.folder / "inventory.json", "-vvvv", *arguments),
            cwd=self.folder,
            env={
                "KEYTURN_LEDGER_URL": self.url,
                "KEYTURN_LEDGER_PASSPHRASE": PASSPHRASE,
                "HOME": str(self.folder / "home"),
                "ANSIBLE_LOG_PATH": str(self.folder / "ansible.log"),
                "ANSIBLE_LOCAL_TEMP": str(self.folder / "tmp"),
                "ANSIBLE_KEEP_REMOTE_FILES": "1",
                "PATH": f"{self.folder}:{self.core.bin}:{os.environ['PATH']}",
                **self.podman.environment,
            },
        )
        self.printed += done.stdout
        play.unlink()
        return done

    def stands(self, name: str) -> tuple[str, str, str]:
        fact = json.loads((self.folder / "facts.json").read_text())[name]
        return fact["status"], fact["step"], fact["waiting_for"]

    def ledger(self) -> Ledger:
        return Ledger.open(self.url, PASSPHRASE)

    def passes(self, seconds: float, *names: str) -> None:
        """For the ledger and for the servers."""
        with self.ledger() as ledger:
            for name in names:
                serial = SERIALS.get(name, "")
                case = cases.read_case(ledger, name, serial)
                assert case is not None
                if case["armed_at"]:
                    armed_at = read_moment(case["armed_at"]).timestamp() - seconds
                    change = CaseChange("time passed", armed_at=armed_at, deadline=armed_at + 24 * HOUR)
                    cases.change_case(ledger, name, serial, change, Run("clock"))
                self.person(name, "clock", advance=seconds)

    def person(self, name: str, act: str, **facts: Any) -> dict[str, Any]:
        """Somebody does something at the server, at a WorkStation or at the support desk."""
        answer = self.servers[name].control(act, facts)
        assert "refused" not in answer, answer
        return answer

    def arm(self, *names: str) -> None:
        for name in names:
            self.person(name, "arm", **CHANNELS[name])

    def open_workstation(self, name: str) -> dict[str, str]:
        self.sessions[name] = self.person(name, "workstation/open")["session_id"]
        self.secrets.append(self.sessions[name])
        return {"bms_session_id": self.sessions[name]}

    def ask_support(self, name: str) -> dict[str, str]:
        password: str = self.person(name, "support", session_id=self.sessions[name])["temporary_password"]
        self.secrets.append(password)
        return {"bms_temporary_password": password}

    def type_new_password(self, name: str, temporary: str) -> None:
        """As the file says that was revealed to whoever is there."""
        new = (self.folder / "keyturn-recovery" / f"new-password-{name}.txt").read_text().rstrip("\n")
        self.secrets.append(new)
        session = {"session_id": self.sessions[name]}
        assert self.person(name, "workstation/logon", **session, password=temporary)["result"] == "change_password"
        self.person(name, "workstation/change", **session, old=temporary, new=new)


@pytest.fixture
def site(newest_core: Core, tmp_path: Path) -> Iterator[BmsSite]:
    with contextlib.ExitStack() as stack:
        yield BmsSite(tmp_path, newest_core, stack)


def test_every_kind_of_server_is_recovered_over_days_and_no_secret_shows(site: BmsSite, tmp_path: Path) -> None:
    with CommandLines() as commands:
        # Nothing begins by itself. What software can do is done, what only a person can do is handed over.
        begun = site.run({ANNEX: {}, **{name: {"bms_arm": name} for name in KINDS}})
        assert begun.returncode == 0, begun.stdout
        assert site.stands(ANNEX) == ("waiting", "reset_mode", "bms_arm")
        for name in KINDS:
            awaited = "reset_mode" if name in BY_HAND else "session_id"
            assert (name, *site.stands(name)) == (name, "waiting", awaited, awaited)
        for part in ("Checked: the service runs there", "Not met: Device Administrator is not installed", "Edit Connection Password"):
            assert part in begun.stdout
        assert (site.edge.truth()["times_armed"], site.edge.running) == (1, True)
        assert (site.cluster.truth()["restarts"], site.console.armed) == (1, True)

        site.arm(*CHANNELS)
        site.passes(HOUR, *KINDS)
        asked = site.run(
            {name: {**site.open_workstation(name), **({"bms_confirmed": ["reset_mode"]} if name in BY_HAND else {})} for name in KINDS}
        )
        assert asked.returncode == 0, asked.stdout
        for name in KINDS:
            assert (name, *site.stands(name)) == (name, "waiting", "request_sent", "request_sent")
            assert site.sessions[name] in (tmp_path / "keyturn-recovery" / f"request-{name}.txt").read_text()

        # One support team takes too long.
        site.passes(HOUR, *IN_TIME)
        site.passes(24 * HOUR + 60, LATE)
        brought = {name: site.ask_support(name) for name in KINDS}
        late = site.run({name: {**words, "bms_recovery_reveal": True} for name, words in brought.items()})
        assert late.returncode == 2, late.stdout
        assert re.search(rf"{LATE} +: .* failed=1 ", late.stdout)
        assert "past its deadline" in late.stdout
        site.arm(LATE)
        again = {**site.open_workstation(LATE), "bms_confirmed": ["reset_mode"], "bms_arm": LATE}

        site.passes(HOUR, *IN_TIME)
        for name in IN_TIME:
            site.type_new_password(name, brought[name]["bms_temporary_password"])
        done = site.run({**{name: {"bms_confirmed": ["new_password"]} for name in IN_TIME}, LATE: again})
        assert done.returncode == 0, done.stdout
        assert "until it ends the session itself" in done.stdout
        for name in IN_TIME:
            assert (name, *site.stands(name)) == (name, "done", "done", "")
        assert site.stands(LATE) == ("waiting", "request_sent", "request_sent")

        temporary = site.ask_support(LATE)
        handed = site.run({LATE: {**temporary, "bms_recovery_reveal": True}})
        assert (handed.returncode, site.stands(LATE)) == (0, ("waiting", "new_password", "new_password")), handed.stdout
        site.type_new_password(LATE, temporary["bms_temporary_password"])
        ended = site.run({LATE: {"bms_confirmed": ["new_password"]}})
        assert (ended.returncode, site.stands(LATE)) == (0, ("done", "done", "")), ended.stdout
        assert list((tmp_path / "keyturn-recovery").iterdir()) == []

        with site.ledger() as ledger:
            records, before = ledger.devices(list(KINDS), include_secrets=True), cases.read_case(ledger, "hq", SERIALS["hq"])
        for name in KINDS:
            assert (name, records[name]["current"]["password"]) == (name, site.person(name, "truth")["password"])
            # A person's word proves nothing.
            assert (name, records[name]["verified_by"] or "") == (name, "login" if name == "hq" else "")
        assert [logon["code"] for logon in site.person("hq", "truth")["logons"]] == [0]

        checked = site.run({"hq": {}}, "--check")
        assert checked.returncode == 0, checked.stdout
        with site.ledger() as ledger:
            assert cases.read_case(ledger, "hq", SERIALS["hq"]) == before
        assert re.search(r"hq +: ok=\d+ +changed=0 ", checked.stdout)

    shown = [site.printed.encode(), *commands.seen]
    assert [place for content in shown for place in found_in(content, site.secrets)] == []
    given = [tmp_path / name for name in ("given.txt", "mail.txt", "console.txt")]
    assert found_below(tmp_path, site.secrets, leave_out=given) == []
