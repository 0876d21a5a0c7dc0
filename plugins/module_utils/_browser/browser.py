# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The seam to Chromium: one headless browser, whose only way out is the gateway, and which leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from ansible_collections.keyturn.devices.plugins.module_utils._browser.connections import BrowserFault, Proxy, Trust
from ansible_collections.keyturn.devices.plugins.module_utils._browser.gateway import Gateway
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ElementHandle, Page, Playwright, Request, Response

T = TypeVar("T")

#: Names a Chromium goes by, in the order they are looked for: one that never had windows does the same work for half the CPU.
NAMES = (
    "chromium-headless-shell",
    "chrome-headless-shell",
    "headless_shell",
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
    "chrome",
    "microsoft-edge",
)

_LIBRARY_MISSING = "The Python library playwright is missing where this module runs: pip install playwright. Nothing else of it is needed."
_BROWSER_MISSING = (
    "No Chromium was found where this module runs. Install one (Debian: apt-get install chromium-headless-shell; Ubuntu: "
    "apt-get install chromium; Fedora: dnf install chromium), or name one with the option browser."
)

_ARGUMENTS = (
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-gpu",
    "--disable-gpu-compositing",
    "--disable-software-rasterizer",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--no-pings",
    # Loopback too, and no names: whatever is not asked of the gateway has nowhere to go.
    "--proxy-bypass-list=<-loopback>",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--in-process-gpu",
    # A page lives for seconds: what makes its scripts faster later costs more than it gives, and so does collecting garbage early.
    "--js-flags=--no-turbofan --no-maglev --min-semi-space-size=32 --initial-heap-size=256",
)

# Variables that would turn on logs of everything that is typed, or another driver.
_VARIABLES_LEFT_OUT = re.compile(r"DEBUG|PWDEBUG|NODE_OPTIONS|PLAYWRIGHT_|PW_|SSLKEYLOGFILE")

# The path of a socket has at most 107 characters, of which Chromium and this file need the rest.
_LONGEST_DIRECTORY = 35

_RESULT_BYTES = 64 * 1024
_POLL_SECONDS = 0.05
_REMOVING_SECONDS = 5.0

# Text of leaf elements and values of fields, and their replacement; a frame's elements stay in its own window between the two.
_READ_TEXTS = """() => {
    const shown = window.__texts = [];
    for (const element of document.querySelectorAll('*')) {
        if ('value' in element && typeof element.value === 'string' && element.value) { shown.push([element, 'value']); }
        for (const node of element.childNodes) { if (node.nodeType === 3 && node.data.trim()) { shown.push([node, 'data']); } }
    }
    return shown.map(([holder, name]) => holder.type === 'password' ? null : holder[name]);
}"""
_WRITE_TEXTS = "(texts) => { window.__texts.forEach(([holder, name], at) => { if (texts[at] !== null) { holder[name] = texts[at]; } }); }"


class Driver:
    """C(with Driver() as driver): the process through which Playwright speaks to a browser, started when the first one needs it."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._playwright: Playwright | None = None
        self.directory = ""
        self.variables: dict[str, str | float | bool] = {}

    def __enter__(self) -> Driver:
        # Of its own, and only the user's: what a killed browser leaves behind lies in one place.
        self.directory = tempfile.mkdtemp(prefix="keyturn-browser-", dir=_short_directory())
        self._stack.callback(self.remove)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    def remove(self) -> None:
        """Leave nothing behind, also of a browser that has not ended yet and writes on."""
        end = time.monotonic() + _REMOVING_SECONDS
        self.kill_browsers()
        shutil.rmtree(self.directory, ignore_errors=True)
        while os.path.exists(self.directory) and time.monotonic() < end:
            # What was killed may write until it has ended.
            time.sleep(_POLL_SECONDS)
            shutil.rmtree(self.directory, ignore_errors=True)

    def kill_browsers(self) -> None:
        """End those that do not answer any more, not even a request to close."""
        for entry in os.listdir("/proc") if os.path.isdir("/proc") else []:
            with contextlib.suppress(OSError, ValueError), open(f"/proc/{entry}/cmdline", "rb") as file:
                if f"--user-data-dir={self.directory}".encode() in file.read():
                    os.kill(int(entry), signal.SIGKILL)

    def playwright(self) -> Playwright:
        """Raises BrowserFault (C(browser_missing)), and Playwright's own errors."""
        if self._playwright is None:
            try:
                from playwright.sync_api import sync_playwright
            except ImportError:
                raise BrowserFault("browser_missing", _LIBRARY_MISSING) from None
            with _environment(self.directory) as self.variables:
                self._playwright = self._stack.enter_context(sync_playwright())
        return self._playwright


_KEPT: ContextVar[Driver | None] = ContextVar("_KEPT", default=None)


@contextlib.contextmanager
def kept_driver() -> Iterator[Driver]:
    """Within it, browsers have one driver, one after the other: it takes as long to start as a browser does."""
    with Driver() as driver:
        token = _KEPT.set(driver)
        try:
            yield driver
        finally:
            _KEPT.reset(token)


class Browser:
    """C(with Browser(...) as browser): Chromium with an empty profile in memory.

    C(executable): which one, None for the first found. C(timeout): seconds that any one step may take. C(seconds): when the whole browser
    is ended, whatever a page does. Raises BrowserFault: C(browser_missing) with what to install.
    """

    def __init__(
        self,
        redactor: Redactor,
        trust: Trust,
        proxy: Proxy | None = None,
        executable: str | None = None,
        timeout: float = 30,
        seconds: float = 600,
    ) -> None:
        self._redactor = redactor
        self._trust = trust
        self._proxy = proxy
        self._executable = executable
        self.timeout = timeout
        self._seconds = seconds
        self._late = False
        self._stack = contextlib.ExitStack()
        self._context: BrowserContext | None = None
        self._page: Page | None = None
        self._responses: list[Response] = []
        self._texts: dict[Response, str] = {}
        self._headed_for = ""

    def __enter__(self) -> Browser:
        with contextlib.ExitStack() as stack:
            self._driver = _KEPT.get() or stack.enter_context(Driver())
            home = tempfile.mkdtemp(prefix="home-", dir=self._driver.directory)
            stack.callback(shutil.rmtree, home, ignore_errors=True)
            self.gateway = stack.enter_context(Gateway(self._trust, self._proxy, self.timeout, home))
            self._start(stack, home)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    def _start(self, stack: contextlib.ExitStack, home: str) -> None:
        playwright = self._driver.playwright()
        from playwright.sync_api import Error

        executable = find_browser(self._executable)
        is_root = os.geteuid() == 0
        arguments = [
            *_ARGUMENTS,
            f"--proxy-server=socks5://127.0.0.1:{self.gateway.port}",
            f"--ignore-certificate-errors-spki-list={self.gateway.key_pin}",
        ]
        try:
            browser = playwright.chromium.launch(
                executable_path=executable,
                args=arguments,
                # Chromium has no sandbox for root.
                chromium_sandbox=not is_root,
                env={**self._driver.variables, "HOME": home},
                handle_sigint=False,
                handle_sigterm=False,
                handle_sighup=False,
                timeout=self.timeout * 1000,
            )
        except Error as problem:
            text = self._redactor.shown(problem.message.splitlines()[0] if problem.message else "no reason told")
            raise BrowserFault("browser_missing", f"{executable} does not start: {text}") from None
        self._browser = browser
        stack.callback(_quietly, browser.close)
        watch = threading.Timer(self._seconds, self._end)
        watch.daemon = True
        watch.start()
        stack.callback(watch.cancel)

    def _end(self) -> None:
        """A page that never stops keeps its browser from answering."""
        self._late = True
        self._driver.kill_browsers()

    def fresh(self) -> None:
        """Forget everything: a new page with no cookie, no storage, no session."""
        if self._context is not None:
            _quietly(self._context.close)

        def make() -> None:
            self._context = self._browser.new_context(
                accept_downloads=False, service_workers="block", viewport={"width": 1280, "height": 900}
            )
            self._context.set_default_timeout(self.timeout * 1000)
            self._page = self._context.new_page()
            self._context.on("page", lambda page: _quietly(page.close))
            self._page.on("response", self._note_response)
            self._page.on("request", self._note_navigation)
            self.forget_results()

        self._do(make)

    def _note_response(self, response: Response) -> None:
        self._responses.append(response)

    def _note_navigation(self, request: Request) -> None:
        if request.is_navigation_request() and request.frame.parent_frame is None:
            self._headed_for = request.url

    @property
    def page(self) -> Page:
        if self._page is None:
            raise AssertionError("no page is open yet")
        return self._page

    def _do(self, work: Callable[[], T]) -> T:
        """Playwright's exceptions as ours. Their texts hold scripts and arguments, so only their first words leave, redacted."""
        from playwright.sync_api import Error, TimeoutError

        try:
            return work()
        except TimeoutError:
            raise BrowserFault("timeout", f"the page did not answer within {self.timeout:.0f} s") from None
        except Error as problem:
            if self._late:
                raise BrowserFault("timeout", f"the pages were not done after {self._seconds:.0f} s") from None
            fault = self.gateway.fault
            if fault is not None:
                raise BrowserFault(fault.reason, fault.message) from None
            text = self._redactor.shown((problem.message or "").split("\n")[0], 200)
            raise BrowserFault("protocol", f"the browser could not do it: {text}") from None

    def open(self, url: str) -> int:
        """Open a page, and return the HTTP status. Raises BrowserFault; C(link_foreign_host) where that is not allowed."""
        self.gateway.fault = None

        def go() -> int:
            response = self.page.goto(url, wait_until="domcontentloaded")
            return response.status if response else 0

        try:
            return self._do(go)
        except BrowserFault as fault:
            parts = urlsplit(self._headed_for)
            if fault.reason == "protocol" and parts.netloc != urlsplit(url).netloc and not self.gateway.lets(parts):
                host = self._redactor.shown(parts.hostname or "nowhere", 100)
                raise BrowserFault("link_foreign_host", f"the page leads to {host}, which is not the device") from None
            raise

    @property
    def url(self) -> str:
        """Where the page is. May hold a secret."""
        return self.page.url

    def run(self, script: str, argument: Any = None) -> Any:
        """What a JavaScript function of one argument returns in the page."""
        return self._do(lambda: self.page.evaluate(script, argument))

    def element(self, script: str, argument: Any = None) -> ElementHandle | None:
        """The element that a JavaScript function returns."""
        return self._do(lambda: self.page.evaluate_handle(script, argument).as_element())

    def click(self, element: ElementHandle) -> None:
        """Click as a person does: not what is hidden, off, or behind something else."""
        self._do(lambda: element.click(no_wait_after=True))

    def type(self, element: ElementHandle, text: str) -> None:
        """Type into a field instead of what is there, key by key: scripts and length limits see what they see of a person."""

        def do() -> None:
            element.click()
            element.fill("")
            # fill() passes by what limits typing, and press() by what no keyboard has.
            self.page.keyboard.type(text)

        self._do(do)

    def until(self, look: Callable[[], T | None], seconds: float | None = None) -> T | None:
        """What C(look) returns, once that is something; None when it is not in time. A page that is just changing is looked at again."""
        end = time.monotonic() + (self.timeout if seconds is None else seconds)
        while True:
            try:
                found = look()
            except BrowserFault as fault:
                if fault.reason != "protocol" or self._late or time.monotonic() >= end:
                    raise
                found = None
            if found is not None:
                return found
            if time.monotonic() >= end:
                return None
            self._do(lambda: self.page.wait_for_timeout(1000 * _POLL_SECONDS))

    def forget_results(self) -> None:
        """What scripts were answered before is of no interest any more."""
        self._responses.clear()
        self._texts.clear()

    def results(self) -> list[str]:
        """What the page's scripts were answered since C(forget_results), in order; only short answers."""
        for response in [each for each in self._responses if each not in self._texts]:
            # An answer that is gone with its page is no fault.
            with contextlib.suppress(Exception):
                if response.request.resource_type in ("xhr", "fetch") and int(response.headers.get("content-length", "0")) <= _RESULT_BYTES:
                    self._texts[response] = response.text()
        return [self._texts[response] for response in self._responses if response in self._texts]

    def picture(self, directory: str, name: str) -> str | None:
        """A picture of the page with every secret and every password field blanked; its path, None where none can be made."""

        def take() -> bytes:
            for frame in self.page.frames:
                texts = frame.evaluate(_READ_TEXTS)
                clean = ["********" if text is None else self._redactor.text(text) for text in texts]
                frame.evaluate(_WRITE_TEXTS, [new if new != old else None for new, old in zip(clean, texts, strict=True)])
            return self.page.screenshot(animations="disabled", caret="hide")

        try:
            content = self._do(take)
            os.makedirs(directory, mode=0o700, exist_ok=True)
            path = os.path.join(
                directory, f"{re.sub('[^A-Za-z0-9.-]', '_', name)}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}.png"
            )
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(content)
        except (BrowserFault, OSError):
            return None
        return path


def _short_directory() -> str:
    """The usual directory for temporary files, unless that is too deep: Chromium makes sockets below it, and their paths are limited."""
    usual = tempfile.gettempdir()
    return usual if len(usual) <= _LONGEST_DIRECTORY or not os.access("/tmp", os.W_OK | os.X_OK) else "/tmp"


def find_browser(executable: str | None) -> str:
    """The Chromium to start. Raises BrowserFault."""
    if executable:
        found = shutil.which(os.path.expanduser(executable))
        if found is None:
            raise BrowserFault("browser_missing", f"{executable} is no program that can be started where this module runs.")
        return found
    for name in NAMES:
        if found := shutil.which(name):
            return found
    raise BrowserFault("browser_missing", _BROWSER_MISSING)


@contextlib.contextmanager
def _environment(directory: str) -> Iterator[dict[str, str | float | bool]]:
    """The variables for the driver and the browser, in this process while they start: the driver takes them from here."""
    before = dict(os.environ)
    kept = {name: value for name, value in before.items() if not _VARIABLES_LEFT_OUT.match(name)}
    kept["TMPDIR"] = directory
    os.environ.clear()
    os.environ.update(kept)
    try:
        yield dict(kept)
    finally:
        os.environ.clear()
        os.environ.update(before)


def _quietly(work: Callable[[], object]) -> None:
    with contextlib.suppress(Exception):
        work()
