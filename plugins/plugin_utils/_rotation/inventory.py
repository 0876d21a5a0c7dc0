# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The devices of a run, as their variables describe them: with the precedence that a task of each of them would see.

All problems of all devices are collected, so that one run shows every one.
"""

from __future__ import annotations

import difflib
import os
import re
import typing as t
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ansible.module_utils.common.validation import (
    check_type_bool,
    check_type_dict,
    check_type_float,
    check_type_int,
    check_type_list,
    check_type_str,
)

from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.product import (
    CONTROLLER,
    Device,
    Problem,
    Product,
    Setting,
    Source,
)
from ansible_collections.keyturn.devices.plugins.plugin_utils._rotation.variables import HostVariables, Layer, Raw, VariableError

#: Settings of every rotation, without their role's prefix.
SETTINGS: Mapping[str, Setting] = {
    "source": Setting("dict", "device"),
    "policy": Setting("dict", "device"),
    "force": Setting("bool", "device"),
    "offline_days": Setting("float", "device"),
    "age_spread_percent": Setting("int", "device"),
    "deadline": Setting("int", "batch"),
    "ledger_url": Setting("str", "run"),
    "ledger_passphrase": Setting("str", "run"),
    "ledger_passphrase_file": Setting("str", "run"),
    "first_batch_size": Setting("int", "run"),
    "batch_size": Setting("int", "run"),
    "failure_limit_percent": Setting("int", "run"),
    "max_attempts": Setting("int", "run"),
    "patience": Setting("int", "run"),
    "bad_input": Setting("str", "run", ("fail", "stop")),
    "summary_limit": Setting("int", "run"),
    "recap_limit": Setting("int", "run"),
    "summary_file": Setting("str", "run"),
}

#: C(device_*) variables of every kind of device.
_COMMON = ("serial", "host", "username", "fingerprint", "site", "password_source", "password_policy")
#: Those of the other kinds, so that one inventory can describe all of them, and those that the inventory plugins set.
_ELSEWHERE = (
    *("via", "protocol", "email", "mailbox", "proxy", "email_settings", "server_kind", "transport", "container", "kubernetes"),
    *("serial_console",),
)
#: Facts that the roles leave behind.
_LEFT_BEHIND = ("summary", "result", "readiness")
_SET_BY_INVENTORY_PLUGINS = ("device_rms_",)
#: From this likeness on, an unknown variable is taken for a misspelt one.
_ALIKE = 0.85

# What each kind of source must say besides its kind.
_SOURCE_FIELDS: Mapping[str, tuple[str, ...]] = {"generate": (), "csv": ("path",), "value": ("password",)}

_CHECKS: Mapping[str, Callable[[t.Any], t.Any]] = {
    "bool": check_type_bool,
    "dict": check_type_dict,
    "float": check_type_float,
    "int": check_type_int,
    "list": check_type_list,
    "str": check_type_str,
}
_EMPTY: Mapping[str, t.Any] = {"str": "", "dict": {}, "list": []}
_NAMES = {"dict": "a mapping", "list": "a list"}
# A batch is held for ten minutes more, and the ledger gives no lease that is longer than six hours.
_LONGEST_DEADLINE = 18000
_LEAST_ONE = ("first_batch_size", "batch_size", "deadline", "max_attempts", "parallel", "timeout")
_NOT_NEGATIVE = ("failure_limit_percent", "patience", "offline_days", "age_spread_percent", "summary_limit", "recap_limit")

_WORD = re.compile(r"[A-Za-z_]\w*")
# A template with one of these can mean something else for every host, whatever variables it names.
_OF_THE_HOST = frozenset(("hostvars", "vars", "varnames", "inventory_hostname", "inventory_hostname_short", "group_names", "ansible_host"))


@dataclass(frozen=True)
class Found:
    """The devices that can be worked, C(problems) of the others and of the run, and C(remarks) that stop nothing.

    C(run): the settings of the run. C(force), C(offline_days) and C(spread): by device name.
    """

    devices: list[Device]
    problems: list[Problem]
    remarks: list[str]
    run: Mapping[str, t.Any]
    force: Collection[str]
    offline_days: Mapping[str, float]
    spread: Mapping[str, int]


class _Settings:
    """Role variables, resolved for each host. What can only be the same is resolved once, however many hosts have it."""

    def __init__(self, product: Product, variables: HostVariables) -> None:
        self.prefix = product.prefix
        self.types = {**SETTINGS, **product.settings}
        self._variables = variables
        self._known: dict[tuple[object, ...], t.Any] = {}
        self._named: dict[tuple[Layer, str], frozenset[str] | None] = {}
        self._words: dict[str, frozenset[str] | None] = {}
        self._terms: dict[str, Mapping[str, t.Any]] = {}

    def value(self, name: str, raw: Raw) -> t.Any:
        """A setting as its type says. VariableError where it is not of that type; the value is not shown, it may be a secret."""
        key = self._key(name, raw)
        if key is None:
            return self._read(name, raw)
        if key not in self._known:
            self._known[key] = self._read(name, raw)
        return self._known[key]

    def _read(self, name: str, raw: Raw) -> t.Any:
        variable = f"{self.prefix}{name}"
        return self._checked(name, self.types[name], self._variables.resolve(raw.get(variable), raw))

    def terms(self, scope: str, raw: Raw) -> Mapping[str, t.Any]:
        """All settings of a scope. Equal ones are one object, also between hosts."""
        names = [name for name, setting in self.types.items() if setting.scope == scope]
        keys = [self._key(name, raw) for name in names]
        key = None if None in keys else (scope, *keys)
        if key is None or key not in self._known:
            terms = {name: self.value(name, raw) for name in names}
            shared = self._terms.setdefault(f"{scope} {terms!r}", terms)
            if key is None:
                return shared
            self._known[key] = shared
        return t.cast("Mapping[str, t.Any]", self._known[key])

    def _key(self, name: str, raw: Raw) -> tuple[object, ...] | None:
        """What the value of a setting depends on: the layer of the host, and its own words on what the setting names. None where that
        cannot be told.
        """
        layer = raw.layer
        if layer is None:
            return None
        if (layer, name) not in self._named:
            self._named[layer, name] = self._names_in(f"{self.prefix}{name}", layer.shared)
        named = self._named[layer, name]
        if named is None:
            return None
        own = [(word, repr(raw[word])) for word in sorted(named) if word in raw.own]
        # A template of the host's own may name what no other host says in the same way; and a source may give each device its own.
        if any(_is_template(text) for _word, text in own) or (name == "source" and _is_template(repr(raw.get(f"{self.prefix}{name}")))):
            return None
        return (layer, name, *own)

    def _names_in(self, variable: str, shared: Mapping[str, t.Any]) -> frozenset[str] | None:
        """A variable, every variable that it names, and those that they name, where nothing but their values can make a difference."""
        seen: set[str] = set()
        waiting = [variable]
        while waiting:
            name = waiting.pop()
            seen.add(name)
            words = self._words_of(repr(shared.get(name)))
            if words is None:
                return None
            waiting += words - seen
        return frozenset(seen)

    @staticmethod
    def _checked(name: str, setting: Setting, value: object) -> t.Any:
        if value is None and setting.type in _EMPTY:
            value = _EMPTY[setting.type]
        problem = f"must be {_NAMES.get(setting.type, setting.type)}"
        try:
            checked = _CHECKS[setting.type](value)
        except (TypeError, ValueError):
            checked = None
        if checked is None:
            raise VariableError(problem)
        if setting.choices and checked not in setting.choices:
            raise VariableError(f"must be one of {', '.join(setting.choices)}")
        if name == "deadline" and checked > _LONGEST_DEADLINE:
            raise VariableError(f"must be at most {_LONGEST_DEADLINE}")
        if (name in _LEAST_ONE and checked < 1) or (name in _NOT_NEGATIVE and checked < 0):
            raise VariableError("must be 1 or more" if name in _LEAST_ONE else "must not be negative")
        return checked

    def _words_of(self, text: str) -> frozenset[str] | None:
        if text not in self._words:
            words = frozenset(_WORD.findall(text)) if "{{" in text or "{%" in text else frozenset()
            self._words[text] = None if words & _OF_THE_HOST else words
        return self._words[text]


def _is_template(text: str) -> bool:
    return "{{" in text or "{%" in text


#: What a mapping looks like, for who gave something else.
_EXAMPLES = {"device_password_policy": "{length: 20, special: true}", "device_password_source": "{kind: generate}"}


class VariableReader:
    """Reads the variables of one device and remembers what was wrong."""

    def __init__(self, name: str, raw: Raw, variables: HostVariables) -> None:
        self.name = name
        self.problems: list[Problem] = []
        self._raw = raw
        self._variables = variables

    def problem(self, where: str, message: str) -> None:
        self.problems.append(Problem(self.name, where, message))

    def value(self, variable: str) -> object:
        try:
            return self._variables.resolve(self._raw.get(variable), self._raw)
        except VariableError as error:
            self.problem(variable, f"cannot be resolved: {error}")
            return None

    def text(self, variable: str, default: str = "") -> str:
        value = self.value(variable)
        if value is None:
            return default
        # An INI inventory turns a serial of digits into a number.
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            self.problem(variable, f"must be text, not {kind_of(value)}")
            return default
        return str(value).strip()

    def mapping(self, variable: str, default: Mapping[str, object]) -> Mapping[str, object]:
        value = self.value(variable)
        if value is None:
            return default
        if not isinstance(value, Mapping):
            example = f", such as {_EXAMPLES[variable]}" if variable in _EXAMPLES else ""
            self.problem(variable, f"must be a mapping, not {kind_of(value)}{example}")
            return default
        return t.cast("Mapping[str, object]", value)


class Reader(VariableReader):
    """The same, with the variables of a role."""

    def __init__(self, name: str, raw: Raw, variables: HostVariables, settings: _Settings) -> None:
        super().__init__(name, raw, variables)
        self._settings = settings

    def setting(self, name: str) -> t.Any:
        try:
            return self._settings.value(name, self._raw)
        except VariableError as error:
            self.problem(f"{self._settings.prefix}{name}", str(error))
            return None


def kind_of(value: object) -> str:
    """What a value is, for people."""
    for kinds, name in (
        ((bool,), "a boolean"),
        ((int, float), "a number"),
        ((str,), "text"),
        ((list, tuple), "a list"),
        ((Mapping,), "a mapping"),
    ):
        if isinstance(value, kinds):
            return name
    return "nothing" if value is None else type(value).__name__


def read_devices(names: Sequence[str], variables: HostVariables, product: Product, *, sources: bool = True) -> Found:
    """Read every device of the run. Secrets that sources give are in the devices, and nowhere else.

    C(sources): whether any device may get a new password; without, no source is read.
    """
    settings = _Settings(product, variables)
    devices: list[Device] = []
    problems: list[Problem] = []
    remarks: dict[str, list[str]] = {}
    runs: dict[int, tuple[str, Mapping[str, t.Any]]] = {}
    force: set[str] = set()
    offline_days: dict[str, float] = {}
    spread: dict[str, int] = {}
    known = _known_variables(product, settings)
    checked = set(known)
    for name in names:
        raw = variables.of(name)
        reader = Reader(name, raw, variables, settings)
        for variable in raw.keys() - checked:
            _check_name(variable, known, reader, remarks, product)
            if not variable.startswith(("device_", product.prefix)):
                checked.add(variable)
        try:
            run = settings.terms("run", raw)
            terms = settings.terms("batch", raw)
        except VariableError:
            problems += [*reader.problems, *_wrong_settings(reader, settings)]
            continue
        runs.setdefault(id(run), (name, run))
        device = _read_device(reader, terms, product, sources)
        if device.site != CONTROLLER and not variables.knows(device.site):
            reader.problem("device_site", f"'{device.site}' is not in the inventory")
        if reader.setting("force"):
            force.add(name)
        offline_days[name] = reader.setting("offline_days")
        spread[name] = reader.setting("age_spread_percent")
        problems += reader.problems
        if not reader.problems:
            devices.append(device)
    problems += duplicate_serials(devices)
    problems += duplicate_places(devices, product)
    problems += _differing(list(runs.values()), product)
    told = [f"{variable} is not a variable of this collection ({_some(hosts)})" for variable, hosts in sorted(remarks.items())]
    return Found(devices, list(dict.fromkeys(problems)), told, next(iter(runs.values()))[1] if runs else {}, force, offline_days, spread)


def _wrong_settings(reader: Reader, settings: _Settings) -> list[Problem]:
    """Every setting of the run or of batches that cannot be used: whoever sets those wrongly means all devices, so it stops the run."""
    before = list(reader.problems)
    for name, setting in settings.types.items():
        if setting.scope != "device":
            reader.setting(name)
    return [Problem("", problem.field, problem.message) for problem in reader.problems if problem not in before]


def _known_variables(product: Product, settings: _Settings) -> frozenset[str]:
    names = {f"device_{name}" for name in (*_COMMON, *_ELSEWHERE, *product.variables)}
    return frozenset(names | {f"{product.prefix}{name}" for name in (*settings.types, *_LEFT_BEHIND)})


def _check_name(variable: str, known: Collection[str], reader: Reader, remarks: dict[str, list[str]], product: Product) -> None:
    """A misspelt variable would silently leave its device with another password, policy or way than its owner wrote down."""
    if variable in known or not variable.startswith(("device_", product.prefix)):
        return
    if variable.startswith((*_SET_BY_INVENTORY_PLUGINS, f"{product.prefix}_")):
        return
    alike = difflib.get_close_matches(variable, known, n=1, cutoff=_ALIKE)
    if alike:
        reader.problem(variable, f"is not a variable of this collection; did you mean {alike[0]}?")
    elif variable.startswith(product.prefix):
        reader.problem(variable, f"is not a variable of the role {product.prefix.rstrip('_')}")
    else:
        # An inventory may use such names for something else.
        remarks.setdefault(variable, []).append(reader.name)


def _some(names: Sequence[str], shown: int = 3) -> str:
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")


def _differing(runs: Sequence[tuple[str, Mapping[str, t.Any]]], product: Product) -> list[Problem]:
    """A run has one ledger, one failure limit and so on; which one, when hosts disagree, nobody could tell."""
    if len(runs) < 2:
        return []
    (first, wanted), *others = runs
    problems = []
    for name, setting in wanted.items():
        other = next((host for host, run in others if run[name] != setting), None)
        if other is not None:
            message = f"must be the same for all {product.nouns[1]} of a run; {first} and {other} differ"
            problems.append(Problem("", f"{product.prefix}{name}", message))
    return problems


def _read_device(reader: Reader, terms: Mapping[str, t.Any], product: Product, sources: bool) -> Device:
    device = Device(
        name=reader.name,
        serial=reader.text("device_serial"),
        source=read_source(reader, reader.setting("source") or {}, product.sources) if sources else Source("generate"),
        policy=reader.mapping("device_password_policy", reader.setting("policy") or {}),
        host=reader.text("device_host"),
        username=reader.text("device_username", "admin"),
        fingerprint=reader.text("device_fingerprint"),
        site=reader.text("device_site", CONTROLLER),
        terms=terms,
    )
    return replace(device, details=product.read(reader, device))


def read_source(reader: VariableReader, default: Mapping[str, object], more_kinds: Collection[str] = ()) -> Source:
    """Where the next password of a device comes from. C(default): for a device that does not say. C(more_kinds): those of its product."""
    where = "device_password_source"
    source = reader.mapping(where, default)
    kind = source.get("kind")
    kinds = {**_SOURCE_FIELDS, **dict.fromkeys(more_kinds, ())}
    if not isinstance(kind, str) or kind not in kinds:
        shown = f"'{kind}' is none of" if isinstance(kind, str) else "must be one of"
        if not any(problem.field == where for problem in reader.problems):
            reader.problem(f"{where}.kind", f"{shown} {', '.join(kinds)}")
        return Source(kind="generate")
    required = kinds[kind]
    for unknown in sorted(set(map(str, source)) - {"kind", *required}):
        reader.problem(f"{where}.{unknown}", f"is not a field of a source of kind '{kind}'")
    values: dict[str, str] = {}
    for name in required:
        value = source.get(name)
        if not isinstance(value, str):
            reader.problem(f"{where}.{name}", f"must be text, not {kind_of(value)}" if name in source else "is missing")
        elif not value:
            reader.problem(f"{where}.{name}", "is empty")
        else:
            values[name] = value
    return Source(kind=kind, **values)


def duplicate_serials(devices: Iterable[Device]) -> list[Problem]:
    """Two names for one box would rotate it twice with two different passwords: nobody can tell which name is right, so nothing is done."""
    first: dict[str, str] = {}
    problems = []
    for device in devices:
        other = first.setdefault(device.serial, device.name) if device.serial else device.name
        if other != device.name:
            problems.append(Problem("", "device_serial", f"{device.name}: '{device.serial}' is also the serial of {other}"))
    return problems


def duplicate_places(devices: Iterable[Device], product: Product) -> list[Problem]:
    """The same for devices that are known by where they are. The place itself is not shown: there may be a secret in it."""
    first: dict[str, str] = {}
    problems = []
    for device in devices:
        place = product.place(device)
        other = first.setdefault(place, device.name) if place else device.name
        if other != device.name:
            problems.append(Problem("", "device_host", f"{device.name}: its address is also that of {other}"))
    return problems


def file_beside_inventory(path: str, raw: Mapping[str, t.Any]) -> str:
    """A path as a person means it: beside the inventory that names it, else from the working directory."""
    path = os.path.expanduser(path)
    beside = os.path.join(str(raw.get("inventory_dir") or ""), path)
    return beside if os.path.exists(beside) else os.path.abspath(path)
