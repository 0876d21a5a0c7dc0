# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reset mode through the operator: the room on the simulated cluster, in one process, with one clock for both."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import urllib3
from support.modules import run_module

from ansible_collections.keyturn.devices.plugins.module_utils._ebo.api import Api, connect
from ansible_collections.keyturn.devices.plugins.module_utils._ebo.operator import KubernetesTransport, marker_verdict
from ansible_collections.keyturn.devices.plugins.module_utils._ebo.transport import ResetModeFault, iso, seconds_of
from ansible_collections.keyturn.devices.plugins.modules.bms_reset_mode import main
from simulators.kit.clock import Clock
from simulators.kit.server import Answer, Call
from simulators.kubernetes import KubernetesSimulator
from simulators.kubernetes.cluster import Cluster
from simulators.kubernetes.switches import Switches

TOKEN = "canary-token-7f3a"


class StillClock(Clock):
    """Moves only when somebody sleeps."""

    def __init__(self) -> None:
        super().__init__()
        self.moment = 1795000000.0

    def now(self) -> float:
        return self.moment

    def advance(self, seconds: float) -> None:
        self.moment += seconds


class Wire:
    """Carries requests to the cluster without a network. C(faults): what happens instead, or after it was carried out, per request."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.requests: list[tuple[str, Any]] = []
        self.faults: list[Callable[[Call], Any] | None] = []

    def request(self, method: str, url: str, **options: Any) -> Any:
        path, _question, _query = url.removeprefix("http://cluster").partition("?")
        call = Call(len(self.requests), method, path, {}, options["headers"], (options["body"] or "").encode())
        self.requests.append((method, json.loads(options["body"]) if options["body"] else None))
        fault = self.faults.pop(0) if self.faults else None
        answer = fault(call) if fault else self.cluster.handle(call)
        assert isinstance(answer, Answer)
        return SimpleNamespace(status=answer.status, data=answer.encoded(), headers=answer.headers)

    @property
    def patches(self) -> list[Any]:
        return [body for method, body in self.requests if method != "GET"]


class Site:
    """A cluster, the wire to it and transports that use it."""

    def __init__(self, **switches: Any) -> None:
        self.clock = StillClock()
        self.cluster = Cluster(Switches(**switches), TOKEN, "tower", "es1", self.clock)
        self.wire = Wire(self.cluster)
        self.world = self.cluster.world

    def transport(self, deadline: float = 600, token: str = TOKEN, name: str = "es1") -> KubernetesTransport:
        api = Api(self.wire, "http://cluster", {"Authorization": f"Bearer {token}"}, "tower", name, 30)
        return KubernetesTransport(lambda: api, deadline, self.clock.now, self.clock.advance)

    def arm(self, **options: Any) -> tuple[Any, KubernetesTransport]:
        transport = self.transport(**options)
        plan = transport.look(check_mode=False)
        return (plan if plan.armed_at is not None else transport.arm()), transport


@pytest.mark.parametrize("events", ["series", "single", "gone"])
def test_it_is_armed_once_by_a_text_no_greater_than_the_operators_own(events: str) -> None:
    site = Site(events=events)
    arming, transport = site.arm()

    assert site.world.markers == 1
    assert site.world.phase == "Ready"
    assert arming.armed_at == pytest.approx(seconds_of(site.world.last))
    assert len(site.wire.patches) == 1
    assert set(site.wire.patches[0]["spec"]) == {"passwordResetMode"}
    assert site.wire.patches[0]["spec"]["passwordResetMode"] < site.world.last
    assert transport.journal.changed
    assert "StoppingForPasswordReset > PreparingForPasswordReset > Starting > Ready" in transport.journal.done[-1]
    assert bool(arming.handed) == (events == "gone")
    # The operator finds nothing more to do, and neither does a second run.
    site.clock.advance(3600)
    again, transport = site.arm()
    assert (again.armed_at, transport.journal.changed, len(site.wire.patches), site.world.restarts) == (arming.armed_at, False, 1, 1)
    # After its 24 hours the mode is entered anew.
    site.clock.advance(24 * 3600)
    _again, transport = site.arm()
    assert (site.world.markers, transport.journal.changed) == (2, True)


@pytest.mark.parametrize(
    ("switches", "world", "options", "reason", "words", "patches"),
    [
        ({"stuck_in": "StoppingForPasswordReset"}, {}, {}, "timeout", "StoppingForPasswordReset", 1),
        ({"job_fails": True}, {}, {}, "timeout", "PreparingForPasswordReset", 1),
        ({"stuck_in": "Starting"}, {}, {}, "timeout", "Starting", 1),
        ({"stuck_in": "Ready"}, {}, {}, "timeout", "has not taken up", 1),
        ({}, {"phase": "PerformingBackup"}, {}, "timeout", "PerformingBackup", 0),
        ({"forbidden": "read"}, {}, {}, "unauthorized", "does not let", 0),
        ({"forbidden": "patch"}, {}, {}, "unauthorized", "does not let", 1),
        ({}, {}, {"token": "wrong"}, "unauthorized", "401", 0),
        ({}, {}, {"name": "es2"}, "not_found", "no EboServer es2", 0),
        ({"conflicts": 99}, {}, {}, "conflict", "5 times", 5),
        ({}, {"last": "2030-01-01T00:00:00+00:00"}, {}, "clock_ahead", "lastPasswordResetMode is ahead", 0),
        ({}, {"asked": "zebra"}, {}, "clock_ahead", "spec.passwordResetMode is ahead", 0),
        # The operator's clock is behind: it would restart the server again and again.
        ({}, {"asked": "2026-11-30T00:00:00+00:00"}, {}, "clock_ahead", "ahead", 0),
    ],
)
def test_what_cannot_be_done_is_told_with_its_reason(
    switches: dict[str, Any], world: dict[str, Any], options: dict[str, Any], reason: str, words: str, patches: int
) -> None:
    site = Site(**switches)
    vars(site.world).update(world)

    with pytest.raises(ResetModeFault, match=words) as caught:
        site.arm(**options)

    assert caught.value.reason == reason
    assert len(site.wire.patches) == patches
    assert TOKEN not in caught.value.message
    assert not site.world.wiped


def test_conflicts_are_looked_at_again_and_events_need_not_be_readable() -> None:
    site = Site(conflicts=3, forbidden="events")
    arming, _transport = site.arm()
    assert (site.world.markers, len(site.wire.patches)) == (1, 4)
    assert "PasswordResetJobCreated" in arming.handed[0]


def test_a_request_while_a_finished_job_stays_makes_no_marker_and_is_told() -> None:
    site = Site()
    site.world.job_done_at = site.clock.now()  # of a request that the status knows nothing of
    with pytest.raises(ResetModeFault, match="no marker") as caught:
        site.arm()
    assert (caught.value.reason, caught.value.armed_at, site.world.markers, site.world.restarts) == ("job_skipped", None, 0, 1)
    # The next run knows, waits until the job is gone, and gets its marker.
    with pytest.raises(ResetModeFault, match="Try again in") as caught:
        site.arm(deadline=30)
    assert (caught.value.reason, len(site.wire.patches)) == ("job_kept", 1)
    _arming, transport = site.arm()
    assert (site.world.markers, transport.journal.changed) == (1, True)


def test_a_request_that_is_there_already_is_followed_and_none_is_added() -> None:
    site = Site()
    site.arm()
    site.clock.advance(25 * 3600)
    transport = site.transport()
    transport.look(check_mode=False)
    api = transport._api
    seen = api.server()
    api.ask_for_reset_mode(iso(seen.now).replace("Z", "+00:00"), seen.content["metadata"]["resourceVersion"])
    patches = len(site.wire.patches)

    arming, follower = site.arm()

    assert (len(site.wire.patches), follower.journal.changed, site.world.markers) == (patches, False, 2)
    assert arming.armed_at == pytest.approx(seconds_of(site.world.last))


def test_check_mode_only_reads() -> None:
    site = Site()
    plan = site.transport().look(check_mode=True)
    assert plan.armed_at is None
    assert "passwordResetMode" in plan.would[0]
    assert site.wire.patches == []


def test_a_lost_answer_is_settled_by_reading() -> None:
    site = Site()

    def carried_out_and_lost(call: Call) -> Any:
        site.cluster.handle(call)
        # The pool is only something to name in a message.
        raise urllib3.exceptions.ReadTimeoutError(None, "", "")  # type: ignore[arg-type]

    def lost(call: Call) -> Any:
        raise urllib3.exceptions.ProtocolError("lost")

    def busy(call: Call) -> Any:
        return Answer(503, {})

    # Looking: the resource. Waiting: the resource. The field. What came of it: nothing twice, then the truth.
    site.wire.faults = [None, None, carried_out_and_lost, lost, busy]
    site.arm()
    assert (site.world.markers, len(site.wire.patches)) == (1, 1)
    # Where it never arrived, nothing is known to have been written, and that is said.
    site = Site()
    site.wire.faults = [None, None, lost]
    with pytest.raises(ResetModeFault) as caught:
        site.arm()
    assert (caught.value.reason, site.world.asked) == ("unreachable", "")


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (urllib3.exceptions.SSLError("canary"), "certificate"),
        (urllib3.exceptions.ProtocolError("canary", urllib3.exceptions.SSLError("canary")), "certificate"),
        (urllib3.exceptions.ConnectTimeoutError("canary"), "timeout"),
        (urllib3.exceptions.ProtocolError("canary"), "unreachable"),
        (Answer(200, b"<html>canary", "text/html", {"Date": "Sat, 21 Nov 2026 19:00:00 GMT"}), "protocol"),
        (Answer(200, {}), "protocol"),  # without a date
        (Answer(200, ["canary"], headers={"Date": "Sat, 21 Nov 2026 19:00:00 GMT"}), "protocol"),
        (Answer(418, {"message": "canary"}), "protocol"),
    ],
)
def test_an_api_server_that_gives_no_usable_answer_is_told_and_not_repeated(problem: Exception | Answer, reason: str) -> None:
    site = Site()

    def instead(call: Call) -> Any:
        if isinstance(problem, Exception):
            raise problem
        return problem

    site.wire.faults = [instead]
    with pytest.raises(ResetModeFault) as caught:
        site.arm()
    assert caught.value.reason == reason
    assert "canary" not in caught.value.message


@pytest.mark.parametrize(
    "body",
    [
        {"metadata": {"resourceVersion": "1"}, "spec": {"resetTemporaryPassword": "2026-01-01T00:00:00+00:00"}},
        {"metadata": {"resourceVersion": "1"}, "spec": {"passwordResetMode": "x", "resetTemporaryPassword": "x"}},
        {"metadata": {"resourceVersion": "1"}, "spec": {"passwordResetMode": {"resetTemporaryPassword": "x"}}},
        {"metadata": {"resourceVersion": "1", "labels": {}}, "spec": {"passwordResetMode": "x"}},
        {"metadata": {"resourceVersion": "1"}, "spec": {"passwordResetMode": "x"}, "status": {}},
        {"spec": {"restore": "x"}},
        {},
        None,
    ],
)
def test_nothing_but_the_request_field_can_be_sent(body: Any) -> None:
    site = Site()
    api = site.transport()._api
    for method in ("PATCH", "PUT", "POST", "DELETE"):
        with pytest.raises(RuntimeError, match="must not be sent"):
            api._send(method, api._server, body)
    good = {"metadata": {"resourceVersion": "1"}, "spec": {"passwordResetMode": "x"}}
    for method, url in (("PUT", api._server), ("PATCH", api._server + "/status"), ("PATCH", api._events)):
        with pytest.raises(RuntimeError, match="must not be sent"):
            api._send(method, url, good)
    assert site.wire.requests == []


def test_the_word_for_the_other_field_is_nowhere_in_what_is_run() -> None:
    room = Path(connect.__code__.co_filename).parent
    for path in room.glob("*.py"):
        code = compile(path.read_text(), str(path), "exec", optimize=2)
        assert "resetTemporaryPassword" not in json.dumps(list(_constants(code))), path


def _constants(code: Any) -> Iterator[str]:
    for constant in code.co_consts:
        if hasattr(constant, "co_consts"):
            yield from _constants(constant)
        else:
            yield repr(constant)


def test_events_tell_whether_a_marker_was_made() -> None:
    initiated = {"reason": "PasswordResetInitiated", "eventTime": "2026-01-01T00:00:10.5Z"}
    created = {"reason": "PasswordResetJobCreated", "lastTimestamp": "2026-01-01T00:00:40Z"}
    later = {**initiated, "series": {"lastObservedTime": "2026-01-02T00:00:00.000001Z"}}
    assert marker_verdict([initiated, created], None) == "made"
    assert marker_verdict([initiated], None) == "skipped"
    assert marker_verdict([created, later], None) == "skipped"
    assert marker_verdict([created], None) == "unknown"
    assert marker_verdict([initiated, created], seconds_of("2026-01-01T00:00:30Z")) == "unknown"
    assert marker_verdict([{"reason": "PasswordResetInitiated", "eventTime": None}], None) == "unknown"


def test_the_module_reads_a_kubeconfig_and_arms_over_http(tmp_path: Path) -> None:
    with KubernetesSimulator(speed=600.0) as cluster:
        kubeconfig = cluster.write_kubeconfig(tmp_path / "config")

        def reset_mode(check: bool = False, **changes: Any) -> dict[str, Any]:
            where = {"kubeconfig": str(kubeconfig), "context": "buildings", "name": "es1", **changes}
            return run_module(main, check=check, server_kind="enterprise_server", transport="kubernetes", kubernetes=where)

        assert "no context" in reset_mode(context="elsewhere")["msg"]
        assert reset_mode(kubeconfig=str(tmp_path / "none"))["reason"] == "bad_input"
        assert "in the namespace elsewhere" in reset_mode(namespace="elsewhere")["msg"]
        planned = reset_mode(check=True)
        assert (planned["changed"], planned["armed"]) == (True, False)
        assert cluster.truth()["asked"] == ""
        result = reset_mode()
        assert (result["changed"], result["armed"], result["evidence"]) == (True, True, "observed")
        again = reset_mode()
        assert (again["changed"], again["armed_at"]) == (False, result["armed_at"])
        truth = cluster.truth()
        assert (truth["markers"], truth["wiped"], truth["other_fields"]) == (1, False, [])
        assert cluster.token not in result["printed"] + again["printed"] + planned["printed"]
