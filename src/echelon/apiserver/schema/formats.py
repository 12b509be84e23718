"""String formats that schemas of custom resources may name.

The list and the meaning of each are those of Kubernetes (go-openapi's ``strfmt``): a format not
listed is accepted and checked by nobody. Names are compared without dashes, so ``date-time`` and
``datetime`` are one.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from datetime import date
from urllib.parse import urlsplit

Check = Callable[[str], object]


def known_format(name: str, types: tuple[str, ...]) -> bool:
    """Whether the format means something for the types; others are dropped from a schema."""
    match types:
        case () | ("string",):
            return string_format(name) is not None
        case ("integer",):
            return name in ("int32", "int64")
        case ("number",):
            return name in ("float", "double")
    return False


def string_format(name: str) -> Check | None:
    """The check of a string format, ``None`` for one that is not known."""
    return _FORMATS.get(name.replace("-", ""))


def _matches(pattern: str, flags: int = re.ASCII) -> Check:
    return re.compile(pattern, flags).fullmatch


_TIME = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_GO_DURATION = re.compile(r"[+-]?(?:0|(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)
_WORD_DURATION = re.compile(r"([0-9]+)\s*([A-Za-zµ]+)")
_DURATION_WORDS = ("nano", "micro", "milli", "sec", "min", "hour", "day", "week")
_DURATION_UNITS = frozenset(["ns", "us", "µs", "ms", "s", "m", "h", "hr", "d", "w", "wk"])
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:", re.ASCII)
_HOST_LABEL = re.compile(r"[^\W_](?:[\w-]{0,61}[^\W_])?")
_EMAIL = re.compile(r"(?:[^<>\"]*<)?[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.\[\]:-]+>?", re.ASCII)


def is_date(text: str) -> bool:
    """A full date of RFC 3339: ``2006-01-02``."""
    if not _DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def is_date_time(text: str) -> bool:
    """A moment of RFC 3339; leap seconds are refused, as by Kubernetes."""
    day, separator, rest = text.lower().partition("t")
    found = _TIME.fullmatch(rest)
    if not separator or found is None or not is_date(day):
        return False
    return found[1] <= "23" and found[2] <= "59" and found[3] <= "59"


def is_duration(text: str) -> bool:
    """A Go duration (``1h30m``) or words (``3 days``)."""
    if _GO_DURATION.fullmatch(text):
        return True
    units = [unit.lower() for _, unit in _WORD_DURATION.findall(text)]
    return any(unit in _DURATION_UNITS or unit.startswith(_DURATION_WORDS) for unit in units)


def _is_ipv4(text: str) -> bool:
    parts = text.split(".")
    return len(parts) == 4 and all(part.isascii() and part.isdigit() and int(part) <= 255 for part in parts)


def _is_ipv6(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 6 and "%" not in text
    except ValueError:
        return False


def _is_cidr(text: str) -> bool:
    address, separator, bits = text.partition("/")
    if not separator or not (bits.isascii() and bits.isdigit()):
        return False
    return (_is_ipv4(address) and int(bits) <= 32) or (_is_ipv6(address) and int(bits) <= 128)


def _is_hostname(text: str) -> bool:
    labels = text.split(".")
    return 0 < len(text) <= 255 and all(_HOST_LABEL.fullmatch(label) for label in labels)


def _is_uri(text: str) -> bool:
    """What Go's ``url.ParseRequestURI`` takes: an absolute URI or an absolute path."""
    if not text or any(ord(character) < 0x21 or ord(character) == 0x7F for character in text):
        return False
    try:
        urlsplit(text)
    except ValueError:
        return False
    return text.startswith("/") or _SCHEME.match(text) is not None


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return text != ""


def _is_isbn10(text: str) -> bool:
    digits = re.sub(r"[\s-]+", "", text)
    if not re.fullmatch(r"[0-9]{9}[0-9Xx]", digits):
        return False
    values = [10 if digit in "Xx" else int(digit) for digit in digits]
    return sum((position + 1) * value for position, value in enumerate(values)) % 11 == 0


def _is_isbn13(text: str) -> bool:
    digits = re.sub(r"[\s-]+", "", text)
    if not re.fullmatch(r"[0-9]{13}", digits):
        return False
    return sum(int(digit) * (3 if position % 2 else 1) for position, digit in enumerate(digits)) % 10 == 0


_CARD = re.compile(
    r"4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9]{2})[0-9]{12}"
    r"|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35[0-9]{3})[0-9]{11}"
)


def _is_credit_card(text: str) -> bool:
    digits = re.sub(r"[^0-9]+", "", text)
    if not _CARD.fullmatch(digits):
        return False
    doubled = [int(digit) * (1 + position % 2) for position, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _uuid(version: str) -> Check:
    variant = "[89ab]" if version in ("4", "5") else "[0-9a-f]"
    third = f"{version}[0-9a-f]{{3}}" if version else "[0-9a-f]{4}"
    return _matches(
        f"[0-9a-f]{{8}}-?[0-9a-f]{{4}}-?{third}-?{variant}[0-9a-f]{{3}}-?[0-9a-f]{{12}}", re.ASCII | re.IGNORECASE
    )


_BYTE = r"(?:[0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])"
_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_SHORT_NAME = re.compile(_LABEL)
_LONG_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")

_FORMATS: dict[str, Check] = {
    "bsonobjectid": _matches("[0-9a-fA-F]{24}"),
    "byte": _is_base64,
    "cidr": _is_cidr,
    "creditcard": _is_credit_card,
    "date": is_date,
    "datetime": is_date_time,
    "duration": is_duration,
    "email": _EMAIL.fullmatch,
    "hexcolor": _matches("#?(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "hostname": _is_hostname,
    "ipv4": _is_ipv4,
    "ipv6": _is_ipv6,
    "isbn": lambda text: _is_isbn10(text) or _is_isbn13(text),
    "isbn10": _is_isbn10,
    "isbn13": _is_isbn13,
    "k8slongname": lambda text: len(text) <= 253 and _LONG_NAME.fullmatch(text),
    "k8sshortname": lambda text: len(text) <= 63 and _SHORT_NAME.fullmatch(text),
    "mac": _matches(
        r"(?:[0-9a-fA-F]{2}([:-])(?:[0-9a-fA-F]{2}\1){4}(?:[0-9a-fA-F]{2}\1[0-9a-fA-F]{2}\1)?[0-9a-fA-F]{2})"
        r"|(?:[0-9a-fA-F]{4}\.){2,3}[0-9a-fA-F]{4}"
    ),
    "password": lambda text: True,
    "rgbcolor": _matches(rf"rgb\(\s*{_BYTE}\s*,\s*{_BYTE}\s*,\s*{_BYTE}\s*\)"),
    "ssn": _matches("[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4}"),
    "uri": _is_uri,
    "uuid": _uuid(""),
    "uuid3": _uuid("3"),
    "uuid4": _uuid("4"),
    "uuid5": _uuid("5"),
}
