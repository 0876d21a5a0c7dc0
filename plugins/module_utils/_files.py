# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that are whole on the disk or not there at all, also through a power cut. Those that hold secrets are their owner's alone."""

from __future__ import annotations

import os
import tempfile


class FileProblem(Exception):
    """A file cannot be read or written. C(reason): C(file_exists), C(no_directory), C(permission) or C(file). Never shows any content."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def write_secret_file(path: str, content: bytes, overwrite: bool, dry_run: bool = False) -> bool:
    """Returns whether anything was to be done. Raises FileProblem.

    An existing file with the same content stays, narrowed to its owner; one with another is only replaced when C(overwrite) says so.
    """
    path = os.path.abspath(os.path.expanduser(path))
    failure: FileProblem | None = None
    try:
        existing = content_of(path)
        if existing == content:
            if os.stat(path).st_mode & 0o077 and not dry_run:
                os.chmod(path, 0o600)
            return False
        if existing is not None and not overwrite:
            raise FileProblem("file_exists", f"{path} exists with other content. Nothing was written. Name another, or allow to overwrite.")
        if not dry_run:
            replace_file(path, content)
    except OSError as error:
        reason = {FileNotFoundError: "no_directory", PermissionError: "permission"}.get(type(error), "file")
        failure = FileProblem(reason, f"{path} cannot be written: {error.strerror}.")
    if failure:
        raise failure
    return True


def content_of(path: str) -> bytes | None:
    """C(None) where there is no such file. Raises OSError."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def replace_file(path: str, content: bytes, mode: int = 0o600) -> None:
    """Of this mode: fsync, rename, fsync of the directory. Raises OSError, and then leaves what was there as it was."""
    directory = os.path.dirname(path)
    handle, temporary = tempfile.mkstemp(dir=directory, prefix=f".{os.path.basename(path)}.")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, mode)  # whatever the umask took away
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    sync_directory(directory)


def sync_directory(directory: str) -> None:
    """What was made, renamed or removed in it is so after a power cut too. Raises OSError."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
