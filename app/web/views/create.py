"""The pages 单图生成 and 批量生成, and the image files they show."""

import secrets
from typing import Any

from flask import Blueprint, current_app, redirect, render_template, request, send_file, url_for
from werkzeug.wrappers import Response

import database
from app.domain import CONTENT_FIELDS, ImageRequest, Record
from app.errors import CAUSES, InvalidRequest, KeyReused, NotFound
from app.images import store
from app.library.library import shown_at
from app.web.i18n.language import translate
from app.web.params import int_arg
from app.web.serializers import sizes_json
from app.web.services import connection, services
from app.web.submit import RowErrors, asked_key, submit_rows

RESULTS_SHOWN = 60
_YEAR = 365 * 24 * 3600
pages = Blueprint("pages", __name__)
pages.add_app_template_filter(shown_at, "reference_thumbnail")


@pages.get("/")
def index() -> str:
    """单图生成; ``?from=<record id>`` fills the form with the request of that record."""
    origin = int_arg("from")
    draft = database.get_record(connection(), origin).request if origin else None
    return _index_page(draft=draft)


@pages.post("/")
def generate() -> tuple[str, int] | Response:
    """The form without JavaScript: queue one row, once per rendered page, and redirect to the page."""
    fields = request.form.to_dict()
    try:
        _queue_once(fields)
    except (InvalidRequest, RowErrors) as problem:
        return _index_page(problem=problem, typed=fields), 400
    return redirect(url_for("pages.index"), 303)


def _queue_once(fields: dict[str, str]) -> None:
    try:
        submit_rows([fields], source="single", key=asked_key(fields))
    except KeyReused:  # the browser went back to the same page and changed the form
        submit_rows([fields], source="single")


def _index_page(draft: ImageRequest | None = None, **context: Any) -> str:
    results = database.list_single_records(connection(), limit=RESULTS_SHOWN)
    paused = database.list_paused_reasons(connection(), source="single")
    sizes = sizes_json(services().model.spec)
    return render_template(
        "index.html",
        results=results,
        paused=paused,
        draft=draft,
        sizes=sizes,
        request_id=secrets.token_hex(16),
        **context,
    )


@pages.get("/batch")
def batch() -> str:
    """批量生成: the draft, or with ``?id=`` a submitted batch."""
    batch_id = request.args.get("id", "")
    shown = database.get_batch(connection(), batch_id) if batch_id else None
    prices = {size: offer["price"] for size, offer in sizes_json(services().model.spec).items()}
    causes = {cause: translate(words) for cause, words in CAUSES.items()}
    return render_template(
        "batch.html", batch=shown, prices=prices, causes=causes, content_fields=CONTENT_FIELDS
    )


@pages.get("/favicon.ico")
def favicon() -> Response:
    """The icon, for clients that request it without reading a page."""
    return current_app.send_static_file("favicon.ico")


@pages.get("/output/<path:name>")
def output(name: str) -> Response:
    """An output file as stored."""
    try:
        path = store.open_output(services().settings.output_dir, name)
    except NotFound:
        return _from_bucket(name, small=False)
    return send_file(path.absolute(), conditional=True, max_age=3600)


@pages.get("/thumbnails/<int:record_id>")
def thumbnail(record_id: int) -> Response:
    """A record's picture at 320 px; recreated when missing."""
    record = _record_with_image(record_id)
    try:
        path = store.ensure_thumbnail(services().settings.output_dir, record.id, record.filename)
    except NotFound:
        return _from_bucket(record.filename, small=True)
    return send_file(path.absolute(), mimetype="image/webp", conditional=True, max_age=_YEAR)


def _from_bucket(name: str, *, small: bool) -> Response:
    """Redirect to the OSS backup of a picture missing locally. Raises NotFound when there is none."""
    copies, key = services().worker.copies, database.find_output_copy(connection(), name)
    if copies is None or not key:
        raise NotFound("找不到这张图片，可能已被移走或删除")
    answer = redirect(copies.thumbnail(key) if small else copies.address(key), 302)
    answer.headers["Cache-Control"] = "private, max-age=3600"
    return answer


def _record_with_image(record_id: int) -> Record:
    record = database.get_record(connection(), record_id, trash=True)
    if not record.filename:
        raise NotFound("这条记录还没有图片")
    return record
