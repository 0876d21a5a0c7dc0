# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running a module: its failure, and the way out, which everything a module says takes."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor

# Ansible's own masking takes (strings x secrets) steps; past this many secrets it would cost more than the work it follows.
_FEW = 1000

# An invocation is there for a person to read.
_MOST_SHOWN = 20


class ModuleFailure(Exception):
    """A failure that was foreseen: becomes C(fail_json(msg=..., **result)), redacted."""

    def __init__(self, msg: str, **result: Any) -> None:
        super().__init__(msg)
        self.msg = msg
        self.result = result


class QuietModule(AnsibleModule):
    """An AnsibleModule that does not write its parameters to the system log.

    Ansible writes them as Python prints them and masks only the plain form, so that a password with a backslash in a list of
    devices would be readable there.
    """

    def _log_invocation(self) -> None:
        self.log("Invoked")


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, (list, tuple, set)):
        for inner in value:
            yield from _leaves(inner)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _password_in_url(text: str) -> Iterator[str]:
    """The password in a URL such as C(postgresql://user:password@host/), as written and as meant."""
    if "://" in text:
        try:
            password = urlsplit(text).password
        except ValueError:
            return
        if password:
            yield password
            yield unquote(password)


def secret_parameters(argument_spec: Mapping[str, Any], parameters: Mapping[str, Any] | None) -> Iterator[str]:
    """Every value given to an option marked C(no_log), in suboptions too, and every password inside a URL."""
    for name, option in argument_spec.items():
        value = (parameters or {}).get(name)
        if value is None:
            continue
        if option.get("no_log"):
            yield from _leaves(value)
        elif option.get("options"):
            for element in value if isinstance(value, list) else [value]:
                if isinstance(element, Mapping):
                    yield from secret_parameters(option["options"], element)
        elif isinstance(value, str):
            yield from _password_in_url(value)


def run_module(module: AnsibleModule, work: Callable[[AnsibleModule, Redactor], dict[str, Any]]) -> NoReturn:
    """Do the work of a module and leave through the gate, whatever happens.

    C(work) returns the result. A ModuleFailure it raises becomes a failed result; any other exception one with a redacted message and
    a redacted traceback as text. Ansible is never given an exception object, nor called while one is being handled: since
    ansible-core 2.19 it would print the exception as it is.
    """
    redactor = Redactor(secret_parameters(module.argument_spec, module.params))
    failure: dict[str, Any] | None = None
    result: dict[str, Any] = {}
    try:
        result = work(module, redactor)
    except ModuleFailure as problem:
        failure = {"msg": problem.msg, **problem.result}
    except Exception as problem:  # The gate of last resort: nothing may leave any other way.
        failure = {
            "msg": f"Unexpected {type(problem).__name__}: {problem}",
            "exception": "".join(traceback.format_exception(problem)),
        }
    # The names of the return values are ours; a secret that happens to be one of them must not take it away.
    leaving = {name: redactor.data(value) for name, value in (result if failure is None else failure).items()}
    leaving.setdefault("invocation", {"module_args": redactor.data(_shortened(module.params))})
    if len(redactor.forms) <= _FEW:
        module.no_log_values.update(redactor.forms)
    else:
        # All that Ansible would mask is masked already, and its way of doing it would take (strings x secrets) steps.
        module.no_log_values.clear()
    if failure is None:
        module.exit_json(**leaving)
    module.fail_json(**leaving)
    raise AssertionError("fail_json returned")


def _shortened(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as an invocation shows them: the thousand devices of a batch would only be carried about."""
    return {
        name: f"({len(value)} elements)" if isinstance(value, list) and len(value) > _MOST_SHOWN else value
        for name, value in parameters.items()
    }


def warn(module: AnsibleModule, redactor: Redactor, text: str) -> None:
    """C(module.warn) through the gate."""
    module.warn(redactor.text(text))
