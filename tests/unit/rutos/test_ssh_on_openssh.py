# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The SSH way against a real OpenSSH server with the real passwd."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.openssh import OpenSshRouter
from support.routers import NEW, WRONG, set_passwords

OLD = "Calm-41-Meadow"
SERIAL = "1100000007"


@pytest.fixture
def router() -> Iterator[OpenSshRouter]:
    server = OpenSshRouter(SERIAL, "RUT9_R_00.07.02.7", OLD)
    try:
        yield server
    finally:
        server.close()


def set_password(router: OpenSshRouter, password: str = NEW, current: str | None = OLD, **changes: Any) -> dict[str, Any]:
    element = {
        "serial": SERIAL,
        "host": f"127.0.0.1:{router.port}",
        "protocol": "ssh",
        "fingerprint": router.fingerprint,
        "password": password,
        "current_password": current,
        **changes,
    }
    outcome: dict[str, Any] = set_passwords([element], timeout=20)["devices"][0]
    return outcome


def in_force(router: OpenSshRouter, *passwords: str) -> dict[str, str]:
    """Which of the passwords each account has."""
    return {user: next((password for password in passwords if router.accepts(user, password)), "") for user in ("root", "admin")}


def test_both_accounts_are_changed_and_a_second_run_changes_nothing(router: OpenSshRouter) -> None:
    before = Path("/etc/shadow").read_bytes()
    outcome = set_password(router)
    assert (outcome["status"], outcome["live"], outcome["wrong_logins"]) == ("changed", "new", 0)
    assert in_force(router, OLD, NEW) == {"root": NEW, "admin": NEW}
    again = set_password(router)
    assert (again["status"], again["reason"], again["wrong_logins"]) == ("unchanged", "same_password", 1)
    assert Path("/etc/shadow").read_bytes() == before
    assert NEW not in router.log


def test_symbols_reach_the_account_as_they_are(router: OpenSshRouter) -> None:
    awkward = "A1 '\"\\$`;|&<>(){}[]*?!#~%^z"
    assert set_password(router, awkward)["status"] == "changed"
    assert in_force(router, OLD, awkward) == {"root": awkward, "admin": awkward}


def test_neither_password_leaves_everything_as_it_was(router: OpenSshRouter) -> None:
    outcome = set_password(router, NEW, WRONG)
    assert (outcome["status"], outcome["reason"], outcome["live"], outcome["wrong_logins"]) == ("failed", "unauthorized", "neither", 2)
    assert in_force(router, OLD, NEW) == {"root": OLD, "admin": OLD}


@pytest.mark.parametrize("way", ["another serial", "no tool"])
def test_a_router_that_is_another_or_does_not_say_is_not_touched(router: OpenSshRouter, way: str) -> None:
    if way == "no tool":
        router.remove_program("mnf_info")
    outcome = set_password(router, serial=SERIAL if way == "no tool" else "1100000008")
    assert (outcome["status"], outcome["reason"]) == ("failed", "not_identified" if way == "no tool" else "wrong_device")
    assert in_force(router, OLD, NEW) == {"root": OLD, "admin": OLD}


def test_when_root_cannot_be_changed_the_other_account_is_put_back(router: OpenSshRouter) -> None:
    router.put_program("passwd", '[ "$1" = root ] && { echo "passwd: no space left on device"; exit 1; }; exec /usr/bin/passwd "$@"')
    outcome = set_password(router)
    assert (outcome["status"], outcome["live"]) == ("failed", "current")
    assert "no space left" in outcome["message"]
    assert in_force(router, OLD, NEW) == {"root": OLD, "admin": OLD}


def test_when_the_other_account_cannot_be_put_back_the_outcome_is_unknown(router: OpenSshRouter) -> None:
    once = '[ "$1" = admin ] && [ ! -e /run/once ] && { touch /run/once; exec /usr/bin/passwd admin; }; echo "passwd: broken"; exit 1'
    router.put_program("passwd", once)
    outcome = set_password(router)
    assert (outcome["status"], outcome["live"]) == ("unknown", None)
    assert in_force(router, OLD, NEW) == {"root": OLD, "admin": NEW}
    router.remove_program("passwd")
    assert set_password(router)["status"] == "changed"
    assert in_force(router, OLD, NEW) == {"root": NEW, "admin": NEW}


def test_a_connection_that_breaks_after_the_last_change_is_found_out(router: OpenSshRouter) -> None:
    # passwd of root does its work; then the session is killed before it can tell.
    router.put_program("passwd", '/usr/bin/passwd "$@" || exit; [ "$1" = root ] && kill -9 $PPID; exit 0')
    outcome = set_password(router)
    assert (outcome["status"], outcome["live"], outcome["wrong_logins"]) == ("changed", "new", 0)
    assert in_force(router, OLD, NEW) == {"root": NEW, "admin": NEW}


def test_a_passwd_that_asks_again_is_a_refusal(router: OpenSshRouter) -> None:
    asks = 'printf "New password: "; read x'
    router.put_program("passwd", f'stty -echo; {asks}; printf "\\nBad password: too weak\\n"; {asks}; exit 1')
    outcome = set_password(router)
    assert (outcome["status"], outcome["reason"], outcome["live"]) == ("failed", "rejected_by_policy", "current")
    assert in_force(router, OLD, NEW) == {"root": OLD, "admin": OLD}


def test_a_passwd_that_asks_for_the_current_password_is_not_answered(router: OpenSshRouter) -> None:
    router.put_program("passwd", 'stty -echo; printf "Current password: "; read x; exit 0')
    outcome = set_password(router)
    assert (outcome["status"], outcome["reason"], outcome["live"]) == ("failed", "unauthorized", "current")
    assert in_force(router, OLD, NEW) == {"root": OLD, "admin": OLD}


def test_the_host_key_is_believed_by_known_hosts(router: OpenSshRouter, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(router.known_host)
    element = {"serial": SERIAL, "host": f"127.0.0.1:{router.port}", "protocol": "ssh", "password": NEW, "current_password": OLD}
    assert set_passwords([element], known_hosts=str(known))["devices"][0]["status"] == "changed"
