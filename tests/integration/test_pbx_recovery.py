# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""pbx_email_recovery from the request to the proof: every row of the outcome table, and mails that must not be followed."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from support.chromium import Listener, browser_traces

from integration.pbx_site import NEW, OLD, Site, pbx_site


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


def names(result: dict[str, Any]) -> list[str]:
    return [step["name"] for step in result["steps"] if step["status"] == "done"]


ALL_STEPS = ["checked", "requested", "mail_found", "link_checked", "password_set", "proven"]


@pytest.mark.parametrize(
    "switches",
    [
        {"dialog": "user_and_email", "reset_page": "extjs"},
        {"dialog": "user", "reset_page": "html", "model": "K2", "mail_format": "multipart", "mail_encoding": "base64"},
        {"dialog": "user", "reset_page": "extjs", "language": "zh", "mail_charset": "gb18030", "mail_subject": "找回密码"},
        {"reset_page": "html", "string_table": False, "model": "Cloud", "login_result": "json", "mail_safe_links": True},
        {"reset_page": "html", "model": "S20", "mail_format": "text", "malformed_header": True, "privacy_box": True},
    ],
    ids=str,
)
def test_a_lost_password_is_recovered_and_proven(site: Site, switches: dict[str, Any]) -> None:
    site.pbx.set(**switches)
    result = site.recover()
    assert (result.get("status"), result.get("reason"), site.pbx.password) == ("changed", "", NEW), result
    assert names(result) == ALL_STEPS
    truth = site.pbx.truth()
    assert (truth["wrong_logins"], len(truth["requests"]), truth["sessions"]) == (0, 1, 0)
    assert result["link_lives_until"] > result["requested_at"]
    assert all(secret not in result["printed"] for secret in (NEW, OLD, site.mailbox.options()["password"], "token="))


@pytest.mark.parametrize(
    ("switches", "user", "reason"),
    [
        ({}, {"email": ""}, "no_bound_email"),
        ({"string_table": False}, {"email": ""}, "no_bound_email"),
        ({}, {"email": "other@example.com"}, "unknown_user_or_email"),
        ({"forgot_lock_after": 1}, {"email": ""}, "no_bound_email"),
    ],
    ids=str,
)
def test_what_the_dialog_refuses_has_its_reason(site: Site, switches: dict[str, Any], user: dict[str, str], reason: str) -> None:
    site.pbx.set(**switches)
    site.pbx.user(**user)
    result = site.recover()
    assert (result["status"], result["reason"], result["failed"]) == ("failed", reason, True)
    assert site.pbx.password == OLD
    if switches.get("forgot_lock_after"):
        assert site.recover()["reason"] == "locked_out"


def test_an_unknown_user_is_reported_as_one(site: Site) -> None:
    assert site.recover(username="nobody")["reason"] == "unknown_user"


def test_a_mail_that_the_pbx_cannot_send_is_send_failed(site: Site) -> None:
    site.smtp.refusal = "550 5.7.30 Basic authentication is not supported"
    assert site.recover()["reason"] == "send_failed"


def test_a_mail_that_never_comes_is_mail_timeout_and_the_next_run_carries_on(site: Site) -> None:
    taken: list[bytes] = []
    site.smtp.deliver = taken.append
    result = site.recover(deadline=3)
    assert (result["status"], result["reason"], result["retryable"]) == ("failed", "mail_timeout", True)
    assert result["link_lives_until"] in result["msg"]
    site.mailbox.deliver(taken[0])
    assert site.recover(marker=result["marker"])["status"] == "changed"
    assert (site.pbx.password, len(site.pbx.truth()["requests"])) == (NEW, 1)


def test_an_expired_link_is_asked_for_again_once(site: Site) -> None:
    site.pbx.set(link_minutes=0)
    result = site.recover()
    assert (result["status"], result["reason"]) == ("failed", "link_expired")
    assert len(site.pbx.truth()["requests"]) == 2
    assert site.pbx.password == OLD


def test_a_used_link_is_unknown(site: Site) -> None:
    site.pbx.set(reset_page="html")
    link = site.pbx.new_link()
    assert site.recover(link=link, mailbox=None)["status"] == "changed"
    result = site.recover(link=link, mailbox=None, new_password="Another-One-61")
    assert (result["reason"], site.pbx.password) == ("link_unknown", NEW)
    assert link not in result["printed"]


@pytest.mark.parametrize("page", ["extjs", "html"])
def test_a_reset_that_fails_is_rejected(site: Site, page: str) -> None:
    site.pbx.set(reset_page=page, reset_result="error")
    result = site.recover(link=site.pbx.new_link(), mailbox=None)
    assert (result["status"], result["reason"], site.pbx.password) == ("failed", "rejected", OLD)
    assert site.pbx.truth()["logins"] == []


def test_a_weak_password_is_refused_before_anything_is_sent(site: Site) -> None:
    site.pbx.clear_log()
    result = site.recover(new_password="Short-12")
    assert (result["reason"], site.pbx.log()) == ("policy", [])


def test_requested_only_asks_for_the_mail(site: Site) -> None:
    result = site.recover(state="requested", new_password=None)
    assert (result["status"], names(result), len(site.pbx.truth()["requests"])) == ("changed", ["checked", "requested"], 1)
    assert result["marker"]
    assert site.recover(marker=result["marker"])["status"] == "changed"
    assert site.pbx.password == NEW


def test_check_mode_asks_for_nothing(site: Site) -> None:
    result = site.recover(check=True)
    assert (result["status"], result["reason"], site.pbx.truth()["requests"]) == ("changed", "would_change", [])


def test_the_right_mail_is_found_among_forged_ones(site: Site) -> None:
    noise = ["dead_link", "foreign_host", "look_alike_host", "userinfo", "href_differs", "two_links", "javascript"]
    site.pbx.set(mail_noise=noise, mail_copies=2)
    result = site.recover()
    assert (result["status"], site.pbx.password) == ("changed", NEW), result


def test_a_dead_link_that_came_last_gives_way_to_the_one_before_it(site: Site) -> None:
    site.pbx.set(mail_noise=["dead_link"])
    sent: list[bytes] = []

    def deliver_backwards(mail: bytes) -> None:
        sent.insert(0, mail)
        for each in sent if len(sent) == 2 else ():
            site.mailbox.deliver(each)

    site.smtp.deliver = deliver_backwards
    result = site.recover()
    assert (result["status"], site.pbx.password) == ("changed", NEW), result
    assert [each["reason"] for each in result["rejected"]] == ["link_unknown"]


def test_a_mail_that_is_overtaken_by_one_with_a_dead_link_is_waited_for(site: Site) -> None:
    site.pbx.set(mail_noise=["dead_link"])
    sent: list[bytes] = []

    def deliver(mail: bytes) -> None:
        sent.append(mail)
        if len(sent) == 1:
            site.mailbox.deliver(mail)

    ended = threading.Event()

    def deliver_the_other() -> None:
        while not any(entry["path"].startswith("/findpass") for entry in site.pbx.log()):
            if ended.wait(0.05):
                return
        site.mailbox.deliver(sent[1])

    site.smtp.deliver = deliver
    other = threading.Thread(target=deliver_the_other)
    other.start()
    result = site.recover()
    ended.set()
    other.join()
    assert (result["status"], site.pbx.password) == ("changed", NEW), result


@pytest.mark.parametrize(
    ("noise", "reason"),
    [("href_differs", "link_foreign_host"), ("userinfo", "link_unsafe")],
)
def test_a_forged_mail_alone_gets_no_password(site: Site, noise: str, reason: str) -> None:
    site.pbx.set(mail_noise=[noise], mail_copies=0)
    result = site.recover(deadline=2)
    assert (result["status"], result["reason"], site.pbx.password) == ("failed", reason, OLD)


def test_a_redirect_to_a_foreign_host_is_not_followed(site: Site) -> None:
    with Listener() as elsewhere:
        site.pbx.set(reset_redirect=f"https://127.0.0.1:{elsewhere.port}/reset")
        result = site.recover()
        assert (result["status"], result["reason"]) == ("failed", "link_foreign_host")
        assert elsewhere.heard == []


def test_a_page_that_tells_others_what_is_typed_reaches_nobody(site: Site) -> None:
    with Listener() as elsewhere:
        site.pbx.set(whispers_to=f"http://127.0.0.1:{elsewhere.port}")
        assert site.recover()["status"] == "changed"
        assert elsewhere.heard == []


def test_a_link_that_only_the_lan_may_open_says_what_to_do(site: Site) -> None:
    site.pbx.set(lan_check="enforced", lan="192.0.2.0/24")
    result = site.recover()
    assert (result["reason"], "proxy" in result["msg"], "delegate" in result["msg"]) == ("link_not_local", True, True)


def test_a_link_to_a_network_out_of_reach_is_not_local(site: Site) -> None:
    with Listener() as gone:
        port = gone.port
    site.pbx.set(link_origin=f"https://127.0.0.1:{port}")
    assert site.recover()["reason"] == "link_not_local"


def test_after_the_mail_has_come_nothing_is_waited_for(site: Site) -> None:
    """From the mail's arrival to the changed password, as the PBX's own records tell it, measured by what went before on the same machine:
    opening the login page and asking for the mail. Both take about 2 s where nothing else runs.
    """
    arrived: list[float] = []

    def deliver(mail: bytes) -> None:
        site.mailbox.deliver(mail)
        arrived.append(time.time())

    site.smtp.deliver = deliver
    assert site.recover()["status"] == "changed"
    log = site.pbx.log()
    reset = next(entry["at"] for entry in log if entry.get("action") == "resetpass")
    assert reset - arrived[0] < 3 * (arrived[0] - log[0]["at"]) + 1


def test_what_may_be_in_force_is_tried_once_before_anything_is_asked_for(site: Site) -> None:
    found = site.recover(try_first="current", current_password=OLD)
    assert (found["status"], found["live"], found["changed"], site.pbx.truth()["requests"]) == ("unchanged", "current", False, [])
    result = site.recover(try_first="new")
    assert (result["status"], result["live"], result["wrong_logins"], site.pbx.password) == ("changed", "new", 1, NEW)
    assert OLD not in result["printed"] + found["printed"]
