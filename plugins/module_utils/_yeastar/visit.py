# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One visit to one PBX: from the options of a task to its result, with a browser in between that is always closed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._browser.browser import Browser
from ansible_collections.keyturn.devices.plugins.module_utils._browser.connections import BrowserFault, Trust
from ansible_collections.keyturn.devices.plugins.module_utils._browser.options import Site, browser_spec, read_site
from ansible_collections.keyturn.devices.plugins.module_utils._module import Context, ModuleFailure
from ansible_collections.keyturn.devices.plugins.module_utils._outcomes import Outcome
from ansible_collections.keyturn.devices.plugins.module_utils._spec import Spec
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.door import Door, is_username
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.pages import ENDED, Pages
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.profiles import Profile, ProfileError, read_profile

# How many of its time-outs a whole visit may take, whatever the pages do.
_TIMEOUTS = 12


def pbx_spec() -> Spec:
    """The options of all modules that work the pages of a PBX."""
    return browser_spec() + Spec(
        {
            "username": {"type": "str", "default": "admin"},
            "profile": {"type": "str"},
            "on_device_failure": {"type": "str", "choices": ["fail", "report"], "default": "fail"},
        }
    )


@dataclass
class Visit:
    """What the work on one PBX has in hand, and what it leaves behind."""

    site: Site
    pages: Pages
    door: Door
    steps: list[dict[str, str]] = field(default_factory=list)

    def step(self, name: str, status: str = "done") -> None:
        """Note a step: C(done) or C(failed), and when."""
        self.steps.append({"name": name, "status": status, "at": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")})


@dataclass(frozen=True)
class Prepared:
    """Options that were found good: nothing was sent yet."""

    site: Site
    profile: Profile
    trust: Trust


def prepare(options: Mapping[str, Any], problems: Sequence[str] = ()) -> Prepared:
    """What the options say. ModuleFailure (C(bad_input)) with all that is wrong, C(problems) of the caller's included."""
    site, found = read_site(options)
    found += problems
    if not is_username(options["username"]):
        found.append("username cannot be the name of a user")
    profile = None
    try:
        profile = read_profile(options["profile"])
    except ProfileError as problem:
        found.append(f"profile {problem}")
    if site is None or profile is None or found:
        raise ModuleFailure("; ".join(found) + ".", reason="bad_input")
    try:
        trust = Trust(options["validate_certs"], options["ca_path"], site.fingerprint)
    except BrowserFault as fault:
        raise ModuleFailure(f"{fault.message}.", reason="bad_input") from None
    return Prepared(site, profile, trust)


def carry_out(
    options: Mapping[str, Any],
    context: Context,
    prepared: Prepared,
    work: Callable[[Visit], Outcome],
    more: Callable[[], Mapping[str, Any]] = dict,
    good: Sequence[str] = ("changed", "unchanged"),
    seconds: float | None = None,
    check: bool = True,
) -> dict[str, Any]:
    """Visit the PBX, and tell what became of it. ModuleFailure with the same result when it ended badly and the task shall fail then.

    C(more): return values besides those that all PBX modules have. C(seconds): for the whole visit, by default some time-outs.
    C(check): whether the PBX must be there at C(url) to begin with.
    """
    timeout = options["timeout"]
    visit: Visit | None = None
    picture = None
    try:
        browser = Browser(
            context.redactor,
            prepared.trust,
            prepared.site.proxy,
            options["browser"],
            timeout,
            seconds or timeout * _TIMEOUTS,
        )
        with browser:
            pages = Pages(browser, prepared.profile, context.redactor)
            visit = Visit(prepared.site, pages, Door(pages, prepared.site.address, options["username"]))
            try:
                if check:
                    # Before anything is typed, and in words that a browser does not have.
                    browser.gateway.check(prepared.site.address)
                outcome = work(visit)
            except BrowserFault as fault:
                outcome = failed(fault)
            if outcome.status not in good and options["screenshots"]:
                picture = browser.picture(options["screenshots"], prepared.site.address.host)
            visit.door.leave()
    except BrowserFault as fault:
        outcome = failed(fault)
    result: dict[str, Any] = {
        "changed": outcome.status == "changed",
        "status": outcome.status,
        "reason": outcome.reason,
        "message": outcome.message,
        "retryable": outcome.retryable,
        "steps": visit.steps if visit else [],
        "wrong_logins": visit.door.wrong if visit else 0,
        "logged_out": visit.door.logged_out if visit else None,
        "profile": prepared.profile.name,
        **more(),
    }
    if picture:
        result["screenshot"] = picture
    if outcome.status not in good and options["on_device_failure"] == "fail" and not context.check_mode:
        raise ModuleFailure(outcome.message, **result)
    return result


def ended() -> Outcome:
    """The run that wanted a change has ended, so none was sent."""
    return Outcome("failed", "not_sent", ENDED)


def failed(fault: BrowserFault) -> Outcome:
    """A fault before anything was sent that could change something."""
    message = fault.message if fault.message.endswith((".", "!", "?")) else f"{fault.message}."
    return Outcome("failed", fault.reason, message[:1].upper() + message[1:])
