# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A PBX with the mail it needs: simulated pages in a real Chromium, real SMTP in, a real Dovecot out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from support.dovecot import DovecotMailbox, DovecotServer
from support.modules import run_module
from support.smtp import SmtpServer

from ansible_collections.keyturn.devices.plugins.modules import pbx_email_recovery, pbx_email_settings, pbx_login, pbx_password
from simulators.pbx import PbxSimulator

OLD = "Depot-Seven-47"
NEW = "Harbour-Nine-58"
WRONG = "Not-The-One-90"
EMAIL = "admin@example.com"
MODULES = {
    "login": pbx_login.main,
    "password": pbx_password.main,
    "email_settings": pbx_email_settings.main,
    "email_recovery": pbx_email_recovery.main,
}


@dataclass
class Site:
    """C(mailbox) is that of the bound address, new for each test."""

    pbx: PbxSimulator
    smtp: SmtpServer
    dovecot: DovecotServer
    mailbox: DovecotMailbox

    def reset(self, **switches: Any) -> None:
        self.pbx.reset(**switches)
        self.mailbox = self.dovecot.new_mailbox()
        self.smtp.deliver = self.mailbox.deliver
        self.smtp.refusal = ""
        self.pbx.email(address="pbx@example.com", smtp_host="127.0.0.1", smtp_port=self.smtp.port, auth="none")

    def run(self, module: str, check: bool = False, **options: Any) -> dict[str, Any]:
        """One of the modules on this PBX."""
        given = {"url": self.pbx.url, "fingerprint": self.pbx.fingerprint, "timeout": 30}
        return run_module(MODULES[module], check, **{**given, **options})

    def login(self, *passwords: str, **options: Any) -> dict[str, Any]:
        names = ("first", "second", "third")
        candidates = [{"name": name, "password": password} for name, password in zip(names, passwords, strict=False)]
        return self.run("login", candidates=candidates, **options)

    def change(self, new: str = NEW, current: str = OLD, **options: Any) -> dict[str, Any]:
        return self.run("password", new_password=new, current_password=current, **options)

    def recover(self, **options: Any) -> dict[str, Any]:
        given = {"email": EMAIL, "new_password": NEW, "mailbox": self.mailbox.options(), "deadline": 20}
        return self.run("email_recovery", **{**given, **options})


@contextmanager
def pbx_site() -> Iterator[Site]:
    with ExitStack() as stack:
        dovecot = DovecotServer()
        stack.callback(dovecot.close)
        mailbox = dovecot.new_mailbox()
        smtp = stack.enter_context(SmtpServer(mailbox.deliver))
        pbx = stack.enter_context(PbxSimulator())
        yield Site(pbx, smtp, dovecot, mailbox)
