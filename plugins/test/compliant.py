# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The test compliant: whether a password meets a policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ansible_collections.keyturn.devices.plugins.filter.policy_violations import policy_violations


def compliant(
    password: str,
    policy: Mapping[str, object] | None = None,
    product: str | None = None,
    firmware: str | None = None,
    former: Sequence[str] | None = None,
) -> bool:
    return not policy_violations(password, policy, product, firmware, former)


class TestModule:
    """Ansible's entry point."""

    def tests(self) -> dict[str, Callable[..., bool]]:
        return {"compliant": compliant}
