# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The password rule a router itself tells (from 07.11 on; facts: Teltonika 2.3 D, observed)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._passwords.floors import Floor
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import LONGEST
from ansible_collections.keyturn.devices.plugins.module_utils._rutos.visit import Rule


def read_rule(data: Any, floor: Floor) -> Rule:
    """The rule from the C(data) of the policy call. What cannot be read there is taken from the floor of the firmware."""
    section = data[0] if isinstance(data, list) and data else data
    if not isinstance(section, Mapping):
        return Rule(floor.policy, floor.evidence)
    known = floor.policy
    length = _number(section.get("password_length"))
    letters = _truth(section.get("require_lower_upper"))
    least = known.min_length if length is None else min(length, LONGEST)
    return Rule(
        replace(
            known,
            min_length=least,
            max_length=LONGEST,
            length=max(least, known.length),
            upper=known.upper if letters is None else letters,
            lower=known.lower if letters is None else letters,
            digits=known.digits if (digits := _truth(section.get("require_digits"))) is None else digits,
            special=known.special if (special := _truth(section.get("require_special"))) is None else special,
            # 0: a password lives for ever.
            max_age_days=_number(section.get("password_lifetime")) or None,
        ),
        "router",
    )


def _number(value: object) -> int | None:
    text = str(value).strip()
    return int(text) if text.isdecimal() and len(text) < 6 else None


def _truth(value: object) -> bool | None:
    return {"0": False, "1": True, "false": False, "true": True}.get(str(value).strip().lower())
