# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a simulator was asked: in memory for tests, and as JSON lines in a file for people."""

from __future__ import annotations

import json
import os
from typing import Any


class RequestLog:
    """A list of entries. Without C(bodies) no entry holds a password, so a log left behind is no leak."""

    def __init__(self, path: str | None = None) -> None:
        self.entries: list[dict[str, Any]] = []
        self._file = None
        if path:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            self._file = os.fdopen(descriptor, "a", encoding="utf-8")

    def add(self, entry: dict[str, Any]) -> None:
        self.entries.append(entry)
        if self._file:
            self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")
            self._file.flush()

    def clear(self) -> None:
        self.entries.clear()
