# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real OpenSSH server with real accounts and the real passwd, which changes nothing of the machine it runs on.

It lives in a mount namespace of its own, where /etc is a copy and /run and /var/log are empty. Needs root, as namespaces do.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import paramiko

_CONFIGURATION = """
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_key
PidFile none
PermitRootLogin yes
PasswordAuthentication yes
KbdInteractiveAuthentication no
PubkeyAuthentication no
UsePAM no
UseDNS no
StrictModes no
SetEnv PATH={folder}/bin:/usr/sbin:/usr/bin:/sbin:/bin
"""

# Passwords come by standard input. What useradd and sshd log about goes to the empty /run and /var/log.
_START = """
set -e
mount --bind "$1/etc" /etc
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/log
mkdir /run/sshd
useradd --no-create-home --home-dir / --shell /bin/sh admin
chpasswd
exec /usr/sbin/sshd -D -e -f "$1/sshd_config"
"""


class OpenSshRouter:
    """A router as far as SSH can tell: root and admin, mnf_info, /etc/version."""

    def __init__(self, serial: str, firmware: str, password: str) -> None:
        self.serial = serial
        self.port = _free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="keyturn-openssh-"))
        try:
            self._prepare(firmware)
            self._log = (self._folder / "log").open("wb")
            command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _START, "sh", str(self._folder)]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=self._log, stderr=self._log, start_new_session=True)
            assert self._process.stdin is not None
            with self._process.stdin as passwords:
                passwords.write(f"root:{password}\nadmin:{password}\n".encode())
            self._wait()
        except BaseException:
            self.close()
            raise

    def _prepare(self, firmware: str) -> None:
        folder = self._folder
        shutil.copytree("/etc", folder / "etc", symlinks=True)
        (folder / "etc" / "version").write_text(f"{firmware}\n")
        (folder / "bin").mkdir()
        self.put_program("mnf_info", f'[ "$1" = --sn ] && echo {self.serial}')
        (folder / "sshd_config").write_text(_CONFIGURATION.format(folder=folder, port=self.port))
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "host_key")], check=True)

    def put_program(self, name: str, script: str) -> None:
        """A program that goes before those of the system."""
        path = self._folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def remove_program(self, name: str) -> None:
        (self._folder / "bin" / name).unlink()

    @property
    def fingerprint(self) -> str:
        """Of the host key, in ssh-keygen's own words."""
        told = subprocess.run(["ssh-keygen", "-l", "-f", str(self._folder / "host_key.pub")], check=True, capture_output=True, text=True)
        return told.stdout.split()[1]

    @property
    def known_host(self) -> str:
        return f"[127.0.0.1]:{self.port} {(self._folder / 'host_key.pub').read_text()}"

    def accepts(self, user: str, password: str) -> bool:
        """Whether this user logs in with that password."""
        with paramiko.SSHClient() as client:
            client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
            try:
                client.connect("127.0.0.1", self.port, user, password, allow_agent=False, look_for_keys=False, timeout=20)
            except paramiko.AuthenticationException:
                return False
            return True

    @property
    def log(self) -> str:
        """What the server wrote."""
        return (self._folder / "log").read_text(errors="replace")

    def close(self) -> None:
        """End the server and remove all of it; the namespace goes with its last process."""
        process = getattr(self, "_process", None)
        if process is not None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait(self) -> None:
        end = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"sshd did not start: {self.log}") from None
                time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
