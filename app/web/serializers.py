"""Types as JSON, and the JSON answers of the API."""

import dataclasses
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from flask import jsonify, url_for
from werkzeug.wrappers import Response

from app.domain import Batch, LogLine, ModelSpec, Record, SampleImage, Status
from app.errors import Message
from app.library.library import shown_at
from app.web.i18n.language import translate

Answer = Response | tuple[Response, int]

INTERNAL_FIELDS = (
    *("task_id", "attempts", "retries", "throttle_count", "crash_count"),
    *("not_before", "reserved_stem", "sha256"),
)


def yuan(amount: Decimal | None) -> float | None:
    """CNY as a JSON number; None when unknown."""
    return None if amount is None else round(float(amount), 4)


def record_json(record: Record) -> dict[str, Any]:
    """A record in the format of the API."""
    fields = {
        field.name: getattr(record, field.name)
        for field in dataclasses.fields(record)
        if field.name not in INTERNAL_FIELDS
    }
    wait = record.not_before - time.time()
    return fields | {
        "error": translate(record.error),
        "cost": yuan(record.cost),
        "at_stake": yuan(record.at_stake),
        "sample_images": [_reference_json(image) for image in record.sample_images],
        "url": picture_url(record),
        "thumbnail_url": url_for("media.thumbnail", record_id=record.id) if record.image_path else "",
        "retry_after": round(wait, 1) if wait > 0 else None,
        "charged": record.charged,
        "collectable": record.status is Status.UNKNOWN and bool(record.task_id),
    }


def picture_url(record: Record) -> str:
    """URL of the record's image, quoted; empty when there is none."""
    return url_for("media.output", name=record.filename) if record.image_path and record.filename else ""


def _reference_json(image: SampleImage) -> dict[str, str]:
    """A reference as used; its thumbnail URL stays valid when the original is renamed or deleted."""
    return {**dataclasses.asdict(image.pinned), "thumbnail_url": shown_at(image)}


def batch_json(batch: Batch) -> dict[str, Any]:
    """A batch in the format of the API."""
    return dataclasses.asdict(batch) | {
        "paused_reason": translate(batch.paused_reason),
        "counts": {status.value: number for status, number in batch.counts.items()},
        "cost": yuan(batch.cost),
        "at_stake": yuan(batch.at_stake),
        "estimated_cost": yuan(batch.estimated_cost),
    }


def log_json(line: LogLine) -> dict[str, Any]:
    """A log line in the format of the API."""
    return dataclasses.asdict(line) | {"text": translate(line.text)}


def translated_spec(spec: ModelSpec) -> ModelSpec:
    """The spec with its label and notes translated to the language of this request."""
    notes = {field: translate(note) for field, note in spec.field_notes.items()}
    return dataclasses.replace(spec, label=translate(spec.label), field_notes=notes)


def spec_json(spec: ModelSpec) -> dict[str, Any]:
    """A model spec as JSON, with sizes as ``"16:9|2K": {"size", "width", "height", "price"}``."""
    spec = translated_spec(spec)
    fields = {name: getattr(spec, name) for name in ("name", "label", "model_id", "prompt_limit")}
    fields["notes"] = dict(spec.field_notes)
    fields["sizes"] = sizes_json(spec)
    for name in ("max_references", "reference_form", "negative_prompt", "takes_seed", "takes_steps"):
        fields[name] = getattr(spec, name)
    fields["local_reference_problem"] = translate(spec.local_reference_problem)
    fields["price_extra_reference"] = yuan(spec.price_extra_reference)
    return fields


def sizes_json(spec: ModelSpec) -> dict[str, dict[str, Any]]:
    """``"16:9|2K"`` -> pixel size and price of one image without references; None when unknown."""
    return {
        f"{ratio}|{resolution}": {
            "size": str(size),
            "width": size.width,
            "height": size.height,
            "price": f"{spec.prices.get(resolution, Decimal(0)).normalize():f}" if spec.is_priced else None,
        }
        for (ratio, resolution), size in spec.sizes.items()
    }


def success(fields: Mapping[str, Any] | None = None, status: int = 200) -> Answer:
    """``{"success": true, …}``."""
    return jsonify({"success": True, **(fields or {})}), status


def failure(sentence: str | Message, status: int, **fields: Any) -> Answer:
    """``{"success": false, "error": sentence, …}``; newlines become spaces."""
    line = " ".join(translate(sentence).splitlines())
    return jsonify({"success": False, "error": line, **fields}), status
