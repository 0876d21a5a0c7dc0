# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Before a password is handed over to a store."""

from __future__ import annotations

import pytest
from ansible import constants
from support.actions import run_action

from ansible_collections.keyturn.devices.plugins.action.handover_step import ActionModule


@pytest.mark.parametrize("keeps", [True, False])
def test_nothing_is_handed_over_where_ansible_keeps_what_modules_were_given(keeps: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DEFAULT_KEEP_REMOTE_FILES", keeps, raising=False)
    result = run_action(ActionModule, variables={"inventory_hostname": "depot-07"}, state="ready", store="passwordstore")
    assert (bool(result.get("failed")), result.get("reason", "")) == (keeps, "pipelining" if keeps else "")
