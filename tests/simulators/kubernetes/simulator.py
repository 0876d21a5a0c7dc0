# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The simulated cluster for tests: a process of its own, started and ended with a with-statement."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ..kit.driven import DrivenSimulator
from ..kit.process import SimulatorProcess


class KubernetesSimulator(DrivenSimulator):
    """C(with KubernetesSimulator(speed=200.0) as cluster). Keywords beyond those named are switches.

    C(truth): C(phase), C(asked), C(last), C(markers), C(restarts), C(wiped), C(other_fields), C(events), ...
    """

    def __init__(self, namespace: str = "tower", name: str = "es1", seed: int = 7, python: str = sys.executable, **switches: Any) -> None:
        arguments = [f"--namespace={namespace}", f"--name={name}", f"--seed={seed}"]
        super().__init__(SimulatorProcess("simulators.kubernetes", arguments, python=python), switches)
        self._namespace = namespace

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

    def change(self, **world: Any) -> None:
        """What there is is something else from now on."""
        self._process.control("world", world)
