"""Everything below /r/: what a client's link opens, one guard in front of every path; the studio's dialog."""

import hmac
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, current_app, g, make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

import database
from app import log
from app.delivery.archive import open_maker, send_zip
from app.domain.people import is_password, secret_digest
from app.errors import AppError, Conflict, Forbidden, Message, NotFound, TryLater, message
from app.images import previews
from app.rounds import api, rules, sql, submission
from app.rounds.pictures import drawing_of
from app.rounds.rules import Round, RoundState, Shown, TooOften
from app.tables.check import Checker
from app.web.downloads import as_attachment
from app.web.error_handlers import STATUS
from app.web.i18n import gettext, translator
from app.web.params import json_body
from app.web.person import came_by_https, client_address, client_key
from app.web.security import SAFE_METHODS
from app.web.serializers import failure, success
from app.web.services import CLIENT_ANSWERS, PICTURE_NOTES, Slots, connection, services
from app.web.submit import row_reader

bp = Blueprint("client", __name__, url_prefix="/r")
BLUEPRINTS = (api.bp, bp)
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_HEADERS = {
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
}
_MINUTE, _DAY, _MOST_TRIES, _TRIES_A_DAY, _MOST_STRANGERS = 60.0, 86_400.0, 30, 1_000, 10_000
_GONE = "这个链接打不开了，请向给您发链接的人要一个新的"
_PAGES = ("client.page", "client.enter", "client.nothing")


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What the clients of a process may do at once, and the wrong links by address."""

    archives: Slots = field(default_factory=lambda: Slots(1, "别人正在下载，请稍后再试", retry_after=10))
    strangers: dict[str, tuple[float, int]] = field(default_factory=dict)
    passwords: Slots = field(default_factory=lambda: Slots(1, "请 1 秒后再试", retry_after=1))


@bp.record_once
def _set_up(state: Any) -> None:
    state.app.extensions[__name__] = _Bounds()
    state.app.extensions |= {PICTURE_NOTES: sql.client_marks, CLIENT_ANSWERS: sql.client_answers}


def _bounds() -> _Bounds:
    found: _Bounds = current_app.extensions[__name__]
    return found


@bp.context_processor
def _studio() -> dict[str, str]:
    return {"studio": services().settings.studio_name}


@bp.before_request
def _guard() -> Response | None:
    """Let nobody pass without a link that can be opened, and its password; what was found is ``g.round``."""
    token = str((request.view_args or {}).get("token", ""))
    found = sql.find_link(connection(), secret_digest(token), datetime.now(UTC))
    if found is None:
        _count_stranger()
        raise NotFound(_GONE)
    g.round = found
    name, value = rules.pass_of(found)
    is_let_in = hmac.compare_digest(request.cookies.get(name, "").encode(), value.encode())
    if is_let_in or not found.password_digest or request.endpoint == "client.enter":
        return None
    if request.endpoint == "client.page" and request.method in SAFE_METHODS:
        return make_response(render_template("rounds/password.html", problem=""))
    return failure("请先输入密码", 401)


def _count_stranger() -> None:
    """Count a wrong link of an address. Raises TooOften past 30 a minute: what cannot be guessed is no more
    than work. Nothing is stored, and a right link never waits."""
    strangers, now, client = _bounds().strangers, time.monotonic(), client_key(client_address())
    began, tries = strangers.get(client, (now, 0))
    if now - began > _MINUTE:
        began, tries = now, 0
    if len(strangers) > _MOST_STRANGERS:
        strangers.clear()
    strangers[client] = began, tries + 1
    if tries >= _MOST_TRIES:
        raise TooOften(_GONE, retry_after=math.ceil(began + _MINUTE - now))


@bp.after_app_request
def _add_headers(response: Response) -> Response:
    """Also to what no view of this module answers: a redirect of a path, an unknown verb or host."""
    if request.path.startswith("/r/"):
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
    return response


@bp.errorhandler(AppError)
@bp.errorhandler(database.Error)
@bp.errorhandler(HTTPException)
def _on_error(error: AppError | database.Error | HTTPException) -> Response:
    """One sentence; not that of a disk or a database, which names paths."""
    sentence, status = message("请求的格式不对"), getattr(error, "code", None) or 500
    if isinstance(error, AppError):
        sentence = error.message
        status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    if status >= 500 and not isinstance(error, TryLater):
        log.event("web", "error", status=status, why=error)
        return _problem(message("现在打不开，请过一会儿再试"), status)
    answer = _problem(sentence, 429 if isinstance(error, TooOften) else status)
    if isinstance(error, TryLater):
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def _problem(sentence: Message, status: int, **fields: Any) -> Response:
    """The form of the password, or a page, where somebody opened one; else JSON."""
    if request.endpoint == "client.enter" and "round" in g:
        return make_response(render_template("rounds/password.html", problem=sentence), status)
    if request.endpoint in _PAGES:
        shown = 404 if sentence.id == _GONE else status
        return make_response(render_template("rounds/gone.html", problem=sentence, status=shown), status)
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
    attempt = request.form.get("password", "")[: rules.MAX_PASSWORD]
    client, link = f"{asked.id} {client_key(client_address())}", f"round {asked.token_digest[:32]}"
    own, a_minute = database.Limit(client), database.Limit(f"{link} minute", _MOST_TRIES, _MINUTE)
    limits = own, a_minute, database.Limit(f"{link} day", _TRIES_A_DAY, _DAY)
    with _bounds().passwords:
        if (wait := math.ceil(database.start_attempt(connection(), *limits, now=time.time()))) > 0:
            raise TooOften("密码错误次数过多，请 {seconds} 秒后再试", seconds=wait, retry_after=wait)
        is_right = is_password(attempt, asked.password_digest)
    if not is_right:
        raise Forbidden("密码不对，请再试一次")
    database.forget_attempts(connection(), own)
    name, value = rules.pass_of(asked)
    target.set_cookie(name, value, path="/r/", secure=came_by_https(), httponly=True, samesite="Lax")
    return target


@bp.get("/<token>/state")
def state(token: str) -> Response:
    """The round, and its pictures with what was said of them: these fields and no others."""
    asked: Round = g.round
    pictures = sql.pictures_of(connection(), asked)
    shown = {name: getattr(asked, name) for name in ("number", "client", "state", "at_most", "ends_at")}
    shown["chosen"] = rules.counts(pictures)["chosen"]
    shown["download"] = "chosen" if asked.download else "none"
    return success(
        round=shown,
        pictures=[
            {"n": picture.n, "label": picture.label}
            | dict(zip(("width", "height"), previews.size_of(picture.width, picture.height), strict=True))
            | _mark_json(picture)
            | ({"earlier": True} if picture.earlier_record_id else {})
            for picture in pictures
        ],
    )


def _mark_json(shown: Shown) -> dict[str, Any]:
    return {"mark": shown.mark or None, "comment": shown.comment}


@bp.get("/<token>/pictures/<int:n>")
def picture(token: str, n: int) -> Response:
    """A preview of a picture of this round, or of the one that it follows."""
    asked: Round = g.round
    shown = next(iter(sql.pictures_of(connection(), asked, n)), None)
    record_id = shown and (shown.earlier_record_id if request.args.get("earlier") == "1" else shown.record_id)
    record = database.get_record_or_none(connection(), record_id or None)
    if record is None or record.deleted_at or not record.filename:
        raise NotFound("这张图片已经拿掉了")
    side = previews.LARGE if request.args.get("size") == "large" else previews.SMALL
    file = previews.PreviewFile(services().settings.output_dir, record.id, record.sha256, asked.watermark)
    originals, filename, db = services().originals, record.filename, connection()
    drawing = drawing_of(current_app.extensions)
    content = drawing.preview(file, side, lambda: originals.read(filename, originals.key(db, filename)))
    response = Response(content, mimetype="image/jpeg")
    response.headers["Content-Disposition"] = f'inline; filename="{n}.jpg"'
    response.headers["Cache-Control"] = "private, max-age=3600"
    return response


@bp.put("/<token>/marks")
def mark(token: str) -> Response:
    """Store what the client says of some pictures -> what counts now, also when it was refused."""
    wanted = rules.read_marks(json_body())
    try:
        sql.save_marks(connection(), g.round.id, wanted, now=datetime.now(UTC))
    except Conflict as refusal:
        return failure(refusal.message, 409, **_counted(wanted))
    return success(**_counted(wanted))


def _counted(wanted: Mapping[int, Any]) -> dict[str, Any]:
    of = sql.get_round(connection(), g.round.id)
    pictures = sql.pictures_of(connection(), of)
    return {
        "chosen": rules.counts(pictures)["chosen"],
        "at_most": of.at_most,
        "state": of.state,
        "marks": {str(each.n): _mark_json(each) for each in pictures if each.n in wanted},
    }


@bp.post("/<token>/submit")
def submit(token: str) -> Response:
    """Submit the round; a second time answers the same."""
    done = submission.submit(connection(), g.round.id, checker=Checker(reader=row_reader()))
    return success(state=done.state)


@bp.get("/<token>/chosen.zip")
def chosen(token: str) -> Response:
    """The pictures that were chosen, as the studio delivers them."""
    asked: Round = g.round
    if not asked.delivery_id or asked.state is not RoundState.SUBMITTED:
        raise NotFound("还没有可以下载的图片")
    maker = open_maker(connection(), asked.delivery_id, services().originals)
    if request.method == "HEAD":
        return Response(mimetype="application/zip")
    response = send_zip(maker, services().settings, translator(), _bounds().archives)
    name = gettext("选中的图片-第{number}轮.zip", number=asked.number)
    return as_attachment(response, name, f"{asked.number}.zip")


@api.bp.get("/live/rounds")
def dialog() -> str:
    """The dialog of 给客户看 with its styles, fetched when it is first opened."""
    return render_template("rounds/dialog.html")


@bp.route("", methods=_METHODS, defaults={"token": "", "rest": ""}, strict_slashes=False)
@bp.route("/<token>", methods=_METHODS, defaults={"rest": ""}, strict_slashes=False)
@bp.route("/<token>/<path:rest>", methods=_METHODS)
def nothing(token: str, rest: str) -> Response:
    """Every other path and method."""
    raise NotFound(_GONE)
