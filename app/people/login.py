"""Login, logout and tokens, for servers opened to other machines with ACCESS_PASSWORD.

Logins and wrong passwords are in the database: they are shared by all web processes and outlive a restart.
"""

import hmac
import math
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from flask import Blueprint, Flask, current_app, g, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

import database
from app.domain.people import Person, fold_name, hash_password, is_password, secret_digest
from app.errors import (
    DatabaseError,
    LoginRequired,
    Message,
    StoreLost,
    TokenRefused,
    TooManyAttempts,
    TryLater,
    WriteRefused,
    message,
)
from app.people import sessions, sql
from app.web.person import (
    COOKIE,
    bearer,
    came_by_https,
    client_address,
    client_key,
    is_logged_in,
    safe_redirect_target,
)
from app.web.security import SAFE_METHODS, is_call, is_open
from app.web.services import connection, services, services_of

_COOKIE_BYTES = 32
_COOKIE_CHARS = 43  # in base64
_SESSION_SECONDS = 7 * 24 * 3600
_KEY = "ai_image_generator_guesses"
_MINUTE, _OF_NAME, _OF_CLIENT = 60.0, 30, 60  # attempts that a minute takes
_NOTED_SECONDS = 600.0  # between two notes of a login's use
_AGENTS = (
    {"MicroMessenger": "WeChat", "Edg": "Edge", "Firefox": "Firefox", "Chrome": "Chrome", "Safari": "Safari"},
    {"Windows": "Windows", "Android": "Android", "iP": "iOS", "Mac OS": "macOS", "Linux": "Linux"},
)
bp = Blueprint("login", __name__)


class LoginThrottle:
    """Rate limit of login attempts: the delay of a client at a name grows with each wrong password.

    A minute takes a number of each name and of each client. One password at a time is hashed by a process.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._of_server = ""

    def check(
        self, db: database.Connection, look_up: Callable[[], sql.Account | None], address: str, name: str = ""
    ) -> tuple[sql.Account | None, float]:
        """(whose the password is, seconds to wait when it was not checked); ``look_up`` hashes it.

        Raises TryLater while another attempt is hashed: a waiting thread could not serve other requests.
        A client that has to wait is refused first, so that its attempts do not delay other clients. A right
        password clears only what counts for its own name.
        """
        client, who = client_key(address), secret_digest(fold_name(name))[:16]
        own = database.Limit(f"{client} {who}"), database.Limit(f"name {who}", _OF_NAME, _MINUTE)
        limits = (*own, database.Limit(client, _OF_CLIENT, _MINUTE))
        if (wait := database.seconds_to_wait(db, *limits, now=self._clock())) > 0:
            return None, wait
        if not self._lock.acquire(blocking=False):
            raise TryLater("有别人正在登录，请 1 秒后再试", retry_after=1)
        try:
            if (wait := database.start_attempt(db, *limits, now=self._clock())) > 0:
                return None, wait
            if account := look_up():
                database.forget_attempts(db, *own)
            return account, 0.0
        finally:
            self._lock.release()

    def of_server(self, password: str) -> str:
        """What would be stored of the password of the server; hashed at the first attempt of a process."""
        self._of_server = self._of_server or hash_password(password)
        return self._of_server


def find_account(db: database.Connection, name: str, attempt: str) -> sql.Account | None:
    """The account of this name, or without one of the first person, that this password opens.

    One hash in any case, so that a name that is not there takes as long as a wrong password.
    """
    throttle: LoginThrottle = current_app.extensions[_KEY]
    of_server = throttle.of_server(services().settings.access_password)
    account = sql.find_account(db, fold_name(name))
    is_right = is_password(attempt, (account and account.password) or of_server)
    return account if is_right and account and account.can_log_in else None


def check_password(name: str, attempt: str) -> sql.Account | None:
    """``LoginThrottle.check`` of this request. Raises TooManyAttempts, and TryLater."""
    throttle: LoginThrottle = current_app.extensions[_KEY]
    with _database() as db:
        account, wait = throttle.check(db, lambda: find_account(db, name, attempt), client_address(), name)
    _require_no_wait(wait, "密码错误次数过多，请 {seconds} 秒后再试")
    return account


def _require_no_wait(wait: float, text: str) -> None:
    if wait > 0:
        seconds = math.ceil(wait)
        raise TooManyAttempts(text, seconds=seconds, retry_after=seconds)


def init_login(app: Flask) -> None:
    """Set up the rate limit, and the guard of each request; to be called after ``init_security``."""
    app.extensions[_KEY] = LoginThrottle()
    app.jinja_env.globals["has_password"] = bool(services_of(app).settings.access_password)
    app.before_request(_require_login)


def _require_login() -> Response | None:
    if not services().settings.access_password or is_open():
        return None
    is_page = request.method in SAFE_METHODS and not is_call()
    try:
        if is_logged_in():
            return None
    except DatabaseError as lost:
        if is_page:
            return unavailable(lost.message)
        raise
    if is_page:
        return redirect(url_for("login.login_page", next=request.full_path.rstrip("?")))
    raise LoginRequired("没有登录，或登录过期了，请重新登录")


def session_digest() -> str:
    """What is stored of the login of this request, if it came with one."""
    return _digest(request.cookies.get(COOKIE, ""))


def find_person() -> Person | None:
    """The person of the login or token of this request, which is valid.

    Raises TokenRefused, or StoreLost when the database cannot be read; the sentence is fit for anybody.
    """
    if "person" not in g:
        g.person = None  # also when this raises: an attempt counts once
        token, cookie = bearer(), request.cookies.get(COOKIE, "")
        if token:
            g.person = _of_token(token)
        elif len(cookie) == _COOKIE_CHARS:
            with _database() as db:
                digest, now = _digest(cookie), time.time()
                g.person = _person_of(db, "sessions", digest, now)
    found: Person | None = g.person
    return found


def _of_token(token: str) -> Person:
    """Raises TokenRefused; TooManyAttempts for an address that goes on with wrong ones."""
    digest, now = secret_digest(token), time.time()
    with _database() as db:
        if person := _person_of(db, "tokens", digest, now):
            return person
        limit = database.Limit(f"token {client_key(client_address())}")
        wait = database.seconds_to_wait(db, limit, now=now) or database.start_attempt(db, limit, now=now)
    _require_no_wait(wait, "令牌错误次数过多，请 {seconds} 秒后再试")
    raise TokenRefused("令牌不对，或过期、停用了，请在「我的账号」里换一个")


def _person_of(db: database.Connection, table: str, digest: str, now: float) -> Person | None:
    """The person of a valid login or token, whose use is noted from time to time."""
    found = sessions.find_pass(db, table, digest, now=now)
    if found and abs(now - found.seen_at) > _NOTED_SECONDS:
        with suppress(DatabaseError):
            sessions.note_use(db, digest, now=now)
    return found.person if found else None


@bp.get("/login")
def login_page() -> str:
    """The login form."""
    try:
        return _form()
    except DatabaseError:
        return render_template("login.html", problem="")


@bp.post("/login")
def log_in() -> tuple[str, int] | Response:
    """Check name and password: log in, or show the form again with an error."""
    target = safe_redirect_target(request.args.get("next", "/"))
    if not services().settings.access_password:
        return redirect(target)
    name, attempt = request.form.get("name", "")[:100], request.form.get("password", "")[:1000]
    answer = redirect(target)
    try:
        if (account := check_password(name, attempt)) and open_session(answer, account):
            return answer
        return _form(message("名字或密码不对，请再试一次" if name else "密码不对，请再试一次")), 403
    except TryLater as busy:
        refused = make_response(_form(busy.message), 429)
        refused.headers["Retry-After"] = str(busy.retry_after)
        return refused
    except DatabaseError as error:
        return unavailable(error.message)


def open_session(answer: Response, account: sql.Account) -> bool:
    """Log this browser in with a new cookie -> whether the account still is as it was when it was read.

    Raises WriteRefused and StoreLost.
    """
    now, cookie = time.time(), secrets.token_urlsafe(_COOKIE_BYTES)
    with _database() as db:
        is_open = sessions.add_session(
            db,
            _digest(cookie),
            account,
            now=now,
            expires_at=now + _SESSION_SECONDS,
            address=client_address()[:50],
            agent=agent_of(request.headers.get("User-Agent", "")),
        )
        if is_open and (earlier := request.cookies.get(COOKIE)):
            sessions.delete_session(db, _digest(earlier))
    if is_open:
        answer.set_cookie(COOKIE, cookie, secure=came_by_https(), httponly=True, samesite="Strict")
    return is_open


@bp.post("/logout")
def log_out() -> Response:
    """Log out: the session ends, also for copies of its cookie."""
    answer = redirect("/", 303)
    if cookie := request.cookies.get(COOKIE):
        try:
            if is_logged_in():  # a stranger writes nothing
                with _database() as db:
                    sessions.delete_session(db, _digest(cookie))
        except DatabaseError as error:
            return unavailable(error.message)
        answer.delete_cookie(COOKIE, secure=came_by_https(), httponly=True, samesite="Strict")
    return answer


def unavailable(problem: Message) -> Response:
    """The login page while the database cannot say who has logged in."""
    return make_response(render_template("login.html", problem=problem), 503)


def _form(problem: Message | str = "") -> str:
    """The login form, which asks for a name where there are several people. Raises StoreLost."""
    with _database() as db:
        asks_name = sql.count_accounts(db) > 1
    name = request.form.get("name", "")[:100]
    return render_template("login.html", problem=problem, asks_name=asks_name, name=name)


def agent_of(header: str) -> str:
    """The browser and the system of a User-Agent, in two words, as far as they are known."""
    found = (next((name for mark, name in kinds.items() if mark in header), "") for kinds in _AGENTS)
    return ", ".join(filter(None, found))


def _digest(cookie: str) -> str:
    """What is stored of a session: it opens nothing without the cookie, or with another password."""
    password = services().settings.access_password
    return hmac.digest(cookie.encode(), password.encode(), "sha256").hex()


@contextmanager
def _database() -> Iterator[database.Connection]:
    """The connection of this request. Raises WriteRefused, or StoreLost without a path."""
    lost = StoreLost("数据库现在用不了，请在运行程序的电脑上看日志")
    if services().runtime.store_guard.away():  # no connection may be opened
        raise lost
    try:
        yield connection()
    except WriteRefused:
        raise
    except (DatabaseError, database.Error) as error:
        raise lost from error
