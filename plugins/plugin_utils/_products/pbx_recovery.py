# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Yeastar PBXs whose password is lost: a new one is set by the link of their Forget Password mail."""

from __future__ import annotations

import datetime
import json
import typing as t
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.keyturn.devices.plugins.module_utils._addresses import bracketed, read_address
from ansible_collections.keyturn.devices.plugins.module_utils._mail.options import mailbox_spec, read_access, read_search
from ansible_collections.keyturn.devices.plugins.module_utils._module import secret_parameters
from ansible_collections.keyturn.devices.plugins.module_utils._run import read_moment
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.email_settings import is_address
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.recovery import LINK_MINUTES, SUBJECTS
from ansible_collections.keyturn.devices.plugins.plugin_utils._products.pbxs import Pbxs, answer_of, options_of
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import (
    CONTROLLER,
    Answer,
    Device,
    Fault,
    Field,
    Kind,
    NotKept,
    Proof,
    Setting,
    Taken,
    Values,
)
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.tally import Told

Result = Mapping[str, t.Any]

_RECOVERY = Kind("recovery", proves_itself=True, recovers=True)

# After the mail was asked for, these leave nothing to wait for: the password itself was refused, or the link is dead.
_OVER = ("policy", "rejected", "link_expired", "link_unknown")
# What the ledger says of a recovery that the next run carries on.
_OPEN = ("kept", "reopened", "lost_lease")
# Of what a link has left of its life, so much is needed to use it.
_USE_SECONDS = 60
# How long a mail is looked for that may be there already.
_LOOK_SECONDS = 1


@dataclass(frozen=True)
class Note:
    """What whoever carries on needs: the mailbox before the mail was asked for, and when that was (None: not known whether it was).

    C(kept): the PBX certainly has its old password still.
    """

    marker: Mapping[str, t.Any]
    requested_at: str | None = None
    kept: bool = False

    def text(self) -> str:
        return json.dumps({"marker": self.marker, "requested_at": self.requested_at, "kept": self.kept})

    @classmethod
    def read(cls, text: str) -> Note | None:
        """What C(text) wrote; None for anything else, such as nothing."""
        try:
            data = json.loads(text)
            return cls(data["marker"], data["requested_at"], data["kept"])
        except (ValueError, KeyError, TypeError):
            return None

    def seconds_left(self) -> float:
        """Of the life of the link that was asked for; 0 where nobody knows whether one was."""
        if self.requested_at is None:
            return 0.0
        end = read_moment(self.requested_at) + datetime.timedelta(minutes=LINK_MINUTES)
        return max(0.0, (end - datetime.datetime.now(datetime.timezone.utc)).total_seconds())


class PbxRecovery(Pbxs):
    """See C(_rotation.product.Product). C(results): what C(pbx_email_recovery) said, by device name."""

    prefix = "pbx_recovery_"
    settings: Mapping[str, Setting] = {
        **{name: setting for name, setting in Pbxs.settings.items() if name != "parallel"},
        "subjects": Setting("list", "batch"),
        "sender": Setting("str", "batch"),
        "allowed_hosts": Setting("list", "device"),
    }
    advice: Mapping[str, str] = {
        "no_bound_email": (
            "Another administrator can set a password. Else the vendor leaves only a factory reset, which erases everything and is never "
            "done from here."
        ),
        "unknown_user": "Correct device_username; it is admin unless somebody has renamed it.",
        "unknown_user_or_email": (
            "Correct device_email (the address bound to the user) or device_username. Five wrong requests lock for 10 minutes."
        ),
        "send_failed": "Its own e-mail settings or its mail server do not work: repair the mail server, or its way there, and run again.",
        "locked_out": "Wait until the lock-out is over (10 minutes are usual), then run again; every try until then may prolong it.",
        "mail_timeout": "Look into the mailbox (junk, quarantine, rules that move mail), then run recover_pbx again: it carries on.",
        "mailbox": "Correct device_mailbox, or see that its server can be reached from where the pages are worked.",
        "mailbox_refused": "Correct device_mailbox, then run recover_pbx again: it carries on.",
        "link_not_local": "The link works only in its own network: set device_proxy or device_site, then run recover_pbx again.",
        "link_foreign_host": (
            "The mail's link leads elsewhere. Where the PBX names itself so, set pbx_recovery_allowed_hosts; else it is forged: leave it "
            "alone."
        ),
        "link_unsafe": "A mail with a link that must not be followed came. Look who sends such mails, then run recover_pbx again.",
        "link_ambiguous": "The mail holds several links that may be meant. Look at it, then run recover_pbx again.",
        "link_expired": "The mail takes longer than the link lives (30 minutes). See what delays it, then run recover_pbx again.",
        "link_unknown": (
            "Something else has used or replaced the link, such as a scanner of links or another request. Run recover_pbx again."
        ),
        "policy": "Its rule is stricter than device_password_policy, or the source's password too weak; correct that and run again.",
        "rejected": (
            "The PBX does not say why. Run recover_pbx again; should it refuse again, use its Forget Password by hand and import that."
        ),
        "timeout": "Run recover_pbx again: it carries on. Where pages are merely slow, raise pbx_recovery_timeout.",
        "profile_unknown": "Its pages are not those of the profile; correct that in a profile of your own (pbx_recovery_profile).",
        "browser_missing": "Install Chromium and the Python library playwright where its pages are worked.",
        "library": "Install what is missing where its pages are worked.",
        "certificate": "Correct device_fingerprint, or pbx_recovery_ca_path; else somebody may be between you and the PBX.",
        "unreachable": "See that it has power and a connection, and that device_host, device_proxy and device_site are right.",
        "bad_input": "Correct its variables in the inventory and run again.",
        "orphaned": "Run recover_pbx again: it begins anew.",
        "pipelining": Pbxs.advice["pipelining"],
    }

    def __init__(self) -> None:
        self.results: dict[str, Result] = {}

    def read(self, values: Values, device: Device) -> Mapping[str, str]:
        details = dict(super().read(values, device))
        email = values.text("device_email")
        if not email:
            values.problem("device_email", "is missing; it is the address bound to the user, to which the PBX sends the mail")
        elif not is_address(email):
            values.problem("device_email", "is no e-mail address")
        hosts = values.setting("allowed_hosts") or None
        try:
            read_search(hosts, device.terms["subjects"] or SUBJECTS, device.terms["sender"] or None)
        except ValueError as problem:
            for text in str(problem).split("; "):
                values.problem(f"{self.prefix}{text.partition(' ')[0]}", text.partition(" ")[2])
        mailbox = self._mailbox(values, device.site == CONTROLLER)
        try_first = "" if values.setting("force") else "current"
        return {**details, "email": email, "mailbox": json.dumps(mailbox), "hosts": json.dumps(hosts), "try_first": try_first}

    @staticmethod
    def _mailbox(values: Values, is_here: bool) -> Mapping[str, object]:
        """As the modules take it. Its paths are those of the host that reads it."""
        mailbox = values.mapping("device_mailbox", {})
        if not mailbox:
            values.problem("device_mailbox", "is missing; it is the mailbox of device_email")
            return mailbox
        validated = ArgumentSpecValidator(dict(mailbox_spec().arguments)).validate({"mailbox": dict(mailbox)})
        if validated.error_messages:
            # Ansible's own messages quote what was given.
            values.problem("device_mailbox", "does not have the form of the option mailbox (host, user, password, ...)")
            return mailbox
        options = validated.validated_parameters["mailbox"]
        try:
            read_access(options if is_here else {**options, "ca_path": None})
        except ValueError as problem:
            for text in str(problem).split("; "):
                values.problem(f"device_{text.partition(' ')[0]}", text.partition(" ")[2])
        return mailbox

    def secrets(self, device: Device) -> Iterable[str]:
        yield from super().secrets(device)
        yield from secret_parameters(mailbox_spec().arguments, {"mailbox": json.loads(device.details["mailbox"])})

    def needs_current(self, device: Device) -> bool:
        return False

    def kind_of_due(self, device: Device) -> Kind:
        return _RECOVERY

    def kind_of_unsettled(self, device: Device, awaiting: bool) -> Kind:
        return _RECOVERY

    def ask(self, kind: Kind, batch: Sequence[Taken], field: Field, *, again: bool) -> list[Answer]:
        return [self._recover(taken, field, again) for taken in batch]

    def prove(self, batch: Sequence[tuple[Taken, Sequence[str]]], field: Field) -> list[Proof]:
        raise AssertionError("a recovery proves itself")

    def _recover(self, taken: Taken, field: Field, again: bool) -> Answer:
        """C(again): its password was staged by an earlier run."""
        options = self._options(taken, field)
        before = Note.read(taken.note) if again else None
        if again and not (before and before.kept):
            # Nobody knows how far that run came. A wrong login is rationed, so that one which is certain to be one is not made.
            options["try_first"] = "new"
        elif not again and taken.current and taken.member.device.details["try_first"]:
            options |= {"try_first": "current", "current_password": taken.current}
        found = self._carry_on(before, options, field) if before else {}
        if before and found:
            note = replace(before, kept=False)
        else:
            marked = field.call("mail_link", {"state": "marked", **reading_options(options)})
            if "marker" not in marked:
                return self._told(taken, _mailbox_failure(marked))
            note = Note(marked["marker"])
        self._keep(note, taken, field)
        result = self._visit({**options, **found}, field)
        kept = result.get("status") == "failed"
        if result.get("requested_at"):
            note = Note(result["marker"], result["requested_at"])
        elif kept and note.requested_at:
            result = {**result, "requested_at": note.requested_at}
        # What is staged and where to look for the mail is known without it.
        self._keep(replace(note, kept=kept), taken, field, must=False)
        return self._told(taken, result)

    @staticmethod
    def search_options(device: Device) -> dict[str, t.Any]:
        """Which mail is meant, and where its link may point; what is not set is left to the module."""
        options = {
            "subjects": device.terms["subjects"],
            "sender": device.terms["sender"],
            "allowed_hosts": json.loads(device.details["hosts"]),
        }
        return {name: value for name, value in options.items() if value}

    def _options(self, taken: Taken, field: Field) -> dict[str, t.Any]:
        device = taken.member.device
        return {
            **options_of(taken),
            **self.search_options(device),
            "email": device.details["email"],
            "mailbox": json.loads(device.details["mailbox"]),
            "new_password": taken.staged,
            "deadline": device.terms["deadline"],
            "run_holder": field.run_holder,
            "not_after": str(field.until),
        }

    @staticmethod
    def _carry_on(note: Note, options: Mapping[str, t.Any], field: Field) -> dict[str, t.Any]:
        """Options for the mail that an earlier run has asked for; nothing where another has to be asked for."""
        left = int(note.seconds_left()) - _USE_SECONDS
        if left > 0:
            return {"marker": note.marker, "deadline": min(left, options["deadline"])}
        hosts = options.get("allowed_hosts") or [bracketed(read_address(options["url"]).host)]
        look = {**reading_options(options), "marker": note.marker, "allowed_hosts": hosts, "deadline": _LOOK_SECONDS}
        came = field.call("mail_link", look)
        return {"marker": note.marker} if came.get("link") else {}

    @staticmethod
    def _keep(note: Note, taken: Taken, field: Field, *, must: bool = True) -> None:
        problem = ""
        try:
            field.note(taken.name, note.text())
        except NotKept as refusal:
            problem = str(refusal)
        if problem and must:
            raise Fault("not_sent", f"The ledger does not keep where the mail is to be looked for: {problem}")

    @staticmethod
    def _visit(options: dict[str, t.Any], field: Field) -> Result:
        if field.call_apart is None:
            return field.call("pbx_email_recovery", options)
        return field.call_apart("pbx_email_recovery", options, field.until.seconds_left())

    def outcome(self, told: Told) -> dict[str, t.Any]:
        """What became of one device, as the role leaves it behind."""
        result = self.results.get(told.name, {})
        status = _status_of(told, str(result.get("status") or "unknown"))
        good = status in ("changed", "unchanged")
        reason = str(result.get("reason") or "") if result else told.reason
        if not good:
            reason = reason or told.reason or told.result
        is_open = told.result in _OPEN
        usual = "Run recover_pbx again: it carries on." if is_open else "Run recover_pbx again."
        advice = self.advice.get("orphaned" if told.result == "orphaned" else str(result.get("advice") or reason), usual)
        until = _lives_until(result) if is_open else None
        return {
            "status": status,
            "reason": reason,
            "message": str(result.get("message") or result.get("msg") or told.message),
            "what_to_do": "" if good else advice,
            "steps": list(result.get("steps") or ()),
            "open": is_open,
            "link_lives_until": until,
        }

    def _told(self, taken: Taken, result: Result) -> Answer:
        self.results[taken.name] = result
        answer = answer_of(result, taken)
        if answer.status == "failed" and result.get("requested_at") and answer.reason not in _OVER:
            # The PBX has kept its password, and the link still lives: what was staged for it stays.
            return Answer("unknown", answer.reason, answer.message, answer.live, late=answer.late)
        return answer


def _status_of(told: Told, said: str) -> str:
    """In the words of the modules. What the ledger keeps open may be a PBX that certainly has its old password still."""
    if told.result in ("committed", "would_change"):
        return "changed"
    if told.result == "dropped":
        return "unchanged" if said == "unchanged" else "failed"
    if told.result in ("kept", "orphaned"):
        return "failed" if said == "failed" else "unknown"
    return "unknown" if told.status == "unknown" else "failed"


def _lives_until(result: Result) -> str | None:
    if not result.get("requested_at"):
        return None
    end = read_moment(str(result["requested_at"])) + datetime.timedelta(minutes=LINK_MINUTES)
    return end.strftime("%Y-%m-%dT%H:%M:%SZ")


def _mailbox_failure(marked: Result) -> Result:
    """A mailbox that cannot be read is found before the PBX hears of anything."""
    reason = "not_sent" if marked.get("unreachable") else str(marked.get("reason") or "error")
    return {"status": "failed", "reason": reason, "message": str(marked.get("msg") or ""), "advice": "mailbox"}


def reading_options(options: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Those that mail_link has in common with a recovery."""
    return {"subjects": list(SUBJECTS), **{name: options[name] for name in ("mailbox", "subjects", "sender", "timeout") if name in options}}
