# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the ledger keeps its secrets: a key derived from the passphrase by scrypt, and AES-256-GCM.

Every secret is bound to the device and the record it belongs to, so that one cannot be moved to another inside the database.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
except ImportError:
    HAS_CRYPTOGRAPHY = False
else:
    HAS_CRYPTOGRAPHY = True

SHORTEST_PASSPHRASE = 8
_SALT_BYTES = 16
_NONCE_BYTES = 12
_VERIFIER = "keyturn ledger"


@dataclass(frozen=True)
class Cost:
    """The parameters of scrypt. The default takes 64 MiB and about 0.3 s, one of the settings OWASP gives as the least for passwords."""

    n: int = 2**16
    r: int = 8
    p: int = 2

    def checked(self) -> Cost:
        """Refuses what would take the machine's memory, should somebody have written to the ledger."""
        power_of_two = self.n > 1 and self.n & (self.n - 1) == 0
        if not power_of_two or not 1 <= self.r <= 32 or not 1 <= self.p <= 16 or self.n * self.r > 2**24:
            raise LedgerError("corrupt", "The ledger's key parameters are not usable; restore the ledger from a backup.")
        return self


@dataclass(frozen=True)
class KeyRecord:
    """What the ledger stores of its key: enough to derive it again and to know a wrong passphrase, and nothing more."""

    cost: Cost
    salt: bytes
    verifier: bytes


class SecretBox:
    """Seals and opens the secrets of one ledger."""

    def __init__(self, record: KeyRecord, key: bytes) -> None:
        self.record = record
        self._cipher = AESGCM(key)

    @classmethod
    def create(cls, passphrase: str, cost: Cost) -> SecretBox:
        """A new key for a new ledger, or for a ledger that changes its passphrase."""
        check_passphrase(passphrase)
        salt = os.urandom(_SALT_BYTES)
        box = cls(KeyRecord(cost, salt, b""), _derive(passphrase, salt, cost.checked()))
        box.record = KeyRecord(cost, salt, box.seal("", "verifier", _VERIFIER))
        return box

    @classmethod
    def unlock(cls, passphrase: str, record: KeyRecord) -> SecretBox:
        """The key of an existing ledger; LedgerError C(wrong_passphrase) when the passphrase is another one."""
        if not passphrase:
            check_passphrase(passphrase)
        box = cls(record, _derive(passphrase, record.salt, record.cost.checked()))
        try:
            if box.open("", "verifier", record.verifier) == _VERIFIER:
                return box
        except LedgerError:
            pass  # The same clear error for every way in which it does not fit, outside this handler.
        raise LedgerError(
            "wrong_passphrase",
            "The passphrase does not open this ledger. Nothing was changed. Give the one it was made or last rekeyed with.",
        )

    def seal(self, device: str, record_id: str, secret: str) -> bytes:
        """A nonce of 12 bytes and the ciphertext with its tag."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret.encode("utf-8", "surrogateescape"), _context(device, record_id))

    def open(self, device: str, record_id: str, sealed: bytes) -> str:
        """LedgerError C(corrupt) when the bytes are not what C(seal) made for this device and record."""
        try:
            plain = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _context(device, record_id))
        except (InvalidTag, ValueError):
            plain = None
        if plain is None:
            raise LedgerError(
                "corrupt",
                f"A stored password of device {device!r} is damaged or was moved there from another record. "
                "Nothing was changed. Restore the ledger from a backup, or import this device's password again.",
            )
        return plain.decode("utf-8", "surrogateescape")


def check_passphrase(passphrase: str) -> None:
    """Refuses a passphrase that would protect nothing."""
    if not passphrase:
        raise LedgerError(
            "no_passphrase",
            "The ledger needs a passphrase: give ledger_passphrase or ledger_passphrase_file, or set KEYTURN_LEDGER_PASSPHRASE.",
        )
    if len(passphrase) < SHORTEST_PASSPHRASE or len(set(passphrase)) < 3:
        raise LedgerError("weak_passphrase", f"The ledger's passphrase must have at least {SHORTEST_PASSPHRASE} characters, not all alike.")


def _context(device: str, record_id: str) -> bytes:
    return f"keyturn.devices ledger\0{device}\0{record_id}".encode("utf-8", "surrogateescape")


@lru_cache(maxsize=8)
def _derive(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    """Slow on purpose, hence once per process for each ledger."""
    return Scrypt(salt=salt, length=32, n=cost.n, r=cost.r, p=cost.p).derive(passphrase.encode("utf-8", "surrogateescape"))
