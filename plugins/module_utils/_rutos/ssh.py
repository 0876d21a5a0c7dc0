# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A router reached by SSH, for those whose API is off or too old (facts: Teltonika 2.7).

C(passwd) in a terminal, as a person would: it applies the router's policy, and no password is ever part of a command line. C(chpasswd) is
not used: it knows no policy.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import logging
import re
import time
import traceback
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ansible_collections.keyturn.devices.plugins.module_utils._addresses import Address
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.floors import floor_for
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.visit import Identity, RouterFault, Rule, Unclear

if TYPE_CHECKING:
    import paramiko

#: The only user that may always log in by SSH; from 07.14 C(admin) may too (documented).
ROOT = "root"
# The vendor's tool for what is written into a router when it is made; that it has this option is assumed.
SERIAL_COMMAND = "mnf_info --sn"
# Where the whole firmware text stands (assumed).
FIRMWARE_COMMAND = "cat /etc/version"

_MOST_OUTPUT = 64 * 1024
# A program that turns the echo off only after its prompt throws away what came in between.
_BEFORE_TYPING = 0.1

_PROMPT = re.compile(r"[^\n]*(password|passphrase)[^\n:]*:\s*\Z", re.IGNORECASE)
_RETYPE = re.compile(r"re-?type|re-?enter|repeat|again|confirm|verify", re.IGNORECASE)
_CURRENT = re.compile(r"\b(current|old)\b", re.IGNORECASE)

_SAME = re.compile(r"password is the same", re.IGNORECASE)
_NO_USER = re.compile(r"unknown user|does not exist|no such user", re.IGNORECASE)
_POLICY = re.compile(r"bad password|too (short|weak|simple)|at least|must contain|characters", re.IGNORECASE)


def library_problem() -> str | None:
    """Why SSH cannot be used here; None when it can. Imported only now: who asks APIs alone need not have paramiko."""
    try:
        import paramiko
    except ImportError:
        return traceback.format_exc()
    # Without a handler Python prints what paramiko logs of broken connections.
    logging.getLogger(paramiko.__name__).addHandler(logging.NullHandler())
    return None


def fingerprint_of(key: bytes) -> str:
    """SHA-256 of a host key, in hexadecimal digits."""
    return hashlib.sha256(key).hexdigest()


def read_ssh_fingerprint(text: str) -> str | None:
    """The hexadecimal digits of C(SHA256:...), as OpenSSH writes a fingerprint; None when it is none."""
    kind, colon, digits = text.strip().partition(":")
    if kind.upper() != "SHA256" or not colon:
        return None
    try:
        digest = base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except ValueError:
        return None
    return digest.hex() if len(digest) == hashlib.sha256().digest_size else None


class RouterSsh:
    """One router. Implements Way. C(fingerprint): of the host key that is believed; without it C(known_hosts) must know the key.

    C(username): the web user whose password is kept together with root's. C(deadline): a moment of C(clock).
    """

    request_count = 0

    def __init__(
        self,
        address: Address,
        username: str,
        redactor: Redactor,
        *,
        fingerprint: str | None,
        known_hosts: str | None,
        timeout: float,
        deadline: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = address
        self._username = username
        self._redactor = redactor
        self._fingerprint = fingerprint
        self._known_hosts = known_hosts
        self._timeout = timeout
        self._deadline = deadline
        self._clock = clock
        self._client: paramiko.SSHClient | None = None

    @property
    def remaining(self) -> float:
        """Seconds until the deadline."""
        return self._deadline - self._clock()

    def _patience(self) -> float:
        if self.remaining <= 0:
            raise RouterFault("timeout", "the deadline passed before the router was asked")
        return min(self._timeout, self.remaining)

    def log_in(self, password: str) -> bool:
        """As root, with the password alone."""
        import paramiko

        self.close()
        patience = self._patience()
        client = paramiko.SSHClient()
        self._client = client
        self._trust(client)
        try:
            client.connect(
                self._address.host,
                self._address.port,
                username=ROOT,
                password=password,
                allow_agent=False,
                look_for_keys=False,
                timeout=patience,
                banner_timeout=patience,
                auth_timeout=patience,
            )
        except paramiko.BadHostKeyException:
            raise RouterFault("certificate", "the host key is not the one that known_hosts has for this router") from None
        except paramiko.BadAuthenticationType:
            raise RouterFault("protocol", "the router does not let root log in with a password") from None
        except paramiko.AuthenticationException as refusal:
            # paramiko uses the one exception for a refusal and for an answer that never came.
            if "timeout" in str(refusal).lower():
                raise RouterFault("timeout", "time-out while waiting for the answer to the log-in", lost=True) from None
            if "transport" in str(refusal).lower():
                raise RouterFault("interrupted", "the connection broke during the log-in", lost=True) from None
            return False
        except _UntrustedKey as problem:
            raise RouterFault("certificate", str(problem)) from None
        except (paramiko.SSHException, OSError, EOFError) as problem:
            transport = client.get_transport()
            if transport is not None and transport.auth_handler is not None:
                raise RouterFault("interrupted", f"the connection broke during the log-in: {_words(problem)}", lost=True) from None
            raise RouterFault("offline", f"no connection: {_words(problem)}") from None
        return True

    def _trust(self, client: paramiko.SSHClient) -> None:
        import paramiko

        if self._fingerprint is not None:
            client.set_missing_host_key_policy(_pinned(self._fingerprint))
            return
        client.set_missing_host_key_policy(_pinned(None))
        try:
            client.load_system_host_keys(self._known_hosts)
        except (OSError, paramiko.SSHException) as problem:
            raise RouterFault("certificate", f"known_hosts cannot be read: {_words(problem)}") from None

    def identity(self) -> Identity:
        """Asks the router's own tools; what they do not tell stays empty."""
        return Identity(serial=self._told(SERIAL_COMMAND), firmware=self._told(FIRMWARE_COMMAND))

    def rule(self, identity: Identity) -> Rule:
        """What is known of the firmware; C(passwd) itself applies the router's own rule from 07.11 on (documented)."""
        floor = floor_for("rutos", identity.firmware)
        return Rule(floor.policy, floor.evidence)

    def change(self, current: str, new: str) -> bool:
        """The web user first and root last.

        Root's password is the one that opens SSH, so it tells whether a change was finished; after an unfinished one the old password
        still opens SSH, and restore() or the next run puts the web user right.
        """
        with contextlib.suppress(_NoUser):
            self._passwd(self._username, new)
        try:
            return self._passwd(ROOT, new)
        except RouterFault as fault:
            raise Unclear(fault.reason, f"{self._username} has the new password; root: {fault.message}") from None

    def restore(self, current: str) -> None:
        """Give the web user the password back that root still has."""
        with contextlib.suppress(_NoUser):
            self._passwd(self._username, current)

    def close(self) -> str:
        """Ends the connection, and with it the session."""
        client, self._client = self._client, None
        if client is not None:
            client.close()
        return ""

    @contextlib.contextmanager
    def _channel(self) -> Iterator[paramiko.Channel]:
        """A session on the connection. Whatever breaks becomes a RouterFault."""
        import paramiko

        transport = self._client.get_transport() if self._client is not None else None
        if transport is None:
            raise RouterFault("interrupted", "there is no connection any more")
        try:
            with contextlib.closing(transport.open_session(timeout=self._patience())) as channel:
                channel.settimeout(self._patience())
                yield channel
        except TimeoutError:
            raise RouterFault("timeout", "time-out while waiting for the router") from None
        except (paramiko.SSHException, OSError, EOFError) as problem:
            raise RouterFault("interrupted", f"the connection broke: {_words(problem)}") from None

    def _told(self, command: str) -> str:
        """The only line a command prints; empty when it fails."""
        output = bytearray()
        with self._channel() as channel:
            channel.exec_command(command)
            while len(output) < _MOST_OUTPUT and (piece := channel.recv(4096)):
                output += piece
            status = self._status(channel)
        text = output.decode("utf-8", "replace").strip()
        return text if status == 0 and text.isprintable() else ""

    def _status(self, channel: paramiko.Channel) -> int | None:
        """The exit status; None when the connection ended without one."""
        channel.status_event.wait(self._patience())
        return channel.exit_status if channel.exit_status_ready() and channel.exit_status >= 0 else None

    def _passwd(self, user: str, password: str) -> bool:
        """One C(passwd). False when it says that the user has this password already. Unclear once the password was typed twice."""
        typed = 0
        try:
            with self._channel() as channel:
                channel.get_pty()
                channel.exec_command(f"passwd {user}")
                said = ""
                while piece := channel.recv(4096):
                    said = (said + piece.decode("utf-8", "replace"))[-_MOST_OUTPUT:]
                    prompt = _PROMPT.search(said)
                    if prompt is None:
                        continue
                    if _CURRENT.search(prompt[0]):
                        raise RouterFault("unauthorized", "passwd asks for the current password, so this log-in is no administrator's")
                    if bool(_RETYPE.search(prompt[0])) != (typed == 1):
                        # It asks for another password instead: the complaint stands before the prompt.
                        raise self._complaint(said[: prompt.start()])
                    time.sleep(_BEFORE_TYPING)
                    typed += 1
                    channel.sendall(f"{password}\n".encode())
                    said = ""
                status = self._status(channel)
        except _Complaint:
            raise
        except RouterFault as fault:
            if typed < 2:
                raise
            raise Unclear(fault.reason, fault.message) from None
        if status == 0:
            return True
        if status is None and typed >= 2:
            raise Unclear("interrupted", "the connection ended before passwd told its outcome")
        if _SAME.search(said):
            return False
        raise self._complaint(said)

    def _complaint(self, said: str) -> RouterFault:
        text = self._redactor.shown(said)
        if _NO_USER.search(said):
            return _NoUser("not_found", f"passwd: {text}")
        if _POLICY.search(said):
            return _Complaint("rejected_by_policy", f"passwd refused the password: {text}")
        return _Complaint("protocol", f"passwd did not change the password: {text}" if text else "passwd did not change the password")


class _Complaint(RouterFault):
    """What C(passwd) itself said when it changed nothing."""


class _NoUser(_Complaint):
    """The router has no such account: before 07.03 there was none but root."""


class _UntrustedKey(Exception):
    pass


def _pinned(fingerprint: str | None) -> Any:
    """A policy for a host key that no known_hosts vouches for: right with this fingerprint, never otherwise."""
    import paramiko

    class Pinned(paramiko.MissingHostKeyPolicy):
        def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
            if fingerprint is None:
                raise _UntrustedKey(
                    f"known_hosts has no host key for this router; it shows one with the SHA-256 {fingerprint_of(key.asbytes())}"
                )
            if fingerprint_of(key.asbytes()) != fingerprint:
                raise _UntrustedKey("the host key is not the one with the given fingerprint")

    return Pinned()


def _words(problem: BaseException) -> str:
    """The operating system's word for what went wrong, or the kind of the exception."""
    return getattr(problem, "strerror", None) or type(problem).__name__
