# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real password store (pass, Debian package of that name) with a key of its own."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def password_store(folder: Path) -> Iterator[dict[str, str]]:
    """The environment in which the command works it."""
    # Not below the folder: the socket of the agent of GnuPG has to have a short path.
    with tempfile.TemporaryDirectory(prefix="kt-gpg.", dir="/tmp", ignore_cleanup_errors=True) as home:
        environment = {"GNUPGHOME": home, "PASSWORD_STORE_DIR": str(folder / "store")}
        known = {**os.environ, **environment}
        key = ["gpg", "--batch", "--passphrase", "", "--quick-generate-key", "keyturn@example.com", "rsa2048", "encrypt", "never"]
        subprocess.run(key, check=True, env=known, capture_output=True)
        subprocess.run(["pass", "init", "keyturn@example.com"], check=True, env=known, capture_output=True)
        try:
            yield environment
        finally:
            subprocess.run(["gpgconf", "--kill", "gpg-agent"], check=False, env=known)
