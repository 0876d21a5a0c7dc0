# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Twenty PBXs, eight of which could not be recovered tonight, each for another reason, as pbx_readiness finds them.

    make bench BENCH=readiness

Each PBX is a simulator of its own with pages for a real Chromium; mail goes through a real SMTP server and a real mailbox. Told are what is
wrong with which PBX, what the playbook named, and the seconds of wall time and of CPU.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from support.dovecot import DovecotServer
from support.smtp import SmtpServer

from integration.cores import cores
from integration.pbx_fleet import PbxFleet, pbx_fleet, started
from integration.pbx_site import EMAIL
from simulators.pbx import PbxSimulator

Spoil = Callable[[PbxFleet, str, PbxSimulator], object]
_INSIDE = ("settings", "test", "bound_email")


def _with_mailbox(place: PbxFleet, name: str, **changes: object) -> None:
    place.hosts[name]["device_mailbox"] = {**place.group_vars["device_mailbox"], **changes}


#: What is wrong -> how it comes about, before the ledger learns the passwords or after it, and the checks that say so.
WRONG: dict[str, tuple[Spoil, bool, dict[str, str]]] = {
    "its mail server refuses": (lambda _place, _name, pbx: pbx.set(test_result="smtp"), False, {"test": "smtp_failed"}),
    "no address is bound": (lambda _place, _name, pbx: pbx.user(email=""), False, {"bound_email": "no_bound_email"}),
    "another address is bound": (
        lambda _place, _name, pbx: pbx.user(email="other@example.com"),
        False,
        {"bound_email": "unknown_user_or_email"},
    ),
    "the mailbox refuses": (lambda place, name, _pbx: _with_mailbox(place, name, password="wrong"), False, {"mailbox": "mailbox_refused"}),
    "the password is another": (
        lambda _place, _name, pbx: pbx.user(password="Nobody-Knows-1z2"),
        True,
        dict.fromkeys(("password_known", *_INSIDE), "unauthorized"),
    ),
    # The PBX forces a change of a weak one, and shows nothing else.
    "the password is weak": (
        lambda _place, _name, pbx: pbx.user(password="depot1234"),
        False,
        dict.fromkeys(("password_strong", *_INSIDE), "forced_change_required"),
    ),
    "its settings are others": (
        lambda place, name, _pbx: place.hosts[name].update(device_email_settings={"smtp_port": 26}),
        False,
        {"settings": "differs"},
    ),
    "it is switched off": (
        lambda _place, _name, pbx: pbx.stop(),
        True,
        dict.fromkeys(("profile", "password_known", *_INSIDE), "unreachable"),
    ),
}


def _named(output: str) -> dict[str, dict[str, str]]:
    """By PBX that is said not to be ready: check -> reason."""
    found = dict(re.findall(r'"msg": "(\S+): could not be recovered tonight\. (.*)"', output))
    return {name: dict(re.findall(r"(\w+) \((\w+)\): ", said)) for name, said in found.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pbxs", type=int, default=20)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="keyturn-")))
        dovecot = DovecotServer()
        stack.callback(dovecot.close)
        mailbox = dovecot.new_mailbox()
        smtp = stack.enter_context(SmtpServer(mailbox.deliver))
        pbxs = started(stack, options.pbxs)
        place = stack.enter_context(pbx_fleet(folder, cores()[0], pbxs, known=[]))
        place.group_vars |= {"device_email": EMAIL, "device_mailbox": mailbox.options()}
        wrong = dict(zip(pbxs, WRONG.values(), strict=False))
        for name, pbx in pbxs.items():
            pbx.email(address="pbx@example.com", smtp_host="127.0.0.1", smtp_port=smtp.port, auth="none")
            if name in wrong and not wrong[name][1]:
                wrong[name][0](place, name, pbx)
        place.import_real_passwords()
        for name, (spoil, is_late, _checks) in wrong.items():
            if is_late:
                spoil(place, name, pbxs[name])
        before, started_at = os.times(), time.monotonic()
        done = subprocess.run(
            place.command("pbx_readiness"),
            cwd=folder,
            env=place.core.environment(place.environment()),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        wall, after = time.monotonic() - started_at, os.times()
    named = _named(done.stdout)
    good = 0
    for name, (what, (_spoil, _is_late, checks)) in zip(pbxs, WRONG.items(), strict=False):
        good += named.get(name) == checks
        said = ", ".join(f"{check} ({reason})" for check, reason in named.get(name, {}).items())
        print(f"{name:12} {what:26} {'' if named.get(name) == checks else 'WRONG: '}{said}")
    ready = len(re.findall(r"\S+: ready to be recovered\.", done.stdout))
    used = after.children_user + after.children_system - before.children_user - before.children_system
    print(
        f"{good} of {len(wrong)} named with the right reason, {ready} of {options.pbxs - len(wrong)} ready; exit status {done.returncode}"
    )
    print(f"{wall:.1f} s, {used:.1f} s of CPU")
    return 0 if good == len(wrong) and ready == options.pbxs - len(wrong) else 1


if __name__ == "__main__":
    raise SystemExit(main())
