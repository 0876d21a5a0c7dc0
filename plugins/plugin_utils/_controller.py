# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Actions that do their work in this process, on the controller, whatever the connection to the host is."""

from __future__ import annotations

import gc
import multiprocessing
import sys
import traceback
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, ClassVar

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.options import ledger_argument_spec, open_ledger, reported
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._module import ModuleFailure, secret_parameters
from ansible_collections.keyturn.devices.plugins.module_utils._outcomes import CLOSED
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.plugin_utils._ledger_url import ledger_options

# An invocation is there for a person to read.
_MOST_SHOWN = 20

#: What every run through RMS imports on the controller: module -> the package that brings it.
_LIBRARIES = {"requests": "requests", "sqlalchemy": "SQLAlchemy", "cryptography": "cryptography"}


@dataclass(frozen=True)
class Context:
    """What an action is told of its task. C(warn): a warning of the task's result. C(variables): those of the host, not yet templated."""

    check_mode: bool
    diff: bool
    redactor: Redactor
    warn: Callable[[str], None]
    variables: Mapping[str, Any]
    #: Parts of the result that leave as they are: names and words that other tasks match by, in which a password such as 0000 may stand.
    #: Who puts something here vouches that no secret of another's making is in it.
    unmasked: dict[str, Any] = field(default_factory=dict)


class ControllerAction(ActionBase):
    """An action that needs neither a module process nor a connection.

    A subclass names its options in C(ARGUMENTS) (as an AnsibleModule takes them; those of the ledger come by themselves), the rules among
    them in C(RULES) (C(required_if), C(mutually_exclusive), ... by name), and does its work in C(work). Whatever becomes of that leaves
    through one gate: no secret the options hold or the redactor was told is in a result, a message, a warning or a traceback, and Ansible
    is never given an exception, which it would print as it is.
    """

    ARGUMENTS: ClassVar[Mapping[str, Any]] = {}
    RULES: ClassVar[Mapping[str, Any]] = {}
    #: Field of the result -> the words it is one of, whatever the secrets are.
    WORDS: ClassVar[Mapping[str, Collection[str]]] = CLOSED

    _supports_check_mode = True
    _supports_diff = True

    @abstractmethod
    def work(self, options: dict[str, Any], context: Context) -> dict[str, Any]:
        """Returns the task's result. C(options): checked, the ledger's filled in. May raise ModuleFailure, LedgerError or FileProblem."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        if multiprocessing.parent_process() is not None:
            # Forked for one task: what it has of the playbook and the inventory stays, and is not gone through again and again.
            gc.freeze()
        result: dict[str, Any] = super().run(tmp, task_vars)
        redactor = Redactor()
        warnings: list[str] = []
        options: dict[str, Any] = {}
        unmasked: dict[str, Any] = {}
        try:
            with reported():
                options = self._options(task_vars or {}, redactor)
                context = Context(bool(self._task.check_mode), bool(self._task.diff), redactor, warnings.append, task_vars or {}, unmasked)
                leaving = self.work(options, context)
        except ModuleFailure as problem:
            leaving = {"failed": True, "msg": problem.msg, **problem.result}
        except AnsibleConnectionFailure as problem:
            leaving = {"unreachable": True, "msg": str(problem)}
        except AnsibleError as problem:
            leaving = {"failed": True, "msg": _first_line(problem)}
        except Exception as problem:  # The gate of last resort: nothing may leave any other way.
            leaving = {
                "failed": True,
                "msg": f"Unexpected {type(problem).__name__}: {problem}",
                "exception": "".join(traceback.format_exception(problem)),
            }
        if leaving.get("reason") == "library":
            leaving["msg"] += _how_to_install()
        leaving.setdefault("changed", False)
        leaving.setdefault("invocation", {"module_args": _shortened(options)})
        if warnings:
            leaving["warnings"] = [*leaving.get("warnings", ()), *warnings]
        result.update(redactor.result(leaving, self.WORDS))
        result.update(unmasked)
        return result

    def open_ledger(
        self, options: Mapping[str, Any], context: Context, *, dry_run: bool = False, expects: tuple[str, int] | None = None
    ) -> Ledger:
        """The ledger of the options, only for reading in check mode; what it warns of becomes a warning of the task."""
        ledger = open_ledger(options, dry_run=dry_run or context.check_mode, expects=expects, redactor=context.redactor)
        for warning in ledger.warnings:
            context.warn(warning)
        return ledger

    def _options(self, variables: Mapping[str, Any], redactor: Redactor) -> dict[str, Any]:
        spec = {**self.ARGUMENTS, **ledger_argument_spec()}
        given = dict(self._task.args)
        # Before and after: a value is quoted in an error as it came, in a result as it was understood.
        redactor.add(*secret_parameters(spec, given))
        for name in _unstructured(spec, given):
            raise ModuleFailure(f"The option {name} takes dictionaries; it was given as text.", reason="input", problems=[])
        validated = ArgumentSpecValidator(spec, **self.RULES).validate(given)
        options: dict[str, Any] = validated.validated_parameters
        redactor.add(*secret_parameters(spec, options))
        if validated.error_messages:
            raise ModuleFailure("; ".join(validated.error_messages), reason="input", problems=[])
        options.update(ledger_options(options, variables, self._templar.template))
        redactor.add(*secret_parameters(ledger_argument_spec(), options))
        return options


def _how_to_install() -> str:
    """The command that installs all that is missing at once, as the end of a message; empty when it is something else that is missing."""
    missing = [package for module, package in _LIBRARIES.items() if find_spec(module) is None]
    return f". Nothing was changed. Install what is missing: {sys.executable} -m pip install {' '.join(missing)}" if missing else ""


def _unstructured(spec: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[str]:
    """Options whose suboptions hold secrets and that came as text: a message about them would quote parts that nobody knows as secrets."""
    for name, option in spec.items():
        value = given.get(name)
        elements = value if isinstance(value, (list, tuple)) else [value]
        holds_secrets = any(inner.get("no_log") for inner in (option.get("options") or {}).values())
        if holds_secrets and not all(element is None or isinstance(element, Mapping) for element in elements):
            yield name


def _shortened(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options as an invocation shows them: the thousand devices of a batch would only be carried about."""
    return {
        name: f"({len(value)} elements)" if isinstance(value, list) and len(value) > _MOST_SHOWN else value
        for name, value in options.items()
    }


def _first_line(error: Exception) -> str:
    """What Ansible says of an error, without the excerpt of a playbook or an inventory that may follow."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
