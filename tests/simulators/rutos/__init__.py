# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Simulated Teltonika routers (RutOS 7.x): `python -m simulators.rutos --help`."""

from __future__ import annotations

from .client import RutosSimulator, SimulatedRouter

__all__ = ["RutosSimulator", "SimulatedRouter"]
