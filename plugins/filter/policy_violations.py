# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter policy_violations: what in a password breaks a policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace

from ansible.errors import AnsibleFilterError

from ansible_collections.keyturn.devices.plugins.module_utils._passwords.floors import demanded_policy
from ansible_collections.keyturn.devices.plugins.module_utils._passwords.policy import PolicyError, violations


def policy_violations(
    password: str,
    policy: Mapping[str, object] | None = None,
    product: str | None = None,
    firmware: str | None = None,
    former: Sequence[str] | None = None,
) -> list[dict[str, str]]:
    """What breaks the policy, as dictionaries of reason and message. Wrong arguments: AnsibleFilterError, which never shows a password."""
    if isinstance(former, str) or not isinstance(former or [], Sequence):
        raise AnsibleFilterError("policy_violations: former must be a list of passwords, newest first")
    try:
        demanded = demanded_policy({} if policy is None else policy, product, None if firmware is None else str(firmware))
    except PolicyError as error:
        raise AnsibleFilterError(f"policy_violations: {error}") from None
    if former and demanded.history is None:
        demanded = replace(demanded, history=len(former))
    earlier = [_text(one, "each former password") for one in former or []]
    return [asdict(violation) for violation in violations(_text(password, "the password"), demanded, earlier)]


def _text(value: object, name: str) -> str:
    # Up to ansible-core 2.18 a vaulted variable comes as an object that is no string but becomes one.
    if isinstance(value, str) or getattr(type(value), "__ENCRYPTED__", False):
        return str(value)
    raise AnsibleFilterError(f"policy_violations: {name} must be a string (put a password of digits in quotes)")


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"policy_violations": policy_violations}
