# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.keyturn.devices.plugins.module_utils._passwords.floors import PRODUCTS, demanded_policy, floor_for
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import PolicyError, violations

SAFE_EVERYWHERE = (8, 32, True, True, True, True)


def rule(product: str, firmware: str | None) -> tuple[int, int, bool, bool, bool, bool]:
    policy = floor_for(product, firmware).policy
    return (policy.min_length, policy.max_length, policy.upper, policy.lower, policy.digits, policy.special)


@pytest.mark.parametrize(
    ("firmware", "maximum", "special", "evidence"),
    [
        ("RUT9XX_R_00.06.05.3", 32, False, "assumed"),
        ("RUTX_R_00.07.04.5", 32, False, "assumed"),
        ("RUTX_R_00.07.05", 256, False, "observed"),
        ("RUT9_R_00.07.06.20", 256, False, "observed"),
        ("RUTX_R_00.07.10.2", 256, False, "observed"),
        ("RUTX_R_00.07.11", 256, False, "documented"),
        ("TRB1_R_00.07.12.3", 256, False, "documented"),
        ("RUTX_R_00.07.13.2", 256, True, "documented"),
        ("rutm_r_00.07.21.1", 256, True, "documented"),
        ("  RUTX_R_00.07.13.2\n", 256, True, "documented"),
        ("RUTX_T_00.07.12_CUSTOM", 256, False, "documented"),
        ("00.07.10.2", 256, False, "observed"),
        ("07.10.2", 256, False, "observed"),
    ],
)
def test_rutos_rule_follows_the_firmware(firmware: str, maximum: int, special: bool, evidence: str) -> None:
    assert rule("rutos", firmware) == (8, maximum, True, True, True, special)
    assert floor_for("rutos", firmware).evidence == evidence


@pytest.mark.parametrize("product", ["rms", "rutos"])
@pytest.mark.parametrize("firmware", [None, "", "unknown", "TSW2_R_00.01.07.1", "RUTX_R_00.08.01", "RUTX_R_00.07", "RUTX_R_00.071.05"])
def test_unknown_firmware_gets_the_rule_that_is_safe_everywhere(product: str, firmware: str | None) -> None:
    assert rule(product, firmware) == SAFE_EVERYWHERE


@pytest.mark.parametrize(("firmware", "special"), [("RUTX_R_00.07.12.1", False), ("RUTX_R_00.07.13", True), ("RUT9XX_R_00.06.05.3", False)])
def test_rms_takes_32_characters_and_asks_for_what_the_router_behind_it_asks_for(firmware: str, special: bool) -> None:
    assert rule("rms", firmware) == (8, 32, True, True, True, special)


def test_what_passes_the_rms_page_but_not_the_router_is_refused() -> None:
    found = violations("PASSWORD12", floor_for("rms", "RUT9_R_00.07.06.20").policy)
    assert [violation.reason for violation in found] == ["no_lower"]


@pytest.mark.parametrize(
    ("password", "strong", "basic"),
    [
        ("Vexing4207", [], []),
        ("Vexing42", ["too_short"], []),
        ("Vexing4567", ["digit_run"], []),
        ("Vexingly987", ["digit_run"], []),
        *((f"Vexing{character}4207", ["forbidden_character"], ["forbidden_character"]) for character in " ;&\"'\\<>`|"),
        ("Vexing-4207-Harbour!", [], []),
        ("Aa1" * 22, ["too_long"], ["too_long"]),
    ],
)
def test_s_series_rules(password: str, strong: list[str], basic: list[str]) -> None:
    assert [violation.reason for violation in violations(password, floor_for("yeastar_strong").policy)] == strong
    assert [violation.reason for violation in violations(password, floor_for("yeastar_basic").policy)] == basic


@pytest.mark.parametrize("product", PRODUCTS)
def test_every_floor_says_how_it_is_known(product: str) -> None:
    floor = floor_for(product, "RUTX_R_00.07.13.2")
    assert floor.product == product
    assert floor.evidence in ("documented", "observed", "assumed")
    assert floor.source


def test_an_unknown_product_is_refused() -> None:
    with pytest.raises(PolicyError, match="known are rms, rutos, yeastar_strong, yeastar_basic"):
        floor_for("abacus")


def test_floors_of_rms_and_router_combine() -> None:
    policy = demanded_policy({"length": 24, "min_length": 12}, "rms", "RUTX_R_00.07.13.2")
    both = policy.with_floor(floor_for("rutos", "RUTX_R_00.07.13.2"))
    assert (both.min_length, both.length, both.max_length, both.special) == (12, 24, 32, True)


def test_a_demand_beyond_the_product_names_the_place_and_the_product() -> None:
    with pytest.raises(PolicyError) as caught:
        demanded_policy({"length": 40}, "rms", where="depot-07")
    assert "depot-07" in str(caught.value)
    assert "rms" in str(caught.value)


def test_without_a_product_the_users_policy_stands_alone() -> None:
    assert demanded_policy({"length": 40}).max_length == 256
