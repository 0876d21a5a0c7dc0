# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A simulated site, rotated, reconciled and recovered with the playbooks that a user runs: `make demo`.

With --inventory the same playbooks run on that inventory instead, and nothing is simulated.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import lost_pbx
from support.containers import ContainerServer, Podman

from simulators.ebo import EboSimulator
from simulators.rms import RmsSimulator

BIN = Path(sys.executable).parent
ROUTERS = 12


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inventory", type=Path, help="your own devices")
    inventory: Path | None = parser.parse_args().inventory
    if inventory is not None:
        return play("rotate_routers", inventory, os.environ)
    with tempfile.TemporaryDirectory(prefix="keyturn-demo-") as folder:
        return Demo(Path(folder)).run()


def play(name: str, inventory: Path, environment: Mapping[str, str], *arguments: str) -> int:
    """Run a playbook of the collection as a user does. Returns its exit code."""
    command = [str(BIN / "ansible-playbook"), f"keyturn.devices.{name}", "-i", str(inventory), *arguments]
    print(f"\n$ ansible-playbook keyturn.devices.{name} -i {inventory.name} {' '.join(arguments)}".rstrip(), flush=True)
    return subprocess.run(command, env={"ANSIBLE_DISPLAY_SKIPPED_HOSTS": "false", **environment}, check=False).returncode


def headline(text: str) -> None:
    print(f"\n\n{text}\n{'=' * len(text)}", flush=True)


class Demo:
    def __init__(self, folder: Path) -> None:
        self.inventory = folder / "inventory.yml"
        self.ledger = folder / "keyturn-ledger.db"

    def run(self) -> int:
        with RmsSimulator(routers=ROUTERS, inventory_out=str(self.inventory)) as rms:
            environment = {
                **os.environ,
                "RMS_URL": rms.url,
                "RMS_TOKEN": rms.token,
                "KEYTURN_LEDGER_URL": f"sqlite:///{self.ledger}",
                "KEYTURN_LEDGER_PASSPHRASE": secrets.token_urlsafe(16),
            }
            first, second = list(rms.truth())[:2]
            print(f"A simulated RMS with {ROUTERS} routers runs at {rms.url}. Its inventory:\n\n{self.inventory.read_text()}")

            headline("1. A ledger, and who is due (--check sends nothing that changes a router)")
            expect(play("create_ledger", self.inventory, environment), 0)
            expect(play("rotate_routers", self.inventory, environment, "--check"), 0)

            headline("2. Rotate. One router is switched off, another takes its password and falls silent")
            rms.set(fates={first: "offline", second: "goes_silent_after_change"})
            expect(play("rotate_routers", self.inventory, environment, "-e", "router_rotation_deadline=6"), 2)

            headline("3. Both are back. The next run settles the one in doubt and rotates the one that was off")
            rms.set(fates={first: "ok", second: "ok"})
            expect(play("rotate_routers", self.inventory, environment), 0)

            headline("4. Once more: nobody is due")
            expect(play("rotate_routers", self.inventory, environment), 0)

            headline("5. A PBX: could its password be recovered? Then it is lost, and recovered by the vendor's own mail")
            recovered = self.recover_pbx(environment)

            headline("6. Does the ledger open every router?")
            code = self.prove(rms, environment) or int(not recovered)
            return code or self.recover(environment)

    def recover_pbx(self, environment: Mapping[str, str]) -> bool:
        lacks = lost_pbx.missing()
        if lacks:
            print(f"Left out, because this machine lacks: {lacks}.")
            return True
        recovered = lost_pbx.recover(self.inventory.parent, environment, play, lambda name: current_passwords([name], environment)[name])
        print(f"\nThe PBX {'opens' if recovered else 'does not open'} with the ledger's current password.")
        return recovered

    def prove(self, rms: RmsSimulator, environment: Mapping[str, str]) -> int:
        """Compare what the ledger gives a playbook with what the simulated routers really take."""
        serials = {entry["host"]: serial for serial, entry in rms.truth().items()}
        ledger = current_passwords(list(serials), environment)
        real = rms.passwords()
        opened = [name for name, serial in serials.items() if ledger[name] == real[serial]]
        print(f"{len(opened)} of {len(serials)} routers open with the ledger's current password.")
        return 0 if len(opened) == len(serials) else 1

    def recover(self, environment: Mapping[str, str]) -> int:
        """A building server whose password is lost, in a container where podman runs; the simulator plays the people too."""
        with ExitStack() as stack:
            inventory, brought = self.inventory.with_name("building.json"), self.inventory.with_name("brought.json")
            edge = edge_server(stack)
            server = edge or stack.enter_context(EboSimulator("enterprise_server"))
            host: dict[str, object] = {"device_host": server.url, "bms_recovery_verify": True, "device_server_kind": "enterprise_server"}
            if edge:
                host |= {"device_server_kind": "edge_server", "device_container": {"name": edge.name, "url": edge.url}}
                environment = {**environment, **edge.podman.environment}
            inventory.write_text(json.dumps({"bms_servers": {"hosts": {"headquarters": host}}}))

            def run(**variables: object) -> None:
                brought.write_text(json.dumps(variables))
                expect(play("recover_bms", inventory, environment, "-e", f"@{brought}"), 0)

            doing = "It runs in a container, which is put in reset mode" if edge else "The first step is a person's, and the run says which"
            headline(f"7. A building server's password is lost. {doing}")
            run(bms_arm="headquarters")
            if not edge:
                server.control("arm", {"channel": "device_administrator", "local": True, "elevated": True, "added": True})
            session = server.control("workstation/open", {})["session_id"]

            headline("8. Days may lie between the runs. The person brings the session ID, the support team's answer comes")
            run(bms_confirmed=[] if edge else ["reset_mode"], bms_session_id=session)
            temporary = server.control("support", {"session_id": session})["temporary_password"]
            run(bms_temporary_password=temporary, bms_recovery_reveal=True)
            revealed = self.inventory.with_name("keyturn-recovery") / "new-password-headquarters.txt"
            server.control("workstation/logon", {"session_id": session, "password": temporary})
            new = revealed.read_text().rstrip("\n")
            server.control("workstation/change", {"session_id": session, "old": temporary, "new": new})

            headline("9. The person has typed the new password. One logon proves it")
            run(bms_confirmed=["new_password"])
            opens = current_passwords(["headquarters"], environment)["headquarters"] == server.control("truth")["password"]
            print(f"The server {'opens' if opens else 'does not open'} with the ledger's current password.")
        print(
            f"The ledger was {self.ledger.name}, {self.ledger.stat().st_size:,} bytes, every password in it encrypted. It is removed now."
        )
        return 0 if opens else 1


def edge_server(stack: ExitStack) -> ContainerServer | None:
    """A simulated Edge Server in a real container; nothing where podman does not run."""
    try:
        return ContainerServer(stack.enter_context(Podman()), "headquarters")
    except (OSError, RuntimeError):
        return None


def current_passwords(names: list[str], environment: Mapping[str, str]) -> dict[str, str]:
    """The password lookup, as a playbook would use it."""
    terms = ", ".join(f"'{name}'" for name in names)
    arguments = json.dumps({"msg": f"{{{{ query('keyturn.devices.password', {terms}) }}}}"})
    command = [str(BIN / "ansible"), "localhost", "-m", "ansible.builtin.debug", "-a", arguments]
    settings = {**environment, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_LOCALHOST_WARNING": "false"}
    answer = subprocess.run(command, env=settings, capture_output=True, text=True, check=True)
    return dict(zip(names, json.loads(answer.stdout.partition("=>")[2])["msg"], strict=True))


def expect(code: int, wanted: int) -> None:
    if code != wanted:
        raise SystemExit(f"The playbook ended with {code} where {wanted} was to be expected.")


if __name__ == "__main__":
    sys.exit(main())
