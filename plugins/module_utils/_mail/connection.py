# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connection to a mail server: TLS, an end that holds whatever the server does, and every way it can break, as a typed fault."""

from __future__ import annotations

import contextlib
import imaplib
import os
import poplib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor

#: A longer mail is no mail with a link to follow, and no more than that of one is held. In bytes.
MOST_BYTES = 1024 * 1024

# Seconds after the deadline for the last look and for logging out.
_GRACE = 5.0


class MailFault(Exception):
    """A mailbox that cannot be read.

    C(reason) is one of C(unreachable), C(timeout), C(certificate), C(mailbox_refused), C(not_found), C(protocol), C(marker_stale).
    C(passing): it may be gone a moment later, and asking again harms nobody. A refused login never is: providers lock out.
    """

    def __init__(self, reason: str, message: str, passing: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.passing = passing


@dataclass(frozen=True)
class Access:
    """Where a mailbox is and how it is opened. C(protocol): C(imap) or C(pop3). C(tls): C(implicit), C(starttls) or C(none).

    C(secret) is the password, or with C(oauth) an access token. C(folders): those to look into; None for the inbox and what holds junk.
    """

    protocol: str
    host: str
    port: int
    tls: str
    user: str
    secret: str = field(repr=False)
    oauth: bool = False
    folders: tuple[str, ...] | None = None
    validate_certs: bool = True
    ca_path: str | None = None

    def __str__(self) -> str:
        return f"{self.host} port {self.port}"

    def tls_context(self) -> ssl.SSLContext:
        """What a certificate is checked with. OSError when C(ca_path) cannot be used."""
        if not self.ca_path:
            context = ssl.create_default_context()
        elif os.path.isdir(self.ca_path):
            context = ssl.create_default_context(capath=self.ca_path)
        else:
            context = ssl.create_default_context(cafile=self.ca_path)
        if not self.validate_certs:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


@dataclass(frozen=True)
class Limits:
    """How long things may take. C(timeout): seconds for each answer. C(deadline): a moment of C(time.monotonic), for everything."""

    timeout: float
    deadline: float

    def left(self) -> float:
        """Seconds until the deadline, 0 when it has passed."""
        return max(0.0, self.deadline - time.monotonic())


class Line:
    """Makes the socket, and cuts it after the deadline: a server that sends a byte now and then would pass every other time limit."""

    def __init__(self, access: Access, limits: Limits) -> None:
        self.access = access
        self.limits = limits
        self.context = access.tls_context()
        self._handle: socket.socket | None = None
        self._cutter = threading.Timer(limits.left() + _GRACE, self._cut)
        self._cutter.daemon = True

    def open(self) -> socket.socket:
        """Connected, and with implicit TLS encrypted."""
        access = self.access
        connection = socket.create_connection((access.host, access.port), min(self.limits.timeout, self.limits.left() + _GRACE))
        # Of its own: TLS takes the first one over.
        self._handle = connection.dup()
        self._cutter.start()
        connection.settimeout(self.limits.timeout)
        if access.tls == "implicit":
            return self.context.wrap_socket(connection, server_hostname=access.host)
        return connection

    def close(self) -> None:
        """End the connection, whatever state it is in."""
        self._cutter.cancel()
        self._cut()
        if self._handle is not None:
            self._handle.close()

    def _cut(self) -> None:
        if self._handle is not None:
            with contextlib.suppress(OSError):
                self._handle.shutdown(socket.SHUT_RDWR)


def refusal(access: Access, words: object, redactor: Redactor) -> MailFault:
    """The fault for a login that the server did not take, told in its own words. Only a mailbox that is busy is worth another try."""
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
    told = redactor.shown(text) or "without a reason"
    if any(code in text.upper() for code in _BUSY):
        return MailFault("unreachable", f"The mailbox of {access.user} at {access} cannot be opened now: {told}", passing=True)
    return MailFault("mailbox_refused", f"The mail server {access} refused the login of {access.user}: {told}")


# Response codes of RFC 5530, RFC 2449 and RFC 3206 for what passes by itself.
_BUSY = ("[UNAVAILABLE]", "[INUSE]", "[IN-USE]", "[LOGIN-DELAY]", "[SYS/TEMP]")


@contextlib.contextmanager
def typed_faults(access: Access) -> Iterator[None]:
    """Whatever breaks inside becomes a MailFault. It shows nothing of what the server sent: that may be a piece of a mail."""
    try:
        yield
        return
    except MailFault:
        raise
    except Exception as problem:
        fault = _fault(access, problem)
    raise fault


def _fault(access: Access, problem: Exception) -> MailFault:
    if isinstance(problem, ssl.SSLCertVerificationError):
        return MailFault("certificate", f"The certificate of the mail server {access} cannot be trusted: {problem.verify_message}")
    if isinstance(problem, TimeoutError):
        return MailFault("timeout", f"The mail server {access} did not answer in time.", passing=True)
    if isinstance(problem, socket.gaierror):
        return MailFault("unreachable", f"The mail server {access} cannot be found: {problem.strerror}.", passing=True)
    if isinstance(problem, ssl.SSLError) and not isinstance(problem, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        told = (problem.reason or "no reason given").replace("_", " ").lower()
        return MailFault("protocol", f"No TLS with the mail server {access}: {told}. Is tls={access.tls} right for this port?")
    if isinstance(problem, ConnectionRefusedError):
        return MailFault("unreachable", f"The mail server {access} refused the connection.", passing=True)
    # Both libraries have an exception of their own for a connection that ended.
    ended = isinstance(problem, imaplib.IMAP4.abort) or (isinstance(problem, poplib.error_proto) and "EOF" in str(problem))
    if ended or isinstance(problem, (OSError, EOFError)):
        return MailFault("unreachable", f"The connection to the mail server {access} broke ({type(problem).__name__}).", passing=True)
    return MailFault("protocol", f"The mail server {access} answered in a way that cannot be understood ({type(problem).__name__}).")
