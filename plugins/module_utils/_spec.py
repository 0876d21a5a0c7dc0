# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Arguments as values: each room defines its own, with the rules between them, and a module is the sum of some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Spec:
    """The arguments of a module or a plugin, or a part of them. Parts are added: C(rms_spec() + http_spec()).

    C(rules) are as AnsibleModule names them: C(mutually_exclusive), C(required_one_of), C(required_together), C(required_if),
    C(required_by).
    """

    arguments: Mapping[str, Any] = field(default_factory=dict)
    rules: Mapping[str, Sequence[Any] | Mapping[str, Any]] = field(default_factory=dict)

    def __add__(self, other: Spec) -> Spec:
        """Both parts. ValueError when both define an argument: one of them would not count."""
        twice = set(self.arguments) & set(other.arguments)
        if twice:
            raise ValueError(f"defined twice: {', '.join(sorted(twice))}")
        rules = dict(self.rules)
        for name, rule in other.rules.items():
            before = rules.get(name)
            if isinstance(rule, Mapping):
                rules[name] = {**(before if isinstance(before, Mapping) else {}), **rule}
            else:
                rules[name] = [*(before or ()), *rule]
        return Spec({**self.arguments, **other.arguments}, rules)
