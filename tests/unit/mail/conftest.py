# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.dovecot import DovecotMailbox, DovecotServer
from support.modules import run_module

from ansible_collections.keyturn.devices.plugins.modules import mail_link

PBX = "192.168.5.150:8088"
TOKEN = "c4n4ry-T0ken/Reset+9f8e7d6c5b4a"
GOOD = f"https://{PBX}/cgi/reset?user=admin&key={TOKEN}"

#: Runs the module on a mailbox: C(look(mailbox, marker=..., ...)).
Look = Callable[..., dict[str, Any]]


@pytest.fixture
def mailbox(dovecot: DovecotServer) -> DovecotMailbox:
    return dovecot.new_mailbox()


@pytest.fixture
def look() -> Look:
    """By default for the mail of our PBX, and not for long."""

    def run(mailbox: DovecotMailbox, /, check: bool = False, **options: Any) -> dict[str, Any]:
        given = {"mailbox": mailbox.options(), "subjects": ["Find Password"], "allowed_hosts": [PBX], "deadline": 1, "timeout": 5}
        return run_module(mail_link.main, check, **{**given, **options})

    return run


@pytest.fixture
def mark(look: Look) -> Callable[..., dict[str, Any]]:
    """The marker of a mailbox as it is now."""

    def run(mailbox: DovecotMailbox, /, **options: Any) -> dict[str, Any]:
        marker: dict[str, Any] = look(mailbox, state="marked", **options)["marker"]
        return marker

    return run
