# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import html
import json
import random
import re
import string
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.keyturn.devices.plugins.module_utils._module import secret_parameters
from ansible_collections.keyturn.devices.plugins.module_utils._redact import MASK, Redactor

NASTY = "a\\b'c\"d <&> é%/+ Z9"

FORMS = {
    "plain": lambda secret: secret,
    "quoted": lambda secret: quote(secret, safe=""),
    "quoted path": quote,
    "quoted plus": quote_plus,
    "quoted lower case": lambda secret: re.sub("%..", lambda match: match.group().lower(), quote(secret, safe="")),
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 without padding": lambda secret: base64.b64encode(secret.encode()).decode().rstrip("="),
    "urlsafe base64": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    "json": json.dumps,
    "json unicode": lambda secret: json.dumps(secret, ensure_ascii=False),
    "json in json": lambda secret: json.dumps(json.dumps({"password": secret})),
    "repr": repr,
    "repr beside another quote": lambda secret: repr("'" + secret + '"'),
    "repr of bytes": lambda secret: repr(secret.encode()),
    "repr of json": lambda secret: repr(json.dumps({"password": secret})),
    "html": html.escape,
    "hexadecimal": lambda secret: secret.encode().hex(),
    "hexadecimal capitals": lambda secret: secret.encode().hex().upper(),
    "hexadecimal colons": lambda secret: secret.encode().hex(":"),
    "capitals": str.upper,
    "small letters": str.lower,
    "other case": str.swapcase,
    "quoted capitals": lambda secret: quote(secret.upper(), safe=""),
    "latin-1": lambda secret: secret.encode().decode("latin-1"),
    "cp1252": lambda secret: secret.encode().decode("cp1252", "replace"),
    "latin-1 in json": lambda secret: json.dumps(secret.encode().decode("latin-1")),
    "ascii": lambda secret: secret.encode().decode("ascii", "replace"),
    "utf-8 from latin-1": lambda secret: secret.encode("latin-1").decode("utf-8", "replace"),
    "xml": lambda secret: html.escape(secret).replace("&#x27;", "&apos;"),
}


def marked(secret: str, shown: str) -> bool:
    """Whether what is left of `shown` betrays the secret's distinctive inside."""
    return secret.lower() in shown.lower() or secret[1:].lower() in shown.lower()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("secret", ["Vexing-42-Harbour", "P4ss wörd!", "a+b/c=d&e;Z9", "quo\"te's\\Z9", NASTY])
def test_a_secret_is_taken_out_in_every_form(form: str, secret: str) -> None:
    shown = Redactor([secret]).text("before " + FORMS[form](secret) + " after")
    assert MASK in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")
    assert len(shown.replace(MASK, "")) <= len("before  after") + 30
    assert not marked(secret, shown)


@pytest.mark.parametrize("user", ["", "u:", "ad:", "admin:", "admin2:"])
@pytest.mark.parametrize("tail", ["", "x", "xy", "xyz"])
def test_basic_authentication_does_not_hide_a_secret_from_us(user: str, tail: str) -> None:
    secret = "Vexing-42-Harbour"
    header = base64.b64encode(f"{user}{secret}{tail}".encode()).decode()
    shown = Redactor([secret]).text("Authorization: Basic " + header)
    assert MASK in shown
    assert len(shown.split("Basic ")[1].replace(MASK, "")) <= 16


def test_the_longest_form_wins_and_what_overlaps_is_masked_whole() -> None:
    redactor = Redactor(["abcdefgh", "abcdefghijkl", "ijklmnop"])
    assert redactor.text("<abcdefghijklmnop>") == f"<{MASK}>"


def test_none_and_the_empty_string_are_no_secrets() -> None:
    redactor = Redactor()
    redactor.add(None, "")
    assert redactor.text("nothing to hide") == "nothing to hide"


def test_short_secrets_are_masked_too() -> None:
    assert Redactor(["abc"]).text("x abc y") == f"x {MASK} y"


def test_data_is_copied_deep_and_keys_are_cleaned() -> None:
    given_data = {"Secret-123": ["x Secret-123", {"n": 1, "t": ("Secret-123", None, True, 1.5)}], "same": "text"}
    clean = Redactor(["Secret-123"]).data(given_data)
    assert clean == {MASK: [f"x {MASK}", {"n": 1, "t": [MASK, None, True, 1.5]}], "same": "text"}
    assert "Secret-123" in given_data
    assert clean["same"] is given_data["same"]


def test_a_number_that_is_a_secret_is_masked() -> None:
    assert Redactor(["12345678"]).data({"pin": 12345678, "other": 1234567}) == {"pin": MASK, "other": 1234567}


def test_other_objects_leave_as_clean_text() -> None:
    assert Redactor(["Secret-123"]).data([ValueError("bad Secret-123"), b"raw Secret-123"]) == [f"bad {MASK}", f"raw {MASK}"]


def test_the_redactor_itself_shows_no_secret() -> None:
    assert "Secret-123" not in repr(Redactor(["Secret-123"]))


@settings(max_examples=200, deadline=None)
@given(st.text(min_size=8, max_size=32), st.text(max_size=50), st.text(max_size=50))
def test_no_text_keeps_a_secret(secret: str, before: str, after: str) -> None:
    redactor = Redactor([secret])
    for shown in (before + secret + after, json.dumps(before + secret + after), repr([secret]), quote(secret, safe="")):
        assert secret not in redactor.text(shown).replace(MASK, "\0")


def test_ten_thousand_secrets_over_a_megabyte_take_well_under_a_second() -> None:
    chance = random.Random(4)
    # All begin alike: the worst case for a table of prefixes.
    secrets = ["Summer2026" + "".join(chance.choices(string.ascii_letters + string.digits + "!#%", k=12)) for _each in range(10_000)]
    redactor = Redactor(secrets)
    texts = [f"router {number}: " + "x" * 80 + secrets[number] for number in range(10_000)]
    started = time.process_time()
    clean = redactor.data(texts)
    assert time.process_time() - started < 1
    assert all(text.endswith(MASK) for text in clean)


def test_secret_parameters_are_found_in_suboptions_and_urls() -> None:
    spec = {
        "token": {"type": "str", "no_log": True},
        "url": {"type": "str"},
        "plain": {"type": "str"},
        "devices": {"type": "list", "elements": "dict", "options": {"serial": {}, "password": {"no_log": True}}},
        "nested": {"type": "dict", "options": {"secrets": {"type": "list", "no_log": True}}},
        "absent": {"type": "str", "no_log": True},
    }
    given_parameters = {
        "token": "t0ken",
        "url": "postgresql://user:p%40ss@host/db",
        "plain": "plain",
        "devices": [{"serial": "1", "password": "one"}, {"serial": "2", "password": None}],
        "nested": {"secrets": ["two", {"deep": "three"}]},
        "absent": None,
    }
    assert set(secret_parameters(spec, given_parameters)) == {"t0ken", "p%40ss", "p@ss", "one", "two", "three"}


def test_a_long_text_is_shortened_between_words_after_its_secrets_were_taken_out() -> None:
    redactor = Redactor(["Vexing-42-Harbour"])
    shown = redactor.shown("refused:\n Vexing-42-Harbour " + "because " * 50, longest=40)
    assert shown == "refused: ******** because because ..."
    assert redactor.shown("kept  as it\nis", longest=40) == "kept as it is"


class TestCutOff:
    @pytest.mark.parametrize("secret", ["Vexing-42-Harbour", "P4ss wörd!-and-more", NASTY])
    def test_a_secret_that_was_cut_off_is_masked_from_eight_characters_on(self, secret: str) -> None:
        redactor = Redactor([secret, "Vexing-42-Anchor", "Vexing-43"])
        for length in range(8, len(secret)):
            shown = redactor.text(f"bad: {secret[:length]}... sent")
            assert shown == f"bad: {MASK}... sent"

    @pytest.mark.parametrize("form", ["base64", "hexadecimal", "quoted", "json", "capitals"])
    def test_so_is_any_form_of_it(self, form: str) -> None:
        whole = FORMS[form]("Vexing-42-Harbour").strip('"')
        shown = Redactor(["Vexing-42-Harbour"]).text(f"<{whole[:-3]}>")
        assert shown == f"<{MASK}>"

    def test_fewer_characters_are_no_secret(self) -> None:
        assert Redactor(["Vexing-42-Harbour"]).text("Vexing- is a word") == "Vexing- is a word"

    def test_a_link_does_not_mask_what_every_link_begins_with(self) -> None:
        link = "https://pbx.example.com/reset?code=" + "x1Y2" * 20
        redactor = Redactor([link])
        assert redactor.text("see https://docs.example.com") == "see https://docs.example.com"
        assert redactor.text(f"see {link[:60]}") == f"see {MASK}"

    def test_the_whole_one_among_longer_ones_that_begin_like_it(self) -> None:
        redactor = Redactor(["abcdefgh", "abcdefghb" + "z" * 100])
        assert redactor.text("abcdefghm") == f"{MASK}m"


class TestUnprintable:
    """What other systems say may hold anything, a terminal's orders among it."""

    @pytest.mark.parametrize(
        ("given", "shown"),
        [
            ("a\x1b[31;1mred\x1b[0m b", "ared b"),
            ("a\x1b]0;title\x07b", "ab"),
            ("a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\b", "alinkb"),
            ("a\x9b31mb\x9d0;t\x9cc", "abc"),
            ("a\x1bcb", "ab"),
            ("a\rb\x08\x00\x7fc", "a bc"),
            ("serial \u202e7000\u202c", "serial 7000"),
            ("\ufeffa\u200bb\u2066c\u2069\u061c", "abc"),
            ("a\u2028b\u00a0c", "a b c"),
            ("tab\tand\nline", "tab\tand\nline"),
            ("Süd & West 東", "Süd & West 東"),
            ("\ud800\udcff", ""),
        ],
    )
    def test_stays_behind_in_results_and_messages(self, given: str, shown: str) -> None:
        redactor = Redactor()
        assert redactor.data({"name": given}) == {"name": shown}
        assert redactor.result({"name": given}, {}) == {"name": shown}
        assert redactor.shown(given) == " ".join(shown.split())

    def test_does_not_hide_a_secret(self) -> None:
        redactor = Redactor(["Vexing-42-Harbour"])
        for between in ("\u200b", "\x1b[0m", "\x00", "\u202e"):
            assert redactor.data("x " + between.join("Vexing-42-Harbour")) == f"x {MASK}"
            assert redactor.shown("x " + between.join("Vexing-42-Harbour")) == f"x {MASK}"

    def test_three_megabytes_in_the_place_of_a_serial_are_cut_in_no_time(self) -> None:
        redactor = Redactor([f"Vexing-{number}-Harbour" for number in range(1000)])
        started = time.process_time()
        clean = redactor.data({"serial": "1" * 3_000_000, "words": "word " * 600_000})
        assert time.process_time() - started < 0.5
        assert all(len(text) < 10_000 and text.endswith(" ...") for text in clean.values())
        assert len(redactor.shown("1" * 3_000_000)) < 400


CLOSED = {"status": ("changed", "failed"), "reason": ("", "offline")}


class TestResults:
    """What a module returns is matched by machines: its own words and numbers must not depend on what the secrets are."""

    @pytest.mark.parametrize("secret", ["changed", "CHANGED", "status", "offline", "0000", "4", "devices", "true"])
    def test_the_modules_own_words_stay(self, secret: str) -> None:
        result = {"devices": [{"status": "changed", "reason": "offline", "id": 4}], "summary": {"changed": 4}, "requests": 0}
        assert Redactor([secret]).result(result, CLOSED) == result

    def test_the_same_words_are_masked_where_they_are_not_the_modules_own(self) -> None:
        clean = Redactor(["changed"]).result({"status": "changed?", "message": "changed", "name": "changed"}, CLOSED)
        assert clean == {"status": f"{MASK}?", "message": MASK, "name": MASK}

    def test_a_key_that_is_no_name_of_a_field_is_cleaned(self) -> None:
        assert Redactor(["Vexing-42-Harbour"]).result({"got Vexing-42-Harbour": 1, "got": 2}, CLOSED) == {f"got {MASK}": 1, "got": 2}
