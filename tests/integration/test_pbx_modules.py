# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""pbx_login, pbx_password and pbx_email_settings on simulated pages in a real Chromium."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from support.chromium import Listener, browser_traces

from ansible_collections.keyturn.devices.plugins.module_utils._browser.browser import find_browser
from integration.pbx_site import NEW, OLD, WRONG, Site, pbx_site
from simulators.pbx import PbxSimulator
from tools.places import CHECKOUT, COLLECTIONS


@pytest.fixture(scope="module")
def shared_site() -> Iterator[Site]:
    # A directory of its own for temporary files, with a short name: it holds sockets.
    with pbx_site() as site, TemporaryDirectory(prefix="kt-pbx-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", folder)
        yield site
        assert site.pbx.truth()["resets_opened"] == 0
        assert browser_traces(folder) == []


@pytest.fixture
def site(shared_site: Site) -> Site:
    shared_site.reset()
    return shared_site


def told(result: dict[str, Any]) -> tuple[Any, ...]:
    return result.get("status"), result.get("reason"), result.get("live")


# Logging in


@pytest.mark.parametrize("switches", [{}, {"model": "Cloud", "privacy_box": True, "login_result": "json"}, {"language": "zh"}], ids=str)
def test_a_password_in_force_is_proven_and_the_session_ended(site: Site, switches: dict[str, Any]) -> None:
    site.pbx.set(**switches)
    result = site.login(OLD)
    assert (told(result), result["changed"], result["logged_out"]) == (("proven", "", "first"), False, True)
    truth = site.pbx.truth()
    assert (truth["wrong_logins"], truth["sessions"], len(truth["logins"])) == (0, 0, 1)
    assert OLD not in result["printed"]


@pytest.mark.parametrize(
    "switches", [{}, {"login_result": "json", "string_table": False}, {"language": "zh", "string_table": False}], ids=str
)
def test_a_refused_password_is_tried_once(site: Site, switches: dict[str, Any]) -> None:
    site.pbx.set(**switches)
    result = site.login(WRONG)
    assert (told(result), result["wrong_logins"], result["failed"]) == (("refused", "unauthorized", "neither"), 1, True)
    assert len(site.pbx.truth()["logins"]) == 1


def test_of_two_passwords_one_of_which_is_right_one_wrong_login_finds_it(site: Site) -> None:
    result = site.login(WRONG, OLD)
    assert (told(result), result["wrong_logins"]) == (("proven", "", "second"), 1)
    assert [login["ok"] for login in site.pbx.truth()["logins"]] == [False, True]


@pytest.mark.parametrize(
    ("switches", "words"),
    [
        ({"lock_after": 1}, "10 minutes"),
        ({"lock_after": 1, "locks_until_blocked": 1}, "Blocked IP Address"),
        ({"lock_after": 1, "locks_until_blocked": 1, "lock_of": "account", "string_table": False}, "This account is locked"),
    ],
    ids=str,
)
def test_a_lock_out_ends_the_run_before_the_second_password(site: Site, switches: dict[str, Any], words: str) -> None:
    site.pbx.set(**switches)
    first = site.login(WRONG, OLD)
    second = site.login(OLD)
    assert (told(first)[:2], told(second)[:2]) == (("failed", "locked_out"), ("failed", "locked_out"))
    assert words in second["msg"]
    assert len(site.pbx.truth()["logins"]) == 2


def test_a_weak_password_is_proven_and_the_forced_change_told(site: Site) -> None:
    site.pbx.user(password="Weak-123")
    result = site.login("Weak-123")
    assert told(result) == ("proven", "forced_change_required", "first")
    site.pbx.set(allow_weak_password=True)
    assert told(site.login("Weak-123")) == ("proven", "", "first")


# Reaching the right PBX


def test_another_certificate_is_refused_before_a_browser_talks(site: Site) -> None:
    site.pbx.clear_log()
    assert told(site.login(OLD, fingerprint="00" * 32))[:2] == ("failed", "certificate")
    assert told(site.login(OLD, fingerprint=None))[:2] == ("failed", "certificate")
    assert site.pbx.log() == []


def test_an_authority_of_ones_own_is_trusted(site: Site) -> None:
    assert told(site.login(OLD, fingerprint=None, ca_path=site.pbx.ca_path))[0] == "proven"


def test_a_pbx_that_is_not_there_is_unreachable(site: Site) -> None:
    with Listener() as gone:
        port = gone.port
    assert told(site.login(OLD, url=f"https://127.0.0.1:{port}"))[:2] == ("failed", "unreachable")


def test_a_page_of_something_else_is_profile_unknown_and_nothing_is_typed(site: Site, tmp_path: Path) -> None:
    site.pbx.set(faults=[{"kind": "not_json", "path": "/", "times": 0}])
    result = site.login(OLD, timeout=2, screenshots=str(tmp_path / "pictures"))
    assert told(result)[:2] == ("failed", "profile_unknown")
    assert "login-username" in result["msg"]
    assert "Sorry" in result["msg"]
    assert site.pbx.truth()["logins"] == []
    assert stat.S_IMODE(os.stat(result["screenshot"]).st_mode) == 0o600


def test_a_login_whose_answer_is_lost_is_unknown_and_not_repeated(site: Site) -> None:
    site.pbx.set(faults=[{"kind": "hang", "method": "POST", "path": "/cgi/web", "when": "after_change", "times": 0}])
    assert told(site.login(OLD, timeout=8))[:2] == ("unknown", "timeout")
    assert len(site.pbx.truth()["logins"]) == 1


def test_a_chromium_without_windows_is_taken_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("chromium", "chromium-headless-shell", "google-chrome"):
        (tmp_path / name).touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_browser(None) == str(tmp_path / "chromium-headless-shell")


def test_a_chromium_with_windows_does_as_well(site: Site) -> None:
    browser = next(name for name in ("chromium", "chromium-browser", "google-chrome") if shutil.which(name))
    assert told(site.login(OLD, browser=browser))[:2] == ("proven", "")


def test_no_browser_says_what_to_install(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(site.login(OLD, browser="/nonexistent/chromium"))[:2] == ("failed", "browser_missing")
    monkeypatch.setenv("PATH", "/nonexistent")
    result = site.login(OLD)
    assert (result["reason"], "apt-get install chromium" in result["msg"]) == ("browser_missing", True)


def test_plain_http_works_where_the_url_says_so() -> None:
    with PbxSimulator(plain=True) as pbx:
        # Without mail, which a login has nothing to do with.
        site = Site(pbx, None, None, None)  # type: ignore[arg-type]
        assert told(site.login(OLD, fingerprint=None))[0] == "proven"


def test_a_page_that_tells_others_what_is_typed_reaches_nobody(site: Site) -> None:
    with Listener() as elsewhere:
        site.pbx.set(whispers_to=f"http://127.0.0.1:{elsewhere.port}")
        assert told(site.login(OLD))[0] == "proven"
        assert elsewhere.heard == []


@pytest.mark.parametrize(
    "options",
    [
        {"url": "https://user:pass@192.0.2.1:8088"},
        {"url": "https://192.0.2.1:8088/login.html"},
        {"url": "ftp://192.0.2.1"},
        {"proxy": "192.0.2.1:1080"},
        {"proxy": "ftp://192.0.2.1:1080"},
        {"profile": "/nonexistent.yml"},
        {"fingerprint": "12:34"},
        {"username": "a b"},
        {"timeout": 0},
        {"ca_path": "/nonexistent"},
    ],
    ids=str,
)
def test_bad_input_names_its_option_before_anything_is_sent(site: Site, options: dict[str, Any]) -> None:
    site.pbx.clear_log()
    result = site.login(OLD, **options)
    assert (result["reason"], next(iter(options)) in result["msg"], result["failed"]) == ("bad_input", True, True)
    assert "pass" not in result["msg"].split()
    assert site.pbx.log() == []


def test_three_candidates_are_bad_input(site: Site) -> None:
    assert site.login(OLD, NEW, WRONG)["reason"] == "bad_input"


# Changing a known password


@pytest.mark.parametrize(
    "switches",
    [{}, {"my_settings": "html", "model": "Cloud", "language": "zh"}, {"session_ends_after_change": False, "privacy_box": True}],
    ids=str,
)
def test_a_password_is_changed_and_proven(site: Site, switches: dict[str, Any]) -> None:
    site.pbx.set(**switches)
    result = site.change()
    assert (told(result), result["changed"], site.pbx.password) == (("changed", "", "new"), True, NEW), result
    assert [step["name"] for step in result["steps"]] == ["checked", "password_set", "proven"]
    assert (site.pbx.truth()["wrong_logins"], site.pbx.truth()["sessions"]) == (0, 0)
    assert all(secret not in result["printed"] for secret in (OLD, NEW))


def test_a_weak_password_is_changed_in_the_window_that_forces_it(site: Site) -> None:
    site.pbx.user(password="Weak-123")
    assert (told(site.change(current="Weak-123")), site.pbx.password) == (("changed", "", "new"), NEW)


def test_a_wrong_current_password_costs_one_login(site: Site) -> None:
    result = site.change(current=WRONG)
    assert (told(result)[:2], result["wrong_logins"], site.pbx.password) == (("failed", "unauthorized"), 1, OLD)


def test_a_change_in_doubt_is_settled_with_the_new_password_first(site: Site) -> None:
    first = site.change(try_first="new")
    assert (told(first), first["wrong_logins"], site.pbx.password) == (("changed", "", "new"), 1, NEW)
    again = site.change(try_first="new")
    assert (told(again), again["wrong_logins"], again["changed"]) == (("unchanged", "", "new"), 0, False)


@pytest.mark.parametrize("new", ["Short-12", "no-upper-case-57", "Digits-in-order-1234", "With space-97", "Amper&sand-97"])
def test_a_password_against_the_rule_is_refused_before_anything_is_sent(site: Site, new: str) -> None:
    site.pbx.clear_log()
    result = site.change(new)
    assert (told(result)[:2], new in result["printed"]) == (("failed", "policy"), False)
    assert site.pbx.truth()["logins"] == []


def test_check_mode_changes_nothing(site: Site) -> None:
    result = site.change(check=True)
    assert (told(result)[:2], result["changed"], site.pbx.password) == (("changed", "would_change"), True, OLD)


@pytest.mark.parametrize(
    ("answer", "expected", "password"),
    [("says_done", ("unknown", "new_password_refused", None), OLD), ("says_failed", ("changed", "", "new"), NEW)],
)
def test_the_login_counts_and_not_the_word_of_the_pbx(site: Site, answer: str, expected: tuple[Any, ...], password: str) -> None:
    site.pbx.set(change_answer=answer)
    result = site.change(timeout=8)
    assert (told(result), site.pbx.password) == (expected, password)


@pytest.mark.parametrize(
    ("when", "expected", "password"),
    [("after_change", ("changed", "", "new"), NEW), ("before_change", ("failed", "rejected", "current"), OLD)],
)
def test_a_change_whose_answer_is_lost_is_found_out_by_a_login(site: Site, when: str, expected: tuple[Any, ...], password: str) -> None:
    # The third form that is sent: login, what My Settings shows, the change.
    site.pbx.set(faults=[{"kind": "cut", "method": "POST", "path": "/cgi/web", "when": when, "nth": 3}], session_ends_after_change=False)
    result = site.change(timeout=8)
    assert (told(result), site.pbx.password) == (expected, password)
    assert result["wrong_logins"] <= 1


def test_after_its_time_nothing_is_sent(site: Site) -> None:
    past = datetime.fromtimestamp(time.time() - 1, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert told(site.change(not_after=past))[:2] == ("failed", "not_sent")
    assert site.pbx.truth()["logins"] == []


def test_a_field_that_cuts_off_is_not_used(site: Site) -> None:
    site.pbx.set(password_maxlength=20)
    assert told(site.change("Far-Too-Long-For-This-Field-58"))[:2] == ("failed", "policy")
    assert site.pbx.password == OLD


# E-mail settings

ACCOUNT = {
    "address": "office@example.com",
    "password": "mail-Secret-90",
    "sender_name": "Office",
    "smtp_host": "127.0.0.1",
    "pop3_host": "127.0.0.1",
    "pop3_port": 1110,
    "tls": True,
}


@pytest.mark.parametrize(
    "switches", [{"test_uses": "typed"}, {"firmware": "30.11.0.25", "test_uses": "saved", "my_settings": "html"}], ids=str
)
def test_settings_are_written_applied_read_back_and_tested(site: Site, switches: dict[str, Any]) -> None:
    site.pbx.set(test_result="ok", **switches)
    wanted = {"password": OLD, "email": ACCOUNT, "bound_email": "new@example.com", "update_password": "on_create"}
    checked = site.run("email_settings", check=True, **wanted)
    assert (checked["status"], checked["changed"], site.pbx.truth()["saved"]["address"]) == ("changed", True, "pbx@example.com")
    result = site.run("email_settings", **wanted)
    assert (result["status"], result["changed"], result["test"]) == ("changed", True, {"smtp": "ok", "pop3": "ok"}), result
    email = site.pbx.truth()["email"]
    assert (email["address"], email["password"], email["sender"], email["tls"]) == ("office@example.com", "mail-Secret-90", "Office", True)
    assert site.pbx.truth()["users"]["admin"]["email"] == "new@example.com"
    assert (result["weak_password_allowed"], result["password_is_weak"]) == (False, False)
    again = site.run("email_settings", **wanted)
    assert (again["status"], again["changed"], again["email"]["address"]) == ("unchanged", False, "office@example.com")
    assert all(secret not in result["printed"] for secret in (OLD, ACCOUNT["password"]))


@pytest.mark.parametrize(
    ("said", "test", "reason"),
    [
        ("smtp", {"smtp": "failed", "pop3": "not_run"}, "smtp_failed"),
        ("pop3", {"smtp": "ok", "pop3": "failed"}, "pop3_failed"),
        ("fail", {"smtp": "failed", "pop3": "failed"}, "test_failed"),
    ],
)
def test_the_test_of_the_pbx_has_its_reason(site: Site, said: str, test: dict[str, str], reason: str) -> None:
    site.pbx.set(test_result=said)
    result = site.run("email_settings", password=OLD)
    assert (result["status"], result["reason"], result["test"], result["changed"]) == ("failed", reason, test, False)
    assert result["bound_email"] == "admin@example.com"


def test_a_weak_password_forces_a_change_before_any_setting_is_seen(site: Site) -> None:
    site.pbx.user(password="Weak-123")
    result = site.run("email_settings", password="Weak-123")
    assert (result["status"], result["reason"], result["password_is_weak"]) == ("failed", "forced_change_required", True)


def test_an_address_that_the_pbx_does_not_take_is_rejected(site: Site) -> None:
    site.pbx.set(bind_needs_password=True)
    result = site.run("email_settings", password=OLD, bound_email="new@example.com", test=False)
    assert (result["status"], result["reason"], result["changed"], result["bound_email"]) == (
        "failed",
        "rejected",
        False,
        "admin@example.com",
    )


@pytest.mark.parametrize("email", [{"address": "nobody"}, {"smtp_port": 0}, {"password": "semi&colon"}], ids=str)
def test_an_account_that_cannot_be_is_bad_input(site: Site, email: dict[str, Any]) -> None:
    site.pbx.clear_log()
    assert (site.run("email_settings", password=OLD, email=email)["reason"], site.pbx.log()) == ("bad_input", [])


def test_a_killed_run_leaves_no_process(site: Site, tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        "import sys\nsys.path[:0] = sys.argv[1:3]\n"
        "from ansible_collections.keyturn.devices.plugins.module_utils._browser.browser import Browser, Redactor, Trust\n"
        "with Browser(Redactor(), Trust(False)) as browser:\n    print('up', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, script, str(COLLECTIONS), str(CHECKOUT / "tests")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": tempfile.gettempdir()},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.kill()
    end = time.monotonic() + 20
    while (left := browser_traces(tempfile.gettempdir())) and left[1:] and time.monotonic() < end:
        # The processes are nobody's children any more, so they can only be looked for.
        time.sleep(0.1)
    # Its directory, where nothing was written of what a page held.
    assert [os.path.basename(each)[:16] for each in left] == ["keyturn-browser-"]
    shutil.rmtree(left[0])
