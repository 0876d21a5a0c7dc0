# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checks: what each of them runs."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tools.environments import Environment
from tools.places import CACHE, CHECKOUT, COLLECTIONS, NAME, NAMESPACE, Trouble
from tools.pythons import find_pythons
from tools.runner import Command, Step
from tools.trees import collection_in, copy

COLLECTION = f"{NAMESPACE}.{NAME}"
PLUGIN_KINDS = {"modules": "module", "lookup": "lookup", "inventory": "inventory", "filter": "filter", "test": "test"}

# ansible-test wants to download a script that puts pip into its virtual environments, a dozen for each release. Python brings a pip along
# that is as good as the one asked for. Its wheel is unpacked, which takes a twentieth of the time of installing it. Where a distribution
# has put the wheels elsewhere, ensurepip finds them; it leaves pip's settings switched off for its own process, hence the copy.
PIP_BOOTSTRAP = """
import ensurepip, os, pathlib, subprocess, sys, sysconfig, zipfile
settings = dict(os.environ)
wheels = list((pathlib.Path(ensurepip.__file__).parent / "_bundled").glob("*.whl"))
for wheel in wheels:
    zipfile.ZipFile(wheel).extractall(sysconfig.get_path("purelib"))
if not wheels:
    ensurepip.bootstrap(upgrade=True)
wanted = [argument for argument in sys.argv[1:] if "==" in argument and not argument.startswith("pip==")]
if wanted:
    subprocess.check_call([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted], env=settings)
"""


def lint(main: Environment) -> Step:
    """Style, types, YAML, roles and playbooks, documentation, changelog, licences."""

    def commands() -> Sequence[Command]:
        root = copy("lint")
        here = collection_in(root)
        relative = here.relative_to(root)
        paths = {"ANSIBLE_COLLECTIONS_PATH": str(root), "NO_COLOR": "1"}
        typed = [relative / "plugins", relative / "tests" / "simulators", relative / "tests" / "tools"]
        return [
            Command(["ruff", "check", "."], here, paths, main.bin),
            Command(["ruff", "format", "--check", "--quiet", "--diff", "."], here, paths, main.bin),
            # From above ansible_collections, so that a file has the one name it is imported by.
            Command(
                ["mypy", "--config-file", relative / "pyproject.toml", "--cache-dir", CACHE / "mypy", *typed],
                root,
                {"MYPYPATH": f"{root}{os.pathsep}{here / 'tests'}"},
                main.bin,
            ),
            Command(["yamllint", "--strict", "."], here, paths, main.bin),
            Command(["ansible-lint", "--strict"], here, paths, main.bin),
            Command(
                ["antsibull-docs", "lint-collection-docs", "--plugin-docs", "--validate-collection-refs", "self", "."],
                here,
                paths,
                main.bin,
            ),
            Command(["antsibull-changelog", "lint"], here, paths, main.bin),
            Command(["reuse", "lint", "--lines"], here, paths, main.bin),
        ]

    return Step("lint", commands, keep_going=True)


def sanity(environment: Environment, skip: Sequence[str] = ()) -> Step:
    """All of ansible-test's sanity tests but C(skip), with nothing ignored."""
    name = f"sanity-{environment.core.series}"

    def commands() -> Sequence[Command]:
        here = collection_in(copy(name))
        home = _sanity_home(environment)
        command = ["ansible-test", "sanity", "--local", "--requirements", "--color", "no", "--truncate", "0"]
        for test in skip:
            command += ["--skip-test", test]
        return [Command(command, here, {"HOME": str(home), "PATH": _sanity_path(environment)})]

    return Step(name, commands)


def _sanity_home(environment: Environment) -> Path:
    """A home for ansible-test, which keeps its virtual environments there and passes no PIP_ variable on."""
    home = CACHE / "sanity" / environment.core.series
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    [source] = environment.folder.glob("lib/python3*/site-packages/ansible_test/_internal/python_requirements.py")
    for version in re.findall(r"\bpip='([0-9.]+)'", source.read_text(encoding="utf-8")):
        (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(PIP_BOOTSTRAP, encoding="ascii")
    users = Path.home() / ".config" / "pip"
    link = home / ".config" / "pip"
    if users.is_dir() and not link.is_symlink():
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(users)
    settings = {name[4:].lower().replace("_", "-"): value for name, value in os.environ.items() if name.startswith("PIP_")}
    (home / ".pip").mkdir(mode=0o700, exist_ok=True)
    lines = [
        "[global]",
        *(f"{name} = {value}" for name, value in sorted(settings.items()) if name not in ("config-file", "require-virtualenv")),
    ]
    (home / ".pip" / "pip.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return home


def _sanity_path(environment: Environment) -> str:
    """A PATH on which every Python works: ansible-test runs whatever is called python3.x, a version manager's empty shims too."""
    links = CACHE / "pythons"
    links.mkdir(exist_ok=True)
    for python in find_pythons():
        link = links / f"python{python.version[0]}.{python.version[1]}"
        link.unlink(missing_ok=True)
        link.symlink_to(python.path)
    folders = [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if Path(folder).name != "shims"]
    return os.pathsep.join([str(environment.bin), str(links), *folders])


def pytest_run(main: Environment, folders: Sequence[str], extra: Sequence[str]) -> Step:
    """Unit and integration tests, in one pytest run on as many processes as there are cores: the other checks fill what waiting leaves."""

    def commands() -> Sequence[Command]:
        present = [folder for folder in folders if any((CHECKOUT / folder).rglob("test_*.py"))]
        if not present:
            raise Trouble(f"No tests in {' and '.join(folders)}")
        # Short: ansible-core puts a socket far below it, and the path of a socket has at most 107 characters.
        folder = tempfile.mkdtemp(prefix="kt-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        parallel = ["-n", "auto", "--dist", "worksteal", "--basetemp", folder, "--durations", "25"]
        return [Command(["python", "-m", "pytest", *parallel, *present, *extra], env=_simulator_paths(), bin=main.bin)]

    return Step("tests", commands, live=True)


# Not about Python or a library, and mostly long: what a kill leaves behind and where random histories lead depends on our own order of
# doing things, guides are the same everywhere, and nothing is promised of the simulators. The clients of vendors meet the oldest libraries
# in other files, and every module in whole playbooks; what is left out asks what we make of each answer, how long we wait, by what rules.
_SAME_ON_EVERY_CORE = (
    "tests/unit/docs/",
    "tests/unit/simulators/",
    "tests/unit/ledger/test_ledger_crash.py",
    "tests/unit/ledger/test_ledger_promise.py",
    "tests/unit/ledger/test_ledger_ten_thousand.py",
    "tests/unit/pbxs/test_recovery.py",
    "tests/unit/recovery/test_recovery_turns.py",
    "tests/unit/rms/test_generated.py",
    "tests/unit/rms/test_set.py",
    "tests/unit/rutos/test_big_answers.py",
    "tests/unit/rutos/test_change_on_routers.py",
)


def unit_on(environment: Environment) -> Step:
    """The unit tests once more, by ansible-test, on the oldest ansible-core with the oldest libraries that are promised to do."""
    name = f"unit-{environment.core.series}"

    def commands() -> Sequence[Command]:
        here = collection_in(copy(name))
        left_out = [word for path in _SAME_ON_EVERY_CORE for word in ("--exclude", path)]
        python = ".".join(map(str, environment.python.minor))
        return [Command(["ansible-test", "units", "--local", "--python", python, "--color", "no", *left_out], here, bin=environment.bin)]

    return Step(name, commands)


def molecule(main: Environment) -> Step:
    """The roles' scenarios, with the simulators they need started by the default one."""

    def commands() -> Sequence[Command]:
        root = copy("molecule")
        here = collection_in(root)
        ephemeral = CACHE / "molecule"
        shutil.rmtree(ephemeral, ignore_errors=True)
        env = {
            "ANSIBLE_COLLECTIONS_PATH": str(root),
            "MOLECULE_EPHEMERAL_DIRECTORY": str(ephemeral),
            "KEYTURN_EXTJS": str(CACHE / "extjs"),
            "NO_COLOR": "1",
            "ANSIBLE_NOCOLOR": "1",
        }
        return [Command(["molecule", "test", "--all", "--report"], here, env, main.bin)]

    return Step("molecule", commands)


def build(main: Environment, importer: Environment) -> Step:
    """Build the collection, import it as Galaxy does, install it where nothing else is, ask for every plugin's documentation there, and
    let ansible-builder find what an execution environment needs.
    """

    def commands() -> Sequence[Command]:
        here = collection_in(copy("build"))
        archives, installed = CACHE / "build", CACHE / "installed"
        for folder in (archives, installed):
            shutil.rmtree(folder, ignore_errors=True)
        archive = archives / f"{NAMESPACE}-{NAME}-{_version()}.tar.gz"
        env = {"ANSIBLE_COLLECTIONS_PATH": str(installed), "ANSIBLE_NOCOLOR": "1"}
        steps = [
            Command(["ansible-galaxy", "collection", "build", "--output-path", archives], here, env, main.bin),
            Command(["ansible-galaxy", "collection", "install", "--offline", "-p", installed, archive], CACHE, env, main.bin),
            Command(
                ["python", "-m", "galaxy_importer.main", archive],
                archives,
                {"GALAXY_IMPORTER_CONFIG": str(here / "tests" / "tools" / "galaxy-importer.cfg")},
                importer.bin,
            ),
        ]
        for kind, names in _plugins(here).items():
            steps.append(Command(["ansible-doc", "-t", kind, "--json", *names], CACHE, env, main.bin))
        definition = here / "docs" / "examples" / "execution-environment" / "execution-environment.yml"
        found = archives / "bindep.txt"
        return [
            *steps,
            Command(["ansible-builder", "create", "--file", definition, "--context", archives / "context"], archives, bin=importer.bin),
            Command(["ansible-builder", "introspect", "--write-bindep", found, installed], archives, bin=importer.bin),
            Command(["grep", "--fixed-strings", "chromium [platform:dpkg]", found], archives),
        ]

    return Step("build", commands)


def docs(main: Environment) -> Step:
    """The guides, and the reference of modules, plugins and roles, as web pages."""

    def commands() -> Sequence[Command]:
        root = copy("docs")
        pages = CACHE / "docs"
        shutil.rmtree(pages, ignore_errors=True)
        (pages / "rst").mkdir(parents=True)
        render = ["antsibull-docs", "collection", "--use-current", "--squash-hierarchy", "--fail-on-error"]
        # Without a configuration file (-C): these are all the settings there are. What is not there to refer to are pages of Ansible's own
        # documentation, which would have to be fetched; our own references are looked at by lint and by the tests of the guides.
        sphinx = [
            "sphinx-build",
            "-q",
            "-C",
            "-W",
            "--keep-going",
            "-D",
            "suppress_warnings=ref.ref",
            "-D",
            "extensions=sphinx_antsibull_ext",
            "-D",
            f"project={COLLECTION}",
        ]
        return [
            Command([*render, "--dest-dir", pages / "rst", COLLECTION], root, {"ANSIBLE_COLLECTIONS_PATH": str(root)}, main.bin),
            Command([*sphinx, "-D", "html_theme=alabaster", pages / "rst", pages / "html"], root, bin=main.bin),
        ]

    return Step("docs", commands)


def _plugins(here: Path) -> dict[str, list[str]]:
    """Documented kind -> full names of the plugins of that kind."""
    found: dict[str, list[str]] = {}
    for folder, kind in PLUGIN_KINDS.items():
        names = {path.stem for path in (here / "plugins" / folder).glob("[!_]*") if path.suffix in (".py", ".yml")}
        if kind in ("filter", "test"):  # one Python file may hold several; their documentation files have their names
            names = {path.stem for path in (here / "plugins" / folder).glob("*.yml")}
        if names:
            found[kind] = [f"{COLLECTION}.{name}" for name in sorted(names)]
    return found


def _simulator_paths() -> dict[str, str]:
    return {"ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "PYTHONPATH": str(CHECKOUT / "tests")}


def _version() -> str:
    found = re.search(r"^version: *(\S+)", (CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise Trouble("galaxy.yml names no version")
    return found[1]
