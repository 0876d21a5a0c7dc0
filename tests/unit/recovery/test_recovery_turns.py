# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole recoveries of every kind of server, run after run, on a ledger whose clock is moved between them."""

from __future__ import annotations

import socketserver
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.ledgers import Clock, kept, opened, record, run_of

from ansible_collections.keyturn.devices.plugins.module_utils._ebo.kinds import default_transport
from ansible_collections.keyturn.devices.plugins.module_utils._ledger import cases
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.describing import iso
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import CaseChange
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.plugin_utils._recovery.request import Desk
from ansible_collections.keyturn.devices.plugins.plugin_utils._recovery.servers import KINDS, Server
from ansible_collections.keyturn.devices.plugins.plugin_utils._recovery.steps import Brought, Refused
from ansible_collections.keyturn.devices.plugins.plugin_utils._recovery.work import Told, Turn

SESSION, OTHER_SESSION = "CANARY-session-5c2e", "CANARY-session-again-81d0"
TEMPORARY, OTHER_TEMPORARY = "CANARY temporary <7f&3>", "CANARY-temporary-again"
NEW = "CANARY-New-Password-2026"
DAY = 24 * 3600.0


class Site:
    """One server and everybody around it: each call is a run of its own. Everything that is ever told is collected."""

    def __init__(self, folder: Path, kind: str = "enterprise_server", **more: Any) -> None:
        self.folder = folder
        self.clock = Clock()
        self.url = f"sqlite:///{folder}/ledger.db"
        opened(self.url, self.clock).close()
        transport = more.pop("transport", default_transport(kind))
        self.server = Server("hq", kind, transport, site="Tower 7", version="6.0", contact="Ada, 555", host="hq.example.com")
        self.desk = Desk(str(folder / "desk"), **more)
        self.proves = False
        self.source: dict[str, Any] = {"source": "value", "password": NEW}
        self.told: list[str] = []
        self.runs = 0

    def ledger(self, **options: Any) -> Ledger:
        return opened(self.url, self.clock, **options)

    @contextmanager
    def turn(self, dry_run: bool = False, reveal: bool = False) -> Iterator[Turn]:
        self.runs += 1
        with self.ledger(dry_run=dry_run) as ledger:
            run = run_of(f"run {self.runs}")
            yield Turn(self.server, self.desk, ledger, run, lambda: self.source, Redactor(), proves=self.proves, reveal=reveal)

    def run(self, arms: Mapping[str, Any] | None = None, logon: Mapping[str, Any] | None = None, **given: Any) -> Told:
        """A run of the playbook. C(arms): what bms_reset_mode says; by default it puts the server in reset mode, or hands that over."""
        options = {name: given.pop(name) for name in ("dry_run", "reveal") if name in given}
        brought = Brought(**{**given, "confirmed": frozenset(given.get("confirmed", ()))})
        try:
            with self.turn(**options) as turn:
                told = turn.take_up(brought)
                if told.act == "reset_mode":
                    by_hand = self.server.by_hand and "reset_mode" not in brought.confirmed
                    result = arms or (self.handed_over() if by_hand or options.get("dry_run") else self.armed())
                    told = turn.armed(result, brought)
                if told.act == "logon":
                    told = turn.proven(logon or {"status": "proven", "message": "It works."})
        except Exception as problem:
            self.told.append(str(problem))
            raise
        self.told.append(repr(told))
        return told

    def armed(self) -> dict[str, Any]:
        return {
            "armed": True,
            "armed_at": iso(self.clock()),
            "reset_deadline": iso(self.clock() + DAY),
            "evidence": "documented",
            "changed": True,
        }

    @staticmethod
    def handed_over() -> dict[str, Any]:
        return {"armed": False, "reason": "operator_awaited", "handed_to_operator": ["Use Device Administrator."], "changed": False}

    def case(self) -> dict[str, Any] | None:
        with self.ledger() as ledger:
            return cases.read_case(ledger, "hq")

    def request(self) -> str:
        return (self.folder / "desk" / "request-hq.txt").read_text()

    @property
    def password_file(self) -> Path:
        return self.folder / "desk" / "new-password-hq.txt"


def stand(told: Told) -> tuple[str, str, str, str]:
    return told.status, told.step, told.waiting_for, told.who


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    place = Site(tmp_path)
    yield place
    assert not [told for told in place.told if "CANARY" in told]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("passes_a_day", [False, True])
def test_every_kind_of_server_in_many_runs(tmp_path: Path, kind: str, passes_a_day: bool) -> None:
    site = Site(tmp_path, kind)
    hour = 3600.0
    by_hand = site.server.by_hand

    first = site.run(arm=True)
    assert stand(first) == (
        ("waiting", "reset_mode", "reset_mode", "operator") if by_hand else ("waiting", "session_id", "session_id", "operator")
    )
    assert first.until == ("" if by_hand else iso(site.clock() + DAY))
    if by_hand:
        assert "Use Device Administrator." in first.lines
        site.clock.advance(hour)
        assert stand(site.run(confirmed=["reset_mode"])) == ("waiting", "session_id", "session_id", "operator")
    site.clock.advance(hour)
    assert stand(site.run(session_id=SESSION)) == ("waiting", "request_sent", "request_sent", "operator")
    for part in (SESSION, "Tower 7", "hq", KINDS[kind], "6.0", "Ada, 555", str(site.case() and site.case()["deadline"])):  # type: ignore[index]
        assert part in site.request()
    site.clock.advance(hour)
    assert stand(site.run(confirmed=["request_sent"])) == ("waiting", "temporary_password", "temporary_password", "support")
    session, temporary = SESSION, TEMPORARY
    if passes_a_day:
        site.clock.advance(DAY)
        expired = site.run()
        assert stand(expired) == ("expired", "reset_mode", "bms_arm", "operator")
        assert "bms_arm=hq" in expired.failure
        with pytest.raises(Refused, match="past its deadline"):
            site.run(temporary_password=TEMPORARY)
        assert stand(site.run()) == ("expired", "reset_mode", "bms_arm", "operator")
        again = site.run(arm=True, confirmed=["reset_mode"] if by_hand else [])
        assert stand(again) == ("waiting", "session_id", "session_id", "operator")
        assert again.until == iso(site.clock() + DAY)
        session, temporary = OTHER_SESSION, OTHER_TEMPORARY
        assert stand(site.run(session_id=session)) == ("waiting", "request_sent", "request_sent", "operator")
        assert SESSION not in site.request()
    site.clock.advance(hour)
    assert stand(site.run(temporary_password=temporary)) == ("waiting", "new_password", "new_password", "operator")
    with site.ledger() as ledger:
        assert kept(ledger, "hq") == {"staged": [NEW]}
        assert record(ledger, "hq")["lease"] is None
    site.run(reveal=True)
    assert site.password_file.read_text() == f"{NEW}\n"
    assert stat.S_IMODE(site.password_file.stat().st_mode) == 0o600

    done = site.run(confirmed=["new_password"])

    assert stand(done) == ("done", "done", "", "")
    assert any("Nothing has proven it" in line for line in done.lines)
    with site.ledger() as ledger:
        assert kept(ledger, "hq") == {"current": [NEW]}
        assert record(ledger, "hq")["last_verified"] is None
        case = cases.read_case(ledger, "hq", include_secrets=True)
    assert case is not None
    assert (case["state"], case["secrets"], case["step"]) == ("closed", {}, "verified")
    assert list((tmp_path / "desk").iterdir()) == []
    assert {event["who"] for event in case["events"]} != {""}
    before = site.case()
    assert (stand(site.run()), stand(site.run(confirmed=["new_password"]))) == (stand(done), stand(done))
    assert site.case() == before
    assert "CANARY" not in repr((site.told, case))


def test_a_logon_proves_it_and_only_that_verifies(site: Site) -> None:
    site.proves = True
    site.run(arm=True, confirmed=["reset_mode"], session_id=SESSION, temporary_password=TEMPORARY)
    wrong = site.run(confirmed=["new_password"], logon={"status": "refused", "reason": "unauthorized", "failed": True})
    assert (stand(wrong), wrong.reason) == (("failed", "new_password", "new_password", "operator"), "unauthorized")
    # Nobody tries again by itself: that could lock the account.
    assert site.run(logon={"status": "never asked"}).status == "waiting"
    lost = site.run(
        confirmed=["new_password"], logon={"status": "failed", "reason": "no_licence", "message": "None is free.", "failed": True}
    )
    assert (stand(lost), lost.reason) == (("failed", "verified", "", ""), "no_licence")
    site.clock.advance(3 * DAY)
    assert stand(site.run()) == ("done", "done", "", "")
    with site.ledger() as ledger:
        assert kept(ledger, "hq") == {"current": [NEW]}
        assert record(ledger, "hq")["verified_by"] == "login"


def test_a_password_that_was_handed_out_is_kept_whatever_the_clock_says(site: Site) -> None:
    site.source = {"source": "generate"}
    site.run(arm=True, confirmed=["reset_mode"], session_id=SESSION)
    site.run(temporary_password=TEMPORARY)
    with site.ledger() as ledger:
        staged = kept(ledger, "hq")
    site.clock.advance(2 * DAY)
    assert site.run().status == "expired"
    site.run(arm=True, confirmed=["reset_mode"], session_id=OTHER_SESSION)
    site.run(temporary_password=OTHER_TEMPORARY)
    with site.ledger() as ledger:
        assert kept(ledger, "hq") == staged
    site.clock.advance(2 * DAY)
    assert site.run(confirmed=["new_password"]).status == "done"
    with site.ledger() as ledger:
        assert kept(ledger, "hq") == {"current": staged["staged"]}


def test_another_session_id_replaces_the_one_before(site: Site) -> None:
    site.run(arm=True, confirmed=["reset_mode"], session_id=SESSION, temporary_password=TEMPORARY)
    told = site.run(session_id=OTHER_SESSION)
    assert stand(told) == ("waiting", "request_sent", "request_sent", "operator")
    assert OTHER_SESSION in site.request()
    with site.ledger() as ledger:
        case = cases.read_case(ledger, "hq", include_secrets=True)
    assert case is not None
    assert case["secrets"] == {"session_id": OTHER_SESSION}


@pytest.mark.parametrize("before", [[], [{"arm": True, "session_id": None}]])
def test_what_cannot_be_armed_leaves_everything_as_it_was(tmp_path: Path, before: list[dict[str, Any]]) -> None:
    site = Site(tmp_path, "edge_server")
    no_such = {"failed": True, "armed": False, "changed": False, "reason": "not_found", "msg": "container.name: there is no container cs9."}
    if before:
        site.run(arm=True)
        site.clock.advance(2 * DAY)
    told = site.run(arms=no_such, arm=True)
    assert (told.status, told.reason, told.failure) == ("failed", "not_found", no_such["msg"])
    assert site.run(arms=no_such).status == ("expired" if before else "waiting")
    # What may have begun is tried again without being named again.
    stuck = {"failed": True, "armed": False, "changed": True, "reason": "timeout", "msg": "It is stuck in Starting."}
    assert site.run(arms=stuck, arm=True).reason == "timeout"
    assert stand(site.run()) == ("waiting", "session_id", "session_id", "operator")


def test_a_server_that_was_armed_and_does_not_run_is_on_record_and_red(tmp_path: Path) -> None:
    site = Site(tmp_path, "edge_server")
    told = site.run(arms={**site.armed(), "failed": True, "reason": "not_restarted", "msg": "It is stopped."}, arm=True)
    assert (told.status, told.reason, told.step) == ("failed", "not_restarted", "session_id")
    assert stand(site.run()) == ("waiting", "session_id", "session_id", "operator")


def test_a_clock_that_cannot_be_right_is_not_believed(tmp_path: Path) -> None:
    site = Site(tmp_path, "edge_server")
    wrong = {**site.armed(), "armed_at": "2031-01-01T00:00:00Z", "reset_deadline": "2041-01-01T00:00:00Z"}
    assert site.run(arms=wrong, arm=True).until == iso(site.clock() + DAY)


def test_a_wrong_source_is_found_before_anything_is_done(site: Site) -> None:
    site.source = {"source": "value", "password": ""}
    with pytest.raises(LedgerError, match="needs a password"):
        site.run(arm=True)
    assert site.case() is None


def test_two_runs_are_not_at_one_server_at_once(site: Site) -> None:
    with site.turn() as mine:
        assert mine.take_up(Brought(arm=True)).act == "reset_mode"
        with pytest.raises(Refused, match="another run"):
            site.run(arm=True)
        mine.let_go()
    assert site.run(arm=True).status == "waiting"


def test_check_mode_tells_and_does_nothing(site: Site) -> None:
    assert site.run(dry_run=True, arm=True).step == "reset_mode"
    with site.turn(dry_run=True) as turn:  # The next task of the same run is another process.
        assert turn.armed(site.handed_over(), Brought(arm=True)).status == "waiting"
    assert site.case() is None
    site.run(arm=True, confirmed=["reset_mode"])
    before = site.case()
    told = site.run(dry_run=True, session_id=SESSION)
    assert any("would be written" in line for line in told.lines)
    site.run(dry_run=True, reveal=True)
    assert (site.case(), (site.folder / "desk").exists()) == (before, False)


def test_a_case_that_was_abandoned_is_none(site: Site) -> None:
    site.run(arm=True)
    with site.ledger() as ledger:
        cases.change_case(ledger, "hq", None, CaseChange("replaced", state="abandoned"), run_of("by hand"))
    assert stand(site.run()) == ("waiting", "reset_mode", "bms_arm", "operator")


class _Mail(socketserver.StreamRequestHandler):
    """Enough of SMTP to take one message, or to refuse it."""

    def handle(self) -> None:
        server: Any = self.server
        self.wfile.write(b"220 desk\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                content = b""
                while not content.endswith(b"\r\n.\r\n"):
                    content += self.rfile.readline()
                server.messages.append(content.decode())
            refused = server.refuses and word == b"RCPT"
            self.wfile.write(b"550 no such desk\r\n" if refused else b"250 good\r\n")


@pytest.fixture
def mail_server() -> Iterator[Any]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Mail) as server:
        server.daemon_threads = True
        server.messages, server.refuses = [], False  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def test_a_request_is_mailed_where_there_is_a_mail_server_and_written_where_it_fails(tmp_path: Path, mail_server: Any) -> None:
    port = mail_server.server_address[1]
    site = Site(tmp_path, to="support@example.com", smtp_host="127.0.0.1", smtp_port=port, smtp_tls="none", sender="bms@example.com")
    mail_server.refuses = True
    failed = site.run(arm=True, confirmed=["reset_mode"], session_id=SESSION)
    assert (failed.status, failed.reason, failed.step) == ("failed", "mail", "request_sent")
    assert "It was not sent" in failed.failure
    assert SESSION in site.request()
    mail_server.refuses = False
    assert stand(site.run()) == ("waiting", "temporary_password", "temporary_password", "support")
    [message] = mail_server.messages
    assert SESSION in message
    assert SESSION not in message.partition("\r\n\r\n")[0]
    assert "Subject: Password reset request: Tower 7, hq" in message
    assert stand(site.run()) == ("waiting", "temporary_password", "temporary_password", "support")
    assert len(mail_server.messages) == 1
    assert "CANARY" not in repr(site.told)
