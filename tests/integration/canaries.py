# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Searches everything a run leaves or shows for secrets, in every form they could have taken on the way."""

from __future__ import annotations

import base64
import html
import json
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from urllib.parse import quote, quote_plus

# What the kernel allows all arguments and the environment of a process to take.
_LONGEST = 2**21


def forms(secret: str) -> set[str]:
    """Written independently of the product's own list of forms, on purpose."""
    raw = secret.encode()
    encoded = {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    return {
        secret,
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        html.escape(secret),
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
        *(text.rstrip("=") for text in encoded),
    }


def found_in(content: bytes, secrets: Iterable[str]) -> list[str]:
    """The places where a secret shows: the words before it, never the secret."""
    places = []
    for secret in secrets:
        for form in forms(secret):
            position = content.find(form.encode())
            if position >= 0:
                places.append(f"...{content[max(0, position - 60) : position].decode(errors='replace')}<secret>")
    return places


def found_below(folder: Path, secrets: Iterable[str], leave_out: Iterable[Path] = ()) -> list[str]:
    """The same for every file below a folder."""
    wanted, left_out = list(secrets), set(leave_out)
    places = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path not in left_out:
            places += [f"{path.relative_to(folder)}: {place}" for place in found_in(path.read_bytes(), wanted)]
    return places


class CommandLines:
    """Collects the command lines of all processes while it is open."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            # By the plainest calls, a quarter of the work: this goes on during whole playbooks.
            for process in filter(str.isdecimal, os.listdir("/proc")):
                try:
                    file = os.open(f"/proc/{process}/cmdline", os.O_RDONLY)
                except OSError:
                    continue  # it ended while we looked
                try:
                    self.seen.add(os.read(file, _LONGEST))
                except OSError:
                    continue
                finally:
                    os.close(file)

    def __enter__(self) -> CommandLines:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._done.set()
        self._thread.join()
