# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Twenty PBXs, and what keeps some of them from being recovered tonight."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from support.recovery import DEVICE, MARKER, NAME, role_variables
from support.rotation import FakeVariables

from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.plugin_utils._products.pbx_readiness import NAMES, PbxReadiness, checks, failed_checks
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.planning import Planning

CURRENT = "In-Force-58-Harbour"
EMAIL = {"address": "pbx@example.com", "smtp_host": "mail.example.com", "smtp_port": 587, "tls": True}
INSIDE = {"settings", "test", "bound_email"}


@dataclass
class Fleet:
    """One PBX. C(says): what a module says instead of what a healthy one does."""

    variables: dict[str, Any] = field(default_factory=dict)
    current: str = CURRENT
    why_unknown: str = ""
    says: dict[str, dict[str, Any]] = field(default_factory=dict)
    may_test: bool = True
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def call(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((name, arguments))
        healthy: dict[str, dict[str, Any]] = {
            "mail_link": {"marker": MARKER},
            "pbx_email_recovery": {"status": "unchanged", "reason": "", "message": ""},
            "pbx_email_settings": {
                "status": "unchanged",
                "reason": "",
                "message": "",
                "email": EMAIL,
                "bound_email": DEVICE["device_email"],
                "test": {"smtp": "ok", "pop3": "ok"},
            },
        }
        return {**healthy[name], **self.says.get(name, {})} if "failed" not in self.says.get(name, {}) else self.says[name]

    def wrong(self) -> dict[str, str]:
        """Check -> reason, of those that are not ok."""
        variables = {name: value for name, value in {**DEVICE, **self.variables}.items() if value is not None}
        product = PbxReadiness()
        planning = Planning(product, [NAME], FakeVariables({NAME: variables}, shared=role_variables()), Redactor(), job="reconcile")
        planning.read([NAME])
        device = planning.found.devices[0]
        looked = product.look(device, self.current, self.why_unknown, self.call, may_test=self.may_test)
        found = checks(looked, device, may_test=self.may_test)
        assert [check["name"] for check in found] == list(NAMES)
        assert all(bool(check["what_to_do"]) == bool(check["reason"]) for check in found)
        assert all("canary" not in check["what_to_do"] for check in found)
        return {check["name"]: check["reason"] for check in found if not check["ok"]}


def failed(reason: str, **more: Any) -> dict[str, Any]:
    return {"status": "failed", "reason": reason, "message": f"It failed by {reason}.", **more}


NOT_INSIDE = {"email": None, "bound_email": None, "test": {"smtp": "not_run", "pop3": "not_run"}}

#: What is wrong -> the PBX, and its checks that are not ok.
WRONG: dict[str, tuple[Fleet, dict[str, str]]] = {
    "SMTP fails": (
        Fleet(says={"pbx_email_settings": failed("smtp_failed", test={"smtp": "failed", "pop3": "not_run"})}),
        {"test": "smtp_failed"},
    ),
    "no e-mail settings": (
        Fleet(says={"pbx_email_settings": failed("smtp_failed", email={}, test={"smtp": "failed", "pop3": "not_run"})}),
        {"settings": "not_set", "test": "smtp_failed"},
    ),
    "other e-mail settings": (Fleet(variables={"device_email_settings": {"smtp_port": 25}}), {"settings": "differs"}),
    "no address bound": (Fleet(says={"pbx_email_settings": {"bound_email": ""}}), {"bound_email": "no_bound_email"}),
    "another address bound": (
        Fleet(says={"pbx_email_settings": {"bound_email": "other@example.com"}}),
        {"bound_email": "unknown_user_or_email"},
    ),
    "mailbox refuses": (
        Fleet(says={"mail_link": {"failed": True, "reason": "mailbox_refused", "msg": "The mailbox refused the password."}}),
        {"mailbox": "mailbox_refused"},
    ),
    "mailbox not described": (Fleet(variables={"device_mailbox": None}), {"mailbox": "bad_input"}),
    "address misspelt": (Fleet(variables={"device_email": "nobody"}), {"bound_email": "bad_input"}),
    "password refused": (
        Fleet(says={"pbx_email_settings": failed("unauthorized", **NOT_INSIDE)}),
        {"password_known": "unauthorized", **dict.fromkeys(INSIDE, "unauthorized")},
    ),
    "password not in the ledger": (
        Fleet(current="", why_unknown="no_current_password"),
        dict.fromkeys({"password_known", "password_strong", *INSIDE}, "no_current_password"),
    ),
    "orphaned": (Fleet(current="", why_unknown="orphaned"), dict.fromkeys({"password_known", "password_strong", *INSIDE}, "orphaned")),
    "password weak": (Fleet(current="weak1234"), {"password_strong": "policy"}),
    "change forced": (
        Fleet(current="weak1234", says={"pbx_email_settings": failed("forced_change_required", **NOT_INSIDE)}),
        dict.fromkeys({"password_strong", *INSIDE}, "forced_change_required"),
    ),
    "other pages": (
        Fleet(says={"pbx_email_recovery": failed("profile_unknown")}),
        dict.fromkeys({"profile", "password_known", *INSIDE}, "profile_unknown"),
    ),
    "switched off": (
        Fleet(says={"pbx_email_recovery": failed("unreachable")}),
        dict.fromkeys({"profile", "password_known", *INSIDE}, "unreachable"),
    ),
    "another run is at it": (Fleet(why_unknown="conflict"), dict.fromkeys({"password_known", *INSIDE}, "conflict")),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named_with_its_reason(name: str) -> None:
    pbx, wrong = WRONG[name]
    assert pbx.wrong() == wrong


@pytest.mark.parametrize(
    "pbx",
    [
        Fleet(),
        Fleet(variables={"device_email": str(DEVICE["device_email"]).upper()}),
        Fleet(variables={"device_email_settings": {"smtp_host": "mail.example.com", "password": "canary"}}),
        # It can send, which is all that a recovery needs of it.
        Fleet(says={"pbx_email_settings": failed("pop3_failed", test={"smtp": "ok", "pop3": "failed"})}),
    ],
    ids=str,
)
def test_a_healthy_one_is_ready(pbx: Fleet) -> None:
    assert pbx.wrong() == {}
    assert [name for name, _arguments in pbx.asked] == ["mail_link", "pbx_email_recovery", "pbx_email_settings"]
    asked = dict(pbx.asked)
    assert (asked["pbx_email_recovery"]["state"], asked["pbx_email_settings"].get("email")) == ("ready", None)


def test_what_cannot_log_in_is_not_tried() -> None:
    pbx = WRONG["another run is at it"][0]
    pbx.wrong()
    assert "pbx_email_settings" not in dict(pbx.asked)


def test_in_check_mode_no_mail_is_sent() -> None:
    pbx = Fleet(may_test=False)
    assert pbx.wrong() == {"test": "not_run"}
    assert dict(pbx.asked)["pbx_email_settings"]["test"] is False


def test_where_nothing_can_be_looked_at_every_check_says_so() -> None:
    assert {check["reason"] for check in failed_checks("absent", "There is no ledger.")} == {"absent"}
