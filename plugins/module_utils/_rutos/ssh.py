# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A router reached by SSH, for those whose API is off or too old (facts: Teltonika 2.7).

C(passwd) in a terminal, as a person would: it applies the router's policy, and no password is ever part of a command line. C(chpasswd) is
not used: it knows no policy.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import re
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ansible_collections.keyturn.devices.plugins.module_utils._addresses import Address
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.floors import floor_for
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.known_hosts import HostKeys
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

# RSA keys have one name in known_hosts and several on the wire.
_KINDS_OF_RSA = {"rsa-sha2-256": "ssh-rsa", "rsa-sha2-512": "ssh-rsa"}

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


class RouterSsh:
    """One router. Implements Way.

    C(fingerprint): of the host key that is believed; without it C(host_keys) must vouch for the key. C(username): the web user whose
    password is kept together with root's. C(deadline): a moment of C(clock). C(may_change): asked right before each password is typed.
    """

    request_count = 0

    def __init__(
        self,
        address: Address,
        username: str,
        redactor: Redactor,
        *,
        fingerprint: str | None,
        host_keys: HostKeys,
        timeout: float,
        deadline: float,
        clock: Callable[[], float] = time.monotonic,
        may_change: Callable[[], bool] = lambda: True,
    ) -> None:
        self._address = address
        self._username = username
        self._redactor = redactor
        self._fingerprint = fingerprint
        self._host_keys = host_keys
        self._timeout = timeout
        self._deadline = deadline
        self._clock = clock
        self._may_change = may_change
        self._transport: paramiko.Transport | None = None
        self.has_sent_login = False
        self.has_sent_change = False
        self.sent_late = False

    @property
    def remaining(self) -> float:
        """Seconds until the deadline."""
        return self._deadline - self._clock()

    def _patience(self) -> float:
        if self.remaining <= 0:
            raise RouterFault("timeout", "the deadline passed before the router was asked")
        return min(self._timeout, self.remaining)

    def log_in(self, password: str) -> bool:
        """As root, with the password alone, which is sent only to a host whose key is believed."""
        import paramiko

        self.close()
        transport = self._transport = self._connected()
        self._check_host_key(transport.get_remote_server_key())
        transport.auth_timeout = self._patience()
        self.has_sent_login = True
        try:
            further_steps = transport.auth_password(ROOT, password)
        except paramiko.BadAuthenticationType:
            raise RouterFault("protocol", "the router does not let root log in with a password") from None
        except paramiko.AuthenticationException as refusal:
            # paramiko uses the one exception for a refusal and for an answer that never came.
            if "timeout" in str(refusal).lower():
                raise RouterFault("timeout", "time-out while waiting for the answer to the login", lost=True) from None
            if "transport" in str(refusal).lower():
                raise RouterFault("interrupted", "the connection broke during the login", lost=True) from None
            return False
        except (paramiko.SSHException, OSError, EOFError) as problem:
            raise RouterFault("interrupted", f"the connection broke during the login: {_words(problem)}", lost=True) from None
        if further_steps:
            raise RouterFault("protocol", "the router does not let root log in with a password alone")
        return True

    def _connected(self) -> paramiko.Transport:
        """An encrypted connection; nothing secret has been sent on it, and nobody's key is believed yet."""
        import paramiko

        patience = self._patience()
        try:
            # Closed by the transport, or with it.
            transport = paramiko.Transport(socket.create_connection((self._address.host, self._address.port), patience))
        except (paramiko.SSHException, OSError) as problem:
            raise RouterFault("offline", f"no connection: {_words(problem)}") from None
        try:
            options = transport.get_security_options()
            known = set(self._host_keys.known.values())
            # A router has keys of several kinds; the one that is shown must be one that can be compared.
            options.key_types = tuple(sorted(options.key_types, key=lambda kind: _KINDS_OF_RSA.get(kind, kind) not in known))
            transport.banner_timeout = patience
            transport.start_client(timeout=patience)
        except (paramiko.SSHException, OSError, EOFError) as problem:
            transport.close()
            raise RouterFault("offline", f"no connection: {_words(problem)}") from None
        return transport

    def _check_host_key(self, key: paramiko.PKey) -> None:
        """RouterFault unless the key is the one with the fingerprint, or, where none was given, one that known_hosts vouches for."""
        shown = key.asbytes()
        if self._fingerprint is not None:
            if fingerprint_of(shown) != self._fingerprint:
                raise RouterFault("certificate", "the host key is not the one with the given fingerprint")
        elif shown in self._host_keys.revoked:
            raise RouterFault("certificate", "known_hosts has revoked the host key that this router shows")
        elif shown not in self._host_keys.known:
            told = f"it shows one with the SHA-256 {fingerprint_of(shown)}"
            if self._host_keys.known:
                raise RouterFault("certificate", f"the host key is not the one that known_hosts has for this router; {told}")
            raise RouterFault("certificate", f"known_hosts has no host key for this router; {told}")

    def prepare_change(self) -> None:
        """Nothing: a command more costs no connection."""

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
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()
        return ""

    @contextlib.contextmanager
    def _channel(self) -> Iterator[paramiko.Channel]:
        """A session on the connection. Whatever breaks becomes a RouterFault."""
        import paramiko

        if self._transport is None:
            raise RouterFault("interrupted", "there is no connection any more")
        try:
            with contextlib.closing(self._transport.open_session(timeout=self._patience())) as channel:
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
                        raise RouterFault("unauthorized", "passwd asks for the current password, so this login is no administrator's")
                    if bool(_RETYPE.search(prompt[0])) != (typed == 1):
                        # It asks for another password instead: the complaint stands before the prompt.
                        raise self._complaint(said[: prompt.start()])
                    time.sleep(_BEFORE_TYPING)
                    self._require_permission()
                    typed += 1
                    self.has_sent_change = True
                    channel.sendall(f"{password}\n".encode())
                    # The second line is what makes passwd change anything.
                    self.sent_late = self.sent_late or (typed == 2 and not self._may_change())
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

    def _require_permission(self) -> None:
        if not self._may_change():
            raise RouterFault("not_sent", "the run that asked for it has ended, or its time is over")

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


def _words(problem: BaseException) -> str:
    """The operating system's word for what went wrong, or the kind of the exception."""
    return getattr(problem, "strerror", None) or type(problem).__name__
