# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of the demo in which somebody changes a PBX's password and forgets it: simulated pages, a real browser, real mail."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from ansible_collections.keyturn.devices.plugins.module_utils._browser.browser import BrowserFault, find_browser
from simulators.pbx.framework import framework

NAME = "office-pbx"
FORGOTTEN = "Nobody-Wrote-It-58"

#: Runs a playbook: its name, inventory, environment and arguments in, its exit code out.
Play = Callable[..., int]


def missing() -> str:
    """What this part needs and this machine lacks; empty for nothing."""
    lacks = [name for name in ("playwright", "aiosmtpd", "imapclient", "bs4") if importlib.util.find_spec(name) is None]
    try:
        find_browser(None)
    except BrowserFault:
        lacks.append("Chromium")
    try:
        framework()
    except FileNotFoundError:
        lacks.append("the framework of the simulated pages (make environments)")
    if not Path("/usr/sbin/dovecot").exists():
        lacks.append("Dovecot (apt-get install dovecot-imapd)")
    return ", ".join(lacks)


def recover(folder: Path, environment: Mapping[str, str], play: Play, current: Callable[[str], str]) -> bool:
    """Look whether the PBX is ready, have its password lost, recover it. Returns whether the ledger's password opens it."""
    # Whoever lacks what it imports has been told so.
    from integration.pbx_site import EMAIL, OLD, pbx_site

    inventory, present = folder / "pbxs.json", folder / "present.csv"
    with pbx_site() as site:
        site.pbx.email(address="pbx@example.com", smtp_host="127.0.0.1", smtp_port=site.smtp.port, auth="none")
        # It has no POP3 server to receive from, which a recovery does not need.
        variables = {
            "device_host": site.pbx.url,
            "device_fingerprint": site.pbx.fingerprint,
            "device_email": EMAIL,
            "device_mailbox": site.mailbox.options(),
        }
        inventory.write_text(json.dumps({"pbxs": {"hosts": {NAME: variables}}}))
        present.write_text(f"name,password\n{NAME},{OLD}\n")
        codes = [
            play("create_ledger", inventory, environment, "-e", f"create_ledger_passwords={present}"),
            play("pbx_readiness", inventory, environment),
        ]
        present.unlink()
        print("\nNow somebody changes the password of the PBX by hand, and forgets it.", flush=True)
        site.pbx.user(password=FORGOTTEN)
        codes.append(play("recover_pbx", inventory, environment, "--limit", NAME))
        return codes == [0, 0, 0] and current(NAME) == site.pbx.password != FORGOTTEN
