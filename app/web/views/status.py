"""The server status of the top bar and of each model, in every page and as the fragment that pages poll."""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from flask import Blueprint, Flask, make_response, render_template
from werkzeug.local import LocalProxy
from werkzeug.wrappers import Response

import database
from app.domain import Budget, BudgetScope, PauseCause
from app.errors import DatabaseError, Message, message
from app.web.caching import etag_matches, with_etag
from app.web.error_handlers import unreadable
from app.web.i18n import translate
from app.web.page_model import price_range
from app.web.person import budgets_of_me, current_person, list_budgets
from app.web.serializers import translated_spec
from app.web.services import connection, services
from app.worker.engines import Engine

bp = Blueprint("status", __name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelState:
    """A model as the top bar shows it, in the language of the request.

    ``state`` is ready, demo, key_missing, key_refused, model_ended, model_ends or throttled; ``refusal`` is
    why the service refused the key. ``concurrency`` is how many images may be under way at present,
    ``under_way`` how many are.
    """

    model_id: str
    label: str
    state: str
    price: str
    concurrency: int
    under_way: int
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStatus:
    """The top bar's state; money is CNY.

    ``budget`` is that of the total, the month and the own limit which leaves least, ``batch_budget`` what a
    batch may cost.
    ``models`` are those that can be ordered from, the default first. ``state`` is ready, demo, key_missing,
    key_refused, model_ended, model_ends, process_off, process_stopped, paused, no_worker, disk_low,
    oss_lost or store_lost; the last one makes no query, and its version is 0. ``state_text`` is the reason;
    ``paused`` the run of who asks that is paused for it; ``at_limit`` counts others whose limit pauses runs.
    """

    state: str
    state_text: str
    paused: database.Pause | None = None
    at_limit: int = 0
    running: int = 0
    queued: int = 0
    done_share: float | None = None
    budget: Budget | None = None
    batch_budget: Decimal | None = None
    version: int = 0
    models: Sequence[ModelState] = ()


class OpenWork(NamedTuple):
    """Counts of unfinished work, as of one version of the database."""

    version: int
    running: int
    queued: int
    total: int
    paused: Sequence[database.Pause]
    by_model: Mapping[str, int]


def init_status_context(app: Flask) -> None:
    """Add ``spec`` and ``server_status`` to the context of every template.

    The status is read at its first use: the login page has none, and makes no query.
    """

    def context() -> dict[str, Any]:
        spec, status = translated_spec(services().spec), LocalProxy(cache(server_status))
        return {"spec": spec, "server_status": status, "restored": LocalProxy(cache(_restored))}

    app.context_processor(context)


@bp.get("/live/status")
def index() -> Response:
    """The top bar's state."""
    status = server_status()
    tag = hashlib.sha256(repr(status).encode()).hexdigest()[:16]
    shown = "" if etag_matches(tag) else render_template("partials/status.html", server_status=status)
    return with_etag(make_response(shown), tag)


def server_status() -> ServerStatus:
    """The current status."""
    lost = services().runtime.store_guard.problem()
    try:
        return _store_lost(lost) if lost else _current_status()
    except DatabaseError as error:
        return _store_lost(error.message)
    except database.Error as error:
        return _store_lost(unreadable(error))


def _restored() -> database.Restored | None:
    """What to say of a database that was restored."""
    with suppress(DatabaseError, database.Error):
        return None if services().runtime.store_guard.problem() else database.find_restored(connection())
    return None


def _store_lost(sentence: Message) -> ServerStatus:
    return ServerStatus(state="store_lost", state_text=translate(sentence))


def _current_status() -> ServerStatus:
    work, budgets, me = _open_work(), list_budgets(connection()), current_person()
    mine = {me.id, None} if me.is_owner else {me.id}  # what nobody is known to pay is of the owners
    own = next((run for run in work.paused if run.payer in mine or me.id is None), None)
    limited = {run.payer for run in work.paused if run.cause == PauseCause.LIMIT}
    state, text = _state(own)
    return ServerStatus(
        state=state,
        state_text=translate(text),
        paused=own if state == "paused" else None,
        at_limit=len(limited - mine) if me.id and me.is_owner else 0,
        running=work.running,
        queued=work.queued,
        done_share=1 - (work.running + work.queued) / work.total if work.total else None,
        budget=next(iter(budgets_of_me(budgets)), None),
        batch_budget=budgets[BudgetScope.BATCH].limit,
        version=work.version,
        models=list_model_states(work.by_model),
    )


def _open_work() -> OpenWork:
    """Counted once per version and thread: many browsers poll, little changes."""
    db, local = connection(), services().thread_local
    seen: OpenWork | None = getattr(local, "work", None)
    if seen is None or seen.version != database.last_version(db):
        with database.read_transaction(db):
            seen = local.work = OpenWork(
                database.last_version(db),
                *database.count_open_work(db),
                [each for each in database.list_pauses(db).values() if each.is_problem],
                database.count_running_by_model(db),
            )
    return seen


def _state(paused: database.Pause | None) -> tuple[str, str | Message]:
    spec, today = services().spec, date.today()
    if low := services().runtime.disk.problem():
        return "disk_low", low
    if lost := services().outputs.problem():
        return "oss_lost", lost
    if stopped := services().runtime.peers.find_problem(stops=True):
        return "process_stopped", stopped
    if services().runtime.peers.are_missing:
        return "no_worker", "没有在运行的生成进程，请启动一个（ROLE=worker）；排队的图片等它启动后生成"
    if problem := services().key_problem:
        return "key_missing", problem
    notice = spec.retirement_notice(today)
    if notice and spec.is_retired(today):
        return "model_ended", notice
    if paused:
        return "paused", paused.reason
    if refusal := services().runtime.engines.default.refusal:
        return "key_refused", refusal
    if warning := services().runtime.peers.find_problem(stops=False):
        return "process_off", warning
    if notice:
        return "model_ends", notice
    if spec.name == "demo":
        return "demo", "演示模型：图片由本机画出，不花钱；设置密钥后换成真正的模型"
    return "ready", message("{label} 已就绪", label=message(spec.label))


def list_model_states(under_way: Mapping[str, int]) -> list[ModelState]:
    """The state of every model, the default first; ``under_way`` is the number of images by model id.

    One that only changes pictures is listed while it does.
    """
    return [
        ModelState(
            model_id=engine.model_id,
            label=translate(engine.spec.label),
            state=_model_state(engine),
            price=price_range(engine.spec.prices.values()),
            concurrency=engine.pace.concurrency,
            under_way=under_way.get(engine.model_id, 0),
            refusal=translate(engine.refusal) if engine.refusal else "",
        )
        for engine in services().runtime.engines
        if engine.spec.is_for_rows or engine.model_id in under_way
    ]


def _model_state(engine: Engine) -> str:
    spec, today = engine.spec, date.today()
    if spec.is_retired(today):
        return "model_ended"
    if services().model_problem(spec):
        return "key_missing"
    if engine.refusal:
        return "key_refused"
    if engine.pace.concurrency < engine.limit.highest:
        return "throttled"
    if spec.retirement_notice(today):
        return "model_ends"
    return "demo" if spec.name == "demo" else "ready"
