"""Response formats: types as JSON, errors as an HTML page or JSON."""

import dataclasses
import json
import time
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

from flask import Flask, jsonify, make_response, render_template, request, url_for
from werkzeug.exceptions import BadHost, HTTPException
from werkzeug.wrappers import Response

from app import errors, log
from app.domain import MAX_ROWS_A_BATCH, Batch, LogLine, ModelSpec, Record, SampleImage, Status
from app.library.library import FILES_URL, THUMBNAILS_URL, shown_at
from app.web.i18n.language import translate

MAX_UPLOAD_BYTES = 64 * 2**20  # of a whole request

# One byte of JSON can become a list of sixty. Brackets in prompts count too, hence a hundred a row.
MAX_JSON_LISTS = 100 * MAX_ROWS_A_BATCH
MAX_JSON_VALUES = 300 * MAX_ROWS_A_BATCH

Answer = Response | tuple[Response, int]

# HTTP status of each error class; subclasses use their nearest ancestor. Defined only here.
STATUS = {
    errors.InvalidRequest: 400,
    errors.SpreadsheetError: 400,
    errors.TooLarge: 413,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.KeyReused: 422,
    errors.TryLater: 503,
    errors.ModelError: 502,
    errors.BucketError: 502,
    errors.StoreLost: 503,
    errors.StorageError: 507,
    errors.AppError: 500,
}


def too_large(limit: int) -> str:
    """The error message for a body above the limit."""
    size = f"{limit // 2**20} MB" if limit >= 2**20 else f"{limit // 2**10} KB"
    return f"上传的内容太大，一次最多 {size}，请压缩或分几次上传"


_HTTP_SENTENCES = {
    400: "请求的格式不对",
    404: "没有这个页面",
    405: "这个地址不接受这种请求",
    413: too_large(MAX_UPLOAD_BYTES),
    415: "请以 JSON 提交",
    500: "程序内部出错，详情在日志里",
}
INTERNAL_FIELDS = {
    "task_id",
    "attempts",
    "retries",
    "throttle_count",
    "not_before",
    "reserved_stem",
    "sha256",
    "crash_count",
}
_PICTURES = ("/output/", "/thumbnails/", FILES_URL, THUMBNAILS_URL)
_PASSED_HEADERS = ("Allow", "Content-Range", "Retry-After")


def init_error_handlers(app: Flask) -> None:
    """Register the handlers of AppError and HTTPException."""
    app.register_error_handler(errors.AppError, _on_app_error)
    app.register_error_handler(HTTPException, _on_http_error)


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


def json_body(*known: str) -> dict[str, Any]:
    """The posted JSON object; with ``known`` names, others are refused.

    Raises InvalidRequest, or TooLarge before parsing.
    """
    text = request.get_data()
    if text.count(b"[") + text.count(b"{") > MAX_JSON_LISTS or text.count(b",") > MAX_JSON_VALUES:
        raise errors.TooLarge(f"提交的内容太多，一次最多 {MAX_ROWS_A_BATCH} 行，请分几次提交")
    try:
        body = request.get_json(silent=True)
        if b"\\" in text:
            body = _without_half_characters(body)
    except RecursionError:  # thousands of nested brackets
        body = None
    if not isinstance(body, dict):
        raise errors.InvalidRequest("", "请以 JSON 对象提交")
    if known:
        only_known(body, known)
    return body


def only_known(fields: Mapping[str, Any], names: Collection[str]) -> None:
    """Refuse unknown names: a mistyped filter would change more than intended."""
    for name in fields:
        if name not in names:
            raise errors.InvalidRequest(name[:50], f"没有「{name[:50]}」这一项，可写：{'、'.join(names)}")


def _without_half_characters(body: Any) -> Any:
    """``"\\ud83d"`` alone is a lone surrogate, which cannot be stored or encoded: becomes ``?``."""
    return json.loads(json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"))


def success(fields: Mapping[str, Any] | None = None, status: int = 200) -> Answer:
    """``{"success": true, …}``."""
    return jsonify({"success": True, **(fields or {})}), status


def failure(sentence: str | errors.Message, status: int, **fields: Any) -> Answer:
    """``{"success": false, "error": sentence, …}``; newlines become spaces."""
    line = " ".join(translate(sentence).splitlines())
    return jsonify({"success": False, "error": line, **fields}), status


def _on_app_error(error: errors.AppError) -> Any:
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    if status >= 500:
        log.event("web", "error", status=status, why=error.message)
    field = {"field": error.field} if isinstance(error, errors.InvalidRequest) and error.field else {}
    answer = make_response(_error_response(error.message, status, **field))
    if isinstance(error, errors.TryLater) and error.retry_after:
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def _on_http_error(error: HTTPException) -> Any:
    status = error.code or 500
    if status < 400:
        return error
    answer = make_response(_error_response(_HTTP_SENTENCES.get(status, "请求没有成功"), status))
    for name, value in error.get_headers():
        if name in _PASSED_HEADERS:
            answer.headers[name] = value
    return answer


def _error_response(sentence: str | errors.Message, status: int, **fields: Any) -> Any:
    if _wants_json():
        return failure(sentence, status, **fields)
    if request.path.startswith("/live/") or isinstance(request.routing_exception, BadHost):
        return Response(translate(sentence), status, mimetype="text/plain")  # url_for would fail in a page
    return render_template("error.html", sentence=translate(sentence), status=status), status


def _wants_json() -> bool:
    """True for API calls and for images, unless a browser opens an image as a page."""
    if request.path.startswith(_PICTURES):
        return request.accept_mimetypes.best_match(["application/json", "text/html"]) != "text/html"
    return request.path.startswith("/api/") or request.path == "/healthz"
