# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Thirty kinds of bad input: each ends before the first request that changes a router, and says where the mistake is and what it is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from integration.cores import Core
from integration.sites import Site, site

SECRET = "Canary-9f31-Password"


@dataclass(frozen=True)
class Mistake:
    """C(make) spoils one router of the site, or the run by the arguments it returns; C(told) must all be in what is printed."""

    name: str
    make: Callable[[Site, str], list[str] | None]
    told: tuple[str, ...]


def source(**fields: Any) -> Callable[[Site, str], None]:
    return lambda place, host: place.hosts[host].update(device_password_source=fields)


def policy(**fields: Any) -> Callable[[Site, str], None]:
    return lambda place, host: place.hosts[host].update(device_password_policy=fields)


def variables(**fields: Any) -> Callable[[Site, str], None]:
    return lambda place, host: place.hosts[host].update(fields)


def extra(**fields: Any) -> Callable[[Site, str], list[str]]:
    return lambda _place, _host: ["-e", json.dumps(fields)]


def environment(**fields: str) -> Callable[[Site, str], None]:
    return lambda place, _host: place.env.update(fields)


def given_list(text: str, encoding: str = "utf-8") -> Callable[[Site, str], None]:
    """C(SERIAL): the serial of the spoiled host."""

    def make(place: Site, host: str) -> None:
        place.hosts[host]["device_password_source"] = {"kind": "csv", "path": f"{host}.csv"}
        (place.folder / f"{host}.csv").write_bytes(text.replace("SERIAL", place.serials[host]).encode(encoding))

    return make


def same_serial_twice(place: Site, host: str) -> None:
    place.hosts["twin"] = {"device_serial": place.serials[host]}


def no_serial(place: Site, host: str) -> None:
    place.hosts[host] = {}


# What cannot be read, and what can be but breaks a rule: all of one kind is told at once.
OF_ROUTERS = {
    "unreadable": [
        Mistake("serial missing", no_serial, ("device_serial", "is missing")),
        Mistake("serial a list", variables(device_serial=["1"]), ("device_serial", "not a list")),
        Mistake("serial twice", same_serial_twice, ("twin", "is also the serial of")),
        Mistake("unknown way", variables(device_via="telnet"), ("device_via", "telnet")),
        Mistake("no address", variables(device_via="device"), ("device_host", "is missing")),
        Mistake("source is text", variables(device_password_source="generate"), ("device_password_source", "must be a mapping")),
        Mistake("unknown source", source(kind="oracle"), ("device_password_source.kind", "oracle")),
        Mistake("unknown field of a source", source(kind="generate", size=20), ("device_password_source.size", "is not a field")),
        Mistake("list without path", source(kind="csv"), ("device_password_source.path", "is missing")),
        Mistake("list is not there", source(kind="csv", path="nowhere.csv"), ("nowhere.csv",)),
        Mistake("value without password", source(kind="value"), ("device_password_source.password", "is missing")),
        Mistake(
            "value undefined", source(kind="value", password="{{ nobody_defined_this }}"), ("device_password_source", "nobody_defined_this")
        ),
        Mistake(
            "lookup fails",
            source(kind="value", password="{{ lookup('ansible.builtin.file', 'no-such-file') }}"),
            ("device_password_source",),
        ),
        Mistake("policy is text", variables(device_password_policy="strong"), ("device_password_policy", "must be a mapping")),
        Mistake("list empty", given_list(""), ("HOST.csv",)),
        Mistake("list row without password", given_list("serial,password\nSERIAL\n"), ("HOST.csv", "line 2")),
        Mistake("list with unknown serial", given_list(f"SERIAL,{SECRET}\n0000000001,{SECRET}x\n"), ("HOST.csv", "line 2")),
        Mistake("list with a serial twice", given_list(f"SERIAL,{SECRET}\nSERIAL,{SECRET}x\n"), ("HOST.csv", "line 2")),
        Mistake("list in UTF-16", given_list(f"SERIAL,{SECRET}\n", "utf-16"), ("HOST.csv",)),
    ],
    "against a rule": [
        Mistake("value too weak", source(kind="value", password="weak-canary-9f31"), ("device_password_source (value)", "uppercase")),
        Mistake("policy setting misspelt", policy(lenght=20), ("device_password_policy.lenght", "did you mean length")),
        Mistake("policy length no number", policy(length="long"), ("device_password_policy.length", "whole number")),
        Mistake("policy longer than RMS takes", policy(length=40), ("device_password_policy",)),
        Mistake("policy contradicts itself", policy(min_length=20, max_length=10), ("device_password_policy.min_length",)),
        Mistake("policy age zero", policy(max_age_days=0), ("device_password_policy.max_age_days", "1")),
        Mistake("list with a weak password", given_list("SERIAL,weak-canary-9f31\n"), ("device_password_source (csv)", "uppercase")),
    ],
}


OF_THE_RUN = [
    Mistake("batch size zero", extra(router_rotation_batch_size=0), ("batch_size",)),
    Mistake("deadline no number", extra(router_rotation_deadline="soon"), ("router_rotation_deadline",)),
    Mistake("no passphrase", environment(KEYTURN_LEDGER_PASSPHRASE=""), ("passphrase",)),
    Mistake("ledger URL nonsense", environment(KEYTURN_LEDGER_URL="mongodb://ledger"), ("ledger",)),
    Mistake("no token", environment(RMS_TOKEN=""), ("rms_token",)),
    Mistake("wrong token", environment(RMS_TOKEN="wrong-canary-9f31"), ("401",)),
    Mistake("RMS URL nonsense", environment(RMS_URL="rms.example.com"), ("rms_url",)),
]


@pytest.fixture
def place(newest_core: Core, tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path, newest_core, routers=max(map(len, OF_ROUTERS.values()))) as built:
        yield built


def refused(place: Site, *arguments: str) -> str:
    """What is told of a run that stops before any router is touched."""
    done = place.run("rotate_routers", *arguments)
    assert done.returncode not in (0, 1), done.stdout
    assert "canary-9f31" not in done.stdout.lower()
    assert place.changing_requests() == []
    assert place.records() == {}
    return done.stdout


@pytest.mark.parametrize("kind", OF_ROUTERS)
def test_all_that_is_wrong_with_routers_is_told_at_once_before_any_is_touched(place: Site, kind: str) -> None:
    for mistake, host in zip(OF_ROUTERS[kind], place.serials, strict=False):
        mistake.make(place, host)
    [told] = re.findall(r"^fatal: .* FAILED! => (\{.*)", refused(place, "-e", "router_rotation_bad_input=stop"), re.MULTILINE)
    problems = json.loads(told)["problems"]
    assert len(problems) >= len(OF_ROUTERS[kind])
    for mistake, host in zip(OF_ROUTERS[kind], place.serials, strict=False):
        words = [text.replace("HOST", host) for text in mistake.told]
        assert any(all(text in problem for text in words) for problem in problems), (mistake.name, problems)


@pytest.mark.parametrize("mistake", OF_THE_RUN, ids=lambda mistake: mistake.name.replace(" ", "-"))
def test_what_is_wrong_with_a_run_stops_it_before_any_router_is_touched(place: Site, mistake: Mistake) -> None:
    printed = refused(place, *(mistake.make(place, "") or ()))
    for words in mistake.told:
        assert words in printed
