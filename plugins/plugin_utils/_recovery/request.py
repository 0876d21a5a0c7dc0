# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The request to the vendor's support team: its text, and the ways it leaves.

The team is reached by people; no portal or interface of it is named anywhere. What is in the text is what a session ID is worth nothing
without: which server, of which kind, and until when.
"""

from __future__ import annotations

import os
import smtplib
import ssl
from contextlib import closing, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from ansible_collections.keyturn.devices.plugins.module_utils._files import FileProblem, write_secret_file
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.plugin_utils._recovery.servers import KINDS, Server

TLS = ("starttls", "implicit", "none")


@dataclass(frozen=True)
class Desk:
    """Where requests go. With C(smtp_host) and C(to) by e-mail, else into files below C(directory)."""

    directory: str
    to: str = ""
    smtp_host: str = ""
    smtp_port: int = 0
    smtp_tls: str = "starttls"
    smtp_user: str = ""
    smtp_password: str = field(default="", repr=False)
    sender: str = ""
    validate_certs: bool = True
    ca_path: str = ""
    timeout: float = 30

    @property
    def mails(self) -> bool:
        return bool(self.smtp_host and self.to)


class NotMailed(Exception):
    """The request did not leave, or nobody knows; the text says which, and holds no secret."""


def subject(server: Server) -> str:
    """Names the site and the server, and nothing secret."""
    return f"Password reset request: {', '.join(part for part in (server.site, server.name) if part)}"


def text(server: Server, session_id: str, armed_at: str, deadline: str) -> str:
    """The request. Times as ISO 8601, UTC."""
    told = {
        "Site": server.site,
        "Server": server.name,
        "Kind of server": KINDS[server.kind],
        "Serial number": server.serial,
        "Version": server.version,
        "Address": server.host,
        "User name": "admin",
        "In password reset mode since": armed_at,
        "Temporary password needed before": deadline,
        "Contact": server.contact,
        "Session ID": session_id,
    }
    lines = [f"{name}: {value}" for name, value in told.items() if value]
    return "\n".join(
        [
            "Please issue a temporary password for the administrator of this EcoStruxure Building Operation server.",
            "It is in password reset mode, and WorkStation is kept open with the session ID below.",
            "",
            *lines,
            "",
        ]
    )


def write(path: str, content: str) -> None:
    """Readable by its owner alone. Raises FileProblem."""
    directory, failure = os.path.dirname(path), ""
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
    except OSError as error:
        failure = f"{directory} cannot be made: {error.strerror}."
    if failure:
        raise FileProblem("no_directory", failure)
    write_secret_file(path, content.encode("utf-8", "surrogateescape"), overwrite=True)


def mail(desk: Desk, server: Server, content: str, redactor: Redactor) -> None:
    """Hand the request to the mail server. Raises NotMailed."""
    message = EmailMessage()
    message["Subject"] = subject(server)
    message["From"] = desk.sender or desk.smtp_user or desk.to
    message["To"] = desk.to
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain="keyturn.invalid")
    message.set_content(content)
    given = False
    problem = ""
    try:
        smtp = _connected(desk)
        with closing(smtp):
            if desk.smtp_tls == "starttls":
                smtp.starttls(context=_context(desk))
            if desk.smtp_user:
                smtp.login(desk.smtp_user, desk.smtp_password)
            given = True
            smtp.send_message(message)
            # How the conversation ends makes no difference any more.
            with suppress(OSError, smtplib.SMTPException):
                smtp.quit()
    except smtplib.SMTPResponseException as error:
        # It answered, so it did not take the message.
        answer = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else str(error.smtp_error)
        given, problem = False, f"{desk.smtp_host} answered {error.smtp_code} {redactor.shown(answer)}"
    except smtplib.SMTPRecipientsRefused:
        given, problem = False, f"{desk.smtp_host} does not take mail for {desk.to}"
    except ssl.SSLCertVerificationError as error:
        problem = f"the certificate of {desk.smtp_host} is not trusted: {error.verify_message}"
    except (OSError, smtplib.SMTPException, ValueError) as error:
        problem = f"{desk.smtp_host}: {getattr(error, 'strerror', None) or type(error).__name__}"
    if problem:
        raise NotMailed(f"{problem}. {'It may have been sent all the same' if given else 'It was not sent'}.")


def _connected(desk: Desk) -> smtplib.SMTP:
    if desk.smtp_tls == "implicit":
        return smtplib.SMTP_SSL(desk.smtp_host, desk.smtp_port or 465, timeout=desk.timeout, context=_context(desk))
    return smtplib.SMTP(desk.smtp_host, desk.smtp_port or (587 if desk.smtp_tls == "starttls" else 25), timeout=desk.timeout)


def _context(desk: Desk) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=desk.ca_path or None)
    if not desk.validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
