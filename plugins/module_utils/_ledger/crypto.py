# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the ledger keeps its secrets: a key derived from the passphrase by scrypt, AES-256-GCM to seal, HMAC-SHA256 to vouch.

Every secret is bound to the device and the record it belongs to, so that one cannot be moved to another inside the database; and which
of a device's passwords is which is vouched for, so that none can be put in another's place.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import mmap
import os
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import Case, Device

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

    def checked(self, least: Cost) -> Cost:
        """Refuses what would take the machine's memory, and what would be easier to guess, should somebody have written to the ledger."""
        power_of_two = self.n > 1 and self.n & (self.n - 1) == 0
        if not power_of_two or not 1 <= self.r <= 32 or not 1 <= self.p <= 16 or self.n * self.r > 2**24:
            raise LedgerError("corrupt", "The ledger's key parameters are not usable; restore the ledger from a backup.")
        if self.n * self.r < least.n * least.r or self.n * self.r * self.p < least.n * least.r * least.p:
            raise LedgerError(
                "tampered",
                "The ledger's key parameters are weaker than any that keyturn.devices uses: somebody else wrote them. "
                "Nothing was changed. Restore the ledger from a backup.",
            )
        return self


#: What a new key costs, and the least that an existing one may.
LEAST_COST = Cost()


@dataclass(frozen=True)
class KeyRecord:
    """What the ledger stores of its key: enough to derive it again and to know a wrong passphrase, and nothing more."""

    cost: Cost
    salt: bytes
    verifier: bytes


class SecretBox:
    """Seals and opens the secrets of one ledger, and vouches for what is written beside them."""

    def __init__(self, record: KeyRecord, key: bytes) -> None:
        self.record = record
        self._cipher = AESGCM(hmac.digest(key, b"keyturn.devices encryption", "sha256"))
        self._voucher = hmac.digest(key, b"keyturn.devices authentication", "sha256")

    @classmethod
    def create(cls, passphrase: str, cost: Cost) -> SecretBox:
        """A new key for a new ledger, or for a ledger that changes its passphrase."""
        check_passphrase(passphrase)
        salt = os.urandom(_SALT_BYTES)
        box = cls(KeyRecord(cost, salt, b""), _derive(passphrase, salt, cost.checked(cost)))
        box.record = KeyRecord(cost, salt, box._seal(("verifier",), _VERIFIER.encode()))
        return box

    @classmethod
    def unlock(cls, passphrase: str, record: KeyRecord, least: Cost) -> SecretBox:
        """The key of an existing ledger; LedgerError C(wrong_passphrase) when the passphrase is another one."""
        if not passphrase:
            check_passphrase(passphrase)
        box = cls(record, _derive(passphrase, record.salt, record.cost.checked(least)))
        if box._open(("verifier",), record.verifier) != _VERIFIER.encode():
            raise LedgerError(
                "wrong_passphrase",
                "The passphrase does not open this ledger. Nothing was changed. Give the one it was made or last rekeyed with.",
            )
        return box

    def seal(self, device: str, record_id: str, secret: str) -> bytes:
        """A password of this device (its id)."""
        return self._seal(("password", device, record_id), secret.encode("utf-8", "surrogateescape"))

    def open(self, device: str, record_id: str, sealed: bytes, name: str = "") -> str:
        """LedgerError C(corrupt) when the bytes are not what C(seal) made for this device and record. C(name): for that message."""
        plain = self._open(("password", device, record_id), sealed)
        if plain is None:
            raise LedgerError(
                "corrupt",
                f"A stored password of device {name or device!r} is damaged or was moved there from another record. "
                "Nothing was changed. Restore the ledger from a backup, or import this device's password again.",
            )
        return plain.decode("utf-8", "surrogateescape")

    def seal_part(self, list_id: str, number: int, content: bytes) -> bytes:
        """A part of a one-time list."""
        return self._seal(("list", list_id, str(number)), content)

    def open_part(self, list_id: str, number: int, sealed: bytes) -> bytes:
        """LedgerError C(corrupt) when the bytes are not what C(seal_part) made for this part."""
        plain = self._open(("list", list_id, str(number)), sealed)
        if plain is None:
            raise LedgerError("corrupt", f"The one-time list {list_id} is damaged. Nothing was changed. Restore the ledger from a backup.")
        return plain

    def seal_case(self, case_id: str, content: str) -> bytes:
        """The secrets of a recovery case."""
        return self._seal(("case", case_id), content.encode("utf-8", "surrogateescape"))

    def open_case(self, case_id: str, sealed: bytes, name: str) -> str:
        """LedgerError C(corrupt) when the bytes are not what C(seal_case) made for this case. C(name): of the device, for that message."""
        plain = self._open(("case", case_id), sealed)
        if plain is None:
            raise LedgerError(
                "corrupt",
                f"The secrets of the recovery case of {name} are damaged or were moved there from another case. "
                "Nothing was changed. Restore the ledger from a backup, or abandon the case and open another.",
            )
        return plain.decode("utf-8", "surrogateescape")

    def seal_text(self, purpose: str, text: str) -> str:
        """For handing secrets from one process of a run to another: Base64, and of no use for any other purpose."""
        return base64.b64encode(self._seal(("text", purpose), text.encode("utf-8", "surrogateescape"))).decode("ascii")

    def open_text(self, purpose: str, sealed: str) -> str:
        """LedgerError C(corrupt) when it is not what C(seal_text) made for this purpose with this ledger's key."""
        plain = None
        with suppress(binascii.Error, ValueError):  # told below, like every other way in which it does not fit
            plain = self._open(("text", purpose), base64.b64decode(sealed, validate=True))
        if plain is None:
            raise LedgerError("corrupt", f"What was sealed for {purpose} is not of this ledger, or its passphrase was changed meanwhile.")
        return plain.decode("utf-8", "surrogateescape")

    def vouch_for_ledger(self, identity: str, generation: int) -> bytes:
        """The MAC of the ledger's one row."""
        return self._vouch("ledger", identity, generation)

    def vouch_for_device(self, device: Device, current: str, staged: str) -> bytes:
        """The MAC of a device's row. C(current), C(staged): the ids of its passwords, empty for none."""
        retired = device.retired_at is not None
        return self._vouch("device", device.id, device.name, device.serial, device.generation, retired, current, staged)

    def vouch_for_case(self, case: Case) -> bytes:
        """The MAC of a case's row."""
        times = (case.opened_at, case.armed_at, case.deadline, case.closed_at)
        secrets = None if case.secrets is None else bytes(case.secrets)
        return self._vouch("case", case.id, case.device, case.kind, case.step, case.state, times, case.facts, secrets)

    def _vouch(self, *stated: object) -> bytes:
        # ascii() tells apart what is not the same, and says it the same way in every release of Python.
        return hmac.digest(self._voucher, ascii(stated).encode(), "sha256")

    def _seal(self, context: tuple[str, ...], content: bytes) -> bytes:
        """A nonce of 12 bytes and the ciphertext with its tag."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, _bound_to(context))

    def _open(self, context: tuple[str, ...], sealed: bytes) -> bytes | None:
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound_to(context))
        except (InvalidTag, ValueError):
            return None


def check_passphrase(passphrase: str) -> None:
    """Refuses a passphrase that would protect nothing."""
    if not passphrase:
        raise LedgerError(
            "no_passphrase",
            "The ledger needs a passphrase: give ledger_passphrase or ledger_passphrase_file, or set KEYTURN_LEDGER_PASSPHRASE.",
        )
    if len(passphrase) < SHORTEST_PASSPHRASE or len(set(passphrase)) < 3:
        raise LedgerError("weak_passphrase", f"The ledger's passphrase must have at least {SHORTEST_PASSPHRASE} characters, not all alike.")


def _bound_to(context: tuple[str, ...]) -> bytes:
    return "\0".join(("keyturn.devices ledger", *context)).encode("utf-8", "surrogateescape")


class _SharedKeys:
    """Keys that were derived already, for this process and all that are forked from it.

    Ansible forks a process for each task, and deriving a key is slow on purpose: one derivation does for a whole playbook. They stand in
    memory that has no name and ends with these processes; what is executed (a module, ssh) does not inherit it.
    """

    _PLACES = 8
    _PART = 32

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, self._PLACES * 3 * self._PART)
        self._secret = os.urandom(self._PART)

    def get(self, identity: bytes) -> bytes | None:
        place, name = self._find(identity)
        found, key, check = (self._memory[place + part * self._PART :][: self._PART] for part in range(3))
        # Two processes may write at once: what is not of one piece is no key.
        return key if hmac.compare_digest(found, name) and hmac.compare_digest(check, self._check(name, key)) else None

    def put(self, identity: bytes, key: bytes) -> None:
        place, name = self._find(identity)
        self._memory[place : place + 3 * self._PART] = name + key + self._check(name, key)

    def _find(self, identity: bytes) -> tuple[int, bytes]:
        name = hmac.digest(self._secret, identity, "sha256")
        return name[0] % self._PLACES * 3 * self._PART, name

    def _check(self, name: bytes, key: bytes) -> bytes:
        return hmac.digest(self._secret, name + key, "sha256")


_shared_keys = _SharedKeys()


@lru_cache(maxsize=8)
def _derive(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    """Slow on purpose, hence once for each ledger."""
    secret = passphrase.encode("utf-8", "surrogateescape")
    identity = ascii((hashlib.sha256(secret).digest(), salt, cost.n, cost.r, cost.p)).encode()
    key = _shared_keys.get(identity)
    if key is None:
        key = Scrypt(salt=salt, length=32, n=cost.n, r=cost.r, p=cost.p).derive(secret)
        _shared_keys.put(identity, key)
    return key
