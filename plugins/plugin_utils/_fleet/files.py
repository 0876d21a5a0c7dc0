# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that hold no secret: looked at before anything is written, and each whole or not there."""

from __future__ import annotations

import json
import os
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.keyturn.devices.plugins.module_utils._files import replace_file
from ansible_collections.keyturn.devices.plugins.module_utils._module import ModuleFailure

# Also for whom the owner of the run is not: a node exporter, a web server.
_MODE = 0o644


def checked_paths(given: Mapping[str, str | None]) -> dict[str, str]:
    """Where each file that is wanted will lie. ModuleFailure with every one that cannot be written, before any is."""
    paths = {name: os.path.abspath(os.path.expanduser(path)) for name, path in given.items() if path}
    problems = [f"{name}: {problem}" for name, path in paths.items() if (problem := _problem(path))]
    twice = {path for path in paths.values() if list(paths.values()).count(path) > 1}
    problems += [f"{path} is named for more than one file" for path in sorted(twice)]
    if problems:
        raise ModuleFailure(f"Nothing was written: {'; '.join(problems)}.", reason="not_writable", problems=problems)
    return paths


def _problem(path: str) -> str:
    directory = os.path.dirname(path)
    if os.path.isdir(path):
        return f"{path} is a directory"
    if not os.path.isdir(directory):
        return f"there is no directory {directory}"
    if not os.access(directory, os.W_OK | os.X_OK):
        return f"the directory {directory} cannot be written to"
    return ""


def write_files(contents: Sequence[tuple[str, str]]) -> None:
    """Path and content of each. ModuleFailure where one cannot be written; those before it are there, and whole."""
    failure = ""
    for path, content in contents:
        try:
            replace_file(path, content.encode("utf-8", "surrogateescape"), _MODE)
        except OSError as error:
            failure = f"{path} cannot be written: {error.strerror}."
            break
    if failure:
        raise ModuleFailure(failure, reason="not_writable", problems=[failure])


def read_earlier(path: str | None, version: int) -> list[Mapping[str, t.Any]] | None:
    """The findings of an earlier JSON file; C(None) for no path. ModuleFailure where it is no such file."""
    if not path:
        return None
    problem = "is not what compliance writes"
    try:
        with open(os.path.expanduser(path), encoding="utf-8") as file:
            told = json.load(file)
        if told["version"] == version:
            return [{"check": str(each["check"]), "device": str(each["device"])} for each in told["findings"]]
        problem = f"was written by a release with another form ({told['version']}, not {version})"
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except (ValueError, KeyError, TypeError):
        pass
    raise ModuleFailure(f"The earlier report {path} {problem}. Nothing was written.", reason="bad_input", problems=[])
