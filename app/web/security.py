"""Host and origin checks, and limits of bodies, before each request; security headers on each response."""

from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, request

from app.errors import DatabaseError, Forbidden, Message, TooLarge, message
from app.setting import is_address
from app.web.downloads import YEAR_SECONDS
from app.web.person import bearer, came_by_https, is_logged_in, safe_urlsplit
from app.web.services import services

OPEN_ENDPOINTS = (
    *("login.login_page", "login.log_in", "login.log_out", "static", "health.index", "health.ready"),
    *("language.choose", "assets.script", "assets.later_script", "assets.style", "media.favicon"),
    *("join.form", "join.join"),
)
_FORM = "client.enter"  # of a page with no-referrer; who posts it knows the link and the password
CLIENTS = "/r/"  # what a client's link opens; which one guard of its pages protects
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob: https:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
MAX_UPLOAD_BYTES = 64 * 2**20  # of a whole request
MAX_OPEN_BYTES = 64 * 2**10  # the login form, and every request that is refused
MAX_FORM_BYTES = 2**20  # a parsed form takes forty times its size in memory
MAX_JSON_BYTES = 32 * 2**20  # 5,000 rows of 6 kB each
_MAX_FIELD_BYTES = 8 * 2**20  # one text field of an upload
_MAX_OPEN_PARTS = 10
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def init_security(app: Flask) -> None:
    """Install the checks before every request and the headers of every response."""
    app.before_request(_check_host)
    app.before_request(_check_origin)
    app.after_request(_add_headers)


def is_call() -> bool:
    """Whether a script makes this request, and not a browser that shows the answer as a page."""
    return request.path.startswith(("/api/", "/live/")) or "X-Requested-With" in request.headers


def is_clients() -> bool:
    """Whether this request is of somebody who has only a link."""
    return f"{request.path}/".startswith(CLIENTS)


def is_open() -> bool:
    """Whether nobody has to log in for this request."""
    return request.endpoint in OPEN_ENDPOINTS or is_clients()


def lets_in() -> bool:
    """Whether the current request passes all checks, that of the login also at an open endpoint."""
    try:
        _check_host()
        _check_origin()
        return not services().settings.access_password or is_logged_in()
    except (Forbidden, DatabaseError):
        return False


def _check_host() -> None:
    name = host_name(request.host)
    if not (name == "localhost" or is_address(name) or name in services().settings.allowed_hosts):
        raise Forbidden(
            "不认识的主机名「{host}」，请用 localhost 或数字地址打开；"
            "是自己的主机名，就把它写进 .env 的 ALLOWED_HOSTS，再重新启动",
            host=name[:100],
        )


def _check_origin() -> None:
    """Reject cross-site requests by Origin and Sec-Fetch-Site; clients that send neither are no browsers."""
    if request.method in SAFE_METHODS or (bearer() and not is_open()):
        return  # a token is sent by no browser that another site has made a request
    origin = request.headers.get("Origin")
    if origin == "null" and request.endpoint == _FORM:
        origin = None
    foreign = origin is not None and safe_urlsplit(origin).netloc.lower() != request.host.lower()
    if foreign or request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
        raise Forbidden("这个请求来自别的网站，已拒绝")


def _add_headers(response: Response) -> Response:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if came_by_https():
        response.headers["Strict-Transport-Security"] = f"max-age={YEAR_SECONDS}"
    if services().settings.access_password and not is_open():
        response.cache_control.public = False  # a proxy would give it to those who have not logged in
        response.cache_control.private = True
    settings = services().settings
    address = (settings.oss_public_url or settings.oss_endpoint).replace("-internal.", ".")
    if address.startswith("http://") and not is_clients():  # a bucket without HTTPS must be listed by name
        named = address.replace("://", f"://{settings.oss_bucket}.") if settings.oss_bucket else ""
        policy = _HEADERS["Content-Security-Policy"].replace(" https:;", f" https: {address} {named};")
        response.headers["Content-Security-Policy"] = policy
    return response


def host_name(host: str) -> str:
    """The host name without port and trailing dot; empty when it is invalid."""
    return (safe_urlsplit(f"//{host}").hostname or "").lower().removesuffix(".")


def init_body_limits(app: Flask) -> None:
    """Refuse bodies above their limit; to be called after ``init_security``."""
    app.config["MAX_FORM_MEMORY_SIZE"] = _MAX_FIELD_BYTES
    app.before_request(_refuse_large_body)


def body_limit(app: Flask, environ: Mapping[str, Any]) -> int:
    """Maximum body size, in bytes, of a request with these headers."""
    length = environ.get("HTTP_CONTENT_LENGTH", "")
    if length.isdecimal() and int(length) <= MAX_OPEN_BYTES:
        return MAX_OPEN_BYTES  # of everybody, without a query
    with app.request_context(dict(environ)):
        return _limit()


def too_large(limit: int) -> Message:
    """The error message for a body above the limit."""
    size = f"{limit // 2**20} MB" if limit >= 2**20 else f"{limit // 2**10} KB"
    return message("上传的内容太大，一次最多 {limit}，请压缩或分几次上传", limit=size)


def _limit() -> int:
    if request.endpoint is None or is_open() or not lets_in():
        return MAX_OPEN_BYTES
    if request.mimetype == "multipart/form-data" and request.path.startswith("/api/"):
        return MAX_UPLOAD_BYTES
    return MAX_JSON_BYTES if request.is_json else MAX_FORM_BYTES


def _refuse_large_body() -> None:
    """Refuse by Content-Length, and limit parsing when the length is unknown."""
    limit = request.max_content_length = _limit()
    if limit == MAX_OPEN_BYTES:
        request.max_form_parts = _MAX_OPEN_PARTS
    if (request.content_length or 0) > limit:
        raise TooLarge(too_large(limit))
