# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The PBX as a mail client: sends through the server in its settings, and tries both servers when Test is pressed."""

from __future__ import annotations

import contextlib
import html
import poplib
import smtplib
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from email.charset import BASE64, QP, Charset
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.utils import formataddr, formatdate, make_msgid
from urllib.parse import quote, urlsplit

from .model import EmailSettings
from .switches import Switches

TIMEOUT = 5.0
IMPLICIT = (465, 995)


class NotSent(Exception):
    """The server refused, or could not be reached."""


def _unverified() -> ssl.SSLContext:
    """The PBX is not known to verify anything."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@contextlib.contextmanager
def _smtp(settings: EmailSettings) -> Iterator[smtplib.SMTP]:
    try:
        if settings.tls and settings.smtp_port in IMPLICIT:
            client: smtplib.SMTP = smtplib.SMTP_SSL(settings.smtp_host, settings.smtp_port, timeout=TIMEOUT, context=_unverified())
        else:
            client = smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=TIMEOUT)
        with client:
            if settings.tls and settings.smtp_port not in IMPLICIT:
                client.starttls(context=_unverified())
            if settings.auth != "none" and settings.password:
                client.ehlo_or_helo_if_needed()
                if client.has_extn("auth"):
                    client.login(settings.address, settings.password)
            yield client
    except (OSError, smtplib.SMTPException) as problem:
        raise NotSent(type(problem).__name__) from None


def try_smtp(settings: EmailSettings) -> bool:
    """Whether the SMTP server takes a mail, which is sent to the account itself."""
    try:
        with _smtp(settings) as client:
            mail = _mail("Test", "This is a test.", "", settings, settings.address, Switches(mail_format="text"))
            client.sendmail(settings.address, [settings.address], _wire(mail))
    except NotSent:
        return False
    return True


def try_pop3(settings: EmailSettings) -> bool:
    """Whether the POP3 server lets the account in."""
    try:
        if settings.tls and settings.pop3_port in IMPLICIT:
            client: poplib.POP3 = poplib.POP3_SSL(settings.pop3_host, settings.pop3_port, timeout=TIMEOUT, context=_unverified())
        else:
            client = poplib.POP3(settings.pop3_host, settings.pop3_port, timeout=TIMEOUT)
        with contextlib.closing(client):
            if settings.tls and settings.pop3_port not in IMPLICIT:
                client.stls(context=_unverified())
            client.user(settings.address)
            client.pass_(settings.password)
    except (OSError, poplib.error_proto):
        return False
    return True


def send_link(settings: EmailSettings, recipient: str, link: str, dead_link: str, switches: Switches) -> None:
    """Send the mail and its noise; the mail server is spoken to before this returns, unless a delay was asked for. Raises NotSent."""
    mails = list(_mails(settings, recipient, link, dead_link, switches))

    def send() -> None:
        with _smtp(settings) as client:
            for sender, mail in mails:
                client.sendmail(sender, [recipient], _wire(mail))

    if not switches.mail_delay_seconds:
        send()
        return
    with _smtp(settings):
        pass
    _later(switches.mail_delay_seconds, send)


def _later(seconds: float, send: Callable[[], None]) -> None:
    def run() -> None:
        time.sleep(seconds)
        with contextlib.suppress(NotSent):
            send()

    threading.Thread(target=run, daemon=True).start()


def _mails(settings: EmailSettings, recipient: str, link: str, dead_link: str, switches: Switches) -> Iterator[tuple[str, Message]]:
    subject = switches.mail_subject
    parts = urlsplit(link)
    foreign = link.replace(parts.netloc, "198.51.100.66:8088", 1)

    def one(links: Sequence[tuple[str, str]], sender: str = "") -> tuple[str, Message]:
        text = "\n".join(target for target, _shown in links)
        anchors = "<br>".join(f'<a href="{html.escape(target, quote=True)}">{html.escape(shown)}</a>' for target, shown in links)
        from_settings = EmailSettings(address=sender or settings.address, sender=settings.sender)
        words = (
            "Please open this address to reset the password. 重置密码"
            if switches.mail_charset == "gb18030"
            else "Please open this address:"
        )
        return from_settings.address, _mail(subject, f"{words}\n{text}\n", f"<p>{words}</p>{anchors}", from_settings, recipient, switches)

    noise = {
        "dead_link": lambda: one([(dead_link, dead_link)]),
        "wrong_sender": lambda: one([(dead_link, dead_link)], "somebody@example.net"),
        "foreign_host": lambda: one([(foreign, foreign)]),
        "look_alike_host": lambda: one([(link.replace(parts.netloc, f"{parts.hostname}.example.net:8088", 1), link)]),
        "userinfo": lambda: one([(link.replace("://", f"://{parts.netloc}@198.51.100.66/", 1), link)]),
        "href_differs": lambda: one([(foreign, link)]),
        "two_links": lambda: one([(dead_link, dead_link), (foreign, foreign)]),
        "javascript": lambda: one([("javascript:alert(1)", link)]),
    }
    for kind in switches.mail_noise:
        yield noise[kind]()
    target = link
    if switches.mail_safe_links:
        target = f"https://eur01.safelinks.protection.outlook.com/?url={quote(link, safe='')}&data=05&reserved=0"
    for _copy in range(switches.mail_copies):
        yield one([(target, target)])


def _mail(subject: str, text: str, page: str, settings: EmailSettings, recipient: str, switches: Switches) -> Message:
    charset = Charset(switches.mail_charset)
    charset.body_encoding = QP if switches.mail_encoding == "quoted-printable" else BASE64

    def part(kind: str, content: str) -> Message:
        made = MIMENonMultipart("text", kind)
        made.set_payload(content, charset)
        return made

    if switches.mail_format == "multipart":
        mail: Message = MIMEMultipart("alternative", None, [part("plain", text), part("html", page)])
    else:
        mail = part("plain", text) if switches.mail_format == "text" or not page else part("html", page)
    mail["Subject"] = subject
    mail["From"] = formataddr((settings.sender, settings.address))
    mail["To"] = recipient
    mail["Date"] = formatdate()
    mail["Message-ID"] = make_msgid(domain="pbx.example.com")
    return mail


def _wire(mail: Message) -> bytes:
    """As SMTP wants it; smtplib leaves the line ends of bytes alone."""
    return mail.as_bytes(policy=mail.policy.clone(linesep="\r\n"))
