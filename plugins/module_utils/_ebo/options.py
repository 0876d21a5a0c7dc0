# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of C(bms_reset_mode), and what of them is secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._ebo.console import LINE_ENDS, STEP_SECONDS
from ansible_collections.keyturn.devices.plugins.module_utils._ebo.kinds import TRANSPORTS, WAYS
from ansible_collections.keyturn.devices.plugins.module_utils._module import secret_parameters
from ansible_collections.keyturn.devices.plugins.module_utils._spec import Spec


def reset_mode_spec() -> Spec:
    """The options but for those of everything that speaks HTTP."""
    step: dict[str, Any] = {
        "expect": {"type": "str"},
        # All that is sent is masked by Ansible when it refuses the options; afterwards what is marked secret is.
        "send": {"type": "str", "no_log": True},
        "secret": {"type": "bool", "default": False, "no_log": False},
        "timeout": {"type": "int", "default": STEP_SECONDS},
        "line_end": {"type": "str", "choices": list(LINE_ENDS)},
    }
    container: dict[str, Any] = {
        "engine": {"type": "str", "choices": ["podman", "docker"], "default": "podman"},
        "name": {"type": "str", "required": True},
        "volume": {"type": "str"},
        "image": {"type": "str"},
        "url": {"type": "str"},
    }
    kubernetes: dict[str, Any] = {
        "kubeconfig": {"type": "path"},
        "context": {"type": "str"},
        "namespace": {"type": "str"},
        "name": {"type": "str", "required": True},
    }
    serial: dict[str, Any] = {
        "port": {"type": "str", "required": True},
        "baudrate": {"type": "int", "default": 9600},
        "line_end": {"type": "str", "choices": list(LINE_ENDS), "default": "cr"},
        "dialogue": {"type": "list", "elements": "dict", "required": True, "options": step},
    }
    return Spec(
        {
            "server_kind": {"type": "str", "choices": list(WAYS), "required": True},
            "server_version": {"type": "str"},
            "transport": {"type": "str", "choices": list(TRANSPORTS)},
            "container": {"type": "dict", "options": container},
            "kubernetes": {"type": "dict", "options": kubernetes},
            "serial": {"type": "dict", "options": serial},
            "url": {"type": "str"},
            "confirmed": {"type": "bool", "default": False},
            "deadline": {"type": "int", "default": 600},
        }
    )


def reset_mode_secrets(argument_spec: Mapping[str, Any], parameters: Mapping[str, Any] | None) -> Iterator[str]:
    """Of what a dialogue sends, that which is marked; a C(y) that is sent would mask every y in the result."""
    given = dict(parameters or {})
    serial = given.pop("serial", None) or {}
    yield from secret_parameters(argument_spec, {**given, "serial": {**serial, "dialogue": None}})
    for step in serial.get("dialogue") or []:
        if step.get("secret") and step.get("send"):
            yield step["send"]
