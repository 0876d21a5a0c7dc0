# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where goes what can be had only once: it is safe before anybody looks at it, and a lack of room is found before it is asked for."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import glob
import os
import tempfile
from pathlib import Path
from typing import Protocol

#: What one router takes in a list, with room to spare: name, serial, MAC address and a password of 32 characters.
BYTES_PER_ROUTER = 200

# Ends a cut line that something follows: no reader may take its password for a whole one, and no password holds this character.
CUT_MARK = "\N{REPLACEMENT CHARACTER}\n".encode()


class DepositError(Exception):
    """What is to be kept cannot be. The message names the place, never a piece of the content."""


class Deposit(Protocol):
    """Keeps lists that can be had only once. What one request brings is a part: C(reserve), C(write) it, C(finish); or C(discard).

    For one thread, one part at a time.
    """

    def reserve(self, routers: int) -> None:
        """Begin a part and make sure of the room for it, C(BYTES_PER_ROUTER) each; DepositError when there is none."""

    def write(self, piece: bytes) -> None:
        """Add a piece to the part. It outlives this process when this returns; OSError or DepositError when it cannot be kept."""

    def part(self, offset: int = 0) -> bytes:
        """What is kept of the part so far, from C(offset) on: also the half of a piece that there was room for."""

    def finish(self, whole: bool) -> None:
        """End the part. C(whole): it came to its end. DepositError when it cannot be kept, saying where it is."""

    def discard(self) -> None:
        """Forget a part that was begun and not finished; nothing to forget is no error."""

    def carry_on(self) -> bytes:
        """All that earlier requests left here, which is kept before what follows. Called before the first part; for collecting only."""


class FileDeposit:
    """A deposit that is a file, which others see only whole: mode 0600, fsync, rename, fsync of the directory.

    A part is written to a temporary file in the same directory, after everything kept before. C(path) is replaced when the part ends,
    also when it ended too early. A killed process leaves the temporary file, which C(carry_on) finds.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self._kept = b""
        self._kept_whole = True
        self._leftovers: list[Path] = []
        self._descriptor: int | None = None
        self._temporary: Path | None = None
        self._start = 0
        self._length = 0

    def check(self) -> None:
        """DepositError when there is no directory for the file, or when a directory is where it should be."""
        if not self.path.parent.is_dir():
            raise DepositError(f"There is no directory {self.path.parent} for the list.")
        if self.path.is_dir():
            raise DepositError(f"{self.path} is a directory, not a file.")

    def set_aside(self) -> str | None:
        """Move a file with content that is already there to a name of its own; the new name, or None when there was nothing to move."""
        try:
            if not self.path.exists() or self.path.stat().st_size == 0:
                return None
            stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
            for number in range(1000):
                backup = self.path.with_name(f"{self.path.name}.{stamp}{f'-{number}' if number else ''}~")
                # A link fails where a file is already; a rename would overwrite it.
                with contextlib.suppress(FileExistsError):
                    os.link(self.path, backup)
                    self.path.unlink()
                    self._sync_directory()
                    return str(backup)
        except OSError as problem:
            raise DepositError(f"{self.path} cannot be set aside: {problem.strerror}.") from None
        raise DepositError(f"{self.path} cannot be set aside: too many copies of it were made within a second.")

    def carry_on(self) -> bytes:
        """Keep what is in the file, and what killed processes left beside it; returns all of it."""
        try:
            if self.path.exists():
                self._keep(self.path.read_bytes(), whole=False)
            for leftover in sorted(self.path.parent.glob(f".{glob.escape(self.path.name)}.*.part")):
                content = _abandoned(leftover)
                if content is None:
                    continue
                self._leftovers.append(leftover)
                # The killed process had written what was kept before the part it was at.
                self._keep(content.removeprefix(self._kept), whole=False)
        except OSError as problem:
            raise DepositError(f"{self.path} and what was left beside it cannot be read: {problem.strerror}.") from None
        return self._kept

    def reserve(self, routers: int) -> None:
        """Begin a part and take the room for it on the disk, with real bytes; DepositError when there is none."""
        kept = self._kept + self._separator()
        try:
            self._descriptor, name = tempfile.mkstemp(prefix=f".{self.path.name}.", suffix=".part", dir=self.path.parent)
            self._temporary = Path(name)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            _write(self._descriptor, kept + bytes(routers * BYTES_PER_ROUTER))
            os.fsync(self._descriptor)
            self._start = self._length = os.lseek(self._descriptor, len(kept), os.SEEK_SET)
        except OSError as problem:
            self.discard()
            raise DepositError(f"A list cannot be written in {self.path.parent}: {problem.strerror}.") from None

    def part(self, offset: int = 0) -> bytes:
        """What the file has taken of the part, from C(offset) on."""
        return os.pread(self._begun(), self._length - self._start - offset, self._start + offset)

    def write(self, piece: bytes) -> None:
        """Add a piece to the part; it is with the operating system when this returns. OSError when the disk does not take it."""
        descriptor = self._begun()
        try:
            _write(descriptor, piece)
        finally:  # A disk that fills up has taken a part of it.
            self._length = os.lseek(descriptor, 0, os.SEEK_CUR)

    def finish(self, whole: bool) -> None:
        """End the part: it is now in C(path), on the disk. A file is not made for nothing."""
        descriptor, temporary = self._begun(), self._temporary
        if not self._length:
            self.discard()
            return
        try:
            part = self.part()
            os.ftruncate(descriptor, self._length)
            os.fsync(descriptor)
            os.replace(str(temporary), self.path)
            self._sync_directory()
        except OSError as problem:
            self._temporary = None  # It holds the only copy of the list.
            raise DepositError(f"The list cannot be kept as {self.path}: {problem.strerror}. It is in {temporary}.") from None
        self._temporary = None
        self.discard()
        self._keep(part, whole)
        for leftover in self._leftovers:
            leftover.unlink(missing_ok=True)
        self._leftovers = []

    def discard(self) -> None:
        """Forget a part that was begun and not finished."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)
            self._temporary = None

    def _begun(self) -> int:
        if self._descriptor is None:
            raise RuntimeError("no part was begun")
        return self._descriptor

    def _keep(self, part: bytes, whole: bool) -> None:
        if part:
            self._kept += self._separator() + part
            self._kept_whole = whole

    def _separator(self) -> bytes:
        """What must stand between what is kept and what follows."""
        if not self._kept or self._kept.endswith((b"\n", b"\r")):
            return b""
        return b"\n" if self._kept_whole else CUT_MARK

    def _sync_directory(self) -> None:
        directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _write(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _abandoned(path: Path) -> bytes | None:
    """The content of a temporary file whose process is gone, without the room it had reserved; None where the process lives."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        return file.read().rstrip(b"\0")
