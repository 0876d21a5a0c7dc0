# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A PBX in a network of its own, which the controller reaches through ssh -D to a jump host and in no other way."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from integration.pbx_site import NEW, OLD, Site
from simulators.pbx import PbxSimulator

# Of each link the first address is the nearer to the controller.
OUTER, INNER = ("10.214.7.1", "10.214.7.2"), ("10.214.8.1", "10.214.8.2")
SSHD = "mount -t tmpfs tmpfs /run; mkdir /run/sshd; exec /usr/sbin/sshd -D -e -f {}"
CONFIGURATION = """
ListenAddress {address}:22
HostKey {folder}/host_key
PidFile none
PermitRootLogin yes
AuthorizedKeysFile {folder}/user_key.pub
PasswordAuthentication no
UsePAM no
StrictModes no
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def networks() -> Iterator[tuple[str, str]]:
    """Names of two network namespaces, jump host and PBX, and what they need to reach each other."""
    jump, pbx = (f"{kind}{os.getpid()}" for kind in ("ktj", "ktp"))
    with ExitStack() as stack:
        for name in (jump, pbx):
            ip("netns", "add", name)
            stack.callback(ip, "netns", "del", name)
            ip("-n", name, "link", "set", "lo", "up")
        outer, inner = f"kto{os.getpid()}", f"kti{os.getpid()}"
        ip("link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", jump)
        ip("addr", "add", f"{OUTER[0]}/30", "dev", outer)
        ip("link", "set", outer, "up")
        ip("-n", jump, "addr", "add", f"{OUTER[1]}/30", "dev", "eth0")
        ip("-n", jump, "link", "set", "eth0", "up")
        ip("-n", jump, "link", "add", inner, "type", "veth", "peer", "name", "eth0", "netns", pbx)
        ip("-n", jump, "addr", "add", f"{INNER[0]}/30", "dev", inner)
        ip("-n", jump, "link", "set", inner, "up")
        ip("-n", pbx, "addr", "add", f"{INNER[1]}/30", "dev", "eth0")
        ip("-n", pbx, "link", "set", "eth0", "up")
        yield jump, pbx


def wait_for(there: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not there():
        assert time.monotonic() < end
        time.sleep(0.05)


def answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), 1).close()
    except OSError:
        return False
    return True


def test_a_password_is_changed_through_an_ssh_tunnel(networks: tuple[str, str], tmp_path: Path) -> None:
    jump, inside = networks
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec ip netns exec {inside} {sys.executable} "$@"\n')
    python.chmod(0o700)
    for name in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    (tmp_path / "sshd_config").write_text(CONFIGURATION.format(address=OUTER[1], folder=tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with ExitStack() as stack:
        pbx = stack.enter_context(PbxSimulator(OLD, host=INNER[1], python=str(python)))

        def run(*words: str) -> None:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.terminate)

        run("ip", "netns", "exec", jump, "unshare", "--mount", "sh", "-c", SSHD.format(tmp_path / "sshd_config"))
        wait_for(lambda: answers(OUTER[1], 22))
        known = (tmp_path / "known_hosts").absolute()
        known.write_text(f"{OUTER[1]} {(tmp_path / 'host_key.pub').read_text()}")
        options = ["-F", "none", "-o", f"UserKnownHostsFile={known}", "-o", "BatchMode=yes", "-i", str(tmp_path / "user_key")]
        run("ssh", "-N", "-D", f"127.0.0.1:{port}", *options, f"root@{OUTER[1]}")
        wait_for(lambda: answers("127.0.0.1", port))
        site = Site(pbx, None, None, None)  # type: ignore[arg-type]
        without = site.login(OLD, timeout=2)
        assert (without["status"], without["reason"]) in (("failed", "timeout"), ("failed", "unreachable"))
        proxy = f"socks5://127.0.0.1:{port}"
        assert site.change(proxy=proxy)["status"] == "changed"
        assert site.login(NEW, proxy=proxy)["status"] == "proven"
