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

SCHEMA_VERSION = 2

# Where a password of a device can stand. A device has at most one staged and one current; all others are its history.
STAGED = "staged"
CURRENT = "current"
PREVIOUS = "previous"  # was current
DROPPED = "dropped"  # was staged; the device was said to have kept the old one
SUPERSEDED = "superseded"  # was staged and unsettled when a person or a newer rotation put another one in its place
HISTORY = (PREVIOUS, DROPPED, SUPERSEDED)

# What a recovery case is. A device has at most one open one.
OPEN = "open"
CLOSED = "closed"  # it ended as it should
ABANDONED = "abandoned"


class Schema:
    """Times are seconds since the epoch, UTC. The columns of devices and passwords stand in the order of C(records)."""

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
            # Which ledger this is, whatever its file or its passphrase is called.
            sa.Column("identity", sa.Text, nullable=False),
            # Counts the transactions that wrote: an older copy of the same ledger has a lower one.
            sa.Column("generation", sa.BigInteger, nullable=False),
            # Vouches for both.
            sa.Column("mac", sa.LargeBinary, nullable=False),
            sa.Column("created_at", sa.Double, nullable=False),
            sa.Column("rekeyed_at", sa.Double),
        )
        self.devices = sa.Table(
            "keyturn_devices",
            self.metadata,
            # Names follow the inventory, and serial numbers may be learned later: this never changes.
            sa.Column("id", sa.Text, primary_key=True),
            sa.Column("name", sa.Text, nullable=False, unique=True),
            sa.Column("serial", sa.Text, unique=True),
            sa.Column("created_at", sa.Double, nullable=False),
            # The number of the newest password.
            sa.Column("generation", sa.Integer, nullable=False),
            # Vouches for name, serial, generation, and for which password is current and which staged.
            sa.Column("mac", sa.LargeBinary, nullable=False),
            # Put away: kept with its history, and not listed.
            sa.Column("retired_at", sa.Double),
            # How many former passwords the device's policy looks back on, so that pruning leaves them.
            sa.Column("history", sa.Integer, nullable=False),
            sa.Column("verified_at", sa.Double),
            sa.Column("verified_by", sa.Text),
            sa.Column("orphaned", sa.Text),
            sa.Column("orphaned_at", sa.Double),
            # Rotations in a row that ended without a proven password, and why the last of them did.
            sa.Column("failures", sa.Integer, nullable=False),
            sa.Column("last_failure", sa.Text),
            sa.Column("offline_since", sa.Double),
            sa.Column("lease_run", sa.Text),
            sa.Column("lease_holder", sa.Text),
            sa.Column("lease_until", sa.Double),
            # The run whose lease was taken away while it may have been alive: whatever it says later is a doubt.
            sa.Column("broken_run", sa.Text),
            # A request of a dead run may still reach the device until then: no new password is staged before.
            sa.Column("fence_until", sa.Double),
            # A password that was sent after its lease was lost, while another is staged: it is staged again once that one is settled.
            sa.Column("sent_late", sa.Text),
        )
        self.passwords = sa.Table(
            "keyturn_passwords",
            self.metadata,
            sa.Column("id", sa.Text, primary_key=True),
            sa.Column("device", sa.Text, sa.ForeignKey("keyturn_devices.id"), nullable=False),
            # Counts up per device; tells the order in which they were made, whatever the clock did.
            sa.Column("generation", sa.Integer, nullable=False),
            sa.Column("slot", sa.Text, nullable=False),
            # Empty for a password that the vendor makes and that was not collected yet.
            sa.Column("secret", sa.LargeBinary),
            sa.Column("serial", sa.Text),
            sa.Column("source", sa.Text, nullable=False),
            sa.Column("made_by_vendor", sa.Boolean, nullable=False),
            # The one-time list that brings it.
            sa.Column("list_id", sa.Text, index=True),
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
            # What whoever resumes needs to carry on with it. No secret.
            sa.Column("note", sa.Text),
            sa.UniqueConstraint("device", "generation"),
        )
        for slot in (STAGED, CURRENT):
            _only_one(f"keyturn_one_{slot}", self.passwords, f"slot = '{slot}'")
        self.lists = sa.Table(
            "keyturn_lists",
            self.metadata,
            sa.Column("id", sa.Text, primary_key=True),
            sa.Column("run_id", sa.Text, nullable=False),
            sa.Column("made_at", sa.Double, nullable=False),
        )
        self.list_parts = sa.Table(
            "keyturn_list_parts",
            self.metadata,
            sa.Column("list", sa.Text, sa.ForeignKey("keyturn_lists.id"), primary_key=True),
            # Counts up from 0 in the order in which the parts came; below 0 is room that was taken for parts to come.
            sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("content", sa.LargeBinary, nullable=False),
        )
        self.cases = sa.Table(
            "keyturn_cases",
            self.metadata,
            sa.Column("id", sa.Text, primary_key=True),
            sa.Column("device", sa.Text, sa.ForeignKey("keyturn_devices.id"), nullable=False),
            # What is recovered, in the words of whoever opened it.
            sa.Column("kind", sa.Text, nullable=False),
            # The last step that was done, empty for none.
            sa.Column("step", sa.Text, nullable=False),
            sa.Column("state", sa.Text, nullable=False),
            sa.Column("opened_at", sa.Double, nullable=False),
            # From when and until when the device lets itself be recovered.
            sa.Column("armed_at", sa.Double),
            sa.Column("deadline", sa.Double),
            sa.Column("closed_at", sa.Double),
            # JSON objects of texts by name. The secrets are sealed.
            sa.Column("facts", sa.Text, nullable=False),
            sa.Column("secrets", sa.LargeBinary),
            # Vouches for all of it.
            sa.Column("mac", sa.LargeBinary, nullable=False),
        )
        _only_one("keyturn_one_open_case", self.cases, f"state = '{OPEN}'")
        self.events = sa.Table(
            "keyturn_events",
            self.metadata,
            sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
            sa.Column("at", sa.Double, nullable=False),
            sa.Column("who", sa.Text, nullable=False),
            sa.Column("run_id", sa.Text, nullable=False),
            # Empty for what concerns no device, or one that the ledger does not know.
            sa.Column("device", sa.Text, index=True),
            # What the device was called then.
            sa.Column("name", sa.Text, nullable=False),
            sa.Column("from_state", sa.Text, nullable=False),
            sa.Column("to_state", sa.Text, nullable=False),
            sa.Column("reason", sa.Text, nullable=False),
            # Of what happened in a recovery case; then the states are its steps.
            sa.Column("case_id", sa.Text, index=True),
        )


def _only_one(name: str, table: sa.Table, condition: str) -> None:
    """At most one row of a device may be so.

    Both databases read the same words. An Index with a condition would import all that SQLAlchemy has for each of them, in every run.
    """
    # SQLAlchemy gives DDL no types.
    only_one = sa.DDL(f"CREATE UNIQUE INDEX {name} ON {table.name} (device) WHERE {condition}")  # type: ignore[no-untyped-call]
    sa.event.listen(table, "after_create", only_one)


@lru_cache(maxsize=1)
def schema() -> Schema:
    """Made on first use: importing this file must work without SQLAlchemy."""
    return Schema()
