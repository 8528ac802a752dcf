"""What is known of a finished file, and the note that goes with a delivery: one page of text."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.delivery.checks import Check
from app.errors import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A finished file, or with ``error`` why it could not be made.

    ``has_mark``: the implicit AI mark was carried over; ``c2pa`` is ``kept``, ``left`` or empty.
    """

    bytes: int = 0
    width: int = 0
    height: int = 0
    sha256: str = ""
    checks: Sequence[Check] = ()
    changes: Sequence[Message] = ()
    has_mark: bool = False
    c2pa: str = ""
    error: Message | None = None

    def to_json(self, number: int) -> str:
        """A line of the journal."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return json.dumps([number, fields], default=_stored, ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> tuple[int, "Made"]:
        """The (place, file) that ``to_json`` has written. Raises ValueError, KeyError and TypeError."""
        number, fields = json.loads(line)
        checks = [Check(**{name: _read(value) for name, value in one.items()}) for one in fields["checks"]]
        changes = [*map(_read, fields["changes"])]
        error = fields["error"] and _read(fields["error"])
        return number, cls(**{**fields, "checks": checks, "changes": changes, "error": error})


def _stored(value: Any) -> Any:
    if isinstance(value, Message):
        return {"message": value.to_json()}
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _read(value: Any) -> Any:
    return Message.from_json(value["message"]) if isinstance(value, dict) else value
