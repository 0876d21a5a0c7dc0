# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rule each product enforces by itself, with how we know it. A user's policy can only be stricter than its product's floor."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import PasswordPolicy, PolicyError

PRODUCTS = ("rms", "rutos", "yeastar_strong", "yeastar_basic")

# RUTX_R_00.07.13.2: platform, release kind, then generation 00, line 07, minor 13, patch 2.
_FIRMWARE = re.compile(r"(?:[A-Z0-9]+_[A-Z]_)?(?:00\.)?(?P<line>[0-9]{2})\.(?P<minor>[0-9]{2})(?![0-9])", re.IGNORECASE)

#: What the S-Series' own input check refuses (its pages' text invalidpwdconfig, observed; that it guards this field is assumed).
_YEASTAR_FORBIDDEN = " ;&\"'\\<>`|"

# The oldest line whose rule is known, and none asks for less.
_LEAST_FIRMWARE = "07.05"

_RMS_MAXIMUM = 32
_RUTOS_MAXIMUM = 256
_YEASTAR_MAXIMUM = 63


@dataclass(frozen=True)
class Floor:
    """The least that a product accepts. ``evidence``: documented, observed or assumed, for the main rule; ``source`` tells the rest."""

    product: str
    firmware: str | None
    policy: PasswordPolicy
    evidence: str
    source: str


def floor_for(product: str, firmware: str | None = None) -> Floor:
    """The floor of a product: rms, rutos, yeastar_strong or yeastar_basic.

    ``firmware`` (rms, rutos): as the router or RMS tells it, such as RUTX_R_00.07.13.2. One that is None, cannot be read or belongs to
    another line (the TSW switches' 01.xx) gets the rule that is safe everywhere: 8 to 32 characters of all four classes.
    Raises PolicyError for an unknown product.
    """
    if product == "rms":
        return _rms_floor(firmware)
    if product == "rutos":
        return _rutos_floor(firmware)
    if product == "yeastar_strong":
        return Floor(
            product,
            firmware,
            PasswordPolicy(min_length=10, max_length=_YEASTAR_MAXIMUM, forbidden_characters=_YEASTAR_FORBIDDEN, max_digit_run=2),
            "documented",
            "S-Series with Allow Weak Password off: 10 characters, upper, lower, digit, no consecutive numbers (documented); "
            "character set and 63 characters (observed); that three digits in order are already too many (assumed)",
        )
    if product == "yeastar_basic":
        return Floor(
            product,
            firmware,
            PasswordPolicy(min_length=8, max_length=_YEASTAR_MAXIMUM, forbidden_characters=_YEASTAR_FORBIDDEN),
            "documented",
            "S-Series with Allow Weak Password on: 8 characters, upper, lower, digit (documented); "
            "character set and 63 characters (observed)",
        )
    raise PolicyError([("product", "is not a known product; known are " + ", ".join(PRODUCTS))])


def least_floor_for(product: str) -> Floor:
    """What every firmware of a product demands: for judging a password where nobody knows the device's firmware.

    To make one, C(floor_for) is right, which then asks for what is safe everywhere. Raises PolicyError for an unknown product.
    """
    if product == "rms":
        return _rms_floor(_LEAST_FIRMWARE)
    return _rutos_floor(_LEAST_FIRMWARE) if product == "rutos" else floor_for(product)


def demanded_policy(
    mapping: Mapping[str, object], product: str | None = None, firmware: str | None = None, where: str = "policy"
) -> PasswordPolicy:
    """A user's policy together with the floor of the product, if one is named. Raises PolicyError.

    Each combination is worked out once per process, whatever the number of devices that have it.
    """
    try:
        text = json.dumps(mapping, sort_keys=True)
    except (TypeError, ValueError):
        return _demanded(mapping, product, firmware, where)  # Holds what no policy does, which is told there.
    return _demanded_once(text, product, firmware, where)


@lru_cache(maxsize=1000)
def _demanded_once(text: str, product: str | None, firmware: str | None, where: str) -> PasswordPolicy:
    return _demanded(json.loads(text), product, firmware, where)


def _demanded(mapping: Mapping[str, object], product: str | None, firmware: str | None, where: str) -> PasswordPolicy:
    policy = PasswordPolicy.from_mapping(mapping, where)
    if product is None:
        return policy
    try:
        return policy.with_floor(floor_for(product, firmware))
    except PolicyError as error:
        raise PolicyError(error.problems, where if error.where == "policy" else f"{where}: {error.where}") from None


def _rms_floor(firmware: str | None) -> Floor:
    """RMS's own page asks for 8 characters, an uppercase letter and a digit, and a special one from 07.13 on (documented).

    A lowercase letter is demanded too: RMS's page does not ask for one, but every RutOS since 07.05 refuses a password without it.
    """
    version = _rutos_version(firmware)
    return Floor(
        "rms",
        firmware,
        PasswordPolicy(min_length=8, max_length=_RMS_MAXIMUM, special=version is None or version >= (7, 13)),
        "documented",
        "RMS: 8 to 32, upper, digit, special from RutOS 07.13 on or where the firmware is not known (documented); "
        "lower because the router itself demands it (observed)",
    )


def _rutos_floor(firmware: str | None) -> Floor:
    version = _rutos_version(firmware)
    if version is None:
        maximum, special, evidence = _RMS_MAXIMUM, True, "assumed"
        source = "firmware not known: the rule that every RutOS accepts, 8 to 32 characters of all four classes"
    elif version < (7, 5):
        maximum, special, evidence = _RMS_MAXIMUM, False, "assumed"
        source = "RutOS before 07.05: its rule is not known; that of 07.05 with at most 32 characters"
    elif version < (7, 11):
        maximum, special, evidence = _RUTOS_MAXIMUM, False, "observed"
        source = "RutOS 07.05 to 07.10: fixed rule, 8 characters, upper, lower, digit; at most 256"
    elif version < (7, 13):
        maximum, special, evidence = _RUTOS_MAXIMUM, False, "documented"
        source = "RutOS 07.11 and 07.12: default of the configurable rule, 8 characters, upper, lower, digit; at most 256"
    else:
        maximum, special, evidence = _RUTOS_MAXIMUM, True, "documented"
        source = "RutOS 07.13 and later: default of the configurable rule, 8 characters, upper, lower, digit, special; at most 256"
    return Floor("rutos", firmware, PasswordPolicy(min_length=8, max_length=maximum, special=special), evidence, source)


def _rutos_version(firmware: str | None) -> tuple[int, int] | None:
    """(7, 13) of RUTX_R_00.07.13.2; None where it is not a RutOS version whose rules are known."""
    match = _FIRMWARE.match((firmware or "").strip())
    if match is None:
        return None
    line, minor = int(match["line"]), int(match["minor"])
    # Line 06 is the legacy firmware, 07 RutOS. 01 is a switch's, and nothing is known yet of an 08.
    return (line, minor) if line in (6, 7) else None
