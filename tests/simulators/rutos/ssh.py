# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SSH as dropbear and busybox offer it on a router: passwd with the policy of its firmware, chpasswd with none, one account at a time.

Prompts and exit codes are busybox's; mnf_info and /etc/version, to tell which router it is, are assumed.
"""

from __future__ import annotations

import asyncio
import functools
import shlex
import string

import asyncssh

from simulators.kit.request_log import RequestLog

from .model import Router, stamp

#: Firmware line (07.x) from which admin may log in besides root.
ADMIN_SINCE = 14


class Login(asyncssh.SSHServer):
    """Passwords only; wrong ones count towards the same lock-out as those of the API."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._source = ""

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._source = conn.get_extra_info("peername")[0]
        if self._router.is_blocked(self._source):
            conn.abort()

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        if self._router.is_blocked(self._source):
            return False
        if username != "root" and not (username == "admin" and self._router.firmware.since(ADMIN_SINCE)):
            self._router.count_wrong_login(self._source)
            return False
        return self._router.log_in(username, password, self._source)


async def listen(router: Router, log: RequestLog, host: str, port: int, key: asyncssh.SSHKey) -> int:
    server = await asyncssh.create_server(
        functools.partial(Login, router),
        host,
        port,
        server_host_keys=[key],
        process_factory=functools.partial(serve, router, log),
        public_key_auth=False,
        kbdint_auth=False,
        gss_host=None,
    )
    return server.get_port()


async def serve(router: Router, log: RequestLog, process: asyncssh.SSHServerProcess[str]) -> None:
    """One command, or without one a shell that runs the same commands line by line."""
    await asyncio.sleep(router.switches.latency_ms / 1000)
    if process.command is not None:
        process.exit(await run(router, log, process, process.command))
        return
    status = 0
    while True:
        process.stdout.write(f"root@{router.name}:~# ")
        line = await process.stdin.readline()
        if line.strip() in ("", "exit"):
            if not line or line.strip():
                break
            continue
        status = await run(router, log, process, line)
    process.exit(status)


async def run(router: Router, log: RequestLog, process: asyncssh.SSHServerProcess[str], command: str) -> int:
    user = str(process.get_extra_info("username"))
    source = str(process.get_extra_info("peername")[0])
    words = shlex.split(command)
    if words[:1] == ["passwd"] and len(words) <= 2:
        status = await passwd(router, process, words[1] if len(words) == 2 else user, source)
    elif words == ["chpasswd"]:
        status = await chpasswd(router, process, source)
    elif words in (["mnf_info", "--sn"], ["mnf_info", "-s"]):
        process.stdout.write(f"{router.claimed_serial}\n")
        status = 0
    elif words == ["cat", "/etc/version"]:
        process.stdout.write(f"{router.firmware.text}\n")
        status = 0
    else:
        process.stderr.write(f"-ash: {words[0] if words else ''}: not found\n")
        status = 127
    log.add(
        {
            "at": stamp(router.clock.now()),
            "serial": router.serial,
            "method": "SSH",
            "path": command.strip(),
            "status": status,
            "user": user,
            "source": source,
        }
    )
    return status


def weakness(router: Router, password: str) -> str | None:
    """The first complaint of the router's passwd, which knows the policy from 07.11 on."""
    policy = router.policy
    if not router.firmware.policy_is_configurable:
        return None
    if len(password) < policy.min_length:
        return f"Password is too short. Minimum length is {policy.min_length} characters."
    classes = [set(kind) & set(password) for kind in (string.digits, string.ascii_lowercase, string.ascii_uppercase, string.punctuation)]
    if policy.digits and not classes[0]:
        return "Password must contain at least one digit."
    if policy.lower_upper and not (classes[1] and classes[2]):
        return "Password must contain both lowercase and uppercase letters."
    if router.requires_special() and not classes[3]:
        return "Password must contain at least one special character."
    return None


async def passwd(router: Router, process: asyncssh.SSHServerProcess[str], name: str, source: str) -> int:
    current = router.account_password(name)
    if current is None:
        process.stderr.write(f"passwd: unknown user {name}\n")
        return 1
    process.stdout.write(f"Changing password for {name}\nNew password: ")
    password = (await process.stdin.readline()).rstrip("\r\n")
    complaint = weakness(router, password)
    if password == current:
        process.stdout.write("\nPassword is the same. Use a different password\n")
    elif complaint:
        process.stdout.write(f"\nBad password: {complaint}\n")
    else:
        process.stdout.write("\nRetype password: ")
        if (await process.stdin.readline()).rstrip("\r\n") == password:
            router.store(name, password, "passwd", source)
            process.stdout.write(f"\npasswd: password for {name} changed by root\n")
            return 0
        process.stdout.write("\nPasswords don't match\n")
    process.stderr.write(f"passwd: password for {name} is unchanged\n")
    return 1


async def chpasswd(router: Router, process: asyncssh.SSHServerProcess[str], source: str) -> int:
    """Lines of user:password; the first colon splits."""
    while line := await process.stdin.readline():
        name, colon, password = line.rstrip("\r\n").partition(":")
        if not colon or router.account_password(name) is None:
            process.stderr.write(f"chpasswd: unknown user {name}\n")
            return 1
        router.store(name, password, "chpasswd", source)
        process.stdout.write(f"chpasswd: password for '{name}' changed\n")
    return 0
