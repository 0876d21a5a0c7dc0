# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""For all unit tests."""

from __future__ import annotations

from hypothesis import settings

# How long an example takes is the machine's affair: on a busy one a good test would fail.
settings.register_profile("keyturn", deadline=None)
settings.load_profile("keyturn")
