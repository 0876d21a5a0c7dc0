# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An EcoStruxure server, simulated: C(python -m simulators.ebo --help), or EboSimulator in a test."""

from __future__ import annotations

from .simulator import EboSimulator

__all__ = ["EboSimulator"]
