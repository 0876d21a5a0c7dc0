# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be set about the simulated PBX. Numbers in brackets are sections of the project's fact sheet on Yeastar."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..kit.switches import switch

#: Model -> (name, firmware it comes with).
MODELS = {
    "S20": ("Yeastar S20", "65.16.0.183"),
    "S50": ("Yeastar S50", "30.15.0.40"),
    "S100": ("Yeastar S100", "30.15.0.40"),
    "S300": ("Yeastar S300", "30.15.0.40"),
    "K2": ("Yeastar K2", "80.11.0.20"),
    "Cloud": ("Yeastar Cloud PBX", "81.8.0.15"),
}

NOISE = (
    "dead_link",
    "wrong_sender",
    "foreign_host",
    "look_alike_host",
    "userinfo",
    "href_differs",
    "two_links",
    "javascript",
)


@dataclasses.dataclass
class Switches:
    """Defaults are what the fact sheet holds to be most likely."""

    # Product
    model: str = switch("S50", "O", "which PBX it is (9.16)", tuple(MODELS))
    firmware: str = switch("", "O", "its firmware; empty for the one its model comes with (2.1)")
    language: str = switch("en", "O", "language of the pages", ("en", "zh"))
    string_table: bool = switch(True, "O", "the pages keep their texts in the global object l, by the keys of the fact sheet (3.4)")

    # Login
    lock_after: int = switch(3, "D", "failed logins until an address is locked out: 3 or 5 (3.8)")
    lock_minutes: int = switch(10, "D", "minutes of a lock-out (3.8)")
    lock_of: str = switch("address", "O", "what is locked out (3.8)", ("address", "account", "both"))
    locks_until_blocked: int = switch(0, "O", "lock-outs after which only the administrator can help; 0 for never (3.8)")
    login_result: str = switch("xml", "A", "form of the answers to logins and requests for a mail (3.3)", ("xml", "json"))
    allow_weak_password: bool = switch(False, "D", "Allow Weak Password: off forces a change after a login with a weak one (3.7)")
    privacy_box: bool = switch(False, "O", "the privacy policy box comes first after a login (3.2)")
    my_settings_opens: bool = switch(True, "O", "My Settings opens by itself after a login, never on Cloud PBX (3.2)")
    session_minutes: int = switch(15, "A", "minutes of idleness that end a session (3.8)")

    # My Settings
    my_settings: str = switch("extjs", "A", "what the fields of My Settings are made of (3.6)", ("extjs", "html"))
    bind_needs_password: bool = switch(False, "A", "an address is bound only together with the password fields (3.6)")
    session_ends_after_change: bool = switch(True, "A", "a change of the password ends the session (6)")
    rule_of_change: bool = switch(True, "D", "My Settings enforces the password rule (3.7)")
    password_maxlength: int = switch(63, "O", "characters that the password fields take by typing (3.7)")
    change_answer: str = switch(
        "right",
        "test",
        "a change of the password is carried out and told so, told although it was not, or told as failed although it was",
        ("right", "says_done", "says_failed"),
    )

    # E-mail settings
    save_needs_apply: bool = switch(True, "O", "saved settings take effect only after Apply (9.9)")
    test_uses: str = switch("typed", "A", "what the Test button tests (3.5)", ("typed", "saved"))
    test_result: str = switch(
        "real", "O", "what the Test button says: what SMTP and POP3 really answer, or this", ("real", "ok", "smtp", "pop3", "fail")
    )

    # Forget Password
    dialog: str = switch("user_and_email", "D", "generation of the dialog (1.4)", ("user", "user_and_email"))
    forgot_errors: str = switch(
        "specific", "O", "one message per fault, or one for user and address together (3.4)", ("specific", "generic")
    )
    forgot_lock_after: int = switch(5, "O", "failed requests until the dialog is locked (3.4)")
    forgot_lock_minutes: int = switch(10, "O", "minutes of that lock-out (3.4)")
    link_minutes: int = switch(30, "O", "how long a link lives (3.4)")
    link_origin: str = switch("", "A", "scheme, host and port that the link names; empty for the PBX's own (4)")
    single_use: bool = switch(True, "A", "a link works once (4)")
    newest_link_only: bool = switch(True, "A", "a newer request kills older links (4)")
    reset_page: str = switch("extjs", "A", "what the reset page is made of (9.5)", ("extjs", "html"))
    reset_rule: bool = switch(True, "A", "the reset page enforces the strong rule (3.7)")
    reset_result: str = switch("real", "O", "what the reset page answers: what is true, or a failure (3.4)", ("real", "error"))
    reset_redirect: str = switch("", "test", "where the link's page redirects to; empty for nowhere")
    lan_check: str = switch("host_only", "A", "who may open a link: whom the address lets, or the LAN (4)", ("host_only", "enforced"))
    lan: str = switch("127.0.0.0/8", "test", "the PBX's network")

    # Mail
    mail_subject: str = switch("Find Password", "D", "subject of the mail (4)")
    mail_format: str = switch("html", "A", "body of the mail (4)", ("text", "html", "multipart"))
    mail_encoding: str = switch("quoted-printable", "A", "transfer encoding of the mail (4)", ("quoted-printable", "base64"))
    mail_charset: str = switch("utf-8", "A", "character set of the mail (4)", ("utf-8", "gb18030"))
    mail_delay_seconds: float = switch(0.0, "A", "seconds until the mail leaves (4)")
    mail_copies: int = switch(1, "test", "how often the mail is sent; 0 for never, although the page says that it was")
    mail_safe_links: bool = switch(False, "O", "the link is rewritten as Microsoft Defender does (7.1)")
    mail_noise: list[str] = switch([], "test", f"mails sent besides, before the true one: {', '.join(NOISE)}")  # noqa: RUF009

    # Means of testing
    malformed_header: bool = switch(False, "O", "a header line that no strict parser takes, as on the sister product (2.2)")
    whispers_to: str = switch("", "test", "origin that the pages tell every password typed, by every means a page has; empty for none")
    api_enabled: bool = switch(False, "D", "the documented API is on (2.1)")
    latency_ms: float = switch(0.0, "test", "time before each answer")
    faults: list[dict[str, Any]] = switch([], "test", "faults on the wire, see --describe; a change replaces all")  # noqa: RUF009
    log_bodies: bool = switch(False, "test", "the log keeps bodies of requests and answers, passwords included")
