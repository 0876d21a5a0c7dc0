# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Switches of a simulator: a dataclass whose fields say their positions, their evidence grade and what they do.

One declaration makes the command-line option, the check of a change at run time, C(--help) and the table in the README.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any


class SwitchError(ValueError):
    """A switch that does not exist, or a position it does not have."""


def switch(default: Any, grade: str, text: str, choices: Sequence[str] = ()) -> Any:
    """A dataclass field. C(grade) is how we know the behaviour: D documented, O observed, A assumed, or "test" for a means of testing."""
    metadata = {"grade": grade, "text": text, "choices": tuple(choices)}
    # The caller's class is the dataclass.
    if isinstance(default, (list, dict)):
        return dataclasses.field(  # pylint: disable=invalid-field-call
            default_factory=lambda: json.loads(json.dumps(default)), metadata=metadata
        )
    return dataclasses.field(default=default, metadata=metadata)  # pylint: disable=invalid-field-call


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default_factory() if callable(field.default_factory) else field.default


def checked(field: dataclasses.Field[Any], value: Any) -> Any:
    """The value as the field's type, or SwitchError. True and False are no numbers."""
    default = _default(field)
    choices = field.metadata["choices"]
    if choices and value not in choices:
        raise SwitchError(f"{field.name}: one of {', '.join(choices)} is wanted, not {value!r}")
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not type(default):
        raise SwitchError(f"{field.name}: {type(default).__name__} is wanted, not {value!r}")
    if isinstance(value, (int, float)) and value < 0:
        raise SwitchError(f"{field.name}: 0 or more is wanted, not {value!r}")
    return value


def change(switches: Any, changes: Mapping[str, Any]) -> None:
    """Set switches; all or none."""
    fields = {field.name: field for field in dataclasses.fields(switches)}
    unknown = sorted(set(changes) - set(fields))
    if unknown:
        raise SwitchError(f"no such switch: {', '.join(unknown)}")
    values = {name: checked(fields[name], value) for name, value in changes.items()}
    for name, value in values.items():
        setattr(switches, name, value)


def _json_value(text: str) -> Any:
    try:
        return json.loads(Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text)
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"JSON or @file with JSON is wanted: {error}") from None


def add_arguments(parser: argparse.ArgumentParser, kind: type[Any]) -> None:
    """One command-line option per switch."""
    group = parser.add_argument_group("switches", "evidence of what each stands for: [D] documented, [O] observed, [A] assumed")
    for field in dataclasses.fields(kind):
        default = _default(field)
        settings: dict[str, Any] = {"dest": field.name, "default": None}
        if isinstance(default, bool):
            settings["action"] = argparse.BooleanOptionalAction
        elif isinstance(default, (dict, list)):
            settings.update(type=_json_value, metavar="JSON|@FILE")
        else:
            settings["type"] = type(default)
            settings["choices"] = field.metadata["choices"] or None
            settings["metavar"] = None if field.metadata["choices"] else type(default).__name__.upper()
        text = f"[{field.metadata['grade']}] {field.metadata['text']} (default: {_shown(default)})"
        group.add_argument("--" + field.name.replace("_", "-"), help=text.replace("%", "%%"), **settings)


def from_arguments(kind: type[Any], arguments: argparse.Namespace) -> dict[str, Any]:
    """The switches named on the command line."""
    given = {field.name: getattr(arguments, field.name) for field in dataclasses.fields(kind)}
    return {name: value for name, value in given.items() if value is not None}


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return json.dumps(value) if isinstance(value, (dict, list)) else (str(value) or "empty")


def table(kind: type[Any]) -> Iterator[str]:
    """The switches as lines of a Markdown table."""
    yield "| switch | grade | default | positions | what it does |"
    yield "|---|---|---|---|---|"
    for field in dataclasses.fields(kind):
        default = _default(field)
        positions = "on, off" if isinstance(default, bool) else ", ".join(field.metadata["choices"]) or type(default).__name__
        text = field.metadata["text"].replace("|", "\\|")
        yield f"| `{field.name}` | {field.metadata['grade']} | {_shown(default)} | {positions} | {text} |"
