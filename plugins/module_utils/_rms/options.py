# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options by which a module or a plugin finds RMS."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.basic import env_fallback, missing_required_lib

from ansible_collections.keyturn.devices.plugins.module_utils._http import IMPORT_ERROR, BearerToken, HttpClient
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._rms.client import RmsClient, RmsFault
from ansible_collections.keyturn.devices.plugins.module_utils._spec import Spec

RMS_URL = "https://rms.teltonika-networks.com/api"

# Ten thousand routers with all their fields in one page are about 30 MB.
_MOST_BYTES = 64 * 1024 * 1024

# A request on its way at the deadline may still be answered; its outcome is worth more than these seconds.
_GRACE = 5.0


def rms_spec() -> Spec:
    """The options beside C(http_spec). The token is asked for when a client is made: not every way needs one."""
    return Spec(
        {
            "rms_url": {"type": "str", "default": RMS_URL, "fallback": (env_fallback, ["RMS_URL"])},
            "rms_status_url": {"type": "str", "fallback": (env_fallback, ["RMS_STATUS_URL"])},
            "rms_token": {"type": "str", "no_log": True, "fallback": (env_fallback, ["RMS_TOKEN"])},
        }
    )


def rms_client(
    options: Mapping[str, Any],
    redactor: Redactor,
    deadline_seconds: float | None = None,
    may_change: Callable[[], bool] = lambda: True,
) -> RmsClient:
    """A client from the options. RmsFault when they cannot be used, or when a library is missing.

    C(may_change): asked right before every request that changes something leaves, and again afterwards; see C(HttpClient).
    """
    if IMPORT_ERROR is not None:
        raise RmsFault("library", missing_required_lib("requests"))
    token = options["rms_token"] or ""
    redactor.add(token)
    if not token:
        raise RmsFault(
            "bad_input",
            "There is no token for RMS, and nothing was asked of it. Make an access token in its account settings, and give it as the "
            "environment variable RMS_TOKEN or as rms_token.",
        )
    if not token.isprintable() or any(character.isspace() for character in token):
        raise RmsFault(
            "bad_input", "rms_token (or the environment variable RMS_TOKEN) holds spaces or line breaks, and nothing was asked of RMS."
        )
    now = time.monotonic()
    http = HttpClient(
        validate_certs=options["validate_certs"],
        ca_path=options["ca_path"],
        timeout=options["timeout"],
        auth=BearerToken(token),
        deadline=None if deadline_seconds is None else now + deadline_seconds + _GRACE,
        may_change=may_change,
        most_bytes=_MOST_BYTES,
    )
    return RmsClient(
        http,
        redactor,
        rms_url=options["rms_url"],
        rms_status_url=options["rms_status_url"],
        deadline=None if deadline_seconds is None else now + deadline_seconds,
    )
