# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every point where real servers may differ, and every fault, as a named switch with its evidence grade."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..kit.switches import switch


@dataclass
class Switches:
    """Numbers in brackets are sections of the project's fact sheet on EcoStruxure."""

    reset_hours: float = switch(24.0, "D", "hours the reset mode lasts (1.5)")
    rearming_restarts: bool = switch(True, "A", "entering reset mode again starts its hours anew (1.5)")
    reset_ends_mode: bool = switch(True, "A", "a successful reset ends the mode (1.5)")
    restart_ends_mode: bool = switch(False, "A", "a restart without a marker ends the mode (1.5)")
    mode_blocks_logon: bool = switch(False, "A", "reset mode refuses the ordinary password (1.5)")
    marker: str = switch("removed", "A", "a marker that was read is removed, or stays and arms at every start (5.1)", ("removed", "stays"))
    reads_marker_while_running: bool = switch(False, "A", "a running server notices the marker; off: only at start (5.1)")
    usb: bool = switch(True, "D", "off: the site disabled the USB ports of its automation servers (2)")
    closed_keeps_id: bool = switch(False, "test", "a session ID outlives its WorkStation; the vendor says it does not (1.3)")
    password_history: int = switch(5, "A", "old passwords that may not be used again (4.3)")
    password_length: int = switch(8, "A", "characters a new password has at least (4.3)")
    lockout_attempts: int = switch(0, "A", "wrong passwords in a row that lock the account; 0 = never (4.3)")
    domain: str = switch("SBO", "O", "domain a logon may name; none is good too (4.1)")
    licences: int = switch(1, "O", "WebStation clients that may be logged on at once; 0: every logon says 1048592 (4.1)")
    one_session_per_user: bool = switch(False, "O", "a second logon of a user says 131094 (4.1)")
    session_seconds: float = switch(600.0, "A", "idle seconds until a WebStation session ends and gives its licence back")
    logoff: bool = switch(False, "A", "POST /webstation/vp/Logoff ends a session; no public client has any such request (4.1)")
    login_settings: str = switch(
        "optional", "O", "LoginSettings before a logon: one client asks for them, another does not (4.1)", ("optional", "required")
    )
    digest_path: str = switch(
        "/webstation/vp/Login",
        "O",
        "path within the digest; a document leaves out the leading slash (4.1)",
        ("/webstation/vp/Login", "webstation/vp/Login"),
    )
    cookies: bool = switch(False, "O", "a session cookie from the page is needed: one client keeps cookies, another needs none (4.1)")
    encrypted_password: str = switch(
        "optional", "O", "BB8, C3PO and R2D2: one client sends them over HTTPS, another does not (4.1)", ("optional", "required")
    )
    login_page: str = switch("both", "O", "where the page with the CSRF token is (4.1)", ("both", "root", "login.html"))
    error_code_type: str = switch("text", "O", "ErrorCode is text, or a number (4.1)", ("text", "number"))
    temporary_on_webstation: str = switch(
        "refused",
        "A",
        "the temporary password on WebStation: refused as wrong, or with a code nobody knows (4.1)",
        ("refused", "unknown_code"),
    )
    prelogin: int = switch(200, "O", "HTTP status of /prelogin-info (4.2)")
    manager: bool = switch(False, "O", "/adminpassword/status of the manager answers (4.2)")
    latency_ms: float = switch(0.0, "test", "time before each answer")
    faults: list[dict[str, Any]] = switch([], "test", "faults on the wire, see kit/faults.py; a change replaces all")  # noqa: RUF009
    log_bodies: bool = switch(False, "test", "the log keeps bodies of requests and answers")
