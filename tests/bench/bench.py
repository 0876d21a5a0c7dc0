# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Benchmarks, each a command of its own that prints a table: `make bench BENCH="fleet --routers 1000 10000"`."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def main() -> None:
    known = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "bench")
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    if wanted not in known:
        raise SystemExit(f"Which benchmark? One of: {', '.join(known)}; --help after it tells its options.")
    sys.argv = sys.argv[1:]
    runpy.run_path(str(FOLDER / f"{wanted}.py"), run_name="__main__")


if __name__ == "__main__":
    main()
