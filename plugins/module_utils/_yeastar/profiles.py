# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Profiles: what a PBX's pages are made of, as data with its evidence, checked before it is used."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.shipped import SHIPPED

FORMAT = 1
GRADES = ("documented", "observed", "assumed")

#: The profile that is used where none is named: the only one there is public evidence for.
DEFAULT = "s-series"


class ProfileError(ValueError):
    """A profile that cannot be used; the text names every problem."""


@dataclass(frozen=True)
class Locator:
    """One way to find an element of a page: a component's C(id), a CSS selector, or the C(text) it shows (the name of a label)."""

    by: str
    value: str
    inside: str | None
    grade: str

    def __str__(self) -> str:
        return f"{self.by} {self.value}" + (f" inside {self.inside}" if self.inside else "")


@dataclass(frozen=True)
class Text:
    """One text of the pages: keys of the page's own string table, and words (for labels) or patterns (for messages) where it has none."""

    keys: tuple[str, ...]
    others: tuple[str, ...]
    grade: str


@dataclass(frozen=True)
class Profile:
    """A checked profile. C(results): call -> meaning -> the codes that mean it."""

    name: str
    products: tuple[str, ...]
    firmware: str
    recorded: str
    source: str
    elements: Mapping[str, tuple[Locator, ...]]
    labels: Mapping[str, Text]
    messages: Mapping[str, Text]
    results: Mapping[str, Mapping[str, tuple[str, ...]]]


def read_profile(name: str | None) -> Profile:
    """A shipped profile by its name, or one from a file, which may extend a shipped one. Raises ProfileError."""
    name = name or DEFAULT
    if name in SHIPPED:
        return _shipped_profile(name)
    path = os.path.expanduser(name)
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError):
        raise ProfileError(f"is neither a file that can be read nor one of {', '.join(SHIPPED)}") from None
    return check_profile(_parsed(text, os.path.basename(path)), os.path.basename(path))


@lru_cache
def _shipped_profile(name: str) -> Profile:
    return check_profile(_shipped(name), name)


@lru_cache
def _shipped(name: str) -> Any:
    return _parsed(SHIPPED[name], name)


def _parsed(text: str, where: str) -> Any:
    try:
        import yaml
    except ImportError:
        raise ProfileError("needs the Python library PyYAML where this module runs") from None
    try:
        # The one in C takes a tenth of the time, and is not everywhere.
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as problem:
        line = getattr(getattr(problem, "problem_mark", None), "line", None)
        raise ProfileError(f"{where} is no YAML" + ("" if line is None else f": line {line + 1}")) from None


_ABOUT = ("name", "firmware", "recorded", "source")
_SECTIONS = ("elements", "labels", "messages", "results")


def check_profile(data: Any, where: str) -> Profile:
    """A profile from what its YAML holds. Raises ProfileError with every problem."""
    if not isinstance(data, Mapping):
        raise ProfileError(f"{where} is no mapping")
    base: Mapping[str, Any] = {}
    extends = data.get("extends")
    problems: list[str] = []
    if extends is not None:
        if extends in SHIPPED:
            base = _shipped(extends)
        else:
            problems.append(f"extends: is none of {', '.join(SHIPPED)}")
    problems += [f"{name}: is no part of a profile" for name in data if name not in (*_ABOUT, *_SECTIONS, "format", "extends", "products")]
    merged = {name: {**base.get(name, {}), **_mapping(data, name, problems)} for name in _SECTIONS}
    about = {name: data.get(name, base.get(name)) for name in (*_ABOUT, "format", "products")}
    if about["format"] != FORMAT:
        problems.append(f"format: must be {FORMAT}")
    problems += [f"{name}: a text is wanted" for name in _ABOUT if not isinstance(about[name], str) or not about[name]]
    products = about["products"]
    if not isinstance(products, list) or not all(isinstance(product, str) for product in products):
        problems.append("products: a list of texts is wanted")
        products = []
    elements = {name: tuple(_locators(name, value, merged, problems)) for name, value in merged["elements"].items()}
    labels = {name: _text(f"labels.{name}", value, "words", problems) for name, value in merged["labels"].items()}
    messages = {name: _text(f"messages.{name}", value, "patterns", problems) for name, value in merged["messages"].items()}
    results = {name: _results(f"results.{name}", value, problems) for name, value in merged["results"].items()}
    known = _known()
    for section, names in (("elements", elements), ("labels", labels), ("messages", messages), ("results", results)):
        problems += [f"{section}.{name}: is missing" for name in known[section] if name not in names]
        problems += [f"{section}.{name}: is not known" for name in names if name not in known[section]]
    if problems:
        raise ProfileError(f"{where}: " + "; ".join(problems))
    return Profile(
        about["name"], tuple(products), about["firmware"], about["recorded"], about["source"], elements, labels, messages, results
    )


def _known() -> dict[str, list[str]]:
    """What a profile holds: what the default one does."""
    shipped = _shipped(DEFAULT)
    return {name: list(shipped[name]) for name in _SECTIONS}


def _mapping(data: Mapping[str, Any], name: str, problems: list[str]) -> Mapping[str, Any]:
    value = data.get(name, {})
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return value
    problems.append(f"{name}: a mapping is wanted")
    return {}


def _locators(name: str, value: Any, merged: Mapping[str, Mapping[str, Any]], problems: list[str]) -> Iterator[Locator]:
    where = f"elements.{name}"
    for each in value if isinstance(value, list) and value else [value]:
        if not isinstance(each, Mapping) or not set(each) <= {"id", "css", "text", "inside", "grade"}:
            problems.append(f"{where}: id, css or text, with grade and perhaps inside, is wanted")
            continue
        ways = [way for way in ("id", "css", "text") if way in each]
        if len(ways) != 1 or not isinstance(each[ways[0]], str) or not each[ways[0]]:
            problems.append(f"{where}: exactly one of id, css and text is wanted")
            continue
        inside = each.get("inside")
        if inside is not None and inside not in merged["elements"]:
            problems.append(f"{where}: inside names no element")
        if ways[0] == "text" and each["text"] not in merged["labels"]:
            problems.append(f"{where}: text names no label")
        yield Locator(ways[0], each[ways[0]], inside, _grade(where, each, problems))


def _grade(where: str, value: Mapping[str, Any], problems: list[str]) -> str:
    grade = value.get("grade")
    if grade not in GRADES:
        problems.append(f"{where}: grade must be one of {', '.join(GRADES)}")
    return str(grade)


def _text(where: str, value: Any, others: str, problems: list[str]) -> Text:
    if not isinstance(value, Mapping) or not set(value) <= {"keys", others, "grade"}:
        problems.append(f"{where}: keys, {others} and grade are wanted")
        return Text((), (), "")
    lists: list[list[str]] = []
    for name in ("keys", others):
        texts = value.get(name, [])
        if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
            problems.append(f"{where}.{name}: a list of texts is wanted")
            texts = []
        lists.append(texts)
    if others == "patterns":
        for pattern in lists[1]:
            try:
                re.compile(pattern)
            except re.error:
                problems.append(f"{where}.patterns: {pattern} is no regular expression")
    if not lists[0] and not lists[1]:
        problems.append(f"{where}: names no text")
    return Text(tuple(lists[0]), tuple(lists[1]), _grade(where, value, problems))


def _results(where: str, value: Any, problems: list[str]) -> Mapping[str, tuple[str, ...]]:
    if not isinstance(value, Mapping):
        problems.append(f"{where}: a mapping is wanted")
        return {}
    _grade(where, value, problems)
    meanings = {name: codes for name, codes in value.items() if name != "grade"}
    if not all(isinstance(codes, list) and all(isinstance(code, str) for code in codes) for codes in meanings.values()):
        problems.append(f"{where}: lists of codes in quotes are wanted")
        return {}
    return {name: tuple(codes) for name, codes in meanings.items()}
