# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a change of a PBX's password says when the run that asked for it ends in the middle."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.keyturn.devices.plugins.module_utils._module import Context
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar import pages, passwords
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.door import Login
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.pages import Answer, Field
from ansible_collections.keyturn.devices.plugins.modules.pbx_password import SPEC

OLD, NEW = "Depot-Seven-47", "Harbour-Nine-58"


class Pages:
    """A PBX that lets in whoever has the old password, takes the new one, and says C(word)."""

    sent = True
    save = pages.Pages.save

    def __init__(self, word: str) -> None:
        self.word = word

    def enter(self, password: str) -> Login:
        assert password == OLD, "a run that has ended makes no further login"
        return Login("proven")

    def change_fields(self) -> tuple[Field, ...]:
        return tuple(Field(place, "password", "", None, "") for place in range(3))

    def fill(self, field: Field, text: str) -> None:
        pass

    def press_beside(self, field: Field, label: str, ready: Any) -> None:
        ready()

    def answer(self, names: list[str], also: Any) -> Answer | None:
        return Answer(self.word) if self.word else None


@pytest.mark.parametrize("word", ["reset_done", "session_over", "old_password_wrong", ""])
def test_what_a_login_proved_before_the_change_is_no_word_on_what_is_in_force_after_it(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    page = Pages(word)
    asked = iter([True, True])

    def carry_out(_options: Any, _context: Any, _prepared: Any, work: Any, more: Any) -> dict[str, Any]:
        outcome = work(Visit())
        return {"status": outcome.status, "reason": outcome.reason, **more()}

    class Visit:
        pages = door = page

        def step(self, name: str, status: str = "done") -> None:
            pass

    monkeypatch.setattr(passwords, "prepare", lambda *_options: None)
    monkeypatch.setattr(passwords, "carry_out", carry_out)
    options = {**dict.fromkeys(SPEC.arguments), "current_password": OLD, "new_password": NEW, "try_first": "current"}
    context = Context(check_mode=False, diff=False, redactor=Redactor(), warn=lambda _text: None)

    result = passwords.change(options, context, lambda: next(asked, False))

    assert (result["status"], result["reason"], result["live"], result["sent_late"]) == ("unknown", "interrupted", None, True)
