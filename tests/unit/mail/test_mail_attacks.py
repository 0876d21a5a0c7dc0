# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The thirteen mail attacks, each on a real mailbox by IMAP and by POP3: no wrong link is ever returned, and the right one is found."""

from __future__ import annotations

import datetime
import socket
import threading
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any
from urllib.parse import quote

import pytest
from support.dovecot import DovecotMailbox
from support.mails import SENDER, anchor, new_mail

from .conftest import GOOD, PBX, Look

Mark = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.parametrize("protocol", ["imap", "pop3"])


class Attack:
    """Delivers mails after the mailbox was marked, and looks what becomes of them."""

    def __init__(self, mailbox: DovecotMailbox, look: Look, mark: Mark, protocol: str) -> None:
        self.mailbox = mailbox
        self.options = {"mailbox": mailbox.options(protocol)}
        self._look = look
        self.marker = mark(mailbox, **self.options)

    def look(self, **options: Any) -> dict[str, Any]:
        return self._look(self.mailbox, **{**self.options, "marker": self.marker, **options})

    def rejected(self, **options: Any) -> list[str]:
        """Why no mail that is there now is the one. In check mode nothing is waited for."""
        refused = self.look(check=True, **options)
        assert refused["link"] is None
        return [rejected["reason"] for rejected in refused["rejected"]]

    def holds(self, reason: str, *mails: EmailMessage, **options: Any) -> None:
        """The mails alone are rejected with that reason; with the right mail before or after them, that one is found."""
        for mail in mails:
            self.mailbox.deliver(mail)
        assert self.rejected(**options) == [reason] * len(mails)
        self.mailbox.deliver(new_mail(html=anchor(GOOD)))
        found = self.look(**options)
        assert found["link"] == GOOD
        for mail in mails:
            del mail["Message-ID"]
            mail["Message-ID"] = f"<again-{id(mail)}@elsewhere.example>"
            self.mailbox.deliver(mail)
        assert self.look(**options)["link"] == GOOD


@pytest.fixture
def attack(mailbox: DovecotMailbox, look: Look, mark: Mark, protocol: str) -> Attack:
    return Attack(mailbox, look, mark, protocol)


def test_01_an_older_mail_with_a_dead_link_is_not_taken_for_the_new_one(
    mailbox: DovecotMailbox, look: Look, mark: Mark, protocol: str
) -> None:
    mailbox.deliver(new_mail(html=anchor(GOOD.replace("admin", "dead"))))
    attack = Attack(mailbox, look, mark, protocol)
    assert attack.rejected() == []
    attack.mailbox.deliver(new_mail(html=anchor(GOOD)))
    found = attack.look()
    assert (found["link"], found["rejected"]) == (GOOD, [])


def test_02_a_link_to_a_foreign_host_is_not_returned(attack: Attack) -> None:
    attack.holds("link_foreign_host", new_mail(html=anchor("https://203.0.113.5:8088/reset?key=x")))


@pytest.mark.parametrize(
    "host",
    [
        "192.168.5.150.evil.example:8088",
        "192-168-5-150:8088",
        "192.168.5.15o:8088",
        "192.168.5.150:8089",
        "192.168.5.1\uff150:8088",
        "xn--pbx-5cd.example",
        "3232236950:8088",
    ],
)
def test_03_a_host_that_looks_like_ours_is_a_foreign_one(attack: Attack, host: str) -> None:
    attack.holds("link_foreign_host", new_mail(html=anchor(f"https://{host}/reset?key=x")))


@pytest.mark.parametrize(
    "link",
    [
        f"https://{PBX}@evil.example/reset?key=x",
        f"https://{PBX}%2F@evil.example/reset?key=x",
        f"https://admin:secret@{PBX}/reset?key=x",
        f"https://{PBX}\\@evil.example/reset?key=x",
        f"https://evil.example\\@{PBX}/reset?key=x",
    ],
)
def test_04_a_user_name_in_the_link_is_not_taken_for_the_host(attack: Attack, link: str) -> None:
    attack.holds("link_unsafe", new_mail(html=anchor(link)))


def test_05_where_a_link_leads_counts_and_not_the_text_shown_for_it(attack: Attack) -> None:
    attack.holds("link_foreign_host", new_mail(html=anchor("https://evil.example/reset?key=x", shown=GOOD)))


@pytest.mark.parametrize("second", [f"https://{PBX}/cgi/reset?user=admin&key=other", "https://evil.example/reset?key=x"])
def test_06_of_two_links_none_is_chosen(attack: Attack, second: str) -> None:
    attack.holds("link_ambiguous", new_mail(html=anchor(GOOD) + anchor(second)))


@pytest.mark.parametrize(
    "link", ["javascript:location='https://evil.example/'", "JaVa\nScRiPt:alert(1)", "data:text/html,x", "file:///etc/passwd", "//evil/x?y"]
)
def test_07_a_link_that_runs_something_is_not_returned(attack: Attack, link: str) -> None:
    attack.holds("link_unsafe", new_mail(html=anchor(link)))


def test_08_no_link_is_opened_so_no_redirect_to_a_foreign_host_is_followed(attack: Attack) -> None:
    connections: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        done = threading.Event()

        def accept() -> None:
            while not done.is_set():
                try:
                    connections.append(server.accept()[0])
                except TimeoutError:
                    continue

        listener = threading.Thread(target=accept)
        listener.start()
        try:
            place = f"127.0.0.1:{server.getsockname()[1]}"
            redirecting = f"http://{place}/login?next=https%3A%2F%2Fevil.example%2F"
            attack.mailbox.deliver(new_mail(html=anchor(redirecting)))
            assert attack.look(allowed_hosts=[place])["link"] == redirecting
            assert attack.rejected() == ["link_foreign_host"]
        finally:
            done.set()
            listener.join()
    assert connections == []


@pytest.mark.parametrize(
    "sender",
    [
        "somebody@evil.example",
        f'"{SENDER}" <somebody@evil.example>',
        f"{SENDER} <somebody@evil.example>",
        f"({SENDER}) somebody@evil.example",
        f"{SENDER}, somebody@evil.example",
        f"=?utf-8?q?{SENDER.replace('@', '=40')}?= <somebody@evil.example>",
    ],
)
def test_09_a_mail_from_somebody_else_is_not_taken(attack: Attack, sender: str) -> None:
    raw = new_mail(html=anchor(GOOD.replace("admin", "other")), sender="nobody@invalid.example").as_bytes()
    attack.mailbox.deliver(raw.replace(b"nobody@invalid.example", sender.encode()))
    assert attack.rejected(sender=SENDER) == ["wrong_sender"]
    attack.mailbox.deliver(new_mail(html=anchor(GOOD), sender=f"The PBX <{SENDER.upper()}>"))
    assert attack.look(sender=SENDER)["link"] == GOOD


def test_10_of_duplicates_and_repeated_requests_the_newest_is_taken(attack: Attack) -> None:
    now = datetime.datetime.now(datetime.timezone.utc)
    first, second = new_mail(html=anchor(GOOD.replace("admin", "first"))), new_mail(html=anchor(GOOD))
    for number, mail in enumerate([first, first, second, second]):
        attack.mailbox.deliver(mail, received=now + datetime.timedelta(seconds=number))
    found = attack.look()
    assert (found["link"], found["message_id"]) == (GOOD, second["Message-ID"])
    assert {(rejected["message_id"], rejected["reason"]) for rejected in found["rejected"]} == {(first["Message-ID"], "mail_superseded")}


def test_11_a_delayed_mail_is_waited_for(attack: Attack) -> None:
    attack.mailbox.deliver(new_mail(html=anchor("https://evil.example/reset?key=x")))
    timer = threading.Timer(2, attack.mailbox.deliver, [new_mail(html=anchor(GOOD))])
    timer.start()
    found = attack.look(deadline=20)
    timer.join()
    assert found["link"] == GOOD
    assert [rejected["reason"] for rejected in found["rejected"]] == ["link_foreign_host"]


def test_12_a_mail_in_the_junk_folder_is_found_where_the_protocol_has_folders(attack: Attack, protocol: str) -> None:
    attack.mailbox.deliver(new_mail(html=anchor(GOOD)), folder="Junk")
    if protocol == "imap":
        assert attack.look()["link"] == GOOD
    else:
        assert attack.rejected() == []


def test_13_a_link_in_safe_links_is_unwrapped_only_where_it_is_provably_inside(attack: Attack) -> None:
    def wrapped(link: str, host: str = "eur01.safelinks.protection.outlook.com", more: str = "") -> str:
        return f"https://{host}/?url={quote(link, safe='')}&amp;data=05%7C02%7C&amp;reserved=0{more}"

    for reason, target in [
        ("link_foreign_host", wrapped("https://evil.example/reset?key=x")),
        ("link_foreign_host", wrapped(GOOD, host="safelinks.protection.outlook.com.evil.example")),
        ("link_foreign_host", wrapped(GOOD, more=f"&amp;url={quote('https://evil.example/x')}")),
        ("link_foreign_host", wrapped(GOOD, host="urldefense.example")),
        ("link_unsafe", wrapped(f"https://{PBX}@evil.example/x")),
        ("link_unsafe", wrapped("javascript:alert(1)")),
    ]:
        attack.mailbox.deliver(new_mail(html=anchor(target)))
        assert attack.rejected()[-1] == reason
    attack.mailbox.deliver(new_mail(html=anchor(wrapped(GOOD), shown=GOOD)))
    assert attack.look()["link"] == GOOD
    attack.mailbox.deliver(new_mail(html=anchor(wrapped(wrapped(GOOD).replace("&amp;", "&")))))
    assert attack.look()["link"] == GOOD
