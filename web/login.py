"""The login page, for whoever opened the server to other machines with ACCESS_PASSWORD."""

import hashlib
import hmac
import secrets
import threading
import time

from flask import Blueprint, Flask, current_app, redirect, render_template, request, session
from werkzeug.wrappers import Response

from web.context import rooms

_SESSION_SECONDS = 7 * 24 * 3600
_LONGEST_WAIT = 60.0
_KEY = "ai_image_generator_guesses"
login = Blueprint("login", __name__)


class Guesses:
    """Wrong passwords so far: after each, everybody waits longer before the next is looked at."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wrong = 0
        self._next_at = 0.0
        self._salt = secrets.token_bytes(16)

    def seconds_to_wait(self) -> float:
        """Seconds until the next guess is looked at."""
        return max(0.0, self._next_at - time.monotonic())

    def is_right(self, guess: str, password: str) -> bool:
        """Compare by a slow hash, in constant time; remember a wrong one."""
        with self._lock:
            right = hmac.compare_digest(self._hash(guess), self._hash(password))
            self._wrong = 0 if right else self._wrong + 1
            wait = 0.0 if right else min(2.0 ** (self._wrong - 1), _LONGEST_WAIT)
            self._next_at = time.monotonic() + wait
            return right

    def _hash(self, text: str) -> bytes:
        return hashlib.scrypt(text.encode(), salt=self._salt, n=2**14, r=8, p=1)


def install(app: Flask) -> None:
    """Sessions end with the process: the key that signs them is made anew each time."""
    app.secret_key = secrets.token_bytes(32)
    app.config.update(SESSION_COOKIE_HTTPONLY=True, SESSION_COOKIE_SAMESITE="Strict")
    app.extensions[_KEY] = Guesses()
    app.register_blueprint(login)


def is_logged_in() -> bool:
    """Whether this browser has given the password and its session has not ended."""
    return float(session.get("until", 0)) > time.time()


@login.get("/login")
def page() -> str:
    """The form."""
    return render_template("login.html", problem="")


@login.post("/login")
def enter() -> tuple[str, int] | Response:
    """A guess: in, or the form again with one sentence."""
    guesses: Guesses = current_app.extensions[_KEY]
    wait = guesses.seconds_to_wait()
    if wait > 0:
        problem = f"密码错误次数过多，请 {wait:.0f} 秒后再试"
        return render_template("login.html", problem=problem), 429
    if not guesses.is_right(request.form.get("password", "")[:1000], rooms().settings.access_password):
        return render_template("login.html", problem="密码不对，请再试一次"), 403
    session.clear()
    session["until"] = time.time() + _SESSION_SECONDS
    return redirect(_own_page(request.args.get("next", "/")))


def _own_page(target: str) -> str:
    """Only a path of this site: never ``//elsewhere`` or ``https://elsewhere``."""
    return target if target.startswith("/") and target[1:2] not in ("/", "\\") else "/"
