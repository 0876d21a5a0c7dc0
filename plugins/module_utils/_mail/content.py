# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a mail says, read without trust: headers in any character set, and the links of its text and of its HTML."""

from __future__ import annotations

import contextlib
import datetime
import email
import re
import traceback
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import parsedate_to_datetime

# Mail is often labelled with the older of two character sets of which the newer one holds all of it.
_WIDER = {
    "gb2312": "gb18030",
    "gb_2312-80": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "iso-8859-1": "cp1252",
    "us-ascii": "utf-8",
}

_ADDRESS = re.compile(r"[^\s@<>(),;:\"]+@[^\s@<>(),;:\"]+")
_RECIPIENTS = ("To", "Cc", "Delivered-To", "X-Original-To", "Envelope-To")

# A URL in running text. What is not ASCII ends it: in Chinese no space follows.
_URL_IN_TEXT = re.compile(r"\bhttps?://[!#-;=?-_a-z|~]+", re.IGNORECASE)
_AFTER_URL = ".,;:!?'*|"
_PAIRS = {")": "(", "]": "["}

# Schemes of links that lead to no page and run nothing.
_HARMLESS = ("mailto:", "tel:", "sms:", "cid:", "mid:", "#", "xmpp:", "sip:", "callto:")
_BLOCKS = ("p", "div", "br", "tr", "td", "th", "li", "ul", "ol", "table", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "pre", "blockquote")
_MOST_PARTS = 50


@dataclass(frozen=True)
class Headers:
    """C(senders): the addresses of From, in small letters, as many as stand there. C(message_id) is empty for a mail without one."""

    message_id: str
    subject: str
    senders: tuple[str, ...]
    recipients: frozenset[str]


@dataclass(frozen=True)
class Links:
    """Targets as they are written, in the order of the mail: C(html) those of anchors and of HTML's text, C(text) those of plain text."""

    html: tuple[str, ...]
    text: tuple[str, ...]


def library_problem() -> str | None:
    """Why HTML cannot be read here; None when it can."""
    try:
        import bs4  # noqa: F401
    except ImportError:
        return traceback.format_exc()
    return None


def read_headers(raw: bytes) -> Headers:
    """Of a whole mail or of its headers alone."""
    message = email.message_from_bytes(raw)
    return Headers(
        message_id=_decoded(_first(message, "Message-ID")).strip(),
        subject=_decoded(_first(message, "Subject")),
        senders=tuple(_addresses(message, "From")),
        recipients=frozenset(address for name in _RECIPIENTS for address in _addresses(message, name)),
    )


def received_at(raw: bytes) -> datetime.datetime | None:
    """When the last mail server took it, or else when it says it was written; None when neither can be read."""
    message = email.message_from_bytes(raw)
    # Every server puts its own line on top.
    for text in (_first(message, "Received").rpartition(";")[2], _first(message, "Date")):
        with contextlib.suppress(ValueError, TypeError, OverflowError, IndexError):
            moment = parsedate_to_datetime(text.strip())
            return moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)
    return None


def folded(text: str) -> str:
    """For comparing what people write: without case, width and extra spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def read_links(raw: bytes) -> Links:
    """Every link of a mail that leads to a page or runs something; attachments are not looked into."""
    html: list[str] = []
    text: list[str] = []
    for part in _parts(email.message_from_bytes(raw)):
        if part.get_content_type() == "text/html":
            html += _links_of_html(_text(part))
        else:
            text += _links_of_text(_unflowed(part, _text(part)))
    return Links(tuple(dict.fromkeys(html)), tuple(dict.fromkeys(text)))


def _parts(message: Message) -> Iterator[Message]:
    """The text parts that a reader would be shown."""
    waiting = [message]
    for _number in range(_MOST_PARTS):
        if not waiting:
            return
        part = waiting.pop(0)
        if part.get_content_disposition() == "attachment":
            continue
        if part.get_content_maintype() == "multipart":
            payload = part.get_payload()
            waiting = [*(each for each in (payload if isinstance(payload, list) else []) if isinstance(each, Message)), *waiting]
        elif part.get_content_type() in ("text/plain", "text/html"):
            yield part


def _text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    charset = part.get_content_charset() or ""
    return _characters(payload, charset)


def _characters(raw: bytes, charset: str) -> str:
    """As the label says, else as it most likely is. Links are ASCII, and that is the same in all of them."""
    for name in (_WIDER.get(charset.lower(), charset), "utf-8", "gb18030"):
        with contextlib.suppress(LookupError, UnicodeError):
            if name:
                return raw.decode(name)
    return raw.decode("latin-1")


def _unflowed(part: Message, text: str) -> str:
    """With C(DelSp=yes) (RFC 3676) a long URL is written in several lines, each but the last with a space at its end."""
    if str(part.get_param("format", "")).lower() == "flowed" and str(part.get_param("delsp", "")).lower() == "yes":
        return re.sub(r" \r?\n", "", text)
    return text


def _links_of_html(html: str) -> Iterator[str]:
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(html, "html.parser")
    for hidden in soup(["script", "style", "template", "title"]):
        hidden.decompose()
    for anchor in soup.find_all(["a", "area"]):
        # What counts is where it leads. Browsers drop the white space around it, and line ends inside.
        target = re.sub(r"[\t\r\n]", "", str(anchor.get("href") or "")).strip()
        if _leads_somewhere(target):
            yield target
    # What an anchor shows is not where it leads; other URLs in the text are made links by the reader's program.
    for anchor in soup.find_all("a", href=True):
        anchor.replace_with(" ")
    for block in soup.find_all(_BLOCKS):
        block.insert_before("\n")
        block.insert_after("\n")
    yield from _links_of_text(soup.get_text())


def _leads_somewhere(target: str) -> bool:
    """Not so: a mail address, a place in the mail, and a path, which has no host that it could be on."""
    if target.lower().startswith(_HARMLESS):
        return False
    return target.startswith(("//", "\\")) or bool(re.match(r"[a-z][a-z0-9+.-]*:", target, re.IGNORECASE))


def _links_of_text(text: str) -> Iterator[str]:
    for match in _URL_IN_TEXT.finditer(text):
        url = match[0]
        while url and (url[-1] in _AFTER_URL or (url[-1] in _PAIRS and url.count(url[-1]) > url.count(_PAIRS[url[-1]]))):
            url = url[:-1]
        yield url


def _raw(message: Message, name: str) -> list[str]:
    """Every header of that name, with bytes that are no ASCII as surrogates."""
    return [str(value) for key, value in message.raw_items() if key.lower() == name.lower()]


def _first(message: Message, name: str) -> str:
    return next(iter(_raw(message, name)), "")


def _decoded(header: str) -> str:
    """Encoded words in any character set, and bytes that somebody did not encode at all."""
    try:
        pieces = decode_header(re.sub(r"\r?\n[ \t]*", " ", header))
    except (HeaderParseError, ValueError):
        pieces = [(header, None)]
    return "".join(
        _characters(piece.encode("utf-8", "surrogateescape") if isinstance(piece, str) else piece, charset or "")
        for piece, charset in pieces
    )


def _addresses(message: Message, name: str) -> Iterator[str]:
    """Of all headers of that name, each once, in small letters. What only looks like an address counts too: two are never taken for one."""
    found: list[str] = []
    for header in _raw(message, name):
        # Quoted names and comments are no addresses, whatever they look like.
        found += _ADDRESS.findall(re.sub(r'"(?:[^"\\]|\\.)*"|\((?:[^()\\]|\\.)*\)', "", header))
    yield from dict.fromkeys(address.lower() for address in found)
