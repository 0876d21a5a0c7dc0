# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults on the wire: which request is hit, when, and how. The server in C(server.py) carries them out."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

BEFORE_READING, BEFORE_CHANGE, AFTER_CHANGE = "before_reading", "before_change", "after_change"
WHEN = (BEFORE_READING, BEFORE_CHANGE, AFTER_CHANGE)
KINDS: dict[str, str] = {
    "cut": "close the connection without an answer (`how`: reset or close)",
    "hang": "never answer; the connection stays open for `seconds` (default 3600)",
    "slow": "wait `seconds`, then answer as usual",
    "cut_body": "answer, but end after `bytes` of the body (`framing`: length, chunked, or none: the client cannot see the loss)",
    "trickle": "answer, but one byte every `seconds` of head and body",
    "status": "answer with HTTP `status` (default 503) and an error envelope; `retry_after` sets that header",
    "not_json": "answer with HTTP `status` (default 200) and a page of HTML",
    "empty": "answer with HTTP `status` (default 200) and no body",
    "success_false": "answer with HTTP 200 and `success: false`",
    "redirect": "answer with HTTP `status` (default 307) to `location`",
    "wrong_shape": "answer as usual, but spoil the JSON as `shape` says",
}


def _without(key: str) -> Callable[[Any], Any]:
    return lambda body: {name: value for name, value in body.items() if name != key} if isinstance(body, dict) else body


def _with(key: str, value: Any) -> Callable[[Any], Any]:
    return lambda body: {**body, key: value} if isinstance(body, dict) else body


def _spoil_items(spoil: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def spoiled(body: Any) -> Any:
        data = body.get("data") if isinstance(body, dict) else None
        if isinstance(data, list):
            return {**body, "data": [spoil(item) for item in data]}
        return {**body, "data": {key: spoil(item) for key, item in data.items()}} if isinstance(data, dict) else body

    return spoiled


SHAPES: dict[str, Callable[[Any], Any]] = {
    "top_list": lambda body: [body],
    "top_null": lambda body: None,
    "top_string": json.dumps,
    "no_success": _without("success"),
    "no_data": _without("data"),
    "data_null": _with("data", None),
    "data_string": _with("data", "data"),
    "data_number": _with("data", 7),
    "data_other_container": lambda body: _with("data", {} if isinstance(body.get("data"), list) else [])(body),
    "no_meta": _without("meta"),
    "meta_null": _with("meta", None),
    "meta_list": _with("meta", []),
    "no_channel": _with("meta", {}),
    "channel_number": _with("meta", {"channel": 7}),
    "channel_traversal": _with("meta", {"channel": "../api/devices?x="}),
    "items_null": _spoil_items(lambda item: None),
    "items_strings": _spoil_items(lambda item: "item"),
    "items_empty": _spoil_items(lambda item: {} if isinstance(item, dict) else []),
}


class FaultError(ValueError):
    """A fault described wrongly."""


@dataclasses.dataclass
class Fault:
    """One rule. It hits matching requests number C(nth) to C(nth + times - 1), counted from 1; C(times) 0 means for ever."""

    kind: str
    method: str = "*"
    path: str = "*"
    nth: int = 1
    times: int = 1
    when: str = BEFORE_CHANGE
    status: int = 0
    retry_after: str = ""
    seconds: float = 3600.0
    how: str = "reset"
    bytes: int = 0
    framing: str = "length"
    location: str = ""
    shape: str = "top_list"
    seen: int = 0
    hits: int = 0

    @classmethod
    def from_mapping(cls, description: Mapping[str, Any]) -> Fault:
        known = {field.name for field in dataclasses.fields(cls)} - {"seen", "hits"}
        unknown = sorted(set(description) - known)
        if unknown:
            raise FaultError(f"a fault has no {', '.join(unknown)}; it has {', '.join(sorted(known))}")
        if description.get("kind") not in KINDS:
            raise FaultError(f"kind: one of {', '.join(KINDS)} is wanted, not {description.get('kind')!r}")
        settings = dict(description)
        if settings["kind"] in ("cut_body", "wrong_shape", "trickle"):
            settings["when"] = AFTER_CHANGE
        fault = cls(**settings)
        for value, positions in (
            (fault.when, WHEN),
            (fault.shape, SHAPES),
            (fault.how, ("reset", "close")),
            (fault.framing, ("length", "chunked", "none")),
        ):
            if value not in positions:
                raise FaultError(f"one of {', '.join(positions)} is wanted, not {value!r}")
        return fault

    def hit_by(self, method: str, path: str) -> bool:
        """Count the request if it matches; say whether this one is hit."""
        if self.method not in ("*", method) or not (fnmatchcase(path, self.path) or fnmatchcase(path, "*" + self.path)):
            return False
        self.seen += 1
        hit = self.seen >= self.nth and (self.times == 0 or self.seen < self.nth + self.times)
        self.hits += hit
        return hit


class FaultPlan:
    """The faults in force; every one counts for itself, the first that hits wins."""

    def __init__(self, descriptions: list[dict[str, Any]]) -> None:
        self.faults = [Fault.from_mapping(description) for description in descriptions]

    def pick(self, method: str, path: str) -> Fault | None:
        hits = [fault for fault in self.faults if fault.hit_by(method, path)]
        return hits[0] if hits else None
