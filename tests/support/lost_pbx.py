# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""C(python -m support.lost_pbx): a simulated PBX whose password nobody knows, with the mail it is recovered by. Stops on a signal.

Says where it is as the simulators do, in lines C(NAME=value) and READY: PBX_URL, PBX_FINGERPRINT, PBX_CA, CONTROL_URL, EMAIL (the bound
address) and MAILBOX (the option C(mailbox) of the modules, as JSON).
"""

from __future__ import annotations

import json
import signal
import sys
from contextlib import ExitStack

from support.dovecot import DovecotServer
from support.smtp import SmtpServer

from simulators.kit.process import READY
from simulators.pbx import PbxSimulator

EMAIL = "admin@example.com"


def main() -> None:
    # Not blocked, because what is started here would inherit that.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    with ExitStack() as stack:
        dovecot = DovecotServer()
        stack.callback(dovecot.close)
        mailbox = dovecot.new_mailbox()
        smtp = stack.enter_context(SmtpServer(mailbox.deliver))
        pbx = stack.enter_context(PbxSimulator())
        pbx.email(address="pbx@example.com", smtp_host="127.0.0.1", smtp_port=smtp.port, auth="none")
        told = {
            "PBX_URL": pbx.url,
            "PBX_FINGERPRINT": pbx.fingerprint,
            "PBX_CA": pbx.ca_path,
            "CONTROL_URL": f"{pbx.url}/__simulator__",
            "EMAIL": EMAIL,
            "MAILBOX": json.dumps(mailbox.options()),
        }
        print("\n".join([*(f"{name}={value}" for name, value in told.items()), READY]), flush=True)
        while True:
            signal.pause()


def _end(_number: int, _frame: object) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()
