# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the plan of a rotation on the controller, once for all hosts: only there are the variables of all hosts at hand."""

from __future__ import annotations

import datetime
import os
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.common.text.converters import to_text
from ansible.plugins.action import ActionBase

from ansible_collections.keyturn.devices.plugins.module_utils._http import http_spec
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.options import ledger_argument_spec, open_ledger
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.csv_file import CsvError, read_password_csv
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._rms.options import rms_spec
from ansible_collections.keyturn.devices.plugins.module_utils._rotation.batches import Sizes, batches_of_due, batches_of_unsettled
from ansible_collections.keyturn.devices.plugins.module_utils._rotation.inventory import (
    WAYS,
    Defaults,
    Device,
    Problem,
    VariableError,
    duplicate_serials,
    read_device,
)
from ansible_collections.keyturn.devices.plugins.module_utils._rotation.plan import make_plan
from ansible_collections.keyturn.devices.plugins.module_utils._run import runner_identity
from ansible_collections.keyturn.devices.plugins.plugin_utils._ledger_url import ledger_url_beside_inventory

_OWN_OPTIONS: dict[str, dict[str, Any]] = {
    "hosts": {"type": "list", "elements": "str"},
    "force": {"type": "bool", "default": False},
    "via": {"type": "str", "choices": list(WAYS), "default": "rms"},
    "source": {"type": "dict", "default": {"kind": "generate"}},
    "policy": {"type": "dict", "default": {"length": 20, "special": True, "max_age_days": 90}},
    "first_batch_size": {"type": "int", "default": 50},
    "batch_size": {"type": "int", "default": 2500},
    "generated_folder": {"type": "path", "default": "."},
    "run_id": {"type": "str"},
    "open_only": {"type": "bool", "default": False},
    "again": {"type": "bool", "default": False},
}

# Passed on to router_info, which asks RMS.
_RMS_OPTIONS = ("rms_url", "rms_status_url", "rms_token", "validate_certs", "ca_path", "timeout")


class InputError(Exception):
    """The input cannot be used; nothing was asked of any device."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(f"{len(problems)} problems in the input; no device was touched")
        self.problems = problems


class ActionModule(ActionBase):
    # One plan for the whole play; Ansible calls this once, not once per host.
    BYPASS_HOST_LOOP = True
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        redactor = Redactor()
        try:
            _unused, options = self.validate_argument_spec(
                {**_OWN_OPTIONS, **ledger_argument_spec(), **(rms_spec() + http_spec()).arguments}
            )
            redactor.add(options["rms_token"])
            options["ledger_url"] = ledger_url_beside_inventory(options["ledger_url"])
            result.update(self._plan(options, variables, redactor))
        except InputError as error:
            problems = [redactor.text(problem) for problem in error.problems]
            result.update(failed=True, msg=f"{error}: {'; '.join(problems)}", problems=problems)
        except LedgerError as error:
            result.update(failed=True, msg=redactor.text(error.message), reason=error.reason, problems=[])
        except AnsibleError as error:
            result.update(failed=True, msg=redactor.text(to_text(error)), problems=[])
        result["changed"] = False
        return result

    def _plan(self, options: dict[str, Any], variables: dict[str, Any], redactor: Redactor) -> dict[str, Any]:
        too_small = [name for name in ("first_batch_size", "batch_size") if options[name] < 1]
        if too_small:
            raise InputError([Problem("", name, "must be 1 or more") for name in too_small])
        sizes = Sizes(options["first_batch_size"], options["batch_size"])
        hosts = options["hosts"] if options["hosts"] is not None else variables["ansible_play_hosts"]
        inventory = _Inventory(variables["hostvars"], self._templar)
        devices, problems = inventory.devices(hosts, Defaults(options["via"], options["source"], options["policy"]))
        wanted, csv_problems = inventory.wanted(devices, variables["groups"]["all"])
        problems += duplicate_serials(devices) + csv_problems
        if problems:
            raise InputError(problems)
        redactor.add(*wanted.values())
        with open_ledger(options, absent="empty", dry_run=True, redactor=redactor) as ledger:
            records = ledger.devices(include_secrets=True)
        routers, requests = self._routers(options, devices, variables)
        plan = make_plan(
            devices,
            records,
            routers,
            wanted,
            options["force"],
            datetime.datetime.now(datetime.timezone.utc),
            options["open_only"],
            options["again"],
        )
        if plan.problems:
            raise InputError(plan.problems)
        run_id = options["run_id"] or uuid.uuid4().hex
        generated_csv = os.path.join(os.path.abspath(options["generated_folder"]), f"keyturn-generated-{run_id}-{{number}}.csv")
        return {
            "run_id": run_id,
            # The worker that runs this ends with the task; the process that ends with the run is its parent.
            "run_holder": runner_identity(os.getppid()),
            "devices": len(devices),
            "due": [
                {"name": due.device.name, "reasons": list(due.reasons), "details": list(due.details), "source": due.device.source.kind}
                for due in plan.due
            ],
            "unsettled": [entry.device.name for entry in plan.unsettled],
            "orphaned": plan.orphaned,
            "offline": plan.offline,
            "without_password": plan.without_password,
            "fenced_seconds": plan.fenced_seconds,
            "missing": [device.name for device in plan.missing],
            "not_due": len(plan.not_due),
            "batches": batches_of_due(plan.due, records, routers, sizes, generated_csv),
            "unsettled_batches": batches_of_unsettled(plan.unsettled, routers, sizes),
            "requests": requests,
        }

    def _routers(self, options: dict[str, Any], devices: list[Device], variables: dict[str, Any]) -> tuple[dict[str, dict[str, Any]], int]:
        """What RMS knows, by serial: one listing for the whole fleet. RMS is not asked when no device needs it."""
        serials = [device.serial for device in devices if device.uses_rms]
        if not serials:
            return {}, 0
        arguments = {name: options[name] for name in _RMS_OPTIONS if options[name] is not None}
        answer = self._execute_module(
            module_name="keyturn.devices.router_info", module_args={**arguments, "serials": serials}, task_vars=variables
        )
        if answer.get("failed"):
            raise AnsibleError(to_text(answer.get("msg", "router_info failed")))
        return {router["serial"]: router for router in answer["routers"]}, answer["requests"]


class _Inventory:
    """The devices as the inventory describes them."""

    def __init__(self, hostvars: Any, templar: Any) -> None:
        self._hostvars = hostvars
        self._templar = templar

    def devices(self, hosts: list[str], defaults: Defaults) -> tuple[list[Device], list[Problem]]:
        devices: list[Device] = []
        problems: list[Problem] = []
        for name in hosts:
            if name not in self._hostvars:
                problems.append(Problem(name, "hosts", "is not in the inventory"))
                continue
            device, wrong = read_device(name, self._reader(name), defaults)
            problems += wrong
            if device is not None and device.site != "localhost" and device.site not in self._hostvars:
                problems.append(Problem(name, "device_site", f"'{device.site}' is not in the inventory"))
            elif device is not None:
                devices.append(device)
        return devices, problems

    def wanted(self, devices: list[Device], everybody: list[str]) -> tuple[dict[str, str], list[Problem]]:
        """The password that a source gives, by device name. A CSV file is read once, and is right only if every row of it is."""
        wanted = {device.name: device.source.password for device in devices if device.source.kind == "value"}
        problems: list[Problem] = []
        lists: dict[str, dict[str, str]] = {}
        for device in devices:
            if device.source.kind != "csv":
                continue
            path = self._path(device)
            if path not in lists:
                lists[path] = {}
                try:
                    lists[path] = {row.serial: row.password for row in read_password_csv(path, known_serials=self._serials(everybody))}
                except CsvError as error:
                    problems += [Problem("", str(problem), "") for problem in error.problems]
            if device.serial in lists[path]:
                wanted[device.name] = lists[path][device.serial]
            elif not problems:
                problems.append(Problem(device.name, "device_password_source.path", f"{path} has no row for serial '{device.serial}'"))
        return wanted, problems

    def _serials(self, names: list[str]) -> set[str]:
        """A list may hold more routers than this run is limited to, but none that the inventory does not know."""
        return {str(self._hostvars.raw_get(name).get("device_serial", "")) for name in names}

    def _path(self, device: Device) -> str:
        path = os.path.expanduser(device.source.path)
        beside_inventory = os.path.join(str(self._hostvars.raw_get(device.name).get("inventory_dir") or ""), path)
        return beside_inventory if os.path.exists(beside_inventory) else os.path.abspath(path)

    def _reader(self, name: str) -> Callable[[str], object]:
        raw = self._hostvars.raw_get(name)

        def variable(key: str) -> object:
            value = raw.get(key)
            if not _has_template(value):
                return value
            try:
                return self._templar.copy_with_new_env(available_variables=raw).template(value)
            except AnsibleError as error:
                raise VariableError(_first_line(error)) from None

        return variable


def _has_template(value: object) -> bool:
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, Mapping):
        return any(_has_template(part) for part in value.values())
    return isinstance(value, list) and any(_has_template(part) for part in value)


def _first_line(error: Exception) -> str:
    """What a lookup or a template says of itself, without the excerpt of the inventory that may follow."""
    text: str = to_text(error)
    return text.strip().splitlines()[0][:300]
