# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pages of a PBX as a profile describes them: finding, typing, pressing, and reading what the page says then."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._browser.browser import Browser
from ansible_collections.keyturn.devices.plugins.module_utils._browser.connections import BrowserFault
from ansible_collections.keyturn.devices.plugins.module_utils._redact import Redactor
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar import script
from ansible_collections.keyturn.devices.plugins.module_utils._yeastar.profiles import Profile, Text

_XML_RESULT = re.compile(r"<result>\s*(-?\d+)\s*</result>", re.IGNORECASE)

# What a page shows within this many seconds it shows; longer only while something is on its way.
_SOON_SECONDS = 3.0


@dataclass(frozen=True)
class Field:
    """A visible field. C(place): its number among them. C(kind): its type. C(most): characters that can be typed, None for any number."""

    place: int
    kind: str
    label: str
    most: int | None
    text: str


@dataclass(frozen=True)
class Answer:
    """What came after a button was pressed. C(name): the message, result or state that was recognised; C(line): what the page said."""

    name: str
    line: str = ""


@dataclass(frozen=True)
class Saved:
    """What came of pressing Save. C(answer): None where the page did not say it in time. C(fault): what hid the answer. C(late): it was
    sent when nothing was to be changed any more.
    """

    answer: Answer | None
    fault: BrowserFault | None
    late: bool


#: The message of C(not_sent).
ENDED = "Nothing was changed: the run that asked for it has ended, or its time is over."


class Pages:
    """One PBX's pages in one browser. Raises BrowserFault throughout; C(profile_unknown) for a page that is not the profile's."""

    def __init__(self, browser: Browser, profile: Profile, redactor: Redactor) -> None:
        self.browser = browser
        self.profile = profile
        self._redactor = redactor
        self._lines: Counter[str] = Counter()
        self._sent = 0

    # Texts

    def _resolved(self, texts: Sequence[Text]) -> list[list[str]]:
        """What the page's own string table holds for each."""
        keys = [key for text in texts for key in text.keys]
        values = iter(self.browser.run(script.TEXTS, keys) if keys else [])
        return [[value for _key in text.keys if (value := next(values))] for text in texts]

    def words(self, label: str) -> list[str]:
        """Every spelling of a label, as the helpers in the page compare them."""
        text = self.profile.labels[label]
        return [_plain(word) for word in (*self._resolved([text])[0], *text.others)]

    def said(self, names: Sequence[str], lines: Sequence[str]) -> Answer | None:
        """The first of these messages that stands in the lines: by the page's own texts, else by the profile's patterns."""
        if not lines:
            return None
        texts = [self.profile.messages[name] for name in names]
        own = self._resolved(texts)
        for name, values in zip(names, own, strict=True):
            for line in lines:
                if any(_as_pattern(value).search(line) for value in values):
                    return Answer(name, line)
        for name, text, values in zip(names, texts, own, strict=True):
            for line in lines:
                if not values and any(re.search(pattern, line, re.IGNORECASE) for pattern in text.others):
                    return Answer(name, line)
        return None

    # Elements

    def _ways(self, name: str) -> list[dict[str, Any]]:
        ways: list[dict[str, Any]] = []
        for locator in self.profile.elements[name]:
            way: dict[str, Any] = {"by": locator.by, "value": locator.value}
            if locator.by == "text":
                way["words"] = self.words(locator.value)
            if locator.inside:
                way["inside"] = self._ways(locator.inside)
            ways.append(way)
        return ways

    def has(self, name: str) -> bool:
        """Whether an element is there to be seen."""
        return bool(self.browser.run(script.COUNT, self._ways(name)))

    def ticked(self, name: str) -> bool:
        """Whether a check box is ticked."""
        return bool(self.browser.run(script.TICKED, self._ways(name)))

    def unknown(self, missing: str) -> BrowserFault:
        """The fault that says what was looked for, where, and what the page looks like instead."""
        looks = self.browser.run(script.LOOKS)
        title = self._redactor.shown(looks["title"], 60) or "without a title"
        made_of = looks["framework"] or f"{looks['forms']} form(s)"
        return BrowserFault(
            "profile_unknown",
            f"The page is not the one that the profile {self.profile.name} describes: it lacks {missing}. What is there: page "
            f"{title!r}, {made_of}, {looks['passwords']} password field(s). If this is a PBX of a kind that the profile is meant for, "
            "correct the profile and name the file with the option profile.",
        )

    def _described(self, name: str) -> str:
        return f"{name} ({', or '.join(str(locator) for locator in self.profile.elements[name])})"

    def need(self, name: str, seconds: float | None = None) -> None:
        """Wait for an element. C(profile_unknown) when it does not come, or when there are several."""
        count = self.browser.until(lambda: self.browser.run(script.COUNT, self._ways(name)) or None, seconds)
        if count is None:
            raise self.unknown(self._described(name))
        if count > 1:
            raise self.unknown(f"exactly one {self._described(name)}")

    def press(self, name: str, seconds: float | None = None) -> None:
        """Wait for an element and click it."""
        self.need(name, seconds)
        element = self.browser.element(script.FIRST, self._ways(name))
        if element is None:
            raise self.unknown(self._described(name))
        self.browser.click(element)

    def push(self, name: str, seconds: float | None = None) -> None:
        """Wait for an element and make it believe that it was clicked, also when something lies above it."""
        self.need(name, seconds)
        self.browser.run(script.script("located(given)[0].click();"), self._ways(name))

    def type(self, name: str, text: str) -> None:
        """Type into a field, and see that it took all of it."""
        self.need(name)
        element = self.browser.element(script.FIRST, self._ways(name))
        if element is None:
            raise self.unknown(self._described(name))
        self.browser.type(element, text)
        if self.value(name) != text:
            raise BrowserFault("rejected", f"The page did not take what was typed into {name} as it is.")

    def value(self, name: str) -> str:
        """What a field holds."""
        return str(self.browser.run(script.script("return located(given)[0].value;"), self._ways(name)))

    # Fields by label

    def fields(self) -> list[Field]:
        """The visible fields, in the order of the page."""
        return [
            Field(place, field["kind"], field["label"], None if field["most"] < 0 else field["most"], field["text"])
            for place, field in enumerate(self.browser.run(script.FIELDS))
        ]

    def labelled(self, label: str, fields: Sequence[Field]) -> list[Field]:
        """Those of the fields that have this label."""
        words = self.words(label)
        return [field for field in fields if field.label in words]

    def fill(self, field: Field, text: str) -> None:
        """Type into a field, and see that it took all of it."""
        if field.most is not None and len(text) > field.most:
            raise BrowserFault("policy", f"The page takes no more than {field.most} characters, and what is to be typed is longer.")
        element = self.browser.element(script.FIELD, field.place)
        if element is None:
            raise self.unknown(f"field {field.place + 1}, which was there before")
        self.browser.type(element, text)
        if self.browser.run(script.VALUE, field.place) != text:
            raise BrowserFault("rejected", "The page did not take what was typed as it is.")

    def press_beside(self, field: Field, label: str, ready: Callable[[], None]) -> None:
        """Press the one button with this label that belongs to a field. C(ready) is called right before, and may raise."""
        given = {"field": field.place, "words": self.words(label)}
        if not given["words"] or self.browser.run(script.COUNT_BESIDE, given) != 1:
            raise self.unknown(f"one button {label} beside the fields")
        element = self.browser.element(script.FIRST_BESIDE, given)
        if element is None:
            raise self.unknown(f"one button {label} beside the fields")
        ready()
        self.mark()
        self.browser.click(element)

    def save(self, field: Field, names: Sequence[str], also: Callable[[], Answer | None], may_change: Callable[[], bool]) -> Saved:
        """Press the one button Save that belongs to a field, and wait for one of these messages or what C(also) sees.

        C(may_change): asked right before; when it says no, nothing is sent. Raises BrowserFault only when nothing was sent: C(not_sent) for
        that reason.
        """
        pressed = False

        def ready() -> None:
            nonlocal pressed
            if not may_change():
                raise BrowserFault("not_sent", ENDED)
            pressed = True

        answer, fault = None, None
        try:
            self.press_beside(field, "save", ready)
            answer = self.answer(names, also)
        except BrowserFault as problem:
            if not pressed or not self.sent:
                raise
            fault = problem
        return Saved(answer, fault, late=self.sent and not may_change())

    def dismiss(self) -> None:
        """Take note of a message in a box of its own, which hides the page."""
        if self.has("message_ok"):
            self.press("message_ok")
            self.settle()

    # What comes after

    def mark(self) -> None:
        """From here on, what is new on the page is an answer, and what is sent is sent once."""
        self.browser.gateway.renew()
        self._lines = Counter(self.lines())
        self._sent = self.browser.gateway.bytes_sent
        self.browser.forget_results()

    @property
    def sent(self) -> bool:
        """Whether anything went to the PBX since C(mark)."""
        return self.browser.gateway.bytes_sent != self._sent

    def lines(self) -> list[str]:
        """The lines a person sees."""
        return list(self.browser.run(script.LINES))

    def new_lines(self) -> list[str]:
        """Those that were not there at C(mark)."""
        return list((Counter(self.lines()) - self._lines).elements())

    def result(self, call: str) -> str | None:
        """The meaning of the newest result code that a script was answered, C(other) for one without a meaning, None for no code."""
        codes = [code for text in self.browser.results() if (code := _result(text)) is not None]
        if not codes:
            return None
        meanings = self.profile.results[call]
        return next((meaning for meaning, known in meanings.items() if codes[-1] in known), "other")

    def answer(self, names: Sequence[str], also: Callable[[], Answer | None] | None = None, seconds: float | None = None) -> Answer | None:
        """The first of these messages that appears, or what C(also) sees; None when none does in time."""

        def look() -> Answer | None:
            return self.said(names, self.new_lines()) or (also() if also else None)

        return self.browser.until(look, seconds)

    def settle(self) -> None:
        """Wait until nothing is on its way, for as long as a page may take at most."""
        quiet = 0

        def look() -> bool | None:
            nonlocal quiet
            quiet = quiet + 1 if self.browser.run(script.QUIET) else 0
            return True if quiet >= 4 else None

        self.browser.until(look, min(_SOON_SECONDS * 3, self.browser.timeout))


def _plain(text: str) -> str:
    return re.sub(r"^[\s*]+|[\s:\uff1a*]+\Z", "", re.sub(r"\s+", " ", text)).lower()


def _as_pattern(text: str) -> re.Pattern[str]:
    """A text of the page's string table, with its markup gone and its placeholders standing for anything."""
    shown = re.sub(r"<[^>]+>", " ", text)
    parts = re.split(r"\{\w+\}", shown)
    return re.compile(".*?".join(re.sub(r"(?:\\ )+", r"\\s+", re.escape(" ".join(part.split()))) for part in parts), re.IGNORECASE)


def _result(text: str) -> str | None:
    """The result code of one answer, in XML or JSON."""
    if match := _XML_RESULT.search(text):
        return match[1]
    try:
        data = json.loads(text)
    except ValueError:
        return None
    code = data.get("result") if isinstance(data, Mapping) else None
    return str(code) if isinstance(code, (int, str)) and re.fullmatch(r"-?\d+", str(code)) else None
