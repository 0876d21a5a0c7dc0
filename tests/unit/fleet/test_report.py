# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report: what it says of a fleet, and that nothing of an inventory becomes markup, script or a formula in it."""

from __future__ import annotations

import csv
import datetime
import io
import json
import re

import pytest
from support import fleets
from support.fleets import crowd

from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.checks import Rules, find
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.inventory import Listed
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.picture import Picture, Pictured
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.report import (
    PLAIN_ROWS,
    Report,
    ages,
    as_csv,
    as_json,
    as_page,
    make_report,
    states,
    waiting,
)

NOW = datetime.datetime(2026, 11, 1, 12, tzinfo=datetime.timezone.utc)
HOSTILE = "</script><img src=x onerror=alert(1)>\"'{{ 7*7 }}&amp;"


def report_of(*devices: Pictured) -> Report:
    picture = Picture(NOW, "the ledger of this test", devices)
    return make_report(picture, find(picture, Rules({})), "A title")


def test_everything_that_is_not_ours_is_escaped() -> None:
    event = {"at": "2026-10-01T00:00:00Z", "from": "", "to": HOSTILE, "reason": HOSTILE, "run_id": HOSTILE, "who": HOSTILE, "name": HOSTILE}
    record = {"orphaned": HOSTILE, "orphaned_at": HOSTILE, "orphaned_reason": HOSTILE}
    device = Pictured(Listed(HOSTILE, "routers", HOSTILE), "orphaned", record, events=[event])
    run = {"run_id": HOSTILE, "who": HOSTILE, "began": "2026-10-01T00:00:00Z", "ended": "2026-10-01T00:00:00Z"}
    outcome = {"to": HOSTILE, "reason": HOSTILE, "devices": 1}
    picture = Picture(NOW, HOSTILE, [device], {HOSTILE: {"orphaned": False, "serial": HOSTILE}}, runs=[{**run, "outcomes": [outcome]}])
    page = as_page(make_report(picture, find(picture, Rules({})), HOSTILE))
    assert "<img" not in page
    assert page.count("</script>") == 2
    assert "{{ 7*7 }}" in page
    data = re.search(r'id="data">(.*?)</script>', page)
    assert data is not None
    assert json.loads(data[1])["rows"][0][0] == HOSTILE


def test_the_page_asks_nothing_of_any_network() -> None:
    page = as_page(crowd(20))
    assert re.findall(r"(?:src|href)=\"?[^#\"]", page) == []
    assert "url(" not in page
    assert "@import" not in page
    assert "http://" not in page
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; style-src 'sha256-")


@pytest.mark.parametrize(("devices", "rows"), [(20, 20), (2000, PLAIN_ROWS)])
def test_without_a_script_the_page_has_a_table(devices: int, rows: int) -> None:
    page = as_page(crowd(devices))
    table = page[page.index('<table id="devices">') :]
    assert table[: table.index("</table>")].count("<tr>") == rows + 1
    assert (f"{rows} of 2,000 devices are shown" in page) is (devices > rows)


def test_ages_are_a_share_of_what_policy_allows() -> None:
    bars = {column.label: column.count for column in ages(crowd(200))}
    assert sum(bars.values()) == 200
    assert bars["0-25 %"]
    assert bars["over 150 %"]
    assert bars["no limit or no password"]


def test_the_states_of_each_group_are_counted() -> None:
    charts = states(crowd(300))
    assert set(charts) == {"routers", "pbxs", "bms_servers"}
    assert sum(column.count for bars in charts.values() for column in bars) == 300
    assert all(abs(sum(column.width for column in bars) - 700) < 0.01 for bars in charts.values())


@pytest.mark.parametrize(
    ("step", "expired", "what", "who"),
    [
        ("", False, "to be put in password reset mode", "operator"),
        ("reset_mode", False, "the session ID", "operator"),
        ("request_sent", False, "the temporary password", "support team of the vendor"),
        ("verified", False, "a logon with the new password", "operator"),
        ("step of another release", False, "to be put in password reset mode", "operator"),
        ("session_id", True, "to be put in password reset mode again", "operator"),
    ],
)
def test_who_is_awaited_goes_by_the_step_of_the_case(step: str, expired: bool, what: str, who: str) -> None:
    case = {"step": step, "expired": expired, "deadline": "2026-11-02T00:00:00Z"}
    (entry,) = waiting(report_of(Pictured(Listed("hq", "bms_servers"), "in_recovery", case=case)))
    assert (entry.what, entry.who, entry.until, entry.expired) == (what, who, "2026-11-02T00:00:00Z", expired)


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@a", "\tx", "'=1"])
def test_no_cell_of_the_table_is_a_formula(name: str) -> None:
    _titles, row = csv.reader(io.StringIO(as_csv(report_of(Pictured(Listed(name, "routers", name), "current")))))
    assert row[0] == row[2] == f"'{name}"


def test_json_has_every_device_with_its_history() -> None:
    told = json.loads(as_json(crowd(50)))
    assert len(told["devices"]) == 50
    assert all(entry["events"] for entry in told["devices"] if entry["state"] == "current")
    assert told["summary"]["states"]["routers"]


def test_no_canary_is_in_a_page_of_the_planted_fleet() -> None:
    assert fleets.CANARY not in as_page(crowd(100))
