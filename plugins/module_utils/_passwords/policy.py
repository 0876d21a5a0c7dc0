# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Password policies as data, and what in a password breaks one.

Classes are ASCII only, as the vendors count them (a space or a non-ASCII letter is no class; facts: Teltonika 2.4, observed).
"""

from __future__ import annotations

import difflib
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ansible_collections.keyturn.devices.plugins.module_utils._passwords.floors import Floor

UPPER = string.ascii_uppercase
LOWER = string.ascii_lowercase
DIGITS = string.digits
SPECIALS = string.punctuation

#: Specials to generate from where a policy names none: accepted by every RutOS as far as is known (facts: Teltonika 2.4, assumed),
#: allowed by the S-Series, and harmless in CSV files and shells' word splitting.
PREFERRED_SPECIALS = "!#%+-.:=@_"

#: The longest password any supported product takes (RutOS, changelog of 07.05).
LONGEST = 256
DEFAULT_LENGTH = 20
DEFAULT_MIN_LENGTH = 8

_CLASS_NAMES = {"upper": "uppercase letter", "lower": "lowercase letter", "digits": "digit", "special": "special character"}
_NUMBERS: dict[str, tuple[int, int | None]] = {
    "min_length": (1, LONGEST),
    "max_length": (1, LONGEST),
    "length": (1, LONGEST),
    "max_digit_run": (1, None),
    "history": (0, None),
    "max_age_days": (1, 36500),
}
_TEXTS = ("allowed_specials", "forbidden_characters")
_TRUTHS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


class PolicyError(Exception):
    """A policy that is malformed, or that no password can meet. Holds every problem found, as (field, message) pairs."""

    def __init__(self, problems: Sequence[tuple[str, str]], where: str = "policy") -> None:
        self.problems = list(problems)
        self.where = where
        super().__init__(f"{where}: " + "; ".join(f"{field}: {message}" for field, message in self.problems))


@dataclass(frozen=True)
class PasswordPolicy:
    """What a password must meet, how to make one, and how old it may grow. Every instance can be met by some password.

    A class (upper, lower, digits, special) that is true is required, and generated passwords are made of the required classes only.
    One that is false is neither required nor generated, but a password that holds it is still fine.
    """

    min_length: int = DEFAULT_MIN_LENGTH  #: characters
    max_length: int = LONGEST  #: characters
    length: int = DEFAULT_LENGTH  #: characters of a generated password
    upper: bool = True
    lower: bool = True
    digits: bool = True
    special: bool = False
    #: The only characters besides ASCII letters and digits that a password may hold. None: any, and PREFERRED_SPECIALS are generated.
    allowed_specials: str | None = None
    forbidden_characters: str = ""
    #: The longest ascending or descending run of digits (4567, 321) that is still allowed; None: any.
    max_digit_run: int | None = None
    #: How many of the former passwords, newest first, may not come back. None: nothing is demanded of a given password, but a generated
    #: one is none of those the caller tells of.
    history: int | None = None
    max_age_days: int | None = None

    def __post_init__(self) -> None:
        problems: list[tuple[str, str]] = []
        if self.min_length > self.max_length:
            problems.append(("min_length", f"asks for at least {self.min_length} characters, but at most {self.max_length} are allowed"))
        elif not self.min_length <= self.length <= self.max_length:
            problems.append(("length", f"{self.length} is not between {self.min_length} and {self.max_length}, the allowed lengths"))
        for name, characters in self.alphabets().items():
            if not characters:
                problems.append((name, f"a {_CLASS_NAMES[name]} is required, but none is left that is allowed"))
        required = len(self.alphabets())
        if required > self.length:
            problems.append(("length", f"{self.length} characters cannot hold the {required} required classes"))
        if problems:
            raise PolicyError(problems)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, object], where: str = "policy") -> PasswordPolicy:
        """Read a user's policy such as ``{length: 20, special: true, max_age_days: 90}``.

        ``length`` is the length to generate and, unless ``min_length`` says otherwise, the least that is required. A value of None
        counts as not given. Numbers and truths may come as strings, because templates make them so.
        ``where`` names the policy in errors. Raises PolicyError with every problem, and never shows a value.
        """
        if not isinstance(mapping, Mapping):
            raise PolicyError([("policy", "must be a mapping such as {length: 20, special: true}")], where)
        values: dict[str, Any] = {}
        problems: list[tuple[str, str]] = []
        for key, value in mapping.items():
            try:
                if value is not None:
                    values[str(key)] = _read_value(str(key), value)
                elif str(key) not in _FIELDS:
                    _read_value(str(key), value)
            except ValueError as error:
                problems.append((str(key), str(error)))
        if problems:
            raise PolicyError(problems, where)
        maximum = values.setdefault("max_length", LONGEST)
        if "length" in values:
            values.setdefault("min_length", min(values["length"], maximum))
        else:
            minimum = values.setdefault("min_length", min(DEFAULT_MIN_LENGTH, maximum))
            values["length"] = max(minimum, min(DEFAULT_LENGTH, maximum))
        try:
            return cls(**values)
        except PolicyError as error:
            raise PolicyError(error.problems, where) from None

    def with_floor(self, floor: Floor) -> PasswordPolicy:
        """The stricter of both in every point; the length to generate moves into what both allow.

        Raises PolicyError when nothing can satisfy both.
        """
        own, other = self, floor.policy
        least, most = max(own.min_length, other.min_length), min(own.max_length, other.max_length)
        try:
            return replace(
                own,
                min_length=least,
                max_length=most,
                length=max(least, min(own.length, most)),
                upper=own.upper or other.upper,
                lower=own.lower or other.lower,
                digits=own.digits or other.digits,
                special=own.special or other.special,
                allowed_specials=_common(own.allowed_specials, other.allowed_specials),
                forbidden_characters="".join(dict.fromkeys(own.forbidden_characters + other.forbidden_characters)),
                max_digit_run=_least(own.max_digit_run, other.max_digit_run),
                history=max((one for one in (own.history, other.history) if one is not None), default=None),
                max_age_days=_least(own.max_age_days, other.max_age_days),
            )
        except PolicyError as error:
            raise PolicyError(error.problems, f"policy together with what {floor.product} demands") from None

    def alphabets(self) -> dict[str, str]:
        """The characters to generate from, per required class."""
        classes = {"upper": UPPER, "lower": LOWER, "digits": DIGITS, "special": SPECIALS}
        left = {
            name: "".join(character for character in characters if character not in self.forbidden_characters)
            for name, characters in classes.items()
            if getattr(self, name)
        }
        if "special" in left:
            wanted = PREFERRED_SPECIALS if self.allowed_specials is None else self.allowed_specials
            usable = "".join(character for character in left["special"] if character in wanted)
            # Where every preferred one is forbidden but any special would do, one that would do is better than none.
            left["special"] = usable or ("" if self.allowed_specials is not None else left["special"])
        return left


@dataclass(frozen=True)
class Violation:
    """One thing in a password that a policy does not allow. The message never holds any of the password."""

    reason: str
    message: str


def violations(password: str, policy: PasswordPolicy, former: Sequence[str] = ()) -> list[Violation]:
    """Everything in the password that breaks the policy; empty when it complies.

    ``former``: the device's earlier passwords, newest first. Reasons: too_short, too_long, no_upper, no_lower, no_digit, no_special,
    special_not_allowed, forbidden_character, unprintable_character, digit_run, reused.
    """
    found: list[Violation] = []
    if len(password) < policy.min_length:
        found.append(Violation("too_short", f"the password is shorter than {policy.min_length} characters"))
    if len(password) > policy.max_length:
        found.append(Violation("too_long", f"the password is longer than {policy.max_length} characters"))
    for required, characters, reason, name in (
        (policy.upper, UPPER, "no_upper", "upper"),
        (policy.lower, LOWER, "no_lower", "lower"),
        (policy.digits, DIGITS, "no_digit", "digits"),
        (policy.special, SPECIALS, "no_special", "special"),
    ):
        if required and not any(character in characters for character in password):
            found.append(Violation(reason, f"the password has no {_CLASS_NAMES[name]}"))
    if policy.allowed_specials is not None and any(
        not (character.isascii() and character.isalnum()) and character not in policy.allowed_specials for character in password
    ):
        found.append(Violation("special_not_allowed", "the password holds a special character that is not an allowed one"))
    if any(character in policy.forbidden_characters for character in password):
        found.append(Violation("forbidden_character", "the password holds a forbidden character"))
    if is_unprintable(password):
        found.append(Violation("unprintable_character", "the password holds a control character, a line break or the like"))
    if policy.max_digit_run is not None and longest_digit_run(password) > policy.max_digit_run:
        found.append(Violation("digit_run", f"the password holds more than {policy.max_digit_run} digits in ascending or descending order"))
    if password in former[: policy.history or 0]:
        found.append(Violation("reused", "the password was used before"))
    return found


def is_unprintable(text: str) -> bool:
    """Whether something in it cannot be typed into a form: control characters, line breaks, other spaces than the plain one, surrogates."""
    return not text.isprintable()


def longest_digit_run(text: str) -> int:
    """The length of the longest run of ASCII digits in which each is one more, or each one less, than the one before (4567, 321)."""
    longest, run, step = 0, 0, 0
    last: int | None = None
    for character in text:
        if character not in DIGITS:
            last, run, step = None, 0, 0
            continue
        digit = int(character)
        if last is not None and abs(digit - last) == 1:
            run, step = (run + 1 if digit - last == step else 2), digit - last
        else:
            run, step = 1, 0
        last, longest = digit, max(longest, run)
    return longest


def _read_value(key: str, value: object) -> object:
    """The value as the policy's field wants it; ValueError with a message that does not show it."""
    if key in _NUMBERS:
        smallest, largest = _NUMBERS[key]
        text = value.strip() if isinstance(value, str) else value
        if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 10:
            text = int(text)
        if isinstance(text, bool) or not isinstance(text, int):
            raise ValueError("must be a whole number")
        if text < smallest or (largest is not None and text > largest):
            raise ValueError(f"must be {smallest} or more" if largest is None else f"must be from {smallest} to {largest}")
        return int(text)
    if key in _CLASS_NAMES:
        truth = _TRUTHS.get(str(value).strip().lower())
        if truth is None:
            raise ValueError("must be true or false")
        return truth
    if key in _TEXTS:
        if not isinstance(value, str):
            raise ValueError("must be a string of characters")
        if key == "allowed_specials" and any(character not in SPECIALS for character in value):
            raise ValueError("may name ASCII punctuation only")
        return "".join(dict.fromkeys(value))
    near = difflib.get_close_matches(key, _FIELDS, n=1)
    raise ValueError("is not a policy setting; " + (f"did you mean {near[0]}?" if near else "known are " + ", ".join(_FIELDS)))


def _common(one: str | None, other: str | None) -> str | None:
    if one is None or other is None:
        return other if one is None else one
    return "".join(character for character in one if character in other)


def _least(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


_FIELDS = tuple(field.name for field in fields(PasswordPolicy))
