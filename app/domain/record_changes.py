"""Changes of what a record asks for, before it is made again. Nothing in their words is replaced."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.domain.records import Record
from app.domain.requests import ImageRequest
from app.domain.row_fields import CHANGEABLE
from app.domain.sizes import own_size
from app.domain.validation import READERS
from app.errors import InvalidRequest, Message, message

Changes = Mapping[str, Any]  # field -> its new value, as an ImageRequest has it

_MAX_SHOWN = 200


def read_changes(fields: Mapping[str, Any]) -> tuple[dict[str, Any], list[InvalidRequest]]:
    """Parse untrusted fields -> (the changes, the problems with the others); null changes nothing.

    An own size changes the ratio too.
    """
    changes: dict[str, Any] = {}
    problems: list[InvalidRequest] = []
    for name, value in fields.items():
        if value is not None:
            try:
                changes[name] = READERS[name](value)
            except InvalidRequest as problem:
                problems.append(problem)
    own = own_size(changes.get("aspect_ratio", "")) or own_size(changes.get("resolution", ""))
    if own and len(changes.keys() & {"aspect_ratio", "resolution"}) == 1:
        changes |= {"aspect_ratio": own.aspect_ratio, "resolution": str(own)}
    return changes, problems


def changed_request(record: Record, changes: Changes) -> ImageRequest:
    """The request of the record with these changes, and with pinned references."""
    request = replace(record.request, **changes)
    return replace(request, sample_images=tuple(image.pinned for image in request.sample_images))


def differing(record: Record, changes: Changes) -> dict[str, Any]:
    """Those of the changes whose value the record does not have yet."""
    before, after = record.request, changed_request(record, changes)
    return {name: changes[name] for name in changes if getattr(before, name) != getattr(after, name)}


def earlier_values(record: Record, changes: Changes) -> tuple[Message, ...]:
    """What the record has in the changed fields, cut to a line of a log."""
    return tuple(_shown(getattr(record, name)) for name in CHANGEABLE if name in changes)


def _shown(value: Any) -> Message:
    text = value if isinstance(value, str) else "、".join(image.filename for image in value)
    if not text:
        return message("（空）")
    return message("「{value}」", value=text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…")
