"""HTML fragments that update an open page, rendered from its own partials, and the server status."""

import hashlib
from dataclasses import dataclass
from decimal import Decimal

from flask import Blueprint, Flask, make_response, render_template, request
from werkzeug.wrappers import Response

import database
from app.errors import StorageError
from app.web.i18n.language import is_english, translate
from app.web.middleware.store_state import unreadable
from app.web.params import int_arg
from app.web.serializers import translated_spec
from app.web.services import connection, services
from app.web.views.create import RESULTS_SHOWN

live = Blueprint("live", __name__)

_MAX_DELETED = 10 * RESULTS_SHOWN  # a page left open collects more results than it began with


@dataclass(frozen=True, slots=True, kw_only=True)
class AppStatus:
    """The top bar's state; money is CNY.

    ``state`` is ready, demo, key_missing, paused, disk_low or store_lost. The last one makes no query; its
    version is 0.
    """

    state: str
    state_text: str
    running: int
    queued: int
    done_share: float | None
    budget_left: Decimal | None
    version: int


def init_status_context(app: Flask) -> None:
    """Add ``spec`` and ``house`` to the context of every template."""
    app.context_processor(lambda: {"spec": translated_spec(services().spec), "house": app_status()})


def app_status() -> AppStatus:
    """The current status."""
    if complaint := services().worker.store.problem():
        return _store_lost_status(complaint)
    try:
        return _current_status()
    except StorageError as error:
        return _store_lost_status(error.message)
    except database.Error as error:
        return _store_lost_status(unreadable(error))


def _store_lost_status(sentence: str) -> AppStatus:
    return AppStatus(
        state="store_lost",
        state_text=translate(sentence),
        running=0,
        queued=0,
        done_share=None,
        budget_left=None,
        version=0,
    )


def _current_status() -> AppStatus:
    db, settings = connection(), services().settings
    work = _open_work()
    state, text = _state(work.paused_reason)
    left = (
        None if settings.budget is None else max(settings.budget - database.committed_spend(db), Decimal(0))
    )
    return AppStatus(
        state=state,
        state_text=translate(text),
        running=work.running,
        queued=work.queued,
        done_share=1 - (work.running + work.queued) / work.total if work.total else None,
        budget_left=left,
        version=work.version,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenWork:
    """Counts of unfinished work, as of one version of the database."""

    version: int
    running: int
    queued: int
    total: int
    paused_reason: str


def _open_work() -> OpenWork:
    """Counted once per version and thread: many browsers poll, little changes."""
    db, local = connection(), services().thread_local
    seen: OpenWork | None = getattr(local, "work", None)
    if seen is None or seen.version != database.last_version(db):
        with database.read_transaction(db):
            running, queued, total = database.count_open_work(db)
            seen = local.work = OpenWork(
                version=database.last_version(db),
                running=running,
                queued=queued,
                total=total,
                paused_reason=database.get_paused_reason(db),
            )
    return seen


def _state(paused_reason: str) -> tuple[str, str]:
    settings, label = services().settings, services().model.spec.label
    if low := services().worker.disk.problem():
        return "disk_low", low
    if settings.missing_keys:
        return "key_missing", f"还没有设置 {'、'.join(settings.missing_keys)}，请写进 .env 后重新启动"
    if paused_reason:
        return "paused", paused_reason
    if settings.image_model == "demo":
        return "demo", "演示模型：图片由本机画出，不花钱；设置密钥后换成真正的模型"
    return "ready", f"{label} 已就绪"


@live.get("/live/status")
def status() -> Response:
    """The top bar's state."""
    now = app_status()
    tag = hashlib.sha256(repr(now).encode()).hexdigest()[:16]
    return with_etag(make_response("" if etag_matches(tag) else render_template("_status.html")), tag)


@live.get("/live/results")
def results() -> Response:
    """Results of 单图生成 that changed after ``?since=``, newest first; deleted ones by id only.

    Header X-Version is the version they are current to.
    """
    db = connection()
    since = int_arg("since")
    with database.read_transaction(db):
        version = database.last_version(db)
        changed = database.list_single_records(db, since=since, limit=RESULTS_SHOWN)
        paused = database.list_paused_reasons(db, source="single")
        deleted = database.list_single_records(db, since=since, limit=_MAX_DELETED, deleted=True)
    html = "\n".join(render_template("_result.html", record=record, paused=paused) for record in changed)
    html += "".join(f'<i data-record-id="{record.id}" data-gone></i>' for record in deleted)
    response = make_response(html)
    response.headers["X-Version"] = str(version)
    return with_etag(response, f"{since}-{version}")


def with_etag(response: Response, tag: str) -> Response:
    """Set the ETag; 304 when the client already has it."""
    response.set_etag(_in_language(tag))
    response.headers["Cache-Control"] = "no-cache"
    return response.make_conditional(request)


def etag_matches(tag: str) -> bool:
    """Whether the client already has this ETag, compressed or not."""
    return request.if_none_match.contains_weak(_in_language(tag))


def _in_language(tag: str) -> str:
    return f"{tag}-en" if is_english() else tag
