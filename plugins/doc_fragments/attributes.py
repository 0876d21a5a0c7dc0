# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """What a module can do for a playbook, in the same words everywhere."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and tell what would be changed without changing it.
  diff_mode:
    description: Tells in diff mode what was changed, or in check mode what would be.
  idempotent:
    description:
      - When run twice in a row outside check mode with the same options, the second run reports that nothing was changed.
"""

    # For modules that read and never change anything.
    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - This module changes nothing.
  diff_mode:
    support: N/A
    details:
      - This module changes nothing.
  idempotent:
    support: full
    details:
      - This module changes nothing.
"""

    ACTION_GROUP_RMS = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/keyturn.devices.rms) or C(group/keyturn.devices.routers) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - keyturn.devices.rms
      - keyturn.devices.routers
"""

    ACTION_GROUP_ROUTERS = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/keyturn.devices.routers) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - keyturn.devices.routers
"""

    ACTION_GROUP_LEDGER = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/keyturn.devices.ledger) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - keyturn.devices.ledger
"""

    ACTION_GROUP_PBXS = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/keyturn.devices.pbxs) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - keyturn.devices.pbxs
"""

    ACTION_GROUP_BMS = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/keyturn.devices.bms) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - keyturn.devices.bms
"""
