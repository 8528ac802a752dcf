"""Everything below /r/: what a client's link opens. One guard stands in front of every path."""

import hmac
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, current_app, g, make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

import database
from app import log
from app.delivery import store as deliveries
from app.delivery.api import open_originals
from app.delivery.archive import Archive
from app.delivery.making import Maker
from app.errors import AppError, Conflict, Message, NotFound, TryLater, message
from app.images import previews
from app.rounds import store
from app.rounds.rules import MAX_PASSWORD, Round, RoundState, Shown, TooOften, digest_of, is_password, pass_of
from app.rounds.rules import read_marks as marks_in
from app.rounds.submission import submit as submit_round
from app.tables.check import Checker
from app.web.downloads import as_attachment, start_stream, zip_response
from app.web.error_handlers import STATUS
from app.web.i18n import gettext, translator
from app.web.middleware import SAFE_METHODS
from app.web.middleware.login import came_by_https, client_address, client_key
from app.web.params import json_body
from app.web.serializers import failure, success
from app.web.services import Slots, connection, services
from app.web.submit import row_reader

bp = Blueprint("client", __name__, url_prefix="/r")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_KEY = "rounds"
_HOUR = 3600
_HEADERS = {
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
}
_MINUTE, _STRANGE_TRIES, _MOST_STRANGERS = 60.0, 30, 10_000
_GONE = "这个链接打不开了，请向给您发链接的人要一个新的"
_NO_PICTURE = "这张图片已经拿掉了"
_BROKEN = "现在打不开，请过一会儿再试"
_STRANGE = "请求的格式不对"
_PAGES = ("client.page", "client.enter", "client.nothing")


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What the clients of a process may do at once."""

    drawing: Slots = field(default_factory=lambda: Slots(4, "正在准备图片，请稍后再试", retry_after=1))
    turns: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(2))
    archives: Slots = field(default_factory=lambda: Slots(1, "别人正在下载，请稍后再试", retry_after=10))
    passwords: threading.Lock = field(default_factory=threading.Lock)
    strangers: dict[str, tuple[float, int]] = field(default_factory=dict)


@bp.record_once
def _set_up(state: Any) -> None:
    state.app.extensions[_KEY] = _Bounds()


def _bounds() -> _Bounds:
    found: _Bounds = current_app.extensions[_KEY]
    return found


@bp.before_request
def _guard() -> Response | None:
    """Let nobody pass without a link that can be opened, and its password; what was found is ``g.round``."""
    token = str((request.view_args or {}).get("token", ""))
    found = store.find_link(connection(), digest_of(token), datetime.now(UTC)) if token else None
    if found is None:
        _count_stranger()
        raise NotFound(_GONE)
    g.round = found
    if not found.password_digest or request.endpoint == "client.enter":
        return None
    name, value = pass_of(found)
    if hmac.compare_digest(request.cookies.get(name, "").encode(), value.encode()):
        return None
    if request.endpoint == "client.page" and request.method in SAFE_METHODS:
        return make_response(render_template("rounds/password.html", problem=""))
    return failure("请先输入密码", 401)


def _count_stranger() -> None:
    """Count an address that tries links which nobody can open. Raises TooOften.

    A right link is never kept waiting; tokens of 256 bits cannot be guessed, so this only bounds the work.
    """
    strangers, now, client = _bounds().strangers, time.monotonic(), client_key(client_address())
    began, tries = strangers.get(client, (now, 0))
    began, tries = (now, 0) if now - began > _MINUTE else (began, tries)
    if tries >= _STRANGE_TRIES:
        raise TooOften(_GONE, retry_after=round(began + _MINUTE - now) + 1)
    if len(strangers) >= _MOST_STRANGERS:
        strangers.clear()
    strangers[client] = began, tries + 1


@bp.after_request
def _add_headers(response: Response) -> Response:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


@bp.errorhandler(AppError)
def _on_app_error(error: AppError) -> Response:
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    status = 429 if isinstance(error, TooOften) else status
    if status >= 500 and not isinstance(error, TryLater):
        log.event("web", "error", status=status, why=error.message)
        return _problem(message(_BROKEN), status)  # sentences of the disk and the database name paths
    answer = _problem(error.message, status)
    if isinstance(error, TryLater) and error.retry_after:
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


@bp.errorhandler(database.Error)
def _on_database_error(_error: database.Error) -> Response:
    log.exception("web", "database_unreadable")
    return _problem(message(_BROKEN), 503)


@bp.errorhandler(HTTPException)
def _on_http_error(error: HTTPException) -> Response:
    status = error.code or 500
    return _problem(message(_BROKEN if status >= 500 else _GONE if status == 404 else _STRANGE), status)


def _problem(sentence: Message, status: int, **fields: Any) -> Response:
    """A page where somebody opened a page, else JSON."""
    if request.endpoint in _PAGES:
        page = "rounds/gone.html" if sentence.id == _GONE else "rounds/broken.html"
        return make_response(render_template(page, problem=sentence), status)
    return failure(sentence, status, **fields)


@bp.get("/<token>", strict_slashes=False)
def page(token: str) -> str:
    """The page of the round, which reads its state."""
    return render_template("rounds/page.html", token=token)


@bp.post("/<token>", strict_slashes=False)
def enter(token: str) -> Response:
    """Check the password: a cookie of this round and this password, or the form again."""
    asked: Round = g.round
    target = redirect(url_for("client.page", token=token), 303)
    if not asked.password_digest:
        return target
    attempt, key = (
        request.form.get("password", "")[:MAX_PASSWORD],
        f"{asked.id} {client_key(client_address())}",
    )
    if not _bounds().passwords.acquire(blocking=False):
        return _ask_again(message("请 1 秒后再试"), 429, 1)
    try:
        wait = database.start_attempt(connection(), key, now=time.time())
        is_right = wait <= 0 and is_password(attempt, asked.password_digest)
    finally:
        _bounds().passwords.release()
    if wait > 0:
        seconds = round(wait) + 1
        return _ask_again(message("密码错误次数过多，请 {seconds} 秒后再试", seconds=seconds), 429, seconds)
    if not is_right:
        return _ask_again(message("密码不对，请再试一次"), 403)
    database.forget_attempts(connection(), key)
    name, value = pass_of(asked)
    target.set_cookie(name, value, path="/r/", secure=came_by_https(), httponly=True, samesite="Lax")
    return target


def _ask_again(problem: Message, status: int, wait: int = 0) -> Response:
    answer = make_response(render_template("rounds/password.html", problem=problem), status)
    if wait:
        answer.headers["Retry-After"] = str(wait)
    return answer


@bp.get("/<token>/state")
def state(token: str) -> Response:
    """The round, and its pictures with what was said of them: these fields and no others."""
    del token
    asked: Round = g.round
    pictures = store.pictures_of(connection(), asked)
    shown = {
        "number": asked.number,
        "client": asked.client,
        "state": asked.state,
        "at_most": asked.at_most,
        "ends_at": asked.ends_at,
        "chosen": store.count_hearts(pictures),
        "download": "chosen" if asked.download else "none",
    }
    return success(round=shown, pictures=[_picture_json(picture) for picture in pictures])


def _picture_json(shown: Shown) -> dict[str, Any]:
    width, height = previews.size_of(shown.width, shown.height)
    found = {"n": shown.n, "label": shown.label, "width": width, "height": height, **_said(shown)}
    return found | ({"earlier": True} if shown.earlier_record_id else {})


def _said(shown: Shown) -> dict[str, Any]:
    return {"mark": shown.mark or None, "comment": shown.comment}


@bp.get("/<token>/pictures/<int:n>")
def picture(token: str, n: int) -> Response:
    """A preview of a picture of this round, or of the one that it follows."""
    del token
    asked: Round = g.round
    shown = next((each for each in store.pictures_of(connection(), asked) if each.n == n), None)
    record_id = shown and (shown.earlier_record_id if request.args.get("earlier") == "1" else shown.record_id)
    record = database.get_record_or_none(connection(), record_id or None)
    if record is None or record.deleted_at or not record.filename:
        raise NotFound(_NO_PICTURE)
    side = previews.LARGE if request.args.get("size") == "large" else previews.SMALL
    of_file = previews.File(services().settings.output_dir, record.id, record.sha256, asked.watermark)
    originals = open_originals()

    def read() -> bytes:
        return originals.read(record.filename, originals.key(connection(), record.filename))

    with ExitStack() as held:
        if not of_file.path(side).is_file():
            held.enter_context(_bounds().drawing)
            held.enter_context(_bounds().turns)
        response = Response(previews.preview(of_file, side, read), mimetype="image/jpeg")
    response.headers["Content-Disposition"] = f'inline; filename="{n}.jpg"'
    response.headers["Cache-Control"] = f"private, max-age={_HOUR}"
    return response


@bp.put("/<token>/marks")
def mark(token: str) -> Response:
    """Store what the client says of some pictures -> what counts now, also when it was refused."""
    del token
    wanted = marks_in(json_body())
    try:
        store.save_marks(connection(), g.round.id, wanted, now=datetime.now(UTC))
    except Conflict as refusal:
        return failure(refusal.message, 409, **_counted(wanted))
    return success(**_counted(wanted))


def _counted(wanted: Mapping[int, Any]) -> dict[str, Any]:
    of = store.get_round(connection(), g.round.id)
    pictures = store.pictures_of(connection(), of)
    return {
        "chosen": store.count_hearts(pictures),
        "at_most": of.at_most,
        "state": of.state,
        "marks": {str(each.n): _said(each) for each in pictures if each.n in wanted},
    }


@bp.post("/<token>/submit")
def submit(token: str) -> Response:
    """Submit the round; a second time answers the same."""
    del token
    done = submit_round(connection(), g.round.id, checker=Checker(reader=row_reader()))
    return success(state=done.state)


@bp.get("/<token>/chosen.zip")
def chosen(token: str) -> Response:
    """The pictures that were chosen, as the studio delivers them."""
    del token
    asked: Round = g.round
    if not asked.download or asked.state is not RoundState.SUBMITTED or not asked.delivery_id:
        raise NotFound("还没有可以下载的图片")
    maker = Maker(deliveries.get_delivery(connection(), asked.delivery_id), open_originals())
    if request.method == "HEAD":
        return Response(mimetype="application/zip")
    with ExitStack() as held:
        held.enter_context(_bounds().archives)
        archive = Archive(maker, services().settings, translator())
        pieces = archive.pieces()
        held.callback(pieces.close)
        response = zip_response(start_stream(pieces), archive.length, held.pop_all().close)
    name = gettext("选中的图片-第{number}轮.zip", number=asked.number)
    return as_attachment(response, name, f"{asked.number}.zip")


@bp.route("", methods=_METHODS, defaults={"token": "", "rest": ""}, strict_slashes=False)
@bp.route("/<token>", methods=_METHODS, defaults={"rest": ""}, strict_slashes=False)
@bp.route("/<token>/<path:rest>", methods=_METHODS)
def nothing(token: str, rest: str) -> Response:
    """Every other path and method."""
    raise NotFound(_GONE)
