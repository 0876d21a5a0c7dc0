# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reset mode of a server in a container: stop it, put the vendor's marker into its volume, start it.

The marker and how it is made are the vendor's script (documented). The order stop, mark, start is that of the vendor's Kubernetes operator
(observed), because a server that runs may not notice the marker (assumed).

Nothing tells whether a server is in reset mode, so that is kept beside its volume, in the labels of an empty volume of the engine's: one
from the first step to the last (C(arming)), another one afterwards (C(armed)). Whoever finds the first one knows that a run was killed
on its way, and starts the server again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._ebo.engine import Engine
from ansible_collections.keyturn.devices.plugins.module_utils._ebo.kinds import RESET_SECONDS
from ansible_collections.keyturn.devices.plugins.module_utils._ebo.probe import Probe
from ansible_collections.keyturn.devices.plugins.module_utils._ebo.signals import held_signals
from ansible_collections.keyturn.devices.plugins.module_utils._ebo.transport import Arming, Journal, Plan, ResetModeFault, iso, seconds_of

#: Where the data of a server is in its container, and the marker in it (documented).
DATA = "/var/sbo"
MARKER = f"{DATA}/db/reset/r0.txt"

# A server has a database to close. The engine kills it after that.
_STOP_SECONDS = 120
_STARTS = 5
_BETWEEN_STARTS = 2.0
_BETWEEN_LOOKS = 1.0
# A server that falls over at its start is noticed within that.
_STEADY_SECONDS = 3.0
_AT = "keyturn.at"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./:@-]*\Z")


@dataclass(frozen=True)
class Found:
    """The container as it was: whether it ran, its volume, and the image that makes the marker."""

    running: bool
    volume: str
    image: str
    url: str | None


class ContainerTransport:
    """C(container): the options of that name. C(probe): makes a Probe of a URL; C(sure) is whether its certificate has to be good."""

    def __init__(
        self,
        container: Mapping[str, Any],
        deadline: float,
        probe: Callable[[str, bool], Probe],
        engine: Engine | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.journal = Journal()
        self._options = container
        self._name = container["name"]
        self._deadline = deadline
        self._probe = probe
        self._engine = engine or Engine(container["engine"])
        self._clock = clock
        self._sleep = sleep
        self._found: Found | None = None

    def look(self, check_mode: bool) -> Plan:
        for option, form in (("name", _NAME), ("volume", _NAME), ("image", _IMAGE)):
            if self._options.get(option) is not None and not form.match(self._options[option]):
                raise ResetModeFault("bad_input", f"container.{option} is not a name that containers have.")
        self._engine.require()
        found = self._found = self._look(check_mode)
        armed_at = self._recorded("armed", found.volume)
        if found.running and armed_at is not None and self._clock() < armed_at + RESET_SECONDS:
            if not check_mode and self._record("arming", found.volume) is not None:
                self._forget("arming", found.volume)  # A run was killed right before it had done so.
            self._await_answer(armed_at)
            return Plan(armed_at)
        return Plan(would=[*([f"Stop the container {self._name}."] if found.running else []), *self._to_do(found)])

    def _to_do(self, found: Found) -> list[str]:
        return [f"Create the marker {MARKER} in the volume {found.volume}.", f"Start the container {self._name}."]

    def _look(self, check_mode: bool) -> Found:
        inspected = self._inspected()
        if inspected is None:
            raise ResetModeFault("not_found", f"container.name: {self._engine.program} knows no container {self._name}.")
        volume = _data_volume(inspected)
        running = _is_running(inspected)
        if not running and not check_mode and volume and self._record("arming", volume):
            self._start()
            self._forget("arming", volume)
            self.journal.add(f"Started the container {self._name}, which an earlier run had stopped before it was killed.")
            running = True
        if volume is None:
            raise ResetModeFault("not_found", f"The container {self._name} has no volume at {DATA}, so it keeps no data of a server.")
        wanted = self._options.get("volume")
        if wanted and self._engine.inspect("volume", wanted) is None:
            raise ResetModeFault("not_found", f"container.volume: {self._engine.program} knows no volume {wanted}.")
        if wanted and wanted != volume:
            raise ResetModeFault("bad_input", f"container.volume: the container {self._name} has {volume} at {DATA}, not {wanted}.")
        if _looked_up(inspected, "HostConfig", "AutoRemove"):
            raise ResetModeFault("bad_input", f"The container {self._name} was started with --rm: stopping would remove it.")
        if _looked_up(inspected, "State", "Paused"):
            raise ResetModeFault("conflict", f"The container {self._name} is paused.")
        image = self._options.get("image") or inspected.get("Image")
        if not image or self._engine.inspect("image", image) is None:
            raise ResetModeFault("not_found", f"container.image: {self._engine.program} has no image {image} on this host.")
        return Found(running, volume, image, self._options.get("url") or _published_url(inspected))

    def arm(self) -> Arming:
        found = self._found
        if found is None:
            raise RuntimeError("arm() comes after look()")
        with held_signals() as held:
            marked_at = self._stop_mark_start(found, lambda: held.came)
            interrupted = held.came
        if interrupted:
            raise ResetModeFault("interrupted", "The run was interrupted once the server was in reset mode and started again.", marked_at)
        answered = self._await_answer(marked_at)
        handed = [] if answered else [f"See to it that the server answers: {self._name} publishes no port, and container.url is not given."]
        return Arming(marked_at, f"The server in the container {self._name} was started with the marker.", handed)

    def _stop_mark_start(self, found: Found, asked_to_end: Callable[[], bool]) -> float:
        """When the marker was made. Whatever happens meanwhile, the server is started."""
        if self._record("arming", found.volume) is None:
            self._remember("arming", found.volume, self._clock())
        marked_at: float | None = None
        try:
            if found.running and not asked_to_end():
                self._stop()
            if not asked_to_end():
                marked_at = self._mark(found)
        finally:
            self._start()
            if marked_at is None:
                self._forget("arming", found.volume)
                self.journal.add(f"Started the container {self._name}, as it was.")
        if marked_at is None:
            raise ResetModeFault("interrupted", "The run was interrupted before the marker was made. The server is started.")
        self.journal.add(f"Started the container {self._name}.")
        if self._record("armed", found.volume) is not None:
            self._forget("armed", found.volume)
        self._remember("armed", found.volume, marked_at)
        self._forget("arming", found.volume)
        return marked_at

    def _stop(self) -> None:
        self._engine.tell("stop", "-t", str(_STOP_SECONDS), self._name, seconds=_STOP_SECONDS + 60)
        self.journal.add(f"Stopped the container {self._name}.")

    def _mark(self, found: Found) -> float:
        """As the vendor's script does it, in a container of its own that ends at once, with no network. Nothing is downloaded."""
        marked_at = self._clock()
        self._engine.tell(
            *("run", "--rm", "--pull", "never", "--network", "none", "--entrypoint", "/bin/sh"),
            *("--mount", f"type=volume,source={found.volume},target={DATA}", found.image),
            *("-c", f"mkdir -p {MARKER.rpartition('/')[0]} && touch {MARKER}"),
            seconds=120,
        )
        self.journal.add(f"Created the marker {MARKER} in the volume {found.volume}.", changed=True)
        inspected = self._inspected()
        if inspected is not None and _is_running(inspected):
            self._stop()  # Somebody started it before there was a marker: a restart policy, or a service that looks after it.
        return marked_at

    def _start(self) -> None:
        for number in range(_STARTS):
            try:
                self._engine.tell("start", self._name)
                return
            except ResetModeFault as fault:
                if number == _STARTS - 1:
                    advice = f"Start it: {self._engine.program} start {self._name}"
                    raise ResetModeFault(
                        "not_restarted", f"The server is stopped and cannot be started. {fault.message} {advice}"
                    ) from None
                self._sleep(_BETWEEN_STARTS)

    def _await_answer(self, armed_at: float) -> bool:
        """Wait until the server answers; whether anybody could be asked."""
        end = self._clock() + self._deadline
        url = self._found.url if self._found else None
        probe = self._probe(url, bool(self._options.get("url"))) if url else None
        steady = self._clock() + _STEADY_SECONDS
        while True:
            inspected = self._inspected()
            running = inspected is not None and _is_running(inspected)
            problem = probe.problem() if probe and running else None
            if running and problem is None and (probe or self._clock() >= steady):
                if probe:
                    self.journal.add(f"Saw that the server answers at {probe.url}.")
                return probe is not None
            if self._clock() >= end:
                said = f"does not answer at {url}: {problem[1]}" if problem else "does not stay up"
                reason = problem[0] if problem and problem[0] == "certificate" else "timeout"
                message = f"The server in the container {self._name} was started, and {said}."
                raise ResetModeFault(reason, message, armed_at)
            self._sleep(_BETWEEN_LOOKS)

    def _inspected(self) -> Mapping[str, Any] | None:
        return self._engine.inspect("container", self._name)

    # What is kept beside the volume

    def _record(self, state: str, volume: str) -> Mapping[str, Any] | None:
        return self._engine.inspect("volume", f"{volume}.keyturn-{state}")

    def _recorded(self, state: str, volume: str) -> float | None:
        """The moment in a record; None for none, and for one that nobody can read."""
        record = self._record(state, volume)
        try:
            return None if record is None else seconds_of(record["Labels"][_AT])
        except (KeyError, TypeError, ValueError):
            return None

    def _remember(self, state: str, volume: str, moment: float) -> None:
        self._engine.tell("volume", "create", "--label", f"{_AT}={iso(moment)}", f"{volume}.keyturn-{state}")

    def _forget(self, state: str, volume: str) -> None:
        self._engine.tell("volume", "rm", f"{volume}.keyturn-{state}")


def _looked_up(inspected: Mapping[str, Any], *names: str) -> Any:
    value: Any = inspected
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _is_running(inspected: Mapping[str, Any]) -> bool:
    return bool(_looked_up(inspected, "State", "Running"))


def _data_volume(inspected: Mapping[str, Any]) -> str | None:
    for mount in inspected.get("Mounts") or []:
        if mount.get("Destination") == DATA and mount.get("Type") == "volume" and mount.get("Name"):
            return str(mount["Name"])
    return None


def _published_url(inspected: Mapping[str, Any]) -> str | None:
    """The server's own HTTP or HTTPS port as the engine publishes it on this host."""
    ports = _looked_up(inspected, "NetworkSettings", "Ports") or {}
    for port, scheme in (("80/tcp", "http"), ("443/tcp", "https")):
        for published in ports.get(port) or []:
            address = published.get("HostIp") or ""
            host = "127.0.0.1" if address in ("", "0.0.0.0", "::") else address
            return f"{scheme}://{f'[{host}]' if ':' in host else host}:{published['HostPort']}"
    return None
