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
import subprocess
import sys
import threading
import time
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

    A process that ends without a result gives C(failed) and C(msg), and nothing else: nobody knows how far it came.
    """
    # What can be imported here can be imported there. Secrets go by standard input: a command line can be read by everybody.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_HANDED_ON)}
    environment["PYTHONPATH"] = os.pathsep.join([_collections(), *filter(None, sys.path)])
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
    except OSError as problem:
        return {"failed": True, "msg": f"No process can be started: {problem.strerror}", "reason": "not_sent"}
    late = threading.Event()

    def end() -> None:
        late.set()
        process.kill()

    watch = threading.Timer(max(seconds, 0.0), end)
    watch.start()
    output = b""
    # One that has ended already reads nothing.
    with contextlib.suppress(BrokenPipeError), process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("both are pipes")
        process.stdin.write(json.dumps(arguments).encode() + b"\n")
        process.stdin.flush()
        # Its input stays open: where that ends, this process is gone.
        output = process.stdout.read()
    watch.cancel()
    if late.is_set():
        return {"failed": True, "msg": f"It was not done after {seconds:.0f} s and was ended."}
    try:
        result: dict[str, Any] = json.loads(output)
    except ValueError:
        return {"failed": True, "msg": f"Its process ended without a word, with the status {process.returncode}."}
    return result


def _collections() -> str:
    """The directory in which ansible_collections lies."""
    return os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * len(__name__.split(".")[:-1])))


def main() -> None:
    """C(call_apart)'s other end: a module's name on the command line, its arguments in a line of standard input, its result on standard
    output.
    """
    arguments = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    json.dump(call_here(sys.argv[1], arguments), sys.stdout)


def _end_with_parent() -> None:
    """Nobody waits for a result any more once the other process is gone: clean up, and end in any case."""
    os.read(sys.stdin.fileno(), 1)
    _thread.interrupt_main()
    time.sleep(_CLEANING_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main()
