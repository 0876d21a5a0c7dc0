# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes the checkout importable as the collection it is, wherever it lies."""

from __future__ import annotations

import os
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
COLLECTIONS = CHECKOUT / ".cache" / "collections"


def link_collection() -> None:
    """Give Python and Ansible the path ansible_collections/keyturn/devices, as a link to this checkout."""
    link = COLLECTIONS / "ansible_collections" / "keyturn" / "devices"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(CHECKOUT, target_is_directory=True)
    os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(COLLECTIONS)
    for folder in (str(COLLECTIONS), str(CHECKOUT / "tests")):
        if folder not in sys.path:
            sys.path.insert(0, folder)


link_collection()
