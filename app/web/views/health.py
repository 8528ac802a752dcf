"""``/healthz``: the health check for monitoring; ``/readyz``: whether a balancer may send requests here.

Nothing is asked for an answer: it tells what the threads of this process last saw.
With ACCESS_PASSWORD set, a client that is not logged in gets the status only, no details; so does everybody
while the database cannot be read. A process that serves pages only is healthy while a worker is alive.
"""

from typing import Any

from flask import Blueprint, Flask, request
from werkzeug.wrappers import Response

from app.errors import message
from app.web.i18n import translate
from app.web.openapi.describe import describe
from app.web.openapi.schemas import Shape, answer, closed_object, map_of, or_null
from app.web.person import is_logged_in
from app.web.serializers import failure, success
from app.web.services import Services, services
from app.worker.availability import DiskLow

bp = Blueprint("health", __name__)
_CHECKS: dict[str, Shape] = {
    **dict.fromkeys(("database", "disk", "oss", "worker", "model", "stopping"), bool),
    "disk_free_bytes": or_null(int),
    "image_model": str,
    "models": map_of(bool),
    "under_way": int,
}
_UNHEALTHY = closed_object(tuple(_CHECKS), success={"const": False}, error=str, **_CHECKS)
_CHECK_NAMES = {
    "database": "数据库",
    "disk": "磁盘空间",
    "oss": "OSS",
    "worker": "生成线程",
    "model": "模型或密钥",
}


def init_health_only(app: Flask) -> None:
    """Answer nothing else: a process with ROLE=worker has no pages."""

    @app.before_request
    def refuse() -> Response | None:
        if request.endpoint == "health.index":
            return None
        text = "这个进程只生成图片（ROLE=worker），请打开 ROLE=web 的进程的地址"
        return Response(translate(text), 404, mimetype="text/plain")


@bp.get("/healthz")
@describe("能不能工作", answer(tuple(_CHECKS), **_CHECKS), also={503: _UNHEALTHY})
def index() -> Response:
    """200 when all checks pass, else 503 with the failed ones."""
    current = services()
    runtime, threads = current.runtime, current.runtime.threads
    is_readable = runtime.availability.has_store
    checks = {
        "database": is_readable and not threads.write_refusal.lasts,
        "disk": not runtime.disk.problem(),
        "oss": not current.outputs.problem(),
        "worker": threads.are_running and not (runtime.peers.are_missing or runtime.peers.is_stopped),
        "model": current.model_problem(current.spec) is None,
    }
    failed = tuple(message(_CHECK_NAMES[name]) for name, passed in checks.items() if not passed)
    has_password = bool(current.settings.access_password)
    is_anonymous = has_password and not (is_readable and is_logged_in())
    details = {} if is_anonymous else {**checks, **_facts(current)}
    if not failed:
        return success(**details)
    stopped = None if checks["worker"] else runtime.peers.find_problem(stops=True)
    reason = runtime.store_guard.problem() or stopped or message("有问题：{problems}", problems=failed)
    return failure("有问题" if is_anonymous else reason, 503, **details)


@bp.get("/readyz")
def ready() -> Response:
    """200 until the process stops, whatever the state of what all processes share.

    A balancer would otherwise take all of them away at once, and the pages that say what is wrong.
    """
    if services().runtime.threads.draining.is_set():
        return Response("stopping\n", 503, mimetype="text/plain")
    return Response("ready\n", mimetype="text/plain")


def _facts(current: Services) -> dict[str, Any]:
    try:
        free = current.runtime.disk.free
    except DiskLow:
        free = None
    return {
        "disk_free_bytes": free,
        "image_model": current.spec.name,
        "models": {spec.model_id: not current.model_problem(spec) for spec in current.models.values()},
        "under_way": current.runtime.claimed_count,
        "stopping": current.runtime.threads.draining.is_set(),
    }
