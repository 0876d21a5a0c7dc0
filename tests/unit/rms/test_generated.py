# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Passwords that RMS makes: the list is on the disk first, counts only where RMS confirms it, and is never lost when something breaks."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import requests

from ansible_collections.keyturn.devices.plugins.module_utils._passwords.one_time_list import Made, read_one_time_list
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._rms import deposit as deposit_module
from ansible_collections.keyturn.devices.plugins.module_utils._rms import generated as generated_module
from ansible_collections.keyturn.devices.plugins.module_utils._rms.deposit import CUT_MARK
from ansible_collections.keyturn.devices.plugins.module_utils._rms.options import rms_client
from ansible_collections.keyturn.devices.plugins.module_utils._rms.outcomes import Target
from simulators.rms import RmsSimulator

from .conftest import Answer, Caller

GENERATE = "/devices/passwords/generate"
DOWNLOAD = "*/download/passwords"


class Asker:
    """Has RMS make passwords for some routers, with the list in a folder of its own."""

    def __init__(self, call: Caller, path: Path) -> None:
        self.call, self.path = call, path

    def __call__(self, serials: list[str], *, check_mode: bool = False, collect: bool = False, **options: Any) -> Answer:
        generate = {"collect": collect, **options.pop("generate", {})}
        return self.call(
            check_mode=check_mode,
            devices=[{"serial": serial} for serial in serials],
            generate=generate,
            generated_csv=str(self.path),
            **options,
        )

    def listed(self, fleet: RmsSimulator) -> dict[str, str]:
        """The passwords that a later reader finds in the file, by serial."""
        truth = fleet.truth()
        identifiers = {serial: [serial, router.get("mac", ""), router.get("name", "")] for serial, router in truth.items()}
        return read_one_time_list(self.path.read_bytes(), identifiers, complete=False, asked=Made()).passwords

    @property
    def names(self) -> list[str]:
        return sorted(path.name for path in self.path.parent.iterdir())


@pytest.fixture
def ask(call: Caller, tmp_path: Path) -> Asker:
    return Asker(call, tmp_path / "list.csv")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that does not appear is given up after two seconds."""
    monkeypatch.setattr(generated_module, "_APPEARS_WITHIN", 2.0)


def paths(fleet: RmsSimulator) -> list[str]:
    return [f"{entry['method']} {entry['path'].removeprefix('/api')}" for entry in fleet.log()]


def downloads(fleet: RmsSimulator) -> int:
    return sum("/download/" in path for path in paths(fleet))


def test_the_list_holds_what_the_routers_took(fleet: RmsSimulator, serials: list[str], ask: Asker) -> None:
    answer = ask(serials, generate={"length": 24})
    assert answer.failed is None
    assert answer.result["summary"]["changed"] == 12
    assert answer.result["list_complete"] is True
    assert "backup_file" not in answer.result
    assert ask.listed(fleet) == fleet.passwords()
    assert {len(password) for password in fleet.passwords().values()} == {24}
    assert stat.S_IMODE(ask.path.stat().st_mode) == 0o600
    assert ask.names == ["list.csv"]
    assert answer.result["requests"] == len(fleet.log())
    assert not any(password in str(answer.result) for password in fleet.passwords().values())


def test_without_special_characters_when_asked_so(fleet: RmsSimulator, serials: list[str], ask: Asker) -> None:
    weak = [serial for serial, router in fleet.truth().items() if router["firmware"].split("_R_")[-1] < "00.07.13"][:2]
    assert ask(weak, generate={"special": False}).result["summary"]["changed"] == 2
    assert all(fleet.passwords()[serial].isalnum() for serial in weak)


def test_without_special_characters_where_the_firmware_demands_them_stops_before(
    fleet: RmsSimulator, serials: list[str], ask: Asker
) -> None:
    answer = ask(serials, generate={"special": False})
    assert answer.result["reason"] == "bad_input"
    assert not any(path.startswith("POST") for path in paths(fleet))


@pytest.mark.parametrize("length", [7, 33])
def test_a_length_that_rms_does_not_make_stops_before(fleet: RmsSimulator, serials: list[str], ask: Asker, length: int) -> None:
    assert ask(serials, generate={"length": length}).result["reason"] == "bad_input"
    assert fleet.log() == []


def test_passwords_given_as_well_stop_before(fleet: RmsSimulator, serials: list[str], call: Caller, tmp_path: Path) -> None:
    answer = call(devices=[{"serial": serials[0], "password": "Vexing-42-Harbour"}], generate={}, generated_csv=str(tmp_path / "l.csv"))
    assert answer.result["reason"] == "bad_input"
    assert fleet.log() == []


@pytest.mark.parametrize(
    "switches",
    [
        {"csv_columns": "Name,Serial,MAC,Password"},
        {"csv_columns": "name,mac,password"},
        {"csv_columns": "password,serial"},
        {"csv_columns": "serial,password,model"},
        {"csv_columns": "serial,password,status,date", "csv_header": False},
        {"csv_columns": "mac,password,date", "csv_header": False},
        {"csv_header": False},
        {"csv_bom": True, "csv_separator": "semicolon", "csv_quotes": "all", "csv_newline": "lf"},
        {"csv_separator": "tab"},
        {"numbers_as_strings": True},
        {"task_list_order": "oldest_first"},
        {"task_delay_seconds": 1.0},
        {"interloper_batches": 2},
        {"list_limit_max": 3},
        {"after_download": "disappears"},
        {"channel_not_found_polls": 0, "device_seconds": 1.0},
    ],
    ids=str,
)
def test_every_way_a_list_may_look_is_read(fleet: RmsSimulator, serials: list[str], ask: Asker, switches: dict[str, Any]) -> None:
    fleet.set(**switches)
    answer = ask(serials, deadline=10)
    assert answer.failed is None
    assert answer.result["summary"]["changed"] == 12
    assert downloads(fleet) == 1


def test_routers_named_by_id_only_are_found_in_a_list_without_serials(
    fleet: RmsSimulator, serials: list[str], call: Caller, tmp_path: Path
) -> None:
    fleet.set(csv_columns="name,mac,password")
    ids = {serial: router["id"] for serial, router in fleet.truth().items()}
    answer = call(
        devices=[{"serial": serial, "id": ids[serial]} for serial in serials], generate={}, generated_csv=str(tmp_path / "list.csv")
    )
    assert answer.result["summary"]["changed"] == 12


def test_batches_stand_one_after_the_other_in_the_file(fleet: RmsSimulator, serials: list[str], ask: Asker) -> None:
    answer = ask(serials, batch_size=5)
    assert answer.result["summary"]["changed"] == 12
    assert downloads(fleet) == 3
    assert ask.listed(fleet) == fleet.passwords()
    assert ask.names == ["list.csv"]


def test_what_is_there_already_is_set_aside_and_never_overwritten(fleet: RmsSimulator, serials: list[str], ask: Asker) -> None:
    ask.path.write_text("precious\n")
    backups = [ask(serials[:2]).result["backup_file"], ask(serials[:2]).result["backup_file"]]
    assert Path(backups[0]).read_text() == "precious\n"
    assert re.fullmatch(r"list\.csv\.\d{8}T\d{6}Z(-\d+)?~", Path(backups[0]).name)
    assert len(set(backups)) == 2
    assert len(ask.names) == 3


def test_an_empty_file_is_not_set_aside(fleet: RmsSimulator, serials: list[str], ask: Asker) -> None:
    ask.path.touch()
    assert "backup_file" not in ask(serials[:2]).result
    assert ask.names == ["list.csv"]


@pytest.mark.parametrize("rows", ["present", "absent"])
@pytest.mark.parametrize(
    ("fate", "status", "reason"),
    [
        ("error", "unknown", "rejected"),
        ("rejected_by_policy", "failed", "rejected_by_policy"),
        ("warning", "unknown", "warning"),
        ("goes_silent_after_change", "unknown", "timeout"),
        ("goes_offline_midway", "unknown", "timeout"),
    ],
)
def test_a_row_does_not_count_where_rms_does_not_confirm_it(
    fleet: RmsSimulator, serials: list[str], ask: Asker, rows: str, fate: str, status: str, reason: str
) -> None:
    fleet.set(csv_failed_rows=rows, csv_running_rows=rows)
    fleet.router(serials[0], fate=fate)
    answer = ask(serials[:3], deadline=3)
    assert answer.told(serials[0]) == (status, reason)
    assert answer.result["summary"]["changed"] == 2


class TestNoRoom:
    def test_a_folder_that_is_not_there_stops_before(self, fleet: RmsSimulator, serials: list[str], ask: Asker) -> None:
        ask.path = ask.path.parent / "none" / "list.csv"
        assert ask(serials).result["reason"] == "bad_input"
        assert fleet.log() == []

    def test_a_folder_in_the_place_of_the_file_stops_before(self, fleet: RmsSimulator, serials: list[str], ask: Asker) -> None:
        ask.path.mkdir()
        assert ask(serials).result["reason"] == "bad_input"
        assert fleet.log() == []

    def test_a_full_disk_stops_before_rms_is_asked(
        self, fleet: RmsSimulator, serials: list[str], ask: Asker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(_descriptor: int, _content: bytes) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(deposit_module, "_write", full)
        answer = ask(serials)
        assert answer.failed is not None
        assert "No space left" in answer.failed
        assert answer.result["summary"]["failed"] == 12
        assert not any(path.startswith("POST") for path in paths(fleet))
        assert ask.names == []

    def test_a_disk_that_fills_up_meanwhile_keeps_what_it_took_and_says_who_is_unknown(
        self, fleet: RmsSimulator, serials: list[str], ask: Asker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = deposit_module._write
        calls = []

        def fills_up(descriptor: int, content: bytes) -> None:
            calls.append(len(content))
            if len(calls) > 1:
                write(descriptor, content[:100])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            write(descriptor, content)

        monkeypatch.setattr(deposit_module, "_write", fills_up)
        answer = ask(serials)
        known = {serial for serial in serials if answer.told(serial)[0] == "changed"}
        assert {answer.told(serial) for serial in set(serials) - known} == {("unknown", "list_incomplete")}
        assert ask.listed(fleet) == {serial: fleet.passwords()[serial] for serial in known}
        assert len(ask.path.read_bytes()) == 100
        assert answer.result["list_complete"] is False

    def test_a_rename_that_fails_says_where_the_list_is(
        self, fleet: RmsSimulator, serials: list[str], ask: Asker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_source: Path, _target: Path) -> None:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        monkeypatch.setattr(deposit_module.os, "replace", refuse)
        answer = ask(serials)
        assert answer.failed is not None
        assert ".part" in answer.failed
        assert answer.result["summary"]["unknown"] == 12
        (left,) = ask.names
        assert serials[0] in (ask.path.parent / left).read_text()


class TestBroken:
    """Downloads that break off, and answers that are lost."""

    @pytest.mark.parametrize("framing", ["length", "chunked"])
    def test_what_arrived_is_kept_and_exactly_the_others_are_unknown(
        self, fleet: RmsSimulator, serials: list[str], ask: Asker, framing: str
    ) -> None:
        fleet.set(faults=[{"kind": "cut_body", "path": DOWNLOAD, "bytes": 150, "framing": framing}])
        answer = ask(serials)
        kept = ask.path.read_bytes()
        assert len(kept) == 150
        whole = {serial for serial, password in fleet.passwords().items() if f"{serial},{password}\r\n".encode() in kept}
        assert 0 < len(whole) < 12
        assert {serial for serial in serials if answer.told(serial) == ("changed", "")} == whole
        for serial in set(serials) - whole:
            assert answer.told(serial) == ("unknown", "list_incomplete")
            assert "150 bytes" in answer.devices[serial]["message"]
        assert answer.result["list_complete"] is False
        assert ask.listed(fleet) == {serial: fleet.passwords()[serial] for serial in whole}
        assert not any(password in str(answer.result) for password in fleet.passwords().values())

    @pytest.mark.parametrize("length", range(115, 150, 3))
    def test_a_cut_row_never_gives_a_password(self, fleet: RmsSimulator, serials: list[str], ask: Asker, length: int) -> None:
        fleet.set(faults=[{"kind": "cut_body", "path": DOWNLOAD, "bytes": length}])
        answer = ask(serials[:5])
        listed = ask.listed(fleet)
        assert listed == {serial: fleet.passwords()[serial] for serial in listed}
        assert {serial for serial in serials[:5] if answer.told(serial)[0] == "changed"} == set(listed)

    def test_a_broken_batch_is_followed_by_the_next_and_its_cut_row_marked(
        self, fleet: RmsSimulator, serials: list[str], ask: Asker
    ) -> None:
        fleet.set(faults=[{"kind": "cut_body", "path": DOWNLOAD, "bytes": 130}])
        answer = ask(serials, batch_size=6)
        assert [answer.told(serial)[0] for serial in serials[6:]] == ["changed"] * 6
        assert CUT_MARK in ask.path.read_bytes()
        known = {serial for serial in serials if answer.told(serial)[0] == "changed"}
        assert ask.listed(fleet) == {serial: fleet.passwords()[serial] for serial in known}

    @pytest.mark.parametrize("kind", ["cut", "status"])
    def test_a_download_that_did_not_begin_is_tried_again(self, fleet: RmsSimulator, serials: list[str], ask: Asker, kind: str) -> None:
        fleet.set(faults=[{"kind": kind, "path": DOWNLOAD, "when": "before_reading"}])
        assert ask(serials).result["summary"]["changed"] == 12
        assert downloads(fleet) == 2

    def test_a_list_that_cannot_be_had_leaves_unknown_and_an_empty_hand(self, fleet: RmsSimulator, serials: list[str], ask: Asker) -> None:
        fleet.set(faults=[{"kind": "status", "status": 400, "path": DOWNLOAD, "when": "before_reading"}])
        answer = ask(serials)
        assert {answer.told(serial) for serial in serials} == {("unknown", "list_incomplete")}
        assert ask.names == []
        again = ask(serials, collect=True)
        assert again.result["summary"]["changed"] == 12
        assert ask.listed(fleet) == fleet.passwords()

    @pytest.mark.parametrize("fault", [{"kind": "cut"}, {"kind": "not_json"}, {"kind": "status", "status": 504}], ids=str)
    def test_an_answer_that_is_lost_is_made_up_for_by_the_list(
        self, fleet: RmsSimulator, serials: list[str], ask: Asker, fault: dict[str, Any]
    ) -> None:
        fleet.router(serials[3], fate="error")
        fleet.set(faults=[{"method": "POST", "path": GENERATE, "when": "after_change", **fault}])
        answer = ask(serials, deadline=5)
        assert answer.told(serials[3]) == ("unknown", "rejected")
        assert answer.result["summary"]["changed"] == 11
        assert sum(path.startswith("POST") for path in paths(fleet)) == 1

    def test_a_request_that_never_arrived_leaves_unknown(self, fleet: RmsSimulator, serials: list[str], ask: Asker) -> None:
        fleet.set(faults=[{"kind": "cut", "method": "POST", "path": GENERATE, "when": "before_change"}])
        answer = ask(serials, batch_size=6)
        assert [answer.told(serial)[0] for serial in serials] == ["unknown"] * 6 + ["failed"] * 6
        assert answer.told(serials[11])[1] == "not_sent"
        assert ask.names == []

    def test_tasks_that_cannot_be_listed_stop_before(self, fleet: RmsSimulator, serials: list[str], ask: Asker) -> None:
        fleet.set(scopes=["devices:read", "device_passwords:write"])
        answer = ask(serials)
        assert answer.result["reason"] == "unauthorized"
        assert answer.result["summary"]["failed"] == 12
        assert not any(path.startswith("POST") for path in paths(fleet))

    def test_a_quota_spent_before_the_download_leaves_the_list_to_collect(
        self, fleet: RmsSimulator, serials: list[str], ask: Asker
    ) -> None:
        fleet.set(faults=[{"kind": "status", "status": 429, "path": DOWNLOAD, "when": "before_reading"}])
        answer = ask(serials)
        assert answer.result["reason"] == "quota"
        assert answer.result["summary"]["unknown"] == 12
        assert ask(serials, collect=True).result["summary"]["changed"] == 12


class TestCollect:
    def test_nothing_is_changed_and_nothing_found_is_said(self, fleet: RmsSimulator, serials: list[str], ask: Asker) -> None:
        answer = ask(serials[:2], collect=True)
        assert {answer.told(serial)[0] for serial in serials[:2]} == {"unknown"}
        assert not any(path.startswith("POST") for path in paths(fleet))

    def test_the_newest_list_counts(self, fleet: RmsSimulator, serials: list[str], ask: Asker) -> None:
        for _time in range(2):
            fleet.set(faults=[{"kind": "status", "status": 400, "path": DOWNLOAD, "when": "before_reading"}])
            ask(serials[:4])
            fleet.advance(5)
        answer = ask(serials[:4], collect=True)
        assert answer.result["summary"]["changed"] == 4
        assert downloads(fleet) == 3
        assert ask.listed(fleet) == {serial: fleet.passwords()[serial] for serial in serials[:4]}

    def test_what_is_in_the_file_stays_and_a_list_fetched_before_is_not_confirmed(
        self, fleet: RmsSimulator, serials: list[str], ask: Asker
    ) -> None:
        ask(serials[:3])
        before = ask.path.read_bytes()
        answer = ask(serials[:3], collect=True)
        assert {answer.told(serial) for serial in serials[:3]} == {("unknown", "unconfirmed")}
        assert ask.path.read_bytes() == before
        assert ask.names == ["list.csv"]

    def test_what_a_killed_process_left_is_taken_up(self, fleet: RmsSimulator, serials: list[str], ask: Asker) -> None:
        ask(serials[:3])
        left = ask.path.parent / ".list.csv.abcdef.part"
        left.write_bytes(ask.path.read_bytes()[:-5] + bytes(500))
        ask.path.unlink()
        answer = ask(serials[:3], collect=True)
        assert ask.names == ["list.csv"]
        assert b"\0" not in ask.path.read_bytes()
        assert {answer.told(serial)[0] for serial in serials[:3]} == {"unknown"}
        assert len(ask.listed(fleet)) == 2

    def test_what_a_living_process_writes_is_left_alone(self, fleet: RmsSimulator, serials: list[str], ask: Asker) -> None:
        other = deposit_module.FileDeposit(str(ask.path))
        other.reserve(1)
        other.write(b"half a line")
        ask(serials[:1], collect=True)
        assert any(name.endswith(".part") for name in ask.names)
        other.finish(whole=False)
        assert ask.path.read_bytes() == b"half a line"

    def test_a_router_that_failed_then_is_unknown_now(self, fleet: RmsSimulator, serials: list[str], ask: Asker) -> None:
        fleet.router(serials[0], fate="error")
        fleet.set(faults=[{"kind": "status", "status": 400, "path": DOWNLOAD, "when": "before_reading"}])
        ask(serials[:3])
        answer = ask(serials[:3], collect=True)
        assert answer.told(serials[0]) == ("unknown", "rejected")
        assert answer.result["summary"]["changed"] == 2

    def test_an_offline_router_is_looked_for_as_well(self, fleet: RmsSimulator, serials: list[str], ask: Asker) -> None:
        fleet.set(faults=[{"kind": "status", "status": 400, "path": DOWNLOAD, "when": "before_reading"}])
        ask(serials[:3])
        fleet.router(serials[0], online=False)
        assert ask(serials[:3], collect=True).result["summary"]["changed"] == 3

    def test_a_list_for_others_too_is_not_fetched_and_can_be_had_by_whom_it_is_for(
        self, fleet: RmsSimulator, serials: list[str], ask: Asker
    ) -> None:
        fleet.set(faults=[{"kind": "status", "status": 400, "path": DOWNLOAD, "when": "before_reading"}])
        ask(serials[4:8])
        before = downloads(fleet)
        for other in (serials[4:7], serials[4:9], serials[6:7]):
            answer = ask(other, collect=True)
            assert {answer.told(serial) for serial in other} == {("unknown", "list_gone")}
        assert downloads(fleet) == before
        assert ask(serials[4:8], collect=True).result["summary"]["changed"] == 4


class TestSomebodyElsesList:
    """Another user of the account asks for passwords at the same moment; a list can be fetched once, by anybody."""

    @staticmethod
    def by_somebody_else(fleet: RmsSimulator, serials: list[str]) -> None:
        items = [{"id": fleet.truth()[serial]["id"], "length": 20, "use_special": 1} for serial in serials]
        reply = requests.post(
            f"{fleet.url}{GENERATE}", json={"data": items}, headers={"Authorization": f"Bearer {fleet.token}"}, timeout=10
        )
        assert reply.status_code == 200

    @pytest.mark.parametrize("theirs", [[0], [0, 1], [0, 1, 2, 3], [2, 3]])
    def test_is_never_fetched_though_our_router_is_in_it(
        self, fleet: RmsSimulator, serials: list[str], ask: Asker, theirs: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        send = generated_module.send

        def at_the_same_moment(*args: Any) -> Any:
            self.by_somebody_else(fleet, [serials[number] for number in theirs])
            return send(*args)

        monkeypatch.setattr(generated_module, "send", at_the_same_moment)
        answer = ask(serials[:3])
        assert downloads(fleet) == 1
        assert answer.result["summary"]["changed"] == 3
        assert ask.listed(fleet).items() <= fleet.passwords().items()

    @pytest.mark.parametrize("failed", ["present", "absent"])
    @pytest.mark.parametrize("fate", ["no_credit", "error", "rejected_by_policy"])
    def test_our_own_is_known_with_and_without_the_routers_that_were_refused(
        self, fleet: RmsSimulator, serials: list[str], ask: Asker, failed: str, fate: str
    ) -> None:
        fleet.set(task_failed_devices=failed, csv_failed_rows=failed)
        fleet.router(serials[1], fate=fate)
        answer = ask(serials[:4])
        assert answer.result["summary"]["changed"] == 3
        assert downloads(fleet) == 1


class TestColumnsNobodyPublished:
    @pytest.mark.parametrize("header", [True, False])
    def test_a_list_of_names_only_gives_no_password_to_routers_that_share_a_name(
        self, fleet: RmsSimulator, serials: list[str], ask: Asker, header: bool
    ) -> None:
        fleet.set(csv_columns="name,password,model", csv_header=header)
        names = Counter(router["name"] for router in fleet.truth().values())
        alone = {serial for serial, router in fleet.truth().items() if names[router["name"]] == 1}
        answer = ask(serials)
        assert 0 < len(alone) < 12
        assert {serial for serial in serials if answer.told(serial) == ("changed", "")} == alone
        assert {answer.told(serial) for serial in set(serials) - alone} == {("unknown", "list_incomplete")}
        assert ask.listed(fleet) == {serial: fleet.passwords()[serial] for serial in alone}

    @pytest.mark.parametrize("columns", ["serial,password,reference", "serial,reference,password"])
    @pytest.mark.parametrize("header", [True, False])
    def test_a_list_that_can_be_read_in_two_ways_gives_no_password_and_is_kept(
        self, fleet: RmsSimulator, serials: list[str], ask: Asker, columns: str, header: bool
    ) -> None:
        fleet.set(csv_columns=columns, csv_header=header)
        answer = ask(serials)
        assert {answer.told(serial) for serial in serials} == {("unknown", "list_unreadable")}
        assert "2 columns" in answer.devices[serials[0]]["message"]
        assert all(password in ask.path.read_text() for password in fleet.passwords().values())
        assert answer.result["list_complete"] is True

    def test_a_list_of_one_router_with_something_after_the_password_is_read(
        self, fleet: RmsSimulator, serials: list[str], ask: Asker
    ) -> None:
        fleet.set(csv_columns="serial,password,model,date", csv_header=False)
        assert ask(serials[:1]).result["summary"]["changed"] == 1
        assert ask.listed(fleet) == {serials[0]: fleet.passwords()[serials[0]]}


def test_the_passwords_are_told_to_who_asks_in_process(fleet: RmsSimulator, serials: list[str], tmp_path: Path) -> None:
    client = rms_client(OPTIONS | {"rms_url": fleet.url, "rms_token": fleet.token}, Redactor(), deadline_seconds=10)
    targets = [Target(serial, id=router["id"], mac=router.get("mac", "")) for serial, router in sorted(fleet.truth().items())]
    made = Made(24, True)
    generated = generated_module.generate_passwords(client, targets, made, 5, deposit_module.FileDeposit(str(tmp_path / "list.csv")))
    ids = {router["id"]: serial for serial, router in fleet.truth().items()}
    assert {ids[identifier]: password for identifier, password in generated.passwords.items()} == fleet.passwords()
    assert generated.whole
    assert not any(password in repr(generated) for password in generated.passwords.values())


class MemoryDeposit:
    """The least that a deposit is: what a ledger would keep."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.open: bytes | None = None

    def reserve(self, routers: int) -> None:
        assert self.open is None
        self.open = b""

    def write(self, piece: bytes) -> None:
        assert self.open is not None
        self.open += piece

    def part(self, offset: int = 0) -> bytes:
        assert self.open is not None
        return self.open[offset:]

    def finish(self, whole: bool) -> None:
        if self.open:
            self.parts.append(self.open)
        self.open = None

    def discard(self) -> None:
        self.open = None

    def carry_on(self) -> bytes:
        return b"".join(self.parts)


@pytest.mark.usefixtures("_hurry")
def test_a_deposit_need_not_be_a_file(fleet: RmsSimulator, serials: list[str]) -> None:
    client = rms_client(OPTIONS | {"rms_url": fleet.url, "rms_token": fleet.token}, Redactor(), deadline_seconds=10)
    ids = {serial: router["id"] for serial, router in fleet.truth().items()}

    def targets() -> list[Target]:
        return [Target(serial, id=ids[serial]) for serial in serials]

    deposit, made = MemoryDeposit(), Made(20, True)
    generated = generated_module.generate_passwords(client, targets(), made, 5, deposit)
    assert {serial: generated.passwords[ids[serial]] for serial in serials} == fleet.passwords()
    assert len(deposit.parts) == 3
    assert all(password.encode() in b"".join(deposit.parts) for password in generated.passwords.values())
    again = targets()
    generated_module.collect_passwords(client, again, made, deposit, [ids.values()])
    assert {target.outcome.reason for target in again if target.outcome is not None} == {"unconfirmed"}
    assert deposit.open is None


OPTIONS: dict[str, Any] = {"rms_status_url": None, "validate_certs": True, "ca_path": None, "timeout": 5}
