# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules that run near a device, run right here where the controller is near enough. The result is the one the module would give.

In this process nothing is started, no interpreter is needed, and a password goes nowhere. What works a browser gets a process of its own:
several may run at once, and one that hangs can be ended.
"""

from __future__ import annotations

import _thread
import contextlib
import importlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.util import Finalize
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.keyturn.devices.plugins.module_utils._module import Context, carry_out, secret_parameters
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor

_MODULES = "ansible_collections.keyturn.devices.plugins.modules"
# A browser has no business with the ledger or the cloud.
_NOT_HANDED_ON = ("KEYTURN_LEDGER_", "RMS_")
_CLEANING_SECONDS = 10.0


def call_here(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The result of a module of this collection, with C(failed) where it failed."""
    module = importlib.import_module(f"{_MODULES}.{name}")
    validated = ArgumentSpecValidator(dict(module.SPEC.arguments), **module.SPEC.rules).validate(arguments)
    options = validated.validated_parameters
    redactor = Redactor(secret_parameters(module.SPEC.arguments, options))
    if validated.error_messages:
        return {"failed": True, "msg": redactor.text("; ".join(validated.error_messages))}
    context = Context(check_mode=False, diff=False, redactor=redactor, warn=lambda _text: None)
    result, failed = carry_out(lambda: dict(module.work(options, context)), redactor)
    return {**result, "failed": failed}


def call_apart(name: str, arguments: dict[str, Any], seconds: float) -> dict[str, Any]:
    """As C(call_here), in a process of its own, which is ended after so many seconds. May be called by several threads at once.

    A process that ends without a result gives C(failed) and C(msg), and nothing else: nobody knows how far it came. One whose visit went
    well stays for the next call: it has imported and started all that it needs.
    """
    try:
        worker = _one_that_lives() or _Worker()
    except OSError as problem:
        return {"failed": True, "msg": f"No process can be started: {problem.strerror}", "reason": "not_sent"}
    result, went_well = worker.call(name, arguments, seconds)
    if went_well:
        _IDLE.append(worker)
    else:
        worker.end()
    return result


class _Worker:
    """The process in which modules run, one after the other. Raises OSError when it cannot be started."""

    def __init__(self) -> None:
        # What can be imported here can be imported there. Secrets go by standard input: a command line can be read by everybody.
        environment = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_HANDED_ON)}
        environment["PYTHONPATH"] = os.pathsep.join([_collections(), *filter(None, sys.path)])
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        # What cleans up takes its time, and is waited for, once all of them were told.
        self._at_exit = [Finalize(None, self._hang_up, exitpriority=2), Finalize(None, self.end, exitpriority=1)]

    def call(self, name: str, arguments: dict[str, Any], seconds: float) -> tuple[dict[str, Any], bool]:
        """The result, and whether the process can go on."""
        process, late = self._process, threading.Event()
        if process.stdin is None or process.stdout is None:
            raise AssertionError("both are pipes")

        def kill() -> None:
            late.set()
            process.kill()

        watch = threading.Timer(max(seconds, 0.0), kill)
        watch.start()
        # One that has ended already reads nothing.
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps([name, arguments]).encode() + b"\n")
            process.stdin.flush()
        output = process.stdout.readline()
        watch.cancel()
        if late.is_set():
            return {"failed": True, "msg": f"It was not done after {seconds:.0f} s and was ended."}, False
        try:
            result: dict[str, Any] = json.loads(output)
        except ValueError:
            # Whatever it said, it may still live: without its input it ends.
            self.end()
            return {"failed": True, "msg": f"Its process ended without a word, with the status {process.returncode}."}, False
        return result, not result["failed"] and not result.get("reason")

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    def end(self) -> None:
        """Let it clean up, and wait until it is gone."""
        for told in self._at_exit:
            told.cancel()
        self._hang_up()
        with self._process:
            pass

    def _hang_up(self) -> None:
        """Without its input it ends."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()


# Those that have nothing to do.
_IDLE: list[_Worker] = []


def _one_that_lives() -> _Worker | None:
    with contextlib.suppress(IndexError):
        while True:
            worker = _IDLE.pop()
            if worker.lives:
                return worker
            worker.end()
    return None


def _collections() -> str:
    """The directory in which ansible_collections lies."""
    return os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * len(__name__.split(".")[:-1])))


def main() -> None:
    """C(call_apart)'s other end: a module's name and its arguments in each line of standard input, its result in one of standard output."""
    # Of no use to whoever only calls.
    from ansible_collections.keyturn.devices.plugins.module_utils._browser.browser import kept_driver

    with kept_driver() as driver:
        listening = _Listening(driver.remove)
        while (line := listening.next()) is not None:
            name, arguments = json.loads(line)
            result = call_here(name, arguments)
            # Whoever reads it may go at once, and then there is nothing to interrupt.
            listening.done()
            json.dump(result, sys.stdout)
            print(flush=True)


class _Listening:
    """Reads standard input also while a module runs: where it ends, nobody waits for a result any more.

    C(remove): called where what was begun has not cleaned up by itself in time.
    """

    def __init__(self, remove: Callable[[], None]) -> None:
        self._remove = remove
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._asked = self._done = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def next(self) -> bytes | None:
        """The next line; None when there is none any more."""
        return self._lines.get()

    def done(self) -> None:
        """What the last line asked for is done."""
        self._done += 1

    def _listen(self) -> None:
        # A file of its own: Python does not end while a thread reads standard input's.
        with open(sys.stdin.fileno(), "rb", closefd=False) as lines:
            for line in lines:
                self._asked += 1
                self._lines.put(line)
        self._lines.put(None)
        # What runs is told to clean up, and the process ends in any case: mostly long before this daemon thread wakes up.
        if self._done != self._asked:
            _thread.interrupt_main()
        time.sleep(_CLEANING_SECONDS)
        self._remove()
        os._exit(1)


if __name__ == "__main__":
    main()
