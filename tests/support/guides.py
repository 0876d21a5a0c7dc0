# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the guides and READMEs show: their blocks of code, and the names that there are in the collection to be shown."""

from __future__ import annotations

import functools
import itertools
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).parents[2]
READMES = (CHECKOUT / "README.md", *sorted(CHECKOUT.glob("roles/*/README.md")), *sorted(CHECKOUT.glob("docs/examples/*/README.md")))
GUIDES = (*sorted((CHECKOUT / "docs" / "docsite" / "rst").glob("*.rst")), *READMES)

_RST_BLOCK = re.compile(r"^(?P<indent> *)\.\. code-block:: (?P<language>\w+)\n\n(?P<text>(?:(?P=indent)    .*\n|\n)+)", re.MULTILINE)
_MARKDOWN_BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=")


@dataclass(frozen=True)
class Block:
    """One block of code. C(where): file and line, for the name of a test."""

    where: str
    language: str
    text: str


def blocks(language: str) -> list[Block]:
    """Every block in that language, of every guide and README."""
    return [block for guide in GUIDES for block in _blocks(guide) if block.language == language]


def _blocks(guide: Path) -> Iterator[Block]:
    content = guide.read_text(encoding="utf-8")
    for found in (_RST_BLOCK if guide.suffix == ".rst" else _MARKDOWN_BLOCK).finditer(content):
        lines = found["text"].splitlines()
        margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
        line = content.count("\n", 0, found.start()) + 1
        name = guide.parent.name + "/" + guide.name if guide.name == "README.md" else guide.name
        yield Block(f"{name}:{line}", found["language"], "\n".join(each[margin:] for each in lines) + "\n")


def commands(block: Block) -> Iterator[list[str]]:
    """The words of each command of a console, its comment left out."""
    for line in block.text.splitlines():
        if line.startswith("$ "):
            yield shlex.split(line[2:], comments=True)


def extra_variables(words: list[str]) -> Iterator[str]:
    """The variables that a command line gives by name."""
    for option, value in itertools.pairwise(words):
        if option in ("-e", "--extra-vars") and not value.startswith(("@", "{")):
            yield from _ASSIGNMENT.findall(value)


@functools.cache
def argument_specs() -> Mapping[str, Mapping[str, Any]]:
    """Options of each public role, whatever its entry point, by role."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(CHECKOUT.glob("roles/[!_]*/meta/argument_specs.yml")):
        specs = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]
        found[path.parts[-3]] = {name: option for spec in specs.values() for name, option in (spec.get("options") or {}).items()}
    return found


@functools.cache
def playbook_variables() -> frozenset[str]:
    """What can be given to a playbook: the options of the roles, and what the playbooks themselves read."""
    of_roles = {name for options in argument_specs().values() for name in options}
    texts = "".join(path.read_text(encoding="utf-8") for path in CHECKOUT.glob("playbooks/*.yml"))
    own = set(re.findall(r"\b((?:create_ledger|target|show|backup|restore)\w*)\b", texts))
    # Settings that every part reads (plugins/plugin_utils/_ledger_url.py, _products/routers.py).
    return frozenset(of_roles | own | {"ledger_url", "ledger_passphrase", "ledger_passphrase_file", "rms_url", "rms_token"})


@functools.cache
def names() -> frozenset[str]:
    """Everything that C(keyturn.devices.) may stand before."""
    kinds = ("modules", "lookup", "filter", "test", "inventory")
    plugins = {path.stem for kind in kinds for path in (CHECKOUT / "plugins" / kind).iterdir()}
    roles = {path.name for path in (CHECKOUT / "roles").iterdir()}
    playbooks = {path.stem for path in (CHECKOUT / "playbooks").glob("*.yml")}
    return frozenset(plugins | roles | playbooks | {"docsite"})


@functools.cache
def documentation(kind: str, name: str) -> Mapping[str, Any]:
    """The options of one plugin of the collection, those of its fragments among them."""
    text = (CHECKOUT / "plugins" / kind / f"{name}.py").read_text(encoding="utf-8")
    found = re.search(r'^DOCUMENTATION = r?"""(.*?)"""', text, re.MULTILINE | re.DOTALL)
    assert found, f"{name} has no documentation"
    told = yaml.safe_load(found[1])
    options = dict(told.get("options") or {})
    for fragment in told.get("extends_documentation_fragment") or []:
        if fragment.startswith("keyturn.devices."):
            options.update(_fragment(*fragment.split(".")[2:]))
    return options


def _fragment(name: str, section: str = "documentation") -> Mapping[str, Any]:
    text = (CHECKOUT / "plugins" / "doc_fragments" / f"{name}.py").read_text(encoding="utf-8")
    found = re.search(rf'^    {section.upper()} = r?"""(.*?)"""', text, re.MULTILINE | re.DOTALL)
    assert found, f"the fragment {name} has no {section}"
    return yaml.safe_load(found[1]).get("options") or {}
