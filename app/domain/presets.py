"""Presets: values of a request under a name, to be used again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.row_extras import read_affix
from app.domain.row_fields import OPTIONS
from app.domain.sizes import own_size
from app.domain.validation import READERS, normal_text
from app.errors import InvalidRequest

MAX_PRESETS = 100
MAX_PRESET_NAME_LENGTH = 40
# ``suffix`` is added to the prompt.
PRESET_FIELDS = ("aspect_ratio", "resolution", "negative_prompt", "suffix", "model", *OPTIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """``fields`` has those of PRESET_FIELDS that are set."""

    name: str
    fields: Mapping[str, Any]


def read_preset(name: str, fields: Mapping[str, Any]) -> Preset:
    """Validate an untrusted preset; empty fields are not set. Raises InvalidRequest, also without a field."""
    name = normal_text(name)
    if not 1 <= len(name) <= MAX_PRESET_NAME_LENGTH:
        raise InvalidRequest("name", "请写一个名字，最多 {limit} 字", limit=MAX_PRESET_NAME_LENGTH)
    given = {field: fields[field] for field in PRESET_FIELDS if fields.get(field) not in (None, "")}
    values = {
        field: read_affix(value, "suffix") if field == "suffix" else READERS[field](value)
        for field, value in given.items()
    }
    if own := own_size(values.get("resolution", "")) or own_size(values.get("aspect_ratio", "")):
        values |= {"aspect_ratio": own.aspect_ratio, "resolution": str(own)}  # it brings its ratio along
    kept = {field: value for field, value in values.items() if value not in (None, "")}
    if not kept:
        raise InvalidRequest("fields", "预设里至少要有一项")
    return Preset(name=name, fields=kept)
