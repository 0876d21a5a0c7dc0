# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`python3 -m tools <target>`, which is what the Makefile's targets call."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time

from tools import steps
from tools.environments import Environment, install_system_packages, oldest, prepare, prepare_importer
from tools.places import CACHE, CHECKOUT, COLLECTIONS, Trouble, environment
from tools.runner import Runner, Step

UNIT, INTEGRATION = "tests/unit", "tests/integration"
# Programs of others that ansible-test only calls, each in a virtual environment made for it. They have one opinion of our files, whatever
# ansible-core asks for it.
_ONE_OPINION = ("changelog", "pep8", "pylint", "yamllint")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tools", description=__doc__)
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("arguments", nargs="*", help="for pytest, or for the script that is run")
    parsed, further = parser.parse_known_args()
    try:
        return TARGETS[parsed.target](parsed.arguments + further)
    except Trouble as trouble:
        print(f"\n{trouble}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr, flush=True)
        return 130


def test(arguments: list[str]) -> int:
    started = time.monotonic()
    install_system_packages()
    environments = prepare(checkers=True, matrix=True)
    main_one = environments[0]
    print(f"== environments: ready ({time.monotonic() - started:.0f} s): {'; '.join(map(str, environments))}", flush=True)
    checks = [steps.lint(main_one), steps.build(main_one, prepare_importer(main_one)), steps.molecule(main_one)]
    checks += _sanity(environments)
    if oldest(environments) is not main_one:
        checks.append(steps.unit_on(oldest(environments)))
    # Whole playbooks first: at the end there is then something short for every process, and none waits for the other's longest test.
    return _run([steps.pytest_run(main_one, [INTEGRATION, UNIT], arguments)], checks)


def unit(arguments: list[str]) -> int:
    install_system_packages()
    return _run([steps.pytest_run(prepare()[0], [UNIT], arguments)])


def integration(arguments: list[str]) -> int:
    install_system_packages()
    return _run([steps.pytest_run(prepare(matrix=True)[0], [INTEGRATION], arguments)])


def lint(_arguments: list[str]) -> int:
    return _run([steps.lint(prepare(checkers=True)[0])])


def sanity(_arguments: list[str]) -> int:
    return _run(_sanity(prepare(matrix=True)))


def molecule(_arguments: list[str]) -> int:
    return _run([steps.molecule(prepare(checkers=True)[0])])


def build(_arguments: list[str]) -> int:
    main_one = prepare()[0]
    return _run([steps.build(main_one, prepare_importer(main_one))])


def docs(_arguments: list[str]) -> int:
    code = _run([steps.docs(prepare(checkers=True)[0])])
    if code == 0:
        print(f"Begin at {(CACHE / 'docs' / 'html' / 'index.html').relative_to(CHECKOUT)}")
    return code


def format_(_arguments: list[str]) -> int:
    """Rewrite the checkout's Python as ruff wants it."""
    ruff = str(prepare(checkers=True)[0].bin / "ruff")
    for command in ([ruff, "check", "--fix-only", "--quiet", "."], [ruff, "format", "."]):
        code = os.spawnv(os.P_WAIT, ruff, command)
        if code != 0:
            return code
    return 0


def demo(arguments: list[str]) -> int:
    return _script("tests/demo/demo.py", arguments, users_own=any(argument.startswith("--inventory") for argument in arguments))


def bench(arguments: list[str]) -> int:
    return _script("tests/bench/bench.py", arguments)


def environments(_arguments: list[str]) -> int:
    for each in prepare(checkers=True, matrix=True):
        print(f"{each}: {each.folder.relative_to(CHECKOUT)}")
    return 0


def clean(_arguments: list[str]) -> int:
    shutil.rmtree(CACHE, ignore_errors=True)
    return 0


def _sanity(environments: list[Environment]) -> list[Step]:
    """The newest ansible-core and the oldest: what sanity says of both holds for those between."""
    newest_one, oldest_one = environments[0], oldest(environments)
    again = [steps.sanity(oldest_one, skip=_ONE_OPINION)] if oldest_one is not newest_one else []
    return [steps.sanity(newest_one), *again]


def _run(*lanes: list[Step]) -> int:
    return 0 if Runner().run(lanes) else 1


def _script(path: str, arguments: list[str], users_own: bool = False) -> int:
    """Hand over to a script in the main environment, with the terminal and its signals. `users_own`: it works on the user's devices."""
    main_one = prepare()[0]
    others = os.environ.get("ANSIBLE_COLLECTIONS_PATH") if users_own else None
    changes = {
        "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(filter(None, [str(COLLECTIONS), others])),
        "PYTHONPATH": os.pathsep.join([str(CHECKOUT / "tests"), str(COLLECTIONS)]),
    }
    os.chdir(CHECKOUT)
    sys.stdout.flush()
    python = str(main_one.bin / "python")
    os.execve(python, [python, path, *arguments], environment(changes, main_one.bin, users_own))


TARGETS = {
    "bench": bench,
    "build": build,
    "clean": clean,
    "demo": demo,
    "docs": docs,
    "environments": environments,
    "format": format_,
    "integration": integration,
    "lint": lint,
    "molecule": molecule,
    "sanity": sanity,
    "test": test,
    "unit": unit,
}

if __name__ == "__main__":
    sys.exit(main())
