# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can put which kind of server in password reset mode, and how it is known."""

from __future__ import annotations

from collections.abc import Mapping

TRANSPORTS = ("container", "kubernetes", "serial", "guided")

#: Kind of server -> the transports there can be for it, the default first -> evidence that such a server is in reset mode afterwards.
#: Containers: the marker is documented for Edge Servers, and that all types take it alike, at their start, is the operator's code. An
#: automation server's console has no documented dialogue; of the fire server only the title of a help page is known.
WAYS: Mapping[str, Mapping[str, str]] = {
    "enterprise_server": {"guided": "documented", "container": "observed", "kubernetes": "observed"},
    "enterprise_central": {"guided": "documented", "container": "observed", "kubernetes": "observed"},
    "automation_server": {"guided": "documented", "serial": "assumed"},
    "edge_server": {"container": "observed", "kubernetes": "observed", "guided": "documented"},
    "pct_server": {"guided": "documented"},
    "fdp_server": {"guided": "assumed"},
}

#: Seconds a server stays in reset mode. Documented, but not for Edge Servers and containers, where it is assumed.
RESET_SECONDS = 24 * 3600


def default_transport(kind: str) -> str:
    """The one that is taken when none is named."""
    return next(iter(WAYS[kind]))
