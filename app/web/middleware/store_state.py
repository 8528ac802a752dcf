"""Responses while the database is lost, or too new for this program: an error message, and no writes."""

from typing import Any

from flask import Flask, current_app, request

import database
from app import log
from app.errors import Message, StoreDamaged, StoreLost, message
from app.web.middleware import SAFE_METHODS
from app.web.services import services

_WITHOUT_DATABASE = (
    *("login.login_page", "login.log_in", "login.log_out", "language.choose", "status.index"),
    *("health.index", "health.ready", "dialogs.search_list", "dialogs.shortcuts"),
    *("static", "assets.script", "assets.later_script", "assets.style", "media.favicon"),
    *("batch.index", "model.index", "model.restore", "api.models.list_models", "api.openapi.get_document"),
    *("api.spreadsheets.import_workbook", "api.spreadsheets.export_rows", "api.spreadsheets.template"),
)


def init_store_state(app: Flask) -> None:
    """Refuse requests that need a lost database, and report queries that failed on it."""
    app.before_request(_refuse_when_lost)
    app.register_error_handler(database.Error, _answer_unreadable)
    app.register_error_handler(StoreDamaged, _answer_damaged)


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
        raise StoreLost(problem)


def _answer_damaged(error: StoreDamaged) -> Any:
    services().runtime.store_guard.report(error)
    return current_app.handle_user_exception(StoreLost(error.message))


def _answer_unreadable(error: database.Error) -> Any:
    log.exception("web", "database_unreadable")
    return current_app.handle_user_exception(StoreLost(unreadable(error)))
