"""Stored values to Python values and back."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from app.errors import Message

MICROS = 1_000_000

# A condition on a list of ids, passed as the parameter ``ids`` = ``SqlList(…)``.
IN_IDS = "IN (SELECT value FROM json_each(:ids))"
_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class SqlList(list[Any]):
    """A list as a parameter, of IN_IDS for example: JSON for SQLite, an array for PostgreSQL."""


def utc_now() -> str:
    """The present time as UTC text with milliseconds."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]


def yuan(micros: int | None) -> Decimal:
    """Stored micro-yuan -> CNY."""
    return Decimal(micros or 0) / MICROS


def priced(micros: int | None, unpriced: int | None) -> Decimal | None:
    """A sum in micro-yuan -> CNY; None when some of its prices are unknown."""
    return None if unpriced else yuan(micros)


def micros(amount: Decimal) -> int:
    """CNY -> micro-yuan, as stored."""
    return int((amount * MICROS).to_integral_value())


def text_of(raw: bytes) -> str:
    """Decode as UTF-8 or GB18030, else as UTF-8 with ``�`` for invalid bytes."""
    for coding in ("utf-8", "gb18030"):
        with suppress(UnicodeDecodeError):
            return raw.decode(coding)
    return raw.decode("utf-8", "replace")


def number_of(raw: bytes) -> int | None:
    """Decode an integer that numpy stored as 4 or 8 little-endian bytes; None for other lengths."""
    return int.from_bytes(raw, "little", signed=True) if len(raw) in (4, 8) else None


def quoted(name: str) -> str:
    """Quote a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def to_message(text: str, stored: str) -> Message:
    """A sentence from its two columns; rows of earlier versions have only its text."""
    return Message.from_json(stored) if stored else Message(text)


def message_json(sentence: Message) -> str:
    """What is stored beside the text of a message; empty when the text is all there is."""
    return sentence.to_json() if sentence.values else ""


def object_text(items: Mapping[str, Any]) -> str:
    """Own columns, templates or marks -> the JSON stored in their column; empty when there are none."""
    return _ENCODE(items) if items else ""


def object_of(text: str) -> dict[str, Any]:
    """The stored own columns, templates or marks; empty when the text is no JSON object."""
    if not text:
        return {}
    with suppress(ValueError):
        found = json.loads(text)
        return found if isinstance(found, dict) else {}
    return {}


def objects_of(texts: Iterable[str]) -> Mapping[str, Mapping[str, Any]]:
    """The same of many texts, by text; they are read at once, which takes a third of the time."""
    distinct = [*{*texts} - {""}]
    with suppress(ValueError):
        found = json.loads(f"[{','.join(distinct)}]")
        if len(found) == len(distinct) and all(isinstance(each, dict) for each in found):
            return dict(zip(distinct, found, strict=True))
    return {text: object_of(text) for text in distinct}
