# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs steps, several at once where they do not need each other, each into its own log, and tells how they ended."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from tools.places import CHECKOUT, LOGS, environment, tail

CLOSING_LINE = re.compile(r"^(=+ )?(\d+ \w+|no tests ran).* in [\d.]+s.*$")
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Command:
    """A program, where it runs and what it finds in its environment."""

    arguments: Sequence[str | Path]
    cwd: Path = CHECKOUT
    env: dict[str, str] = field(default_factory=dict)
    bin: Path | None = None

    def __str__(self) -> str:
        return " ".join(str(argument) for argument in self.arguments)


@dataclass(frozen=True)
class Step:
    """A named check. Its commands are made when its turn comes and run one after the other."""

    name: str
    commands: Callable[[], Sequence[Command]]
    live: bool = False  # show the output as it comes, not only when something failed
    keep_going: bool = False  # run all commands, so that all that is wrong is seen at once

    @property
    def log(self) -> Path:
        return LOGS / f"{self.name}.log"


@dataclass(frozen=True)
class Outcome:
    """How a step ended: seconds taken, what failed in it, and pytest's last line where there was one."""

    step: Step
    seconds: float
    failures: Sequence[str]
    closing_line: str = ""


class Runner:
    """Runs lanes of steps: the lanes side by side, the steps of a lane in order."""

    def __init__(self) -> None:
        self._outcomes: list[Outcome] = []
        self._running: set[subprocess.Popen[str]] = set()
        self._printing = threading.Lock()
        self._stopping = False

    def run(self, lanes: Sequence[Sequence[Step]]) -> bool:
        """Run all lanes, print the summary, say whether all is well."""
        started = time.monotonic()
        threads = [threading.Thread(target=self._lane, args=(lane,)) for lane in lanes if lane]
        previous = signal.signal(signal.SIGTERM, _interrupt)
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        except KeyboardInterrupt:
            self._stop()
            raise
        finally:
            signal.signal(signal.SIGTERM, previous)
        return self._summary(time.monotonic() - started)

    def _lane(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if self._stopping:
                return
            self._say(f"== {step.name}: started")
            started = time.monotonic()
            try:
                failures, closing_line = self._step(step)
            except Exception as error:  # a lane is a thread: nobody else would hear of it
                failures, closing_line = [f"{type(error).__name__}: {error}"], ""
            outcome = Outcome(step, time.monotonic() - started, failures, closing_line)
            self._outcomes.append(outcome)
            self._tell(outcome)

    def _step(self, step: Step) -> tuple[list[str], str]:
        LOGS.mkdir(parents=True, exist_ok=True)
        failures: list[str] = []
        closing_line = ""
        with step.log.open("w", encoding="utf-8") as log:
            for command in step.commands():
                log.write(f"$ {command}\n")
                log.flush()
                code, last = self._command(command, log, step.live)
                closing_line = last or closing_line
                if code != 0:
                    failures.append(f"exit code {code}: {command}")
                    if not step.keep_going:
                        break
        return failures, closing_line

    def _command(self, command: Command, log: TextIO, live: bool) -> tuple[int, str]:
        process = subprocess.Popen(
            [str(argument) for argument in command.arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            cwd=command.cwd,
            env=environment(command.env, command.bin),
            start_new_session=True,
        )
        self._running.add(process)
        closing_line = ""
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            log.flush()
            if not live:
                continue
            # Held back to be the last thing printed, whatever else is still running.
            if CLOSING_LINE.match(ANSI.sub("", line).strip()):
                closing_line = line.rstrip("\n")
            else:
                self._say(line.rstrip("\n"))
        code = process.wait()
        self._running.discard(process)
        return code, closing_line

    def _tell(self, outcome: Outcome) -> None:
        name, seconds = outcome.step.name, f"{outcome.seconds:.0f} s"
        if not outcome.failures:
            self._say(f"== {name}: passed ({seconds})")
            return
        reasons = "\n".join(f"   {failure}" for failure in outcome.failures)
        said = "" if outcome.step.live else f"\n{tail(outcome.step.log, 200)}"
        self._say(f"== {name}: FAILED ({seconds}){said}\n{reasons}")

    def _summary(self, seconds: float) -> bool:
        print("\n== Summary")
        for outcome in self._outcomes:
            print(f"   {'FAILED' if outcome.failures else 'passed'}  {outcome.seconds:6.0f} s  {outcome.step.name}")
        print(f"   all of it in {seconds:.0f} s; logs in {LOGS.relative_to(CHECKOUT)}")
        failed = [outcome.step.name for outcome in self._outcomes if outcome.failures]
        print(f"   failed: {', '.join(failed)}" if failed else "   nothing failed")
        for outcome in self._outcomes:
            if outcome.closing_line:
                print(outcome.closing_line)
        sys.stdout.flush()
        return not failed

    def _say(self, text: str) -> None:
        with self._printing:
            print(text, flush=True)

    def _stop(self) -> None:
        self._stopping = True
        for process in list(self._running):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt
