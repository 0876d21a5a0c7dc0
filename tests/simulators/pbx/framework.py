# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the genuine framework of the pages lies: two files of the npm package extjs-gpl, which C(make) puts below .cache."""

from __future__ import annotations

import os
from pathlib import Path

SCRIPT, STYLE = "ext-all.js", "theme.css"
PLACE = Path(os.environ.get("KEYTURN_EXTJS") or Path(__file__).resolve().parents[3] / ".cache" / "extjs")


def framework() -> dict[str, bytes]:
    """File name -> content. FileNotFoundError, saying what to do, where it was not installed."""
    missing = [name for name in (SCRIPT, STYLE) if not (PLACE / name).is_file()]
    if missing:
        raise FileNotFoundError(f"{PLACE} lacks {' and '.join(missing)}: run make environments, or let KEYTURN_EXTJS name the folder")
    return {name: (PLACE / name).read_bytes() for name in (SCRIPT, STYLE)}
