# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one gate every string passes on its way out of a module.

Ansible masks what it knows as C(no_log), in the form it was given, and only on some of the paths out. Here a secret is known in
every form a reply, an error or a traceback may give it (quoted for a URL, Base64, hexadecimal, escaped for JSON, Python, HTML, in another
case, cut off, in the wrong character set), and everything a module says goes through the same gate: results, failures, warnings,
tracebacks. What cannot be printed (terminal escapes, marks that turn the direction of writing) stays behind there too, and what is long
is cut.
"""

from __future__ import annotations

import base64
import html
import json
import re
from bisect import bisect, insort
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast
from urllib.parse import quote, quote_plus

T = TypeVar("T")

MASK = "********"

# Long enough to be rare in a text that holds no secret, short enough for the shortest password any device takes. So much of a secret that
# was cut off is masked, and of a long one (a link, a token) a quarter, because those begin like many others.
_WIDTH = 8
_PART = 4

#: Characters of one string that leave. Nothing a person reads is longer.
LONGEST = 8192
_LONGEST_LINE = 300

# How a terminal is told something: CSI and OSC sequences in their two spellings, and the short ones.
_ESCAPE = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?|\x1b[ -/]*[0-~]?")

# Characters that no quoting or escaping below changes: most passwords are made of them, and have one form besides Base64.
_INERT = re.compile(r"[A-Za-z0-9_.~-]*\Z")

# What requests leaves alone when it quotes a URL again (urllib3 does the same).
_REQUOTE_SAFE = "!#$%&'()*+,/:;=?@[]~"

# What the fields of a result are called.
_FIELD = re.compile(r"[a-z][a-z0-9_]*\Z")


class Revealed(str):
    """A secret that a module was asked for. It leaves a result as it is; wherever else it stands it is masked."""

    __slots__ = ()


def _bytes(secret: str) -> bytes:
    """As the system writes it: a byte that was no UTF-8 when it was read is that byte again."""
    try:
        return secret.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return secret.encode("utf-8", "surrogatepass")


def _escaped(secret: str) -> Iterator[str]:
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    yield repr(_bytes(secret))[2:-1]
    yield ascii(secret)[1:-1]
    # repr() escapes a single quote only beside a double one; a whole reply that holds both is escaped where the secret alone is not.
    yield repr(secret + "'\"")[1:-1].removesuffix("\\'\"")


def _base64_forms(secret: bytes) -> Iterator[str]:
    """Base64 of the secret alone, and the part of it that stays the same inside a longer text such as C(user:secret)."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(secret).decode("ascii")
        yield whole
        yield whole.rstrip("=")
        for shift, unstable in ((0, 0), (1, 2), (2, 3)):
            stable_end = (shift + len(secret)) * 8 // 6
            core = encode(b"\0" * shift + secret).decode("ascii")[unstable:stable_end]
            if len(core) >= _WIDTH:
                yield core


def _misread(secret: str) -> Iterator[str]:
    """The secret as it looks after somebody took its bytes for those of another character set."""
    raw = _bytes(secret)
    yield raw.decode("latin-1")
    yield raw.decode("cp1252", "replace")
    # As browsers do: what cp1252 leaves open is a control character.
    yield "".join(bytes([byte]).decode("cp1252" if byte not in _NOT_IN_CP1252 else "latin-1") for byte in raw)
    yield raw.decode("ascii", "replace")
    yield secret.encode("latin-1", "replace").decode("utf-8", "replace")


_NOT_IN_CP1252 = b"\x81\x8d\x8f\x90\x9d"


def _forms(secret: str) -> set[str]:
    """Every form of one secret that is worth looking for."""
    forms = _forms_of_one(secret)
    if not secret.isascii():
        forms = forms.union(*map(_forms_of_one, set(_misread(secret))))
    stripped = secret.strip()
    if stripped and stripped != secret:
        forms |= _forms(stripped)
    return forms


def _forms_of_one(secret: str) -> set[str]:
    raw = _bytes(secret)
    forms = {secret, *_base64_forms(raw), raw.hex(), raw.hex(":"), raw.hex(" ")}
    if _INERT.match(secret):
        return forms
    for safe in ("", "/", _REQUOTE_SAFE):
        forms.add(quote(raw, safe=safe))
    forms.add(quote_plus(raw))
    once = set(_escaped(secret))
    forms |= once
    for escaped in once:  # A reply quoted in an error that is itself printed as JSON is escaped twice.
        forms |= {json.dumps(escaped)[1:-1], repr(escaped)[1:-1]}
    marked_up = html.escape(secret, quote=True)
    return forms | {
        marked_up,
        html.escape(secret, quote=False),
        marked_up.replace("&#x27;", "&#39;"),
        marked_up.replace("&#x27;", "&apos;"),
        marked_up.replace("&#x27;", "'"),
    }


def _folded(text: str) -> str:
    """The text in one case, every character where it was: only these three would change the length, or go by what stands around them."""
    return text.replace("\u0130", "i").replace("\u03a3", "\u03c3").replace("\u03c2", "\u03c3").lower()


def _printable(text: str) -> str:
    """The text without terminal escapes and unprintable characters, those that turn the direction of writing included."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in "\n\t" else " " * character.isspace() for character in _ESCAPE.sub("", text)
    )


def _cut(text: str, longest: int) -> str:
    """Shortened between words, where there are any."""
    if len(text) <= longest:
        return text
    return (text[:longest].rpartition(" ")[0] or text[:longest]) + " ..."


@dataclass
class _Bucket:
    """The forms that begin alike, in order, and their lengths, longest first."""

    forms: list[str] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)

    def add(self, form: str) -> None:
        insort(self.forms, form)
        if len(form) not in self.lengths:
            self.lengths.append(len(form))
            self.lengths.sort(reverse=True)

    def reach(self, text: str) -> int:
        """How much of the beginning of the text is a form, or enough of the beginning of one; 0 for less."""
        whole = next((length for length in self.lengths if length <= len(text) and self._has(text[:length])), 0)
        place = bisect(self.forms, text)
        # In order, so that the form with the longest common beginning is one of the two neighbours.
        return max([whole, *(self._part(text, form) for form in self.forms[max(0, place - 1) : place + 1])])

    def _has(self, form: str) -> bool:
        place = bisect(self.forms, form)
        return place > 0 and self.forms[place - 1] == form

    @staticmethod
    def _part(text: str, form: str) -> int:
        common = next(
            (place for place, (one, other) in enumerate(zip(text, form, strict=False)) if one != other), min(len(text), len(form))
        )
        return common if common >= max(_WIDTH, len(form) / _PART) else 0


class Redactor:
    """Knows secrets, and takes them out of anything.

    The cost of reading a text grows with the text, not with the number of secrets: every form is found by its first
    characters in a table, whatever their case. What overlaps is masked as one.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: set[str] = set()
        self._forms: set[str] = set()
        self._longest = 0
        # width of the prefix -> prefix -> the forms that begin so
        self._tables: dict[int, dict[str, _Bucket]] = {}
        self.add(*secrets)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self._secrets)} secrets)"

    def add(self, *secrets: str | None) -> None:
        """Learn secrets, in all their forms. None and the empty string are no secrets."""
        for secret in secrets:
            if not secret or secret in self._secrets:
                continue
            self._secrets.add(secret)
            for form in {_folded(form) for form in _forms(secret)} - self._forms - {""}:
                self._forms.add(form)
                self._longest = max(self._longest, len(form))
                width = min(len(form), _WIDTH)
                self._tables.setdefault(width, {}).setdefault(form[:width], _Bucket()).add(form)

    def text(self, text: object) -> str:
        """C(str(text)) without any known secret."""
        given = text if isinstance(text, str) else str(text)
        spans = self._spans(given)
        if not spans:
            return given
        kept: list[str] = []
        position = 0
        for start, end in spans:
            kept += (given[position:start], MASK)
            position = end
        kept.append(given[position:])
        return "".join(kept)

    def shown(self, text: object, longest: int = _LONGEST_LINE) -> str:
        """Another system's text for a message: without secrets, printable, on one line, shortened between words."""
        given = text if isinstance(text, str) else str(text)
        return _cut(" ".join(self._clean(given, LONGEST).split()), longest)

    def _clean(self, text: str, longest: int) -> str:
        """Without secrets, also those that are in one piece only when what is unprintable is out; no longer than that."""
        clean = self.text(text[: longest * 2])
        printable = _printable(clean)
        return _cut(clean if printable == clean else self.text(printable), longest)

    def _spans(self, text: str) -> list[tuple[int, int]]:
        """Where secrets stand in the text: (start, end), in order, never overlapping."""
        found: list[tuple[int, int]] = []
        folded = _folded(text)
        for width, table in self._tables.items():
            for start in [at for at in range(len(folded) - width + 1) if folded[at : at + width] in table]:
                bucket = table[folded[start : start + width]]
                end = start + (bucket.reach(folded[start : start + self._longest]) if width == _WIDTH else width)
                if end > start:
                    found.append((start, end))
        found.sort()
        merged: list[tuple[int, int]] = []
        for start, end in found:
            if merged and start < merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        return merged

    def data(self, value: T, longest: int = LONGEST) -> T:
        """A deep copy with every string, keys too, without secrets, printable and no longer than C(longest).

        A number that is a secret as a whole is masked as well.
        """
        return cast(T, self._copy(value, longest, None))

    def result(self, value: T, closed: Mapping[str, Collection[str]], longest: int = LONGEST) -> T:
        """C(data()) for what a module returns, where the names of fields and the numbers are the module's own, whatever the secrets are.

        A key that reads like the name of a field (small letters, digits, underscores) is one. C(closed): name of a field -> the words
        that its value is one of. Such a word is the module's own too.
        """
        return cast(T, self._copy(value, longest, closed))

    def _copy(self, value: Any, longest: int, closed: Mapping[str, Collection[str]] | None) -> Any:
        seen: dict[str, str] = {}

        def clean_text(text: str) -> str:
            known = seen.get(text)
            if known is None:
                known = seen[text] = self._clean(text, longest)
            # The very same object where nothing was masked: what Ansible knows about a string (its origin, its trust) stays with it.
            return text if known == text else known

        def clean_key(key: Any) -> Any:
            return key if closed is not None and isinstance(key, str) and _FIELD.match(key) else clean(key)

        def is_own(key: Any, inner: Any) -> bool:
            return closed is not None and isinstance(inner, str) and inner in closed.get(key, ())

        def clean(item: Any) -> Any:
            if isinstance(item, Revealed):
                return str(item)
            if isinstance(item, str):
                return clean_text(item)
            if item is None or isinstance(item, bool):
                return item
            if isinstance(item, (int, float)):
                return MASK if closed is None and _folded(str(item)) in self._forms else item
            if isinstance(item, Mapping):
                return {clean_key(key): inner if is_own(key, inner) else clean(inner) for key, inner in item.items()}
            if isinstance(item, (list, tuple)):
                return [clean(inner) for inner in item]
            if isinstance(item, (set, frozenset)):
                return {clean(inner) for inner in item}
            if isinstance(item, bytes):
                return clean_text(item.decode("utf-8", "backslashreplace"))
            return clean_text(str(item))

        return clean(value)
