"""Answers given once more: a hundred browsers that follow one batch ask the same question every second.

It stands before Flask, which takes longer to pass a question on than the answer takes. Only for the few
addresses that pages ask again and again, and whose answers follow from the database; everything else goes
through.
"""

import re
import time
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.datastructures import Headers
from werkzeug.test import run_wsgi_app

import database
from errors import StorageError
from web import login
from web.context import Rooms

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_ASKED_AGAIN = re.compile(r"/live/(status|results|records|usage)|/api/batches(/[\w-]+)?")
_SECONDS = 5.0  # for what has no version: the time to go, a session that ran out
_LARGEST = 64 * 1024
_MOST = 500


@dataclass(frozen=True, slots=True)
class _Answer:
    state: Hashable
    until: float
    status: str
    headers: Headers
    body: bytes

    @property
    def may_be_kept(self) -> bool:
        """Whether it is for everybody who asks like that."""
        plain = self.status.startswith(("200", "304")) and "Set-Cookie" not in self.headers
        return plain and len(self.body) <= _LARGEST


class Repeats:
    """A WSGI application over another: the same question in the same state of the house has the same answer.

    A question is an address with all headers of the request, so whatever an answer may depend on counts.
    """

    def __init__(self, app: "WSGIApplication", state: Callable[[], Hashable]) -> None:
        self._app = app
        self._state = state
        self._answers: dict[Hashable, _Answer] = {}

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "GET" or not _ASKED_AGAIN.fullmatch(environ["PATH_INFO"]):
            return self._app(environ, start_response)
        question = _question(environ)
        state = self._state()
        if state is None:
            return self._app(environ, start_response)
        answer = self._answers.get(question)
        if answer is None or answer.state != state or time.monotonic() > answer.until:
            answer = self._ask(environ, state)
            self._keep(question, answer)
        start_response(answer.status, answer.headers.to_wsgi_list())
        return [answer.body]

    def _ask(self, environ: "WSGIEnvironment", state: Hashable) -> _Answer:
        """The state was read before: what changes meanwhile makes the answer old at once."""
        body, status, headers = run_wsgi_app(self._app, environ, buffered=True)
        return _Answer(state, time.monotonic() + _SECONDS, status, headers, b"".join(body))

    def _keep(self, question: Hashable, answer: _Answer) -> None:
        if not answer.may_be_kept:
            return
        if len(self._answers) >= _MOST:
            self._answers.clear()
        self._answers[question] = answer


def answer_repeats(app: Flask, rooms: Rooms) -> None:
    """Put it before the app: the doors have let that very question in, in that very state."""

    def state() -> Hashable:
        """None while the database cannot be read: then the app says so."""
        if rooms.worker.store.complaint():
            return None
        try:
            with rooms.pool.lend() as db:
                version = database.last_version(db)
        except (database.Error, StorageError):
            return None
        return version, rooms.worker.disk.complaint(), rooms.worker.is_stopping, login.open_sessions(app)

    app.wsgi_app = Repeats(app.wsgi_app, state)  # type: ignore[method-assign]


def _question(environ: "WSGIEnvironment") -> Hashable:
    headers = sorted(item for item in environ.items() if item[0].startswith("HTTP_"))
    return environ["PATH_INFO"], environ["QUERY_STRING"], tuple(headers)
