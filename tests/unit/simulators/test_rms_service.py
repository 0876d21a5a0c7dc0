# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The simulated RMS does what the fact sheet lists (part 5.1), and every assumed behaviour has both positions."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from typing import Any

import pytest

from simulators.kit.clock import Clock
from simulators.kit.server import Answer, Call
from simulators.kit.switches import SwitchError, change
from simulators.rms.fleet import Router, make_fleet
from simulators.rms.service import Rms
from simulators.rms.switches import FATES, Switches

GOOD = "Vexing-42-Harbour"
SET, GENERATE, UPLOAD = "/api/devices/passwords/set", "/api/devices/passwords/generate", "/api/devices/passwords/upload"
TASKS = "/api/devices/passwords/generated/tasks"


class Driver:
    """Speaks to the service as the server does, without a network."""

    def __init__(self, routers: int = 10, base_path: str = "/api", **switches: Any) -> None:
        self.switches = Switches()
        change(self.switches, {"channel_not_found_polls": 0, **switches})
        self.clock = Clock()
        self.fleet = make_fleet(routers, 7, self.clock.now())
        self.rms = Rms(self.fleet, self.switches, self.clock, 7, base_path, "token", "other")
        self.routers = list(self.fleet)
        self.number = 0

    def call(self, method: str, path: str, body: Any = None, token: str | None = "token", form: Any = None, **query: str) -> Answer:
        self.number += 1
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        call = Call(self.number, method, path, query, headers, raw, form)
        answer = self.rms.busy_with(call) or self.rms.handle(call)
        assert answer.encoded() is not None
        return answer

    def get(self, path: str, **query: str) -> Answer:
        return self.call("GET", path, **query)

    def items(self, password: str = GOOD, routers: list[Router] | None = None, **more: Any) -> dict[str, Any]:
        chosen = self.routers if routers is None else routers
        return {"data": [{"id": router.id, "password": password, "password_confirmation": password, **more} for router in chosen]}

    def set(self, password: str = GOOD, routers: list[Router] | None = None, **more: Any) -> Answer:
        return self.call("POST", SET, self.items(password, routers, **more))

    def generate(self, length: Any = 16, special: Any = 1, routers: list[Router] | None = None) -> Answer:
        chosen = self.routers if routers is None else routers
        return self.call("POST", GENERATE, {"data": [{"id": router.id, "length": length, "use_special": special} for router in chosen]})

    def upload(self, content: str | bytes, **form: str) -> Answer:
        return self.call("POST", UPLOAD, form={"file": content if isinstance(content, bytes) else content.encode(), **form})

    def poll(self, answer: Answer, token: str = "token") -> Answer:
        return self.call("GET", f"/status/channel/{answer.body['meta']['channel']}", token=token)

    def last(self, answer: Answer) -> dict[str, dict[str, Any]]:
        return {key: events[-1] for key, events in self.poll(answer).body["data"].items()}

    def batch(self, answer: Answer) -> str:
        assert answer.status == 200
        identifier: str = self.get(TASKS).body["data"][0]["id"]
        return identifier

    def downloaded(self, answer: Answer) -> list[list[str]]:
        content = self.get(f"/api/tasks/{self.batch(answer)}/download/passwords").body
        return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))


def modern(driver: Driver) -> Router:
    return next(router for router in driver.routers if "_00.07.1" in router.firmware or "_00.07.2" in router.firmware)


# Authentication and scopes (5.1, 1)


@pytest.mark.parametrize("token", [None, "wrong", ""])
def test_without_a_good_token_nothing_is_told(token: str | None) -> None:
    answer = Driver().call("GET", "/api/devices", token=token)
    assert answer.status == 401
    assert answer.body["success"] is False
    assert set(answer.body["errors"][0]) == {"code", "source", "message"}


@pytest.mark.parametrize("position", ["403", "404"])
def test_a_missing_scope_is_refused_in_either_way(position: str) -> None:
    driver = Driver(scopes=["devices:read"], missing_scope=position)
    assert driver.set().status == int(position)
    assert driver.get(TASKS).status == int(position)
    assert driver.get("/api/devices").status == 200


def test_the_name_of_the_password_scope_can_be_changed() -> None:
    driver = Driver(scopes=["devices:read", "passwords"], scope_password_write="passwords")
    assert driver.set().status == 200


def test_two_factor_mode_refuses_password_calls_only() -> None:
    driver = Driver(two_factor=True)
    assert driver.set().status == 403
    assert driver.get("/api/devices").status == 200


def test_another_account_owns_no_router() -> None:
    driver = Driver()
    assert driver.call("GET", "/api/devices", token="other").body["data"] == []
    assert driver.call("POST", SET, driver.items(), token="other").status == 422


def test_unknown_paths_and_wrong_methods_are_told_apart() -> None:
    driver = Driver()
    assert driver.get("/api/device_passwords/1").status == 404
    assert driver.call("DELETE", SET).status == 405
    assert driver.get("/devices").status == 404
    assert Driver(base_path="").get("/devices").status == 200


# Lists (5.1, 2)


def test_pages_of_ten_by_default_and_a_total() -> None:
    body = Driver(routers=25).get("/api/devices").body
    assert len(body["data"]) == 10
    assert body["meta"] == {"total": 25}


def test_limit_and_offset_reach_every_router_once() -> None:
    driver = Driver(routers=25)
    pages = [driver.get("/api/devices", limit="10", offset=str(offset)).body["data"] for offset in (0, 10, 20)]
    assert [item["id"] for page in pages for item in page] == [router.id for router in driver.routers]


def test_the_page_can_be_clamped_repeated_and_the_total_wrong() -> None:
    assert len(Driver(routers=25, list_limit_max=4).get("/api/devices", limit="20").body["data"]) == 4
    driver = Driver(routers=25, repeat_pages=True)
    assert driver.get("/api/devices", offset="10").body["data"] == driver.get("/api/devices").body["data"]
    assert "meta" not in Driver(list_total="absent").get("/api/devices").body
    assert Driver(list_total="too_large").get("/api/devices").body["meta"]["total"] > 10


@pytest.mark.parametrize(
    ("key", "of"),
    [
        ("model", lambda item: item["model"]),
        ("firmware", lambda item: item["firmware"]),
        ("mac", lambda item: item["mac"]),
        ("company_id", lambda item: str(item["company_id"])),
        ("id", lambda item: str(item["id"])),
    ],
)
def test_filters_select_by_value(key: str, of: Any) -> None:
    driver = Driver(routers=60)
    everything = driver.get("/api/devices", limit="1000").body["data"]
    value = of(everything[5])
    assert driver.get("/api/devices", limit="1000", **{key: value}).body["data"] == [item for item in everything if of(item) == value]


def test_filters_by_tag_and_status_and_their_negations() -> None:
    driver = Driver(routers=60)
    change_fate(driver, driver.routers[0], "offline")
    change_fate(driver, driver.routers[1], "no_credit")

    def count(**query: str) -> int:
        return len(driver.call("GET", "/api/devices", limit="1000", **query).body["data"])

    assert (count(status="offline"), count(status="not_activated"), count(status="online")) == (1, 1, 58)
    assert count(**{"ne:status": "online"}) == 2
    assert 0 < count(tag_id="11") < 60
    assert count(tag_id="11") + count(**{"ne:tag_id": "11"}) == 60


def test_unknown_query_keys_such_as_serial_are_ignored() -> None:
    driver = Driver()
    assert len(driver.get("/api/devices", serial=driver.routers[0].serial).body["data"]) == 10


def test_search_finds_more_than_the_exact_serial() -> None:
    driver = Driver(routers=60)
    spare = next(router for router in driver.routers if router.name.startswith("spare of "))
    serial = spare.name.removeprefix("spare of ")
    found = {item["serial"] for item in driver.get("/api/devices", q=serial).body["data"]}
    assert found == {serial, spare.serial}
    assert {item["serial"] for item in Driver(routers=60, search="prefix").get("/api/devices", q=serial).body["data"]} == {serial}


def test_fields_and_sort() -> None:
    body = Driver().get("/api/devices", fields="id,serial,nonsense", sort="-serial").body
    assert all(set(item) == {"id", "serial"} for item in body["data"])
    serials = [item["serial"] for item in body["data"]]
    assert serials == sorted(serials, reverse=True)
    assert "firmware" in Driver().get("/api/devices", fields_only="true").body["data"]


@pytest.mark.parametrize("limit", ["-1", "ten"])
def test_a_limit_that_is_no_number_is_refused(limit: str) -> None:
    assert Driver().get("/api/devices", limit=limit).status == 422


@pytest.mark.parametrize(("position", "expected"), [("zero", {0}), ("null", {None}), ("mixed", {0, None})])
def test_an_offline_router_is_listed_as_zero_or_null(position: str, expected: set[Any]) -> None:
    driver = Driver(routers=9, offline_status=position, fates={"*": "offline"})
    assert {item["status"] for item in driver.get("/api/devices").body["data"]} == expected


def test_numbers_can_be_strings() -> None:
    body = Driver(numbers_as_strings=True).get("/api/devices").body
    assert body["meta"]["total"] == "10"
    assert isinstance(body["data"][0]["id"], str)
    assert body["success"] is True


def test_one_router_its_log_tags_and_companies() -> None:
    driver = Driver()
    driver.set()
    identifier = driver.routers[0].id
    assert driver.get(f"/api/devices/{identifier}").body["data"]["serial"] == driver.routers[0].serial
    assert driver.get("/api/devices/1").status == 404
    log = driver.get(f"/api/devices/{identifier}/logs").body["data"]
    assert len(log) == 1
    assert GOOD not in json.dumps(log)
    assert driver.get("/api/devices/logs").body["meta"]["total"] == 10
    assert len(driver.get("/api/tags").body["data"]) == 3
    assert len(driver.get("/api/companies").body["data"]) == 3


# Set and generate (5.1, 3)


def change_fate(driver: Driver, router: Router, fate: str) -> None:
    driver.rms.switches_changed({"fates": {router.serial: fate}})


def test_a_set_call_answers_with_a_channel_and_changes_every_router() -> None:
    driver = Driver()
    answer = driver.set()
    assert answer.status == 200
    assert set(answer.body) == {"success", "meta"}
    assert {event["status"] for event in driver.last(answer).values()} == {"completed"}
    assert {router.password for router in driver.routers} == {GOOD}
    assert all(router.history[-1]["request"] == 1 for router in driver.routers)


@pytest.mark.parametrize(
    ("changes", "source"),
    [
        ({"password": "Sh0rt"}, "password"),
        ({"password": "L0ng" + "x" * 29}, "password"),
        ({"password": "nouppercase1"}, "password"),
        ({"password": "Nodigitatall"}, "password"),
        ({"password": 12345678}, "password"),
        ({"password_confirmation": "Another-42"}, "password_confirmation"),
        ({"show_password": "yes"}, "show_password"),
        ({"id": 1}, "id"),
        ({"id": "70001"}, "id"),
    ],
)
def test_one_bad_item_refuses_the_whole_call(changes: dict[str, Any], source: str) -> None:
    driver = Driver()
    body = driver.items()
    body["data"][3].update(changes)
    if "password" in changes:
        body["data"][3]["password_confirmation"] = changes["password"]
    answer = driver.call("POST", SET, body)
    assert answer.status == 422
    assert [each["source"] for each in answer.body["errors"]] == [source]
    assert not any(router.asked for router in driver.routers)


def test_one_bad_item_can_be_an_error_event_instead() -> None:
    driver = Driver(bad_item="error_event")
    body = driver.items()
    body["data"][3].update(password="short", password_confirmation="short")
    answer = driver.call("POST", SET, body)
    assert answer.status == 200
    statuses = {key: event["status"] for key, event in driver.last(answer).items()}
    assert statuses.pop(str(driver.routers[3].id)) == "error"
    assert set(statuses.values()) == {"completed"}


def test_the_source_of_an_error_can_name_the_item() -> None:
    driver = Driver(error_source="indexed")
    body = driver.items()
    body["data"][3]["password_confirmation"] = ""
    assert driver.call("POST", SET, body).body["errors"][0]["source"] == "data.3.password_confirmation"


@pytest.mark.parametrize(
    "body", [None, [], {}, {"data": []}, {"data": {}}, {"data": [1]}, {"devices": [1], "length": 16, "use_special": 1}]
)
def test_a_body_of_another_shape_is_refused(body: Any) -> None:
    assert Driver().call("POST", GENERATE, body).status == 422


def test_a_body_that_is_no_json_is_refused() -> None:
    assert Driver().call("POST", SET, b"{").status == 400


@pytest.mark.parametrize(("length", "special"), [(7, 1), (33, 1), ("16", 1), (True, 1), (16, 2), (16, True), (16, None)])
def test_generate_checks_length_and_special(length: Any, special: Any) -> None:
    assert Driver().generate(length, special).status == 422


@pytest.mark.parametrize(("rule", "accepted"), [("length", True), ("basic", False), ("page", False)])
def test_the_rule_rms_checks_itself_can_be_weaker(rule: str, accepted: bool) -> None:
    assert (Driver(rms_rule=rule).set("all-lower-case").status == 200) is accepted


def test_the_rule_of_the_page_wants_a_special_symbol_from_07_13_on() -> None:
    driver = Driver(routers=60, rms_rule="page")
    newest = [router for router in driver.routers if router.firmware.endswith("_00.07.21.1")]
    older = [router for router in driver.routers if router.firmware.endswith("_00.07.06.20")]
    assert driver.set("Password12", newest).status == 422
    assert driver.set("Password12", older).status == 200


def test_too_many_devices_and_the_same_device_twice_are_refused() -> None:
    assert Driver(max_devices_per_call=9).set().status == 422
    driver = Driver()
    assert driver.set(routers=[driver.routers[0], driver.routers[0]]).status == 422


def test_errors_can_echo_the_password() -> None:
    assert "nouppercase1" in json.dumps(Driver(echo_passwords=True).set("nouppercase1").body)
    assert "nouppercase1" not in json.dumps(Driver().set("nouppercase1").body)
    echoing, silent = (Driver(echo_passwords=echo, fates={"*": "error"}) for echo in (True, False))
    assert all(GOOD in event["value"] for event in echoing.last(echoing.set()).values())
    assert not any(GOOD in event["value"] for event in silent.last(silent.set()).values())


def test_show_password_puts_it_in_the_channel_and_in_the_audit() -> None:
    driver = Driver()
    shown = driver.last(driver.set(show_password=True))
    assert all(GOOD in event["value"] for event in shown.values())
    assert all(router.truth()["show_password"] for router in driver.routers)


# Upload (5.1, 4)


def rows(*pairs: tuple[str, str]) -> str:
    return "".join(f"{serial},{password}\r\n" for serial, password in pairs)


def test_an_upload_of_good_rows_is_created() -> None:
    driver = Driver()
    answer = driver.upload(rows(*((router.serial, GOOD) for router in driver.routers)))
    assert answer.status == 201
    assert answer.body["data"] == [router.id for router in driver.routers]
    assert {event["status"] for event in driver.last(answer).values()} == {"completed"}


@pytest.mark.parametrize("position", ["serial", "id"])
def test_an_upload_with_bad_rows_is_partial(position: str) -> None:
    driver = Driver(upload_error_source=position)
    good, bad = driver.routers[:2]
    answer = driver.upload(rows((good.serial, GOOD), (bad.serial, "short"), ("0000000000", GOOD)))
    assert answer.status == 207
    assert answer.body["data"] == [good.id]
    assert [each["source"] for each in answer.body["errors"]] == [bad.serial if position == "serial" else str(bad.id), "0000000000"]
    assert not bad.asked


def test_bad_rows_can_refuse_the_whole_upload() -> None:
    driver = Driver(upload_bad_row="reject_all")
    assert driver.upload(rows((driver.routers[0].serial, GOOD), ("0000000000", GOOD))).status == 422
    assert not driver.routers[0].asked


@pytest.mark.parametrize("position", ["422", "207"])
def test_an_upload_without_any_good_row(position: str) -> None:
    assert Driver(upload_all_bad=position).upload(rows(("0000000000", GOOD))).status == int(position)


def test_the_same_serial_twice_is_a_conflict() -> None:
    driver = Driver()
    serial = driver.routers[0].serial
    assert driver.upload(rows((serial, GOOD), (serial, GOOD))).status == 409


@pytest.mark.parametrize(
    ("position", "upload_status", "set_status"), [("conflict_upload", 409, 200), ("conflict_all", 409, 409), ("allowed", 201, 200)]
)
def test_a_running_task_conflicts_as_the_switch_says(position: str, upload_status: int, set_status: int) -> None:
    driver = Driver(running_task=position, device_seconds=30.0)
    driver.set(routers=driver.routers[:2])
    assert driver.upload(rows((driver.routers[0].serial, GOOD))).status == upload_status
    assert driver.set(routers=[driver.routers[1]]).status == set_status
    driver.clock.advance(60)
    assert driver.upload(rows((driver.routers[0].serial, GOOD))).status == 201


@pytest.mark.parametrize("content", ["", "\r\n", "0012345678\r\n", b"\xff\xfe\x00", '"0012345678,x'])
def test_a_bad_file_is_refused(content: str | bytes) -> None:
    assert Driver().upload(content).status == 422


def test_a_missing_file_is_refused() -> None:
    assert Driver().call("POST", UPLOAD, {}).status == 422


@pytest.mark.parametrize(("position", "with_header", "without"), [("optional", 201, 201), ("required", 201, 422), ("refused", 422, 201)])
def test_the_header_row_of_an_upload(position: str, with_header: int, without: int) -> None:
    driver = Driver(upload_header=position)
    row = rows((driver.routers[0].serial, GOOD))
    assert driver.upload("Serial,Password\r\n" + row).status == with_header
    assert driver.upload(row).status == without


@pytest.mark.parametrize(("position", "comma", "semicolon"), [("comma", 201, 422), ("semicolon", 422, 201), ("both", 201, 201)])
def test_the_separator_of_an_upload(position: str, comma: int, semicolon: int) -> None:
    driver = Driver(upload_separator=position)
    serial = driver.routers[0].serial
    assert driver.upload(f"{serial},{GOOD}\n").status == comma
    assert driver.upload(f"{serial};{GOOD}x\n").status == semicolon


def test_quotes_in_an_upload_are_read_as_the_standard_says() -> None:
    driver = Driver()
    driver.upload(f'{driver.routers[0].serial},"Quote""d,42-Harbour"\r\n')
    assert driver.routers[0].password == 'Quote"d,42-Harbour'


# Channel (5.1, 5 and 13)


@pytest.mark.parametrize("status", [404, 400, 422])
def test_a_new_channel_is_not_found_at_first(status: int) -> None:
    driver = Driver(channel_not_found_polls=2, channel_not_found_status=status)
    answer = driver.set()
    for _poll in range(2):
        polled = driver.poll(answer)
        assert polled.status == status
        assert polled.body["code"] == "CHANNEL_NOT_FOUND"
    assert driver.poll(answer).status == 200


def test_a_channel_expires() -> None:
    driver = Driver()
    answer = driver.set()
    driver.clock.advance(599)
    assert driver.poll(answer).status == 200
    driver.clock.advance(2)
    assert driver.poll(answer).body["code"] == "CHANNEL_NOT_FOUND"


@pytest.mark.parametrize("position", ["403", "404"])
def test_a_channel_of_another_account_is_refused(position: str) -> None:
    driver = Driver(foreign_channel=position)
    assert driver.poll(driver.set(), token="other").status == int(position)


def test_events_grow_until_the_terminal_one() -> None:
    driver = Driver(device_seconds=10.0)
    answer = driver.set()
    assert all([event["status"] for event in events] == ["pending"] for events in driver.poll(answer).body["data"].values())
    assert all(router.password != GOOD for router in driver.routers)
    driver.clock.advance(11)
    assert all([event["status"] for event in events] == ["pending", "completed"] for events in driver.poll(answer).body["data"].values())
    assert all(router.password == GOOD for router in driver.routers)


def test_routers_can_be_missing_and_pending_for_some_polls_and_come_out_of_order() -> None:
    driver = Driver(routers=40, channel_missing_polls=1, pending_polls=3)
    answer = driver.set()
    polls = [driver.poll(answer).body["data"] for _poll in range(4)]
    assert [len(poll) for poll in polls] == [20, 40, 40, 40]
    ended = [sum(events[-1]["status"] == "completed" for events in poll.values()) for poll in polls]
    assert ended == sorted(ended)
    assert ended[2] < 40 == ended[3]
    assert list(polls[3]) != [str(router.id) for router in driver.routers]
    ordered = Driver(routers=40, channel_out_of_order=False)
    assert list(ordered.poll(ordered.set()).body["data"]) == [str(router.id) for router in ordered.routers]


def test_shapes_of_channel_answers() -> None:
    single = Driver(channel_shape="object", event_code_key="errorcode", fates={"*": "error"})
    events = single.poll(single.set()).body["data"].values()
    assert all(event["errorcode"] < 0 for event in events)
    wrapped = Driver(channel_shape="wrapped")
    body = wrapped.poll(wrapped.set()).body
    assert body["event"] == "status"
    assert len(body["data"]) == 10


# Fates (5.1, 6)


@pytest.mark.parametrize(
    ("fate", "status", "taken"),
    [
        ("ok", "completed", True),
        ("offline", "error", False),
        ("goes_offline_midway", "pending", False),
        ("goes_silent_after_change", "pending", True),
        ("never_reported", None, True),
        ("rejected_by_policy", "error", False),
        ("error", "error", False),
        ("error_after_change", "error", True),
        ("warning", "warning", False),
        ("warning_after_change", "warning", True),
        ("completed_without_change", "completed", False),
        ("truncates", "completed", False),
        ("same_password", "error", True),
        ("not_authenticated", "error", False),
        ("no_credit", "error", False),
        ("slow", "completed", True),
    ],
)
def test_every_fate_ends_as_it_says_and_leaves_the_others_alone(fate: str, status: str | None, taken: bool) -> None:
    driver = Driver()
    router, other = driver.routers[:2]
    former = router.password
    change_fate(driver, router, fate)
    answer = driver.set()
    driver.clock.advance(60)
    events = driver.last(answer)
    assert events.get(str(router.id), {}).get("status") == status
    assert (router.password == GOOD) is taken
    assert router.password in (former, GOOD, GOOD[:12])
    assert (events[str(other.id)]["status"], other.password) == ("completed", GOOD)
    assert [entry["password"] for entry in router.asked] == [GOOD]


def test_every_fate_is_tested() -> None:
    marks = test_every_fate_ends_as_it_says_and_leaves_the_others_alone.pytestmark  # type: ignore[attr-defined]
    assert {values[0] for values in marks[0].args[1]} | {"not_listed"} == set(FATES)


def test_a_router_that_is_not_listed_is_refused() -> None:
    driver = Driver()
    change_fate(driver, driver.routers[0], "not_listed")
    assert driver.get("/api/devices").body["meta"]["total"] == 9
    assert driver.set(routers=[driver.routers[0]]).status == 422


def test_a_truncating_router_keeps_the_first_characters() -> None:
    driver = Driver(fates={"*": "truncates"}, truncate_to=8)
    driver.set()
    assert {router.password for router in driver.routers} == {GOOD[:8]}


def test_an_offline_router_can_get_the_change_when_it_is_back() -> None:
    driver = Driver(offline_handling="queued")
    router = driver.routers[0]
    change_fate(driver, router, "offline")
    answer = driver.set()
    assert driver.last(answer)[str(router.id)]["status"] == "pending"
    former = router.password
    driver.rms.control(Call(0, "POST", f"routers/{router.serial}", {}, {}, b'{"online": true}'))
    assert router.password == GOOD != former
    assert driver.last(answer)[str(router.id)]["status"] == "completed"


def test_an_offline_router_forgets_the_change_by_default() -> None:
    driver = Driver()
    router = driver.routers[0]
    change_fate(driver, router, "offline")
    driver.set()
    driver.rms.control(Call(0, "POST", f"routers/{router.serial}", {}, {}, b'{"online": true}'))
    assert router.password != GOOD


@pytest.mark.parametrize("position", ["error", "completed"])
def test_the_same_password_again(position: str) -> None:
    driver = Driver(same_password=position)
    driver.set()
    assert {event["status"] for event in driver.last(driver.set()).values()} == {position}


@pytest.mark.parametrize(
    ("firmware", "password", "taken"),
    [
        ("RUTX_R_00.07.03.1", "PASSWORD12", True),
        ("RUTX_R_00.07.05.4", "PASSWORD12", False),
        ("RUTX_R_00.07.10.2", "Password12", True),
        ("RUTX_R_00.07.12.3", "Password12", True),
        ("RUTX_R_00.07.13.2", "Password12", False),
        ("RUTX_R_00.07.13.2", "Password12!", True),
        ("RUTX_R_00.07.21.1", "Password12ä", False),
        ("TSW2_R_00.01.07.1", "PASSWORD12", False),
    ],
)
def test_routers_check_by_the_rule_of_their_firmware(firmware: str, password: str, taken: bool) -> None:
    driver = Driver()
    router = driver.routers[0]
    router.firmware = firmware
    answer = driver.set(password, [router])
    assert driver.last(answer)[str(router.id)]["status"] == ("completed" if taken else "error")
    assert (router.password == password) is taken
    lenient = Driver(device_policy_enforced=False)
    lenient.routers[0].firmware = firmware
    lenient.set(password, [lenient.routers[0]])
    assert lenient.routers[0].password == password


@pytest.mark.parametrize("refused", [True, False])
def test_odd_symbols_may_be_refused_on_07_13(refused: bool) -> None:
    driver = Driver(odd_symbols_refused=refused)
    driver.routers[0].firmware = "RUTX_R_00.07.13.2"
    driver.set("Password12~", [driver.routers[0]])
    assert (driver.routers[0].password == "Password12~") is not refused


# Batches and the one-time list (5.1, 7 to 9)


def test_generate_makes_a_batch_with_its_routers() -> None:
    driver = Driver()
    change_fate(driver, driver.routers[0], "error")
    identifier = driver.batch(driver.generate())
    item = driver.get(TASKS).body["data"][0]
    assert (len(identifier), item["completed"], item["total"], item["deleted_at"]) == (64, 9, 10, None)
    devices = driver.get(f"/api/tasks/{identifier}/devices").body["data"]
    assert {each["serial"]: each["status"] for each in devices} == {
        router.serial: "failed" if index == 0 else "completed" for index, router in enumerate(driver.routers)
    }


def test_the_list_holds_the_passwords_in_force() -> None:
    driver = Driver()
    header, *lines = driver.downloaded(driver.generate())
    assert header == ["serial", "password"]
    assert {row[0]: row[1] for row in lines} == {router.serial: router.password for router in driver.routers}


@pytest.mark.parametrize("position", ["400", "404"])
def test_a_list_is_given_once(position: str) -> None:
    driver = Driver(second_download=position)
    path = f"/api/tasks/{driver.batch(driver.generate())}/download/passwords"
    first = driver.get(path)
    assert (first.status, first.content_type) == (200, "application/csv")
    assert driver.get(path).status == int(position)


def test_a_downloaded_batch_is_marked_or_disappears() -> None:
    kept, gone = Driver(), Driver(after_download="disappears")
    for driver in (kept, gone):
        driver.downloaded(driver.generate())
    assert kept.get(TASKS).body["data"][0]["deleted_at"]
    assert gone.get(TASKS).body["data"] == []


@pytest.mark.parametrize("position", ["present", "absent"])
def test_failed_and_running_routers_in_the_list(position: str) -> None:
    driver = Driver(csv_failed_rows=position, csv_running_rows=position)
    failed, running = driver.routers[:2]
    change_fate(driver, failed, "error")
    change_fate(driver, running, "goes_offline_midway")
    listed = {row[0]: row[1] for row in driver.downloaded(driver.generate())[1:]}
    assert (failed.serial in listed, running.serial in listed) == ((position == "present"),) * 2
    assert listed.get(failed.serial) != failed.password


def test_the_form_of_the_list_can_be_changed() -> None:
    driver = Driver(
        routers=20,
        csv_columns="Name,Serial,MAC,Password",
        csv_header=False,
        csv_bom=True,
        csv_separator="semicolon",
        csv_quotes="all",
        csv_newline="lf",
    )
    content = driver.get(f"/api/tasks/{driver.batch(driver.generate())}/download/passwords").body
    assert content.startswith(b'\xef\xbb\xbf"')
    assert b"\r" not in content
    lines = list(csv.reader(io.StringIO(content.decode("utf-8-sig")), delimiter=";"))
    assert lines == [[router.name, router.serial, router.mac, router.password] for router in driver.routers]


@pytest.mark.parametrize(("position", "status"), [("allowed", 200), ("400", 400)])
def test_an_early_download(position: str, status: int) -> None:
    driver = Driver(download_early=position, device_seconds=10.0)
    path = f"/api/tasks/{driver.batch(driver.generate())}/download/passwords"
    assert driver.get(path).status == status
    driver.clock.advance(11)
    assert driver.get(path).status == (400 if status == 200 else 200)


def test_somebody_else_may_generate_at_the_same_moment() -> None:
    driver = Driver(interloper_batches=2)
    driver.generate()
    batches = driver.get(TASKS).body["data"]
    mine = {str(router.id) for router in driver.routers}
    members = [{str(each["id"]) for each in driver.get(f"/api/tasks/{batch['id']}/devices").body["data"]} for batch in batches]
    assert members.count(mine) == 1
    assert sum(not mine & each for each in members) == 2


def test_batches_can_be_listed_late_and_in_either_order() -> None:
    driver = Driver(task_delay_seconds=5.0)
    driver.generate(routers=driver.routers[:1])
    assert driver.get(TASKS).body["data"] == []
    driver.clock.advance(6)
    driver.generate(routers=driver.routers[1:3])
    driver.clock.advance(6)
    assert [each["total"] for each in driver.get(TASKS).body["data"]] == [2, 1]
    change(driver.switches, {"task_list_order": "oldest_first"})
    assert [each["total"] for each in driver.get(TASKS).body["data"]] == [1, 2]


@pytest.mark.parametrize("position", ["guaranteed", "random"])
def test_generated_passwords_have_the_length_and_by_choice_every_class(position: str) -> None:
    driver = Driver(routers=200, generated_classes=position, device_policy_enforced=False)
    driver.generate(8, 1)
    made = [router.password for router in driver.routers]
    assert {len(password) for password in made} == {8}
    complete = [all(any(test(each) for each in word) for test in (str.isupper, str.islower, str.isdigit)) for word in made]
    assert all(complete) is (position == "guaranteed")


# Quota (5.1, 11)


def test_the_quota_ends_and_can_recover() -> None:
    driver = Driver(rate_limit_after=2, retry_after="7", rate_limit_recovers_seconds=10.0)
    assert [driver.get("/api/devices").status for _each in range(3)] == [200, 200, 429]
    assert driver.get("/api/devices").headers == {"Retry-After": "7"}
    driver.clock.advance(11)
    assert driver.get("/api/devices").status == 200


def test_the_quota_says_nothing_of_when_by_default() -> None:
    driver = Driver(rate_limit_after=1)
    driver.get("/api/devices")
    assert driver.get("/api/devices").headers == {}
    driver.clock.advance(10_000)
    assert driver.get("/api/devices").status == 429


@pytest.mark.parametrize("counted", [True, False])
def test_polls_may_count_in_the_quota(counted: bool) -> None:
    driver = Driver(rate_limit_after=1, polls_count=counted)
    assert driver.poll(driver.set()).status == (429 if counted else 200)


# Fleet, switches and the way a test reads the truth


def test_the_same_seed_gives_the_same_fleet_and_awkward_names() -> None:
    fleets = [make_fleet(100, 7, 0.0) for _each in range(2)]
    assert [dataclasses.asdict(router) for router in fleets[0]] == [dataclasses.asdict(router) for router in fleets[1]]
    routers = list(fleets[0])
    assert any(router.serial.startswith("0") for router in routers)
    assert len({router.name for router in routers}) < 100 == len({router.host for router in routers})
    assert len({router.mac for router in routers}) == 100
    assert len({router.firmware for router in routers}) > 5


def test_a_router_asked_twice_shows_in_the_audit() -> None:
    driver = Driver()
    driver.set()
    driver.set("Another-42-Harbour")
    assert [entry["request"] for entry in driver.routers[0].asked] == [1, 2]
    assert [entry["password"] for entry in driver.routers[0].history[1:]] == [GOOD, "Another-42-Harbour"]


@pytest.mark.parametrize(
    "changes",
    [{"nonsense": 1}, {"second_download": "500"}, {"pending_polls": "1"}, {"pending_polls": -1}, {"two_factor": 1}, {"fates": []}],
)
def test_a_switch_turned_wrongly_is_refused_and_changes_nothing(changes: dict[str, Any]) -> None:
    switches = Switches()
    with pytest.raises(SwitchError):
        change(switches, {"two_factor": True, **changes})
    assert switches == Switches()


@pytest.mark.parametrize("fates", [{"nobody": "ok"}, {"*": "nonsense"}])
def test_a_fate_or_router_that_does_not_exist_is_refused(fates: dict[str, str]) -> None:
    with pytest.raises(SwitchError):
        Driver(fates=fates)


def test_representations_hold_no_password() -> None:
    driver = Driver()
    driver.set()
    assert not any(router.password in repr(router) for router in driver.routers)
