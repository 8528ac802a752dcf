"""The page of the image services: their models and prices, their settings, tests of their keys; backups."""

import time
from collections.abc import Mapping
from contextlib import suppress

from flask import Blueprint, redirect, render_template, request, send_file, url_for
from werkzeug.wrappers import Response

import database
from app.config import ACCESS, GENERAL, NOTIFY, OSS, SETTINGS
from app.errors import (
    BucketError,
    Conflict,
    DatabaseError,
    DiskError,
    Forbidden,
    InvalidRequest,
    Message,
    NotFound,
    SettingError,
    StorageError,
    TryLater,
    message,
)
from app.settings.api import change_problem, save
from app.settings.cards import list_cards, list_fields
from app.settings.providers import VARIABLES, list_variables, test_key
from app.settings.start import list_start_variables, waits_for_restart
from app.system import windows_files
from app.web.person import access_problem, note_change, referring_path
from app.web.services import connection, services

bp = Blueprint("model", __name__)
_LOOKING_SECONDS = 4.0
_OF_START = {"oss": OSS, "access": ACCESS}  # the parts of the page whose settings the next start reads


@bp.get("/model")
def index() -> str:
    """Every image service, the default first; which variables are set, never the values of secrets."""
    return _render()


@bp.post("/model")
def submit() -> tuple[str, int]:
    """What a form of the page does without its script -> the page with the result in one sentence.

    ``action``: save, clear (the keys), default, successor, or test.
    """
    form = request.form
    of, action = form.get("provider", ""), form.get("action", "save")
    try:
        if of in _OF_START:
            done = save(_wanted_at_start(form, of, action), at_start=True)
        elif action == "test":
            done = test_key(services(), connection(), of)
        else:
            done = save(_wanted(form, of, action), at_start=False)
    except (InvalidRequest, Forbidden, Conflict, TryLater) as error:
        status = {InvalidRequest: 400, Forbidden: 403, Conflict: 409, TryLater: 503}[type(error)]
        declared = SETTINGS.get(error.field) if isinstance(error, InvalidRequest) else None
        label = declared.label if declared else ""
        text = message("{variable}：{problem}", variable=message(label), problem=error.message)
        return _render(of, "bad", text if label else error.message), status
    return _render(of, done.result, done.text), 200


@bp.post("/model/restore")
def restore() -> Response | tuple[str, int]:
    """Have the next start take the backup ``name``, or with an empty one none."""
    settings, name = services().settings, request.form.get("name", "")
    try:
        if problem := change_problem():
            raise Forbidden(problem)
        backup = None if settings.database_url else services().runtime.backups.find(name)
        if name and backup is None:
            raise NotFound("没有这份备份，请重新打开这一页")
        if backup:
            database.stage_restore(backup.path, settings.database_path, made_at=backup.made_at)
        else:
            windows_files.unlink(database.staged_restore(settings.database_path))
    except (Forbidden, NotFound, StorageError) as error:
        status = {Forbidden: 403, NotFound: 404}.get(type(error), 500)
        return _render("backups", "bad", error.message), status
    what = message("重新启动时恢复备份 {name}", name=name) if name else message("不恢复备份了")
    note_change("restore_chosen", what, file=name)
    return redirect(url_for("model.index", _anchor="backups"), 303)


@bp.post("/model/restored")
def restored() -> Response:
    """Take back what was made after the backup that was restored, or with ``action=leave`` close its line.

    Looks for pictures for some seconds; the worker looks for the rest.
    """
    db, worker = connection(), services().runtime.worker
    if request.form.get("action") == "leave":
        database.leave_off(db)
    else:
        database.take_back(db)
    deadline = time.monotonic() + _LOOKING_SECONDS
    with suppress(DiskError, BucketError):  # the worker tries again
        while worker and time.monotonic() < deadline and worker.maintenance.take_back(db):
            pass
    return redirect(referring_path(), 303)


@bp.get("/model/backups/<name>")
def download_backup(name: str) -> Response:
    """A backup of the SQLite database as a file; with it everything but the pictures."""
    if problem := access_problem():
        raise Forbidden(problem)
    backup = None if services().settings.database_url else services().runtime.backups.find(name)
    if backup is None:
        raise NotFound("没有这份备份，请重新打开这一页")
    answer = send_file(backup.path.absolute(), mimetype="application/vnd.sqlite3", as_attachment=True)
    answer.headers["Cache-Control"] = "private, no-store"
    note_change("backup_downloaded", message("下载备份 {name}", name=name), file=name)
    return answer


def _wanted(form: Mapping[str, str], provider: str, action: str) -> dict[str, str]:
    """The variables that a form changes; a secret that was left empty stays."""
    if action == "clear" and provider == "notify":
        return {"NOTIFY_URL": ""}
    variables = list_variables(services())
    cards = {card.name: card for card in list_cards(services(), variables)}
    if action != "save" and provider not in cards:
        raise InvalidRequest("provider", "请选择一家服务")
    if action == "default":
        return {"IMAGE_MODEL": provider}
    if action == "successor" and (end := cards[provider].spec.retirement):
        return {end.variable: end.successor}
    if action == "clear":
        return {each.name: "" for each in cards[provider].needed if each.is_secret and each.is_set}
    return {
        name: form[name] for name in VARIABLES if name in form and (form[name] or not variables[name].secret)
    }


def _wanted_at_start(form: Mapping[str, str], of: str, action: str) -> dict[str, str]:
    """As ``_wanted``, of the settings that the next start reads."""
    if action == "clear" and of == "access":
        return {"ACCESS_PASSWORD": ""}
    shown = list_start_variables(services())
    return {
        name: form[name] for name in _OF_START[of] if name in form and (form[name] or not shown[name].secret)
    }


def _render(of: str = "", result: str = "", sentence: str | Message = "") -> str:
    """The page; ``result`` and ``sentence`` are shown in the card ``of``."""
    problem, current = change_problem(), services()
    settings, backups = current.settings, current.runtime.backups
    try:
        variables, at_start = list_variables(current), list_start_variables(current)
        waiting = {part: waits_for_restart(current, names) for part, names in _OF_START.items()}
    except SettingError as error:  # the file cannot be read
        problem, variables, at_start, waiting = error.message, {}, {}, {}
    backup_problem, changes = None, []
    with suppress(DatabaseError, database.Error):  # the page is shown without the database too
        backup_problem = backups.problem(connection())
        changes = database.list_setting_changes(connection())
    return render_template(
        "pages/model.html",
        cards=list_cards(current, variables),
        general=list_fields(current, (each for each in GENERAL if SETTINGS[each].kind != "price"), variables),
        notify=list_fields(current, NOTIFY, variables),
        oss=list_fields(current, OSS, at_start),
        access=list_fields(current, ACCESS, at_start),
        waiting=waiting,
        on_loopback=settings.on_loopback,
        is_in_oss=settings.oss_enabled,
        backups=backups.list(),
        backup_folder=backups.folder and backups.folder.absolute(),
        backup_problem=backup_problem,
        may_download=access_problem() is None,
        changes=changes,
        is_dump=bool(settings.database_url),
        is_staged=database.staged_restore(settings.database_path).exists(),
        receiver=current.runtime.notifier.receiver,
        dotenv=current.env_file.path if current.env_file else "",
        problem=problem,
        of=of,
        result=result,
        sentence=sentence,
    )
