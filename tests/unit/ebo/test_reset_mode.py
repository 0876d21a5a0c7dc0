# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which way there is for which server, what a person is told, and containers on an engine that only remembers."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from support.modules import run_module

from ansible_collections.keyturn.devices.plugins.module_utils._ebo.containers import ContainerTransport
from ansible_collections.keyturn.devices.plugins.module_utils._ebo.engine import Engine, Told
from ansible_collections.keyturn.devices.plugins.module_utils._ebo.kinds import TRANSPORTS, WAYS
from ansible_collections.keyturn.devices.plugins.module_utils._ebo.transport import Arming, Plan, ResetModeFault, iso, seconds_of
from ansible_collections.keyturn.devices.plugins.module_utils._outcomes import EVIDENCE, REASONS
from ansible_collections.keyturn.devices.plugins.modules.bms_reset_mode import main
from simulators.ebo import EboSimulator


def reset_mode(kind: str, check: bool = False, **options: Any) -> dict[str, Any]:
    return run_module(main, check=check, server_kind=kind, **options)


POSSIBLE = {
    "enterprise_server": {"guided", "container", "kubernetes"},
    "enterprise_central": {"guided", "container", "kubernetes"},
    "automation_server": {"guided", "serial"},
    "edge_server": {"container", "kubernetes", "guided"},
    "pct_server": {"guided"},
    "fdp_server": {"guided"},
}


def test_what_cannot_be_is_refused() -> None:
    assert {kind: set(ways) for kind, ways in WAYS.items()} == POSSIBLE
    assert {grade for ways in WAYS.values() for grade in ways.values()} <= set(EVIDENCE)
    needed: dict[str, Any] = {
        "container": {"name": "x", "engine": "docker"},
        "kubernetes": {"name": "x"},
        "serial": {"port": "x", "dialogue": []},
        "guided": None,
    }
    for kind in WAYS:
        for way in TRANSPORTS:
            if way not in POSSIBLE[kind]:
                result = reset_mode(kind, transport=way, **({way: needed[way]} if needed[way] else {}))
                assert (result["failed"], result["reason"], result["changed"]) == (True, "bad_input", False)
                assert kind in result["msg"]


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("edge_server", {}, "container is needed"),
        ("enterprise_server", {"transport": "kubernetes"}, "kubernetes is needed"),
        ("edge_server", {"container": {"name": "x"}, "confirmed": True}, "person's word"),
        ("pct_server", {"deadline": 0}, "deadline"),
        ("pct_server", {"url": "ftp://x"}, "url must be"),
        ("pct_server", {"url": "https://user:canary-url@x/"}, "url must be"),
        ("pct_server", {"server_version": "new"}, "no version"),
        ("automation_server", {"server_version": "1.9"}, "before 3.0. Send the local support the session ID"),
        ("edge_server", {"server_version": "4.0.3", "transport": "guided"}, "before 5.0"),
        ("edge_server", {"server_version": "2022", "transport": "guided"}, "before 5.0"),
        ("fdp_server", {"server_version": "6.0"}, "before 7.0"),
        ("edge_server", {"container": {"name": "--all"}}, "container.name"),
        ("edge_server", {"container": {"name": "x", "volume": "a,target=/"}}, "container.volume"),
        ("edge_server", {"container": {"name": "x", "image": "-v/:/host"}}, "container.image"),
    ],
)
def test_bad_input_names_the_option(kind: str, options: dict[str, Any], words: str) -> None:
    result = reset_mode(kind, **options)
    assert (result["failed"], result["reason"], result["changed"], result["done"]) == (True, "bad_input", False, [])
    assert words in result["msg"]
    assert "canary" not in result["printed"]


@pytest.mark.parametrize(
    ("kind", "words", "evidence"),
    [
        ("enterprise_server", ["Windows administrator", "Enterprise Server", "Reset password"], "documented"),
        ("enterprise_central", ["Windows administrator", "Enterprise Central", "Reset password"], "documented"),
        ("automation_server", ["USB device port", "certificate", "Reset password"], "documented"),
        ("edge_server", ["password-reset-mode", "Restart the container"], "documented"),
        ("pct_server", ["Project Configuration Tool", "right-click"], "documented"),
        ("fdp_server", ["FDP Server"], "assumed"),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_a_persons_step_is_handed_over_and_never_done(kind: str, words: list[str], evidence: str, check: bool) -> None:
    told = reset_mode(kind, check=check, transport="guided")
    assert (told["changed"], told["armed"], told["armed_at"], told["done"], told["reason"]) == (False, False, None, [], "operator_awaited")
    handed = "\n".join(told["handed_to_operator"])
    assert all(word in handed for word in words), handed
    assert told["evidence"] == evidence

    confirmed = reset_mode(kind, check=check, transport="guided", confirmed=True)
    assert confirmed["changed"]
    assert confirmed["armed"] is not check
    if not check:
        assert seconds_of(confirmed["reset_deadline"]) - seconds_of(confirmed["armed_at"]) == 24 * 3600
        assert confirmed["done"] == ["Recorded that a person put the server in reset mode."]


def test_what_can_be_seen_beforehand_is_looked_at() -> None:
    with EboSimulator(kind="automation_server", certificate="good") as server:
        told = reset_mode("automation_server", url=server.url)
        seen = {precondition["name"]: precondition["ok"] for precondition in told["preconditions"]}
        port = server.url.rpartition(":")[2]
        assert seen.items() >= {f"port_{port}": True, "port_4444": False, "certificate": False, "answers": False}.items()
        assert "serial_devices" in seen
        told = reset_mode("automation_server", url=server.url, ca_path=server.ca)
        seen = {precondition["name"]: precondition["ok"] for precondition in told["preconditions"]}
        assert seen.items() >= {"certificate": True, "answers": True}.items()
        assert server.truth()["logons"] == []


def test_moments_are_read_as_every_clock_writes_them() -> None:
    assert iso(seconds_of("2026-01-31T10:15:00Z")) == "2026-01-31T10:15:00Z"
    assert seconds_of("2026-01-31T10:15:00.123456789+00:00") == pytest.approx(seconds_of("2026-01-31T11:15:00.123+01:00"), abs=0.001)
    for text in ("", "2026-01-31T10:15:00", "soon"):
        with pytest.raises(ValueError, match=r".+"):
            seconds_of(text)


class Memory:
    """An engine that only remembers: containers, images and volumes. C(faults): the first word of a command -> what it says instead."""

    def __init__(self) -> None:
        self.container: dict[str, Any] = {
            "Name": "/cs3",
            "Image": "sha256:1",
            "State": {"Running": True},
            "HostConfig": {},
            "Mounts": [{"Type": "volume", "Name": "cs3-db", "Destination": "/var/sbo"}],
            "NetworkSettings": {"Ports": {}},
        }
        self.images = {"sha256:1"}
        self.volumes: dict[str, dict[str, str]] = {"cs3-db": {}}
        self.commands: list[str] = []
        self.markers = 0
        self.faults: dict[str, list[Told | None]] = {}
        self.after: Callable[[str], None] = lambda verb: None

    def __call__(self, words: list[str], seconds: float) -> Told:
        told = self._run(words[1:])
        self.after(words[1])
        return told

    def _run(self, words: list[str]) -> Told:
        verb, rest = words[0], words[1:]
        if rest and rest[0] == "inspect":
            found = {"container": {"cs3": self.container}, "image": {image: {} for image in self.images}, "volume": self._labelled()}[verb]
            if rest[1] not in found:
                return Told(1, "[]", f"Error: no such {verb} {rest[1]}")
            return Told(0, json.dumps([found[rest[1]]]), "")
        self.commands.append(verb if verb != "volume" else f"{rest[0]} {rest[-1]}")
        fault = self.faults[verb].pop(0) if self.faults.get(verb) else None
        if fault:
            return fault
        if verb == "stop":
            self.container["State"]["Running"] = False
        elif verb == "start":
            self.container["State"]["Running"] = True
        elif verb == "run":
            self.markers += 1
        elif rest[0] == "create":
            self.volumes[rest[-1]] = dict([rest[2].split("=", 1)])
        else:
            del self.volumes[rest[-1]]
        return Told(0, "", "")

    def _labelled(self) -> dict[str, Any]:
        return {name: {"Name": name, "Labels": labels} for name, labels in self.volumes.items()}


class Host:
    """A transport on such an engine, with a clock that moves when somebody sleeps. C(problem): what the server's probe says."""

    def __init__(self) -> None:
        self.memory = Memory()
        self.now = 1795000000.0
        self.problem: tuple[str, str] | None = None
        self.probed: list[tuple[str, bool]] = []

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def transport(self, **options: Any) -> ContainerTransport:
        def probe(url: str, sure: bool) -> Any:
            self.probed.append((url, sure))
            return type("Probe", (), {"url": url, "problem": lambda _self: self.problem})()

        engine = Engine("sh", self.memory)  # a program that is there
        given = {"engine": "podman", "name": "cs3", "volume": None, "image": None, "url": None, **options}
        return ContainerTransport(given, 60, probe, engine, lambda: self.now, self._sleep)

    def arm(self, **options: Any) -> Plan | Arming:
        transport = self.transport(**options)
        plan = transport.look(check_mode=False)
        return plan if plan.armed_at is not None else transport.arm()


@pytest.fixture
def host() -> Host:
    return Host()


WHOLE = ["create cs3-db.keyturn-arming", "stop", "run", "start", "create cs3-db.keyturn-armed", "rm cs3-db.keyturn-arming"]


def test_a_container_is_armed_once_for_as_long_as_the_mode_lasts(host: Host) -> None:
    arming = host.arm(url="https://192.0.2.7")
    assert host.memory.commands == WHOLE
    assert host.probed == [("https://192.0.2.7", True)]
    host.now += 23 * 3600
    again = host.arm()
    assert (again.armed_at, host.memory.commands, host.memory.markers) == (arming.armed_at, WHOLE, 1)
    host.now += 2 * 3600
    host.arm()
    assert host.memory.markers == 2


@pytest.mark.parametrize(
    ("ports", "url"),
    [
        ({"80/tcp": [{"HostIp": "", "HostPort": "1080"}], "443/tcp": [{"HostIp": "", "HostPort": "1443"}]}, "http://127.0.0.1:1080"),
        ({"443/tcp": [{"HostIp": "0.0.0.0", "HostPort": "1443"}], "80/tcp": None}, "https://127.0.0.1:1443"),
        ({"443/tcp": [{"HostIp": "fd00::7", "HostPort": "443"}]}, "https://[fd00::7]:443"),
    ],
)
def test_a_published_port_is_where_the_answer_is_awaited(host: Host, ports: Any, url: str) -> None:
    host.memory.container["NetworkSettings"]["Ports"] = ports
    assert not host.arm().handed  # type: ignore[union-attr]
    assert host.probed == [(url, False)]


def test_without_a_port_somebody_has_to_see_whether_it_answers(host: Host) -> None:
    arming = host.arm()
    assert isinstance(arming, Arming)
    assert "answers" in arming.handed[0]


@pytest.mark.parametrize(
    ("change", "options", "reason", "words"),
    [
        (lambda memory: None, {"name": "cs4"}, "not_found", "container.name"),
        (lambda memory: memory.container.update(Name="/cs30"), {}, "not_found", "container.name"),
        (lambda memory: None, {"volume": "cs4-db"}, "not_found", "container.volume"),
        (lambda memory: memory.volumes.update({"other": {}}), {"volume": "other"}, "bad_input", "container.volume"),
        (lambda memory: None, {"image": "sha256:2"}, "not_found", "container.image"),
        (lambda memory: memory.images.clear(), {}, "not_found", "container.image"),
        (lambda memory: memory.container.update(Mounts=[]), {}, "not_found", "no volume at /var/sbo"),
        (lambda memory: memory.container["HostConfig"].update(AutoRemove=True), {}, "bad_input", "--rm"),
        (lambda memory: memory.container["State"].update(Paused=True), {}, "conflict", "paused"),
    ],
)
def test_what_is_not_as_it_should_be_stops_nothing(
    host: Host, change: Callable[[Memory], None], options: dict[str, Any], reason: str, words: str
) -> None:
    change(host.memory)
    with pytest.raises(ResetModeFault, match=words) as caught:
        host.arm(**options)
    assert (caught.value.reason, host.memory.commands) == (reason, [])
    assert reason in REASONS


@pytest.mark.parametrize("verb", ["stop", "run"])
def test_a_step_that_fails_leaves_a_running_server_and_no_record(host: Host, verb: str) -> None:
    host.memory.faults[verb] = [Told(125, "", "the engine is unwell")]
    with pytest.raises(ResetModeFault, match="the engine is unwell") as caught:
        host.arm()
    assert (caught.value.reason, caught.value.armed_at) == ("engine", None)
    assert host.memory.container["State"]["Running"]
    assert list(host.memory.volumes) == ["cs3-db"]


def test_a_server_that_does_not_start_is_started_again_and_if_need_be_by_the_next_run(host: Host) -> None:
    unwell = Told(125, "", "unwell")
    host.memory.faults["start"] = [unwell, unwell, None]
    host.arm()
    assert host.memory.commands.count("start") == 3
    host.now += 25 * 3600
    host.memory.faults["start"] = [unwell] * 5
    with pytest.raises(ResetModeFault, match="sh start cs3") as caught:
        host.arm()
    assert caught.value.reason == "not_restarted"
    assert not host.memory.container["State"]["Running"]
    # The next run starts it before anything else, even if it can do nothing more.
    host.memory.images.clear()
    with pytest.raises(ResetModeFault, match=r"container\.image"):
        host.arm()
    assert host.memory.container["State"]["Running"]


def test_check_mode_does_not_even_start_what_an_interrupted_run_left(host: Host) -> None:
    host.memory.volumes["cs3-db.keyturn-arming"] = {}
    host.memory.container["State"]["Running"] = False
    plan = host.transport().look(check_mode=True)
    assert (host.memory.commands, plan.armed_at, len(plan.would)) == ([], None, 2)


def test_a_server_that_somebody_else_starts_too_early_is_stopped_again(host: Host) -> None:
    def starts_it(verb: str) -> None:
        if verb == "stop" and host.memory.commands.count("stop") == 1:
            host.memory.container["State"]["Running"] = True

    host.memory.after = starts_it
    host.arm()
    assert [command for command in host.memory.commands if " " not in command] == ["stop", "run", "stop", "start"]


@pytest.mark.parametrize(("verb", "armed"), [("volume", False), ("stop", False), ("run", True), ("start", True)])
def test_a_signal_waits_until_the_server_runs(host: Host, verb: str, armed: bool) -> None:
    sent: list[str] = []

    def interrupt(what: str) -> None:
        if what == verb and not sent and "create cs3-db.keyturn-arming" in host.memory.commands:
            sent.append(what)
            os.kill(os.getpid(), signal.SIGTERM)

    host.memory.after = interrupt
    with pytest.raises(ResetModeFault) as caught:
        host.arm()
    assert (caught.value.reason, caught.value.armed_at is not None) == ("interrupted", armed)
    assert host.memory.container["State"]["Running"]
    assert (host.memory.markers == 1) is armed
    assert "cs3-db.keyturn-arming" not in host.memory.volumes


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (("timeout", "time-out while connecting"), "timeout"),
        (("certificate", "self-signed"), "certificate"),
        (("protocol", "HTTP 503"), "timeout"),
    ],
)
def test_a_server_that_does_not_answer_is_told_and_is_armed_all_the_same(host: Host, problem: tuple[str, str], reason: str) -> None:
    host.problem = problem
    with pytest.raises(ResetModeFault, match=problem[1]) as caught:
        host.arm(url="https://192.0.2.7")
    assert (caught.value.reason, caught.value.armed_at is not None) == (reason, True)


def test_an_engine_that_is_missing_or_silent_is_told(host: Host) -> None:
    with pytest.raises(ResetModeFault) as caught:
        Engine("keyturn-no-engine").require()
    assert caught.value.reason == "engine_missing"

    def silent(words: list[str], seconds: float) -> Told:
        raise TimeoutError

    with pytest.raises(ResetModeFault, match="took longer") as caught:
        Engine("podman", silent).inspect("container", "cs3")
    assert caught.value.reason == "engine"
    asleep = Told(1, "", "Cannot connect: dial unix /var/run/docker.sock: connect: no such file or directory")
    with pytest.raises(ResetModeFault, match="Cannot connect") as caught:
        Engine("docker", lambda words, seconds: asleep).inspect("container", "cs3")
    assert caught.value.reason == "engine"
    for said in ("Error: No such container: x", "Error: inspecting object: no such volume x", "x: image not known", "No such object: x"):
        assert Engine("docker", lambda words, seconds, said=said: Told(1, "[]", said)).inspect("volume", "x") is None  # type: ignore[misc]
    for output in ("", "[]", "{}"):
        with pytest.raises(ResetModeFault, match="cannot be read"):
            Engine("podman", lambda words, seconds, output=output: Told(0, output, "")).inspect("container", "cs3")  # type: ignore[misc]
