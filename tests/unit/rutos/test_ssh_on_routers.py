# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The SSH way against the simulated routers, whose passwd knows the policy of their firmware."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.routers import FIRMWARES, NEW, WRONG, failure_of, options, set_passwords

from ansible_collections.keyturn.devices.plugins.module_utils._rutos.job import look_at_routers, prove_on_routers
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.ssh import RouterSsh
from simulators.rutos import RutosSimulator, SimulatedRouter


@pytest.fixture(scope="module")
def fleet() -> Iterator[RutosSimulator]:
    with RutosSimulator(routers=len(FIRMWARES), firmware=FIRMWARES, ssh=True) as simulator:
        yield simulator


@pytest.fixture
def site(fleet: RutosSimulator) -> Iterator[RutosSimulator]:
    fleet.change(factory_reset=True, first_login=False, reset_wrong_logins=True)
    fleet.forget_log()
    yield fleet
    fleet.set(**dict.fromkeys(fleet.switches()["everywhere"]))


def of(site: RutosSimulator, firmware: str) -> SimulatedRouter:
    return next(router for router in site.routers if f"_00.{firmware}." in router.firmware)


def pin(router: SimulatedRouter) -> str:
    """The fingerprint of the host key, as OpenSSH writes it."""
    digest = hashlib.sha256(base64.b64decode(str(router.ssh_known_host).split()[2])).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def device(router: SimulatedRouter, **values: Any) -> dict[str, Any]:
    return {"serial": router.serial, "host": f"127.0.0.1:{router.ssh_port}", "protocol": "ssh", "fingerprint": pin(router), **values}


def set_password(router: SimulatedRouter, password: str, current: str | None, **settings: Any) -> dict[str, Any]:
    return set_passwords([device(router, password=password, current_password=current)], **settings)["devices"][0]


def passwords(site: RutosSimulator, router: SimulatedRouter) -> tuple[str, str]:
    truth = site.truth(router.serial)
    return truth["password"], truth["root_password"]


@pytest.mark.parametrize("firmware", FIRMWARES)
def test_both_accounts_get_the_password(site: RutosSimulator, firmware: str) -> None:
    router = of(site, firmware)
    outcome = set_password(router, NEW, router.password)
    assert (outcome["status"], outcome["live"], outcome["wrong_logins"]) == ("changed", "new", 0)
    assert passwords(site, router) == (NEW, NEW)
    assert [entry["by"] for entry in site.truth(router.serial)["audit"]][-2:] == ["passwd", "passwd"]
    again = set_password(router, NEW, router.password)
    assert (again["status"], again["reason"], again["wrong_logins"]) == ("unchanged", "same_password", 1)


def test_no_password_is_in_any_command(site: RutosSimulator) -> None:
    router = of(site, "07.13")
    set_password(router, NEW, router.password)
    commands = [entry["path"] for entry in site.log(router.serial)]
    assert commands == ["mnf_info --sn", "cat /etc/version", "passwd admin", "passwd root"]


def test_neither_password(site: RutosSimulator) -> None:
    router = of(site, "07.13")
    outcome = set_password(router, NEW, WRONG)
    assert (outcome["status"], outcome["reason"], outcome["live"], outcome["wrong_logins"]) == ("failed", "unauthorized", "neither", 2)
    assert passwords(site, router) == (router.password, router.password)


def test_another_router_is_not_touched(site: RutosSimulator) -> None:
    router = of(site, "07.13")
    site.set(router.serial, answers_serial="9999999999")
    outcome = set_password(router, NEW, router.password)
    assert (outcome["status"], outcome["reason"]) == ("failed", "wrong_device")
    assert passwords(site, router) == (router.password, router.password)
    site.set(router.serial, answers_serial=None)


def test_the_rule_of_the_firmware_is_checked_before_anything_is_changed(site: RutosSimulator) -> None:
    router = of(site, "07.05")  # Its passwd would take anything.
    outcome = set_password(router, "lowercase-only", router.password)
    assert (outcome["status"], outcome["reason"], outcome["live"]) == ("failed", "rejected_by_policy", "current")
    assert passwords(site, router) == (router.password, router.password)


def test_a_rule_that_only_passwd_knows_leaves_both_accounts_as_they_were(site: RutosSimulator) -> None:
    router = of(site, "07.13")
    site.change(router.serial, policy={"min_length": 30})
    outcome = set_password(router, NEW, router.password)
    assert (outcome["status"], outcome["reason"], outcome["live"]) == ("failed", "rejected_by_policy", "current")
    assert "too short" in outcome["message"]
    assert NEW not in outcome["message"]
    assert passwords(site, router) == (router.password, router.password)


def test_a_change_that_stopped_between_the_accounts_is_finished_by_the_next_run(site: RutosSimulator) -> None:
    router = of(site, "07.13")
    site.change(router.serial, password=NEW, root_password=router.password)
    assert set_password(router, NEW, router.password)["status"] == "changed"
    assert passwords(site, router) == (NEW, NEW)


def test_check_mode_changes_nothing(site: RutosSimulator) -> None:
    router = of(site, "07.13")
    result = set_passwords([device(router, password=NEW, current_password=router.password)], check_mode=True)
    assert result["devices"][0]["reason"] == "would_change"
    assert passwords(site, router) == (router.password, router.password)


def test_a_lock_out_is_recognised(site: RutosSimulator) -> None:
    router = of(site, "07.13")
    site.set(router.serial, lockout_attempts=1)
    outcome = set_password(router, NEW, WRONG, timeout=2)
    assert (outcome["status"], outcome["reason"], outcome["wrong_logins"]) == ("failed", "locked_out", 1)
    site.set(router.serial, lockout_attempts=None)


def test_a_host_key_is_never_believed_unseen(site: RutosSimulator, tmp_path: Path) -> None:
    router = of(site, "07.13")
    known, other, none = tmp_path / "known", tmp_path / "other", tmp_path / "none"
    known.write_text(f"{router.ssh_known_host}\n")
    key = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    other.write_text(f"[127.0.0.1]:{router.ssh_port} {key}\n")
    none.write_text("")
    values = {"password": NEW, "current_password": router.password, "fingerprint": None}
    for extra, settings in (
        ({}, {"known_hosts": str(none)}),
        ({}, {"known_hosts": str(other)}),
        ({"fingerprint": "ab" * 32}, {"known_hosts": str(known)}),
    ):
        outcome = set_passwords([device(router, **{**values, **extra})], **settings)["devices"][0]
        assert (outcome["status"], outcome["reason"], outcome["wrong_logins"]) == ("failed", "certificate", 0)
    assert passwords(site, router) == (router.password, router.password)
    outcome = set_passwords([device(router, **values)], known_hosts=str(known))["devices"][0]
    assert outcome["status"] == "changed"


@pytest.mark.parametrize(
    "line", ["@cert-authority * {key}", "@revoked elsewhere {key}", "|1|broken {key}", "depot-99 ssh-new AAAA", "\x00\xff"]
)
def test_lines_of_known_hosts_for_others_do_not_matter(site: RutosSimulator, tmp_path: Path, line: str) -> None:
    router = of(site, "07.13")
    key = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    known = tmp_path / "known"
    known.write_bytes(f"{line.format(key=key)}\n{router.ssh_known_host}\n".encode("latin-1"))
    values = {"password": NEW, "current_password": router.password, "fingerprint": None}
    [outcome] = set_passwords([device(router, **values)], known_hosts=str(known))["devices"]
    assert (outcome["status"], outcome["live"]) == ("changed", "new")


def test_a_revoked_host_key_is_not_believed_and_no_password_is_sent(site: RutosSimulator, tmp_path: Path) -> None:
    router = of(site, "07.13")
    known = tmp_path / "known"
    known.write_text(f"{router.ssh_known_host}\n@revoked * {str(router.ssh_known_host).partition(' ')[2]}\n")
    values = {"password": NEW, "current_password": router.password, "fingerprint": None}
    [outcome] = set_passwords([device(router, **values)], known_hosts=str(known))["devices"]
    assert (outcome["status"], outcome["reason"], outcome["wrong_logins"]) == ("failed", "certificate", 0)
    assert "revoked" in outcome["message"]
    assert passwords(site, router) == (router.password, router.password)


@pytest.mark.parametrize(
    ("broken", "status"),
    [
        ("_connected", "failed"),
        ("_check_host_key", "failed"),
        ("identity", "failed"),
        ("rule", "failed"),
        ("_passwd", "failed"),
        ("_complaint", "unknown"),
    ],
)
def test_what_breaks_unexpectedly_is_unknown_only_once_a_change_may_have_been_sent(
    site: RutosSimulator, monkeypatch: pytest.MonkeyPatch, broken: str, status: str
) -> None:
    router = of(site, "07.13")
    site.change(router.serial, policy={"min_length": 30})

    def breaks(*_arguments: object) -> None:
        raise KeyError("what nobody foresaw")

    monkeypatch.setattr(RouterSsh, broken, breaks)
    outcome = set_password(router, NEW, router.password)
    assert (outcome["status"], outcome["reason"]) == (status, "error")
    assert "KeyError" in outcome["message"]


@pytest.mark.parametrize("typed_in_time", range(6))
def test_no_password_is_typed_once_the_time_of_the_run_is_over_and_one_typed_too_late_is_told(
    site: RutosSimulator, monkeypatch: pytest.MonkeyPatch, typed_in_time: int
) -> None:
    """passwd is given four lines: two for the web user, two for root. The time is over when so many have been typed; 5 stands for never."""
    router = of(site, "07.13")
    typed: list[str] = []
    sendall = paramiko.Channel.sendall

    def counted(self: paramiko.Channel, line: bytes) -> None:
        sendall(self, line)
        typed.append(line.decode())

    monkeypatch.setattr(paramiko.Channel, "sendall", counted)
    devices = [device(router, password=NEW, current_password=router.password)]
    [outcome] = set_passwords(devices, may_change=lambda: len(typed) < typed_in_time)["devices"]
    assert len(typed) == min(typed_in_time, 4)
    # The second of two lines is the change; that the time is over is seen when it has left.
    assert outcome["sent_late"] == (typed_in_time in (2, 4))
    finished = {4: ("unknown", "interrupted"), 5: ("changed", "")}
    half_done = {3: ("unknown", "interrupted"), 2: ("unknown", "interrupted")}
    expected = {**finished, **half_done}.get(typed_in_time, ("failed", "not_sent"))
    assert (outcome["status"], outcome["reason"]) == expected
    assert passwords(site, router) == (NEW if typed_in_time >= 2 else router.password, NEW if typed_in_time >= 4 else router.password)


@pytest.mark.parametrize(("broken", "status"), [("_connected", "failed"), ("_check_host_key", "failed"), ("identity", "unknown")])
def test_a_proof_that_breaks_unexpectedly_is_unknown_only_once_a_login_may_have_been_counted(
    site: RutosSimulator, monkeypatch: pytest.MonkeyPatch, broken: str, status: str
) -> None:
    router = of(site, "07.13")

    def breaks(*_arguments: object) -> None:
        raise KeyError("what nobody foresaw")

    monkeypatch.setattr(RouterSsh, broken, breaks)
    [outcome] = prove_on_routers(options([device(router, candidates=[{"name": "current", "password": router.password}])]))["devices"]
    assert (outcome["status"], outcome["reason"]) == (status, "error")


def test_a_password_is_proven_by_ssh(site: RutosSimulator) -> None:
    router = of(site, "07.18")
    candidates = [{"name": "staged", "password": NEW}, {"name": "current", "password": router.password}]
    [outcome] = prove_on_routers(options([device(router, candidates=candidates)]))["devices"]
    assert (outcome["status"], outcome["live"], outcome["wrong_logins"]) == ("proven", "current", 1)


def test_a_router_tells_of_itself_by_ssh(site: RutosSimulator) -> None:
    router = of(site, "07.10")
    [told] = look_at_routers(options([device(router, password=router.password)]))["routers"]
    assert (told["serial"], told["firmware"], told["policy"]["evidence"]) == (router.serial, router.firmware, "observed")


def test_a_router_without_ssh_is_offline(site: RutosSimulator) -> None:
    router = of(site, "07.13")
    devices = [device(router, password=NEW, current_password=router.password) | {"host": "127.0.0.1:9"}]
    failure = failure_of(lambda: set_passwords(devices, on_device_failure="fail"))
    assert failure.result["devices"][0]["reason"] == "offline"
