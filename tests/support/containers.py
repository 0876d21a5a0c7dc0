# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real podman with a storage of its own, and simulated building servers in real containers with real volumes.

No registry is needed: the image is busybox, and the simulator inside runs on this machine's Python, which is mounted read-only.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.error import URLError
from urllib.request import Request

from simulators.kit.process import OPENER, TESTS

# Without user namespaces and cgroups of version 2, as on a build machine, only runc with explicit limits starts anything. Locks of its own:
# otherwise all podmans of a machine share theirs, and a new one begins by letting go of all of them.
_CONTAINERS = """
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
tmp_dir = "{folder}/tmp"
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
"""
_STORAGE = """
[storage]
driver = "vfs"
graphroot = "{folder}/graph"
runroot = "{folder}/run"
"""
#: Docker's own command line, where there is no docker on the PATH.
DOCKER = Path(os.environ.get("KEYTURN_DOCKER") or Path(__file__).resolve().parents[2] / ".cache" / "docker")
IMAGE = "localhost/building-server:1"
# The first process of a container is spared signals it does not handle, and Python handles none while it starts.
_ENTRY = 'trap "kill \\$child; wait \\$child; exit 0" TERM; "$@" & child=$!; wait $child'


class Podman:
    """C(with Podman() as podman). C(environment) is for everything that is to use this one."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="keyturn-podman-"))
        (self.folder / "containers.conf").write_text(_CONTAINERS.format(folder=self.folder))
        (self.folder / "storage.conf").write_text(_STORAGE.format(folder=self.folder))
        self.environment = {
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
        }

    def __enter__(self) -> Podman:
        try:
            self._import_image()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def tell(self, *words: str, content: bytes | None = None) -> str:
        """Carry out a command; what it printed."""
        done = subprocess.run(["podman", *words], input=content, env=os.environ | self.environment, capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"podman {' '.join(words)}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode()

    @contextlib.contextmanager
    def docker(self) -> Iterator[dict[str, str]]:
        """The environment in which C(docker) is docker's own command line, which speaks to this podman by docker's protocol."""
        place = self.folder / "docker.sock"
        command = ["podman", "system", "service", "--time=0", f"unix://{place}"]
        with subprocess.Popen(command, env=os.environ | self.environment, stderr=subprocess.DEVNULL) as service:
            try:
                end = time.monotonic() + 30
                while not place.exists():
                    if service.poll() is not None or time.monotonic() > end:
                        raise RuntimeError("podman offers no service")
                    time.sleep(0.05)
                yield {"DOCKER_HOST": f"unix://{place}", "PATH": f"{DOCKER}:{os.environ['PATH']}"}
            finally:
                service.terminate()

    def inspect(self, kind: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.tell(kind, "inspect", name))[0]
        return found

    def volumes(self) -> list[str]:
        return self.tell("volume", "ls", "--quiet").split()

    def close(self) -> None:
        try:
            self.tell("rm", "--all", "--force", "--time", "0")
        finally:
            self._end_watchers()
            shutil.rmtree(self.folder, ignore_errors=True)

    def _end_watchers(self) -> None:
        """A podman that is killed while it starts a container leaves the half of one, and who watches over it. They name the folder."""
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if str(self.folder).encode() in (place / "cmdline").read_bytes():
                    for child in (place / "task" / place.name / "children").read_text().split():
                        os.kill(int(child), signal.SIGKILL)
                    os.kill(int(place.name), signal.SIGKILL)

    def _import_image(self) -> None:
        """A shell and what the marker takes; the directories of this machine's libraries are links, as on the machine itself."""
        busybox = shutil.which("busybox")
        if busybox is None:
            raise RuntimeError("no busybox here")
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w") as archive:
            for name in ("bin", "dev", "etc", "proc", "root", "tmp", "usr", "var", "var/sbo"):
                folder = tarfile.TarInfo(name)
                folder.type, folder.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(folder)
            for name in ("lib", "lib64"):
                archive.addfile(_link(name, f"usr/{name}"))
            archive.add(busybox, "bin/busybox")
            for name in ("sh", "mkdir", "touch"):
                archive.addfile(_link(f"bin/{name}", "busybox"))
        self.tell("import", "-", IMAGE, content=content.getvalue())


class ContainerServer:
    """A simulated server in a container, which keeps its data in a volume. C(reads_while_running): the switch of that name."""

    def __init__(self, podman: Podman, name: str, reads_while_running: bool = False, seed: int = 7) -> None:
        self.podman = podman
        self.name = name
        self.volume = f"{name}-db"
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        switch = "--reads-marker-while-running" if reads_while_running else "--no-reads-marker-while-running"
        # The interpreter and its libraries, wherever they lie; all of it is below one of these.
        places = dict.fromkeys(str(Path(place).resolve()) for place in ("/usr", sys.base_prefix, sys.prefix, TESTS))
        mounts = [word for place in places for word in ("--volume", f"{place}:{place}:ro")]
        podman.tell(
            *("run", "--detach", "--name", name, "--network", "host", "--volume", f"{self.volume}:/var/sbo", "--workdir", str(TESTS)),
            *(
                "--env",
                "PYTHONDONTWRITEBYTECODE=1",
                *mounts,
                IMAGE,
                "sh",
                "-c",
                _ENTRY,
                "sh",
                sys.executable,
                "-m",
                "simulators.ebo",
                "--data",
                "/var/sbo",
            ),
            *("--port", str(self.port), f"--seed={seed}", switch),
        )
        self.wait()

    def wait(self) -> None:
        """Until it answers."""
        end = time.monotonic() + 30
        while True:
            try:
                self.truth()
                return
            except (URLError, OSError):
                if time.monotonic() > end:
                    raise RuntimeError(f"no answer: {self.podman.tell('logs', self.name)}") from None
                time.sleep(0.05)

    def truth(self) -> dict[str, Any]:
        """What the server in it knows."""
        return self.control("truth")

    def control(self, name: str, body: Any = None) -> dict[str, Any]:
        """Its control paths, as those of EboSimulator."""
        data = None if body is None else json.dumps(body).encode()
        with OPENER.open(Request(f"{self.url}/__simulator__/{name}", data=data), timeout=5) as reply:
            answer: dict[str, Any] = json.loads(reply.read())
            return answer

    @property
    def running(self) -> bool:
        return bool(self.podman.inspect("container", self.name)["State"]["Running"])


def _link(name: str, target: str) -> tarfile.TarInfo:
    link = tarfile.TarInfo(name)
    link.type, link.linkname = tarfile.SYMTYPE, target
    return link


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
