"""The API of settings: read, change, test a key, and the receiver of notifications."""

from collections.abc import Mapping
from contextlib import suppress

from flask import Blueprint, request
from werkzeug.wrappers import Response

import database
import generator
from app import log
from app.errors import Conflict, DatabaseError, Forbidden, InvalidRequest, Message, message
from app.settings.providers import MAX_LENGTH, VARIABLES, KeyTest, change_settings, list_variables, test_key
from app.settings.start import START_VARIABLES, change_start_settings, list_start_variables
from app.web.openapi.describe import describe
from app.web.openapi.schemas import answer, map_of, strict_object, text
from app.web.params import json_body
from app.web.person import access_problem
from app.web.security import host_name
from app.web.serializers import failure, success
from app.web.services import connection, services

bp = Blueprint("settings", __name__)


@bp.get("/settings")
@describe("图片服务的设置；密钥只说填了没有", answer(variables=map_of("Variable")))
def get_settings() -> Response:
    """The settings that can be changed without a restart, never the value of a secret."""
    return success(variables=list_variables(services()))


@bp.put("/settings")
@describe(
    "改设置：写进 .env，马上生效；OSS、HOST 等重启后，另外改。空的不设；限本机或登录后",
    answer(text=str, result=str, variables=map_of("Variable"), undo=text(description="撤销删除")),
    json=strict_object(**dict.fromkeys((*VARIABLES, *START_VARIABLES, "undo"), text(maxLength=MAX_LENGTH))),
)
def put_settings() -> Response:
    """Change any of them; the orders from the next one on use them."""
    body = json_body()
    of_start = [name for name in body if name in START_VARIABLES]
    if of_start and len(of_start) < len(body):
        raise InvalidRequest(of_start[0], "{name} 重新启动后才生效，请和马上生效的分两次存", name=of_start[0])
    done = save(body, at_start=bool(of_start))
    variables = list_start_variables(services()) if of_start else list_variables(services())
    return success(text=done.text, result=done.result, variables=variables, undo=done.undo)


@bp.post("/models/<name>/test")
@describe("测试一家服务的密钥，不花钱；不能用是 502", answer(verified=bool, text=str))
def post_test(name: str) -> Response:
    """Test the stored key of a provider -> whether it was verified, and what is still open."""
    tested = test_key(services(), connection(), name)
    if tested.result == "bad":
        return failure(tested.text, 502)
    return success(verified=tested.result == "good", text=tested.text)


@bp.post("/notify/test")
@describe("向 NOTIFY_URL 发一条试试；接收方没有收下是 502", answer(receiver=str))
def send_test() -> Response:
    """Send a test notification at once -> the name of the receiver."""
    notifier = services().runtime.notifier
    if not notifier.receiver:
        raise Conflict("还没有设置 NOTIFY_URL，请填好并保存")
    try:
        with services().notify_tests:
            notifier.send_test()
    except generator.NotDelivered as error:
        log.event("web", "notify_tested", result="bad", why=error.message)
        return failure(error.message, 502)
    log.event("web", "notify_tested", result="good")
    return success(receiver=message(notifier.receiver))


def save(wanted: Mapping[str, str], *, at_start: bool) -> KeyTest:
    """Change these settings, those that the next start reads or others -> what happened.

    Raises Forbidden, and as ``change_settings`` and ``change_start_settings`` do.
    """
    problem, current = change_problem(), services()
    if problem or current.env_file is None:
        raise Forbidden(problem or "")
    if at_start:
        return change_start_settings(current.settings, current.env_file, wanted, host=host_name(request.host))
    return change_settings(current, current.env_file, connection(), wanted)


def change_problem() -> Message | None:
    """Why this request may not change settings; None when it may."""
    current, are_several = services(), services().settings.role != "all"
    with suppress(DatabaseError, database.Error):  # while the database fails nobody knows of others
        are_several = are_several or current.runtime.peers.has_others(connection())
    if are_several:
        return message("有几个进程一起工作：请在每个进程的 .env 或环境变量里改成一样，再都重新启动")
    if current.env_file is None:
        return message("程序不是用 .env 启动的，设置不能在这里改")
    return access_problem()
