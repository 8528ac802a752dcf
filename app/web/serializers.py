"""Domain types as JSON, and the JSON answers of the API."""

import dataclasses
import json
from decimal import Decimal
from typing import Any

from flask import Flask, jsonify, url_for
from flask.json.provider import DefaultJSONProvider
from werkzeug.wrappers import Response

import database
from app.domain import (
    ASPECT_RATIOS,
    OPTIONS,
    RESOLUTIONS,
    BatchModel,
    ModelSpec,
    Record,
    Status,
    edge_problem,
)
from app.errors import Message
from app.library.library import shown_at
from app.web.i18n import translate
from app.web.services import connection, services
from app.worker.engines import Pace

INTERNAL_FIELDS = (
    *("task_id", "attempts", "retries", "throttle_count", "crash_count"),
    *("not_before", "reserved_stem", "sha256", "position", "options"),
)
_RECORD_FIELDS = [name for name in Record.__dataclass_fields__ if name not in INTERNAL_FIELDS]


def init_json(app: Flask) -> None:
    """Let JSON contain amounts, messages and domain types."""
    app.json = JsonProvider(app)


class JsonProvider(DefaultJSONProvider):
    """Amounts as numbers in CNY, messages in the language of the request, dataclasses by their fields.

    A model of a batch has its ``label`` too.
    """

    ensure_ascii = False
    sort_keys = False  # own columns are in the sheet's order

    @staticmethod
    def default(value: Any) -> Any:
        """The JSON form of another type."""
        if isinstance(value, Decimal):
            return round(float(value), 4)
        if isinstance(value, Message):
            return translate(value)
        if dataclasses.is_dataclass(value):
            fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
            if isinstance(value, BatchModel):
                fields["label"] = translate(services().label_of(value.model))
            return fields
        return DefaultJSONProvider.default(value)


def record_json(record: Record) -> dict[str, Any]:
    """A record in the format of the API."""
    fields = {name: getattr(record, name) for name in _RECORD_FIELDS}
    request, wait = record.request, record.not_before and record.not_before - database.now(connection())
    return fields | {
        "sample_images": [  # their thumbnails stay when the original is renamed or deleted
            {**dataclasses.asdict(image.pinned), "thumbnail_url": shown_at(image)}
            for image in record.sample_images
        ],
        "url": picture_url(record),
        "thumbnail_url": url_for("media.thumbnail", record_id=record.id) if record.image_path else "",
        "retry_after": round(wait, 1) if wait > 0 else None,
        "charged": record.charged,
        "pick": record.pick or None,
        **{name: getattr(request, name) for name in OPTIONS},
        "edit": _edit_json(record),
        "collectable": record.status is Status.UNKNOWN and bool(record.task_id),
    }


def _edit_json(record: Record) -> dict[str, Any] | None:
    """How the picture was changed from another; None when it was not."""
    if not (edit := record.request.edit):
        return None
    is_laid = record.marks.get("laid", False) is not False
    return {
        "kind": edit.kind,
        "problem": translate(problem) if (problem := edge_problem(record.marks)) else "",
        "answer": url_for("api.edit.answer_of", record_id=record.id) if is_laid else "",
    }


def picture_url(record: Record) -> str:
    """URL of the record's image, quoted; empty when there is none."""
    return url_for("media.output", name=record.filename) if record.image_path and record.filename else ""


def translated_spec(spec: ModelSpec) -> ModelSpec:
    """The spec with its label and notes translated to the language of this request."""
    notes = {field: translate(note) for field, note in spec.field_notes.items()}
    return dataclasses.replace(spec, label=translate(spec.label), field_notes=notes)


def spec_json(spec: ModelSpec) -> dict[str, Any]:
    """A model spec as JSON, with sizes as ``"16:9|2K": {"size", "width", "height", "price"}``."""
    names = (
        *("name", "label", "model_id", "prompt_limit", "max_references", "reference_form"),
        *("negative_prompt", "takes_seed", "takes_steps", "price_extra_reference", "included_references"),
    )
    shown = translated_spec(spec)
    return {name: getattr(shown, name) for name in names} | {
        "notes": shown.field_notes,
        "sizes": sizes_json(spec),
        "own_sizes": own_sizes_json(spec),
        "options": {
            name: {"low": of.start, "high": of.stop - 1} if isinstance(of, range) else list(of)
            for name, of in spec.options.items()
        },
        "local_reference_problem": translate(spec.local_reference_problem),
    }


def pace_json(pace: Pace) -> dict[str, Any]:
    """What was learnt of the model in use: seconds a picture takes, and how many may be under way."""
    seconds = pace.seconds
    return {
        "seconds": {"low": seconds[0], "high": seconds[1]} if seconds else None,
        "concurrency": pace.concurrency,
    }


def sizes_json(spec: ModelSpec) -> dict[str, dict[str, Any]]:
    """``"16:9|2K"`` -> pixel size and price of one image without references; None when unknown.

    ``qualities``, if the price depends on it: quality -> price.
    """
    offers = {}
    for (ratio, resolution), size in spec.sizes.items():
        offer = {"size": str(size), "width": size.width, "height": size.height, "price": None}
        of_tokens = spec.token_prices.of(size) if spec.token_prices else {}
        prices = {name: f"{price.normalize():f}" for name, price in of_tokens.items()}
        if spec.is_priced:
            price = prices.pop("", f"{spec.prices.get(resolution, Decimal(0)).normalize():f}")
            offer |= {"price": price} | ({"qualities": prices} if prices else {})
        offers[f"{ratio}|{resolution}"] = offer
    return offers


def ratios_of(spec: ModelSpec) -> list[str]:
    """The ratios that a model takes, the common ones first."""
    taken = {ratio for ratio, _ in spec.sizes}
    return [ratio for ratio in ASPECT_RATIOS if ratio in taken]


def own_sizes_json(spec: ModelSpec) -> dict[str, Any] | None:
    """The bounds of own sizes, ``rule`` in words, and what they cost; None where there are none.

    ``prices``: of one image without references, by the most pixels that it may have (null: any larger one),
    and ``tokens``: what the price follows from where the service counts them.
    """
    rule, tokens = spec.own_sizes, spec.token_prices
    if not rule:
        return None
    lines = [*rule.lines, None]
    prices = [
        {"pixels": line, "price": f"{spec.prices[tier].normalize():f}" if spec.is_priced else None}
        for line, tier in zip(lines, RESOLUTIONS, strict=False)
    ]
    names = ("multiple_of", "min_side", "max_side", "min_area", "max_area", "max_ratio")
    return {
        **{name: getattr(rule, name) for name in names},
        "rule": translate(rule.in_words),
        "prices": prices,
        "tokens": tokens and {"units": tokens.units, "usual": tokens.usual, "each": f"{tokens.each:f}"},
    }


def success(*, status: int = 200, **fields: Any) -> Response:
    """``{"success": true, …}``."""
    response = jsonify(success=True, **fields)
    response.status_code = status
    return response


def large_success(**fields: Any) -> Response:
    """As ``success``, in a third of the time: the keys are not sorted, and Chinese is not escaped."""
    content = {"success": True, **fields}
    text = json.dumps(content, default=JsonProvider.default, ensure_ascii=False, separators=(",", ":"))
    return Response(text, mimetype="application/json")


def failure(sentence: str | Message, status: int, **fields: Any) -> Response:
    """``{"success": false, "error": sentence, …}``; newlines become spaces."""
    response = jsonify(success=False, error=" ".join(translate(sentence).splitlines()), **fields)
    response.status_code = status
    return response
