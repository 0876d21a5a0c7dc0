# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running a module: what its work is given, its failure, and the way out, which everything a module says takes."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.keyturn.devices.plugins.module_utils._outcomes import CLOSED
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._spec import Spec

# An invocation is there for a person to read.
_MOST_SHOWN = 20


@dataclass(frozen=True)
class Context:
    """What the work of a module may use besides its options. C(warn) takes a text, which goes through the gate."""

    check_mode: bool
    diff: bool
    redactor: Redactor
    warn: Callable[[str], None]


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


def carry_out(work: Callable[[], dict[str, Any]], redactor: Redactor) -> tuple[dict[str, Any], bool]:
    """What the work returns, or why it failed, as it may leave; and whether it failed.

    A ModuleFailure becomes a failed result; any other exception one with a redacted message and a redacted traceback as text. Ansible is
    never given an exception object, nor called while one is being handled: since ansible-core 2.19 it would print the exception as it is.
    """
    try:
        return redactor.result(work(), CLOSED), False
    except ModuleFailure as problem:
        failure = {"msg": problem.msg, **problem.result}
    except Exception as problem:  # The gate of last resort: nothing may leave any other way.
        failure = {
            "msg": f"Unexpected {type(problem).__name__}: {problem}",
            "exception": "".join(traceback.format_exception(problem)),
        }
    return redactor.result(failure, CLOSED), True


def run_module(
    spec: Spec,
    work: Callable[[Mapping[str, Any], Context], dict[str, Any]],
    secrets: Callable[[Mapping[str, Any], Mapping[str, Any] | None], Iterable[str]] = secret_parameters,
) -> NoReturn:
    """Do the work of a module and leave through the gate, whatever happens. C(work): its options and the context in, its result out.

    C(secrets): what of the parameters is secret, of the argument spec and the parameters, where one option says it of another.
    """
    module = QuietModule(argument_spec=dict(spec.arguments), **spec.rules, supports_check_mode=True)
    redactor = Redactor(secrets(module.argument_spec, module.params))
    # Ansible's own masking knows one form of a secret, takes (strings x secrets) steps, and masks the module's own words and numbers as
    # well, so that nobody could tell what became of a device whose password is one of them. What leaves here is masked already.
    module.no_log_values.clear()
    context = Context(module.check_mode, module._diff, redactor, lambda text: module.warn(redactor.data(text)))
    leaving, failed = carry_out(lambda: work(module.params, context), redactor)
    leaving.setdefault("invocation", {"module_args": redactor.data(_shortened(module.params))})
    if failed:
        module.fail_json(**leaving)
    module.exit_json(**leaving)
    raise AssertionError("exit_json returned")


def _shortened(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as an invocation shows them: the thousand devices of a batch would only be carried about."""
    return {
        name: f"({len(value)} elements)" if isinstance(value, list) and len(value) > _MOST_SHOWN else value
        for name, value in parameters.items()
    }
