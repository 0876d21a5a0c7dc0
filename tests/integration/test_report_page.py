# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page of the report in real Chromium: what its script does, by keyboard alone, and whether everybody can read it (axe-core)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from support.fleets import crowd

from ansible_collections.keyturn.devices.plugins.module_utils._browser.browser import find_browser
from ansible_collections.keyturn.devices.plugins.plugin_utils._fleet.report import as_page
from tools.places import CACHE

DEVICES = 400


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(as_page(crowd(DEVICES)))
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=find_browser(None), args=["--no-sandbox"])
        yield started
        started.close()


def shown(browser: Browser, path: Path, **context: Any) -> tuple[Page, list[str]]:
    """The page, and whatever went wrong on it from its first moment on."""
    page = browser.new_context(**context).new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: None if request.url == path.as_uri() else wrong.append(request.url))
    page.goto(path.as_uri())
    return page, wrong


def first_column(page: Page) -> list[str]:
    return page.locator("#devices tbody th").all_inner_texts()


def test_the_table_is_sorted_filtered_and_opened_by_keyboard(browser: Browser, page_file: Path) -> None:
    page, wrong = shown(browser, page_file)
    assert page.locator("#count").inner_text() == "400 of 400 devices, page 1 of 4"
    assert page.locator("#devices tbody td.error").count() > 0, "what needs attention stands first"

    device = page.get_by_role("button", name="Device", exact=True)
    device.focus()
    page.keyboard.press("Enter")
    assert first_column(page)[:2] == ["depot-00000", "depot-00001"]
    page.keyboard.press("Enter")
    assert first_column(page)[0] == "depot-00399"
    assert page.locator("th[data-column='0']").get_attribute("aria-sort") == "descending"

    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "region", "the table scrolls by keyboard too"
    page.get_by_label("only with findings").focus()
    page.keyboard.press("Space")
    with_findings = page.locator("#count").inner_text()
    assert not with_findings.startswith("400 of")
    page.get_by_label("State", exact=True).select_option("Orphaned")
    assert set(page.locator("#devices tbody td:nth-child(3)").all_inner_texts()) == {"Orphaned"}

    page.get_by_label("Name or check").fill("depot-0000")
    name = page.locator("#devices tbody button").first
    name.focus()
    page.keyboard.press("Enter")
    details = page.locator("tr.history").inner_text()
    assert "orphaned:" in details
    assert "verified by login" in details
    page.keyboard.press("Enter")
    assert page.locator("tr.history").count() == 0
    assert wrong == []


def test_without_a_script_everything_that_needs_attention_can_be_read(browser: Browser, page_file: Path) -> None:
    page, _wrong = shown(browser, page_file, java_script_enabled=False)
    assert page.locator("#filters").is_hidden()
    assert page.locator("#without").is_visible()
    assert page.locator("#devices tbody tr").count() > 50
    page.locator("#devices details summary").first.click()
    assert page.locator("#devices details li").first.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_read_it(browser: Browser, page_file: Path, scheme: str) -> None:
    # What judges it is no script of the page, so the page would forbid it.
    page, wrong = shown(browser, page_file, color_scheme=scheme, bypass_csp=True)
    page.get_by_label("Name or check").fill("depot-0000")
    page.locator("#devices tbody button").first.click()
    page.add_script_tag(path=CACHE / "axe" / "axe.min.js")
    found = page.evaluate("axe.run()")["violations"]
    assert [(each["id"], each["impact"], [node["html"] for node in each["nodes"]][:3]) for each in found] == []
    assert wrong == []
