# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a PBX could be recovered if its password were lost tonight: what is looked at, and what is told of it."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.passwords import broken_rules
from ansible_collections.keyturn.devices.plugins.plugin_utils._products.pbx_recovery import PbxRecovery, Result, reading_options
from ansible_collections.keyturn.devices.plugins.plugin_utils._products.pbxs import options_of
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import Device, Member, Sighting, Taken, Values

#: Runs a module near the PBX: its name and arguments in, its result out.
Call = Callable[[str, dict[str, t.Any]], Result]

#: Every check, in the order in which it is told.
NAMES = ("settings", "test", "bound_email", "mailbox", "password_known", "password_strong", "profile")

# Which check a variable belongs to.
_CHECK_OF = {"device_email_settings": "settings", "device_email": "bound_email", "device_mailbox": "mailbox"}
# What is only known once the PBX was logged in to.
_INSIDE = ("settings", "test", "bound_email")

_SETTINGS = "Save the e-mail settings of the PBX: keyturn.devices.pbx_email_settings writes, applies and tests them."
_BIND = "Bind device_email to its user: keyturn.devices.pbx_email_settings with bound_email, or My Settings on the PBX."
_MAILBOX = "Correct device_mailbox, or see that its server can be reached from where the pages are worked."
_TEST = "Its own test has to succeed before a mail can be relied on: see its mail server, its account there, its firewall and its DNS."

_ADVICE: Mapping[tuple[str, str], str] = {
    ("settings", "not_set"): _SETTINGS,
    ("settings", "differs"): f"They are not those of device_email_settings. {_SETTINGS}",
    ("test", "smtp_failed"): f"The PBX cannot send. {_TEST}",
    ("test", "pop3_failed"): "The PBX can send, but not receive, which a recovery does not need (assumed).",
    ("test", "not_run"): "Run it without --check: the test sends a mail.",
    ("bound_email", "no_bound_email"): _BIND,
    ("bound_email", "unknown_user_or_email"): f"Another address is bound. {_BIND}",
    ("password_known", "no_current_password"): "Import its password with keyturn.devices.ledger (state=imported).",
    ("password_known", "orphaned"): "No password of it is known to work: recover it with the playbook recover_pbx.",
    ("password_known", "unauthorized"): (
        "The PBX refuses the ledger's password. Find out its password and import it, or recover it with the playbook recover_pbx."
    ),
    ("password_known", "conflict"): "Another run is at it; run this again when that is over.",
    ("password_strong", "forced_change_required"): "Rotate it (rotate_pbxs), or change it on the PBX and import it.",
    (
        "password_strong",
        "policy",
    ): "Rotate it (rotate_pbxs): the PBX forces a change of a weak password as soon as Allow Weak Password is off.",
}
# Reasons that are told, and keep nobody from being recovered.
_HARMLESS = ("pop3_failed",)
_AFTER_THAT = "It can be looked at only once {check} is right."


@dataclass
class Looked:
    """What was found out. C(current): the ledger's password, empty for none. C(why_unknown): a reason why it is not tried.

    C(mailbox), C(dialog), C(settings): what the modules said; None where they were not asked. C(problems): check -> what is wrong with the
    variables that it needs.
    """

    current: str = field(default="", repr=False)
    why_unknown: str = ""
    mailbox: Result | None = None
    dialog: Result | None = None
    settings: Result | None = None
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def logged_in(self) -> bool:
        """Whether a login proved the ledger's password."""
        return self.settings is not None and self.settings.get("bound_email") is not None


class _Collecting:
    """Values whose problems with what only single checks need are collected for those."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self.problems: dict[str, str] = {}

    def text(self, variable: str, default: str = "") -> str:
        return self._values.text(variable, default)

    def mapping(self, variable: str, default: Mapping[str, object]) -> Mapping[str, object]:
        return self._values.mapping(variable, default)

    def setting(self, name: str) -> t.Any:
        return self._values.setting(name)

    def problem(self, where: str, message: str) -> None:
        check = _CHECK_OF.get(where.partition(".")[0])
        if check is None:
            self._values.problem(where, message)
        else:
            self.problems.setdefault(check, f"{where} {message}")


class PbxReadiness(PbxRecovery):
    """See C(_rotation.product.Product)."""

    variables: Collection[str] = PbxRecovery.variables

    def read(self, values: Values, device: Device) -> Mapping[str, str]:
        collecting = _Collecting(values)
        details = super().read(collecting, device)
        wanted = {name: value for name, value in values.mapping("device_email_settings", {}).items() if name != "password"}
        return {**details, "wanted": json.dumps(wanted), "problems": json.dumps(collecting.problems)}

    def look(self, device: Device, current: str, why_unknown: str, call: Call, *, may_test: bool) -> Looked:
        """Look at everything; C(may_test): the PBX may send a mail for it. Nothing is changed."""
        looked = Looked(current, why_unknown, problems=json.loads(device.details["problems"]))
        taken = Taken(Member(device, Sighting()), "", current)
        options = options_of(taken)
        if "mailbox" not in looked.problems:
            reading = reading_options({**options, "mailbox": json.loads(device.details["mailbox"]), **self.search_options(device)})
            looked.mailbox = call("mail_link", {"state": "marked", **reading})
        looked.dialog = call("pbx_email_recovery", {**options, "state": "ready"})
        if current and not why_unknown and _is_good(looked.dialog):
            looked.settings = call("pbx_email_settings", {**options, "password": current, "test": may_test})
        return looked


def checks(looked: Looked, device: Device, *, may_test: bool) -> list[dict[str, t.Any]]:
    """One for each of NAMES: C(name), C(ok), C(reason) and C(what_to_do)."""
    found = _found(looked, device, may_test)
    return [_check(name, *found.get(name, ("", ""))) for name in NAMES]


def failed_checks(reason: str, message: str) -> list[dict[str, t.Any]]:
    """All of them, where nothing could be looked at."""
    return [_check(name, reason, message) for name in NAMES]


def _check(name: str, reason: str, message: str) -> dict[str, t.Any]:
    advice = _ADVICE.get((name, reason)) or PbxRecovery.advice.get(reason, "")
    if name == "mailbox" and reason:
        advice = _MAILBOX
    what_to_do = " ".join(text for text in (message, advice) if text) if reason else ""
    return {"name": name, "ok": not reason or reason in _HARMLESS, "reason": reason, "what_to_do": what_to_do}


def _found(looked: Looked, device: Device, may_test: bool) -> dict[str, tuple[str, str]]:
    """check -> reason and message, of those that are not ok."""
    found = {name: ("bad_input", f"{problem}.") for name, problem in looked.problems.items()}
    if looked.mailbox is not None and "marker" not in looked.mailbox:
        found["mailbox"] = _said(looked.mailbox)
    if looked.dialog is not None and not _is_good(looked.dialog):
        found["profile"] = _said(looked.dialog)
    forced = (looked.settings or {}).get("reason") == "forced_change_required"
    if looked.current and not forced and (broken := broken_rules(looked.current)):
        found["password_strong"] = ("policy", f"It breaks the strong rule: {broken}.")
    if looked.logged_in:
        for name, why in _inside(looked.settings or {}, device, may_test).items():
            found.setdefault(name, why)
        return found
    reason, message, check = _why_not_inside(looked, found)
    found.setdefault(check if check == "password_strong" else "password_known", (reason, message))
    if not looked.current:
        found.setdefault("password_strong", (reason, _AFTER_THAT.format(check="password_known")))
    for name in _INSIDE:
        found.setdefault(name, (reason, _AFTER_THAT.format(check=check)))
    return found


def _why_not_inside(looked: Looked, found: Mapping[str, tuple[str, str]]) -> tuple[str, str, str]:
    """Why nobody was logged in: a reason, a message, and the check that has to be right first."""
    if looked.why_unknown:
        return looked.why_unknown, "", "password_known"
    if "profile" in found:
        return found["profile"][0], _AFTER_THAT.format(check="profile"), "profile"
    reason, message = _said(looked.settings or {})
    # A login has proved it, and the PBX lets nobody in with it.
    return reason, message, "password_strong" if reason == "forced_change_required" else "password_known"


def _inside(said: Result, device: Device, may_test: bool) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    email, wanted = said.get("email"), json.loads(device.details["wanted"])
    if email is None:
        return dict.fromkeys(("settings", "test"), _said(said))
    different = [name for name, value in wanted.items() if name in email and email[name] != value]
    if not email.get("address") or not email.get("smtp_host"):
        found["settings"] = ("not_set", "")
    elif different:
        found["settings"] = ("differs", f"Different: {', '.join(different)}.")
    bound = str(said.get("bound_email") or "")
    if not bound:
        found["bound_email"] = ("no_bound_email", "")
    elif bound.lower() != device.details["email"].lower():
        found["bound_email"] = ("unknown_user_or_email", "")
    test = said.get("test") or {}
    if not may_test:
        found["test"] = ("not_run", "")
    elif test.get("smtp") == "ok" != test.get("pop3"):
        found["test"] = ("pop3_failed", "")
    elif test.get("smtp") != "ok":
        found["test"] = _said(said)
    return found


def _is_good(said: Result) -> bool:
    return said.get("status") in ("changed", "unchanged")


def _said(result: Result) -> tuple[str, str]:
    """Why a module did not succeed."""
    if result.get("unreachable"):
        return "offline", f"The host at its site cannot be reached: {result.get('msg')}"
    return str(result.get("reason") or "error"), str(result.get("message") or result.get("msg") or "It ended without a word.")
