# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options of everything that looks at a fleet."""

    DOCUMENTATION = r"""
options:
  target:
    description: A pattern of the hosts to look at. C(--limit) narrows it further.
    type: str
    default: all
  severities:
    description: >-
      Another severity for checks of M(keyturn.devices.password_compliance), by their name: V(error), V(warning), V(note) (told, and never a
      reason to fail) or V(ignore) (not looked for).
    type: dict
    default: {}
  readiness_days:
    description: For how many days a look at a PBX by the playbook C(pbx_readiness) counts.
    type: float
    default: 7
"""
