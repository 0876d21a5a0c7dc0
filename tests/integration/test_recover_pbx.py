# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""recover_pbx and pbx_readiness as people run them: what they do, leave behind and show, and what a killed run leaves to the next."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from campaigns.crash_pbx import run
from support.chromium import browser_traces

from ansible_collections.keyturn.devices.plugins.module_utils._ledger import fleet
from integration.canaries import CommandLines, found_below, found_in
from integration.cores import Core
from integration.pbx_site import OLD, Site, pbx_site
from integration.recovery_site import RecoveryPlace, recovery_place
from integration.sites import PASSPHRASE

NAME = "office-pbx"
LIMIT = ("--limit", NAME)


@pytest.fixture(scope="module")
def shared_site() -> Iterator[Site]:
    with pbx_site() as site:
        yield site
        assert site.pbx.truth()["resets_opened"] == 0


@pytest.fixture
def place(shared_site: Site, newest_core: Core, tmp_path: Path) -> RecoveryPlace:
    shared_site.reset()
    # Without POP3 settings the PBX's own test would say that it cannot receive.
    shared_site.pbx.set(test_result="ok")
    return recovery_place(tmp_path, newest_core, shared_site, NAME, deadline=30)


def facts(place: RecoveryPlace, tasks_from: str, *arguments: str) -> dict[str, Any]:
    """What the role leaves behind, whether it fails or not."""
    told = place.folder / "facts.json"
    role = {"ansible.builtin.include_role": {"name": "keyturn.devices.pbx_recovery", "tasks_from": tasks_from}}
    content = "{{ {'result': pbx_recovery_result | default({}), 'readiness': pbx_recovery_readiness | default({})} | to_json }}"
    keep = {"ansible.builtin.copy": {"content": content, "dest": str(told), "mode": "0600"}, "delegate_to": "localhost"}
    play = [{"hosts": "pbxs", "gather_facts": False, "tasks": [{"block": [role], "always": [keep]}]}]
    (place.folder / "play.json").write_text(json.dumps(play))
    inventory = place.command("recover_pbx")[-1]
    done = place.core.run("ansible-playbook", "play.json", "-i", inventory, *arguments, cwd=place.folder, env=place.environment())
    return {**json.loads(told.read_text()), "code": done.returncode, "stdout": done.stdout}


def test_a_lost_password_is_recovered_and_no_secret_shows(place: RecoveryPlace, tmp_path: Path) -> None:
    with TemporaryDirectory(prefix="kt-") as temporary, CommandLines() as commands:
        place.env |= {"TMPDIR": temporary, "ANSIBLE_LOG_PATH": str(tmp_path / "ansible.log"), "ANSIBLE_REMOTE_TEMP": f"{temporary}/r"}
        # Named by nobody, it does nothing.
        unnamed = place.run("recover_pbx")
        assert (unnamed.returncode, "add --limit HOST" in unnamed.stdout, place.site.pbx.truth()["requests"]) == (2, True, [])
        done = place.run("recover_pbx", *LIMIT, "-vvvv")
        assert done.returncode == 0, done.stdout
        left = [path for path in Path(temporary).rglob("*") if path.is_file()]
        assert [found_in(path.read_bytes(), [place.site.pbx.password]) for path in left] == [[]] * len(left)
        assert browser_traces(temporary) == []
    assert f"{NAME}: recovered." in done.stdout
    truth, record = place.site.pbx.truth(), place.records()[NAME]
    assert (record["current"]["password"], record["staged"], record["verified_by"]) == (place.site.pbx.password, None, "login")
    assert (truth["wrong_logins"], len(truth["requests"]), truth["sessions"]) == (0, 1, 0)

    secrets = [OLD, place.site.pbx.password, place.site.mailbox.options()["password"], PASSPHRASE, "findpass.html?token="]
    assert found_in(done.stdout.encode(), secrets) == []
    assert [shown for line in commands.seen for shown in found_in(line, secrets)] == []
    assert found_below(tmp_path, secrets, leave_out=[tmp_path / "inventory.json"]) == []


def noted(place: RecoveryPlace) -> tuple[bool, list[str]]:
    """What the ledger keeps of the last look."""
    with place.ledger() as ledger:
        look = fleet.read_readiness(ledger)[NAME]
    return look["ready"], look["failed"]


def test_readiness_and_a_second_run_change_nothing(place: RecoveryPlace) -> None:
    place.serials = {NAME: NAME}
    place.import_real_passwords()
    ready = facts(place, "readiness")
    assert (ready["code"], ready["readiness"]["ready"]) == (0, True), ready["stdout"]
    assert [check["name"] for check in ready["readiness"]["checks"]] == [
        *("settings", "test", "bound_email", "mailbox", "password_known", "password_strong", "profile"),
    ]
    assert place.records()[NAME]["verified_by"] == "login"
    assert noted(place) == (True, [])

    again = facts(place, "recover")
    assert (again["code"], again["result"]["status"], again["result"]["reason"]) == (0, "unchanged", ""), again["stdout"]
    assert (place.site.pbx.password, place.site.pbx.truth()["requests"]) == (OLD, [])


def test_what_keeps_it_from_being_recovered_fails_the_run(place: RecoveryPlace) -> None:
    place.serials = {NAME: NAME}
    place.import_real_passwords()
    place.site.pbx.set(test_result="smtp")
    place.site.pbx.user(email="other@example.com")
    place.hosts[NAME]["device_mailbox"] = {**place.site.mailbox.options(), "password": "wrong"}
    looked = facts(place, "readiness")
    wrong = {check["name"]: check["reason"] for check in looked["readiness"]["checks"] if not check["ok"]}
    assert (looked["code"], wrong) == (
        2,
        {"test": "smtp_failed", "bound_email": "unknown_user_or_email", "mailbox": "mailbox_refused"},
    ), looked["stdout"]
    assert noted(place) == (False, ["test", "bound_email", "mailbox"])


def test_a_mail_server_that_is_away_leaves_it_open_and_the_next_run_carries_on(place: RecoveryPlace) -> None:
    kept: list[bytes] = []
    place.site.smtp.deliver = kept.append
    place.group_vars["pbx_recovery_deadline"] = 4
    left = facts(place, "recover")
    result, staged = left["result"], place.records()[NAME]["staged"]["password"]
    assert (left["code"], result["status"], result["reason"], result["open"]) == (2, "failed", "mail_timeout", True), left["stdout"]
    assert [step["name"] for step in result["steps"] if step["status"] == "done"] == ["checked", "requested"]
    assert result["link_lives_until"] in left["stdout"]

    place.site.mailbox.deliver(kept[0])
    place.group_vars["pbx_recovery_deadline"] = 30
    done = facts(place, "recover")
    assert (done["code"], done["result"]["status"], place.site.pbx.password) == (0, "changed", staged), done["stdout"]
    truth = place.site.pbx.truth()
    assert (len(truth["requests"]), truth["wrong_logins"], place.records()[NAME]["current"]["password"]) == (1, 0, staged)


def test_killed_three_times_it_is_recovered_all_the_same(newest_core: Core, tmp_path: Path) -> None:
    score = run(3, 58, tmp_path, newest_core)
    assert (score.bad, score.kills, score.good) == ([], 3, score.rounds)
