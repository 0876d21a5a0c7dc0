# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one gate every string passes on its way out of a module.

Ansible masks what it knows as C(no_log), in the form it was given, and only on some of the paths out. Here a secret is known in
every form a reply, an error or a traceback may give it (quoted for a URL, Base64, escaped for JSON, Python, HTML), and everything a
module says goes through the same gate: results, failures, warnings, tracebacks.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar, cast
from urllib.parse import quote, quote_plus

T = TypeVar("T")

MASK = "********"

# Long enough to be rare in a text that holds no secret, short enough for the shortest password any device takes.
_WIDTH = 8

# Characters that no quoting or escaping below changes: most passwords are made of them, and have one form besides Base64.
_INERT = re.compile(r"[A-Za-z0-9_.~-]*\Z")

# What requests leaves alone when it quotes a URL again (urllib3 does the same).
_REQUOTE_SAFE = "!#$%&'()*+,/:;=?@[]~"


def _escaped(secret: str) -> Iterator[str]:
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    yield repr(secret.encode("utf-8", "surrogateescape"))[2:-1]
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


def _forms(secret: str) -> set[str]:
    """Every form of one secret that is worth looking for."""
    raw = secret.encode("utf-8", "surrogateescape")
    forms = {secret, *_base64_forms(raw)}
    if _INERT.match(secret):
        return forms
    for safe in ("", "/", _REQUOTE_SAFE):
        quoted = quote(raw, safe=safe)
        forms |= {quoted, re.sub(r"%[0-9A-F]{2}", lambda match: match.group().lower(), quoted)}
    forms.add(quote_plus(raw))
    once = set(_escaped(secret))
    forms |= once
    for escaped in once:  # A reply quoted in an error that is itself printed as JSON is escaped twice.
        forms |= {json.dumps(escaped)[1:-1], repr(escaped)[1:-1]}
    marked_up = html.escape(secret, quote=True)
    forms |= {
        marked_up,
        html.escape(secret, quote=False),
        marked_up.replace("&#x27;", "&#39;"),
        marked_up.replace("&#x27;", "&apos;"),
        marked_up.replace("&#x27;", "'"),
    }
    stripped = secret.strip()
    if stripped and stripped != secret:
        forms |= _forms(stripped)
    return forms


class Redactor:
    """Knows secrets, and takes them out of anything.

    The cost of reading a text grows with the text, not with the number of secrets: every form is found by its first
    characters in a table. What overlaps is masked as one.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: set[str] = set()
        self._forms: set[str] = set()
        # width of the prefix -> prefix -> lengths of the forms that begin so, longest first
        self._tables: dict[int, dict[str, list[int]]] = {}
        self.add(*secrets)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self._secrets)} secrets)"

    def add(self, *secrets: str | None) -> None:
        """Learn secrets, in all their forms. None and the empty string are no secrets."""
        for secret in secrets:
            if not secret or secret in self._secrets:
                continue
            self._secrets.add(secret)
            for form in _forms(secret) - self._forms:
                if form:
                    self._learn(form)

    def _learn(self, form: str) -> None:
        self._forms.add(form)
        width = min(len(form), _WIDTH)
        lengths = self._tables.setdefault(width, {}).setdefault(form[:width], [])
        if len(form) not in lengths:
            lengths.append(len(form))
            lengths.sort(reverse=True)

    @property
    def forms(self) -> frozenset[str]:
        """Every form known, for C(module.no_log_values)."""
        return frozenset(self._forms)

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

    def shown(self, text: object, longest: int = 300) -> str:
        """Another system's text for a message: without secrets, on one line, shortened between words.

        A secret cut in two would pass the gate on the way out.
        """
        clean = " ".join(self.text(text).split())
        return clean if len(clean) <= longest else clean[:longest].rpartition(" ")[0] + " ..."

    def _spans(self, text: str) -> list[tuple[int, int]]:
        """Where secrets stand in the text: (start, end), in order, never overlapping."""
        found: list[tuple[int, int]] = []
        for width, table in self._tables.items():
            for start in [at for at in range(len(text) - width + 1) if text[at : at + width] in table]:
                for length in table[text[start : start + width]]:
                    if text[start : start + length] in self._forms:
                        found.append((start, start + length))
                        break
        found.sort()
        merged: list[tuple[int, int]] = []
        for start, end in found:
            if merged and start < merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        return merged

    def data(self, value: T) -> T:
        """A deep copy with every string, keys too, through text(). A number that is a secret as a whole is masked as well."""
        seen: dict[str, str] = {}

        def clean_text(text: str) -> str:
            known = seen.get(text)
            if known is None:
                known = seen[text] = self.text(text)
            # The very same object where nothing was masked: what Ansible knows about a string (its origin, its trust) stays with it.
            return text if known == text else known

        def clean(item: Any) -> Any:
            if isinstance(item, str):
                return clean_text(item)
            if item is None or isinstance(item, bool):
                return item
            if isinstance(item, (int, float)):
                return MASK if str(item) in self._forms else item
            if isinstance(item, Mapping):
                return {clean(key): clean(inner) for key, inner in item.items()}
            if isinstance(item, (list, tuple)):
                return [clean(inner) for inner in item]
            if isinstance(item, (set, frozenset)):
                return {clean(inner) for inner in item}
            if isinstance(item, bytes):
                return self.text(item.decode("utf-8", "backslashreplace"))
            return self.text(item)

        return cast(T, clean(value))
