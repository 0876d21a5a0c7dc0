# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One step of a building server's recovery, in this process."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from ansible_collections.keyturn.devices.plugins.module_utils._ebo.kinds import TRANSPORTS, default_transport
from ansible_collections.keyturn.devices.plugins.module_utils._files import FileProblem
from ansible_collections.keyturn.devices.plugins.module_utils._ledger import describing
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run, runner_identity
from ansible_collections.keyturn.devices.plugins.plugin_utils._controller import Context, ControllerAction
from ansible_collections.keyturn.devices.plugins.plugin_utils._ledger_url import beside_inventory
from ansible_collections.keyturn.devices.plugins.plugin_utils._recovery import steps
from ansible_collections.keyturn.devices.plugins.plugin_utils._recovery.preconditions import windows_lines
from ansible_collections.keyturn.devices.plugins.plugin_utils._recovery.request import TLS, Desk
from ansible_collections.keyturn.devices.plugins.plugin_utils._recovery.servers import KINDS, Server
from ansible_collections.keyturn.devices.plugins.plugin_utils._recovery.steps import Brought, Refused
from ansible_collections.keyturn.devices.plugins.plugin_utils._recovery.telling import instructions, verdict
from ansible_collections.keyturn.devices.plugins.plugin_utils._recovery.work import EXPIRED, FAILED, STATUSES, Told, Turn
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.inventory import VariableReader, read_source
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import Device
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.sources import given_passwords
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.variables import HostVariables

_OWN_WORDS: Mapping[str, frozenset[str]] = {
    "status": frozenset(STATUSES),
    **dict.fromkeys(("step", "waiting_for", "act"), frozenset(("", *steps.STEPS, steps.DONE, steps.ARM_OPTION, steps.PROVE))),
    "who": frozenset(("", steps.OPERATOR, steps.SUPPORT)),
}


class ActionModule(ControllerAction):
    """See the documentation of the module of the same name."""

    _supports_diff = False
    WORDS: ClassVar[dict[str, frozenset[str]]] = {
        name: describing.WORDS.get(name, frozenset()) | _OWN_WORDS.get(name, frozenset()) for name in (*describing.WORDS, *_OWN_WORDS)
    }
    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "state": {"type": "str", "choices": ["taken_up", "armed", "proven"], "default": "taken_up"},
        "server_kind": {"type": "str", "choices": list(KINDS), "required": True},
        "transport": {"type": "str", "choices": list(TRANSPORTS)},
        "serial": {"type": "str"},
        "host": {"type": "str"},
        "site": {"type": "str"},
        "version": {"type": "str"},
        "contact": {"type": "str"},
        "policy": {"type": "dict"},
        "arm": {"type": "list", "elements": "str"},
        "session_id": {"type": "str", "no_log": True},
        "temporary_password": {"type": "str", "no_log": True},
        "confirmed": {"type": "list", "elements": "str"},
        "result": {"type": "dict"},
        "windows": {"type": "str"},
        "proves": {"type": "bool", "default": False},
        "reveal": {"type": "bool", "default": False},
        "deadline": {"type": "int", "default": 600},
        "directory": {"type": "path", "default": "keyturn-recovery"},
        "support_address": {"type": "str"},
        "smtp_host": {"type": "str"},
        "smtp_port": {"type": "int", "default": 0},
        "smtp_tls": {"type": "str", "choices": list(TLS), "default": "starttls"},
        "smtp_user": {"type": "str"},
        "smtp_password": {"type": "str", "no_log": True},
        "smtp_sender": {"type": "str"},
        "validate_certs": {"type": "bool", "default": True},
        "ca_path": {"type": "path"},
        "run_id": {"type": "str"},
    }
    RULES: ClassVar[dict[str, Any]] = {"required_if": [("state", "armed", ("result", "run_id")), ("state", "proven", ("result", "run_id"))]}

    def work(self, options: dict[str, Any], context: Context) -> dict[str, Any]:
        run = Run(options["run_id"] or uuid.uuid4().hex, runner_identity(os.getppid()))
        name = str(context.variables["inventory_hostname"])
        failure: Exception
        brought = Brought()
        try:
            brought = _brought(options, context.variables)
            with self.open_ledger(options, context) as ledger:
                told = self._step(options, context, ledger, run, brought)
        except (Refused, LedgerError, FileProblem) as problem:
            failure = problem
        else:
            return _result(name, told, run, brought, options)
        reason = getattr(failure, "reason", "bad_input")
        return _result(name, Told(FAILED, steps.RESET_MODE, reason=reason, failure=str(failure)), run, brought, options)

    def _step(self, options: Mapping[str, Any], context: Context, ledger: Ledger, run: Run, brought: Brought) -> Told:
        name = str(context.variables["inventory_hostname"])
        source = _Source(name, options["serial"] or "", lambda: HostVariables(context.variables, self._task, self._templar), context)
        server = _server(name, options)
        _check_serial(server, ledger, source)
        if server.serial and not context.check_mode:
            ledger.follow({name: server.serial}, run)
        turn = Turn(
            server,
            _desk(options),
            ledger,
            run,
            source.wanted,
            context.redactor,
            proves=options["proves"],
            reveal=options["reveal"],
            seconds=options["deadline"],
        )
        try:
            if options["state"] == "armed":
                return turn.armed(options["result"], brought)
            if options["state"] == "proven":
                return turn.proven(options["result"])
            return turn.take_up(brought)
        except BaseException:
            turn.let_go()
            raise


class _Source:
    """What the inventory says of the next password, read when it is asked for: a lookup is resolved once."""

    def __init__(self, name: str, serial: str, variables: Callable[[], HostVariables], context: Context) -> None:
        self._name, self._serial, self._variables, self._context = name, serial, variables, context

    def wanted(self) -> Mapping[str, Any]:
        """An entry of C(stage_requests). Raises LedgerError C(input)."""
        variables = self._variables()
        reader = VariableReader(self._name, variables.of(self._name), variables)
        source = read_source(reader, reader.mapping("bms_recovery_source", {"kind": "generate"}))
        self._context.redactor.add(source.password)
        problems = list(reader.problems)
        password = ""
        if not problems:
            device = Device(self._name, self._serial, source, {})
            given, problems = given_passwords([device], variables, self._context.variables["groups"]["all"])
            password = given.get(self._name, "")
        if problems:
            raise LedgerError("input", "; ".join(map(str, problems)), [(each.device or each.field, each.message) for each in problems])
        self._context.redactor.add(password)
        return {"source": source.kind, "password": password}

    def other_of(self, serial: str, name: str) -> bool:
        """Whether another host of the inventory has this serial number."""
        variables = self._variables()
        return name != self._name and variables.knows(name) and variables.serial_of(name) == serial


def _check_serial(server: Server, ledger: Ledger, source: _Source) -> None:
    """Two names for one server would be two cases for it."""
    other = ledger.names_by_serial().get(server.serial, server.name) if server.serial else server.name
    if other != server.name and source.other_of(server.serial, other):
        raise Refused("device_serial", f"it is also that of {other}, another host of the inventory. Nothing was changed.")


def _brought(options: Mapping[str, Any], variables: Mapping[str, Any]) -> Brought:
    """What a person brings to this run. Raises Refused."""
    name = str(variables["inventory_hostname"])
    hosts = [str(host) for host in variables.get("ansible_play_hosts_all") or [name]]
    named = _words(options["arm"])
    unknown = sorted(named - set(hosts))
    if unknown:
        raise Refused(steps.ARM_OPTION, f"not among the servers of this run: {', '.join(unknown)}. Nothing was changed.")
    confirmed = _words(options["confirmed"])
    strange = sorted(confirmed - set(steps.CONFIRMABLE))
    if strange:
        raise Refused(steps.CONFIRMED_OPTION, f"{', '.join(strange)} is none of {', '.join(steps.CONFIRMABLE)}. Nothing was changed.")
    brought = Brought(
        arm=name in named,
        session_id=(options["session_id"] or "").strip(),
        temporary_password=(options["temporary_password"] or "").strip("\r\n"),
        confirmed=frozenset(confirmed),
    )
    if brought.options and len(hosts) > 1:
        raise Refused(brought.options[0], f"it is for one server, and this run has {len(hosts)}. Nothing was changed. Add --limit NAME.")
    return brought


def _words(given: Sequence[str] | None) -> set[str]:
    return {word.strip() for text in given or () for word in text.split(",")} - {""}


def _server(name: str, options: Mapping[str, Any]) -> Server:
    return Server(
        name=name,
        kind=options["server_kind"],
        transport=options["transport"] or default_transport(options["server_kind"]),
        serial=(options["serial"] or "").strip(),
        **{field: options[field] or "" for field in ("host", "site", "version", "contact")},
        policy=options["policy"] or {},
    )


def _desk(options: Mapping[str, Any]) -> Desk:
    return Desk(
        directory=os.path.join(beside_inventory(), options["directory"]),
        to=options["support_address"] or "",
        smtp_host=options["smtp_host"] or "",
        smtp_port=options["smtp_port"],
        smtp_tls=options["smtp_tls"],
        smtp_user=options["smtp_user"] or "",
        smtp_password=options["smtp_password"] or "",
        sender=options["smtp_sender"] or "",
        validate_certs=options["validate_certs"],
        ca_path=options["ca_path"] or "",
    )


def _result(name: str, told: Told, run: Run, brought: Brought, options: Mapping[str, Any]) -> dict[str, Any]:
    failed = {"failed": True, "msg": told.failure} if told.status in (FAILED, EXPIRED) else {}
    return {
        **failed,
        "changed": told.changed,
        "act": told.act,
        "confirmed": told.act == steps.ARM and steps.RESET_MODE in brought.confirmed,
        "case": told.case(),
        "lines": [f"{name}: {verdict(told)}", *windows_lines(options["windows"] or ""), *told.lines, *instructions(told)],
        "run_id": run.id,
    }
