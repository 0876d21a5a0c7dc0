# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""System packages and virtual environments. Everything made here lies under .cache and is kept until what it is made from changes.

- `main`: the newest ansible-core this machine's Pythons can carry, what the plugins import, and what tests and simulators need.
  The checkers (linters, molecule, documentation) are a second layer on it, so that the demo need not wait for them.
- `importer`: what looks at the artifact as Galaxy does, with an ansible-core of its choice.
- `core-<series>`: one per other ansible-core, with the plugins' requirements only. The oldest one gets the oldest releases that
  requirements.txt allows, and what the unit tests need: a lower bound nobody runs is a guess.
"""

from __future__ import annotations

import fcntl
import glob
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.places import CACHE, CHECKOUT, LOGS, Trouble, link_collection, run
from tools.pythons import CORES, Core, Pairing, Python, find_pythons, pair

RUNTIME = CHECKOUT / "requirements.txt"
TESTS = CHECKOUT / "requirements-test.txt"
CHECKERS = CHECKOUT / "tests" / "tools" / "requirements-check.txt"
IMPORTER = CHECKOUT / "tests" / "tools" / "requirements-importer.txt"
OLDEST = CHECKOUT / "tests" / "tools" / "constraints-oldest.txt"
REGISTER = CACHE / "environments.json"
MADE_OF = ".made-of"


@dataclass(frozen=True)
class Environment:
    """A virtual environment with an ansible-core in it."""

    folder: Path
    core: Core
    python: Python

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    def __str__(self) -> str:
        return f"ansible-core {self.core.release} on Python {self.python}"


def _postgresql_is_there() -> bool:
    return bool(shutil.which("initdb") or glob.glob("/usr/lib/postgresql/*/bin/initdb"))


def _is_static(program: str | None) -> bool:
    """Whether a program needs no library, so that it runs in a container that has nothing else."""
    return program is not None and b"ld-linux" not in Path(program).read_bytes()[:4096]


# Debian package -> whether what the tests want of it is there already.
SYSTEM_PACKAGES: dict[str, Callable[[], bool]] = {
    "busybox-static": lambda: _is_static(shutil.which("busybox")),
    "chromium": lambda: any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")),
    # Debian alone has it as a package; where Google's browser is there, that one does all of the work.
    "chromium-headless-shell": lambda: any(shutil.which(name) for name in ("chromium-headless-shell", "google-chrome")),
    "dovecot-imapd": lambda: Path("/usr/lib/dovecot/imap").exists(),
    "dovecot-pop3d": lambda: Path("/usr/lib/dovecot/pop3").exists(),
    "gnupg": lambda: shutil.which("gpg") is not None,
    "openssh-server": lambda: Path("/usr/sbin/sshd").exists(),
    "pass": lambda: shutil.which("pass") is not None,
    "podman": lambda: shutil.which("podman") is not None,
    "postgresql": _postgresql_is_there,
    "runc": lambda: shutil.which("runc") is not None,
    "ser2net": lambda: Path("/usr/sbin/ser2net").exists(),
    "socat": lambda: shutil.which("socat") is not None,
}


@dataclass(frozen=True)
class NpmPackage:
    """A pinned package of the npm registry. C(files): what is kept of it, below C(.cache/PLACE), and what each is made of."""

    name: str
    place: str
    purpose: str
    files: Mapping[str, Sequence[str]]


NPM_PACKAGES = (
    # GPL, 120 MB, of which two files are kept.
    NpmPackage(
        "extjs-gpl@6.2.0",
        "extjs",
        "the genuine framework of the simulated PBX pages",
        {
            "ext-all.js": ["package/build/ext-all.js"],
            "theme.css": [f"package/build/classic/theme-classic/resources/theme-classic-all_{part}.css" for part in (1, 2)],
            "LICENSE": ["package/LICENSE"],
        },
    ),
    NpmPackage(
        "axe-core@4.14.1",
        "axe",
        "what judges whether everybody can read the report",
        {"axe.min.js": ["package/axe.min.js"], "LICENSE": ["package/LICENSE"]},
    ),
)


def install_system_packages() -> None:
    """Install the Debian packages the tests need and this machine lacks, the npm packages, and docker's client."""
    missing = [package for package, is_there in SYSTEM_PACKAGES.items() if not is_there()]
    if missing:
        _apt_install(missing)
    for package in NPM_PACKAGES:
        install_npm_package(package)
    install_docker_client()


def install_npm_package(package: NpmPackage) -> None:
    """Fetch it from the registry unless it is there."""
    place = CACHE / package.place
    if all((place / name).is_file() for name in package.files):
        return
    if shutil.which("npm") is None:
        _apt_install(["npm"])
    CACHE.mkdir(exist_ok=True)
    print(f"Fetching {package.name}: {package.purpose}", flush=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=f"{package.place}-") as folder:
        command = ["npm", "pack", package.name, "--pack-destination", folder]
        run(command, LOGS / "npm.log", f"npm pack {package.name}", cwd=Path(folder))
        [archive] = Path(folder).glob("*.tgz")
        fresh = Path(folder) / "fresh"
        fresh.mkdir()
        with tarfile.open(archive) as content:
            for name, members in package.files.items():
                pieces = [content.extractfile(member) for member in members]
                (fresh / name).write_bytes(b"\n".join(piece.read() for piece in pieces if piece is not None))
        shutil.rmtree(place, ignore_errors=True)
        fresh.replace(place)


# Newer releases of Debian have the command line in a package of its own.
DOCKER_PACKAGES = ("docker-cli", "docker.io")


def install_docker_client() -> None:
    """Take docker's command line out of its package: the tests let it speak to podman, and a daemon is not to be started for that."""
    place = CACHE / "docker"
    if (place / "docker").is_file():
        return
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="docker-") as folder:
        there = shutil.which("docker") or _docker_of_a_package(Path(folder))
        fresh = Path(folder) / "fresh"
        fresh.mkdir()
        shutil.copy2(there, fresh / "docker")
        shutil.rmtree(place, ignore_errors=True)
        fresh.replace(place)


def _docker_of_a_package(folder: Path) -> Path:
    print("Fetching docker's command line", flush=True)
    log = LOGS / "apt.log"
    if not _downloaded(DOCKER_PACKAGES, folder):
        run([*_as_root(DOCKER_PACKAGES[-1:]), "update"], log, "apt-get update")
        if not _downloaded(DOCKER_PACKAGES, folder):
            raise Trouble(f"apt-get finds no package with docker's command line: {' or '.join(DOCKER_PACKAGES)}")
    [package] = folder.glob("*.deb")
    run(["dpkg-deb", "--extract", package, folder], log, f"dpkg-deb --extract {package.name}")
    return folder / "usr" / "bin" / "docker"


def _downloaded(packages: Sequence[str], folder: Path) -> bool:
    """Whether one of them is in the folder, the first there is."""
    if shutil.which("apt-get") is None:
        return False
    commands = (["apt-get", "-q", "download", package] for package in packages)
    return any(subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0 for command in commands)


def _apt_install(packages: Sequence[str]) -> None:
    wanted = " ".join(packages)
    apt = _as_root(packages)
    print(f"Installing Debian packages: {wanted}", flush=True)
    log = LOGS / "apt.log"
    run([*apt, "update"], log, "apt-get update")
    run([*apt, "install", "--yes", "--no-install-recommends", *packages], log, f"apt-get install {wanted}")


def _as_root(packages: Sequence[str]) -> list[str]:
    """The beginning of a command that changes what Debian packages there are."""
    wanted = " ".join(packages)
    if shutil.which("apt-get") is None:
        raise Trouble(f"The tests need these Debian packages or their like, and there is no apt-get to install them with: {wanted}")
    prefix: list[str] = []
    if os.geteuid() != 0:
        prefix = ["sudo", "-n"]
        if shutil.which("sudo") is None or subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode != 0:
            raise Trouble(f"Please install what the tests need, as root: apt-get install {wanted}")
    return [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"]


def pairings() -> list[Pairing]:
    """What this machine can test: the ansible-cores tested in full, newest first, then the thin ones."""
    pythons = find_pythons()
    if not any(python.complete for python in pythons):
        _apt_install(["python3-venv"])
        pythons = find_pythons()
    found = pair([python for python in pythons if python.complete])
    if not found:
        there = ", ".join(str(python) for python in pythons) or "none from 3.10 on"
        raise Trouble(f"No Python here that a supported ansible-core runs on (found: {there}; wanted: 3.10 to 3.14).")
    return found


def prepare(checkers: bool = False, matrix: bool = False) -> list[Environment]:
    """Make or reuse the environments, in the order of `pairings`: the main one comes first.

    `checkers` adds the checkers' layer to the main one, `matrix` makes those of the other ansible-cores too.
    """
    link_collection()
    with _only_one():
        found = pairings()
        if matrix:
            for core in CORES:
                if core not in [pairing.core for pairing in found]:
                    wanted = " to ".join(".".join(map(str, version)) for version in (core.oldest, core.newest))
                    print(f"No Python {wanted} here: ansible-core {core.series} is left out.", flush=True)
        chosen = found if matrix else found[:1]
        with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as workers:
            environments = list(workers.map(lambda pairing: _make(pairing, found, checkers), chosen))
        if matrix:
            _register(environments)
    return environments


def prepare_importer(main: Environment) -> Environment:
    """What looks at the built collection as Galaxy and AWX do. It is made where the main one is there already."""
    environment = Environment(CACHE / "venv" / "importer", main.core, main.python)
    with _only_one():
        _layer(environment, "base", ["-r", str(IMPORTER)])
    return environment


def oldest(environments: Sequence[Environment]) -> Environment:
    """The one of the oldest ansible-core that is tested in full; the main one where there is no other."""
    return [environment for environment in environments if not environment.core.thin][-1]


def _make(pairing: Pairing, found: Sequence[Pairing], checkers: bool) -> Environment:
    main = pairing is found[0]
    environment = Environment(CACHE / "venv" / ("main" if main else f"core-{pairing.core.series}"), pairing.core, pairing.python)
    pinned = f"ansible-core=={pairing.core.release}"
    if main:
        _layer(environment, "base", [pinned, "-r", str(RUNTIME), "-r", str(TESTS)])
        if checkers:
            _layer(environment, "checkers", [pinned, "-r", str(CHECKERS), "-c", str(TESTS)])
    elif pairing is [each for each in found if not each.core.thin][-1]:
        _layer(environment, "base", [pinned, "-r", str(RUNTIME), "-c", str(OLDEST)])
        _layer(environment, "tests", [pinned, "-r", str(_tests_without_bounds()), "-c", str(OLDEST)])
    else:
        _layer(environment, "base", [pinned, "-r", str(RUNTIME), "-c", str(TESTS)])
    return environment


def _tests_without_bounds() -> Path:
    """The tests' requirements without what the oldest environment has in an older release."""
    older = {line.split("==")[0] for line in OLDEST.read_text(encoding="utf-8").splitlines() if "==" in line}
    lines = TESTS.read_text(encoding="utf-8").splitlines()
    kept = CACHE / "requirements-test-oldest.txt"
    kept.write_text("\n".join(line for line in lines if line.split("==")[0] not in older) + "\n", encoding="utf-8")
    return kept


def _layer(environment: Environment, name: str, arguments: list[str]) -> None:
    """Install one layer unless it is there as wanted. Another Python or another ansible-core begins from nothing."""
    stamp = environment.folder / f".layer-{name}"
    wanted = _digest(arguments)
    if not _is_made(environment):
        print(f"Making an environment: {environment}", flush=True)
        shutil.rmtree(environment.folder, ignore_errors=True)
        run([environment.python.path, "-m", "venv", environment.folder], _log(environment, name), "Making a virtual environment")
        (environment.folder / MADE_OF).write_text(_made_of(environment), encoding="utf-8")
    if stamp.is_file() and stamp.read_text(encoding="ascii") == wanted:
        return
    print(f"Installing into {environment.folder.name}: {name}", flush=True)
    stamp.unlink(missing_ok=True)
    pip = [str(environment.bin / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--prefer-binary"]
    run([*pip, *arguments], _log(environment, name), f"Installing the Python packages of {environment.folder.name}")
    stamp.write_text(wanted, encoding="ascii")


def _is_made(environment: Environment) -> bool:
    made_of = environment.folder / MADE_OF
    return made_of.is_file() and made_of.read_text(encoding="utf-8") == _made_of(environment) and (environment.bin / "python").exists()


def _made_of(environment: Environment) -> str:
    return f"{environment} at {environment.python.path} for {environment.folder}\n"


def _log(environment: Environment, layer: str) -> Path:
    return LOGS / f"environment-{environment.folder.name}-{layer}.log"


def _digest(arguments: Sequence[str]) -> str:
    texts = [Path(argument).read_text(encoding="utf-8") for argument in arguments if argument.endswith(".txt")]
    return hashlib.sha256("\0".join([*arguments, *texts]).encode()).hexdigest()


def _register(environments: Sequence[Environment]) -> None:
    """Tell the integration tests which ansible-cores there are."""
    told = {
        environment.core.series: {
            "bin": str(environment.bin),
            "ansible_core": environment.core.release,
            "python": str(environment.python),
            "thin": environment.core.thin,
        }
        for environment in environments
    }
    fresh = REGISTER.with_suffix(".new")
    fresh.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    fresh.replace(REGISTER)


@contextmanager
def _only_one() -> Iterator[None]:
    """Two `make` at once take turns at building environments."""
    with (CACHE / "environments.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
