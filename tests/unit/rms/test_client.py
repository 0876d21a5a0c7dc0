# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The RMS client against scripted replies: shapes that a simulator of the documented service does not give."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from ansible_collections.keyturn.devices.plugins.module_utils._http import BearerToken, HttpClient
from ansible_collections.keyturn.devices.plugins.module_utils._outcomes import REASONS
from ansible_collections.keyturn.devices.plugins.module_utils._redact import MASK, Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._rms.channel import Channel, watch
from ansible_collections.keyturn.devices.plugins.module_utils._rms.client import RmsClient, RmsFault, errors_of, status_url
from ansible_collections.keyturn.devices.plugins.module_utils._rms.devices import Router, find_routers, list_routers, pick, read_router
from ansible_collections.keyturn.devices.plugins.module_utils._rms.options import rms_client
from ansible_collections.keyturn.devices.plugins.module_utils._rms.outcomes import REFUSALS, Target, outcome_of_error
from ansible_collections.keyturn.devices.plugins.module_utils._rms.passwords import SET, UPLOAD, Sent, send


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(httpserver: HTTPServer, clock: Clock) -> RmsClient:
    http = HttpClient(timeout=2, auth=BearerToken("t0ken-Secret"), retries=1, most_bytes=64 * 1024 * 1024)
    return RmsClient(
        http, Redactor(["t0ken-Secret"]), rms_url=httpserver.url_for("/api"), deadline=clock.now + 60, clock=clock, sleep=clock.sleep
    )


class TestStatusUrl:
    @pytest.mark.parametrize(
        ("rms_url", "given", "expected"),
        [
            ("https://rms.teltonika-networks.com/api", None, "https://rms.teltonika-networks.com/status"),
            ("https://rms.teltonika-networks.com/api/", None, "https://rms.teltonika-networks.com/status"),
            ("http://127.0.0.1:8080/api", None, "http://127.0.0.1:8080/status"),
            ("https://api.rms.teltonika-networks.com", None, "https://rms.teltonika-networks.com/status"),
            ("https://rms.example.com/v3", "https://status.example.com/s/", "https://status.example.com/s"),
        ],
    )
    def test_lies_at_the_origin(self, rms_url: str, given: str | None, expected: str) -> None:
        assert status_url(rms_url, given) == expected

    @pytest.mark.parametrize("rms_url", ["https://rms.example.com", "https://rms.example.com/v3", "rms.example.com/api", "ftp://x/api", ""])
    def test_is_never_guessed(self, rms_url: str) -> None:
        with pytest.raises(RmsFault) as caught:
            status_url(rms_url, None)
        assert caught.value.reason == "bad_input"


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([{"code": "A", "source": None, "message": "m"}], [("A", "", "m")]),
        ([{"source": 784551}], [("", "784551", "")]),
        ({"password": ["too short", "no digit"]}, [("", "password", "too short no digit")]),
        (["text"], [("", "", "text")]),
        (None, []),
        ("text", []),
        ([None], [("", "", "None")]),
    ],
)
def test_errors_are_read_in_every_shape(errors: Any, expected: list[tuple[str, str, str]]) -> None:
    assert [(error.code, error.source, error.message) for error in errors_of({"errors": errors})] == expected


@pytest.mark.parametrize(
    ("text", "status", "reason"),
    [
        ("Device is offline.", "failed", "offline"),
        ("The device is not connected to RMS", "failed", "offline"),
        ("Request timed out", "unknown", "timeout"),
        ("Time-out while waiting for the device", "unknown", "timeout"),
        ("No response from device", "unknown", "timeout"),
        ("Device did not respond", "unknown", "timeout"),
        ("Connection was lost during the operation", "unknown", "timeout"),
        ("Device went offline before it answered", "unknown", "timeout"),
        ("A password of minimum 8 characters is accepted.", "failed", "rejected_by_policy"),
        (
            "A password of minimum 8 characters and maximum 4094 characters, at least one uppercase letter, one lowercase letter, "
            "one number, one special character is accepted.",
            "failed",
            "rejected_by_policy",
        ),
        ("Bad password: Password is too short. Minimum length is 8 characters.", "failed", "rejected_by_policy"),
        ("Bad password: Password must contain both lowercase and uppercase letters.", "failed", "rejected_by_policy"),
        ("The password must be at least 8 characters long", "failed", "rejected_by_policy"),
        ("The device refused the password: wanted: one lowercase letter, one number. (********)", "failed", "rejected_by_policy"),
        ("DEVICE IS OFFLINE", "failed", "offline"),
        ("Router was offline [Code: -1]", "failed", "offline"),
        ("Unauthorized.", "failed", "unauthorized"),
        ("The device is busy.", "failed", "conflict"),
        ("Bad password: Password is too short.", "failed", "rejected_by_policy"),
        ("Not enough credits", "failed", "unauthorized"),
        ("Device is not authorized", "failed", "unauthorized"),
        ("Another task is already running on the device", "failed", "conflict"),
        ("Device not found", "failed", "not_found"),
    ],
)
def test_an_error_event_is_read_by_its_words(text: str, status: str, reason: str) -> None:
    outcome = outcome_of_error(text, "-97")
    assert (outcome.status, outcome.reason) == (status, reason)
    assert outcome.message.endswith(f"{text} [-97]")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Error",
        "Disconnected",
        "Device disconnected.",
        "The device was disconnected while it was changed",
        "Internal error",
        "Internal server error.",
        "Unknown error.",
        "Failed",
        "Failed to change password.",
        "Could not save the configuration",
        "Passwords do not match.",
        "Password was used before, not the same as the previous five",
        "The device answered with an error.",
        # Words of a known refusal, in something else.
        "Password changed, but the device is offline now",
        "Device is offline after the change",
        "Device was offline. The password was changed later.",
        "Access to the log was denied after the change",
        "Content-Length of the answer was wrong",
        "The answer was cut at its length",
        "Changed; permission of the file could not be restored",
        "Credit was used; the task was not found at its end",
        "The password must be confirmed by a reboot",
        "Policy was updated",
        "Device rejected the connection after the password was written",
    ],
)
def test_words_that_leave_the_outcome_open_are_unknown(text: str) -> None:
    outcome = outcome_of_error(text, "")
    assert (outcome.status, outcome.reason) == ("unknown", "rejected")


@pytest.mark.parametrize(
    "text",
    [
        "Password is the same. Use a different new password.",
        "The new password is the same as the current one",
        "The password must not be the same as the current password",
        "New password cannot be same as old password.",
    ],
)
def test_a_refusal_of_the_same_password_proves_nothing(text: str) -> None:
    outcome = outcome_of_error(text, "-6")
    assert (outcome.status, outcome.reason, outcome.retryable) == ("unknown", "same_password", False)
    assert "RMS claims" in outcome.message
    assert text in outcome.message


def test_every_known_refusal_says_where_it_is_from() -> None:
    assert {refusal.grade for refusal in REFUSALS} == {"documented", "observed", "assumed"}
    assert all("facts" in refusal.evidence or "passwd" in refusal.evidence for refusal in REFUSALS)
    assert {refusal.reason for refusal in REFUSALS} < set(REASONS)


def test_a_long_vendor_text_is_cut_between_words_after_it_was_redacted(client: RmsClient) -> None:
    shown = client.shown("word " * 70 + "t0ken-Secret " * 10)
    assert len(shown) <= 310
    assert "t0ken" not in shown
    assert shown.endswith(" ...")
    assert client.shown("t0ken-Secret") == MASK


class TestRouters:
    @pytest.mark.parametrize(
        ("item", "expected"),
        [
            ({"id": 1, "serial": "01", "status": 1}, (1, "01", "online")),
            ({"id": "1", "serial": 1100, "status": "1"}, (1, "1100", "online")),
            ({"id": 1, "serial": "1", "status": 0}, (1, "1", "offline")),
            ({"id": 1, "serial": "1", "status": None}, (1, "1", "offline")),
            ({"id": 1, "serial": "1", "status": 2}, (1, "1", "pending")),
            ({"id": 1, "serial": "1", "status": "online"}, (1, "1", "online")),
            ({"id": 1, "serial": "1", "status": 7}, (1, "1", "unknown")),
            ({"id": 1, "serial": "1"}, (1, "1", "unknown")),
        ],
    )
    def test_are_read_tolerantly(self, item: dict[str, Any], expected: tuple[int, str, str]) -> None:
        router = read_router(item)
        assert router is not None
        assert (router.id, router.serial, router.status) == expected

    @pytest.mark.parametrize("item", [{}, {"id": 1}, {"serial": "1"}, {"id": True, "serial": "1"}, {"id": "x", "serial": "1"}])
    def test_without_id_or_serial_are_passed_over(self, item: dict[str, Any]) -> None:
        assert read_router(item) is None


class Listing:
    """A scripted device list that honours limit, offset and q, with switches for what a real one may do."""

    def __init__(self, server: HTTPServer, count: int, most: int = 10_000, **more: Any) -> None:
        self.items = [{"id": 70_000 + number, "serial": f"{number:010d}", "status": 1} for number in range(count)]
        self.most = most
        self.more = more
        self.asked: list[dict[str, str]] = []
        server.expect_request("/api/devices").respond_with_handler(self.answer)

    def answer(self, request: Request) -> Response:
        query = request.args.to_dict()
        self.asked.append(query)
        if self.more.get("no_fields") and "fields" in query:
            return Response(json.dumps({"success": False, "errors": [{"code": "X", "source": "fields", "message": "no"}]}), 422)
        items = [item for item in self.items if query.get("q", "") in item["serial"]] if not self.more.get("blind_search") else self.items
        if self.more.get("blind_search") and "q" in query:
            items = []
        offset = int(query["offset"])
        page = items[offset : offset + min(int(query["limit"]), self.most)]
        meta = {} if self.more.get("no_total") else {"total": len(items)}
        return Response(json.dumps({"success": True, "data": page, "meta": meta}), content_type="application/json")


class TestFinding:
    @pytest.mark.parametrize(
        ("count", "wanted", "requests"),
        [
            (5000, 1, 1),  # one is searched for
            (5000, 2, 2),
            (5000, 3, 4),  # the first page tells that searching for two is cheaper than four more pages
            (5000, 5, 5),  # pages are not dearer than searches
            (5000, 400, 5),
            (10_000, 10_000, 10),
            (50, 3, 1),
        ],
    )
    def test_takes_the_fewest_requests(self, httpserver: HTTPServer, client: RmsClient, count: int, wanted: int, requests: int) -> None:
        listing = Listing(httpserver, count)
        step = count // wanted
        serials = [f"{count - 1 - number * step:010d}" for number in range(wanted)]
        found = find_routers(client, serials)
        assert {serial: [router.id for router in routers] for serial, routers in found.items()} == {
            serial: [70_000 + int(serial)] for serial in serials
        }
        assert len(listing.asked) <= requests
        assert client.request_count == len(listing.asked)

    @pytest.mark.parametrize("wanted", [1, 2, 3, 10])
    def test_a_second_entry_at_the_other_end_of_the_list_is_seen(self, httpserver: HTTPServer, client: RmsClient, wanted: int) -> None:
        listing = Listing(httpserver, 5000)
        listing.items.append({"id": 99, "serial": "0000000000", "status": 1})
        found = find_routers(client, [f"{number:010d}" for number in range(wanted)])
        assert [router.id for router in found["0000000000"]] == [70_000, 99]
        assert all(len(routers) == 1 for serial, routers in found.items() if serial != "0000000000")
        assert len(listing.asked) <= 6

    def test_nobody_is_found_without_a_request(self, client: RmsClient) -> None:
        assert find_routers(client, []) == {}
        assert client.request_count == 0

    def test_copes_with_smaller_pages_than_asked_for(self, httpserver: HTTPServer, client: RmsClient) -> None:
        listing = Listing(httpserver, 250, most=100)
        assert len(find_routers(client, [f"{number:010d}" for number in range(250)])) == 250
        assert [query["offset"] for query in listing.asked] == ["0", "100", "200"]

    def test_copes_without_a_total(self, httpserver: HTTPServer, client: RmsClient) -> None:
        Listing(httpserver, 250, most=100, no_total=True)
        assert len(list_routers(client)) == 250

    def test_copes_with_fields_that_are_refused(self, httpserver: HTTPServer, client: RmsClient) -> None:
        listing = Listing(httpserver, 250, most=100, no_fields=True)
        assert len(list_routers(client)) == 250
        assert ["fields" in query for query in listing.asked] == [True, False, False, False]

    def test_copes_with_a_search_that_does_not_look_at_serials(self, httpserver: HTTPServer, client: RmsClient) -> None:
        Listing(httpserver, 2500, blind_search=True)
        assert find_routers(client, ["0000002499"])["0000002499"][0].id == 72_499

    def test_tells_a_serial_that_is_there_twice(self, httpserver: HTTPServer, client: RmsClient) -> None:
        listing = Listing(httpserver, 5)
        listing.items.append({"id": 99, "serial": "0000000001", "status": 1})
        assert [router.id for router in find_routers(client, ["0000000001"])["0000000001"]] == [70_001, 99]

    def test_an_exact_match_only(self, httpserver: HTTPServer, client: RmsClient) -> None:
        Listing(httpserver, 50)
        assert find_routers(client, ["1", "000000001"]) == {"1": [], "000000001": []}


def test_one_look_up_decides_who_can_be_asked() -> None:
    online, offline, unsure = (
        Router(number, "1100000007", status=status) for number, status in enumerate(("online", "offline", "unknown"))
    )
    assert pick("1100000007", [online]) == (online, None)
    assert pick("1100000007", [unsure]) == (unsure, None)
    for routers, router, reason in (([], None, "not_found"), ([online, offline], None, "conflict"), ([offline], offline, "offline")):
        picked = pick("1100000007", routers)
        assert picked.router == router
        assert picked.refusal is not None
        assert (picked.refusal.status, picked.refusal.reason) == ("failed", reason)


class TestTheUrl:
    @pytest.mark.parametrize(
        ("url", "in_clear"),
        [
            ("https://rms.example.com/api", False),
            ("http://rms.example.com/api", True),
            ("http://10.0.0.1/api", True),
            ("http://127.0.0.1:8080/api", False),
            ("http://[::1]/api", False),
            ("http://localhost/api", False),
            ("http://localhost.example.com/api", True),
        ],
    )
    def test_tells_whether_anybody_can_listen(self, url: str, in_clear: bool) -> None:
        warning = RmsClient(HttpClient(), Redactor(), rms_url=url).warning
        assert ("without TLS" in warning) is in_clear
        assert (url in warning) is in_clear

    def test_is_told_when_rms_cannot_be_read_and_its_user_is_not(self) -> None:
        client = RmsClient(HttpClient(timeout=2, retries=0), Redactor(), rms_url="http://user:p4ss@127.0.0.1:1/api")
        with pytest.raises(RmsFault) as caught:
            client.get("devices")
        assert "RMS cannot be read at http://127.0.0.1:1/api: no connection" in caught.value.message
        assert "p4ss" not in caught.value.message
        assert "user" not in caught.value.message


def batch() -> list[Target]:
    return [Target(f"{number:010d}", f"Vexing-{number}-Harbour", 70_000 + number) for number in range(3)]


def answer_once(server: HTTPServer, status: int, content: Any) -> None:
    server.expect_oneshot_request("/api/devices/passwords/set", method="POST").respond_with_json(content, status=status)


def outcomes(targets: list[Target]) -> list[tuple[str, str] | None]:
    return [None if target.outcome is None else (target.outcome.status, target.outcome.reason) for target in targets]


ACCEPTED = {"success": True, "meta": {"channel": "private-status.1.x"}}


class TestSending:
    @pytest.mark.parametrize("source", ["70001", "0000000001", "data.1.password", "data[1].password"])
    @pytest.mark.parametrize(("status", "success"), [(422, False), (400, False), (200, False), (403, False), (404, False)])
    def test_a_named_router_is_left_out_and_the_others_sent_once_more(
        self, httpserver: HTTPServer, client: RmsClient, source: str, status: int, success: bool
    ) -> None:
        refusal = {"success": success, "errors": [{"code": "C", "source": source, "message": "The password must hold a digit."}]}
        answer_once(httpserver, status, refusal)
        answer_once(httpserver, 200, ACCEPTED)
        targets = batch()
        sent = send(client, targets, SET)
        assert outcomes(targets) == [None, ("failed", "rejected_by_policy"), None]
        assert sent.channel is not None
        assert list(sent.channel.targets) == ["70000", "70002"]
        assert [len(request.get_json()["data"]) for request, _response in httpserver.log] == [3, 2]

    def test_a_second_refusal_ends_it(self, httpserver: HTTPServer, client: RmsClient) -> None:
        for source in ("70001", "70002"):
            answer_once(httpserver, 422, {"success": False, "errors": [{"source": source, "message": "Not found."}]})
        targets = batch()
        assert send(client, targets, SET) == Sent()
        assert outcomes(targets) == [("failed", "rejected"), ("failed", "not_found"), ("failed", "not_found")]
        assert len(httpserver.log) == 2

    @pytest.mark.parametrize(
        ("status", "content", "reason"),
        [
            (422, {"success": False, "errors": [{"code": "C", "source": "password", "message": "Invalid value."}]}, "rejected_by_policy"),
            (422, {"success": False, "errors": [{"code": "C", "source": None, "message": "Something."}]}, "rejected"),
            (422, {"success": False, "errors": {"password": ["The password must be at least 8 characters."]}}, "rejected_by_policy"),
            (422, "no envelope", "rejected"),
            (400, {}, "rejected"),
            (413, {}, "rejected"),
            (409, {"success": False, "errors": [{"code": "C", "source": None, "message": "Already in use."}]}, "conflict"),
            (200, {"success": False}, "rejected"),
        ],
    )
    def test_a_refusal_that_names_nobody_fails_all(
        self, httpserver: HTTPServer, client: RmsClient, status: int, content: Any, reason: str
    ) -> None:
        answer_once(httpserver, status, content)
        targets = batch()
        assert send(client, targets, SET) == Sent()
        assert outcomes(targets) == [("failed", reason)] * 3
        assert len(httpserver.log) == 1

    @pytest.mark.parametrize("status", [302, 303, 408, 500, 501, 599])
    def test_what_may_have_been_done_is_unknown(self, httpserver: HTTPServer, client: RmsClient, status: int) -> None:
        answer_once(httpserver, status, {"success": False, "errors": []})
        targets = batch()
        assert send(client, targets, SET).lost
        assert outcomes(targets) == [("unknown", "protocol")] * 3

    @pytest.mark.parametrize("content", [{}, {"success": True}, {"meta": None}, {"meta": {"channel": 5}}, {"meta": {"channel": ""}}, []])
    def test_an_acceptance_without_a_channel_is_unknown(self, httpserver: HTTPServer, client: RmsClient, content: Any) -> None:
        answer_once(httpserver, 200, content)
        targets = batch()
        assert send(client, targets, SET).lost
        assert outcomes(targets) == [("unknown", "protocol")] * 3

    def test_a_partial_answer_tells_three_kinds(self, httpserver: HTTPServer, client: RmsClient) -> None:
        errors = [{"code": "C", "source": "0000000001", "message": "Not found."}]
        content = {**ACCEPTED, "data": ["70000"], "errors": errors}
        httpserver.expect_oneshot_request("/api/devices/passwords/upload").respond_with_json(content, status=207)
        targets = batch()
        sent = send(client, targets, UPLOAD)
        assert outcomes(targets) == [None, ("failed", "not_found"), ("unknown", "protocol")]
        assert sent.channel is not None
        assert list(sent.channel.targets) == ["70000"]

    def test_a_router_both_taken_and_refused_is_left_to_the_channel(self, httpserver: HTTPServer, client: RmsClient) -> None:
        content = {**ACCEPTED, "data": [70000, 70001, 70002], "errors": [{"source": "70001", "message": "odd"}]}
        httpserver.expect_oneshot_request("/api/devices/passwords/upload").respond_with_json(content, status=207)
        targets = batch()
        send(client, targets, UPLOAD)
        assert outcomes(targets) == [None] * 3

    def test_a_serial_that_looks_like_an_id_is_not_mistaken(self, httpserver: HTTPServer, client: RmsClient) -> None:
        targets = [Target("70001", "Vexing-1-Harbour", 70_000), Target("5", "Vexing-2-Harbour", 70_001)]
        for request, refused in ((SET, 1), (UPLOAD, 0)):
            for target in targets:
                target.outcome = None
            path = "/api/" + "/".join(request.path)
            refusal = {"success": False, "errors": [{"source": "70001", "message": "Not found."}]}
            httpserver.expect_oneshot_request(path).respond_with_json(refusal, status=422)
            httpserver.expect_oneshot_request(path).respond_with_json(ACCEPTED)
            send(client, targets, request)
            assert targets[refused].outcome is not None
            assert targets[1 - refused].outcome is None

    @pytest.mark.parametrize("source", [None, "70000"])
    def test_a_refusal_of_the_same_password_proves_nothing_here_either(
        self, httpserver: HTTPServer, client: RmsClient, source: str | None
    ) -> None:
        words = "The password must not be the same as the current password."
        answer_once(httpserver, 422, {"success": False, "errors": [{"code": "C", "source": source, "message": words}]})
        target = batch()[0]
        send(client, [target], SET)
        assert outcomes([target]) == [("unknown", "same_password")]

    @pytest.mark.parametrize("late", [False, True])
    def test_who_was_in_a_request_that_left_late_is_told(self, httpserver: HTTPServer, late: bool) -> None:
        answers = iter([True, True, not late, True, True, True])
        http = HttpClient(timeout=2, may_change=lambda: next(answers))
        client = RmsClient(http, Redactor(), rms_url=httpserver.url_for("/api"))
        answer_once(httpserver, 200, ACCEPTED)
        answer_once(httpserver, 200, ACCEPTED)
        first, second = batch(), batch()
        send(client, first, SET)
        send(client, second, SET)
        assert [target.sent_late for target in [*first, *second]] == [late] * 3 + [False] * 3
        assert first[0].as_result()["sent_late"] is late

    def test_a_vendor_error_that_echoes_a_password_is_redacted(self, httpserver: HTTPServer, client: RmsClient) -> None:
        targets = batch()
        client.redactor.add(*(target.password for target in targets))
        answer_once(httpserver, 422, {"success": False, "errors": [{"source": None, "message": f"bad: {targets[0].password}"}]})
        send(client, targets, SET)
        assert targets[0].outcome is not None
        assert "Vexing" not in targets[0].outcome.message
        assert MASK in targets[0].outcome.message


def polls(server: HTTPServer, *answers: tuple[int, Any]) -> None:
    for status, content in answers:
        server.expect_ordered_request("/status/channel/private-status.1.x").respond_with_json(content, status=status)


def channel_of(targets: list[Target]) -> Channel:
    return Channel("private-status.1.x", {str(target.id): target for target in targets})


MISSING = (404, {"code": "CHANNEL_NOT_FOUND"})


def event(status: str, value: Any = "text", **more: Any) -> dict[str, Any]:
    return {"status": status, "type": "text", "value": value, **more}


class TestWatching:
    def test_grows_its_pauses_and_stops_at_the_last_outcome(self, httpserver: HTTPServer, client: RmsClient, clock: Clock) -> None:
        done = {"data": {"70000": [event("pending"), event("completed")], "70001": [event("completed")], "70002": event("completed")}}
        polls(httpserver, MISSING, MISSING, (200, {"data": {}}), (200, done))
        targets = batch()
        assert watch(client, [channel_of(targets)]) is None
        assert outcomes(targets) == [("changed", "")] * 3
        assert clock.pauses == pytest.approx([0.4, 0.64, 1.024, 1.6384])

    def test_many_routers_are_given_more_time_before_the_first_poll(self, httpserver: HTTPServer, client: RmsClient, clock: Clock) -> None:
        targets = [Target(f"{number:010d}", "x", 70_000 + number) for number in range(10_000)]
        polls(httpserver, (200, {"data": {str(target.id): [event("completed")] for target in targets}}))
        watch(client, [channel_of(targets)])
        assert clock.pauses == [5.0]

    def test_ten_thousand_routers_that_take_their_time_are_asked_after_less_than_seventy_times(
        self, httpserver: HTTPServer, client: RmsClient, clock: Clock
    ) -> None:
        sent = clock.now
        client.deadline = clock.now + 600

        def answer(request: Request) -> Response:
            first = 70_000 + 2500 * int(request.path[-1])
            status = "completed" if clock.now - sent >= 40 else "pending"
            return Response(json.dumps({"data": {str(first + number): [event(status)] for number in range(2500)}}))

        httpserver.expect_request(re.compile("/status/channel/.*")).respond_with_handler(answer)
        for number in range(4):
            sent = clock.now
            targets = [Target(str(each), "x", each) for each in range(70_000 + 2500 * number, 72_500 + 2500 * number)]
            watch(client, [Channel(str(number), {str(target.id): target for target in targets})])
            assert set(outcomes(targets)) == {("changed", "")}
        assert client.request_count + 10 + 4 < 70  # with the listing and the requests

    def test_never_pauses_longer_than_eight_seconds_nor_past_the_deadline(
        self, httpserver: HTTPServer, client: RmsClient, clock: Clock
    ) -> None:
        httpserver.expect_request("/status/channel/private-status.1.x").respond_with_json({"data": {"70000": [event("pending")]}})
        targets = batch()
        watch(client, [channel_of(targets)])
        assert outcomes(targets) == [None] * 3
        assert max(clock.pauses) == 8.0
        assert sum(clock.pauses) == pytest.approx(60)

    @pytest.mark.parametrize(
        "odd",
        [
            {"data": []},
            {"data": None},
            {"data": "x"},
            {"data": {"70000": []}},
            {"data": {"70000": None}},
            {"data": {"70000": ["x"]}},
            {"data": {"70000": [{"value": 1}]}},
            {"data": {"-1": [event("error")], "99": [event("completed")]}},
            [],
            "text",
        ],
    )
    def test_odd_shapes_are_waited_through(self, httpserver: HTTPServer, client: RmsClient, odd: Any) -> None:
        good = {"data": {str(target.id): [event("Completed", None)] for target in batch()}}
        polls(httpserver, (200, odd), (200, good))
        targets = batch()
        assert watch(client, [channel_of(targets)]) is None
        assert outcomes(targets) == [("changed", "")] * 3

    def test_a_running_event_after_nothing_else_is_not_an_outcome(self, httpserver: HTTPServer, client: RmsClient) -> None:
        polls(
            httpserver,
            (200, {"data": {"70000": [event("completed"), event("pending")]}}),
            (200, {"data": {"70000": [event("completed"), event("pending"), event("error", "Device is offline.", errorcode="-1")]}}),
        )
        target = batch()[0]
        watch(client, [channel_of([target])])
        assert outcomes([target]) == [("failed", "offline")]
        assert target.outcome is not None
        assert "[-1]" in target.outcome.message

    def test_an_outcome_is_final(self, httpserver: HTTPServer, client: RmsClient) -> None:
        polls(
            httpserver,
            (200, {"data": {"70000": [event("completed")]}}),
            (200, {"data": {"70000": [event("error")], "70001": [event("completed")], "70002": [event("completed")]}}),
        )
        targets = batch()
        watch(client, [channel_of(targets)])
        assert outcomes(targets) == [("changed", "")] * 3

    def test_a_channel_that_expired_is_given_up(self, httpserver: HTTPServer, client: RmsClient) -> None:
        polls(httpserver, (200, {"data": {"70000": [event("pending")]}}), MISSING, MISSING, MISSING)
        channel = channel_of(batch())
        watch(client, [channel])
        assert channel.expired
        assert len(httpserver.log) == 4

    def test_several_channels_are_asked_in_turn_and_only_while_open(self, httpserver: HTTPServer, client: RmsClient) -> None:
        asked: list[str] = []

        def answer(name: str, needed: int) -> Callable[[Request], Response]:
            def handler(_request: Request) -> Response:
                asked.append(name)
                status = "completed" if asked.count(name) >= needed else "pending"
                return Response(json.dumps({"data": {"70000": [event(status)]}}), content_type="application/json")

            return handler

        for name, needed in (("a", 1), ("b", 3)):
            httpserver.expect_request(f"/status/channel/{name}").respond_with_handler(answer(name, needed))
        watch(client, [Channel(name, {"70000": batch()[0]}) for name in ("a", "b")])
        assert asked == ["a", "b", "b", "b"]

    def test_the_token_goes_there_and_nowhere_else(self, httpserver: HTTPServer, client: RmsClient) -> None:
        polls(httpserver, (200, {"data": {"70000": [event("completed")]}}))
        watch(client, [channel_of(batch()[:1])])
        assert httpserver.log[0][0].headers["Authorization"] == "Bearer t0ken-Secret"


@pytest.mark.parametrize(("token", "why"), [(None, "There is no token for RMS"), ("a b", "holds spaces"), ("a\n", "line breaks")])
def test_a_token_that_cannot_be_one_is_told_before_anything_is_sent(token: str | None, why: str) -> None:
    with pytest.raises(RmsFault, match=why) as caught:
        rms_client({"rms_token": token}, Redactor())
    assert caught.value.reason == "bad_input"


@pytest.mark.parametrize(("status", "advice"), [(401, "expired: make a new one"), (403, "needs the scopes"), (404, "needs the scopes")])
def test_who_is_not_known_needs_a_token_and_who_may_not_needs_scopes(
    httpserver: HTTPServer, client: RmsClient, status: int, advice: str
) -> None:
    httpserver.expect_request("/api/devices").respond_with_json({"success": False, "message": "No."}, status=status)
    with pytest.raises(RmsFault, match=rf"\(HTTP {status}, No\)\. .*{advice}"):
        client.get("devices")
