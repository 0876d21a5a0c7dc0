# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mails as a PBX, or somebody who would like to be taken for one, sends them."""

from __future__ import annotations

import email.policy
import email.utils
import uuid
from email.message import EmailMessage

SENDER = "pbx@example.com"
RECIPIENT = "it@example.com"


def new_mail(
    text: str | None = None,
    html: str | None = None,
    *,
    subject: str = "Find Password",
    sender: str = SENDER,
    recipient: str = RECIPIENT,
    encoding: str = "quoted-printable",
    charset: str = "utf-8",
) -> EmailMessage:
    """With text, HTML or both. C(encoding): C(quoted-printable), C(base64), C(8bit) or C(7bit)."""
    mail = EmailMessage(policy=email.policy.SMTP.clone(max_line_length=998 if encoding in ("7bit", "8bit") else 78))
    mail["From"] = sender
    mail["To"] = recipient
    mail["Subject"] = subject
    mail["Date"] = email.utils.formatdate()
    mail["Message-ID"] = f"<{uuid.uuid4().hex}@pbx.example.com>"
    if text is not None:
        mail.set_content(text, charset=charset, cte=encoding)
    if html is not None and text is None:
        mail.set_content(html, subtype="html", charset=charset, cte=encoding)
    elif html is not None:
        mail.add_alternative(html, subtype="html", charset=charset, cte=encoding)
    return mail


def anchor(target: str, shown: str = "Reset your password") -> str:
    """A page of HTML with one anchor."""
    return f'<html><body><p>Please follow this link:</p><p><a href="{target}">{shown}</a></p></body></html>'
