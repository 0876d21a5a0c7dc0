# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The simulated cluster for tests: a process of its own, started and ended with a with-statement."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from ..kit.process import SimulatorProcess


class KubernetesSimulator:
    """C(with KubernetesSimulator(speed=200.0) as cluster). Keywords beyond those named are switches."""

    def __init__(self, namespace: str = "tower", name: str = "es1", seed: int = 7, python: str = sys.executable, **switches: Any) -> None:
        self._process = SimulatorProcess(
            "simulators.kubernetes", [f"--namespace={namespace}", f"--name={name}", f"--seed={seed}"], python=python
        )
        self._namespace = namespace
        self._switches = switches

    def __enter__(self) -> KubernetesSimulator:
        self._process.start()
        try:
            self.set(**self._switches)
        except BaseException:
            self._process.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.stop()

    @property
    def url(self) -> str:
        return self._process.values["KUBERNETES_URL"]

    @property
    def token(self) -> str:
        return self._process.values["KUBERNETES_TOKEN"]

    def write_kubeconfig(self, path: Path) -> Path:
        """With the one context C(buildings)."""
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "buildings",
            "clusters": [{"name": "cluster", "cluster": {"server": self.url}}],
            "users": [{"name": "user", "user": {"token": self.token}}],
            "contexts": [{"name": "buildings", "context": {"cluster": "cluster", "user": "user", "namespace": self._namespace}}],
        }
        path.write_text(json.dumps(content))
        return path

    def set(self, **switches: Any) -> dict[str, Any]:
        """Change switches; gives back all of them."""
        result: dict[str, Any] = self._process.control("switches", switches)
        return result

    def truth(self) -> dict[str, Any]:
        """C(phase), C(asked), C(last), C(markers), C(restarts), C(wiped), C(other_fields), C(events), ..."""
        result: dict[str, Any] = self._process.control("truth")
        return result

    def change(self, **world: Any) -> None:
        """What there is is something else from now on."""
        self._process.control("world", world)

    def log(self) -> list[dict[str, Any]]:
        """Every request so far, with its body."""
        result: list[dict[str, Any]] = self._process.control("log")
        return result

    def advance(self, seconds: float) -> None:
        """Move the cluster's clocks forward."""
        self._process.control("clock", {"advance": seconds})
