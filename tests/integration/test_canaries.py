# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No secret in anything a run shows or leaves: at the highest verbosity, on every ansible-core, in failures provoked on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from integration.canaries import CommandLines, found_below, found_in
from integration.cores import Core
from integration.sites import PASSPHRASE, Site, site

# Characters that quoting and escaping change, so that a masked plain form is not enough.
FROM_LIST = "Canary/List+\"9'&<%2B>aZ"
FROM_LOOKUP = "Canary=Value ?9#{{x}}%aZ"
FACTORY = "Canary\\Old:9;[aZ]|q"


@contextmanager
def place_with_canaries(tmp_path: Path, core: Core, **switches: object) -> Iterator[Site]:
    with site(tmp_path, core, routers=6, echo_passwords=True, **switches) as place:
        listed, looked_up, made_by_rms, *_rest = place.hosts
        place.rms.router(place.serials[listed], password=FACTORY)
        place.import_real_passwords()
        (tmp_path / "secrets").mkdir()
        (tmp_path / "secrets" / "given.csv").write_text(f'{place.serials[listed]},"{FROM_LIST.replace(chr(34), chr(34) * 2)}"\n')
        (tmp_path / "secrets" / "value").write_text(FROM_LOOKUP)
        place.hosts[listed]["device_password_source"] = {"kind": "csv", "path": str(tmp_path / "secrets" / "given.csv")}
        place.hosts[looked_up]["device_password_source"] = {
            "kind": "value",
            "password": f"{{{{ lookup('ansible.builtin.file', '{tmp_path / 'secrets' / 'value'}') }}}}",
        }
        place.hosts[made_by_rms]["device_password_source"] = {"kind": "rms"}
        (tmp_path / "t").mkdir()
        place.env = {
            # Short: ansible-core 2.21 puts a socket below it, and the path of a socket has at most 107 characters.
            "TMPDIR": str(tmp_path / "t"),
            "ANSIBLE_LOG_PATH": str(tmp_path / "ansible.log"),
            "ANSIBLE_LOCAL_TEMP": str(tmp_path / "t" / "l"),
            "ANSIBLE_REMOTE_TEMP": str(tmp_path / "t" / "r"),
            "ANSIBLE_DISPLAY_ARGS_TO_STDOUT": "true",
            "ANSIBLE_DEBUG": "false",
        }
        yield place


def secrets_of(place: Site) -> list[str]:
    """Every secret there is after a run: what routers had, have, were asked to take, and what guards the run itself."""
    passwords = {FROM_LIST, FROM_LOOKUP, FACTORY}
    for router in place.rms.truth().values():
        passwords |= {entry["password"] for entry in router["history"]}
    for record in place.records().values():
        passwords |= {slot["password"] for slot in (record["current"], record["staged"], *record["previous"]) if slot and slot["password"]}
    return [*passwords, place.rms.token, PASSPHRASE]


FAILURES = {
    "all goes well": {},
    "routers refuse and echo": {"fates": "rejected_by_policy"},
    "RMS refuses the request": {"faults": [{"kind": "status", "status": 422, "method": "POST", "path": "/devices/passwords/set"}]},
    "answer lost": {"faults": [{"kind": "cut", "when": "after_change", "method": "POST", "path": "/devices/passwords/set"}]},
    "answer is no JSON": {"faults": [{"kind": "not_json", "status": 500, "method": "POST", "path": "/devices/passwords/*"}]},
    "list breaks off": {"faults": [{"kind": "cut_body", "bytes": 40, "method": "GET", "path": "/tasks/*/download/passwords"}]},
}


def search(core: Core, tmp_path: Path, failure: str) -> None:
    with place_with_canaries(tmp_path, core) as place:
        for name, value in FAILURES[failure].items():
            place.rms.set(**{name: {"*": value} if name == "fates" else value})
        with CommandLines() as commands:
            done = place.run("rotate_routers", "-vvvv", "-e", "router_rotation_deadline=5")

        secrets = secrets_of(place)
        assert "PLAY RECAP" in done.stdout
        assert found_in(done.stdout.encode(), secrets) == []
        assert [shown for line in commands.seen for shown in found_in(line, secrets)] == []
        given = [*(tmp_path / "secrets").iterdir(), *tmp_path.glob("keyturn-generated-*")]
        assert found_below(tmp_path, secrets, leave_out=given) == []
        assert (tmp_path / "ledger.db").stat().st_mode & 0o777 == 0o600
        assert all(path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.glob("keyturn-generated-*"))


def test_no_secret_shows_or_stays_on_any_core(core: Core, tmp_path: Path) -> None:
    search(core, tmp_path, "all goes well")


@pytest.mark.parametrize("failure", sorted(set(FAILURES) - {"all goes well"}))
def test_no_secret_shows_or_stays_whatever_fails(newest_core: Core, tmp_path: Path, failure: str) -> None:
    search(newest_core, tmp_path, failure)


@pytest.mark.parametrize("spoil", ["passphrase", "ledger", "library"])
def test_no_secret_shows_when_the_ledger_cannot_be_used(newest_core: Core, tmp_path: Path, spoil: str) -> None:
    with place_with_canaries(tmp_path, newest_core) as place:
        secrets = secrets_of(place)
        if spoil == "passphrase":
            place.env["KEYTURN_LEDGER_PASSPHRASE"] = "canary of a wrong passphrase"
            secrets.append("canary of a wrong passphrase")
        elif spoil == "ledger":
            (tmp_path / "ledger.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
        else:
            (tmp_path / "shadow").mkdir()
            (tmp_path / "shadow" / "sqlalchemy.py").write_text("raise ImportError('not here')\n")
            place.env["PYTHONPATH"] = str(tmp_path / "shadow")

        done = place.run("rotate_routers", "-vvvv")

        assert done.returncode == 2, done.stdout
        assert found_in(done.stdout.encode(), secrets) == []
        assert place.changing_requests() == []
