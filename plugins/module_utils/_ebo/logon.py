# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The work of bms_logon: its options, one logon, its result."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import missing_required_lib

from ansible_collections.keyturn.devices.plugins.module_utils._addresses import AddressError, read_address
from ansible_collections.keyturn.devices.plugins.module_utils._ebo.webstation import WebStation
from ansible_collections.keyturn.devices.plugins.module_utils._http import IMPORT_ERROR, http_spec
from ansible_collections.keyturn.devices.plugins.module_utils._module import Context, ModuleFailure
from ansible_collections.keyturn.devices.plugins.module_utils._spec import Spec

_FINGERPRINT = re.compile(r"(?:SHA256[:=])?((?:[0-9a-f]{2}:?){31}[0-9a-f]{2})\Z", re.IGNORECASE)
_SESSION_LEFT = (
    "The server keeps the session of this logon, and the client licence it takes, until it ends the session itself: no request that logs "
    "off is publicly known."
)


def logon_spec() -> Spec:
    """The options of bms_logon."""
    return (
        Spec(
            {
                "url": {"type": "str", "required": True},
                "username": {"type": "str", "default": "admin"},
                "password": {"type": "str", "required": True, "no_log": True},
                "domain": {"type": "str", "default": ""},
                "fingerprint": {"type": "str"},
            }
        )
        + http_spec()
    )


def prove(options: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """The result of bms_logon. ModuleFailure for every other status than C(proven)."""
    if IMPORT_ERROR is not None:
        raise ModuleFailure(missing_required_lib("requests and urllib3"), **_told("failed", "library"))
    address, fingerprint = _address(options), _fingerprint(options)
    if context.check_mode:
        message = "Check mode: nobody logged on, because a logon takes a client licence of the server."
        return {"changed": False, **_told("unknown", "not_sent", message, retryable=True)}
    connection = {
        "validate_certs": options["validate_certs"],
        "ca_path": options["ca_path"],
        "fingerprint": fingerprint,
        "timeout": options["timeout"],
    }
    logon = WebStation(address, connection, context.redactor).log_on(options["username"], options["password"], options["domain"])
    outcome = logon.outcome
    message = " ".join(part for part in (outcome.message, _SESSION_LEFT if logon.session_left else "") if part)
    result = {
        **_told(outcome.status, outcome.reason, message, logon.session_left, outcome.retryable),
        "wrong_logins": int(outcome.status == "refused"),
        "requests": logon.requests,
    }
    if outcome.status != "proven":
        raise ModuleFailure(message, changed=False, **result)
    return {"changed": False, **result}


def _told(status: str, reason: str = "", message: str = "", session_left: bool = False, retryable: bool = False) -> dict[str, Any]:
    return {
        "status": status,
        "reason": reason,
        "message": message,
        "retryable": retryable,
        "logged_off": False,
        "session_left": session_left,
        "evidence": "observed",
        "wrong_logins": 0,
        "requests": 0,
    }


def _address(options: Mapping[str, Any]) -> str:
    message = "is empty" if not options["password"] else ""
    if message:
        raise _bad_input("password", message)
    try:
        return read_address(options["url"]).url
    except AddressError as problem:
        message = str(problem)
    raise _bad_input("url", message)


def _fingerprint(options: Mapping[str, Any]) -> str | None:
    if not options["fingerprint"]:
        return None
    match = _FINGERPRINT.match(options["fingerprint"].strip())
    if match is None:
        raise _bad_input("fingerprint", "is no SHA-256 fingerprint in hexadecimal digits")
    return match[1].replace(":", "").lower()


def _bad_input(option: str, message: str) -> ModuleFailure:
    text = f"{option} {message}."
    return ModuleFailure(text, changed=False, **_told("failed", "bad_input", text))
