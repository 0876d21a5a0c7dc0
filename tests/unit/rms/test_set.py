# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Setting passwords through the simulated RMS: what a router that answers so, or does not answer, ends as."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import pytest

from simulators.rms import RmsSimulator

from .conftest import Caller

SET, UPLOAD = "/devices/passwords/set", "/devices/passwords/upload"
_numbers = itertools.count(1)


def fresh() -> str:
    """A password that meets every rule and that nobody has."""
    return f"Vexing-{next(_numbers):04d}-Harbour"


def devices(serials: list[str], password: str | None = None) -> list[dict[str, Any]]:
    return [{"serial": serial, "password": password or fresh()} for serial in serials]


def changes(fleet: RmsSimulator) -> list[dict[str, Any]]:
    return [entry for entry in fleet.log() if entry["method"] != "GET"]


def asked(entry: dict[str, Any]) -> int:
    """For how many routers a request was."""
    return len(entry["devices"])


@pytest.mark.parametrize("method", ["set", "upload"])
def test_every_router_gets_its_own_password_with_one_request(fleet: RmsSimulator, serials: list[str], call: Caller, method: str) -> None:
    wanted = devices(serials)
    answer = call(devices=wanted, rms_method=method)
    assert answer.failed is None
    assert answer.result["summary"] == {"changed": 12, "unchanged": 0, "failed": 0, "unknown": 0}
    assert answer.result["changed"] is True
    assert fleet.passwords() == {element["serial"]: element["password"] for element in wanted}
    assert len(changes(fleet)) == 1
    assert answer.result["requests"] == len(fleet.log())
    assert [device["serial"] for device in answer.result["devices"]] == serials


def test_batches_are_all_sent_before_the_waiting_begins(fleet: RmsSimulator, serials: list[str], call: Caller) -> None:
    answer = call(devices=devices(serials), batch_size=5)
    assert answer.result["summary"]["changed"] == 12
    methods = [entry["method"] for entry in fleet.log()]
    assert methods[:4] == ["GET", "POST", "POST", "POST"]
    assert "POST" not in methods[4:]
    assert answer.result["requests"] == len(methods)


def test_ids_given_by_router_info_save_the_look_up(fleet: RmsSimulator, serials: list[str], call: Caller) -> None:
    ids = {serial: router["id"] for serial, router in fleet.truth().items()}
    answer = call(devices=[{**element, "id": ids[element["serial"]]} for element in devices(serials)])
    assert answer.result["summary"]["changed"] == 12
    assert fleet.log()[0]["method"] == "POST"


@pytest.mark.parametrize(
    "switches",
    [
        {"channel_not_found_polls": 3},
        {"channel_not_found_polls": 2, "channel_not_found_status": 400},
        {"channel_not_found_polls": 0, "channel_missing_polls": 2},
        {"pending_polls": 2},
        {"pending_polls": 2, "running_word": "in_progress"},
        {"channel_shape": "object"},
        {"channel_shape": "wrapped"},
        {"numbers_as_strings": True},
        {"channel_out_of_order": False},
        {"device_seconds": 1.0, "device_jitter_seconds": 1.0},
        {"list_limit_max": 5},
        {"list_limit_max": 5, "list_total": "absent"},
        {"list_total": "too_large"},
    ],
    ids=str,
)
def test_every_way_rms_may_talk_is_understood(fleet: RmsSimulator, serials: list[str], call: Caller, switches: dict[str, Any]) -> None:
    fleet.set(**switches)
    answer = call(devices=devices(serials), deadline=15)
    assert answer.failed is None
    assert answer.result["summary"]["changed"] == 12
    assert answer.result["requests"] == len(fleet.log())


@pytest.mark.parametrize("offline_status", ["zero", "null"])
def test_an_offline_router_is_not_asked(fleet: RmsSimulator, serials: list[str], call: Caller, offline_status: str) -> None:
    fleet.set(offline_status=offline_status)
    fleet.router(serials[0], online=False)
    before = fleet.passwords()[serials[0]]
    answer = call(devices=devices(serials))
    assert answer.told(serials[0]) == ("failed", "offline")
    assert answer.devices[serials[0]]["retryable"] is True
    assert answer.result["summary"]["changed"] == 11
    assert fleet.passwords()[serials[0]] == before
    assert asked(changes(fleet)[0]) == 11


@pytest.mark.parametrize(
    ("fate", "status", "reason"),
    [
        ("rejected_by_policy", "failed", "rejected_by_policy"),
        ("error", "unknown", "rejected"),
        ("error_after_change", "unknown", "rejected"),
        ("not_authenticated", "failed", "unauthorized"),
        ("no_credit", "failed", "unauthorized"),
        ("warning", "unknown", "warning"),
        ("warning_after_change", "unknown", "warning"),
        ("same_password", "unknown", "same_password"),
        ("goes_offline_midway", "unknown", "timeout"),
        ("goes_silent_after_change", "unknown", "timeout"),
        ("never_reported", "unknown", "timeout"),
    ],
)
@pytest.mark.parametrize("echo", [False, True])
def test_one_routers_fate_is_its_own(
    fleet: RmsSimulator, serials: list[str], call: Caller, fate: str, status: str, reason: str, echo: bool
) -> None:
    fleet.set(echo_passwords=echo)
    ids = {serial: router["id"] for serial, router in fleet.truth().items()}
    wanted = [{**element, "id": ids[element["serial"]]} for element in devices(serials[:3])]
    fleet.router(serials[1], fate=fate)
    answer = call(devices=wanted, deadline=3)
    assert answer.told(serials[1]) == (status, reason)
    assert answer.result["summary"]["changed"] == 2
    assert wanted[1]["password"] not in str(answer.result)
    assert answer.devices[serials[1]]["message"]


@pytest.mark.parametrize("fate", ["error", "error_after_change"])
@pytest.mark.parametrize("text", ["Disconnected.", "Internal error", "Failed", "Unknown error.", ""])
def test_an_error_that_leaves_the_outcome_open_never_says_that_the_old_password_is_in_force(
    fleet: RmsSimulator, serials: list[str], call: Caller, fate: str, text: str
) -> None:
    fleet.set(error_text=text)
    for serial in serials[:3]:
        fleet.router(serial, fate=fate)
    answer = call(devices=devices(serials[:3]))
    assert {answer.told(serial) for serial in serials[:3]} == {("unknown", "rejected")}


@pytest.mark.parametrize("word", ["error", "completed"])
@pytest.mark.parametrize("text", ["Password is the same. Use a different new password.", "It must not be the same as the current password"])
def test_what_rms_says_of_the_same_password_is_no_proof(
    fleet: RmsSimulator, serials: list[str], call: Caller, word: str, text: str
) -> None:
    fleet.set(same_password=word, same_password_text=text)
    for serial in serials[:3]:
        fleet.router(serial, fate="same_password")
    answer = call(devices=devices(serials[:3]))
    assert {answer.told(serial) for serial in serials[:3]} == {("unknown", "same_password") if word == "error" else ("changed", "")}
    assert answer.result["summary"]["unchanged"] == 0


@pytest.mark.parametrize("wanted", [1, 3, 12])
def test_a_serial_that_rms_lists_twice_is_a_conflict_and_not_asked(
    fleet: RmsSimulator, serials: list[str], call: Caller, wanted: int
) -> None:
    fleet.set(stale_serials=serials[:1], list_limit_max=5)
    answer = call(devices=devices(serials[:wanted]))
    assert answer.told(serials[0]) == ("failed", "conflict")
    assert answer.result["summary"]["changed"] == wanted - 1
    assert not changes(fleet) or asked(changes(fleet)[0]) == wanted - 1


def test_a_run_that_ended_sends_nothing_and_one_that_ended_while_sending_is_told(
    fleet: RmsSimulator, serials: list[str], call: Caller
) -> None:
    call.may_change = lambda: False
    answer = call(devices=devices(serials[:2]))
    assert {answer.told(serial) for serial in serials[:2]} == {("failed", "not_sent")}
    assert changes(fleet) == []
    assert not any(device["sent_late"] for device in answer.result["devices"])
    answers = iter([True, True, False])
    call.may_change = lambda: next(answers)
    answer = call(devices=devices(serials[:2]))
    assert {answer.told(serial)[0] for serial in serials[:2]} == {"changed"}
    assert all(device["sent_late"] for device in answer.result["devices"])


@pytest.mark.parametrize("path", ["/api/devices", SET, "/status/channel/*"])
def test_rms_that_answers_one_byte_at_a_time_does_not_hold_a_task_past_its_deadline(
    fleet: RmsSimulator, serials: list[str], call: Caller, path: str
) -> None:
    fleet.set(faults=[{"kind": "trickle", "path": path, "seconds": 0.2, "times": 0}])
    started = time.monotonic()
    answer = call(devices=devices(serials[:2]), deadline=3, timeout=60)
    assert time.monotonic() - started < 12  # the deadline, and the grace of a request on its way
    assert answer.result["summary"]["changed"] == 0


def test_rms_without_tls_is_warned_of_unless_it_is_on_this_host(fleet: RmsSimulator, serials: list[str], call: Caller) -> None:
    assert call(devices=devices(serials[:1])).warnings == []
    call.url = "http://user:p4ss@rms.invalid/api"
    answer = call(devices=devices(serials[:1]))
    assert answer.warnings == [
        "RMS is spoken to at http://rms.invalid/api without TLS: the token and every password can be read on the way."
    ]
    assert answer.failed is not None
    assert "RMS cannot be read at http://rms.invalid/api: no connection" in answer.failed
    assert "p4ss" not in answer.failed


def test_a_device_that_goes_offline_between_list_and_change_failed(fleet: RmsSimulator, serials: list[str], call: Caller) -> None:
    ids = {serial: router["id"] for serial, router in fleet.truth().items()}
    fleet.router(serials[0], online=False)
    answer = call(devices=[{**element, "id": ids[element["serial"]]} for element in devices(serials[:2])])
    assert answer.told(serials[0]) == ("failed", "offline")
    assert answer.told(serials[1]) == ("changed", "")


def test_an_unknown_serial_among_devices_is_its_own_failure(fleet: RmsSimulator, serials: list[str], call: Caller) -> None:
    answer = call(devices=devices(["0000000000", *serials[:3]]))
    assert answer.told("0000000000") == ("failed", "not_found")
    assert answer.devices["0000000000"]["retryable"] is False
    assert answer.result["summary"]["changed"] == 3


def test_a_serial_is_compared_exactly_and_with_its_zeros(fleet: RmsSimulator, serials: list[str], call: Caller) -> None:
    zeros = next(serial for serial in serials if serial.startswith("0"))
    answer = call(devices=devices([zeros.lstrip("0"), zeros[:-1]]))
    assert answer.result["summary"]["failed"] == 2
    assert changes(fleet) == []
    assert call(devices=devices([zeros])).result["summary"]["changed"] == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (lambda serials: {"devices": devices([serials[0], serials[0]])}, "more than once"),
        (lambda serials: {"devices": [{"serial": serial, "id": 1, "password": fresh()} for serial in serials[:2]]}, "the id 1"),
        (lambda serials: {"devices": [{"serial": serials[0]}]}, "no password"),
        (lambda serials: {"devices": [{"serial": "  ", "password": fresh()}]}, "empty serial"),
        (lambda serials: {"devices": devices(serials), "batch_size": 0}, "batch_size"),
        (lambda serials: {"devices": devices(serials), "deadline": 0}, "deadline"),
        (lambda serials: {"devices": devices(serials), "rms_token": ""}, "rms_token"),
        (lambda serials: {"devices": devices(serials), "rms_token": "two words"}, "rms_token"),
        (lambda serials: {"devices": devices(serials), "rms_url": "rms.example.com/api"}, "rms_url"),
        (lambda serials: {"devices": devices(serials), "rms_url": "https://rms.example.com/v1"}, "rms_status_url"),
        *(
            (lambda serials, password=password: {"devices": devices(serials, password)}, words)
            for password, words in [
                ("Ab1-", "8"),
                ("Ab1-" * 9, "32"),
                ("no-upper-42", "upper"),
                ("NO-LOWER-42", "lower"),
                ("No-Digit-Here", "digit"),
            ]
        ),
    ],
)
def test_bad_input_stops_before_anything_is_changed(
    fleet: RmsSimulator, serials: list[str], call: Caller, options: Any, words: str
) -> None:
    given = options(serials)
    answer = call(**given)
    assert answer.failed is not None
    assert words in answer.failed
    assert answer.result["reason"] == "bad_input"
    assert len(answer.result["devices"]) == len(given["devices"])
    assert answer.result["summary"]["failed"] == len(given["devices"])
    assert changes(fleet) == []
    assert "two words" not in str(answer.result) + answer.failed
    for element in given["devices"]:
        assert not element.get("password") or element["password"] not in str(answer.result) + answer.failed


def test_a_special_character_is_demanded_where_the_firmware_is_known_to(fleet: RmsSimulator, serials: list[str], call: Caller) -> None:
    firmwares = {serial: router["firmware"] for serial, router in fleet.truth().items()}
    strict = next(serial for serial in serials if "07.1" in firmwares[serial] and firmwares[serial].split(".")[2] >= "13")
    answer = call(devices=devices([strict], "NoSpecial42x"))
    assert answer.failed is not None
    assert strict in answer.failed
    assert answer.told(strict) == ("failed", "rejected_by_policy")
    identifier = fleet.truth()[strict]["id"]
    assert call(devices=[{"serial": strict, "id": identifier, "password": "NoSpecial42x"}]).failed is None


class TestCsv:
    def test_a_file_sets_what_it_says(self, fleet: RmsSimulator, serials: list[str], call: Caller, tmp_path: Path) -> None:
        rows = {serial: fresh() for serial in serials[:3]}
        path = tmp_path / "handover.csv"
        path.write_text("serial;password\n" + "".join(f"{serial};{password}\n" for serial, password in rows.items()))
        assert call(csv=str(path)).result["summary"]["changed"] == 3
        assert {serial: fleet.passwords()[serial] for serial in rows} == rows

    @pytest.mark.parametrize(
        ("row", "words"),
        [
            ("0000000000,Vexing-42-Harbour", "known"),
            ("0000000000", "column"),
            ("0000000000,short", "known"),
            ("{first},Vexing-42-Harbour", "line 1"),
            ("{second},short", "characters"),
            ("{second},", "empty"),
        ],
    )
    def test_one_bad_row_stops_everything_and_is_named(
        self, fleet: RmsSimulator, serials: list[str], call: Caller, tmp_path: Path, row: str, words: str
    ) -> None:
        path = tmp_path / "handover.csv"
        good = f"{serials[0]},{fresh()}"
        path.write_text(f"{good}\n{row.format(first=serials[0], second=serials[1])}\n")
        answer = call(csv=str(path))
        assert answer.failed is not None
        assert "line 2" in answer.failed
        assert words in answer.failed
        assert changes(fleet) == []
        assert good.partition(",")[2] not in str(answer.result) + answer.failed

    def test_a_missing_file_is_bad_input(self, fleet: RmsSimulator, call: Caller, tmp_path: Path) -> None:
        answer = call(csv=str(tmp_path / "none.csv"))
        assert answer.result["reason"] == "bad_input"
        assert fleet.log() == []


class TestCheckMode:
    def test_says_what_it_would_do_and_only_reads(self, fleet: RmsSimulator, serials: list[str], call: Caller, tmp_path: Path) -> None:
        fleet.router(serials[0], online=False)
        generated = tmp_path / "list.csv"
        generated.write_text("precious")
        for options in (
            {"devices": devices(["0000000000", *serials])},
            {"devices": [{"serial": serial} for serial in ["0000000000", *serials]], "generate": {}, "generated_csv": str(generated)},
        ):
            answer = call(check_mode=True, on_device_failure="fail", **options)
            assert answer.failed is None
            assert answer.result["changed"] is True
            assert answer.told(serials[0]) == ("failed", "offline")
            assert answer.told("0000000000") == ("failed", "not_found")
            assert answer.told(serials[1]) == ("changed", "would_change")
        assert changes(fleet) == []
        assert [path.name for path in tmp_path.iterdir()] == ["list.csv"]
        assert generated.read_text() == "precious"

    def test_bad_passwords_fail_there_too(self, fleet: RmsSimulator, serials: list[str], call: Caller) -> None:
        assert call(check_mode=True, devices=devices(serials, "short")).failed is not None


class TestDeviceFailures:
    def test_fail_the_task_with_all_that_is_known(self, fleet: RmsSimulator, serials: list[str], call: Caller) -> None:
        fleet.router(serials[1], fate="error")
        answer = call(devices=devices(serials[:3]), on_device_failure="fail")
        assert answer.failed is not None
        assert serials[1] in answer.failed
        assert answer.result["summary"] == {"changed": 2, "unchanged": 0, "failed": 0, "unknown": 1}
        assert answer.result["changed"] is True
        assert "reason" not in answer.result

    def test_are_only_told_when_asked_so(self, fleet: RmsSimulator, serials: list[str], call: Caller) -> None:
        fleet.router(serials[1], fate="error")
        assert call(devices=devices(serials[:3]), on_device_failure="report").failed is None


class TestFaults:
    """Faults of the wire and of the service as a whole, at the request that changes."""

    @pytest.mark.parametrize("path", [SET, UPLOAD])
    @pytest.mark.parametrize(
        "fault",
        [
            {"kind": "cut", "when": "before_change"},
            {"kind": "cut", "when": "after_change"},
            {"kind": "cut", "when": "after_change", "how": "close"},
            {"kind": "hang", "when": "after_change", "seconds": 5},
            {"kind": "cut_body", "when": "after_change", "bytes": 20},
            {"kind": "status", "when": "after_change", "status": 500},
            {"kind": "status", "when": "after_change", "status": 504},
            {"kind": "not_json", "when": "after_change"},
            {"kind": "empty", "when": "after_change"},
            {"kind": "wrong_shape", "when": "after_change", "shape": "no_meta"},
            {"kind": "wrong_shape", "when": "after_change", "shape": "no_channel"},
            {"kind": "wrong_shape", "when": "after_change", "shape": "top_list"},
        ],
        ids=lambda fault: " ".join(map(str, fault.values())),
    )
    def test_an_answer_that_is_lost_is_unknown_and_never_asked_for_again(
        self, fleet: RmsSimulator, serials: list[str], call: Caller, path: str, fault: dict[str, Any]
    ) -> None:
        fleet.set(faults=[{"method": "POST", "path": path, **fault}])
        answer = call(devices=devices(serials[:2]), rms_method="upload" if path == UPLOAD else "set", timeout=1)
        assert answer.result["summary"]["unknown"] == 2
        assert {device["reason"] for device in answer.result["devices"]} <= {"timeout", "interrupted", "protocol"}
        assert all(device["retryable"] for device in answer.result["devices"])
        if fault["kind"] != "hang":  # It stands in the log when the simulator gives it up.
            assert [entry["path"] for entry in changes(fleet) if entry["path"].endswith(path)] == [f"/api{path}"]
        assert answer.result["requests"] == 3  # two look-ups and the change

    def test_after_two_lost_answers_no_more_is_sent(self, fleet: RmsSimulator, serials: list[str], call: Caller) -> None:
        fleet.set(faults=[{"kind": "status", "status": 502, "method": "POST", "path": SET, "times": 0}])
        answer = call(devices=devices(serials), batch_size=3)
        assert answer.result["summary"] == {"changed": 0, "unchanged": 0, "failed": 6, "unknown": 6}
        assert [answer.told(serial)[1] for serial in serials[6:]] == ["not_sent"] * 6
        assert answer.failed is not None
        assert len(changes(fleet)) == 2

    def test_one_lost_answer_does_not_stop_the_others(self, fleet: RmsSimulator, serials: list[str], call: Caller) -> None:
        fleet.set(faults=[{"kind": "cut", "method": "POST", "path": SET, "nth": 2}])
        answer = call(devices=devices(serials), batch_size=4)
        assert answer.result["summary"] == {"changed": 8, "unchanged": 0, "failed": 0, "unknown": 4}
        assert answer.failed is None

    def test_a_service_that_is_not_there_failed_and_nothing_was_sent(self, fleet: RmsSimulator, serials: list[str], call: Caller) -> None:
        call.url = "http://127.0.0.1:9/api"
        answer = call(devices=devices(serials[:2]), timeout=1)
        assert answer.result["summary"]["failed"] == 2
        assert answer.result["reason"] == "unreachable"
        assert all(device["retryable"] for device in answer.result["devices"])

    @pytest.mark.parametrize("missing_scope", ["403", "404"])
    @pytest.mark.parametrize("scopes", [["devices:read"], []])
    def test_a_token_without_the_scope_fails_the_task_and_says_so(
        self, fleet: RmsSimulator, serials: list[str], call: Caller, scopes: list[str], missing_scope: str
    ) -> None:
        fleet.set(scopes=scopes, missing_scope=missing_scope)
        answer = call(devices=devices(serials), batch_size=5)
        assert answer.failed is not None
        assert "device passwords scope" in answer.failed
        assert answer.result["reason"] == "unauthorized"
        assert answer.result["summary"]["failed"] == 12
        assert len(changes(fleet)) == (1 if scopes else 0)

    def test_a_wrong_token_is_unauthorized_and_not_shown(self, fleet: RmsSimulator, serials: list[str], call: Caller) -> None:
        answer = call(devices=devices(serials), rms_token="wrong-token-123")
        assert answer.result["reason"] == "unauthorized"
        assert "wrong-token-123" not in str(answer.result) + str(answer.failed)

    def test_two_factor_demanded_is_unauthorized(self, fleet: RmsSimulator, serials: list[str], call: Caller) -> None:
        fleet.set(two_factor=True)
        assert call(devices=devices(serials)).result["reason"] == "unauthorized"

    @pytest.mark.parametrize("retry_after", ["", "3600"])
    def test_a_spent_quota_fails_the_task_at_once(self, fleet: RmsSimulator, serials: list[str], call: Caller, retry_after: str) -> None:
        fleet.set(faults=[{"kind": "status", "status": 429, "retry_after": retry_after, "method": "POST", "path": SET, "times": 0}])
        answer = call(devices=devices(serials), batch_size=5)
        assert answer.result["reason"] == "quota"
        assert answer.result["summary"]["failed"] == 12
        assert len(changes(fleet)) == 1
        assert answer.told(serials[0]) == ("failed", "quota")
        assert answer.told(serials[11]) == ("failed", "not_sent")

    def test_a_short_pause_asked_for_is_kept_once(self, fleet: RmsSimulator, serials: list[str], call: Caller) -> None:
        fault = {"kind": "status", "status": 429, "retry_after": "1", "method": "POST", "path": SET}
        fleet.set(faults=[fault])
        assert call(devices=devices(serials)).result["summary"]["changed"] == 12
        fleet.set(faults=[{**fault, "times": 0}])
        fleet.clear_log()
        assert call(devices=devices(serials)).result["reason"] == "quota"
        assert len(changes(fleet)) == 2

    def test_a_quota_spent_while_waiting_leaves_the_open_ones_unknown(self, fleet: RmsSimulator, serials: list[str], call: Caller) -> None:
        fleet.set(rate_limit_after=2)
        answer = call(devices=devices(serials))
        assert answer.result["reason"] == "quota"
        assert answer.result["summary"]["unknown"] == 12

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_channel_that_refuses_the_token_leaves_unknown(
        self, fleet: RmsSimulator, serials: list[str], call: Caller, status: int
    ) -> None:
        fleet.set(faults=[{"kind": "status", "status": status, "path": "/status/channel/*", "times": 0}])
        answer = call(devices=devices(serials[:2]))
        assert answer.result["reason"] == "unauthorized"
        assert answer.result["summary"]["unknown"] == 2

    @pytest.mark.parametrize("kind", ["cut", "not_json", "empty", "success_false", "status"])
    def test_a_poll_that_fails_is_made_up_for_by_the_next(self, fleet: RmsSimulator, serials: list[str], call: Caller, kind: str) -> None:
        fleet.set(channel_not_found_polls=0, faults=[{"kind": kind, "path": "/status/channel/*", "times": 2}])
        answer = call(devices=devices(serials))
        assert answer.result["summary"]["changed"] == 12
        assert answer.result["requests"] == len(fleet.log())

    def test_a_channel_that_expires_leaves_unknown_before_the_deadline(self, fleet: RmsSimulator, serials: list[str], call: Caller) -> None:
        fleet.set(channel_not_found_polls=0, channel_expires_seconds=1.0)
        fleet.router(serials[0], fate="goes_offline_midway")
        answer = call(devices=devices(serials[:2]), deadline=60)
        assert answer.told(serials[0]) == ("unknown", "timeout")
        assert answer.told(serials[1]) == ("changed", "")

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("{id}", {0: "not_found", 1: "", 2: ""}),
            ("{serial}", {0: "not_found", 1: "", 2: ""}),
        ],
    )
    def test_a_refusal_that_names_a_router_costs_only_that_one(
        self, fleet: RmsSimulator, serials: list[str], call: Caller, source: str, expected: dict[int, str]
    ) -> None:
        # error_source indexed is RMS's own way in the simulator to name an element of the request
        fleet.set(error_source="indexed")
        ids = {serial: router["id"] for serial, router in fleet.truth().items()}
        given = [{**element, "id": ids[element["serial"]]} for element in devices(serials[:3])]
        given[0]["id"] = 999_999
        answer = call(devices=given)
        assert [answer.told(serials[number])[1] for number in expected] == list(expected.values())
        assert [asked(entry) for entry in changes(fleet)] == [3, 2]

    def test_a_refusal_that_names_nobody_costs_all_and_is_not_repeated(self, fleet: RmsSimulator, serials: list[str], call: Caller) -> None:
        fleet.set(max_devices_per_call=2)
        answer = call(devices=devices(serials[:3]))
        assert answer.result["summary"]["failed"] == 3
        assert answer.failed is None
        assert len(changes(fleet)) == 1

    def test_success_false_with_200_is_a_refusal(self, fleet: RmsSimulator, serials: list[str], call: Caller) -> None:
        fleet.set(faults=[{"kind": "success_false", "method": "POST", "path": SET, "when": "before_change"}])
        answer = call(devices=devices(serials[:2]))
        assert answer.result["summary"]["failed"] == 2

    def test_a_redirect_is_not_followed(self, fleet: RmsSimulator, serials: list[str], call: Caller) -> None:
        fleet.set(faults=[{"kind": "redirect", "method": "POST", "path": SET, "when": "before_change", "location": "/elsewhere"}])
        answer = call(devices=devices(serials[:2]))
        assert answer.result["summary"]["failed"] == 2
        assert answer.result["reason"] == "protocol"
        assert len(fleet.log()) == len([entry for entry in fleet.log() if "elsewhere" not in entry["path"]])

    def test_the_list_of_devices_unreadable_stops_before_the_change(self, fleet: RmsSimulator, serials: list[str], call: Caller) -> None:
        fleet.set(faults=[{"kind": "status", "status": 503, "path": "/api/devices", "times": 0}])
        answer = call(devices=devices(serials))
        assert answer.result["reason"] == "unreachable"
        assert changes(fleet) == []

    def test_pages_that_repeat_are_noticed(self, fleet: RmsSimulator, serials: list[str], call: Caller) -> None:
        fleet.set(list_limit_max=5, repeat_pages=True)
        answer = call(devices=devices(serials))
        assert answer.result["reason"] == "protocol"
        assert len(fleet.log()) == 2


class TestUpload:
    @pytest.mark.parametrize("source", ["serial", "id"])
    def test_a_part_that_is_refused_by_name_is_not_waited_for(
        self, fleet: RmsSimulator, serials: list[str], call: Caller, source: str
    ) -> None:
        fleet.set(upload_error_source=source, rms_rule="page")
        ids = {serial: router["id"] for serial, router in fleet.truth().items()}
        strict = next(s for s in serials if fleet.truth()[s]["firmware"].split("_R_")[-1] >= "00.07.13")
        other = next(s for s in serials if s != strict)
        given = [
            {"serial": strict, "id": ids[strict], "password": "NoSpecial42x"},
            {"serial": other, "id": ids[other], "password": fresh()},
        ]
        answer = call(devices=given, rms_method="upload")
        assert answer.told(strict) == ("failed", "rejected_by_policy")
        assert answer.told(other) == ("changed", "")
        assert changes(fleet)[0]["status"] == 207
        assert len(changes(fleet)) == 1

    def test_a_conflict_is_a_failure_to_try_again(self, fleet: RmsSimulator, serials: list[str], call: Caller) -> None:
        fleet.set(device_seconds=30)
        call(devices=devices(serials[:2]), deadline=1)
        fleet.set(device_seconds=0)
        answer = call(devices=devices(serials[:2]), rms_method="upload")
        assert {answer.told(serial) for serial in serials[:2]} == {("failed", "conflict")}
        assert all(device["retryable"] for device in answer.result["devices"])
        fleet.advance(60)

    @pytest.mark.parametrize("password", ["Comma,42-x", 'Quote"42-x', "Semi;42-xx"])
    def test_a_password_that_is_risky_in_a_file_arrives_and_is_warned_of(
        self, fleet: RmsSimulator, serials: list[str], call: Caller, password: str
    ) -> None:
        answer = call(devices=devices(serials[:1], password), rms_method="upload")
        assert answer.result["summary"]["changed"] == 1
        assert fleet.passwords()[serials[0]] == password
        assert serials[0] in answer.warnings[0]
        assert password not in answer.warnings[0]


def test_passwords_are_never_asked_to_be_shown(fleet: RmsSimulator, serials: list[str], call: Caller) -> None:
    for method in ("set", "upload"):
        call(devices=devices(serials[:2]), rms_method=method)
    assert not any(entry.get("show_password") for entry in changes(fleet))


def test_the_deadline_passed_sends_nothing_more(fleet: RmsSimulator, serials: list[str], call: Caller) -> None:
    fleet.set(latency_ms=1200)
    answer = call(devices=devices(serials[:3]), deadline=1, timeout=5)
    assert answer.result["summary"]["failed"] == 3
    assert changes(fleet) == []
