# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger's tables, the same in every database."""

from __future__ import annotations

from functools import lru_cache

try:
    import sqlalchemy as sa
except ImportError:
    HAS_SQLALCHEMY = False
else:
    HAS_SQLALCHEMY = True

SCHEMA_VERSION = 1

# Where a password of a device can stand. A device has at most one staged and one current; all others are its history.
STAGED = "staged"
CURRENT = "current"
PREVIOUS = "previous"  # was current
DROPPED = "dropped"  # was staged; the device was said to have kept the old one
SUPERSEDED = "superseded"  # was staged and unsettled when a person or a newer rotation put another one in its place
HISTORY = (PREVIOUS, DROPPED, SUPERSEDED)


class Schema:
    """Times are seconds since the epoch, UTC."""

    def __init__(self) -> None:
        self.metadata = sa.MetaData()
        self.meta = sa.Table(
            "keyturn_meta",
            self.metadata,
            sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
            sa.Column("schema_version", sa.Integer, nullable=False),
            sa.Column("scrypt_n", sa.Integer, nullable=False),
            sa.Column("scrypt_r", sa.Integer, nullable=False),
            sa.Column("scrypt_p", sa.Integer, nullable=False),
            sa.Column("salt", sa.LargeBinary, nullable=False),
            sa.Column("verifier", sa.LargeBinary, nullable=False),
            sa.Column("created_at", sa.Double, nullable=False),
            sa.Column("rekeyed_at", sa.Double),
        )
        self.devices = sa.Table(
            "keyturn_devices",
            self.metadata,
            sa.Column("name", sa.Text, primary_key=True),
            sa.Column("serial", sa.Text),
            sa.Column("created_at", sa.Double, nullable=False),
            # The number of the newest password.
            sa.Column("generation", sa.Integer, nullable=False),
            # How many former passwords the device's policy looks back on, so that pruning leaves them.
            sa.Column("history", sa.Integer, nullable=False),
            sa.Column("verified_at", sa.Double),
            sa.Column("verified_by", sa.Text),
            sa.Column("orphaned", sa.Text),
            sa.Column("orphaned_at", sa.Double),
            sa.Column("lease_run", sa.Text),
            sa.Column("lease_holder", sa.Text),
            sa.Column("lease_until", sa.Double),
            # A request of a dead run may still reach the device until then: no new password is staged before.
            sa.Column("fence_until", sa.Double),
        )
        self.passwords = sa.Table(
            "keyturn_passwords",
            self.metadata,
            sa.Column("id", sa.Text, primary_key=True),
            sa.Column("device", sa.Text, sa.ForeignKey("keyturn_devices.name"), nullable=False),
            # Counts up per device; tells the order in which they were made, whatever the clock did.
            sa.Column("generation", sa.Integer, nullable=False),
            sa.Column("slot", sa.Text, nullable=False),
            # Empty for a password that the vendor makes and that was not collected yet.
            sa.Column("secret", sa.LargeBinary),
            sa.Column("serial", sa.Text),
            sa.Column("source", sa.Text, nullable=False),
            sa.Column("made_by_vendor", sa.Boolean, nullable=False),
            sa.Column("generated_csv", sa.Text),
            sa.Column("run_id", sa.Text, nullable=False),
            sa.Column("made_at", sa.Double, nullable=False),
            sa.Column("moved_at", sa.Double, nullable=False),
            sa.Column("attempts", sa.Integer, nullable=False),
            # Attempts that ended because the device was offline: they do not count against it.
            sa.Column("excused", sa.Integer, nullable=False),
            # When the last lease under which it was tried ends: until then the device may still be told to take it.
            sa.Column("arrives_until", sa.Double),
            sa.Column("settled_run", sa.Text),
            sa.Column("settled_as", sa.Text),
            sa.Column("settled_reason", sa.Text),
            sa.UniqueConstraint("device", "generation"),
        )
        for slot in (STAGED, CURRENT):
            only = self.passwords.c.slot == slot
            sa.Index(f"keyturn_one_{slot}", self.passwords.c.device, unique=True, sqlite_where=only, postgresql_where=only)
        self.events = sa.Table(
            "keyturn_events",
            self.metadata,
            sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
            sa.Column("at", sa.Double, nullable=False),
            sa.Column("who", sa.Text, nullable=False),
            sa.Column("run_id", sa.Text, nullable=False),
            sa.Column("device", sa.Text, nullable=False, index=True),
            sa.Column("from_state", sa.Text, nullable=False),
            sa.Column("to_state", sa.Text, nullable=False),
            sa.Column("reason", sa.Text, nullable=False),
        )


@lru_cache(maxsize=1)
def schema() -> Schema:
    """Made on first use: importing this file must work without SQLAlchemy."""
    return Schema()
