# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks compliance and report for a large fleet, and its page in Chromium.

    make bench BENCH="compliance --devices 10000"

Every device has a password, ten events and sometimes a fault. Told are the seconds of wall time of each playbook,
the size of the page, and the seconds until Chromium has loaded it and its script has drawn the table of devices.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from ansible_collections.keyturn.devices.plugins.module_utils._browser.browser import find_browser
from ansible_collections.keyturn.devices.plugins.module_utils._ledger import people
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import ImportRow
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run
from integration.cores import Core, cores

PASSPHRASE = "passphrase of the benchmark"
MOST_COMPLIANCE, MOST_OPENING, MOST_BYTES = 20.0, 2.0, 5_000_000
DAY = 86400.0


def prepare(folder: Path, devices: int, events: int = 10) -> None:
    """A ledger and an inventory. One of a hundred is too old, one of two hundred weak, two share a password, one is not in the ledger."""
    names = [f"depot-{number:05}" for number in range(devices)]
    past = [time.time() - 100 * DAY]
    ledger = Ledger.create(f"sqlite:///{folder / 'keyturn-ledger.db'}", PASSPHRASE, clock=lambda: past[0])[0]
    assert ledger is not None
    with ledger:

        def proven(chosen: list[str]) -> None:
            run = Run(f"run {past[0]:.0f}")
            rows = [ImportRow(name, password(name, place), f"11{name[-5:]}") for place, name in enumerate(chosen)]
            people.import_passwords(ledger, rows, run)
            for _time in range(events - 1):
                past[0] += 60
                ledger.verified(chosen, Run(f"run {past[0]:.0f}"))

        proven(names[::100][1:])
        past[0] = time.time() - 30 * DAY
        proven([name for place, name in enumerate(names) if place % 100 and place != 1])
    hosts = {name: {"device_serial": f"11{name[-5:]}"} for name in names}
    policy = {"device_password_policy": {"length": 18, "max_age_days": 90}}
    (folder / "inventory.json").write_text(json.dumps({"routers": {"hosts": hosts, "vars": policy}}))


def password(name: str, place: int) -> str:
    return "Shared-Password-2026" if place in (7, 8) else f"Short-{name[-3:]}" if place % 200 == 9 else f"Pass-Word-{name}-2026"


def play(core: Core, folder: Path, playbook: str, **variables: str) -> float:
    started = time.monotonic()
    done = core.run(
        "ansible-playbook",
        f"keyturn.devices.{playbook}",
        "-i",
        folder / "inventory.json",
        "-e",
        json.dumps(variables),
        cwd=folder,
        env={"KEYTURN_LEDGER_PASSPHRASE": PASSPHRASE},
    )
    seconds = time.monotonic() - started
    if done.returncode:
        raise SystemExit(done.stdout[-4000:])
    return seconds


def opened(page: Path) -> float:
    """Until the table is drawn."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(None), args=["--no-sandbox"])
        shown = browser.new_page()
        started = time.monotonic()
        shown.goto(page.as_uri())
        shown.wait_for_selector("#count:not(:empty)", state="attached")
        seconds = time.monotonic() - started
        browser.close()
    return seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=10000)
    devices = parser.parse_args().devices
    core = cores()[0]
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        prepare(folder, devices)
        files = {form: str(folder / f"compliance.{form}") for form in ("json", "junit", "sarif", "prometheus")}
        variables = {f"password_compliance_{form}": path for form, path in files.items()}
        looked = play(core, folder, "compliance", password_compliance_fail_on="never", **variables)
        told = json.loads((folder / "compliance.json").read_text())["summary"]
        written = play(core, folder, "report", password_report_html="report.html", password_report_csv="report.csv")
        size = (folder / "report.html").stat().st_size
        seconds = opened(folder / "report.html")
    print(f"{'devices':>8} {'compliance':>11} {'report':>8} {'page':>10} {'opened':>8}   ansible-core {core.series}")
    print(f"{devices:>8} {looked:>9.1f} s {written:>6.1f} s {size / 1e6:>7.2f} MB {seconds:>6.2f} s")
    print(f"findings: {told['checks']}")
    kept = looked < MOST_COMPLIANCE and size < MOST_BYTES and seconds < MOST_OPENING
    print(f"Compliance under {MOST_COMPLIANCE:.0f} s, page under 5 MB, opened under {MOST_OPENING:.0f} s: {'yes' if kept else 'no'}")
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
