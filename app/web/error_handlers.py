"""Errors as answers: a JSON sentence for the API, a page or plain text for browsers; and the log of requests.

While the database is lost, or too new for this program, requests are refused with the reason.
"""

import time
from typing import Any

from flask import Flask, Response, current_app, g, make_response, render_template, request, url_for
from werkzeug.exceptions import BadHost, HTTPException

import database
from app import errors, log
from app.errors import Message, message
from app.library.library import FILES_URL, THUMBNAILS_URL
from app.web.i18n import translate
from app.web.security import MAX_UPLOAD_BYTES, SAFE_METHODS, is_call, is_clients, lets_in, too_large
from app.web.serializers import failure
from app.web.services import services

# HTTP status of each error class; subclasses use their nearest ancestor. Defined only here.
STATUS = {
    errors.InvalidRequest: 400,
    errors.SpreadsheetError: 400,
    errors.TooLarge: 413,
    errors.Forbidden: 403,
    errors.TokenRefused: 401,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.KeyReused: 422,
    errors.TryLater: 503,
    errors.TooManyAttempts: 429,
    errors.ModelError: 502,
    errors.BucketError: 502,
    errors.StoreLost: 503,
    errors.WriteRefused: 507,
    errors.DatabaseError: 500,
    errors.StorageError: 507,
    errors.AppError: 500,
}
_HTTP_SENTENCES: dict[int, str | Message] = {
    400: "请求的格式不对",
    404: "没有这个页面",
    405: "这个地址不接受这种请求",
    413: too_large(MAX_UPLOAD_BYTES),
    415: "请以 JSON 提交",
    500: "程序内部出错，详情在日志里",
}
_PICTURES = ("/output/", "/thumbnails/", FILES_URL, THUMBNAILS_URL)
_PASSED_HEADERS = ("Allow", "Content-Range", "Retry-After")
_WITHOUT_DATABASE = (
    *("login.login_page", "login.log_in", "login.log_out", "language.choose", "status.index"),
    *("health.index", "health.ready", "dialogs.search_list", "dialogs.shortcuts"),
    *("static", "assets.script", "assets.later_script", "assets.style", "media.favicon"),
    *("batch.index", "model.index", "model.restore", "api.models.list_models", "api.openapi.get_document"),
    *("api.spreadsheets.import_workbook", "api.spreadsheets.export_rows", "api.spreadsheets.template"),
)
_SLOW_SECONDS = 1.0


def init_error_handlers(app: Flask) -> None:
    """Refuse requests that need a lost database, and answer what fails."""
    app.before_request(_refuse_when_lost)
    app.register_error_handler(database.Error, _answer_unreadable)
    app.register_error_handler(errors.StoreDamaged, _answer_damaged)
    app.register_error_handler(errors.AppError, _on_app_error)
    app.register_error_handler(HTTPException, _on_http_error)


def _on_app_error(error: errors.AppError) -> Any:
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    if type(error) is errors.DatabaseError:
        log.exception("web", "statement_refused")
    elif status >= 500:
        log.event("web", "error", status=status, why=error.message)
    fields = {"field": error.field} if isinstance(error, errors.InvalidRequest) and error.field else {}
    if isinstance(error, errors.LoginRequired):
        fields = {"login": url_for("login.login_page")}
    answer = make_response(_error_response(error.message, status, **fields))
    if isinstance(error, errors.TryLater) and error.retry_after:
        answer.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, errors.TokenRefused):
        answer.headers["WWW-Authenticate"] = "Bearer"
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


def _error_response(sentence: str | Message, status: int, **fields: Any) -> Any:
    wants_json = is_call() or request.path == "/healthz"
    if request.path.startswith(_PICTURES):  # which a browser may open as a page
        wants_json = request.accept_mimetypes.best_match(["application/json", "text/html"]) != "text/html"
    if wants_json:
        return failure(sentence, status, **fields)
    if isinstance(request.routing_exception, BadHost) or is_clients() or not lets_in():
        # url_for would fail in a page, or the bar would tell a stranger what is under way
        return Response(translate(sentence), status, mimetype="text/plain")
    return render_template("error.html", sentence=translate(sentence), status=status), status


def unreadable(error: database.Error) -> Message:
    """The error message for a failed query; a damaged database stops further submissions."""
    store = services().runtime.store_guard
    store.report(error)
    return store.problem() or message("数据库现在读不出来（{reason}），请检查磁盘和文件权限", reason=error)


def _refuse_when_lost() -> None:
    """Refuse requests while the database is lost; a damaged or too new one can still be read."""
    if request.endpoint in _WITHOUT_DATABASE:
        return
    store, peers = services().runtime.store_guard, services().runtime.peers
    if problem := store.away() if request.method in SAFE_METHODS else store.problem() or peers.outdated:
        raise errors.StoreLost(problem)


def _answer_damaged(error: errors.StoreDamaged) -> Any:
    services().runtime.store_guard.report(error)
    return current_app.handle_user_exception(errors.StoreLost(error.message))


def _answer_unreadable(error: database.Error) -> Any:
    log.exception("web", "database_unreadable")
    return current_app.handle_user_exception(errors.StoreLost(unreadable(error)))


def init_request_log(app: Flask) -> None:
    """Time every request; to be called before ``init_security``, so that refused ones are logged too."""
    app.before_request(_start_timer)
    app.after_request(_log_request)


def _start_timer() -> None:
    g.started = time.monotonic()


def _log_request(response: Response) -> Response:
    seconds = time.monotonic() - g.started
    if request.method not in SAFE_METHODS or seconds > _SLOW_SECONDS or response.status_code >= 500:
        named = request.view_args or {}
        log.event(
            "web",
            "request",
            method=request.method,
            route=request.url_rule or "none",
            batch=named.get("batch_id"),
            record=named.get("record_id"),
            status=response.status_code,
            ms=round(1000 * seconds),
        )
    return response
