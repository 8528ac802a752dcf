"""The API of notifications: a test of the receiver."""

from flask import Blueprint
from werkzeug.wrappers import Response

import generator
from app import log
from app.errors import Conflict, message
from app.web.openapi.describe import describe
from app.web.openapi.schemas import answer
from app.web.serializers import failure, success
from app.web.services import services

bp = Blueprint("notifications", __name__)


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
