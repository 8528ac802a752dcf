"""What is answered while the database is lost: no write, and one sentence where it cannot be read."""

from typing import Any

from flask import Flask, current_app, request

import database
import journal
from errors import StoreLost
from web.context import rooms

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_WITHOUT_DATABASE = (
    *("login.enter", "login.leave", "language.choose", "pages.test_model_key"),
    *("api.import_spreadsheet", "api.export_spreadsheet"),
)


def install(app: Flask) -> None:
    """Refuse writes before they begin; say what a query met that found the file unreadable."""
    app.before_request(_refuse_writes)
    app.register_error_handler(database.Error, _answer_unreadable)


def unreadable(error: database.Error) -> str:
    """The sentence about a query that failed; a damaged file is ordered from no more."""
    store = rooms().worker.store
    store.report(error)
    return store.complaint() or f"数据库现在读不出来（{error}），请检查磁盘和文件权限"


def _refuse_writes() -> None:
    if request.method in _SAFE_METHODS or request.endpoint in _WITHOUT_DATABASE:
        return
    if complaint := rooms().worker.store.complaint():
        raise StoreLost(complaint)


def _answer_unreadable(error: database.Error) -> Any:
    journal.trouble("web", "database_unreadable")
    return current_app.handle_user_exception(StoreLost(unreadable(error)))
