# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every reason that the collection can give, read from its code: the vocabularies, and each word that is passed on as a reason."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PLUGINS = Path(__file__).parents[2] / "plugins"
_PACKAGE = "ansible_collections.keyturn.devices.plugins."
_WORD = re.compile(r"[a-z][a-z0-9_]+\Z")

# What the ledger writes down of a change in its own words; nobody is told it as a reason.
_RECORDS = ("event", "move", "CaseChange")


@dataclass
class _Module:
    """One file. C(takes): who defined here takes a reason -> at which place. C(texts): its constants. C(imports): name -> where from."""

    tree: ast.Module
    takes: dict[str, int] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)


@functools.cache
def given_reasons() -> frozenset[str]:
    """Every word that is passed on as a reason somewhere: as a parameter, a field, an entry or a variable of that name."""
    modules = {_name(path): _read(path) for path in sorted(PLUGINS.rglob("*.py"))}
    # A method is known by its name, whoever has it.
    methods = {name: place for module in modules.values() for name, place in module.takes.items()}
    return frozenset(word for module in modules.values() for word in _given(module, modules, methods) if _WORD.match(word))


def _name(path: Path) -> str:
    return _PACKAGE + ".".join(path.relative_to(PLUGINS).with_suffix("").parts)


def _read(path: Path) -> _Module:
    module = _Module(ast.parse(path.read_text(encoding="utf-8")))
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            module.imports.update((alias.asname or alias.name, node.module) for alias in node.names)
        elif isinstance(node, ast.FunctionDef):
            names = [argument.arg for argument in node.args.args if argument.arg not in ("self", "cls")]
            if "reason" in names and node.name != "__init__":
                module.takes[node.name] = names.index("reason")
        elif isinstance(node, ast.ClassDef) and (place := _place_in_class(node)) is not None:
            module.takes[node.name] = place
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            module.texts.update((target.id, node.value.value) for target in node.targets if isinstance(target, ast.Name))
    return module


def _place_in_class(node: ast.ClassDef) -> int | None:
    """Where its constructor takes a reason: that of a dataclass or a tuple by its fields, else by C(__init__)."""
    names = [each.target.id for each in node.body if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)]
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and each.name == "__init__":
            names = [argument.arg for argument in each.args.args[1:]]
    return names.index("reason") if "reason" in names else None


def _given(module: _Module, modules: Mapping[str, _Module], methods: Mapping[str, int]) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr if isinstance(node.func, ast.Attribute) else ""
            if name in _RECORDS:
                continue
            for keyword in node.keywords:
                if keyword.arg == "reason":
                    yield from _words(keyword.value, module, modules)
            place = _takes(name, module, modules).get(name) if isinstance(node.func, ast.Name) else methods.get(name)
            if place is not None and len(node.args) > place:
                yield from _words(node.args[place], module, modules)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "reason":
                    yield from _words(value, module, modules)
        elif isinstance(node, ast.Assign) and any(isinstance(target, ast.Name) and target.id == "reason" for target in node.targets):
            yield from _words(node.value, module, modules)
        elif isinstance(node, ast.For) and isinstance(node.target, ast.Tuple) and isinstance(node.iter, ast.Tuple):
            names = [each.id for each in node.target.elts if isinstance(each, ast.Name)]
            for row in node.iter.elts:
                if "reason" in names and isinstance(row, ast.Tuple):
                    yield from _words(row.elts[names.index("reason")], module, modules)


def _takes(name: str, module: _Module, modules: Mapping[str, _Module]) -> Mapping[str, int]:
    """Of the file that defines a name which is used here."""
    source = module if name in module.takes else modules.get(module.imports.get(name, ""))
    return source.takes if source else {}


def _words(value: ast.expr, module: _Module, modules: Mapping[str, _Module]) -> Iterator[str]:
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
    elif isinstance(value, ast.Name):
        source = modules.get(module.imports.get(value.id, ""), module)
        if value.id in source.texts:
            yield source.texts[value.id]
    elif isinstance(value, ast.IfExp):
        yield from _words(value.body, module, modules)
        yield from _words(value.orelse, module, modules)
    elif isinstance(value, ast.BoolOp):
        for each in value.values:
            yield from _words(each, module, modules)
